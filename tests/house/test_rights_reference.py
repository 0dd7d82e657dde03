"""The reference of rights says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from overt.control.people.actions import STARTING_ROLES, WORDS
from overt.control.people.setting_up import FIRST_ROLES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rights.md"


def table(heading: str) -> dict[str, str]:
    """The rows of the table below a heading, in order: the name in code, and what stands beside it."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE))


def test_every_action_is_in_the_reference_as_pages_name_it() -> None:
    assert list(table("## Actions").items()) == [(action.value, words) for action, words in WORDS.items()]


def test_every_starting_role_is_in_the_reference_with_its_actions() -> None:
    said = {name: re.findall(r"`([^`]+)`", cell) for name, cell in table("## Roles of a new system").items()}
    assert list(said.items()) == [(name, [each.value for each in actions]) for name, actions in STARTING_ROLES.items()]


def test_the_roles_of_the_first_account_are_said() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"The first account has {' and '.join(f'`{name}`' for name in FIRST_ROLES)}" in text

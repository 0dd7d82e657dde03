"""Every key of a persona and every fault stands in the guide to simulated cameras, with its default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from overt.simulator.authentication import Scheme
from overt.simulator.dialects import DIALECTS
from overt.simulator.faults import Lasting, Striking
from overt.simulator.persona import CameraClock, CameraPersona, OnvifPersona, Persona

GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "simulate-cameras.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "## The file": Persona,
    "## A camera": CameraPersona,
    "### `clock`": CameraClock,
    "### `onvif`": OnvifPersona,
}
FAULTS: dict[str, type[BaseModel]] = {
    get_args(fault.model_fields["kind"].annotation)[0]: fault for fault in (*get_args(Lasting), *get_args(Striking))
}
COMMON = {"kind", "at_s", "for_s", "every_s"}


def section(heading: str) -> str:
    return re.split(r"^#", GUIDE.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_is_described(heading: str) -> None:
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", section(heading), re.MULTILINE)
    described = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(described) == sorted(SECTIONS[heading].model_fields)


def fault_rows() -> dict[str, str]:
    return dict(re.findall(r"^\| `(\w+)` \| ?(.*?) ?\| .*\|$", section("## Faults"), re.MULTILINE))


def test_every_fault_is_described() -> None:
    assert sorted(fault_rows()) == sorted(FAULTS)


@pytest.mark.parametrize("kind", FAULTS)
def test_every_key_of_a_fault_is_described(kind: str) -> None:
    named = [name for name in re.findall(r"`(\w+)`", fault_rows()[kind]) if name.islower()]
    assert sorted(named) == sorted(FAULTS[kind].model_fields.keys() - COMMON)


@pytest.mark.parametrize("words", [tuple(DIALECTS), get_args(Scheme)], ids=["makers", "schemes"])
def test_every_choice_is_described(words: tuple[str, ...]) -> None:
    assert set(words) <= set(re.findall(r"`([\w-]+)`", section("## A camera")))

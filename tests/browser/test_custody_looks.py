"""Looks at footage that is sealed to keys in hand, in Chromium with a real recorder: what a touch opens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from browser_rig import MARKET, PATIENCE_MS
from custody_rig import ANNA, KEEPER, VERA, Guarded, Looker, guarded
from overt.cli.main import main
from overt.footage.keystore import KeyStore
from overt.footage.layout import KEYS
from overt.sealing.wraps import WrappedKey
from quick_age import quick_passphrases
from recorder_rig import PASSPHRASE

pytestmark = pytest.mark.browser
LEAVES = """
from overt.control.acts.book import reader
ledger = reader()
answer = [[leaf.kind, ledger.body(leaf.index).value()] for leaf in ledger.leaves(kinds=["look.", "key.", "keyring."])]
"""
"""What the ledger has of looks and keys."""


OPEN = """
from overt.control.custody.models import KeyRequest
answer = str(KeyRequest.objects.filter(state="open").latest("asked").pk)
"""
"""The request that waits."""
KEYRINGS = """
from overt.control.custody.models import Keyring
answer = dict(Keyring.objects.values_list("role", "sealed"))
"""
"""Each role's, as it is kept."""


@pytest.fixture(scope="module", name="present")
def _present(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("presence") / "council"
    with guarded(chromium, folder, "presence", {VERA: "viewer"}, MARKET) as made:
        made.wait_for_footage()
        yield made


@pytest.fixture(scope="module", name="together")
def _together(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("four-eyes") / "council"
    with guarded(chromium, folder, "four-eyes", {VERA: "viewer", ANNA: "approver"}, MARKET) as made:
        made.wait_for_footage()
        yield made


def leaves(council: Guarded, kind: str) -> list[dict[str, Any]]:
    """What the ledger has of a kind, oldest first."""
    return [body for each, body in council.room.run(LEAVES) if each == kind]


def look_back(who: Looker, council: Guarded) -> Locator:
    """Look back at the camera for a purpose; the dialog that asks for the key, which is there while nothing is open."""
    who.page.goto(f"{council.room.origin}/review?camera={MARKET}")
    who.says_why()
    return who.page.get_by_role("dialog", name="Your key opens this footage")


def says(dialog: Locator, words: str) -> None:
    """Wait until the dialog says something."""
    expect(dialog).to_contain_text(words, timeout=PATIENCE_MS)


def waits_for_another(who: Looker, council: Guarded) -> Locator:
    """Look back until somebody else has to agree; the dialog."""
    dialog = look_back(who, council)
    says(dialog, "Waiting for somebody else to agree")
    return dialog


def request_of(who: Looker) -> None:
    """Go from the page of keys to what waits for this person: what was asked last."""
    who.page.goto("/keys")
    who.page.get_by_role("link", name="Vera Viewer: look at").first.click()
    expect(who.page.locator("main")).to_contain_text("INC-2047")


def is_shown(who: Looker) -> dict[str, Any]:
    """Wait for the picture."""
    return who.until_look("tile.kind === 'picture' && tile.moment > 0")


def is_not_shown(who: Looker) -> None:
    """No picture of the past is there, nor was one painted."""
    who.expected = (*who.expected, "/main/fragments?")  # which the recorder refuses
    look = who.until_look("tile.kind !== 'waiting'")
    (tile,) = look["tiles"]
    assert tile["kind"] != "picture", look
    assert tile["width"] == 0, look
    assert not tile["canvas"], look


def test_a_look_waits_for_the_key_and_without_a_touch_nothing_is_shown(present: Guarded) -> None:
    vera = present.people[VERA]
    before = len(leaves(present, "look.opened"))
    vera.key.nobody_touches()
    dialog = look_back(vera, present)
    says(dialog, "Touch your security key when it blinks.")
    says(dialog, "INC-2047")
    assert vera.violations() == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    is_not_shown(vera)
    assert len(leaves(present, "look.opened")) == before
    vera.key.somebody_touches()
    vera.button("Open it with your key")
    is_shown(vera)
    assert len(leaves(present, "look.opened")) == before + 1


def test_a_touch_shows_and_is_written_down_and_its_answer_counts_once(present: Guarded) -> None:
    vera = present.people[VERA]
    vera.key.somebody_touches()
    look_back(vera, present)
    is_shown(vera)
    touched = leaves(present, "look.touched")[-1]
    told = json.loads(touched["text"])
    assert (told["kind"], told["cameras"], told["reference"]) == ("look", [MARKET], "INC-2047")
    vera.has_not_sent(present.papers["viewer"], "AGE-SECRET-KEY")
    status, text = vera.sends_again("/consent")
    assert (status, "was answered" in text) == (403, True), text
    # The same answer to another request is none: what is signed is that request.
    count = len(leaves(present, "look.touched"))
    status, text = vera.answers_another(vera.last_sent("/keys")[0])
    assert (status, "Nothing was opened" in text) == (403, True), text
    assert len(leaves(present, "look.touched")) == count


def test_what_was_recorded_before_the_policy_stays_sealed_to_whom_it_was(present: Guarded) -> None:
    with KeyStore(present.site.footage / KEYS, write=False) as store:
        stored = [store.get(each.period_id) for each in sorted(store.listing(), key=lambda each: each.created_ns)]
    roles = [WrappedKey.decode(each.wrap).layers[0].role for each in stored if each is not None]
    assert set(roles) == {"custodian", "viewer"}
    assert roles == sorted(roles), "those of the key in hand came later"


def test_a_touch_tries_that_footage_can_be_opened(present: Guarded) -> None:
    vera = present.people[VERA]
    vera.key.somebody_touches()
    vera.page.goto("/keys")
    vera.button("Try now that footage can be opened")
    vera.touch("opened, as they should")
    assert leaves(present, "keyring.drilled")[-1]["failed"] == 0


def test_two_people_open_what_neither_opens_alone(together: Guarded) -> None:
    vera, anna = together.people[VERA], together.people[ANNA]
    opened = len(leaves(together, "look.opened"))
    waits_for_another(vera, together)
    assert vera.violations() == []
    request_of(anna)
    assert anna.violations() == []
    assert len(leaves(together, "look.opened")) == opened
    anna.touch("Vera Viewer may open it now")
    is_shown(vera)
    assert len(leaves(together, "look.opened")) == opened + 1
    touched = leaves(together, "look.touched")[-2:]
    assert [each["key_role"] for each in touched] == ["approver", "viewer"]
    assert touched[0]["text"] == touched[1]["text"]


def test_what_the_other_refuses_stays_shut(together: Guarded) -> None:
    vera, anna = together.people[VERA], together.people[ANNA]
    count = len(leaves(together, "look.touched"))
    dialog = waits_for_another(vera, together)
    request_of(anna)
    anna.button("Refuse")
    anna.says("You have refused")
    says(dialog, "This request was refused.")
    dialog.get_by_role("button", name="Cancel").click()
    is_not_shown(vera)
    assert len(leaves(together, "look.touched")) == count


def test_who_asks_does_not_agree_in_the_others_place(together: Guarded) -> None:
    vera = together.people[VERA]
    waits_for_another(vera, together)
    vera.page.goto(f"/key-requests/{together.room.run(OPEN)}")
    expect(vera.page.locator("main")).to_contain_text("You have asked for this: somebody else approves it.")
    expect(vera.page.get_by_role("button", name="Touch your key to agree")).to_have_count(0)


def test_the_paper_stands_in_for_the_key_of_the_other_and_no_other_paper_does(together: Guarded) -> None:
    vera, max_manager = together.people[VERA], together.people[KEEPER]
    broken = len(leaves(together, "key.recovery-used"))
    waits_for_another(vera, together)
    max_manager.page.goto(f"/key-requests/{together.room.run(OPEN)}")
    max_manager.page.get_by_text("No key is at hand: use the recovery on paper").click()
    paper = max_manager.page.get_by_label("What is written on the paper")
    paper.fill(together.papers["viewer"])
    max_manager.button("Use the recovery")
    max_manager.says("This is not the recovery of the role whose key is asked")
    paper.fill(together.papers["approver"].lower())
    max_manager.button("Use the recovery")
    max_manager.says("Vera Viewer may open it now")
    is_shown(vera)
    max_manager.has_not_sent(together.papers["approver"], together.papers["viewer"])
    assert len(leaves(together, "key.recovery-used")) == broken + 1


def test_the_papers_of_both_roles_open_footage_without_a_browser(
    together: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERT_PASSPHRASE", PASSPHRASE)
    keys: list[str] = []
    for role, sealed in together.room.run(KEYRINGS).items():
        keyring, paper, key = (tmp_path / f"{role}.{each}" for each in ("age", "txt", "key"))
        keyring.write_text(sealed)
        paper.write_text(f"{together.papers[role]}\n")
        keys += ["--key", str(key)]
        told = ["--role", role, "--secret-file", str(paper), "--out", str(key)]
        with quick_passphrases():
            assert main(["keys", "recover-keyring", str(keyring), *told]) == 0
    clip = tmp_path / "clip.mp4"
    span = ["--camera", MARKET, "--from", "-30s", "--to", "-20s", "--purpose", "A drill"]
    assert main(["export", str(together.site.footage), *span, "--out", str(clip), *keys]) == 0
    assert clip.read_bytes()[4:8] == b"ftyp"
    assert main(["export", str(together.site.footage), *span, "--out", str(tmp_path / "one.mp4"), *keys[:2]]) != 0


def test_a_key_that_is_not_hers_opens_nothing_for_her(present: Guarded) -> None:
    vera = present.arrive(VERA)
    dialog = look_back(vera, present)
    says(dialog, "The security key was not used")
    dialog.get_by_role("button", name="Cancel").click()
    is_not_shown(vera)

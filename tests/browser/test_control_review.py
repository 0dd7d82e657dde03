"""Looking back in the control room, and floor plans, in Chromium with a real recorder."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Download, expect

from browser_rig import FOYER, MARKET, SMALL, STAIRS, STREET
from room_rig import NAMES, OPERATOR, SUPERVISOR, Council, Wall, unlock, wait_for_footage

pytestmark = pytest.mark.browser
LOOKS = """
from overt.control.acts.book import reader
ledger = reader()
told = [(leaf.kind, ledger.body(leaf.index).value()) for leaf in ledger.leaves(kinds=["look.", "clip."])]
whose = str(Person.objects.get(email=EMAIL).pk)
answer = [
    [kind, sorted(body["cameras"]), body.get("reference", "")]
    for kind, body in told if body["who"].get("id") == whose
]
"""
"""What the ledger has of somebody's looks."""


def test_from_the_wall_thirty_seconds_back(wall: Wall, council: Council) -> None:
    wait_for_footage(council)
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council, f"?camera={STAIRS}&camera={MARKET}")
    wall.shown(STAIRS, MARKET)
    wall.page.keyboard.press("1")
    wall.page.keyboard.press("r")
    wall.page.wait_for_url("**/review?camera=back-stairs&at=*")
    expect(wall.page.get_by_role("dialog")).to_be_visible()
    assert wall.violations() == []
    wall.says_why()
    look = wall.until_look("tile.kind === 'picture' && look.playing && tile.moment > 0")
    assert look["tiles"][0]["camera"] == STAIRS
    wall.until_look(f"tile.moment > {look['tiles'][0]['moment']} + 2")
    assert wall.violations() == []
    assert wall.page.evaluate(SMALL) == []
    expect(wall.page.get_by_role("toolbar", name="Recorded days").get_by_role("button")).to_have_count(31)
    expect(wall.page.get_by_role("toolbar", name="Recorded days")).to_contain_text("25")


def named(camera: str) -> Callable[[Download], bool]:
    """Return what knows the clip of a camera by its name."""
    return lambda download: download.suggested_filename.startswith(f"{camera}_")


def test_further_cameras_from_the_tree_by_keyboard_and_a_clip(wall: Wall, council: Council, tmp_path: Path) -> None:
    wait_for_footage(council)
    page = wall.page
    wall.signed_in(council, SUPERVISOR)
    page.goto(f"{council.room.origin}/review")
    expect(page.locator("main")).to_contain_text("Choose a camera to look back at")
    for words, name, first in (("market sq", NAMES[MARKET], True), ("foyer", NAMES[FOYER], False)):
        page.keyboard.press("c")
        wall.until("() => document.querySelector('overt-camera-tree')?.shadowRoot.activeElement?.id === 'search'")
        page.keyboard.type(words)
        page.keyboard.press("Enter")
        if first:
            page.keyboard.press("Tab")
            page.keyboard.type("INC-2047")
            page.keyboard.press("Enter")
        expect(page.locator("overt-review").locator("select option:checked").filter(has_text=name)).to_have_count(1)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    wall.until_look("tiles.length === 2 && tiles.every((each) => each.kind === 'picture')")
    page.keyboard.press("k")
    page.keyboard.press("ArrowLeft")
    wall.settled()
    page.keyboard.press("i")
    page.keyboard.press("ArrowRight")
    wall.settled()
    page.keyboard.press("o")
    with (
        page.expect_download(named("Market-Square"), timeout=30_000) as market,
        page.expect_download(named("Library-foyer"), timeout=30_000) as foyer,
    ):
        wall.button("Save clip")
    expect(page.locator(".warning")).to_contain_text("Saved:", timeout=30_000)
    names = [(each.value.suggested_filename, each.value.path()) for each in (market, foyer)]
    for name, path in names:
        told = subprocess.run(
            ["ffprobe", "-v", "error", "-count_frames", "-show_entries",
             "format=duration,start_time:stream=codec_name,nb_read_frames", "-of", "json", str(path)],
            capture_output=True, check=True, text=True,
        )  # fmt: skip
        assert told.stderr == "", name
        probe = json.loads(told.stdout)
        assert 4 < float(probe["format"]["duration"]) < 12, probe
        assert float(probe["format"].get("start_time", 0)) < 1
        assert int(probe["streams"][0]["nb_read_frames"]) > 30
    looks = council.room.run(LOOKS, EMAIL=SUPERVISOR)
    assert ["clip.taken", sorted([FOYER, MARKET]), "INC-2047"] in looks
    assert ["look.opened", sorted([FOYER, MARKET]), "INC-2047"] in looks


SHIFT = """
from overt.control.viewing.models import Approval, Purpose
from overt.control.people.rights import rights_of
from overt.control.viewing import approvals
who = Person.objects.get(email=EMAIL)
made, _ = Purpose.objects.get_or_create(
    name="Patrol", defaults={"legal_basis": "Public task", "opens": ["replay", "recorded"], "may_stand": True}
)
groups = list(SiteGroup.objects.filter(name="Town centre").values_list("pk", flat=True))
approvals.open_approval(who, rights_of(who), approvals.Asked(made.pk, "OP-1", groups, 8), "OP-1")
"""


def test_a_purpose_for_a_shift_answers_until_it_is_ended(wall: Wall, council: Council) -> None:
    wait_for_footage(council)
    page = wall.page
    wall.signed_in(council, SUPERVISOR)
    council.room.run(SHIFT, EMAIL=SUPERVISOR)
    page.goto(f"{council.room.origin}/review?camera={MARKET}")
    wall.until_look("tile.kind === 'picture'")
    expect(page.get_by_role("dialog")).to_have_count(0)
    shift = page.get_by_role("region", name="Approval for this shift")
    expect(shift).to_contain_text("You look back for: Patrol (OP-1), until")
    assert wall.violations() == []
    assert ["look.opened", [MARKET], "OP-1"] in council.room.run(LOOKS, EMAIL=SUPERVISOR)
    page.get_by_role("button", name="Purpose: Patrol (OP-1). Change").click()
    expect(page.get_by_role("dialog", name="For what purpose do you look back?")).to_be_visible()
    page.keyboard.press("Escape")
    wall.expected = ("401", "403", "404", "WebSocket connection")  # what it opened closes
    shift.get_by_role("button", name="End it now").click()
    page.wait_for_url("**/purposes/shift")
    page.goto(f"{council.room.origin}/review?camera={MARKET}")
    expect(page.get_by_role("dialog", name="For what purpose do you look back?")).to_be_visible()
    expect(shift).to_have_count(0)


def test_who_may_replay_alone_reaches_ten_minutes(wall: Wall, council: Council) -> None:
    wait_for_footage(council)
    wall.signed_in(council, OPERATOR)
    wall.page.goto(f"{council.room.origin}/review?camera={STREET}")
    wall.says_why()
    wall.until_look("tile.kind === 'picture'")
    expect(wall.page.locator("overt-review")).to_contain_text("the last ten minutes are open to you")
    expect(wall.page.get_by_role("button", name="Save clip")).to_have_count(0)
    looks = council.room.run(LOOKS, EMAIL=OPERATOR)
    assert ["look.replayed", [STREET], "INC-2047"] in looks
    assert "look.opened" not in {kind for kind, _, _ in looks}


def test_while_locked_the_page_says_what_to_do(wall: Wall, council: Council) -> None:
    council.room.run("from overt.control.viewing import holding\nholding.custody().lock()")
    try:
        wall.signed_in(council, SUPERVISOR)
        wall.page.goto(f"{council.room.origin}/review?camera={MARKET}")
        wall.says_why()
        expect(wall.page.locator(".warning")).to_contain_text("Recorded footage is locked", timeout=30_000)
        expect(wall.page.locator("overt-review")).to_contain_text("the last ten minutes are open to you")
        assert wall.violations() == []
    finally:
        unlock(council)


def test_an_account_that_is_removed_looks_back_no_more(wall: Wall, council: Council) -> None:
    wall.expected = ("401", "403", "404", "WebSocket connection")
    wait_for_footage(council)
    council.room.run("person('was.here@northshire.example', 'Was Here', 'Supervisor')", PASSWORD="theirs alone, long")
    wall.signed_in(council, "was.here@northshire.example")
    wall.page.goto(f"{council.room.origin}/review?camera={MARKET}")
    wall.says_why()
    wall.until_look("tile.kind === 'picture'")
    council.room.remove("was.here@northshire.example")
    expect(wall.page.get_by_role("heading", level=1)).to_have_text("You can see no pictures here now")
    assert wall.page.locator("video, canvas").count() == 0
    looks = council.room.run(LOOKS, EMAIL="was.here@northshire.example")
    kinds = [kind for kind, *_ in looks]
    assert (kinds[:3], kinds[-1]) == (["look.live", "look.replayed", "look.opened"], "look.ended")


def test_a_floor_plan_is_made_and_shows_live_pictures(wall: Wall, council: Council, tmp_path: Path) -> None:
    page = wall.page
    out = io.BytesIO()
    Image.new("RGB", (800, 600), "white").save(out, "PNG")
    wall.signed_in(council, "max.manager@northshire.example")
    page.goto(f"{council.room.origin}/plans")
    page.get_by_role("link", name="Add a plan of Market Hall").click()
    page.get_by_label("Name of the plan").fill("Ground floor")
    page.get_by_label("Picture").set_input_files({"name": "p.png", "mimeType": "image/png", "buffer": out.getvalue()})
    assert wall.violations() == []
    wall.button("Add the plan")
    page.get_by_role("radio", name=f"{NAMES[MARKET]}: Place by clicking").check()
    page.locator("[data-plan]").click(position={"x": 100, "y": 100})
    expect(page.locator("[data-said]")).to_contain_text("Market Square placed")
    page.get_by_role("checkbox", name=f"{NAMES[STREET]}: On the plan").check()
    group = page.get_by_role("group", name=NAMES[STREET])
    for label, value in (("From the left", "70"), ("From the top", "30"), ("Looks towards", "90")):
        group.get_by_label(label).fill(value)
    assert wall.violations() == []
    wall.button("Save the plan")
    pins = page.locator("overt-plan-page .pin")
    expect(pins).to_have_count(2)
    assert page.locator("overt-plan-page b").count() == 0
    pins.first.focus()
    expect(page.locator("overt-player")).to_have_attribute("state", "live", timeout=30_000)
    page.get_by_role("button", name=NAMES[STREET]).first.hover()
    expect(page.locator("overt-player .name")).to_have_text(NAMES[STREET], timeout=30_000)
    expect(page.locator("overt-player")).to_have_attribute("state", "live", timeout=30_000)
    assert wall.violations() == []
    assert page.evaluate(SMALL) == []
    page.keyboard.press("Escape")
    expect(page.locator("overt-player")).to_have_count(0)

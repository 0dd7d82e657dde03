"""What an operator does on wall, review and plans, by keyboard alone, with single keys switched off."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from browser_rig import CAMERAS, MARKET, STAIRS, STREET
from keyboard import Keyboard
from room_rig import NAMES, SUPERVISOR, Council, Wall, wait_for_footage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def keys(wall: Wall) -> Iterator[Keyboard]:
    made = Keyboard(wall.page)
    yield made
    made.check()


def without_single_keys(keys: Keyboard, wall: Wall) -> None:
    """Switch single characters off as shortcuts, as who dictates or has a tremor does."""
    keys.press_on("Keys and help")
    expect(wall.page.get_by_role("dialog", name="Keys and help")).to_be_visible()
    keys.press_on("Single keys are shortcuts", "Space")
    keys.press_on("Close")
    expect(wall.page.get_by_role("dialog")).to_be_hidden()


def test_a_wall_is_set_up_saved_and_toured(wall: Wall, council: Council, keys: Keyboard) -> None:
    page = wall.page
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council, f"?camera={MARKET}&camera={STREET}")
    wall.shown(MARKET, STREET)
    keys.to("Skip to main content")
    keys.press("Enter")
    without_single_keys(keys, wall)

    # One layout, and another, each saved under a name.
    keys.press_on("1")
    expect(page.locator("overt-player")).to_have_count(1)
    save_layout(wall, keys, "One")
    keys.press_on("4")
    wall.shown(MARKET, STREET)
    # A tile is chosen with the arrow keys, and a camera is put in it from the tree.
    keys.to("Tile 1", whole=False)
    keys.press("ArrowDown", "Enter")
    expect(page.get_by_role("group", name="Tile 3: empty, selected")).to_be_focused()
    keys.to("Find a camera or site", back=True)
    keys.type("stairs")
    keys.press("ArrowDown", "Enter")
    wall.shown(MARKET, STREET, STAIRS)
    save_layout(wall, keys, "Streets")

    keys.press_on("Layouts and tours")
    dialog = page.get_by_role("dialog", name="Layouts and tours")
    expect(dialog).to_be_visible()
    keys.to("Save layout")
    keys.fill("Name", "Round")
    for name in ("One", "Streets"):
        keys.press_on(name, "Space")
        keys.fill(f"seconds of {name}", "5")
    keys.press_on("Save tour")
    expect(dialog.get_by_role("button", name="Start tour Round")).to_be_visible()
    keys.press_on("Start tour Round")
    tour = page.get_by_role("group", name="Tour Round")
    expect(tour).to_be_visible()
    keys.press_on("Hold")
    expect(tour).to_contain_text("held")
    keys.press_on("Next layout of the tour")
    expect(tour).to_contain_text("2 of 2")
    keys.press_on("End tour")
    expect(tour).to_have_count(0)

    # A saved layout and a site, from the list: its entries are gone through without being led away.
    keys.to("Site or layout")
    keys.press("ArrowDown", "ArrowDown", "ArrowUp")
    keys.press_on("Show")
    expect(page.locator("overt-player")).to_have_count(1)
    keys.to("Tile 1", whole=False)
    keys.press_on("Look back 30 s", whole=False)
    page.wait_for_url("**/review?camera=*")
    say_why(wall, keys)
    wall.until_look("tile.kind === 'picture'")


def say_why(wall: Wall, keys: Keyboard) -> None:
    """Answer for what purpose somebody looks back: the second of the register, with an authorisation to follow."""
    asked = wall.page.get_by_role("dialog", name="For what purpose do you look back?")
    expect(asked).to_be_visible()
    keys.press("ArrowDown")
    keys.fill("Incident number (if there is one)", "INC-3")
    keys.to("One person or vehicle is to be followed for some time")
    keys.press("Space")
    keys.fill("Number of the authorisation (Regulation of Investigatory Powers Act)", "RIPA-12")
    keys.press_on("Look back")
    expect(asked).to_be_hidden()


def save_layout(wall: Wall, keys: Keyboard, name: str) -> None:
    keys.press_on("Layouts and tours")
    expect(wall.page.get_by_role("dialog", name="Layouts and tours")).to_be_visible()
    keys.fill("Name", name)
    keys.press_on("Save layout")
    expect(wall.page.get_by_role("button", name=f"Show {name}")).to_be_visible()
    keys.press("Escape")
    expect(wall.page.get_by_role("dialog")).to_be_hidden()


def test_a_moment_is_found_and_saved(wall: Wall, council: Council, keys: Keyboard) -> None:
    wall.expected = ("status of 401",)
    """Signing out ends the grant while the page is still there."""
    wait_for_footage(council)
    page = wall.page
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council)
    wall.shown(*CAMERAS)
    keys.press_on("Look back")
    expect(page.locator("main")).to_contain_text("Choose a camera to look back at")
    without_single_keys(keys, wall)
    keys.to("Find a camera or site", back=True)
    keys.type("market sq")
    keys.press("Enter")
    say_why(wall, keys)
    wall.until_look("tile.kind === 'picture'")
    # To another day and back; then play, pause, a frame on, and where the slider leads.
    keys.press_on("Day before")
    wall.until_look("tile.kind !== 'picture' && tile.kind !== 'waiting'")
    # Back along the strip of days, which is one stop of the tabulator.
    keys.to("nothing recorded", whole=False)
    keys.press("ArrowRight", "Enter")
    wall.until_look("tile.kind === 'picture'")
    playing = wall.look()["playing"]
    keys.press_on("Pause" if playing else "Play")
    wall.until_look(f"look.playing === {str(not playing).lower()}")
    if not playing:
        keys.press("Enter")
        wall.until_look("!look.playing")
    wall.settled()
    keys.to("Moment of the day")
    before = wall.look()["at"]
    # Later, not earlier: half a minute ago is near the beginning of what was recorded.
    keys.press("ArrowRight", "ArrowRight")
    # Until the very frame is there: what is near it may be shown first.
    wall.until_look(f"Math.abs(look.at - {before + 10}) < 0.2")
    shown = wall.until_look("tile.kind === 'picture' && Math.abs(tile.moment - look.at) < 0.2")["tiles"][0]["moment"]
    keys.to("Next frame", back=True)
    keys.press("Enter")
    wall.until_look(f"tile.moment > {shown} && tile.moment < {shown + 0.5}")
    keys.press_on("In", "Space")
    keys.to("Moment of the day")
    keys.press("ArrowRight")
    wall.until_look("look.markIn !== null")
    wall.settled()
    keys.to("Out", back=True)
    keys.press("Enter")
    wall.until_look("look.markOut !== null")
    with page.expect_download() as download:
        keys.press_on("Save clip")
    assert download.value.suggested_filename.startswith("Market-Square_")
    expect(page.locator(".warning")).to_contain_text("Saved:")
    keys.press_on("Hide this message")
    keys.press_on("Sign out")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_plan_is_made_and_its_pins_are_looked_through(
    wall: Wall, council: Council, keys: Keyboard, tmp_path: Path
) -> None:
    page = wall.page
    out = io.BytesIO()
    Image.new("RGB", (800, 600), "white").save(out, "PNG")
    file = tmp_path / "plan.png"
    file.write_bytes(out.getvalue())
    wall.signed_in(council, "max.manager@northshire.example")
    page.goto(f"{council.room.origin}/plans")
    keys.press_on("Add a plan of Market Hall")
    expect(page.get_by_role("heading", level=1)).to_have_text("Add a plan of Market Hall")
    keys.fill("Name of the plan, such as “Ground floor”", "Upper floor")
    keys.bring("Picture", file)
    keys.press_on("Add the plan")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Cameras on Upper floor")
    # Numbers in place of pointing.
    keys.press_on(f"{NAMES[MARKET]}: On the plan", "Space")
    for name, words in (
        ("From the left, in %", "70"),
        ("From the top, in %", "30"),
        ("Looks towards, in degrees (0 is up, 90 is right)", "90"),
    ):
        keys.fill(name, words)
    keys.press_on("Save the plan")
    expect(page.locator("overt-plan-page .pin")).to_have_count(1)
    keys.to(f"{NAMES[MARKET]}, looks towards the right")
    expect(page.locator("overt-player")).to_have_attribute("state", "live", timeout=30_000)
    keys.press("Escape")
    expect(page.locator("overt-player")).to_have_count(0)

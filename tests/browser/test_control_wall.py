"""The control room's wall in Chromium, with a real recorder: what is watched, by whom, and what ends it."""

from __future__ import annotations

import signal
import time

import pytest
from playwright.sync_api import expect

from browser_rig import CAMERAS, MARKET, SMALL, STAIRS, STREET, Figure
from room_rig import NAMES, OPERATOR, SUPERVISOR, Council, Wall

pytestmark = pytest.mark.browser
FOCUSED = "document.querySelector('overt-wall').shadowRoot.activeElement?.getAttribute('data-tile')"
OVERFLOW = """() => {
  const {scrollWidth, scrollHeight} = document.documentElement;
  return [scrollWidth - innerWidth, scrollHeight - innerHeight];
}"""
PICTURES = "() => document.querySelectorAll('overt-wall, overt-player, video, canvas').length"


def test_four_cameras_are_live_and_move(wall: Wall, council: Council) -> None:
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council)
    wall.shown(*CAMERAS)
    for camera in CAMERAS:
        wall.moving(camera)
    expect(wall.page.locator("overt-wall .summary")).to_have_text("4 live")
    assert wall.violations() == []
    assert wall.page.evaluate(SMALL) == []


def test_names_are_shown_as_they_are_written(wall: Wall, council: Council) -> None:
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council)
    wall.shown(*CAMERAS)
    expect(wall.tile(NAMES[STREET])).to_be_visible()
    assert "<b>" in NAMES[STREET]
    wall.page.get_by_role("searchbox").fill("high")
    expect(wall.page.get_by_role("treeitem", name=NAMES[STREET])).to_be_visible()
    assert wall.page.locator("overt-camera-tree b").count() == 0
    assert wall.page.locator("overt-player b").count() == 0


def test_an_operator_sees_the_cameras_of_their_group_alone(wall: Wall, council: Council) -> None:
    wall.signed_in(council, OPERATOR)
    wall.wall(council)
    wall.shown(MARKET, STREET, STAIRS)
    wall.page.get_by_role("searchbox").fill("foyer")
    expect(wall.page.locator("overt-camera-tree")).to_contain_text("No camera is called that.")
    assert "oyer" not in wall.page.evaluate("() => document.body.innerHTML")


def test_every_task_by_keyboard(wall: Wall, council: Council) -> None:
    page = wall.page
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council)
    wall.shown(*CAMERAS)
    # Fewer tiles and more; what had no room waits.
    page.keyboard.press("-")
    expect(page.locator("overt-player")).to_have_count(1)
    page.keyboard.press("+")
    wall.shown(*CAMERAS)
    # A tile is chosen, emptied, and filled from the tree.
    page.keyboard.press("1")
    wall.said("Library foyer selected.")
    page.keyboard.press("Delete")
    wall.said("Library foyer taken from tile 1.")
    expect(page.locator("overt-player")).to_have_count(3)
    page.keyboard.press("c")
    wall.until("() => document.querySelector('overt-camera-tree')?.shadowRoot.activeElement?.id === 'search'")
    page.keyboard.type("foyer")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wall.said("Library foyer in tile 1.")
    expect(page.locator("overt-player")).to_have_count(4)
    # Down the tree, with its branches, and typing searches again.
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    focused = "document.querySelector('overt-camera-tree').shadowRoot.activeElement?.id"
    wall.until(f"() => {focused}?.startsWith('camera-')")
    page.keyboard.type("market s")
    page.keyboard.press("Enter")
    wall.said("Market Square in tile")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    wall.until("() => document.activeElement?.localName === 'overt-wall'")
    # About the wall, and a tile to the full screen.
    page.keyboard.press("1")
    page.keyboard.press("ArrowRight")
    wall.until(f"() => {FOCUSED} === document.querySelector('overt-wall').cells[1]")
    page.keyboard.press("Enter")
    expect(page.locator("overt-player[selected]")).to_have_count(1)
    page.keyboard.press("f")
    wall.until("() => document.fullscreenElement !== null")
    page.keyboard.press("f")
    wall.until("() => document.fullscreenElement === null")
    # A layout is saved, left and shown again.
    page.keyboard.press("l")
    name = page.get_by_role("dialog").get_by_label("Name").first
    name.focus()
    page.keyboard.type("Nights")
    page.keyboard.press("Enter")
    wall.said("Layout Nights saved.")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys and help")).to_contain_text("Find a camera")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.keyboard.press("r")
    page.wait_for_url("**/review?camera=*")


def test_layouts_and_a_tour(wall: Wall, council: Council) -> None:
    page = wall.page
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council, f"?camera={MARKET}&camera={STREET}")
    wall.shown(MARKET, STREET)
    for name, layout in (("Streets", "4"), ("One", "1")):
        page.get_by_role("group", name="Number of tiles").get_by_role("button", name=layout, exact=True).click()
        wall.button("Layouts and tours")
        dialog = page.get_by_role("dialog", name="Layouts and tours")
        dialog.get_by_label("Name").first.fill(name)
        dialog.get_by_label("Shared with").first.select_option(label="Town centre")
        wall.button("Save layout")
        expect(dialog.get_by_role("button", name=f"Show {name}")).to_be_visible()
        assert wall.violations() == []
        page.keyboard.press("Escape")
    wall.button("Layouts and tours")
    dialog = page.get_by_role("dialog", name="Layouts and tours")
    form = dialog.locator("form").filter(has_text="Make a tour")
    form.get_by_label("Name").fill("Round")
    for name in ("Streets", "One"):
        form.get_by_role("checkbox", name=name).check()
        form.get_by_role("spinbutton", name=f"of {name}").fill("5")
    wall.button("Save tour")
    wall.button("Start tour Round")
    expect(page.locator("overt-wall .tiles > *")).to_have_count(1)
    page.mouse.move(5, 5)
    page.evaluate("document.activeElement.blur()")
    expect(page.locator("overt-wall .tiles > *")).to_have_count(4, timeout=20_000)
    page.keyboard.press("t")
    expect(page.get_by_role("group", name="Tour Round")).to_contain_text("held")
    wall.button("End tour")
    expect(page.get_by_role("group", name="Tour Round")).to_have_count(0)


def test_an_account_is_removed_in_the_middle(wall: Wall, council: Council, figure: Figure) -> None:
    wall.expected = ("401", "403", "404", "WebSocket connection")
    council.room.run(
        "person('gone.soon@northshire.example', 'Gone Soon', 'Supervisor')", PASSWORD="a passphrase of theirs"
    )
    wall.signed_in(council, "gone.soon@northshire.example")
    wall.wall(council)
    wall.shown(*CAMERAS)
    wall.page.evaluate(
        """() => {
          globalThis.ended = 0;
          setInterval(() => {
            if (globalThis.ended !== 0) return;
            const tiles = [...document.querySelector("overt-wall")?.renderRoot.querySelectorAll("overt-player") ?? []];
            if (tiles.every((each) => each.getAttribute("state") === "unauthorised")) globalThis.ended = Date.now();
          }, 20);
        }"""
    )
    council.room.remove("gone.soon@northshire.example")
    removed = time.time()
    ended = wall.until("() => globalThis.ended")
    figure("removed_s", round(ended / 1000 - removed, 2))
    assert ended / 1000 - removed < 2.5, "one second, one until the thread looks, and what a busy machine adds"
    expect(wall.page.get_by_role("heading", level=1)).to_have_text("You can see no pictures here now")
    expect(wall.page.locator("main")).to_contain_text("your account has ended")
    assert wall.page.evaluate(PICTURES) == 0
    assert wall.violations() == []


def test_signing_out_in_another_tab_ends_the_pictures(wall: Wall, council: Council) -> None:
    wall.expected = ("401", "403", "404", "WebSocket connection")
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council)
    wall.shown(*CAMERAS)
    other = wall.page.context.new_page()
    other.goto(f"{council.room.origin}/wall")
    other.get_by_role("button", name="Sign out").click()
    expect(wall.page.get_by_role("heading", level=1)).to_have_text("You can see no pictures here now")
    assert wall.page.evaluate(PICTURES) == 0


def test_the_media_process_is_killed_and_comes_back(wall: Wall, council: Council) -> None:
    wall.expected = ("net::ERR_", "WebSocket connection", "503", "401", "403")
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council)
    wall.shown(*CAMERAS)
    # A hole is told from 1.5 s on, and who connects anew is given the whole of a group of pictures first, which is 2 s.
    council.recorder.signal_media_process(signal.SIGSTOP)
    wall.page.wait_for_timeout(5000)
    council.recorder.signal_media_process(signal.SIGKILL)
    for camera in CAMERAS:
        note = wall.tile(NAMES[camera]).locator(".note")
        expect(note).to_contain_text("the connection to the recorder was lost", timeout=30_000)
    wall.shown(*CAMERAS)
    expect(wall.page.locator(".warning")).to_have_count(0)
    for camera in CAMERAS:
        wall.moving(camera)


def test_a_lost_camera_is_unmistakable(wall: Wall, council: Council) -> None:
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council)
    wall.shown(*CAMERAS)
    camera = council.simulator.camera(MARKET)
    camera.fault("stall")
    try:
        wall.shows(NAMES[MARKET], "stale")
        wall.said("Market Square: no new picture")
        wall.shows(NAMES[MARKET], "lost")
        expect(wall.page.locator("overt-wall .summary")).to_have_text("3 live, 1 no signal")
    finally:
        camera.clear()
    wall.live(NAMES[MARKET])


@pytest.mark.parametrize(
    ("width", "height"), [(1366, 768), (3840, 2160), (1024, 768)], ids=["notebook", "4k", "tablet"]
)
def test_sizes(wall: Wall, council: Council, width: int, height: int) -> None:
    wall.page.set_viewport_size({"width": width, "height": height})
    wall.signed_in(council, SUPERVISOR)
    wall.wall(council)
    wall.shown(*CAMERAS)
    overflow = (
        "() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
    )
    assert wall.page.evaluate(overflow) == [0, 0]
    box = wall.page.locator("overt-wall .tiles").bounding_box()
    assert box is not None
    assert box["height"] > height * 0.75

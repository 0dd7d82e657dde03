"""Everybody can use it: keys for all there is, buttons for all that is dragged, sizes, motion, and what axe finds."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from archive_rig import AT, FOUR, NORTH, SOUTH, looking
from browser_rig import CAMERAS, SMALL, STREET, Screen, ServedSite, Town

pytestmark = pytest.mark.browser

MOTION = """() => {
  const running = document.getAnimations().filter((each) => each.playState === "running").length;
  const visit = (root) => [...root.querySelectorAll("*")].flatMap((each) => {
    const {transitionDuration, animationName} = getComputedStyle(each);
    const own = transitionDuration !== "0s" || animationName !== "none" ? [each.localName] : [];
    return [...own, ...(each.shadowRoot ? visit(each.shadowRoot) : [])];
  });
  return [running, visit(document)];
}"""


def test_the_wall_and_the_help(screen: Screen, town: Town) -> None:
    screen.open(town.link()).live(*CAMERAS)
    assert screen.violations() == []
    screen.page.keyboard.press("2")
    expect(screen.tile(STREET)).to_have_attribute("engine", "webcodecs", timeout=30_000)
    screen.page.locator("overt-wall").get_by_role("button", name="16").click()
    screen.live(*CAMERAS)
    assert screen.page.evaluate(SMALL) == []
    assert screen.violations() == []
    screen.page.keyboard.press("?")
    expect(screen.page.get_by_role("dialog", name="Keys and help")).to_be_visible()
    assert screen.violations() == []
    assert screen.page.evaluate(SMALL) == []
    screen.button("Close")
    expect(screen.page.get_by_role("dialog")).to_be_hidden()


def test_looking_back(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, *FOUR)
    screen.button("In")
    screen.button("List of recordings")
    assert screen.violations() == []
    assert screen.page.evaluate(SMALL) == []
    screen.page.keyboard.press("?")
    expect(screen.page.get_by_role("dialog")).to_contain_text("Looking back")
    assert screen.violations() == []


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_but_the_pictures(screen: Screen, town: Town, motion: str) -> None:
    screen.page.emulate_media(reduced_motion="reduce" if motion == "reduce" else "no-preference")
    screen.open(town.link()).live(*CAMERAS)
    assert screen.page.evaluate(MOTION) == [0, []]
    screen.page.keyboard.press("b")
    screen.settled()
    assert screen.page.evaluate(MOTION) == [0, []]


def test_every_control_has_a_key(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, SOUTH)
    press = screen.page.keyboard.press
    press("Space")
    screen.until_look("look.playing && look.rate === 1")
    screen.said("Playing.")
    press("l")
    screen.until_look("look.rate === 2")
    press("j")
    screen.until_look("look.rate === -1")
    press("j")
    screen.until_look("look.rate === -2")
    press("k")
    screen.until_look("!look.playing")
    screen.said("Paused at")
    screen.go("01:20:30 BST")
    for key, moved in (("ArrowRight", 5), ("ArrowLeft", -5), ("Shift+ArrowRight", 60), ("Shift+ArrowLeft", -60)):
        before = screen.settled()["at"]
        press(key)
        screen.until_look(f"Math.abs(look.at - {before + moved}) < 0.01")
    screen.settled()
    before = screen.look()["tiles"][0]["moment"]
    press(".")
    screen.until_look(f"Math.abs(tile.moment - {before + 0.08}) < 0.02")
    press(",")
    screen.until_look(f"Math.abs(tile.moment - {before}) < 0.02")
    press("g")
    screen.until_look(f"Math.abs(look.at - {AT + 60}) < 0.1")
    press("g")
    press("Shift+g")
    screen.until_look(f"Math.abs(look.at - {AT + 60}) < 0.1")
    press("i")
    screen.until_look("look.markIn !== null")
    press("ArrowRight")
    press("o")
    screen.until_look("look.markOut !== null")
    screen.go("01:20:30 BST")
    with screen.page.expect_download() as download:
        press("s")
    assert download.value.suggested_filename == f"{SOUTH}_2025-10-26_01-20-30.000_BST.png"
    span = "document.querySelector('overt-review').renderRoot.querySelector('overt-timeline').view.span"
    before = screen.page.evaluate(span)
    press("+")
    assert screen.page.evaluate(span) == before / 2
    press("-")
    assert screen.page.evaluate(span) == before


def test_the_timeline_by_keys_and_by_buttons(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, NORTH)
    slider = screen.page.get_by_role("slider", name="Moment of the day")
    slider.focus()
    assert slider.get_attribute("aria-valuetext") == "01:20:10 BST, recorded"
    screen.page.keyboard.press("Home")
    screen.until_look("look.at === 0")
    expect(slider).to_have_attribute("aria-valuetext", "00:00:00, north: no recording, before the first recording")
    screen.page.keyboard.press("PageUp")
    screen.until_look("look.at === 600")
    view = "(() => { const {view} = document.querySelector('overt-review').renderRoot.querySelector('overt-timeline');"
    where = f"{view} return [view.from, view.to]; }})()"
    screen.button("Whole day")
    assert screen.page.evaluate(where) == [0, 90000]
    screen.button("Zoom in")
    first = screen.page.evaluate(where)
    assert first[1] - first[0] == 45000
    screen.button("Show later")
    assert screen.page.evaluate(where)[0] > first[0]
    screen.button("Show earlier")
    assert screen.page.evaluate(where) == first
    screen.button("Zoom out")
    assert screen.page.evaluate(where) == [0, 90000]


def test_single_keys_can_be_switched_off(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, NORTH)
    screen.button("Keys and help")
    screen.page.get_by_role("checkbox", name="Single keys are shortcuts").uncheck()
    screen.button("Close")
    screen.page.evaluate("document.activeElement.blur()")
    for key in ("l", "Space", "i", "w", "?"):
        screen.page.keyboard.press(key)
    screen.page.get_by_role("slider").focus()
    screen.page.keyboard.press("ArrowRight")
    look = screen.until_look(f"Math.abs(look.at - {AT + 15}) < 0.01")
    assert (look["playing"], look["markIn"]) == (False, None)
    expect(screen.page.get_by_role("dialog")).to_be_hidden()
    screen.page.reload()
    screen.page.wait_for_selector("overt-review")
    screen.settled()
    screen.page.keyboard.press("l")
    assert not screen.look()["playing"], "the choice is kept"
    screen.button("Keys and help")
    screen.page.get_by_role("checkbox", name="Single keys are shortcuts").check()
    screen.button("Close")
    screen.page.keyboard.press("l")
    screen.until_look("look.playing")

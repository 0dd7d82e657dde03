"""Wall and review on a notebook, on 4K, on a tablet: nothing is cut off, covered, too small, or out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, expect

from browser_rig import CAMERAS, FOYER, MARKET, SMALL, STAIRS, STREET
from page_rig import PICTURES
from room_rig import NAMES, SUPERVISOR, Council, Wall, wait_for_footage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SCREENS: Final[dict[str, dict[str, Any]]] = {
    "notebook": {"viewport": {"width": 1366, "height": 768}},
    "4k": {"viewport": {"width": 3840, "height": 2160}},
    "4k-scaled": {"viewport": {"width": 1920, "height": 1080}, "device_scale_factor": 2},
    "tablet-upright": {"viewport": {"width": 820, "height": 1180}, "device_scale_factor": 2, "has_touch": True},
    "tablet-across": {"viewport": {"width": 1180, "height": 820}, "device_scale_factor": 2, "has_touch": True},
}
OUT: Final = """() => {
  const found = [];
  const {scrollWidth: across, scrollHeight: down} = document.documentElement;
  if (across > innerWidth || down > innerHeight) found.push(`the page is ${across} by ${down}`);
  const controls = [];
  const modal = document.querySelector("dialog:modal");
  const scrolls = (each) => /auto|scroll/.test(getComputedStyle(each).overflowY);
  const visit = (root, inScrolling) => {
    for (const each of root.querySelectorAll("*")) {
      const box = each.getBoundingClientRect();
      const inside = inScrolling || each.closest("[role=tree], .days") !== null;
      if (each.shadowRoot) visit(each.shadowRoot, inside || scrolls(each));
      if (!each.matches("button, input, select, a[href], [role=slider]") || !each.checkVisibility()) continue;
      if (modal && !modal.contains(each)) continue;
      if (box.width === 0 || each.matches(".skip")) continue;
      const words = each.getAttribute("aria-label") ?? each.textContent.trim().slice(0, 40);
      if (!inside && (box.left < -1 || box.top < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1))
        found.push(`${words} is out of the screen: ${JSON.stringify(box)}`);
      // Cut off by what it stands in.
      for (let at = each.parentElement ?? root.host; at; at = at.parentElement ?? at.getRootNode().host) {
        const around = at.getBoundingClientRect();
        const {overflowX} = getComputedStyle(at);
        if (/hidden|clip/.test(overflowX) && (box.right > around.right + 1 || box.left < around.left - 1)) {
          found.push(`${words} is cut off`);
          break;
        }
      }
      controls.push([words, box, each]);
    }
  };
  visit(document, false);
  for (const [i, [words, a, one]] of controls.entries()) {
    for (const [other, b, two] of controls.slice(i + 1)) {
      const over = Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
      if (over && !one.contains(two) && !two.contains(one)) found.push(`${words} lies over ${other}`);
    }
  }
  return found;
}"""
TEXT: Final = """() => {
  const player = document.querySelector("overt-wall").renderRoot.querySelector("overt-player");
  const name = player.renderRoot.querySelector(".name");
  return parseFloat(getComputedStyle(name).fontSize);
}"""


@pytest.fixture(name="sized", params=SCREENS)
def _sized(request: pytest.FixtureRequest, chromium: Browser, council: Council) -> Iterator[tuple[str, Wall]]:
    context = chromium.new_context(**SCREENS[request.param], locale="en-GB")
    wall = Wall(context)
    wall.signed_in(council, SUPERVISOR)
    yield request.param, wall
    left = list(wall.complaints)
    context.close()
    wall.complaints[:] = left
    wall.calm()


def good(wall: Wall, name: str) -> None:
    """Nothing is out of place; a picture is kept if somebody wants to look."""
    if PICTURES:
        wall.page.screenshot(path=Path(PICTURES) / f"{name}.png")
    assert wall.page.evaluate(OUT) == []
    assert wall.page.evaluate(SMALL) == []


def test_the_wall(sized: tuple[str, Wall], council: Council) -> None:
    name, wall = sized
    wall.wall(council)
    wall.shown(*CAMERAS)
    good(wall, f"wall-4-{name}")
    height = SCREENS[name]["viewport"]["height"]
    box = wall.page.locator("overt-wall .tiles").bounding_box()
    assert box is not None
    assert box["height"] > height * 0.7
    assert wall.page.evaluate(TEXT) >= max(13, height / 100), "it is read from as far as the whole screen is"
    wall.button("16")
    wall.live(*(NAMES[each] for each in CAMERAS))
    good(wall, f"wall-16-{name}")
    wall.button("Layouts and tours")
    good(wall, f"layouts-{name}")


def test_the_review(sized: tuple[str, Wall], council: Council) -> None:
    name, wall = sized
    wait_for_footage(council)
    wall.page.goto(f"{council.room.origin}/review?camera={STAIRS}")
    expect(wall.page.get_by_role("dialog")).to_be_visible()
    good(wall, f"why-{name}")
    wall.says_why()
    wall.until_look("tile.kind === 'picture'")
    for camera in (MARKET, STREET, FOYER):
        wall.page.evaluate("(camera) => document.querySelector('overt-review').add(camera)", camera)
    wall.until_look("tiles.length === 4 && tiles.every((each) => each.kind === 'picture')")
    wall.button("In")
    good(wall, f"review-{name}")
    wall.button("List of recordings")
    assert wall.page.evaluate(SMALL) == []

"""Who may look: revoked, expired, copied and missing links, in words."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from browser_rig import CAMERAS, MARKET, STREET, Figure, Screen, Town
from media_rig import may

pytestmark = pytest.mark.browser

ENDED = """() => {
  const pictures = document.querySelectorAll("overt-wall, overt-review, video, canvas").length;
  return pictures === 0 && document.querySelector("main.message h1")?.textContent;
}"""


@pytest.mark.parametrize("screen_of", ["live", "review"])
def test_a_grant_is_revoked_while_somebody_watches(screen: Screen, town: Town, figure: Figure, screen_of: str) -> None:
    screen.expected = ("401", "403", "WebSocket connection")
    link = town.link()
    screen.open(link).live(*CAMERAS)
    if screen_of == "review":
        screen.page.keyboard.press("b")
        screen.settled()
    screen.page.evaluate(
        f"""() => {{
          globalThis.ended = 0;
          setInterval(() => {{ if (globalThis.ended === 0 && ({ENDED})()) globalThis.ended = Date.now(); }}, 20);
        }}"""
    )
    town.revoke(link)
    revoked = time.time()
    ended = screen.until("() => globalThis.ended")
    figure(f"revoked_{screen_of}_s", round(ended / 1000 - revoked, 2))
    assert ended / 1000 - revoked < 1.5, "one second, and what a busy machine adds"
    expect(screen.page.get_by_role("heading", level=1)).to_have_text("This session has ended")
    expect(screen.page.locator("main")).to_contain_text("revoked")
    expect(screen.page.locator("main")).to_contain_text("Recording is not affected.")
    assert screen.violations() == []


def test_a_copied_link_is_worthless(new_screen: Callable[[], Screen], town: Town) -> None:
    first, second = new_screen(), new_screen()
    second.expected = ("403",)
    link = town.link()
    first.open(link).live(MARKET)
    second.open(link)
    expect(second.page.get_by_role("heading", level=1)).to_have_text("This link opens nothing here")
    expect(second.page.locator("main")).to_contain_text("bound to another holder")
    assert second.page.locator("video, canvas").count() == 0
    assert second.violations() == []
    first.moving(MARKET)
    first.page.reload()
    first.live(MARKET)


def test_without_a_link(screen: Screen, town: Town) -> None:
    screen.page.goto(town.address)
    expect(screen.page.get_by_role("heading", level=1)).to_have_text("Open this page with a link")
    assert screen.violations() == []


def test_a_grant_runs_out(screen: Screen, town: Town) -> None:
    screen.expected = ("403", "401", "WebSocket connection")
    screen.open(town.link(lifetime_s=12)).live(MARKET)
    expect(screen.page.locator("header .who")).to_contain_text("permission ends at")
    expect(screen.page.get_by_role("heading", level=1)).to_have_text("This session has ended", timeout=40_000)
    expect(screen.page.locator("main")).to_contain_text("expired")
    assert screen.page.locator("video, canvas").count() == 0


def test_the_live_right_alone_reaches_back_ten_minutes(screen: Screen, town: Town) -> None:
    begun = time.time_ns() - 3600 * 10**9
    screen.open(town.link(may(MARKET, STREET, from_ns=begun))).live(MARKET, STREET)
    screen.page.get_by_role("button", name=f"Look back 30 s at {MARKET}").click()
    screen.settled()
    look = screen.until_look("tile.kind === 'picture' || tile.kind === 'gap'")
    assert look["tiles"][0]["camera"] == MARKET
    expect(screen.page.locator("overt-review")).to_contain_text("the last ten minutes are open to you")


def test_the_holder_ends_the_session(screen: Screen, town: Town) -> None:
    screen.open(town.link()).live(MARKET)
    screen.button("End session")
    expect(screen.page.locator("main")).to_contain_text("You ended the session on this page.")

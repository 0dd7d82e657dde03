"""Looking back at today, while it is being recorded: a gap that was just made, and a camera that sends H.265."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from browser_rig import CAMERAS, FOYER, STAIRS, Screen, Town

pytestmark = pytest.mark.browser


def test_a_gap_of_today_has_its_cause(screen: Screen, town: Town) -> None:
    camera = town.simulator.camera(STAIRS)
    sessions = camera.statistics().sessions
    camera.stop_listening()
    camera.kill_sessions(reset=True)
    town.recorder.wait_health(
        lambda health: any(each["camera"] == STAIRS and each["state"] == "unreachable" for each in health["streams"])
    )
    time.sleep(1)  # it stays away: how soon it is met again is not what is tested here
    camera.listen_again()
    camera.wait_until(lambda counted: counted.sessions > sessions, 40)
    town.wait_through(STAIRS, 4)
    screen.open(town.link()).live(*CAMERAS)
    screen.page.keyboard.press("b")
    screen.settled()
    gap = screen.until(
        """(camera) => {
          const lane = document.querySelector("overt-review").lanes.find((each) => each.camera === camera);
          return lane?.recordings.gaps.find((each) => each.cause === "network" && each.end - each.start > 0.1);
        }""",
        STAIRS,
    )
    screen.page.evaluate(
        "(at) => document.querySelector('overt-review').playback.seek(at)", (gap["start"] + gap["end"]) / 2
    )
    tile = screen.page.locator("overt-review-tile").filter(has=screen.page.locator(f"option[value={STAIRS}]:checked"))
    expect(tile.locator(".words")).to_contain_text("No recording")
    expect(tile.locator(".words")).to_contain_text("network")
    screen.page.evaluate("(at) => document.querySelector('overt-review').playback.seek(at)", gap["end"] + 0.5)
    look = screen.settled()
    assert {each["kind"] for each in look["tiles"] if each["camera"] == STAIRS} == {"picture"}


def test_h265_is_looked_back_at_from_the_substream(screen: Screen, town: Town) -> None:
    screen.open(town.link()).live(FOYER)
    screen.page.get_by_role("button", name=f"Look back 30 s at {FOYER}").click()
    look = screen.until_look("tiles.length === 1 && tile.kind === 'picture' && look.playing")
    assert look["tiles"][0]["stream"] == "sub"
    expect(screen.page.locator("overt-review-tile .note")).to_have_text(
        "Shown from the stream “sub”: this browser cannot play H.265."
    )
    moment = look["tiles"][0]["moment"]
    screen.until_look(f"tile.moment > {moment + 1}")

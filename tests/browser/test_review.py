"""Looking back in Chromium, at a day of 25 hours whose every second is known."""

from __future__ import annotations

import statistics

import pytest
from playwright.sync_api import expect

from archive_rig import AGAIN, AT, EAST, FOUR, NORTH, SOUTH, WEST, YARD, looking
from browser_rig import Figure, Screen, ServedSite

pytestmark = pytest.mark.browser

SPEEDS = (0.25, 0.5, 1, 2, 4, 8, 16, -0.5, -1, -2, -4, -8, -16)


def test_a_day_shows_what_is_recorded_and_why_the_rest_is_not(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, *FOUR)
    lanes = screen.page.evaluate(
        """() => document.querySelector("overt-review").lanes.map(({camera, recordings}) =>
          [camera, recordings.spans.map((each) => [Math.round(each.start), Math.round(each.end)]),
            recordings.gaps.map((each) => [Math.round(each.start), Math.round(each.end), each.cause])])"""
    )
    spans = {camera: spans for camera, spans, _ in lanes}
    assert spans[NORTH] == [[AT, AT + 150], [AGAIN, AGAIN + 30]]
    assert spans[SOUTH] == [[AT, AT + 60], [AT + 80, AT + 150]]
    gaps = {camera: gaps for camera, _, gaps in lanes}
    assert [AT + 60, AT + 80, "camera"] in gaps[SOUTH]
    screen.button("List of recordings")
    rows = screen.page.locator("overt-timeline tbody tr")
    expect(rows.filter(has_text="01:21:00 BST").filter(has_text=SOUTH).filter(has_text="20 s")).to_contain_text(
        "camera"
    )
    screen.page.get_by_role("button", name="Go there: 01:21:20 BST, south").click()
    screen.until_look(f"Math.abs(look.at - {AT + 80}) < 0.05 && tiles[2].kind === 'picture'")


def test_a_day_of_25_hours(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, NORTH)
    expect(screen.page.locator("overt-review")).to_contain_text(
        "The clocks go back on this day: 01:00 to 02:00 comes twice, first BST, then GMT."
    )
    assert screen.page.get_by_role("slider").get_attribute("aria-valuemax") == "90000"
    screen.go("01:20:05")
    expect(screen.page.locator("overt-timeline")).to_contain_text(
        "This time comes twice on this day. This is 01:20:05 BST; for the other write 01:20:05 GMT."
    )
    assert abs(screen.look()["at"] - AT - 5) < 0.01
    look = screen.go("01:20:05 GMT")
    assert abs(look["at"] - AGAIN - 5) < 0.01
    assert abs(look["tiles"][0]["moment"] - AGAIN - 5) < 0.05
    expect(screen.page.locator("overt-review .now")).to_have_text("01:20:05 GMT")
    expect(screen.page.locator("overt-review-tile .label")).to_contain_text("01:20:0")
    screen.page.locator("#time").fill("25:00")
    screen.page.locator("#time").press("Enter")
    expect(screen.page.get_by_role("alert")).to_contain_text("is not a time of day")


def test_seeking_paints_the_moment(screen: Screen, past: ServedSite, figure: Figure) -> None:
    looking(screen, past, *FOUR)
    took = screen.page.evaluate(
        """async (from) => {
          const review = document.querySelector("overt-review");
          const timeline = review.renderRoot.querySelector("overt-timeline");
          const took = [];
          for (let i = 0; i < 20; i++) {
            const at = from + ((i * 37) % 40) + 0.5;
            const begun = performance.now();
            timeline.dispatchEvent(new CustomEvent("seek", {detail: {at}, bubbles: true, composed: true}));
            const there = () => review.players.every((each) => {
              const moment = each.painted?.moment;
              return moment !== undefined && at - moment < 0.11 && at - moment > -0.01;
            });
            while (!there()) {
              await new Promise(requestAnimationFrame);
              if (performance.now() - begun > 20000) return [at, ...review.players.map((each) => each.painted?.moment)];
            }
            took.push(performance.now() - begun);
          }
          return took.sort((a, b) => a - b);
        }""",
        AT,
    )
    assert len(took) == 20, took
    figure("seek_four_ms_p50", round(took[10]))
    figure("seek_four_ms_p95", round(took[18]))


@pytest.mark.parametrize(("camera", "frame_s"), [(NORTH, 0.08), (EAST, 0.1)])
def test_frames_step_both_ways(screen: Screen, past: ServedSite, camera: str, frame_s: float) -> None:
    looking(screen, past, camera)
    begun = screen.look()["tiles"][0]["moment"]
    for direction, name in ((1, "Next frame"), (-1, "Previous frame")):
        start = screen.look()["tiles"][0]["moment"]
        for count in range(1, 10):
            screen.button(name)
            wanted = start + direction * count * frame_s
            look = screen.until_look(f"Math.abs(tile.moment - {wanted}) < {frame_s / 4}")
            assert abs(look["at"] - wanted) < frame_s / 2
    assert abs(screen.look()["tiles"][0]["moment"] - begun) < 0.001


def test_every_speed_and_backwards(screen: Screen, past: ServedSite, figure: Figure) -> None:
    looking(screen, past, NORTH, at="01:21:00 BST")
    for speed in SPEEDS:
        screen.go("01:21:10 BST")
        name = f"Backwards {-speed:g} times" if speed < 0 else f"{speed:g} times"
        screen.button(name)
        screen.until_look(f"look.playing && look.rate === {speed}")
        far = min(max(abs(speed) * 1.5, 1), 24)
        compare = ">" if speed > 0 else "<"
        bound = AT + 70 + (far if speed > 0 else -far)
        look = screen.until_look(f"tile.moment !== null && tile.moment {compare} {bound}")
        assert abs(look["tiles"][0]["moment"] - look["at"]) < max(2.5, abs(speed) * 0.75), speed
        assert look["tiles"][0]["kind"] == "picture", (speed, look)
        if speed > 4 or speed < -1:
            assert look["tiles"][0]["note"] == "Keyframes only at this speed."
        screen.page.keyboard.press("k")
        screen.until_look("!look.playing")


def test_speed_is_kept(screen: Screen, past: ServedSite, figure: Figure) -> None:
    looking(screen, past, NORTH)
    for speed, seconds in ((1, 2), (4, 2), (16, 3), (-1, 2), (-16, 3)):
        screen.go("01:20:20 BST" if speed > 0 else "01:22:20 BST")
        screen.page.evaluate(f"document.querySelector('overt-review').playback.play({speed})")
        screen.until_look(f"Math.abs(look.at - {AT + 20 if speed > 0 else AT + 140}) > 0.5")
        measured = screen.page.evaluate(
            """async (seconds) => {
              const {clock} = document.querySelector("overt-review").playback;
              const [from, begun] = [clock.time, performance.now()];
              await new Promise((done) => setTimeout(done, seconds * 1000));
              return (clock.time - from) / ((performance.now() - begun) / 1000);
            }""",
            seconds,
        )
        figure(f"speed_{speed}", round(measured, 2))
        assert measured / speed > 0.5, "a busy machine waits for pictures, but not most of the time"
        screen.page.keyboard.press("k")


def test_four_cameras_are_in_step(screen: Screen, past: ServedSite, figure: Figure) -> None:
    looking(screen, past, NORTH, SOUTH, EAST, WEST)
    screen.page.keyboard.press("Space")
    screen.until_look(f"look.at > {AT + 13}")
    skews = screen.page.evaluate(
        """async () => {
          const {players} = document.querySelector("overt-review");
          const lengths = {north: 0.08, south: 0.08, east: 0.1, west: 0.1};
          const found = [];
          for (let i = 0; i < 40; i++) {
            await new Promise((done) => setTimeout(done, 100));
            // A frame stands for the time from its moment until the next frame's: how far are two of them apart?
            const begin = players.map(({painted}) => painted.moment);
            const end = players.map(({painted, footage}) => painted.moment + lengths[footage.camera]);
            found.push(Math.max(0, Math.max(...begin) - Math.min(...end)));
          }
          return found.sort((a, b) => a - b);
        }"""
    )
    figure("skew_ms_p50", round(skews[20] * 1000))
    figure("skew_ms_p95", round(skews[38] * 1000))
    assert statistics.median(skews) <= 0.08


def test_gaps_are_found_said_and_passed(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, SOUTH)
    screen.button("Next gap")
    screen.until_look(f"Math.abs(look.at - {AT + 60}) < 0.1 && tile.kind === 'gap'")
    screen.said("No recording 01:21:00 BST-01:21:20 BST: camera")
    expect(screen.page.locator("overt-review-tile .words")).to_contain_text(
        "No recording 01:21:00 BST-01:21:20 BST: camera"
    )
    screen.button("Next gap")
    screen.until_look(f"Math.abs(look.at - {AT + 150}) < 0.1")
    screen.button("Previous gap")
    screen.until_look(f"Math.abs(look.at - {AT + 60}) < 0.1")
    screen.go("01:20:57 BST")
    screen.button("Play")
    look = screen.until_look("tile.kind === 'gap'")
    assert look["at"] < AT + 64
    screen.until_look(f"tile.kind === 'picture' && tile.moment > {AT + 80.2}")
    screen.said("south: recording again.")


def test_the_picture_changes_in_mid_play(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, WEST, at="01:20:47 BST")
    assert screen.look()["tiles"][0]["width"] == 768
    screen.button("Play")
    look = screen.until_look(f"tile.moment > {AT + 52}")
    assert (look["tiles"][0]["kind"], look["tiles"][0]["width"]) == ("picture", 320)
    screen.go("01:20:47 BST")
    screen.until_look("tile.width === 768")


def test_footage_that_was_altered(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, YARD, at="01:20:17 BST")
    screen.button("Play")
    look = screen.until_look("tile.kind === 'damage'")
    assert abs(look["at"] - AT - 20) < 1.5
    assert "Recording damaged 01:20:" in look["tiles"][0]["text"], look
    screen.said("Recording damaged")
    screen.until_look(f"tile.kind === 'picture' && tile.moment > {AT + 23}")


def test_dragging_shows_keyframes_and_marks_bound_a_span(screen: Screen, past: ServedSite) -> None:
    looking(screen, past, NORTH)
    slider = screen.page.get_by_role("slider")
    box = slider.bounding_box()
    assert box is not None
    place = screen.page.evaluate(
        """(at) => {
          const timeline = document.querySelector("overt-review").renderRoot.querySelector("overt-timeline");
          return (at - timeline.view.from) / timeline.view.span;
        }""",
        AT + 100,
    )
    gutter = 45
    x = box["x"] + gutter + (box["width"] - gutter) * place
    screen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    screen.page.mouse.down()
    drawn = screen.look()["tiles"][0]["drawn"]
    screen.page.mouse.move(x, box["y"] + 30, steps=8)
    look = screen.until_look(f"tile.canvas && tile.drawn > {drawn} && Math.abs(tile.moment - look.at) < 3")
    assert abs(look["at"] - AT - 100) < 20
    screen.page.mouse.up()
    screen.until_look("!tile.canvas && Math.abs(tile.moment - look.at) < 0.05")
    screen.go("01:20:10 BST")
    screen.button("In")
    screen.said("Marked in at 01:20:10 BST.")
    screen.go("01:20:40 BST")
    screen.button("Out")
    screen.said("Marked out at 01:20:40 BST.")
    look = screen.look()
    assert (round(look["markIn"]), round(look["markOut"])) == (AT + 10, AT + 40)
    screen.button("Clear marks")
    assert screen.look()["markIn"] is None

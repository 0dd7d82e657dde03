"""RTP time becomes UTC: steered slowly, true over days, never thrown by a clock that steps or talks nonsense."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media.timeline import MAX_STEER, SLEW_PPM, StreamTimeline

SECOND = 1_000_000_000
RATE = 90_000
START = 1_790_000_000 * SECOND


def ns(tick: int, rate: int = RATE) -> int:
    return tick * SECOND // rate


class Camera:
    """A crystal that is `ppm` fast, sampled through a network that delays."""

    def __init__(self, ppm: float = 0, rate: int = RATE, delay: int = 5_000_000) -> None:
        self.ppm, self.rate, self.delay = ppm, rate, delay

    def rtp(self, captured_ns: int) -> int:
        return 77_000_000 + captured_ns * self.rate // SECOND + int(captured_ns * self.ppm / 1e6 * self.rate / SECOND)


@pytest.mark.parametrize("ppm", [500, -500, 100, -100])
@pytest.mark.parametrize("rate", [90_000, 8_000])
def test_a_bad_crystal_is_followed_for_a_day(ppm: int, rate: int) -> None:
    camera, timeline, chance = Camera(ppm, rate), StreamTimeline(rate), random.Random(1)
    worst, before = 0, 0
    for step in range(24 * 3600):
        captured = step * SECOND
        arrival = START + captured + chance.randrange(20_000_000)
        timeline.steer(arrival)
        tick = timeline.observe_arrival(camera.rtp(captured), arrival)
        assert tick > before
        before = tick
        worst = max(worst, abs(ns(tick, rate) - START - captured))
    assert worst < 50_000_000
    assert timeline.jumps == 0
    assert not timeline.degraded


def test_steering_is_bounded_and_leaves_small_errors_alone() -> None:
    timeline = StreamTimeline(RATE)
    timeline.anchor(0, START)
    for frame in range(1, 500):
        arrival = START + frame * SECOND // 25 + (0 if frame < 250 else 9_000_000)
        timeline.observe_arrival(frame * 3600, arrival)
        assert timeline.steer(arrival) == 0
    for frame in range(500, 2000):
        arrival = START + frame * SECOND // 25 - 300_000_000
        before = timeline.offset
        timeline.observe_arrival(frame * 3600, arrival)
        timeline.steer(arrival)
        assert abs(timeline.offset - before) <= MAX_STEER * SLEW_PPM // 1_000_000 * RATE // SECOND
    assert timeline.offset < START * RATE // SECOND


def feed(timeline: StreamTimeline, frames: range, rtp, arrival) -> list[int]:
    ticks = []
    for frame in frames:
        if frame % 12 == 0:
            timeline.steer(arrival(frame))
        ticks.append(timeline.observe_arrival(rtp(frame), arrival(frame)))
    return ticks


def report_every_5s(timeline: StreamTimeline, frames: range, camera_offset, *, delay: int = 80_000_000) -> int:
    """Frames arrive `delay` after capture; the camera's wall clock is `camera_offset(frame)` ahead. Last tick."""
    tick = 0
    for frame in frames:
        captured = START + frame * SECOND // 25
        if frame % 125 == 0:
            timeline.observe_sender_report(frame * 3600, captured + camera_offset(frame), captured + 1_000_000)
        if frame % 12 == 0:
            timeline.steer(captured + delay)
        tick = timeline.observe_arrival(frame * 3600, captured + delay)
    return tick


def test_a_sane_camera_clock_is_followed() -> None:
    timeline = StreamTimeline(RATE)
    last = report_every_5s(timeline, range(25 * 600), lambda frame: 30_000_000)
    assert timeline.camera_sane
    assert timeline.camera_offset_ns == 29_000_000
    captured = START + (25 * 600 - 1) * SECOND // 25
    # The camera's clock, 30 ms ahead, not the arrival, 80 ms late.
    assert abs(ns(last) - captured - 30_000_000) < 2_000_000


@pytest.mark.parametrize(
    "offset",
    [
        pytest.param(lambda frame: 3600 * SECOND, id="an hour off"),
        pytest.param(lambda frame: -START, id="1970"),
        pytest.param(lambda frame: frame * SECOND // 25 // 100, id="a percent fast"),
        pytest.param(lambda frame: (frame * 7919 % 1000) * SECOND, id="noise"),
        pytest.param(lambda frame: -frame * SECOND // 25, id="standing still"),
    ],
)
def test_an_insane_camera_clock_is_kept_but_not_followed(offset) -> None:
    timeline = StreamTimeline(RATE)
    last = report_every_5s(timeline, range(25 * 120), offset)
    assert not timeline.camera_sane
    last_report = 25 * 115
    assert timeline.camera_offset_ns == offset(last_report) - 1_000_000
    assert ns(last) == pytest.approx(START + (25 * 120 - 1) * SECOND // 25 + 80_000_000, abs=5_000_000)


def test_a_camera_clock_that_steps_loses_trust_and_disturbs_nothing() -> None:
    timeline = StreamTimeline(RATE)
    report_every_5s(timeline, range(25 * 60), lambda frame: 0)
    assert timeline.camera_sane
    before = timeline.observe_arrival(25 * 60 * 3600, START + 60 * SECOND + 80_000_000)
    timeline.observe_sender_report(25 * 60 * 3600, START + 3660 * SECOND, START + 60 * SECOND)
    assert not timeline.camera_sane
    assert timeline.camera_steps == 1
    assert timeline.camera_offset_ns == 3600 * SECOND
    timeline.steer(START + 60 * SECOND + 80_000_000)
    after = timeline.observe_arrival((25 * 60 + 1) * 3600, START + 60 * SECOND + 120_000_000)
    assert abs(after - before - 3600) <= 45
    assert timeline.jumps == 0


def test_audio_and_video_are_related_by_an_insane_camera_clock_too() -> None:
    video = StreamTimeline(RATE)
    audio = StreamTimeline(8000, reference=video)
    for frame in range(25 * 900):
        captured = START + frame * SECOND // 25
        if frame % 125 == 0:
            video.observe_sender_report(frame * 3600, captured - START, captured)
            audio.observe_sender_report(9000 + frame * 320, captured - START, captured)
        if frame % 12 == 0:
            video.steer(captured + 80_000_000)
            audio.steer(captured + 80_000_000)
        # Video is late on its way, audio is not: by arrival they would be 180 ms apart.
        shown = video.observe_arrival(frame * 3600, captured + 200_000_000)
        heard = audio.observe_arrival(9000 + frame * 320, captured + 20_000_000)
    assert abs(ns(shown) - ns(heard, 8000)) < 2_000_000


@pytest.mark.parametrize("step", [90_000 * 100, -90_000 * 100, 90_000 * 2, -90_000 * 3, 1 << 40])
def test_an_rtp_clock_that_jumps_is_anchored_anew(step: int) -> None:
    timeline = StreamTimeline(RATE)
    feed(timeline, range(100), lambda f: f * 3600, lambda f: START + f * SECOND // 25)
    ticks = feed(timeline, range(100, 200), lambda f: f * 3600 + step, lambda f: START + f * SECOND // 25)
    assert timeline.jumps == 1
    assert ns(ticks[-1]) == pytest.approx(START + 199 * SECOND // 25, abs=1_000_000)
    assert ticks == sorted(ticks)


def test_a_stalled_network_is_no_jump() -> None:
    timeline = StreamTimeline(RATE)

    def arrival(frame: int) -> int:
        due = START + frame * SECOND // 25
        return max(due, START + 14 * SECOND) if 100 <= frame < 350 else due

    ticks = feed(timeline, range(1000), lambda f: f * 3600, arrival)
    assert timeline.jumps == 0
    assert not timeline.degraded
    assert max(abs(ns(t) - START - f * SECOND // 25) for f, t in enumerate(ticks)) < 15_000_000


def test_a_clock_that_pauses_is_caught_up_with() -> None:
    timeline = StreamTimeline(RATE)
    feed(timeline, range(100), lambda f: f * 3600, lambda f: START + f * SECOND // 25)
    ticks = feed(timeline, range(100, 1500), lambda f: f * 3600, lambda f: START + f * SECOND // 25 + 20 * SECOND)
    assert timeline.jumps == 1
    assert not timeline.degraded
    assert ns(ticks[-1]) == pytest.approx(START + 1499 * SECOND // 25 + 20 * SECOND, abs=1_000_000)


@pytest.mark.parametrize(
    "rtp",
    [
        pytest.param(lambda f: 12345, id="constant"),
        pytest.param(lambda f: f * 40, id="milliseconds"),
        pytest.param(lambda f: f * 3600 * 8, id="too fast"),
        pytest.param(lambda f: f * 7_919_777 % (1 << 32), id="noise"),
        pytest.param(lambda f: -f * 3600, id="backwards"),
    ],
)
def test_a_nonsensical_rtp_clock_is_replaced_by_arrival(rtp) -> None:
    timeline = StreamTimeline(RATE)
    feed(timeline, range(25 * 20), rtp, lambda f: START + f * SECOND // 25)
    assert timeline.degraded
    ticks = feed(timeline, range(25 * 20, 25 * 40), rtp, lambda f: START + f * SECOND // 25)
    assert [ns(t + 1) // 1_000_000 for t in ticks] == [
        (START + f * SECOND // 25) // 1_000_000 for f in range(500, 1000)
    ]
    assert all(a < b for a, b in pairwise(ticks))
    jumps = timeline.jumps
    feed(timeline, range(25 * 40, 25 * 70), lambda f: f * 3600, lambda f: START + f * SECOND // 25)
    assert not timeline.degraded
    assert timeline.jumps == jumps + 1


def test_frames_older_than_the_footage_are_squeezed_behind_it() -> None:
    end = START + 10 * SECOND
    timeline = StreamTimeline(RATE, not_before_ns=end)
    timeline.anchor(0, START + 7 * SECOND)
    ticks = feed(timeline, range(250), lambda f: f * 3600, lambda f: START + 11 * SECOND + f * SECOND // 25)
    assert ns(ticks[0]) >= end
    assert all(a < b for a, b in pairwise(ticks))
    assert ns(ticks[-1]) == pytest.approx(START + 7 * SECOND + 249 * SECOND // 25, abs=20_000)
    # It never runs further ahead than it had to begin with.
    assert all(ns(t) - START - 7 * SECOND - f * SECOND // 25 <= 3 * SECOND for f, t in enumerate(ticks))


def test_a_step_of_the_recorders_line_moves_everything() -> None:
    timeline = StreamTimeline(RATE)
    feed(timeline, range(100), lambda f: f * 3600, lambda f: START + f * SECOND // 25)
    timeline.shift(3600 * SECOND)
    assert timeline.jumps == 1
    ticks = feed(timeline, range(100, 700), lambda f: f * 3600, lambda f: START + 3600 * SECOND + f * SECOND // 25)
    assert timeline.jumps == 1
    assert ns(ticks[0]) == pytest.approx(START + 3604 * SECOND, abs=20_000)


def test_a_clock_rate_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidError):
        StreamTimeline(0)


@given(
    st.lists(
        st.tuples(
            st.integers(-(1 << 34), 1 << 34) | st.integers(-9000, 9000) | st.just(3600),
            st.integers(0, 40 * SECOND) | st.just(SECOND // 25),
        ),
        max_size=80,
    )
)
@settings(max_examples=100)
def test_no_input_moves_the_axis_before_its_end(steps: list[tuple[int, int]]) -> None:
    timeline = StreamTimeline(RATE, not_before_ns=START)
    rtp, arrival = 1 << 33, START
    for index, (step, wait) in enumerate(steps):
        rtp, arrival = rtp + step, arrival + wait
        jumps = timeline.jumps
        tick = timeline.observe_arrival(rtp, arrival)
        if timeline.jumps != jumps or index == 0:
            assert tick >= timeline.end
            timeline.end = tick
        timeline.steer(arrival)

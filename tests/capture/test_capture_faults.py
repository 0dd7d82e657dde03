"""What goes wrong with one camera is noticed, named, survived, and never delays another."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from capture_rig import FOOTAGE, Rig, rig
from stopwatch import Stopwatch


def recording(made: Rig, camera: str = "cam") -> None:
    made.wait_health(lambda health: health.state == "recording", camera=camera)


def test_lost_packets_are_counted_marked_and_spare_the_other_frames() -> None:
    with rig([{"faults": [{"kind": "drop", "one_in": 40, "seed": 7}]}]) as made:
        kept = made.wait_frames(120)
        made.stop()
        numbers = [number for number in kept.numbers() if number is not None]
        sent = [frame for frame in made.camera().frames() if numbers[0] <= frame.number < numbers[-1]]
        hit = [frame.number for frame in sent if frame.packets_lost]
        assert hit, "the fault did not strike"
        # What a lost packet leaves of its frame may be kept with the next one, which is marked.
        spared = [frame for frame in sent if frame.number not in hit and frame.number - 1 not in hit]
        assert {frame.sha256 for frame in spared} <= kept.digests()
        assert sum(f.lost_packets for f in kept.fragments) >= sum(f.packets_lost for f in sent)
        assert sum(f.damaged_samples for f in kept.fragments) >= len(hit) / 2


def test_a_silent_camera_is_noticed_within_five_seconds_and_nothing_is_lost_after_it_returns(one: Rig) -> None:
    one.wait_frames(25)
    one.camera().fault("stall")
    watch = Stopwatch()
    one.wait(lambda kept: any(cause == "camera" for cause, _ in kept.interruptions), 60)
    assert watch.within(5)
    assert any("sends no frames" in detail for _, detail in one.store.of("cam").interruptions)
    before = len(one.store.of("cam").samples())
    one.camera().clear()
    returned = Stopwatch()
    one.wait_frames(before + 25)
    assert returned.within(5)
    recording(one)


@pytest.mark.parametrize("reset", [False, True])
def test_a_camera_that_dies_is_back_within_a_second(one: Rig, reset: bool) -> None:
    one.wait_frames(25)
    sessions = set(one.store.of("cam").sessions)
    one.camera().kill_sessions(reset=reset)
    kept = one.wait(lambda kept: len(set(kept.sessions)) > len(sessions), 60)
    assert kept.interruptions[-1][0] in {"camera", "network"}
    first = next(f for f, s in zip(kept.fragments, kept.sessions, strict=True) if s not in sessions)
    last = [f for f, s in zip(kept.fragments, kept.sessions, strict=True) if s in sessions][-1]
    assert first.discontinuity
    assert 0 <= first.start_ns - (last.start_ns + last.duration_ns) < 1_500_000_000


def test_a_camera_that_refuses_connections_is_retried_and_met_again(one: Rig) -> None:
    one.wait_frames(25)
    one.camera().stop_listening()
    one.camera().kill_sessions()
    health = one.wait_health(lambda health: health.state == "unreachable")
    assert "refused the connection" in health.reason
    time.sleep(3)
    before = len(one.store.of("cam").samples())
    one.camera().listen_again()
    returned = Stopwatch()
    one.wait_frames(before + 10)
    assert returned.within(4)


def test_a_black_hole_is_retried_within_ten_seconds_and_met_within_three() -> None:
    with rig([{"faults": [{"kind": "black_hole"}]}]) as made:
        health = made.wait_health(lambda health: health.state == "unreachable")
        assert "does not answer" in health.reason
        attempts = made.camera().statistics().connections
        watch = Stopwatch()
        made.camera().wait_until(lambda counters: counters.connections > attempts + 1, 60)
        assert watch.within(10)
        made.camera().clear()
        returned = Stopwatch()
        made.wait_frames(5)
        # The attempt that is under way may be the patient one; the one after it never is.
        assert returned.within(12)


def test_a_refused_password_is_shown_once_and_named() -> None:
    camera = {"auth": "digest-md5", "user": "viewer", "password": "right", "faults": [{"kind": "refuse_password"}]}
    with rig([camera]) as made:
        health = made.wait_health(lambda health: health.state == "refused")
        assert "right" not in health.reason
        assert made.store.of("cam").interruptions[-1][0] == "authentication"
        tried = made.camera().statistics().unauthorised
        time.sleep(3)
        assert made.camera().statistics().unauthorised == tried, "the password is shown again and again"


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"kind": "html"}, "camera"),
        ({"kind": "endless_headers"}, "camera"),
        ({"kind": "answer", "method": "DESCRIBE", "status": 404}, "camera"),
        ({"kind": "answer", "method": "SETUP", "status": 500}, "network"),
        ({"kind": "answer", "method": "PLAY", "status": 503}, "network"),
    ],
)
def test_a_camera_that_answers_nonsense_is_named_and_met_when_it_mends(fault: dict[str, Any], cause: str) -> None:
    with rig([{"faults": [fault]}], {"engine": "native"}) as made:
        made.wait_health(lambda health: health.state in {"refused", "unreachable"})
        assert made.store.of("cam").interruptions[-1][0] == cause
        made.camera().clear()
        made.wait_frames(10, 15)


def test_garbage_between_packets_costs_only_what_it_hit(one: Rig) -> None:
    one.wait_frames(25)
    for seed, size in enumerate((1, 5, 100, 3000, 90_000)):
        one.camera().fault("garbage", bytes=size, seed=seed)
        count = sum(each.samples for each in one.store.of("cam").fragments)
        one.wait_frames(count + 20)
    one.stop()
    kept = one.store.of("cam")
    assert len(set(kept.sessions)) == 1, "the session was given up"
    sent = {frame.number: frame.sha256 for frame in one.camera().frames()}
    numbers = [number for number in kept.numbers() if number is not None]
    lost = set(range(numbers[0], numbers[-1])) - set(numbers)
    assert len(lost) <= 10
    assert kept.digests() - set(sent.values()) == set() or any(f.damaged_samples for f in kept.fragments)


@pytest.mark.parametrize("kind", ["drip", "flood", "stall", "black_hole", "html", "endless_headers"])
def test_a_bad_neighbour_costs_nothing(kind: str) -> None:
    with rig([{"path": "good"}, {"path": "bad"}]) as made:
        made.wait_frames(10, camera="bad")
        made.camera("bad").fault(kind)
        if kind in {"black_hole", "html", "endless_headers"}:
            made.camera("bad").kill_sessions()
        start = sum(each.samples for each in made.store.of("good").fragments)
        kept = made.wait_frames(start + 75, camera="good")
        made.stop()
        numbers = kept.numbers()
        assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))
        assert len(set(kept.sessions)) == 1


def test_new_parameter_sets_begin_a_new_configuration_and_lose_no_frame(one: Rig) -> None:
    one.wait_frames(20)
    one.camera().fault("parameters", source=str(FOOTAGE / "intel_bframes_h264.mp4"))
    kept = one.wait(lambda kept: len({fragment.tracks for fragment in kept.fragments}) == 2)
    one.wait_frames(sum(f.samples for f in kept.fragments) + 25)
    one.stop()
    sizes = [(fragment.tracks[0].width, fragment.tracks[0].height) for fragment in kept.fragments]
    assert sizes[-1] == (768, 432)
    assert kept.fragments[[s != sizes[0] for s in sizes].index(True)].keyframe
    numbers = kept.numbers()
    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))


@pytest.mark.parametrize("by", [3600.0, -3600.0])
def test_the_cameras_clock_may_step_without_moving_the_footage(by: float) -> None:
    with rig([{"clock": {"interval_s": 0.5}}]) as made:
        made.wait_health(lambda health: health.camera_offset_s is not None)
        made.camera().fault("clock_step", by_s=by)
        health = made.wait_health(lambda health: abs(health.camera_offset_s or 0) > 1800)
        assert health.camera_offset_s == pytest.approx(by, abs=2)
        count = sum(f.samples for f in made.store.of("cam").fragments)
        kept = made.wait_frames(count + 25)
        made.stop()
        starts = [fragment.start_ns for fragment in kept.fragments]
        assert starts == sorted(starts)
        assert starts[-1] - starts[0] < 60e9
        assert abs(time.time_ns() - starts[-1]) < 30e9
        assert not any(fragment.discontinuity for fragment in kept.fragments[1:])


@pytest.mark.parametrize("by", [100.0, -100.0])
def test_rtp_timestamps_may_jump(one: Rig, by: float) -> None:
    one.wait_frames(25)
    one.camera().fault("timestamp_jump", by_s=by)
    count = sum(f.samples for f in one.store.of("cam").fragments)
    kept = one.wait_frames(count + 40)
    one.stop()
    numbers = kept.numbers()
    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))
    ends = [(f.start_ns, f.start_ns + f.duration_ns) for f in kept.fragments]
    assert all(start >= end for (_, end), (start, _) in pairwise(ends))
    assert ends[-1][1] - ends[0][0] < 60e9
    assert sum(fragment.discontinuity for fragment in kept.fragments) == 2


def test_a_redirect_is_followed() -> None:
    with rig([{"path": "cam"}, {"path": "elsewhere"}]) as made:
        recording(made)
        made.camera().fault("redirect", to=made.simulator.url("elsewhere"))
        sessions = made.camera("elsewhere").statistics().sessions
        made.camera().kill_sessions()
        made.camera("elsewhere").wait_until(lambda counters: counters.sessions > sessions)
        recording(made)


def test_keep_alives_keep_a_short_session() -> None:
    for only in ("GET_PARAMETER", "OPTIONS"):
        unsupported = ["GET_PARAMETER"] if only == "OPTIONS" else []
        camera = {"session_timeout_s": 2, "keep_alive": [only], "unsupported": unsupported}
        with rig([camera]) as made:
            kept = made.wait_frames(150)
            assert made.camera().statistics().sessions_timed_out == 0
            assert len(set(kept.sessions)) == 1


def test_teardown_is_said(one: Rig) -> None:
    one.wait_frames(10)
    one.stop()
    assert one.camera().requests()[-1].method == "TEARDOWN"
    assert one.store.of("cam").interruptions[-1][0] == "stopped"


def test_an_assignment_may_change_while_running() -> None:
    with rig([{"path": "stays"}, {"path": "goes"}]) as made:
        made.wait_frames(10, camera="stays")
        made.wait_frames(10, camera="goes")
        stays = next(c for c in made.capturing.cameras if c.name == "stays")
        made.capturing.apply((stays,))
        made.wait(lambda kept: bool(kept.interruptions), camera="goes")
        count = sum(f.samples for f in made.store.of("stays").fragments)
        kept = made.wait_frames(count + 25, camera="stays")
        assert len(set(kept.sessions)) == 1


def test_the_fallback_engine_records_what_ours_would() -> None:
    with rig([{"auth": "digest-md5", "user": "viewer", "password": "p@ss:w/rd"}], {"engine": "pyav"}) as made:
        kept = made.wait_frames(50, 30)
        health = made.health()
        assert health.transport == "pyav"
        made.stop()
        numbers = kept.numbers()
        assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))

"""Who captures what, when to try again, how fast it flows: the pure values behind capture."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.clock import SECOND
from overt.contract.assignment import CameraAssignment
from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.media.feed import SilentError
from overt.media.link import LinkError
from overt.media.reactor import DefectError
from overt.media.rtsp.transport import UnsupportedTransportError
from overt.recorder.rates import STEP_NS, WINDOW_NS, Rates
from overt.recorder.retries import PATIENT, SOON, WARY, Pace, verdict
from overt.recorder.shares import share_out

unhurried = settings(max_examples=60)


def camera(number: int, streams: int) -> CameraAssignment:
    names = ["main", "sub"][:streams]
    rows = [{"name": name, "urls": f"rtsp://192.0.2.1/{name}"} for name in names]
    return CameraAssignment.model_validate({"name": f"cam-{number}", "streams": rows})


CAMERAS = {(number, streams): camera(number, streams) for number in range(30) for streams in (1, 2)}
numbers = st.lists(st.integers(0, 29), unique=True, max_size=30)
sizes = st.fixed_dictionaries({number: st.sampled_from((1, 2)) for number in range(30)})


@unhurried
@given(numbers, numbers, sizes, st.integers(1, 5), st.integers(0, 3))
def test_every_camera_has_one_worker_and_keeps_it(
    first: list[int], second: list[int], streams: dict[int, int], workers: int, more: int
) -> None:
    before = share_out([CAMERAS[number, streams[number]] for number in first], {}, range(1, workers + 1))
    after = share_out([CAMERAS[number, streams[number]] for number in second], before, range(1, workers + more + 1))
    assert set(before) == {f"cam-{number}" for number in first}
    assert set(after) == {f"cam-{number}" for number in second}
    assert set(after.values()) <= set(range(1, workers + more + 1))
    assert all(after[name] == before[name] for name in set(before) & set(after))


@unhurried
@given(numbers, sizes, st.integers(1, 5))
def test_new_cameras_are_shared_out_evenly(chosen: list[int], streams: dict[int, int], workers: int) -> None:
    shares = share_out([CAMERAS[number, streams[number]] for number in chosen], {}, range(workers))
    loads = [
        sum(streams[number] for number in chosen if shares[f"cam-{number}"] == worker) for worker in range(workers)
    ]
    assert max(loads) - min(loads) <= 2


@unhurried
@given(numbers, sizes)
def test_the_share_of_a_worker_that_is_no_more_is_given_away(chosen: list[int], streams: dict[int, int]) -> None:
    cameras = [CAMERAS[number, streams[number]] for number in chosen]
    assert set(share_out(cameras, {each.name: 7 for each in cameras}, [1, 2]).values()) <= {1, 2}


@unhurried
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.randoms(use_true_random=False))
def test_a_delay_grows_to_its_bound_and_is_never_less_than_half(first: int, times: int, chance: random.Random) -> None:
    pace = Pace(first, first * times)
    whole = first
    for failures in range(1, 60):
        assert whole // 2 <= pace.delay_ns(failures, chance) <= whole
        whole = min(whole * 2, pace.most_ns) if failures < 21 else whole


def test_delays_are_spread() -> None:
    chance = random.Random(1)
    assert len({SOON.delay_ns(5, chance) for _ in range(100)}) > 90


@pytest.mark.parametrize(
    ("error", "played", "cause", "state", "pace"),
    [
        (ForbiddenError(""), False, "authentication", "refused", WARY),
        (ForbiddenError(""), True, "authentication", "refused", WARY),
        (DefectError(KeyError("x")), False, "stopped", "failed", PATIENT),
        (DefectError(KeyError("x")), True, "stopped", "failed", PATIENT),
        (MissingError(""), False, "camera", "refused", PATIENT),
        (InvalidError(""), False, "camera", "refused", PATIENT),
        (InvalidError(""), True, "camera", "refused", PATIENT),
        (SilentError(""), True, "camera", "stalled", SOON),
        (SilentError(""), False, "camera", "stalled", SOON),
        (LinkError(""), False, "network", "unreachable", SOON),
        (LinkError(""), True, "network", "connecting", SOON),
        (UnavailableError(""), False, "network", "unreachable", SOON),
        (UnavailableError(""), True, "camera", "connecting", SOON),
        (UnsupportedTransportError(""), False, "network", "unreachable", SOON),
    ],
)
def test_what_an_error_means(error: OvertError, played: bool, cause: str, state: str, pace: Pace) -> None:
    judged = verdict(error, played=played)
    assert (judged.cause, judged.state, judged.pace) == (cause, state, pace)


def test_a_password_that_was_refused_is_not_shown_again_for_fifteen_seconds() -> None:
    chance = random.Random(2)
    assert min(WARY.delay_ns(1, chance) for _ in range(1000)) >= 15 * SECOND
    assert max(SOON.delay_ns(100, chance) for _ in range(1000)) <= 3 * SECOND


def test_rates_of_a_steady_stream() -> None:
    rates = Rates()
    assert (rates.bit_rate, rates.frame_rate) == (0.0, 0.0)
    for tick in range(100):
        rates.observe(tick * 200_000_000, tick * 75_000, tick * 5)
    assert rates.bit_rate == pytest.approx(3_000_000, rel=0.01)
    assert rates.frame_rate == pytest.approx(25, rel=0.01)


def test_rates_fall_to_nothing_within_the_window_of_a_stream_that_stops() -> None:
    rates = Rates()
    for tick in range(50):
        rates.observe(tick * 200_000_000, tick * 75_000, tick * 5)
    for tick in range(50, 50 + (WINDOW_NS + STEP_NS) // 200_000_000 + 3):
        rates.observe(tick * 200_000_000, 49 * 75_000, 49 * 5)
    assert (rates.bit_rate, rates.frame_rate) == (0.0, 0.0)


@unhurried
@given(st.lists(st.tuples(st.integers(1, 4 * SECOND), st.integers(0, 10**7), st.integers(0, 100)), max_size=60))
def test_rates_are_never_negative_nor_above_the_fastest_moment(points: list[tuple[int, int, int]]) -> None:
    rates = Rates()
    now = total = frames = 0
    seen = [(0, 0, 0)]
    for step, data, new in points:
        now, total, frames = now + step, total + data, frames + new
        rates.observe(now, total, frames)
        seen.append((now, total, frames))
        fastest = max(8 * (b[1] - a[1]) * SECOND / (b[0] - a[0]) for a, b in pairwise(seen))
        assert 0 <= rates.bit_rate <= fastest * 1.000001
        assert len(rates._points) <= WINDOW_NS // STEP_NS + 1

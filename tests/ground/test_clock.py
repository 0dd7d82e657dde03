"""The recorder's line of time: never backwards while footage could be overlapped, and never silently wrong."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from overt.clock import HOLD_LIMIT, SECOND, STEP, RecorderClock, SystemClock

HOUR = 3600 * SECOND
EPOCH = 1_800_000_000 * SECOND


@dataclass
class SetClock:
    """A machine whose clocks a test sets."""

    wall: int = EPOCH
    monotonic: int = 5 * SECOND

    def utc_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic

    def pass_time(self, ns: int) -> None:
        self.wall += ns
        self.monotonic += ns


def test_the_line_follows_the_wall_clock_when_nothing_is_wrong() -> None:
    clock = SetClock()
    line = RecorderClock(clock)
    for _ in range(100):
        clock.pass_time(100_000_000)
        assert line.observe() is None
        assert line.now_ns() == clock.wall
    assert line.offset_ns == 0


def test_a_step_forward_is_followed_and_told_once() -> None:
    clock = SetClock()
    line = RecorderClock(clock)
    clock.wall += HOUR
    step = line.observe()
    assert step is not None
    assert (step.step_ns, step.followed) == (HOUR, True)
    assert line.now_ns() == clock.wall
    assert line.observe() is None


def test_a_step_back_is_held_told_once_and_measured() -> None:
    clock = SetClock()
    line = RecorderClock(clock)
    before = line.now_ns()
    clock.wall -= HOUR
    step = line.observe()
    assert step is not None
    assert (step.step_ns, step.followed) == (-HOUR, False)
    for _ in range(50):
        clock.pass_time(SECOND)
        assert line.observe() is None
    assert line.now_ns() == before + 50 * SECOND
    assert line.offset_ns == -HOUR


def test_a_hold_ends_when_the_wall_clock_comes_back() -> None:
    clock = SetClock()
    line = RecorderClock(clock)
    clock.wall -= HOUR
    line.observe()
    clock.wall += HOUR
    assert line.observe() is None
    assert line.offset_ns == 0


def test_a_wall_clock_years_behind_is_believed() -> None:
    clock = SetClock()
    line = RecorderClock(clock)
    clock.wall -= HOLD_LIMIT + HOUR
    step = line.observe()
    assert step is not None
    assert step.followed
    assert line.now_ns() == clock.wall


def test_after_a_restart_the_line_begins_no_earlier_than_stored_footage() -> None:
    clock = SetClock()
    line = RecorderClock(clock, not_before_ns=clock.wall + HOUR)
    assert line.now_ns() == clock.wall + HOUR
    assert line.offset_ns == -HOUR


def test_footage_from_a_far_future_does_not_poison_the_line() -> None:
    clock = SetClock()
    line = RecorderClock(clock, not_before_ns=clock.wall + 3650 * 24 * HOUR)
    assert line.now_ns() == clock.wall


def test_small_differences_are_slewed_at_500_ppm() -> None:
    clock = SetClock()
    line = RecorderClock(clock)
    clock.wall += STEP // 2
    last = line.now_ns()
    for _ in range(1000):
        clock.pass_time(SECOND)
        line.observe()
        advanced = line.now_ns() - last
        last = line.now_ns()
        assert abs(advanced - SECOND) <= SECOND * 500 // 1_000_000
    assert line.offset_ns == 0


def test_a_hold_that_ends_a_little_behind_is_slewed_and_not_jumped() -> None:
    clock = SetClock()
    line = RecorderClock(clock)
    clock.wall -= HOUR
    line.observe()
    clock.pass_time(HOUR)
    before = line.now_ns()
    clock.wall += HOUR - STEP // 2
    assert line.observe() is None
    assert line.now_ns() == before
    clock.pass_time(SECOND)
    assert line.now_ns() == before + SECOND - SECOND * 500 // 1_000_000
    clock.pass_time(HOUR)
    assert line.now_ns() == clock.wall


@given(
    st.lists(
        st.tuples(st.integers(1, 600 * SECOND), st.integers(-HOLD_LIMIT // 4, HOLD_LIMIT // 4)), min_size=1, max_size=40
    )
)
@example(events=[(1, -6 * HOUR), (3998, 0), (1, 6 * HOUR - STEP + 1)])
def test_the_line_never_runs_backwards(events: list[tuple[int, int]]) -> None:
    clock = SetClock()
    line = RecorderClock(clock)
    previous = line.now_ns()
    total_back = 0
    for elapsed, step in events:
        for part in (elapsed // 2, elapsed - elapsed // 2):
            clock.pass_time(part)
            assert line.now_ns() >= previous
            previous = line.now_ns()
        total_back += min(step, 0)
        if total_back < -HOLD_LIMIT:
            break
        clock.wall += step
        line.observe()
        assert line.now_ns() >= previous
        previous = line.now_ns()


def test_the_system_clock_is_the_machine() -> None:
    clock = SystemClock()
    assert abs(clock.utc_ns() / SECOND - 1.8e9) < 1e9
    assert clock.monotonic_ns() <= clock.monotonic_ns()

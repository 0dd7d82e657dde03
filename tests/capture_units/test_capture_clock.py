"""The wall clock steps while cameras are recorded: no overlap, no loss, and gaps of the right cause."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from uuid import UUID

import pytest

from capture_rig import FOOTAGE, KeepingEvents, KeepingStore, assigned
from overt.clock import SECOND
from overt.contract.fact import GapCause
from overt.ids import StreamKey
from overt.media.samples import Fragment
from overt.recorder.capturing import Capturing
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator

HOUR = 3600 * SECOND
DAY = 24 * HOUR


class SetClock:
    """A machine whose wall clock somebody sets."""

    def __init__(self) -> None:
        self.set_by_ns = 0

    def utc_ns(self) -> int:
        return time.time_ns() + self.set_by_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class OrderedStore(KeepingStore):
    """Keeps what it is told in one order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, list[Fragment | GapCause]] = {}

    def append_many(self, fragments: list[tuple[StreamKey, UUID, Fragment]]) -> int:
        for key, _, fragment in fragments:
            self.told.setdefault(key.camera, []).append(fragment)
        return super().append_many(fragments)

    def interrupted(self, key: StreamKey, cause: GapCause, detail: str) -> None:
        self.told.setdefault(key.camera, []).append(cause)
        super().interrupted(key, cause, detail)


class Scene:
    """Two cameras that are recorded, `cam` and `off`, by a machine whose clock can be set."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.clock, self.store, self.events = SetClock(), OrderedStore(), KeepingEvents()
        self.capturing = Capturing(self.clock, self.store, self.events)
        self.capturing.start()
        cameras = tuple(assigned(simulator, {"path": path}) for path in ("cam", "off"))
        self.capturing.apply(cameras)

    def more(self, count: int, camera: str = "cam") -> None:
        """Wait for so many further frames."""
        before = sum(each.samples for each in self.store.of(camera).fragments)
        self.store.wait(camera, lambda kept: sum(each.samples for each in kept.fragments) >= before + count)

    def step(self, by_ns: int) -> None:
        known = len(self.events.steps)
        self.clock.set_by_ns += by_ns
        deadline = time.monotonic() + 60
        while len(self.events.steps) == known:
            assert time.monotonic() < deadline, "the step was not noticed"
            time.sleep(0.01)

    def fragments(self, camera: str = "cam") -> list[Fragment]:
        return list(self.store.of(camera).fragments)

    def frames_are_whole(self, camera: str = "cam") -> None:
        numbers = self.store.of(camera).numbers()
        assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))


@contextmanager
def scene() -> Iterator[Scene]:
    rows = [{"path": path, "source": str(FOOTAGE / "axis_test_h264.mp4")} for path in ("cam", "off")]
    with Simulator(Persona.model_validate({"cameras": rows}), log_frames=2000) as simulator:
        made = Scene(simulator)
        try:
            yield made
        finally:
            assert made.capturing.stop(10)
            if made.capturing.failure is not None:
                raise made.capturing.failure


def apart(fragments: list[Fragment]) -> None:
    """No two fragments overlap, in whatever order they lie."""
    spans = sorted((each.start_ns, each.start_ns + each.duration_ns) for each in fragments)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_a_step_forward_is_followed_behind_a_gap_of_the_clock_and_no_frame_is_lost() -> None:
    with scene() as made:
        made.more(15)
        made.step(HOUR)
        made.more(25)
    apart(made.fragments())
    made.frames_are_whole()
    assert [(step.followed, round(step.step_ns / SECOND)) for step in made.events.steps] == [(True, 3600)]
    told = made.store.told["cam"]
    gap = told.index("clock")
    before = [each for each in told[:gap] if isinstance(each, Fragment)]
    after = [each for each in told[gap:] if isinstance(each, Fragment)]
    assert after[0].discontinuity
    hole = after[0].start_ns - before[-1].start_ns - before[-1].duration_ns
    assert HOUR - SECOND < hole < HOUR + SECOND, "footage of before the step came after the gap"
    assert len(set(made.store.of("cam").sessions)) == 1, "the session did not go on"
    assert abs(after[-1].start_ns - made.clock.utc_ns()) < 10 * SECOND


def test_a_step_back_is_held_without_a_gap_and_no_frame_is_lost() -> None:
    with scene() as made:
        made.more(15)
        made.step(-HOUR)
        made.more(25)
        assert made.capturing.clock_offset_ns == pytest.approx(-HOUR, abs=SECOND)
    apart(made.fragments())
    made.frames_are_whole()
    assert [step.followed for step in made.events.steps] == [False]
    assert "clock" not in made.store.told["cam"]
    assert not any(each.discontinuity for each in made.fragments()[1:])


def test_a_step_back_of_more_than_a_day_is_followed_by_what_is_recorded_and_by_what_comes_back() -> None:
    with scene() as made:
        made.more(15)
        made.more(5, "off")
        off = made.simulator.camera("off")
        off.stop_listening()
        off.kill_sessions()
        made.store.wait("off", lambda kept: bool(kept.interruptions))
        made.step(-25 * HOUR)
        made.more(25)
        off.listen_again()
        made.more(15, "off")
        now = made.clock.utc_ns()
    for camera in ("cam", "off"):
        apart(made.fragments(camera))
        assert abs(made.fragments(camera)[-1].start_ns - now) < 10 * SECOND, f"{camera} is stamped by the old clock"
    made.frames_are_whole()
    assert [(step.followed, round(step.step_ns / HOUR)) for step in made.events.steps] == [(True, -25)]
    assert made.store.told["cam"].count("clock") == 1
    assert "clock" not in made.store.told["off"], "a camera that was away anyway is said to miss because of the clock"


def test_steps_to_and_fro_never_let_fragments_overlap() -> None:
    with scene() as made:
        made.more(10)
        for hours in (1, -1, -2, 5, -3):
            made.step(hours * HOUR)
            made.more(10)
    apart(made.fragments())
    made.frames_are_whole()

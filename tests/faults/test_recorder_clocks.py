"""A recorder whose clock is set wrong, or right, or that stands where there is summer time: no overlap, no loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from overt.clock import ClockStep
from overt.contract.assignment import CameraAssignment
from overt.contract.fact import GapCause as FactCause
from overt.contract.fact import StreamState
from overt.footage.gaps import GapCause
from overt.footage.index import Index
from overt.footage.marker import create_location
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.samples import Fragment
from overt.recorder.capturing import Capturing
from overt.sealing.recipients_file import read_recipients
from overt.simulator.simulator import Simulator
from recorder_rig import (
    BUSY_S,
    Part,
    Recorder,
    Site,
    addresses,
    cameras,
    faithful,
    gaps_of,
    holes,
    make_site,
    overt,
    parts_of,
    reconciled,
    stored,
)

HOUR_S = 3600
BEFORE_S = 5
"""So long before the turn of the night a recording begins: that it has begun by then on a busy machine too."""
SECOND = 1_000_000_000
SET_CLOCK = Path(__file__).parents[1] / "rigs" / "set_clock"


class SetClock:
    """The machine's clocks, the wall clock set wrong by as much as a test says."""

    def __init__(self) -> None:
        self.wrong_ns = 0

    def step(self, seconds: float) -> None:
        self.wrong_ns += int(seconds * SECOND)

    def utc_ns(self) -> int:
        return time.time_ns() + self.wrong_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


@dataclass
class Chain:
    """Capture and store as a worker joins them, with a clock of the test's; also what capture says of itself."""

    store: FootageStore
    through: dict[StreamKey, int] = field(default_factory=dict)
    steps: list[ClockStep] = field(default_factory=list)
    states: list[StreamState] = field(default_factory=list)
    capturing: Capturing | None = None

    def append_many(self, fragments: list[tuple[StreamKey, UUID, Fragment]]) -> int:
        return self.store.append_many(fragments)

    def interrupted(self, key: StreamKey, cause: FactCause, detail: str) -> None:
        self.store.interrupted(key, GapCause(cause), detail)

    def detach(self, key: StreamKey, detail: str) -> None:
        self.store.detach(key, detail)

    def recorded_through_ns(self, key: StreamKey) -> int:
        return self.through.get(key, 0)

    def state_changed(self, key: StreamKey, previous: StreamState, state: StreamState, reason: str) -> None:
        self.states.append(state)

    def clock_stepped(self, step: ClockStep) -> None:
        self.steps.append(step)
        if self.capturing is not None:
            self.store.clock_offset_ns = self.capturing.clock_offset_ns

    def wait_step(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.steps) < count:
            assert time.monotonic() < deadline, "the step was not noticed"
            time.sleep(0.02)


@contextmanager
def recording(site: Site, simulator: Simulator, clock: SetClock) -> Iterator[Chain]:
    """Record the camera `a` in this process until the block ends."""
    if not site.footage.exists():
        create_location(site.footage, site.role.site_id)
    key = StreamKey("a")
    with FootageStore(site.footage, read_recipients(site.recipients), clock=clock) as store:
        chain = Chain(store)
        chain.through = {each: status.last_end_ns or 0 for each, status in store.attach([key]).items()}
        chain.capturing = Capturing(clock, chain, chain, not_before_ns=chain.through[key])
        store.clock_offset_ns = chain.capturing.clock_offset_ns
        chain.capturing.start()
        streams = [{"urls": simulator.url("a")}]
        chain.capturing.apply((CameraAssignment.model_validate({"name": "a", "streams": streams}),))
        try:
            deadline = time.monotonic() + 60
            while not store.status().streams[0].fragments:
                assert time.monotonic() < deadline, "nothing was stored"
                time.sleep(0.02)
            yield chain
        finally:
            assert chain.capturing.stop(10)
            assert store.flush()


def known_parts(site: Site) -> list[Part]:
    """Spans and gaps, without what follows the end of the recording."""
    parts = parts_of(site, "a")
    while parts[-1].what == "gap":
        parts.pop()
    return parts


def in_order(site: Site, simulator: Simulator) -> None:
    """Everything that was sent, from the first stored frame to the last, is stored once, in order on the time axis."""
    found, sent = stored(site, "a"), simulator.camera("a").frames()
    faithful(found, sent)
    assert holes(sent, found.numbers) == []
    times = [found.frames[number].at_ns for number in found.order]
    assert times == sorted(times)


def test_a_clock_that_is_set_forward_is_followed_and_the_skipped_hour_is_a_gap(tmp_path: Path) -> None:
    site, clock = make_site(tmp_path / "s"), SetClock()
    clock.step(-2 * HOUR_S)
    with cameras("a") as simulator:
        with recording(site, simulator, clock) as chain:
            time.sleep(1.5)
            before_ns = clock.utc_ns()
            clock.step(HOUR_S)
            chain.wait_step(1)
            time.sleep(1.5)
        assert [(round(step.step_ns / SECOND), step.followed) for step in chain.steps] == [(HOUR_S, True)]
        in_order(site, simulator)
    first, gap, second = known_parts(site)
    assert (first.what, gap.cause, second.what) == ("recorded", "clock", "recorded")
    assert abs(gap.seconds - HOUR_S) < 0.1 + BUSY_S
    assert abs(gap.start_ns - before_ns) < (1.5 + BUSY_S) * SECOND
    assert gap.detail == "the clock was set by +3600.0 s"
    reconciled(site)


def test_a_clock_that_is_set_back_is_not_followed_and_nothing_is_overwritten(tmp_path: Path) -> None:
    site, clock = make_site(tmp_path / "s"), SetClock()
    with cameras("a") as simulator:
        with recording(site, simulator, clock) as chain:
            time.sleep(1.5)
            clock.step(-HOUR_S)
            chain.wait_step(1)
            time.sleep(1.5)
            simulator.camera("a").kill_sessions()
            simulator.camera("a").wait_until(lambda counters: counters.sessions == 2)
            time.sleep(1.5)
        assert [(round(step.step_ns / SECOND), step.followed) for step in chain.steps] == [(-HOUR_S, False)]
        before = {path: path.read_bytes() for path in site.files()}
        with recording(site, simulator, clock):
            time.sleep(1)
        assert before.items() <= {path: path.read_bytes() for path in site.files()}.items()
        found, sent = stored(site, "a"), simulator.camera("a").frames()
        faithful(found, sent)
        with Index(site.index, write=False) as index:
            rows = index.segments(StreamKey("a"), 0, 2**62)
        assert all(row.end_ns <= after.start_ns for row, after in pairwise(rows))
        assert abs(rows[0].clock_offset_ns) < SECOND
        assert all(-HOUR_S - 1 < row.clock_offset_ns / SECOND < 30 - HOUR_S for row in rows[1:])
        causes = [gap.cause for gap in gaps_of(site, "a")]
    assert (causes[0], causes[-1]) == ("camera", "stopped")
    assert sum(gap.seconds for gap in gaps_of(site, "a")) < 10 + BUSY_S
    reconciled(site)


def test_forward_and_back_again_loses_nothing(tmp_path: Path) -> None:
    site, clock = make_site(tmp_path / "s"), SetClock()
    clock.step(-2 * HOUR_S)
    with cameras("a") as simulator:
        with recording(site, simulator, clock) as chain:
            for count, step in enumerate((HOUR_S, -HOUR_S, 60, -60), 1):
                time.sleep(1)
                clock.step(step)
                chain.wait_step(min(count, 3))
            time.sleep(1)
        in_order(site, simulator)
    parts = known_parts(site)
    assert [part.what for part in parts] == ["recorded", "gap", "recorded"]
    assert abs(parts[1].seconds - HOUR_S) < 0.1 + BUSY_S
    reconciled(site)


@pytest.fixture
def london(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time is London's."""
    monkeypatch.setenv("TZ", "Europe/London")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("changes", "local", "answer"),
    [
        ("2024-03-31T01:00:00+00:00", ("2024-03-31T00:59:30", "2024-03-31T02:00:30"), 0),
        ("2024-10-27T01:00:00+00:00", ("2024-10-27T01:59:30+01:00", "2024-10-27T01:00:30+00:00"), 0),
        ("2024-10-27T01:00:00+00:00", ("2024-10-27T01:59:30", "2024-10-27T01:00:30"), 2),
        ("2024-03-31T01:00:00+00:00", ("2024-03-31T01:30:00", "2024-03-31T02:00:30"), 2),
    ],
    ids=["spring", "autumn", "an-hour-that-was-twice", "an-hour-that-never-was"],
)
def test_the_nights_on_which_clocks_change_are_no_event(
    tmp_path: Path, london: None, changes: str, local: tuple[str, str], answer: int
) -> None:
    site, clock = make_site(tmp_path / "s"), SetClock()
    turn = datetime.fromisoformat(changes)
    clock.wrong_ns = int(turn.astimezone(UTC).timestamp()) * SECOND - time.time_ns() - BEFORE_S * SECOND
    with cameras("a") as simulator:
        with recording(site, simulator, clock) as chain:
            while clock.utc_ns() < int(turn.timestamp() * SECOND) + SECOND:
                time.sleep(0.05)
        assert chain.steps == []
        in_order(site, simulator)
        (span,) = known_parts(site)
        assert span.start_ns < turn.timestamp() * SECOND < span.end_ns
        out = tmp_path / "clip.mp4"
        ask = ("export", site.footage, "--camera", "a", "--key", site.key, "--purpose", "A test", "--out", out)
        done = overt(*ask, "--timezone", "Europe/London", "--from", local[0], "--to", local[1], "--json")
        assert done.code == answer, done
        if answer == 0:
            assert f'"frames": {len(stored(site, "a").numbers)}' in done.out
        else:
            assert ("never was" if "03-31" in changes else "was twice") in done.err
    reconciled(site)


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
def test_the_whole_recorder_under_a_clock_that_steps(tmp_path: Path, step_s: int) -> None:
    site, wrong = make_site(tmp_path / "s"), tmp_path / "clock"
    wrong.write_text(str(-2 * HOUR_S))
    environment = {"PYTHONPATH": str(SET_CLOCK), "OVERT_TEST_CLOCK": str(wrong)}
    with cameras("a") as simulator:
        with Recorder(site, addresses(simulator), environment=environment, workers=1) as recorder:
            recorder.wait_recording()
            wrong.write_text(str(-2 * HOUR_S + step_s))
            fact = recorder.wait_fact("clock-stepped")
            assert fact["data"]["followed"] is (step_s > 0)
            time.sleep(2)
            if step_s < 0:
                recorder.wait_health(lambda health: any("check NTP" in each for each in health["sentences"]))
            assert recorder.stop() == 0
        in_order(site, simulator)
    assert [part.cause for part in known_parts(site)] == (["", "clock", ""] if step_s > 0 else [""])
    reconciled(site)

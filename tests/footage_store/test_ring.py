"""The ring: what opens the last minutes again, and how it is forgotten."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from overt.errors import ForbiddenError
from overt.footage.gaps import GapCause
from overt.footage.opening import OpenedFragment, OpenPeriod, Refusal
from overt.footage.options import SECOND
from overt.footage.ring import MAX_STATES, Ring
from overt.ids import StreamKey
from overt.media.samples import Fragment
from overt.sealing.ratchet import KeyPeriod, MessageKeys, RingKeys, RingState

SESSION = uuid.UUID(int=1)
RING_S = 600.0


def opener(states: Sequence[RingState]) -> OpenPeriod:
    """What opens periods with these states alone."""

    def open_period(period: uuid.UUID) -> MessageKeys:
        mine = [state for state in states if state.period_id == period]
        if not mine:
            raise ForbiddenError(f"no state of {period}")
        return RingKeys(mine[0], mine[1:])

    return open_period


def record(store: Any, site: Any, camera: StreamKey, fragments: Sequence[Fragment]) -> None:
    """Hand fragments over in the time in which they were filmed."""
    for fragment in fragments:
        site.clock.go(fragment.duration_ns / SECOND)
        assert store.append(camera, SESSION, fragment)
        assert store.flush()


def starts(site: Any, camera: StreamKey, states: Sequence[RingState]) -> list[int]:
    with site.reader() as reader:
        refused: list[Refusal] = []
        found = list(reader.fragments(camera, 0, 2**62, opener(states), refused.append))
    return [each.info.start_ns for each in found if isinstance(each, OpenedFragment)]


def test_the_ring_opens_what_it_reaches_and_nothing_before(site: Any, lab: Any, camera: StreamKey) -> None:
    store = site.open(lab.replace(lab.FAST, segment_s=20, ring_s=60))
    filmed = lab.run(lab.T0, 40, gop=2, step=4 * SECOND)
    record(store, site, camera, filmed)
    states = store.ring(camera)
    now = site.clock.utc_ns()
    assert states == sorted(states, key=lambda state: state.start_ns)
    assert all(now - 60 * SECOND < state.start_ns <= now for state in states)
    assert 2 <= len(states) <= 4
    opened = starts(site, camera, states)
    assert opened == [each.start_ns for each in filmed if each.start_ns >= states[0].start_ns]
    with site.reader() as reader:
        refused: list[Refusal] = []
        before = list(reader.fragments(camera, 0, states[0].start_ns, opener(states), refused.append))
    assert not before, "a thief of the ring opens no earlier minute"
    assert refused


def test_it_is_forgotten_though_the_camera_is_silent(site: Any, lab: Any, camera: StreamKey) -> None:
    store = site.open(lab.replace(lab.FAST, ring_s=60))
    record(store, site, camera, lab.run(lab.T0, 3))
    assert len(store.ring(camera)) == 1
    ring = store._writer.entry(camera).writer.ring
    site.clock.go(61)
    lab.wait_until(lambda: not ring._states), "nobody asked, and yet"
    assert store.ring(camera) == []


def test_every_session_and_every_period_begins_with_a_state(site: Any, lab: Any, camera: StreamKey) -> None:
    store = site.open(lab.replace(lab.FAST, ring_s=600))
    record(store, site, camera, lab.run(lab.T0, 4))
    store.interrupted(camera, GapCause.CAMERA, "silence")
    later = lab.T0 + 3600 * SECOND
    site.clock.go(300)
    record(store, site, camera, lab.run(lab.T0 + 300 * SECOND, 4))
    assert len(store.ring(camera)) == 2
    site.clock.utc = later
    site.clock.monotonic += 3300 * SECOND
    record(store, site, camera, lab.run(later, 8, gop=1))
    states = store.ring(camera)
    assert all(state.start_ns >= later for state in states), "the hour before is out of reach"
    assert starts(site, camera, states) == [
        each.start_ns for each in lab.run(later, 8) if each.start_ns >= states[0].start_ns
    ]


def test_without_a_ring_nothing_is_remembered(site: Any, lab: Any, camera: StreamKey) -> None:
    store = site.open(lab.replace(lab.FAST, ring_s=0))
    record(store, site, camera, lab.run(lab.T0, 3))
    assert store.ring(camera) == []
    assert store.ring(StreamKey("nobody")) == []


@pytest.mark.parametrize("step_s", [-7200, 7200])
def test_a_clock_that_is_set_prolongs_nothing(lab: Any, step_s: int) -> None:
    clock = lab.HandClock()
    ring = Ring(clock, RING_S)
    ring.add(KeyPeriod(uuid.UUID(int=2), bytes(32)).ring_state(lab.T0), lab.T0)
    clock.utc += step_s * SECOND
    clock.monotonic += int(RING_S) * SECOND
    assert ring.states(clock.utc) == []


def test_a_camera_that_flaps_does_not_fill_memory(lab: Any) -> None:
    clock = lab.HandClock()
    ring = Ring(clock, RING_S)
    period = KeyPeriod(uuid.UUID(int=2), bytes(32))
    for _ in range(MAX_STATES + 50):
        ring.add(period.ring_state(clock.utc), clock.utc)
    assert len(ring.states(clock.utc)) == MAX_STATES


def test_whether_a_stream_is_recorded(site: Any, lab: Any, camera: StreamKey) -> None:
    store = site.open(lab.FAST)
    assert store.records(camera), "nothing was refused yet"
    record(store, site, camera, lab.run(lab.T0, 2))
    store.interrupted(camera, GapCause.CAMERA, "silence")
    assert store.flush()
    assert store.records(camera), "it is not the disk that fails"
    store.interrupted(camera, GapCause.DISK, "full")
    lab.wait_until(lambda: not store.records(camera))

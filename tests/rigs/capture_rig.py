"""Real cameras of the simulator, captured over real sockets into a store that only keeps what it is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from overt.clock import ClockStep, SystemClock
from overt.contract.assignment import CameraAssignment
from overt.contract.fact import GapCause, StreamState
from overt.ids import StreamKey
from overt.media.boxes import read_fragment
from overt.media.samples import Fragment
from overt.recorder.capturing import Capturing
from overt.recorder.health import StreamHealth
from overt.simulator.marks import frame_number
from overt.simulator.persona import Persona
from overt.simulator.simulator import CameraControl, Simulator

FOOTAGE = Path(__file__).parents[1] / "footage"


@dataclass
class Kept:
    """What one stream handed over."""

    fragments: list[Fragment] = field(default_factory=list)
    sessions: list[UUID] = field(default_factory=list)
    interruptions: list[tuple[GapCause, str]] = field(default_factory=list)

    def samples(self) -> list[bytes]:
        """All video samples in order."""
        found = []
        for fragment in list(self.fragments):
            video = read_fragment(fragment.payload).track(1)
            if video is not None:
                found += [bytes(fragment.payload[row.offset : row.offset + row.size]) for row in video.samples]
        return found

    def audio(self) -> list[bytes]:
        found = []
        for fragment in list(self.fragments):
            audio = read_fragment(fragment.payload).track(2)
            if audio is not None:
                found += [bytes(fragment.payload[row.offset : row.offset + row.size]) for row in audio.samples]
        return found

    def numbers(self) -> list[int | None]:
        """Frame numbers of all video samples in order."""
        codec = self.fragments[0].tracks[0].codec if self.fragments else "h264"
        return [frame_number(sample, codec) for sample in self.samples()]

    def digests(self) -> set[bytes]:
        return {sha256(sample).digest() for sample in self.samples()}


class KeepingStore:
    """A store for capture: keeps everything in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.changed = threading.Condition()

    def of(self, camera: str) -> Kept:
        return self.kept.setdefault(camera, Kept())

    def append_many(self, fragments: list[tuple[StreamKey, UUID, Fragment]]) -> int:
        with self.changed:
            for key, session, fragment in fragments:
                kept = self.of(key.camera)
                kept.fragments.append(fragment)
                kept.sessions.append(session)
            self.changed.notify_all()
        return len(fragments)

    def interrupted(self, key: StreamKey, cause: GapCause, detail: str) -> None:
        with self.changed:
            self.of(key.camera).interruptions.append((cause, detail))
            self.changed.notify_all()

    def detach(self, key: StreamKey, detail: str) -> None:
        self.interrupted(key, "stopped", detail)

    def recorded_through_ns(self, key: StreamKey) -> int:
        return 0

    def wait(self, camera: str, predicate: Callable[[Kept], bool], seconds: float = 60) -> Kept:
        """Wait until what is kept of a camera satisfies a predicate."""
        with self.changed:
            done = self.changed.wait_for(lambda: predicate(self.of(camera)), seconds)
            kept = self.of(camera)
            assert done, f"{camera}: {len(kept.fragments)} fragments, interrupted by {kept.interruptions}"
        return kept


class KeepingEvents:
    """Events of capture, kept."""

    def __init__(self) -> None:
        self.states: list[tuple[str, StreamState, str]] = []
        self.steps: list[ClockStep] = []

    def state_changed(self, key: StreamKey, previous: StreamState, state: StreamState, reason: str) -> None:
        self.states.append((key.camera, state, reason))

    def clock_stepped(self, step: ClockStep) -> None:
        self.steps.append(step)


@dataclass
class Rig:
    """Simulated cameras, and one capture thread that records them."""

    simulator: Simulator
    capturing: Capturing
    store: KeepingStore
    events: KeepingEvents

    def camera(self, name: str = "cam") -> CameraControl:
        return self.simulator.camera(name)

    def wait(self, predicate: Callable[[Kept], bool], seconds: float = 60, camera: str = "cam") -> Kept:
        return self.store.wait(camera, predicate, seconds)

    def wait_frames(self, count: int, seconds: float = 60, camera: str = "cam") -> Kept:
        return self.wait(lambda kept: sum(each.samples for each in kept.fragments) >= count, seconds, camera)

    def health(self, camera: str = "cam") -> StreamHealth:
        return next(each for each in self.capturing.health(5) if each.camera == camera)

    def wait_health(
        self, predicate: Callable[[StreamHealth], bool], seconds: float = 10, camera: str = "cam"
    ) -> StreamHealth:
        deadline = time.monotonic() + seconds
        while True:
            health = self.health(camera)
            if predicate(health):
                return health
            assert time.monotonic() < deadline, f"health stayed {health}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop recording; may be called again."""
        assert self.capturing.stop(10)
        if self.capturing.failure is not None:
            raise self.capturing.failure


def assigned(simulator: Simulator, camera: dict[str, Any], **more: Any) -> CameraAssignment:
    """The assignment of a simulated camera."""
    name = camera["path"]
    fields: dict[str, Any] = {"name": name, "streams": [{"urls": simulator.url(name)}]}
    if "user" in camera:
        fields |= {"username": camera["user"], "password": camera["password"]}
    stream = fields["streams"][0]
    for key in ("transport", "engine"):
        if key in more:
            stream[key] = more.pop(key)
    return CameraAssignment.model_validate({**fields, **more})


@contextmanager
def rig(cameras: list[dict[str, Any]], assignment: dict[str, Any] | None = None, **persona: Any) -> Iterator[Rig]:
    """Simulate cameras (the first is called `cam` unless it has a path) and capture all of them."""
    described = [{"path": "cam", "source": str(FOOTAGE / "axis_test_h264.mp4"), **camera} for camera in cameras]
    with Simulator(Persona.model_validate({"cameras": described, **persona}), log_frames=5000) as simulator:
        store, events = KeepingStore(), KeepingEvents()
        capturing = Capturing(SystemClock(), store, events)
        capturing.start()
        made = Rig(simulator, capturing, store, events)
        try:
            capturing.apply(tuple(assigned(simulator, camera, **(assignment or {})) for camera in described))
            yield made
        finally:
            made.stop()

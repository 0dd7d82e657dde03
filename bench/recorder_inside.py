"""Capture and store in the measuring process itself, where threads can be put beside them and moments be noted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from overt.clock import ClockStep, SystemClock
from overt.contract.assignment import CameraAssignment
from overt.contract.fact import GapCause as FactCause
from overt.contract.fact import StreamState
from overt.footage.gaps import GapCause
from overt.footage.marker import create_location
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.samples import Fragment
from overt.recorder.capturing import Capturing
from overt.sealing.recipients_file import read_recipients

READY_S = 120


class Door:
    """The store as capturing sees it, and an ear for what it reports."""

    def __init__(self, store: FootageStore) -> None:
        """Pass everything on to `store`."""
        self._store = store
        self.refused = 0
        self.interruptions: list[str] = []

    def append_many(self, fragments: list[tuple[StreamKey, UUID, Fragment]]) -> int:
        """Hand fragments over and count what is refused."""
        taken = self._store.append_many(fragments)
        self.refused += len(fragments) - taken
        return taken

    def interrupted(self, key: StreamKey, cause: FactCause, detail: str) -> None:
        """Open a gap."""
        self.interruptions.append(f"{key}: {detail}")
        self._store.interrupted(key, GapCause(cause), detail)

    def detach(self, key: StreamKey, detail: str) -> None:
        """Close a stream."""
        self._store.detach(key, detail)

    def recorded_through_ns(self, key: StreamKey) -> int:
        """Return the end of what is stored of a stream."""
        return next((each.last_end_ns or 0 for each in self._store.status().streams if each.key == key), 0)

    def state_changed(self, key: StreamKey, previous: StreamState, state: StreamState, reason: str) -> None:
        """Not of interest here."""

    def clock_stepped(self, step: ClockStep) -> None:
        """Not of interest here."""


class InsideRecorder:
    """One capture thread and one store for all cameras, as in a worker of `overt record`."""

    def __init__(
        self, folder: Path, addresses: Sequence[tuple[str, str]], stored: Callable[[StreamKey, Fragment], None]
    ) -> None:
        """Begin to record into `folder`, which has recipients.json; return once every camera is being recorded."""
        recipients = read_recipients(folder / "recipients.json")
        create_location(folder / "footage", recipients.site_id)
        self._store = FootageStore(folder / "footage", recipients, stored=stored)
        self.door = Door(self._store)
        self._store.attach([StreamKey(name) for name, _ in addresses])
        self._capturing = Capturing(SystemClock(), self.door, self.door)
        self.statistics = self._capturing.statistics
        self._capturing.start()
        cameras = ({"name": name, "streams": [{"urls": url}]} for name, url in addresses)
        self._capturing.apply(tuple(CameraAssignment.model_validate(camera) for camera in cameras))
        while any(stream.state != "recording" for stream in self._capturing.health(READY_S)):
            time.sleep(0.1)

    def stop(self) -> bool:
        """Store what is in hand and end; True if all of it was."""
        captured = self._capturing.stop(30)
        return self._store.close(60) and captured

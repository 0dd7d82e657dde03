"""The ring of one stream: the key states by which its last minutes can be opened again, for as long as that is allowed.

The writer thread adds the state at the beginning of each segment; any thread may read. Footage itself is not kept: it
lies sealed on disk (docs/decisions/0006-media-plane.md).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from overt.clock import Clock
from overt.footage.options import SECOND
from overt.sealing.ratchet import RingState

MAX_STATES: Final = 1024
"""States of one stream; beyond it the oldest is forgotten early. A camera that flaps begins a segment a session."""


class Ring:
    """The states of one stream, oldest first. Thread-safe; nothing blocks longer than copying a short list."""

    def __init__(self, clock: Clock, ring_s: float) -> None:
        """Begin empty; with `ring_s` 0 nothing is ever kept."""
        self._clock = clock
        self._ring_ns = int(ring_s * SECOND)
        self._lock = threading.Lock()
        self._states: deque[tuple[int, RingState]] = deque(maxlen=MAX_STATES)
        """Each with the monotonic clock when it was added."""

    def add(self, state: RingState, now_ns: int) -> None:
        """Remember the state at the beginning of a segment; `now_ns` is UTC on the recorder's line of time."""
        with self._lock:
            self._states.append((self._clock.monotonic_ns(), state))
            self._forget(now_ns)

    def states(self, now_ns: int) -> list[RingState]:
        """Return the states that are not older than the ring reaches back at this moment, oldest first."""
        with self._lock:
            self._forget(now_ns)
            return [state for _, state in self._states]

    def forget(self, now_ns: int) -> None:
        """Forget what is too old. Called about once a second, whether footage comes or not."""
        with self._lock:
            self._forget(now_ns)

    def _forget(self, now_ns: int) -> None:
        """Forget by the time of the footage and by the time that has passed: a clock that is set back prolongs nothing.

        A later state opens less than an earlier one, so those behind the first that may stay can stay too.
        """
        added_limit = self._clock.monotonic_ns() - self._ring_ns
        states = self._states
        while states and (states[0][0] <= added_limit or states[0][1].start_ns <= now_ns - self._ring_ns):
            states.popleft()

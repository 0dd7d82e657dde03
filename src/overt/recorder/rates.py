"""Bit rate and frame rate over the last seconds, from growing counters."""

from __future__ import annotations

from collections import deque
from typing import Final

from overt.clock import SECOND

WINDOW_NS: Final = 5 * SECOND
STEP_NS: Final = SECOND // 2


class Rates:
    """A sliding window over (time, bytes, frames). Not thread-safe."""

    def __init__(self) -> None:
        """Begin without knowledge: both rates are 0."""
        self._points: deque[tuple[int, int, int]] = deque()

    def observe(self, now_ns: int, total_bytes: int, frames: int) -> None:
        """Take counters as they stand; points closer than half a second are passed over."""
        points = self._points
        if points and now_ns - points[-1][0] < STEP_NS:
            return
        points.append((now_ns, total_bytes, frames))
        while now_ns - points[0][0] > WINDOW_NS:
            points.popleft()

    @property
    def bit_rate(self) -> float:
        """Bits a second over the window."""
        return 8 * self._rate(1)

    @property
    def frame_rate(self) -> float:
        """Frames a second over the window."""
        return self._rate(2)

    def _rate(self, field: int) -> float:
        if len(self._points) < 2:
            return 0.0
        first, last = self._points[0], self._points[-1]
        return (last[field] - first[field]) * SECOND / (last[0] - first[0])

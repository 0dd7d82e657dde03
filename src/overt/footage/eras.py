"""Where on the time axis a stream has footage already, coarsely, so that nothing is ever recorded over it. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

ERA_NS: Final = 24 * 3600 * 1_000_000_000
"""Footage further apart than this belongs to different eras; as `overt.clock.HOLD_LIMIT`, beyond which a clock that was
set back is believed."""


class Eras:
    """Spans of footage of one stream, those less than a day apart taken as one. Nothing may be placed inside one.

    A new fragment continues the era before it, or begins one of its own. There are hardly ever more than a few.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        """Begin with the spans that are stored, in any order."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(spans):
            if self._ends and start - self._ends[-1] <= ERA_NS:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def end_before(self, start_ns: int) -> int | None:
        """Return the end of the era that begins at or before `start_ns`."""
        at = bisect_right(self._starts, start_ns) - 1
        return self._ends[at] if at >= 0 else None

    def free(self, start_ns: int, end_ns: int, tolerance_ns: int) -> bool:
        """True if footage may be placed here: it lies in no era, but for an overlap of `tolerance_ns`."""
        at = bisect_right(self._starts, start_ns) - 1
        if at >= 0 and start_ns < self._ends[at] - tolerance_ns:
            return False
        return at + 1 >= len(self._starts) or end_ns <= self._starts[at + 1] + tolerance_ns

    def add(self, start_ns: int, end_ns: int) -> None:
        """Take a fragment that was stored."""
        at = bisect_right(self._starts, start_ns) - 1
        if at >= 0 and start_ns - self._ends[at] <= ERA_NS:
            self._ends[at] = max(self._ends[at], end_ns)
        else:
            self._starts.insert(at + 1, start_ns)
            self._ends.insert(at + 1, end_ns)

"""Clocks: the machine's, and the recorder's own line of time that never runs backwards.

Footage is stamped from `RecorderClock`, not from the wall clock, so that a wall clock that is set back can neither
overwrite nor overlap what is recorded (docs/decisions/0003-time.md).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Protocol

SECOND: Final = 1_000_000_000
STEP: Final = SECOND // 2
"""A wall clock that is further off than this has been stepped; anything less is slewed."""
HOLD_LIMIT: Final = 24 * 3600 * SECOND
"""A wall clock further behind than this is believed: what came before it was the error."""
SLEW_PPM: Final = 500


class Clock(Protocol):
    """The two clocks of a machine. A test may put its own in their place."""

    def utc_ns(self) -> int:
        """Wall clock: nanoseconds since the Unix epoch, UTC; may step."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary moment; never steps."""
        ...


class SystemClock:
    """CLOCK_REALTIME and CLOCK_MONOTONIC."""

    def utc_ns(self) -> int:
        """Wall clock in nanoseconds since the Unix epoch."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Monotonic clock in nanoseconds."""
        return time.monotonic_ns()


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock was found to differ from the recorder's line by more than `STEP`."""

    step_ns: int
    """Wall clock minus recorder line at the moment of discovery; positive is forward."""
    followed: bool
    """True if the line jumped to the wall clock; False if it is held because following would overlap footage."""


class RecorderClock:
    """UTC that never runs backwards while footage exists that it could overlap.

    Not thread-safe: owned by the capture thread. `observe` belongs in its tick; `at` is pure arithmetic.

    A wall clock ahead of the line by more than `STEP` is followed at once (the skipped time becomes a gap with cause
    `clock`). One behind it is held: the line runs on with the monotonic clock, and `offset_ns` says by how much it
    differs, unless the wall clock is more than `HOLD_LIMIT` behind. Smaller differences are slewed: the line runs 500
    ppm faster or slower until they are gone, without a jump, however long nobody has observed.
    """

    def __init__(self, clock: Clock, not_before_ns: int = 0) -> None:
        """Start the line at the wall clock, or at `not_before_ns` (end of stored footage) if that is later."""
        self._clock = clock
        wall = clock.utc_ns()
        self._anchor_monotonic = clock.monotonic_ns()
        held = wall < not_before_ns <= wall + HOLD_LIMIT
        self._anchor_utc = not_before_ns if held else wall
        self._offset = wall - self._anchor_utc
        self._held = held
        self._slew = 0
        """What the line has yet to gain (negative: to lose), as of the anchor."""

    @property
    def offset_ns(self) -> int:
        """Wall clock minus recorder line when last observed; 0 unless held or being slewed."""
        return self._offset

    def at(self, monotonic_ns: int) -> int:
        """Return the recorder's UTC at a reading of the monotonic clock."""
        passed = monotonic_ns - self._anchor_monotonic
        if not self._slew:
            return self._anchor_utc + passed
        most = max(0, passed) * SLEW_PPM // 1_000_000
        return self._anchor_utc + passed + max(-most, min(most, self._slew))

    def now_ns(self) -> int:
        """Return the recorder's UTC now."""
        return self.at(self._clock.monotonic_ns())

    def observe(self) -> ClockStep | None:
        """Compare with the wall clock; return a step once, when it is discovered or its size changes."""
        monotonic = self._clock.monotonic_ns()
        line = self.at(monotonic)
        offset = self._clock.utc_ns() - line
        if abs(offset) <= STEP:
            self._anchor_utc, self._anchor_monotonic, self._slew = line, monotonic, offset
            self._offset, self._held = offset, False
            return None
        followed = offset > 0 or offset < -HOLD_LIMIT
        if not followed and self._held and abs(offset - self._offset) <= STEP:
            return None
        self._anchor_utc, self._anchor_monotonic, self._slew = line + (offset if followed else 0), monotonic, 0
        self._offset, self._held = (0, False) if followed else (offset, True)
        return ClockStep(step_ns=offset, followed=followed)

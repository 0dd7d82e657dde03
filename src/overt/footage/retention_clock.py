"""The present for counting age: time that this recorder has lived through, and no more.

The wall clock decides what is old, but a wrong date must delete nothing. A clock that leaps ahead is therefore not
believed until it has stood for a while: an hour while the recorder runs, and a week for more than a day, be it that the
leap came while it ran or while it was switched off. Until then footage is counted younger by the leap. What was
believed is kept in `retention-clock.json`, so that a restart cannot make a leap disappear.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from overt.clock import Clock
from overt.errors import CorruptError, OvertError
from overt.footage.options import HOUR, SECOND, StoreOptions
from overt.new_file import read_small, replace

FILE: Final = "retention-clock.json"
MAX_FILE: Final = 64 * 1024
MAX_LEAPS: Final = 100
"""Leaps that are remembered apart; older ones are added up."""
LEAP_NS: Final = HOUR
"""A wall clock that gains more than this on the monotonic one has leapt."""
DOUBT_NS: Final = 24 * HOUR
"""A leap beyond this is doubted for long; a recorder may be switched off for so long without anybody's asking."""
BELIEVED_NS: Final = HOUR
"""How long a lesser leap must stand before footage is deleted by it."""


@dataclass(slots=True)
class Leap:
    """A stretch of time that the wall clock passed over."""

    length_ns: int
    stood_ns: int = 0
    """How long the recorder has run since."""


class RetentionClock:
    """Counts time for retention. Used by one thread, but for `doubted_ns` and `left_ns`."""

    def __init__(self, directory: Path, clock: Clock, options: StoreOptions) -> None:
        """Prepare; `begin` comes before `now_ns`."""
        self._path = directory / FILE
        self._clock = clock
        self._doubt_ns = int(options.clock_doubt_s * SECOND)
        self._leaps: list[Leap] = []
        self._line_ns = 0
        """Where the wall clock is expected."""
        self._monotonic_ns = 0
        self._behind_ns = 0
        """How long the recorder has run while the wall clock stood behind that."""

    @property
    def doubted_ns(self) -> int:
        """How much younger footage is counted than the wall clock says."""
        return sum(leap.length_ns for leap in self._leaps)

    @property
    def left_ns(self) -> int:
        """How long the recorder must still run until all of that is believed."""
        return max((self._due(leap) - leap.stood_ns for leap in self._leaps), default=0)

    def begin(self, newest_ns: int | None) -> None:
        """Compare the wall clock with what an earlier run left, or, if that is lost, with the newest footage.

        Args:
            newest_ns: end of the newest footage; None if there is none, and so nothing that a wrong date could cost.
        """
        wall, self._monotonic_ns = self._clock.utc_ns(), self._clock.monotonic_ns()
        try:
            self._line_ns, self._leaps = _read(self._path)
        except OvertError:
            # Lost, or damaged: footage tells nearly as much.
            self._line_ns, self._leaps = wall if newest_ns is None else min(newest_ns, wall), []
        self._follow(wall, 0, DOUBT_NS)

    def now_ns(self) -> int:
        """Return the present for counting age, UTC."""
        wall, monotonic = self._clock.utc_ns(), self._clock.monotonic_ns()
        ran, self._monotonic_ns = monotonic - self._monotonic_ns, monotonic
        self._line_ns += ran
        for leap in self._leaps:
            leap.stood_ns += ran
        self._follow(wall, ran, LEAP_NS)
        self._leaps = [leap for leap in self._leaps if leap.stood_ns < self._due(leap)]
        return wall - self.doubted_ns

    def keep(self) -> None:
        """Write down what is believed. Raises UnavailableError if the disk refuses."""
        leaps = [[leap.length_ns, leap.stood_ns] for leap in self._leaps]
        replace(self._path, json.dumps({"line": self._line_ns, "leaps": leaps}).encode() + b"\n", 0o600)

    def _follow(self, wall: int, ran: int, limit: int) -> None:
        """Bring the line to the wall clock; doubt what that gained beyond `limit`."""
        gained = wall - self._line_ns
        if gained > limit:
            self._leaps.append(Leap(gained))
            if len(self._leaps) > MAX_LEAPS:
                self._leaps[1].length_ns += self._leaps.pop(0).length_ns
        while wall < self._line_ns - LEAP_NS and self._leaps:
            # A leap was an error, and is put right.
            taken = min(self._line_ns - wall, self._leaps[-1].length_ns)
            self._line_ns -= taken
            self._leaps[-1].length_ns -= taken
            if not self._leaps[-1].length_ns:
                self._leaps.pop()
        if wall >= self._line_ns - LEAP_NS or self._behind_ns >= self._doubt_ns:
            self._line_ns, self._behind_ns = wall, 0
        else:
            # A machine that boots without knowing the date catches up when it has asked for it: that is no leap.
            self._behind_ns += ran

    def _due(self, leap: Leap) -> int:
        return min(BELIEVED_NS, self._doubt_ns) if leap.length_ns <= DOUBT_NS else self._doubt_ns


def _read(path: Path) -> tuple[int, list[Leap]]:
    """Return what an earlier run believed. Raises OvertError if that cannot be known."""
    try:
        value: Any = json.loads(read_small(path, MAX_FILE, "file of the retention's clock"))
        leaps = [Leap(int(length), int(stood)) for length, stood in value["leaps"]]
        return int(value["line"]), leaps
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: cannot be understood"
        raise CorruptError(msg) from error

"""Uptime in days, as councils are asked for it: of each day, was the camera recorded fully, partly, or not?

Plain functions on plain values. A day is a local one, with 23 or 25 hours where clocks change. Time in which a camera
was not to be recorded does not count; time of which nothing is known (the recorder has not been heard since) neither.
"""

from __future__ import annotations

import datetime as dt
import functools
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from operator import itemgetter
from typing import Final

Span = tuple[dt.datetime, dt.datetime]
SLACK: Final = dt.timedelta(minutes=1)
"""A day in which no more than this is missing counts as recorded fully."""


class DayState(StrEnum):
    """How a day was recorded."""

    FULL = "full"
    PARTLY = "partly"
    NOT = "not"
    OFF = "off"
    """It was not to be recorded on that day, or the day has not come, or nothing is known of it."""


DAY_WORDS: Final[dict[DayState, str]] = {
    DayState.FULL: "Recorded",
    DayState.PARTLY: "Partly recorded",
    DayState.NOT: "Not recorded",
    DayState.OFF: "Not to be recorded, or not known",
}


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a camera."""

    date: dt.date
    wanted_s: float
    """Seconds in which it was to be recorded, and of which it is known whether it was."""
    missing_s: float
    gaps: int
    """Gaps that reach into the day."""

    @property
    def state(self) -> DayState:
        """How the day was recorded."""
        if self.wanted_s <= 0:
            return DayState.OFF
        if self.missing_s >= self.wanted_s:
            return DayState.NOT
        return DayState.FULL if self.missing_s <= SLACK.total_seconds() else DayState.PARTLY


@dataclass(frozen=True, slots=True)
class Uptime:
    """The days of a camera, added up."""

    days: tuple[Day, ...]

    @property
    def wanted_s(self) -> float:
        """Seconds in which it was to be recorded."""
        return sum(day.wanted_s for day in self.days)

    @property
    def missing_s(self) -> float:
        """Seconds of those without footage."""
        return sum(day.missing_s for day in self.days)

    @property
    def share(self) -> float | None:
        """Share recorded, from 0 to 1; None where it was not to be recorded at all."""
        return 1 - self.missing_s / self.wanted_s if self.wanted_s > 0 else None

    @property
    def percentage(self) -> str:
        """The share with two decimals; never rounded up to 100 where something is missing. Empty: nothing to say."""
        if self.share is None:
            return ""
        return f"{int(self.share * 10_000) / 100:.2f} %"

    def count(self, state: DayState) -> int:
        """Return how many days are of a state."""
        return sum(day.state is state for day in self.days)


def uptime(
    wanted: Iterable[Span], gaps: Sequence[Span], first: dt.date, days: int, zone: dt.tzinfo, known_until: dt.datetime
) -> Uptime:
    """Divide the time in which a camera was to be recorded, and its gaps, into days.

    `known_until`: what came after is not known (the present, or when the recorder was heard last).
    """
    spans = [(start, min(end, known_until)) for start, end in joined(wanted) if start < known_until]
    holes = joined((start, min(end, known_until)) for start, end in gaps if start < known_until)
    found = []
    for date, day in _days(first, days, zone):
        here, holes_here = list(_within(spans, day)), list(_within(holes, day))
        missing = [part for span in here for part in _within(holes_here, span)] if holes_here else []
        found.append(Day(date, _seconds(here), _seconds(missing), len(holes_here)))
    return Uptime(tuple(found))


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that overlap or touch as one, empty ones left out."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _within(spans: Sequence[Span], bounds: Span) -> Iterator[Span]:
    """Yield the parts of spans inside bounds; spans are in order and apart."""
    number = max(0, bisect_right(spans, bounds[0], key=itemgetter(0)) - 1)
    while number < len(spans) and spans[number][0] < bounds[1]:
        cut = max(spans[number][0], bounds[0]), min(spans[number][1], bounds[1])
        if cut[0] < cut[1]:
            yield cut
        number += 1


def _seconds(spans: Iterable[Span]) -> float:
    return sum((end - start).total_seconds() for start, end in spans)


@functools.lru_cache(maxsize=64)
def _days(first: dt.date, days: int, zone: dt.tzinfo) -> tuple[tuple[dt.date, Span], ...]:
    """Return days that follow each other, each with its bounds."""
    dates = [first + dt.timedelta(days=number) for number in range(days + 1)]
    return tuple((date, (_midnight(date, zone), _midnight(after, zone))) for date, after in pairwise(dates))


def _midnight(date: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Return a day's beginning in UTC, so that differences are true lengths where clocks change."""
    return dt.datetime.combine(date, dt.time(), zone).astimezone(dt.UTC)

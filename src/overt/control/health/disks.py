"""When will a disk be full? By the rate of the last days, on plain values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

LOOK_BACK: Final = dt.timedelta(days=3)
LEAST_SPAN: Final = dt.timedelta(hours=6)
"""A rate that was observed for less time says little: an hour of copying would look like a disk that fills."""
HORIZON: Final = dt.timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was free at a moment."""

    at: dt.datetime
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """What becomes of a disk."""

    full_at: dt.datetime | None
    """When it will be full at this rate; None: not within a year, or nothing can be said."""
    known: bool
    """Whether it was observed for long enough to say anything."""


def outlook(samples: Sequence[Sample]) -> Outlook:
    """Say when a disk will be full, by what became of its free space in the last days; samples in order of time.

    A disk whose space is freed by retention as fast as it is used never fills. Where the size of the disk changed, only
    what came after counts.
    """
    recent = _of_one_size([each for each in samples if samples[-1].at - each.at <= LOOK_BACK]) if samples else []
    if not recent or recent[-1].at - recent[0].at < LEAST_SPAN:
        return Outlook(None, known=False)
    first, last = recent[0], recent[-1]
    used = first.free_bytes - last.free_bytes
    if used <= 0:
        return Outlook(None, known=True)
    remaining = (last.at - first.at) * (last.free_bytes / used) if last.free_bytes < used * 1000 else HORIZON * 2
    return Outlook(last.at + remaining if remaining <= HORIZON else None, known=True)


def _of_one_size(samples: Sequence[Sample]) -> list[Sample]:
    found: list[Sample] = list(samples[:1])
    for before, after in pairwise(samples):
        if after.total_bytes != before.total_bytes:
            found = []
        found.append(after)
    return found

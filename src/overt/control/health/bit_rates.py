"""Does a camera send far less than it usually does? The one sign of a frozen or black picture without decoding it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from overt.control.health.models import UsualBitRate
from overt.control.health.report import StreamReport
from overt.control.health.situation import Suspect

EVERY: Final = dt.timedelta(hours=1)
"""How often what a camera sends becomes part of what it usually sends."""
MEMORY: Final = 72
"""Samples over which the mean goes: three days."""
ENOUGH: Final = 24
"""Samples from which on it says something: a day and a night."""
SHARE: Final = 0.05
LEAST: Final = 100_000.0
"""Bits a second: a camera that usually sends less is one whose scene is still anyway."""


def is_low(bit_rate: float, usual: float, samples: int) -> bool:
    """Whether a bit rate is far below the usual one."""
    return samples >= ENOUGH and usual >= LEAST and 0 < bit_rate < usual * SHARE


def mean_with(bit_rate: float, usual: float, samples: int) -> float:
    """Return the mean with another sample in it."""
    return usual + (bit_rate - usual) / min(samples + 1, MEMORY)


def watch(streams: Iterable[StreamReport], now: dt.datetime) -> dict[str, Suspect]:
    """Note what main streams send; return those that send far less than usual, and since when."""
    rows = {row.camera: row for row in UsualBitRate.objects.all()}
    new: list[UsualBitRate] = []
    changed: list[UsualBitRate] = []
    for stream in streams:
        if stream.state != "recording" or stream.bit_rate <= 0:
            continue
        row = rows.get(stream.camera)
        if row is None:
            new.append(UsualBitRate(camera=stream.camera[:63], bit_rate=stream.bit_rate, samples=1, at=now))
            continue
        low = is_low(stream.bit_rate, row.bit_rate, row.samples)
        if low != (row.low_since is not None):
            row.low_since = now if low else None
            changed.append(row)
        elif not low and now - row.at >= EVERY:
            row.bit_rate = mean_with(stream.bit_rate, row.bit_rate, row.samples)
            row.samples, row.at = row.samples + 1, now
            changed.append(row)
    UsualBitRate.objects.bulk_create(new, ignore_conflicts=True)
    UsualBitRate.objects.bulk_update(changed, ["bit_rate", "samples", "at", "low_since"], batch_size=500)
    return {row.camera: Suspect(row.low_since, row.bit_rate) for row in rows.values() if row.low_since is not None}

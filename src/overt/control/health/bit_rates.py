"""Does a camera send far less than it usually does? The one sign of a frozen or black picture without decoding it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from overt.control.health.models import MAX_KEY, UsualBitRate
from overt.control.health.report import StreamReport
from overt.control.health.situation import Suspect

EVERY: Final = dt.timedelta(hours=1)
"""How often what a camera sends becomes part of what it usually sends."""
MEMORY: Final = 72
"""Samples over which the mean goes: three days."""
ENOUGH: Final = 24
"""Samples from which on it says something: a day and a night."""
_FIELDS: Final = ("camera", "bit_rate", "samples", "at", "low_since")
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
    known = {row[0]: row[1:] for row in UsualBitRate.objects.values_list(*_FIELDS)}
    new: list[UsualBitRate] = []
    changed: list[UsualBitRate] = []
    suspects: dict[str, Suspect] = {}
    for stream in streams:
        camera, rate = stream.camera[:MAX_KEY], stream.bit_rate
        if stream.state != "recording" or rate <= 0:
            continue
        if camera not in known:
            new.append(UsualBitRate(camera=camera, bit_rate=rate, samples=1, at=now))
            continue
        usual, samples, at, low_since = known[camera]
        low = is_low(rate, usual, samples)
        if low:
            suspects[camera] = Suspect(low_since or now, usual)
        if low != (low_since is not None):
            changed.append(UsualBitRate(camera, usual, samples, at, now if low else None))
        elif not low and now - at >= EVERY:
            changed.append(UsualBitRate(camera, mean_with(rate, usual, samples), samples + 1, now, None))
    UsualBitRate.objects.bulk_create(new, ignore_conflicts=True)
    UsualBitRate.objects.bulk_update(changed, _FIELDS[1:], batch_size=500)
    return suspects

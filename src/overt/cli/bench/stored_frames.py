"""Counting what was stored by the numbers that the frames carry: what is missing is missed by name."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from overt.cli.bench.cameras import Filmed
from overt.clock import SECOND
from overt.footage.opening import Damage, OpenPeriod
from overt.footage.reading import FootageReader
from overt.ids import StreamKey
from overt.media.boxes import read_fragment
from overt.media.initialisation import read_initialisation
from overt.simulator.marks import frame_number

EVER: Final = 2**62
MAX_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class StoredFrames:
    """The frames of one camera that were read back, opened and verified."""

    camera: str
    frames: int
    fragments: int
    first: int | None
    last: int | None
    doubled: int
    disordered: int
    """Frames that stand behind one with a higher number."""
    unnumbered: int
    missing_inside: int
    """Numbers between the first and the last that are not there."""
    missing: tuple[tuple[int, int], ...]
    """The first `MAX_LISTED` ranges (first, last) of those."""
    unreadable: tuple[str, ...]
    """The first `MAX_LISTED` fragments that could not be opened, and why."""
    media_bytes: int
    """Of the frames alone."""
    payload_bytes: int
    """With the `moof` and `mdat` headers around them."""
    seconds: float
    """Their durations, added up."""

    def lost(self, filmed: Filmed) -> int:
        """Return how many frames are missing of those that the camera filmed since its first session began.

        That is the larger of two counts: what was sent (or skipped because nobody read) and is not stored; and the
        holes between the first frame stored and the last one filmed.
        """
        due = filmed.frames_sent + filmed.frames_skipped
        if self.first is None or self.last is None:
            return due
        tail = max(0, filmed.frames_filmed - 1 - self.last)
        return max(due - (self.frames - self.doubled - self.unnumbered), self.missing_inside + tail, 0)


def stored_frames(reader: FootageReader, key: StreamKey, open_period: OpenPeriod) -> StoredFrames:
    """Open everything that is stored of a stream and count its frames by number.

    Raises:
        ForbiddenError: the keys do not open it.
        InvalidError: a fragment is no fragment.
    """
    numbers = array("Q")
    unreadable: list[str] = []
    frames = fragments = media_bytes = payload_bytes = duration_ns = 0
    initialisation, codec = b"", ""
    for item in reader.fragments(key, 0, EVER, open_period):
        if isinstance(item, Damage):
            unreadable.append(item.detail)
            continue
        if item.initialisation is not initialisation:
            initialisation = item.initialisation
            codec = read_initialisation(initialisation)[0].codec
        fragments += 1
        payload_bytes += len(item.payload)
        duration_ns += item.info.duration_ns
        track = read_fragment(item.payload).track(1)
        for row in track.samples if track is not None else ():
            frames += 1
            media_bytes += row.size
            number = frame_number(memoryview(item.payload)[row.offset : row.offset + row.size], codec)
            if number is not None:
                numbers.append(number)
    distinct = sorted(set(numbers))
    holes = [(before + 1, after - 1) for before, after in pairwise(distinct) if after - before > 1]
    return StoredFrames(
        camera=key.camera,
        frames=frames,
        fragments=fragments,
        first=distinct[0] if distinct else None,
        last=distinct[-1] if distinct else None,
        doubled=len(numbers) - len(distinct),
        disordered=_disordered(numbers),
        unnumbered=frames - len(numbers),
        missing_inside=sum(last - first + 1 for first, last in holes),
        missing=tuple(holes[:MAX_LISTED]),
        unreadable=tuple(unreadable[:MAX_LISTED]),
        media_bytes=media_bytes,
        payload_bytes=payload_bytes,
        seconds=duration_ns / SECOND,
    )


def _disordered(numbers: Iterable[int]) -> int:
    highest, count = -1, 0
    for number in numbers:
        count += number < highest
        highest = max(highest, number)
    return count

"""Spans and gaps: segments joined to continuous stretches, and every hole between them with what is known about it.

Pure functions on rows of the index; nothing here touches a disk.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final
from uuid import UUID

from overt.footage.gaps import Gap, GapCause
from overt.footage.rows import SegmentExtent
from overt.ids import StreamKey

JOIN_NS: Final = 50_000_000
"""Segments that lie no further apart than this, or one and a half frames, are one span."""
NO_ID: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of continuous footage of one stream."""

    key: StreamKey
    start_ns: int
    end_ns: int
    segments: int
    bytes: int
    samples: int
    damaged_samples: int
    lost_packets: int


def merge(
    key: StreamKey,
    segments: Sequence[SegmentExtent],
    gaps: Sequence[Gap],
    deleted: Sequence[Gap],
    *,
    start_ns: int,
    end_ns: int,
) -> list[Span | Gap]:
    """Join segments into spans, and fill every hole between them with what is known about it. Pure.

    Footage wins over what is said about its absence; a hole that nothing explains is a gap of unknown cause. The first
    segment of all has nothing before it: time before any footage and any gap is left out, and so is time after them.
    """
    ordered = sorted(gaps, key=lambda gap: gap.start_ns)
    spans = _joined(key, segments, ordered, end_ns)
    out: list[Span | Gap] = []
    reasons = [*ordered, *sorted(deleted, key=lambda gap: gap.start_ns)]
    edges = [gap.start_ns for gap in reasons]
    ends = [end_ns if gap.end_ns is None else gap.end_ns for gap in reasons]
    begin = min([*(span.start_ns for span in spans), *edges], default=end_ns)
    stop = max([*(span.end_ns for span in spans), *ends], default=start_ns)
    reached = max(start_ns, begin)
    for span in spans:
        first, last_ns = max(span.start_ns, start_ns), min(span.end_ns, end_ns)
        if last_ns <= first:
            continue
        out += _explained(key, reasons, reached, first, end_ns)
        out.append(replace(span, start_ns=first, end_ns=last_ns))
        reached = max(reached, last_ns)
    out += _explained(key, reasons, reached, min(end_ns, stop), end_ns)
    return out


def _joined(key: StreamKey, segments: Sequence[SegmentExtent], gaps: Sequence[Gap], end_ns: int) -> list[Span]:
    """Join segments that lie close together, and have none of the gaps (in order of their start) between them."""
    spans: list[Span] = []
    starts = [gap.start_ns for gap in gaps]

    def apart(before_ns: int, after_ns: int) -> bool:
        """Whether a gap lies between two moments."""
        for gap in islice(gaps, bisect_left(starts, before_ns), None):
            if gap.start_ns > after_ns:
                break
            if (gap.end_ns or end_ns) <= after_ns:
                return True
        return False

    frame_ns = begin_ns = 0
    reached: int | None = None
    segment_count = size = samples = damaged = lost = 0
    for row in sorted(segments, key=lambda row: row.start_ns):
        join = max(JOIN_NS, frame_ns * 3 // 2)
        frame_ns = (row.end_ns - row.start_ns) // max(1, row.samples)
        if reached is None or row.start_ns - reached > join or apart(reached - join, row.start_ns + join):
            if reached is not None:
                spans.append(Span(key, begin_ns, reached, segment_count, size, samples, damaged, lost))
            begin_ns = row.start_ns if reached is None else max(row.start_ns, reached)
            reached = row.end_ns
            segment_count = size = samples = damaged = lost = 0
        reached = max(reached, row.end_ns)
        segment_count += 1
        size += row.size
        samples += row.samples
        damaged += row.damaged_samples
        lost += row.lost_packets
    if reached is not None:
        spans.append(Span(key, begin_ns, reached, segment_count, size, samples, damaged, lost))
    return spans


def _explained(key: StreamKey, reasons: Sequence[Gap], start_ns: int, end_ns: int, limit_ns: int) -> list[Gap]:
    """Cover a hole with the reasons that are known, the first of them winning, and the rest with unknown ones."""
    out: list[Gap] = []
    at = start_ns
    while at < end_ns:
        covering = next((g for g in reasons if g.start_ns <= at < (limit_ns if g.end_ns is None else g.end_ns)), None)
        if covering is not None:
            stop = min(end_ns, limit_ns if covering.end_ns is None else covering.end_ns)
            out.append(replace(covering, start_ns=at, end_ns=stop))
        else:
            stop = min([end_ns, *(gap.start_ns for gap in reasons if gap.start_ns > at)])
            out.append(Gap(NO_ID, key, at, stop, GapCause.UNKNOWN, "no row tells why"))
        at = stop
    return out

"""Which segments have reached the end of their retention. Pure planning; `overt.footage.deletion` carries it out.

Retention is a maximum: a segment goes as soon as its END is older than the camera's limit, so that no frame outlives
the limit by more than one segment's length. Bytes are counted over all streams of the camera; the oldest go first,
whatever stream they are of. What a hold names stays, and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from overt.contract.fact import DeletionReason
from overt.footage.options import SECOND, RetentionPolicy
from overt.footage.rows import Hold, SegmentRow

DAY_NS: Final = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Expired:
    """A segment that is to be deleted, and why."""

    row: SegmentRow
    reason: DeletionReason


def age_limit(policy: RetentionPolicy, now_ns: int) -> int | None:
    """Return the moment before which a segment must have ended to be deleted; None: no limit by age."""
    return None if policy.days is None else now_ns - int(policy.days * DAY_NS)


def held(row: SegmentRow, holds: Iterable[Hold]) -> bool:
    """True if a hold names any part of the segment."""
    return any(
        hold.camera == row.key.camera and hold.start_ns < row.end_ns and hold.end_ns > row.start_ns for hold in holds
    )


def plan(
    rows: Sequence[SegmentRow], policy: RetentionPolicy, holds: Sequence[Hold], now_ns: int, total_bytes: int
) -> list[Expired]:
    """Return what is to be deleted of one camera.

    Args:
        rows: finished segments of all its streams, or the oldest of them, by start.
        policy: how long and how much may be kept.
        holds: those of the camera.
        now_ns: the present.
        total_bytes: what all its segments take up, those not in `rows` included.
    """
    limit = age_limit(policy, now_ns)
    expired: list[Expired] = []
    remaining = total_bytes
    for row in rows:
        reason: DeletionReason | None = None
        if limit is not None and row.end_ns < limit:
            reason = "days"
        elif policy.bytes is not None and remaining > policy.bytes:
            reason = "bytes"
        if reason is not None and not held(row, holds):
            expired.append(Expired(row, reason))
            remaining -= row.size
    return expired


def plan_space(rows: Sequence[SegmentRow], holds: Sequence[Hold], missing_bytes: int) -> list[Expired]:
    """Return the oldest segments, held ones excepted, whose deletion gives back at least `missing_bytes`."""
    expired: list[Expired] = []
    for row in sorted(rows, key=lambda row: row.end_ns):
        if missing_bytes <= 0:
            break
        if not held(row, holds):
            expired.append(Expired(row, "disk-full"))
            missing_bytes -= row.size
    return expired

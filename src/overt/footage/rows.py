"""The rows of the index as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from overt.contract.fact import DeletionReason, SegmentCondition
from overt.footage.format import TableRow
from overt.footage.fragment_table import unpack_table
from overt.footage.layout import segment_path
from overt.ids import StreamKey


class SegmentState(IntEnum):
    """What is known of a segment's file."""

    OPEN = 1
    """Being written, or left so by a run that was killed."""
    CLOSED = 2
    """Complete: it has its end record and is flushed to the device."""
    RECOVERED = 3
    """Without end record; every record up to `size` is whole."""
    DAMAGED = 4
    """Some record was altered or lost on the disk; reading yields the rest."""
    DELETING = 5
    """Chosen for deletion; what is left of it goes in the next round."""


CONDITIONS: Final[dict[SegmentState, SegmentCondition]] = {
    SegmentState.CLOSED: "closed",
    SegmentState.RECOVERED: "recovered",
    SegmentState.DAMAGED: "damaged",
}
"""What is said of a segment that is not written any more."""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One segment. `table` is None where a query left the fragment table out."""

    segment_id: UUID
    key: StreamKey
    location_id: UUID
    name: str
    state: SegmentState
    start_ns: int
    end_ns: int
    size: int
    records: int
    fragments: int
    samples: int
    damaged_samples: int
    lost_packets: int
    merkle_root: bytes
    period_id: UUID
    session_id: UUID
    previous_id: UUID
    clock_offset_ns: int
    camera_offset_ns: int | None
    tracks: str
    table: bytes | None = field(default=None, repr=False)

    @property
    def extent(self) -> SegmentExtent:
        """What spans are made of."""
        return SegmentExtent(
            self.start_ns, self.end_ns, self.size, self.samples, self.damaged_samples, self.lost_packets
        )

    def path(self, location: Path) -> Path:
        """Return the file's path at a location that is mounted there."""
        return segment_path(location, self.key, self.name)

    def fragment_table(self) -> list[TableRow] | None:
        """Return the fragment table; None if the row has none.

        Raises:
            CorruptError: if the stored table is damaged.
        """
        return None if self.table is None else unpack_table(self.table, f"segment {self.segment_id}")


class SegmentExtent(NamedTuple):
    """What spans are made of: a segment's time and its sums."""

    start_ns: int
    end_ns: int
    size: int
    samples: int
    damaged_samples: int
    lost_packets: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A span of one camera in which nothing is deleted until the hold is lifted."""

    hold_id: UUID
    camera: str
    start_ns: int
    end_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was deleted, why, and which keys were destroyed with it."""

    deletion_id: UUID
    time_ns: int
    reason: DeletionReason
    key: StreamKey
    start_ns: int
    end_ns: int
    segments: int
    bytes: int
    periods: tuple[UUID, ...]

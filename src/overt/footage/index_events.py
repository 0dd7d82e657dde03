"""The index's tables of gaps, holds and deletions: what no segment file tells."""

from __future__ import annotations

from uuid import UUID

from overt.footage.gaps import Gap, GapCause
from overt.footage.index_connection import IndexConnection, understood
from overt.footage.rows import Deletion, Hold
from overt.ids import StreamKey


class EventTables(IndexConnection):
    """Gaps, holds and deletions of a footage directory."""

    # --- gaps --------------------------------------------------------------------------------------------------------

    def put_gap(self, gap: Gap) -> None:
        """Insert or replace a gap's row; one that turned out empty is removed."""
        with self.transaction():
            if gap.end_ns is not None and gap.end_ns <= gap.start_ns:
                self.change("DELETE FROM gap WHERE gap_id = ?", gap.gap_id.bytes)
                return
            self.change(
                "INSERT INTO gap (gap_id, stream, from_ns, to_ns, cause, detail) VALUES (?,?,?,?,?,?) "
                "ON CONFLICT (gap_id) DO UPDATE SET from_ns = excluded.from_ns, to_ns = excluded.to_ns, "
                "cause = excluded.cause, detail = excluded.detail",
                gap.gap_id.bytes,
                self.stream_number(gap.key),
                gap.start_ns,
                gap.end_ns,
                gap.cause.value,
                gap.detail,
            )

    @understood
    def gaps(self, key: StreamKey, start_ns: int, end_ns: int) -> list[Gap]:
        """Return the gaps that overlap a span, by start."""
        rows = self.query(
            "SELECT gap_id, from_ns, to_ns, cause, detail FROM gap WHERE stream = ? AND from_ns < ? "
            "AND (to_ns IS NULL OR to_ns > ?) ORDER BY from_ns",
            self.stream_number(key),
            end_ns,
            start_ns,
        )
        return [Gap(UUID(bytes=i), key, a, b, GapCause(cause), detail) for i, a, b, cause, detail in rows]

    @understood
    def open_gaps(self) -> list[Gap]:
        """Return the gaps that have not ended."""
        rows = self.query(
            "SELECT g.gap_id, s.camera, s.stream, g.from_ns, g.cause, g.detail FROM gap g "
            "JOIN stream s ON s.id = g.stream WHERE g.to_ns IS NULL ORDER BY g.from_ns"
        )
        return [Gap(UUID(bytes=i), StreamKey(c, s), a, None, GapCause(cause), d) for i, c, s, a, cause, d in rows]

    # --- holds and deletions -----------------------------------------------------------------------------------------

    def put_hold(self, hold: Hold) -> None:
        """Insert or replace a hold."""
        self.change(
            "INSERT OR REPLACE INTO hold (hold_id, camera, from_ns, to_ns, reason) VALUES (?,?,?,?,?)",
            hold.hold_id.bytes,
            hold.camera,
            hold.start_ns,
            hold.end_ns,
            hold.reason,
        )

    def drop_hold(self, hold_id: UUID) -> bool:
        """Lift a hold; False if there was none."""
        return bool(self.change("DELETE FROM hold WHERE hold_id = ?", hold_id.bytes))

    @understood
    def holds(self, camera: str | None = None) -> list[Hold]:
        """Return the holds of one camera, or all."""
        rows = self.query(
            "SELECT hold_id, camera, from_ns, to_ns, reason FROM hold WHERE ? IS NULL OR camera = ? ORDER BY from_ns",
            camera,
            camera,
        )
        return [Hold(UUID(bytes=i), name, a, b, reason) for i, name, a, b, reason in rows]

    def put_deletion(self, deletion: Deletion) -> None:
        """Insert a deletion."""
        self.change(
            "INSERT OR REPLACE INTO deletion (deletion_id, time_ns, reason, stream, from_ns, to_ns, segments, bytes, "
            "periods) VALUES (?,?,?,?,?,?,?,?,?)",
            deletion.deletion_id.bytes,
            deletion.time_ns,
            deletion.reason,
            self.stream_number(deletion.key),
            deletion.start_ns,
            deletion.end_ns,
            deletion.segments,
            deletion.bytes,
            b"".join(period.bytes for period in deletion.periods),
        )

    @understood
    def deletions(self, key: StreamKey, start_ns: int, end_ns: int) -> list[Deletion]:
        """Return the deletions of footage that lay in a span."""
        rows = self.query(
            "SELECT deletion_id, time_ns, reason, from_ns, to_ns, segments, bytes, periods FROM deletion "
            "WHERE stream = ? AND from_ns < ? AND to_ns > ? ORDER BY from_ns",
            self.stream_number(key),
            end_ns,
            start_ns,
        )
        return [
            Deletion(
                UUID(bytes=i),
                time,
                reason,
                key,
                a,
                b,
                n,
                size,
                tuple(UUID(bytes=p[j : j + 16]) for j in range(0, len(p), 16)),
            )
            for i, time, reason, a, b, n, size, p in rows
        ]

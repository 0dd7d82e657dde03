"""index.sqlite: one row a segment, and the gaps, holds and deletions. It can be rebuilt from files and journal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from overt.contract.fact import DeletionReason
from overt.footage.index_connection import understood
from overt.footage.index_events import EventTables
from overt.footage.rows import SegmentExtent, SegmentRow, SegmentState
from overt.ids import StreamKey

LONGEST_NS: Final = 600_000_000_000
"""No segment is longer than this."""


class Index(EventTables):
    """One connection to the index of a footage directory. For threads and errors see `IndexConnection`."""

    # --- segments ----------------------------------------------------------------------------------------------------

    def put_segment(self, row: SegmentRow) -> None:
        """Insert or replace a segment's row, with its fragment table if it has one. What is to be deleted stays so."""
        with self.transaction():
            self.change(
                "INSERT INTO segment (segment_id, stream, location, name, state, start_ns, end_ns, size, records, "
                "fragments, samples, damaged_samples, lost_packets, merkle_root, period_id, session_id, previous_id, "
                "clock_offset_ns, camera_offset_ns, tracks) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
                "ON CONFLICT (segment_id) DO UPDATE SET location = excluded.location, name = excluded.name, "
                "state = CASE state WHEN 5 THEN state ELSE excluded.state END, "
                "start_ns = excluded.start_ns, end_ns = excluded.end_ns, size = excluded.size, "
                "records = excluded.records, fragments = excluded.fragments, samples = excluded.samples, "
                "damaged_samples = excluded.damaged_samples, lost_packets = excluded.lost_packets, "
                "merkle_root = excluded.merkle_root, camera_offset_ns = excluded.camera_offset_ns, "
                "period_id = excluded.period_id, session_id = excluded.session_id, "
                "previous_id = excluded.previous_id, clock_offset_ns = excluded.clock_offset_ns, "
                "tracks = CASE excluded.tracks WHEN '' THEN tracks ELSE excluded.tracks END",
                row.segment_id.bytes,
                self.stream_number(row.key),
                self.location_number(row.location_id),
                row.name,
                int(row.state),
                row.start_ns,
                row.end_ns,
                row.size,
                row.records,
                row.fragments,
                row.samples,
                row.damaged_samples,
                row.lost_packets,
                row.merkle_root,
                row.period_id.bytes,
                row.session_id.bytes,
                row.previous_id.bytes,
                row.clock_offset_ns,
                row.camera_offset_ns,
                row.tracks,
            )
            if row.table is not None:
                self.change(
                    "INSERT OR REPLACE INTO fragment_table (segment, rows) "
                    "SELECT id, ? FROM segment WHERE segment_id = ?",
                    row.table,
                    row.segment_id.bytes,
                )

    def drop_segments(self, ids: Iterable[UUID]) -> None:
        """Delete rows (not files)."""
        with self.transaction():
            for segment_id in ids:
                self.change("DELETE FROM segment WHERE segment_id = ?", segment_id.bytes)

    @understood
    def segment(self, segment_id: UUID) -> SegmentRow | None:
        """Return one segment with its fragment table."""
        rows = self.query("SELECT * FROM segment_row_with_table WHERE segment_id = ?", segment_id.bytes)
        return _segment(rows[0]) if rows else None

    @understood
    def segments(
        self, key: StreamKey, start_ns: int, end_ns: int, *, tables: bool = False, unfinished: bool = False
    ) -> list[SegmentRow]:
        """Return the segments that overlap a span, by start; with `unfinished`, those alone that are open.

        An open one's end is not known: look into its file.
        """
        statement = (
            "SELECT * FROM segment_row_with_table WHERE stream_number = ? AND start_ns > ? AND start_ns < ? "
            "AND (end_ns > ? OR state = 1) AND state <> 5 ORDER BY start_ns"
        )
        if not tables:
            statement = statement.replace("segment_row_with_table", "segment_row")
        if unfinished:
            statement = statement.replace("state <> 5", "state = 1")
        begin = max(start_ns, LONGEST_NS) - LONGEST_NS
        rows = self.query(statement, self.stream_number(key), begin, end_ns, start_ns)
        return [_segment(row) for row in rows]

    @understood
    def extents(self, key: StreamKey, start_ns: int, end_ns: int) -> list[SegmentExtent]:
        """Return time and sums of the finished segments that overlap a span, by start: a tenth of the work of rows."""
        rows = self.query(
            "SELECT start_ns, end_ns, size, samples, damaged_samples, lost_packets FROM segment "
            "WHERE stream = ? AND start_ns > ? AND start_ns < ? AND end_ns > ? AND state IN (2, 3, 4) "
            "ORDER BY start_ns",
            self.stream_number(key),
            max(start_ns, LONGEST_NS) - LONGEST_NS,
            end_ns,
            start_ns,
        )
        return list(map(SegmentExtent._make, rows))

    @understood
    def oldest(
        self, key: StreamKey, limit: int, *, before_ns: int | None = None, unheld: bool = False
    ) -> list[SegmentRow]:
        """Return finished segments of a stream, oldest first: those that end before a moment, those without a hold."""
        rows = self.query(
            "SELECT * FROM segment_row r WHERE stream_number = ? AND state IN (2, 3, 4) AND (? IS NULL OR end_ns < ?) "
            "AND (? IS NULL OR start_ns < ?) AND NOT (? AND EXISTS (SELECT 1 FROM hold h WHERE h.camera = r.camera "
            "AND h.from_ns < r.end_ns AND h.to_ns > r.start_ns)) ORDER BY start_ns LIMIT ?",
            self.stream_number(key),
            before_ns,
            before_ns,
            before_ns,
            before_ns,
            unheld,
            limit,
        )
        return [_segment(row) for row in rows]

    @understood
    def listing(self, key: StreamKey) -> dict[str, tuple[UUID, int, SegmentState]]:
        """Return location, size and state of a stream's segments by file name: what folders are held against."""
        places = {number: UUID(bytes=i) for number, i in self.query("SELECT id, location_id FROM location")}
        states = {int(state): state for state in SegmentState}
        rows = self.query("SELECT name, location, size, state FROM segment WHERE stream = ?", self.stream_number(key))
        return {name: (places[place], size, states[state]) for name, place, size, state in rows}

    @understood
    def by_name(self, key: StreamKey, name: str) -> list[SegmentRow]:
        """Return the rows of a stream with this file name."""
        rows = self.query(
            "SELECT * FROM segment_row WHERE stream_number = ? AND name = ?", self.stream_number(key), name
        )
        return [_segment(row) for row in rows]

    @understood
    def frontier(self, key: StreamKey) -> int | None:
        """Return the latest end of a stream's footage in the index."""
        rows = self.query(
            "SELECT max(end_ns) FROM (SELECT end_ns FROM segment WHERE stream = ? ORDER BY start_ns DESC LIMIT 8)",
            self.stream_number(key),
        )
        return None if rows[0][0] is None else int(rows[0][0])

    @understood
    def eras(self, key: StreamKey, hole_ns: int) -> list[tuple[int, int]]:
        """Return the (start, end) of a stream's footage, latest first; what is less than `hole_ns` apart counts as one.

        Goes from one moment to the next along the index, `hole_ns` at a step, so that it costs nothing per segment.
        """
        number = self.stream_number(key)
        eras: list[tuple[int, int]] = []
        before = 2**63 - 1
        while True:
            newest = self.query(
                "SELECT start_ns, end_ns FROM segment WHERE stream = ? AND start_ns < ? ORDER BY start_ns DESC LIMIT 1",
                number,
                before,
            )
            if not newest:
                return eras
            start, end = newest[0]
            while True:
                earlier = self.query(
                    "SELECT min(start_ns) FROM segment WHERE stream = ? AND start_ns >= ?", number, start - hole_ns
                )[0][0]
                if earlier == start:
                    break
                start = earlier
            eras.append((start, end))
            before = start

    @understood
    def names_since(self, key: StreamKey, start_ns: int) -> dict[str, SegmentState]:
        """Return name and state of a stream's segments that start at or after a moment."""
        rows = self.query(
            "SELECT name, state FROM segment WHERE stream = ? AND start_ns >= ?", self.stream_number(key), start_ns
        )
        return {name: SegmentState(state) for name, state in rows}

    def open_names(self, key: StreamKey) -> list[str]:
        """Return the names of a stream's segments that are being written, or were when their recorder was killed."""
        rows = self.query("SELECT name FROM segment WHERE state = 1 AND stream = ?", self.stream_number(key))
        return [row[0] for row in rows]

    def drop_named(self, key: StreamKey, name: str) -> None:
        """Delete the row of a file that held nothing."""
        self.change("DELETE FROM segment WHERE stream = ? AND name = ?", self.stream_number(key), name)

    @understood
    def first_start(self, key: StreamKey, from_ns: int) -> int | None:
        """Return the start of the first segment at or after a moment."""
        rows = self.query(
            "SELECT min(start_ns) FROM segment WHERE stream = ? AND start_ns >= ?", self.stream_number(key), from_ns
        )
        return None if rows[0][0] is None else int(rows[0][0])

    @understood
    def begins(self, key: StreamKey) -> int | None:
        """Return the earliest moment of which anything is known: footage, a gap, or a deletion; None if nothing is."""
        number = self.stream_number(key)
        rows = self.query(
            "SELECT min(at) FROM (SELECT min(start_ns) AS at FROM segment WHERE stream = ? "
            "UNION ALL SELECT min(from_ns) FROM gap WHERE stream = ? "
            "UNION ALL SELECT min(from_ns) FROM deletion WHERE stream = ?)",
            number,
            number,
            number,
        )
        return None if rows[0][0] is None else int(rows[0][0])

    @understood
    def overlaps(self, tolerance_ns: int) -> list[tuple[StreamKey, str, str, int]]:
        """Return (stream, name, name of the next, overlap) of segments that begin before their predecessor ended.

        One and a half frames are tolerated, or `tolerance_ns` if that is more: a last frame's duration is an estimate.
        """
        rows = self.query(
            "SELECT s.camera, s.stream, o.before, o.name, o.end_before - o.start_ns FROM ("
            "SELECT stream, name, start_ns, lag(name) OVER w AS before, lag(end_ns) OVER w AS end_before, "
            "lag((end_ns - start_ns) * 3 / max(1, samples) / 2) OVER w AS frame "
            "FROM segment WHERE state <> 5 WINDOW w AS (PARTITION BY stream ORDER BY start_ns)) o "
            "JOIN stream s ON s.id = o.stream WHERE o.end_before - o.start_ns > max(?, o.frame) LIMIT 10000",
            tolerance_ns,
        )
        return [(StreamKey(camera, stream), before, name, over) for camera, stream, before, name, over in rows]

    @understood
    def sums(self) -> dict[StreamKey, tuple[int, int]]:
        """Return (segments, bytes) of each stream, those chosen for deletion left out."""
        rows = self.query(
            "SELECT s.camera, s.stream, count(*), sum(g.size) FROM segment g JOIN stream s ON s.id = g.stream "
            "WHERE g.state <> 5 GROUP BY g.stream"
        )
        return {StreamKey(camera, stream): (count, size) for camera, stream, count, size in rows}

    @understood
    def newest_end(self) -> int | None:
        """Return the latest end of any stream's footage."""
        ends = [end for key in self.streams() if (end := self.frontier(key)) is not None]
        return max(ends, default=None)

    @understood
    def extent(self, key: StreamKey) -> tuple[int, int, int]:
        """Return (bytes, start, end) of a stream's footage, what is chosen for deletion left out; zeros without any."""
        rows = self.query(
            "SELECT total(size), min(start_ns), max(end_ns) FROM segment WHERE stream = ? AND state <> 5",
            self.stream_number(key),
        )
        size, start, end = rows[0]
        return (0, 0, 0) if start is None else (int(size), start, end)

    # --- key periods -------------------------------------------------------------------------------------------------

    @understood
    def periods(self) -> set[UUID]:
        """Return every key period that some segment uses, those chosen for deletion left out."""
        return {UUID(bytes=row[0]) for row in self.query("SELECT DISTINCT period_id FROM segment WHERE state <> 5")}

    @understood
    def periods_of(self, key: StreamKey, start_ns: int, end_ns: int) -> set[UUID]:
        """Return every period under which a stream's segments of a span are sealed, the running one's too."""
        rows = self.query(
            "SELECT DISTINCT period_id FROM segment "
            "WHERE stream = ? AND start_ns > ? AND start_ns < ? AND (end_ns > ? OR state = 1)",
            self.stream_number(key),
            max(start_ns, LONGEST_NS) - LONGEST_NS,
            end_ns,
            start_ns,
        )
        return {UUID(bytes=row[0]) for row in rows}

    def period_is_kept(self, period_id: UUID) -> bool:
        """True if any row names this period, those chosen for deletion included."""
        return bool(self.query("SELECT 1 FROM segment WHERE period_id = ? LIMIT 1", period_id.bytes))

    # --- choosing for deletion ---

    def mark_deleting(self, chosen: Iterable[tuple[UUID, DeletionReason]]) -> int:
        """Choose finished segments for deletion; those that a hold names by now are passed over. Returns how many."""
        marked = 0
        with self.transaction():
            for segment_id, reason in chosen:
                marked += self.change(
                    "UPDATE segment SET state = 5, deletion = ? WHERE segment_id = ? AND state IN (2, 3, 4) "
                    "AND NOT EXISTS (SELECT 1 FROM hold h JOIN stream s ON s.camera = h.camera "
                    "WHERE s.id = segment.stream "
                    "AND h.from_ns < segment.end_ns AND h.to_ns > segment.start_ns)",
                    reason,
                    segment_id.bytes,
                )
        return marked

    @understood
    def deleting(self, locations: Iterable[UUID], limit: int) -> list[tuple[SegmentRow, DeletionReason]]:
        """Return the oldest segments that are chosen for deletion, at these locations, each with the reason."""
        places = json.dumps([self.location_number(location_id) for location_id in locations])
        rows = self.query(
            "SELECT * FROM segment_row WHERE state = 5 AND location_number IN (SELECT value FROM json_each(?)) "
            "ORDER BY start_ns LIMIT ?",
            places,
            limit,
        )
        return [(_segment(row), row[21] or "days") for row in rows]

    @understood
    def deleting_periods(self) -> list[UUID]:
        """Return the key periods of segments chosen for deletion that no other segment uses."""
        rows = self.query(
            "SELECT DISTINCT period_id FROM segment d WHERE state = 5 AND NOT EXISTS "
            "(SELECT 1 FROM segment k WHERE k.period_id = d.period_id AND k.state <> 5)"
        )
        return [UUID(bytes=row[0]) for row in rows]


def _segment(row: tuple[Any, ...]) -> SegmentRow:
    """Build a row from a row of the view, with its fragment table if there is one."""
    return SegmentRow(
        segment_id=UUID(bytes=row[0]),
        key=StreamKey(row[1], row[2]),
        location_id=UUID(bytes=row[3]),
        name=row[4],
        state=SegmentState(row[5]),
        start_ns=row[6],
        end_ns=row[7],
        size=row[8],
        records=row[9],
        fragments=row[10],
        samples=row[11],
        damaged_samples=row[12],
        lost_packets=row[13],
        merkle_root=row[14],
        period_id=UUID(bytes=row[15]),
        session_id=UUID(bytes=row[16]),
        previous_id=UUID(bytes=row[17]),
        clock_offset_ns=row[18],
        camera_offset_ns=row[19],
        tracks=row[20],
        table=row[24] if len(row) > 24 else None,
    )

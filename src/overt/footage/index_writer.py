"""The thread that brings rows into the index. Footage never waits for it: a file tells all that its row does.

Rows wait in memory, the newest of each id alone, until the index takes them; while it is locked or damaged they wait
on, at most `MAX_WAITING`, then the oldest are dropped and counted. What was dropped is found again when files and rows
are compared. Gaps go to the journal first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.errors import OvertError
from overt.footage import journal
from overt.footage.gaps import Gap
from overt.footage.index import Index
from overt.footage.index_connection import IndexDamagedError
from overt.footage.layout import INDEX, JOURNAL
from overt.footage.rows import SegmentRow, SegmentState

MAX_WAITING: Final = 50_000
BATCH: Final = 500
RETRY_S: Final = 0.25


class IndexWriter:
    """One connection to the index, and the rows that wait for it."""

    def __init__(
        self,
        directory: Path,
        stored: Callable[[SegmentRow], None],
        utc_ns: Callable[[], int],
        locations: dict[UUID, Path],
    ) -> None:
        """Take the store's directory; `stored` is told, in this thread, of each closed segment that is in the index."""
        self._directory = directory
        self._stored = stored
        self._utc_ns = utc_ns
        self._locations = locations
        self._condition = threading.Condition()
        self._rows: dict[UUID, SegmentRow] = {}
        self._gaps: dict[UUID, Gap] = {}
        self._unjournaled: list[Gap] = []
        self._index: Index | None = None
        self._stopping = False
        self._busy = False
        self.trouble: str | None = None
        """Why rows cannot be written at present; None if they can."""
        self.damaged = False
        """The index itself is damaged: it must be rebuilt."""
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="footage-index", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that the index has not taken yet."""
        return len(self._rows) + len(self._gaps)

    def put_segment(self, row: SegmentRow) -> None:
        """Hand over a segment's row. Any thread; never blocks for the disk."""
        with self._condition:
            self._rows[row.segment_id] = row
            if len(self._rows) > MAX_WAITING:
                self._rows.pop(next(iter(self._rows)))
                self.dropped += 1
            self._condition.notify_all()

    def put_gap(self, gap: Gap) -> None:
        """Hand over a gap's row. Any thread; never blocks for the disk."""
        with self._condition:
            self._gaps[gap.gap_id] = gap
            self._unjournaled.append(gap)
            if len(self._gaps) > MAX_WAITING:
                self._gaps.pop(next(iter(self._gaps)))
                self.dropped += 1
            if len(self._unjournaled) > MAX_WAITING:
                self._unjournaled.pop(0)
            self._condition.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the index has taken every row; False if it did not within the time."""
        with self._condition:
            return self._condition.wait_for(self._idle, timeout_s)

    def _idle(self) -> bool:
        """Nothing waits and nothing is under way."""
        return not (self._rows or self._gaps or self._unjournaled or self._busy)

    def stop(self, timeout_s: float) -> bool:
        """Write what waits, end the thread; False if rows remain (comparing will find them)."""
        clean = self.flush(timeout_s)
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return clean and not self._thread.is_alive()

    def _run(self) -> None:
        """Write in batches; on trouble keep the rows and try again."""
        while True:
            with self._condition:
                while self._idle() and not self._stopping:
                    self._condition.wait()
                if self._stopping:
                    break
                rows = list(self._rows.values())[:BATCH]
                gaps = list(self._gaps.values())[:BATCH]
                lines, self._unjournaled = self._unjournaled, []
                self._busy = True
            journaled = self._journal(lines)
            written = self._write(rows, gaps)
            with self._condition:
                self._busy = False
                if not journaled:
                    self._unjournaled = lines + self._unjournaled
                if written:
                    self._taken(rows, gaps)
                if not (written and journaled) and not self._stopping:
                    self._condition.wait_for(lambda: self._stopping, RETRY_S)
                self._condition.notify_all()
            if written:
                for row in rows:
                    if row.state != SegmentState.OPEN:
                        self._stored(row)
        if self._index is not None:
            self._index.close()

    def _taken(self, rows: list[SegmentRow], gaps: list[Gap]) -> None:
        """Forget what the index has; a row that was replaced meanwhile is written again."""
        for row in rows:
            if self._rows.get(row.segment_id) is row:
                del self._rows[row.segment_id]
        for gap in gaps:
            if self._gaps.get(gap.gap_id) is gap:
                del self._gaps[gap.gap_id]

    def _journal(self, lines: list[Gap]) -> bool:
        """Append gaps to the journal; False if the disk refused."""
        try:
            journal.append(self._directory / JOURNAL, lines, self._utc_ns())
        except OSError as error:
            self.trouble = f"{self._directory / JOURNAL}: {error.strerror or error}"
            return False
        return True

    def _write(self, rows: list[SegmentRow], gaps: list[Gap]) -> bool:
        """Write one batch in one transaction; False if it must be tried again."""
        try:
            if self._index is None:
                self._index = Index(self._directory / INDEX, create=False)
                fresh = True
            else:
                fresh = self._index.refresh()
            if fresh:
                with self._index.transaction():
                    for location_id, path in self._locations.items():
                        self._index.put_location(location_id, path)
            with self._index.transaction():
                for row in rows:
                    self._index.put_segment(row)
                for gap in gaps:
                    self._index.put_gap(gap)
        except (OvertError, OSError) as error:
            self.trouble = str(error)
            self.damaged = isinstance(error, IndexDamagedError)
            if self._index is not None:
                self._index.close()
                self._index = None
            return False
        self.trouble, self.damaged = None, False
        return True

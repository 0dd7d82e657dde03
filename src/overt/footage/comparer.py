"""One comparison of a footage directory's files, index, keys and journal; see `overt.footage.reconcile`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.errors import CorruptError, InvalidError, MissingError, OvertError, UnavailableError
from overt.footage import journal
from overt.footage.differences import Comparison, Difference, DifferenceKind
from overt.footage.from_file import FileReport, report_file, truncate_torn
from overt.footage.gaps import Gap, GapCause
from overt.footage.index import Index
from overt.footage.keystore import KeyStore
from overt.footage.layout import (
    JOURNAL,
    KEYS,
    LOCKS,
    SEGMENTS,
    is_date_folder,
    is_segment_name,
    segment_name,
    segment_path,
    start_of_name,
)
from overt.footage.locks import is_locked
from overt.footage.marker import read_marker
from overt.footage.options import SECOND
from overt.footage.recovery import KILLED
from overt.footage.rows import SegmentRow, SegmentState
from overt.ids import StreamKey, new_id

YOUNG_NS: Final = 600 * SECOND
"""While a recorder runs, what is younger than this is left alone."""
OVERLAP_NS: Final = 50_000_000
Progress = Callable[[int, int], None]
"""Told (files compared, rows known) after each day of each stream."""
_SETTLED: Final = frozenset({SegmentState.CLOSED, SegmentState.RECOVERED, SegmentState.DAMAGED})


class Comparer:
    """One comparison."""

    def __init__(
        self,
        directory: Path,
        places: dict[UUID, Path],
        index: Index | None,
        result: Comparison,
        now_ns: int,
        *,
        repair: bool,
        deep: bool,
        live: bool,
    ) -> None:
        """Take what is to be compared.

        Args:
            directory: the main location.
            places: every location by its id, mounted or not.
            index: open for writing if `repair`; None: there is none, every file is without a row.
            result: filled as it goes.
            now_ns: the present.
            repair: put right what can be.
            deep: read every byte.
            live: a recorder runs; leave alone what it may be writing.
        """
        self.directory = directory
        self.places = places
        self.index = index
        self.result = result
        self.now_ns = now_ns
        self.repair = repair and index is not None
        self.deep = deep
        self.live = live

    def run(self, progress: Progress | None, cancelled: Callable[[], bool]) -> None:
        """Compare all streams, then keys and journal."""
        there = self._available()
        keys = set(self.index.streams()) if self.index is not None else set()
        for path in there.values():
            keys |= set(self._streams_at(path))
        total = sum(count for count, _ in self.index.sums().values()) if self.index is not None else 0
        for key in sorted(keys):
            for _ in self._stream(key, there):
                if cancelled():
                    return
                if progress is not None:
                    progress(self.result.files, total)
        if progress is not None:
            progress(self.result.files, total)
        if self.index is not None:
            for key, before, name, over in self.index.overlaps(OVERLAP_NS):
                detail = f"begins {over / SECOND:.3f} s before the end of {before}"
                self._say(DifferenceKind.OVERLAP, name, detail, key=key)
            self._keys(self.index, all_there=there.keys() == self.places.keys())
        broken = sum(entry is None for entry in journal.replay(self.directory / JOURNAL))
        if broken:
            where = str(self.directory / JOURNAL)
            self._say(DifferenceKind.JOURNAL, where, f"{broken} lines are torn or altered, and passed over")

    def _say(
        self, kind: DifferenceKind, where: str, detail: str, *, repaired: bool = False, key: StreamKey | None = None
    ) -> None:
        self.result.differences.append(Difference(kind, where, detail, repaired, key))

    def _available(self) -> dict[UUID, Path]:
        """Return the locations whose right disk is mounted; name the others."""
        there: dict[UUID, Path] = {}
        for location_id, path in self.places.items():
            try:
                if read_marker(path).location == location_id:
                    there[location_id] = path
                    continue
                detail = "another footage directory is mounted here"
            except OvertError as error:
                detail = str(error)
            self._say(DifferenceKind.LOCATION, str(path), f"not compared: {detail}")
        return there

    def _streams_at(self, location: Path) -> Iterator[StreamKey]:
        """Yield the streams that have a folder at a location; name folders that are none."""
        root = location / SEGMENTS
        for camera in sorted(root.iterdir()) if root.is_dir() else ():
            for stream in sorted(camera.iterdir()) if camera.is_dir() else (camera,):
                try:
                    yield StreamKey(camera.name, stream.name)
                except OvertError:
                    self._say(DifferenceKind.FOREIGN, str(stream), "not the folder of a camera's stream")

    # --- one stream --------------------------------------------------------------------------------------------------

    def _stream(self, key: StreamKey, there: dict[UUID, Path]) -> Iterator[None]:
        """Compare one stream, pausing after every day and every row without file."""
        busy = self.live and is_locked(self.directory / LOCKS / f"{key.camera}.{key.stream}.lock")
        rows = self.index.listing(key) if self.index is not None else {}
        self.result.rows += len(rows)
        for location_id, location in there.items():
            for folder in self._folders(location, key):
                for name, size in self._entries(folder, key):
                    self.result.files += 1
                    known = rows.get(name)
                    if known is None or known[0] != location_id:
                        self._unknown(key, Path(folder, name), location_id, busy=busy and self._young(name))
                        continue
                    del rows[name]
                    if known[1] == size and known[2] in _SETTLED and not self.deep:
                        continue
                    if not (busy and known[2] == SegmentState.OPEN):
                        self._known(key, Path(folder, name), size, known)
                yield
        for name, (location_id, _, state) in rows.items():
            young = busy and (state == SegmentState.OPEN or self._young(name))
            if location_id not in there or young or state == SegmentState.DELETING:
                continue
            path = segment_path(there[location_id], key, name)
            if not path.exists():
                self._lost(key, path)
            yield

    def _young(self, name: str) -> bool:
        try:
            return start_of_name(name) > self.now_ns - YOUNG_NS
        except InvalidError:
            return False

    def _folders(self, location: Path, key: StreamKey) -> Iterator[str]:
        """Yield the days of a stream; name what is none."""
        folder = location / SEGMENTS / key.camera / key.stream
        for date in sorted(os.scandir(folder), key=lambda entry: entry.name) if folder.is_dir() else ():
            if is_date_folder(date.name) and date.is_dir(follow_symlinks=False):
                yield date.path
            else:
                self._say(DifferenceKind.FOREIGN, date.path, "not a day's folder", key=key)

    def _entries(self, folder: str, key: StreamKey) -> Iterator[tuple[str, int]]:
        """Yield name and size of a day's segment files; name what is none."""
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return
        for entry in entries:
            try:
                if is_segment_name(entry.name) and entry.is_file(follow_symlinks=False):
                    yield entry.name, entry.stat(follow_symlinks=False).st_size
                    continue
            except FileNotFoundError:
                # Deleted since the folder was listed.
                continue
            self._say(DifferenceKind.FOREIGN, entry.path, "not a segment's file", key=key)

    def _report(self, key: StreamKey, path: Path, location_id: UUID, *, deep: bool) -> FileReport | None:
        """Read a file; None, and named, if the disk refuses."""
        try:
            report = report_file(path, location_id, deep=deep)
        except MissingError:
            return None
        except (OvertError, OSError) as error:
            self._say(DifferenceKind.UNREADABLE, str(path), str(error), key=key)
            return None
        self.result.bytes += report.size if deep else 0
        return report

    def _known(self, key: StreamKey, path: Path, size: int, known: tuple[UUID, int, SegmentState]) -> None:
        """Compare a file that has a row: `known` is its location, size and state."""
        location_id, row_size, state = known
        if state == SegmentState.OPEN:
            self._unfinished(key, path, location_id)
        elif state == SegmentState.DELETING:
            detail = "chosen for deletion and not deleted yet; the recorder's next round does it"
            if not self.live:
                self._say(DifferenceKind.UNFINISHED, str(path), detail, key=key)
        elif size != row_size:
            self._resized(key, path, size, row_size, location_id)
        elif self.deep:
            self._deep(key, path, location_id, state)

    def _row_of(self, key: StreamKey, path: Path) -> SegmentRow | None:
        """Return the index row of a file."""
        rows = self.index.by_name(key, path.name) if self.index is not None else []
        return rows[0] if rows else None

    def _unfinished(self, key: StreamKey, path: Path, location_id: UUID) -> None:
        """Finish the row of a file whose recorder was killed."""
        report = self._report(key, path, location_id, deep=self.deep)
        if report is None:
            return
        if report.empty:
            self._empty(key, path)
            return
        repaired = self._cut(report) and self._store(report)
        self._say(
            DifferenceKind.UNFINISHED, str(path), "its recorder ended without closing it", repaired=repaired, key=key
        )
        self._findings(key, report)
        if repaired and self.index is not None and report.row is not None and not self.live:
            self._gap_after(self.index, report.row)

    def _gap_after(self, index: Index, row: SegmentRow) -> None:
        """Begin the gap of a run that ended without stopping, if nothing follows its last segment."""
        later = index.first_start(row.key, row.start_ns + 1)
        if later is None and not any(gap.key == row.key for gap in index.open_gaps()):
            self._put_gap(index, Gap(new_id(), row.key, row.end_ns, None, GapCause.RECORDER, KILLED))

    def _put_gap(self, index: Index, gap: Gap) -> None:
        """Store a gap in journal and index."""
        with suppress(OSError):
            journal.append(self.directory / JOURNAL, [gap], self.now_ns)
        index.put_gap(gap)

    def _resized(self, key: StreamKey, path: Path, size: int, row_size: int, location_id: UUID) -> None:
        """Handle a file that is longer or shorter than its row says."""
        before = self._row_of(key, path)
        report = self._report(key, path, location_id, deep=True)
        if report is None:
            return
        if report.empty:
            self._empty(key, path, drop=False)
            self._lost(key, path)
            return
        repaired = self._cut(report) and self._store(report)
        detail = f"has {size} bytes, its row says {row_size}"
        self._say(DifferenceKind.SIZE, str(path), detail, repaired=repaired, key=key)
        self._findings(key, report)
        if self.index is None or not repaired or before is None or report.row is None:
            return
        if report.row.end_ns < before.end_ns:
            lost = Gap(new_id(), key, report.row.end_ns, before.end_ns, GapCause.DISK, f"{path.name} was cut short")
            self._put_gap(self.index, lost)

    def _deep(self, key: StreamKey, path: Path, location_id: UUID, state: SegmentState) -> None:
        """Compare every byte of a file, and every field of its row."""
        report, row = self._report(key, path, location_id, deep=True), self._row_of(key, path)
        if report is None or row is None:
            return
        if report.row is None or report.row.state == SegmentState.DAMAGED:
            self._findings(key, report)
            if self.repair and self.index is not None and state != SegmentState.DAMAGED:
                # The row and its table stay: they tell what should be there.
                self.index.put_segment(replace(row, state=SegmentState.DAMAGED))
            return
        if report.row.merkle_root != row.merkle_root:
            detail = "its Merkle root is not the one that was indexed: the file was replaced, or the row altered"
            self._say(DifferenceKind.MERKLE_ROOT, str(path), detail, key=key)
            return
        expected = replace(report.row, tracks=row.tracks, table=row.table, state=row.state)
        wrong = [name for name in SegmentRow.__slots__ if getattr(expected, name) != getattr(row, name)]
        if not self._same_table(row, report.row):
            wrong.append("table")
        if wrong:
            detail = f"the row says otherwise about: {', '.join(wrong)}"
            self._say(DifferenceKind.ROW, str(path), detail, repaired=self._replace(row, report.row), key=key)
        if segment_name(report.row.start_ns, report.row.segment_id) != path.name:
            self._say(DifferenceKind.MISPLACED, str(path), "its name is not that of its header", key=key)

    def _same_table(self, row: SegmentRow, truth: SegmentRow) -> bool:
        """True if the fragment table that the index has of a segment is the file's own."""
        stored = self.index.segment(row.segment_id) if self.index is not None else None
        try:
            return stored is not None and stored.fragment_table() == truth.fragment_table()
        except CorruptError:
            return False

    def _replace(self, wrong: SegmentRow, truth: SegmentRow) -> bool:
        """Put a file's row in the place of one that says otherwise, be it about its id; False if it may not."""
        if not self.repair or self.index is None:
            return False
        with self.index.transaction():
            self.index.drop_segments([wrong.segment_id])
            self.index.put_segment(replace(truth, tracks=wrong.tracks))
        return True

    def _unknown(self, key: StreamKey, path: Path, location_id: UUID, *, busy: bool) -> None:
        """Handle a file that has no row; of a stream that is `busy`, only if it is complete."""
        report = self._report(key, path, location_id, deep=self.deep)
        if report is None or (busy and (report.row is None or report.row.state != SegmentState.CLOSED)):
            return
        if busy and not self.repair:
            # Its row is on its way.
            return
        if report.empty:
            self._empty(key, path)
            return
        row = report.row
        if row is None:
            self._findings(key, report)
            return
        proper = segment_name(row.start_ns, row.segment_id)
        if row.key != key or proper != path.name or path.parent.name != f"{proper[:4]}-{proper[4:6]}-{proper[6:8]}":
            self._misplaced(key, path, row, location_id)
            return
        repaired = self._cut(report) and self._store(report)
        self._say(DifferenceKind.FILE_WITHOUT_ROW, str(path), "not in the index", repaired=repaired, key=key)
        self._findings(key, report)

    def _misplaced(self, key: StreamKey, path: Path, row: SegmentRow, location_id: UUID) -> None:
        """Bring a file to the place that its header names, unless something lies there."""
        target = segment_path(self.places[location_id], row.key, segment_name(row.start_ns, row.segment_id))
        repaired = False
        if self.repair and self.index is not None and not target.exists():
            with suppress(OSError):
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)
                self.index.put_segment(replace(row, name=target.name))
                repaired = True
        self._say(
            DifferenceKind.MISPLACED, str(path), f"by its header it belongs at {target}", repaired=repaired, key=key
        )

    def _lost(self, key: StreamKey, path: Path) -> None:
        """Handle a row whose file is gone: what was there becomes a gap that says so."""
        row = self._row_of(key, path)
        repaired = False
        if self.repair and self.index is not None and row is not None:
            if row.state != SegmentState.OPEN or row.end_ns > row.start_ns:
                gap = Gap(new_id(), key, row.start_ns, row.end_ns, GapCause.DISK, f"the file {path.name} is missing")
                self._put_gap(self.index, gap)
            self.index.drop_segments([row.segment_id])
            repaired = True
        self._say(DifferenceKind.ROW_WITHOUT_FILE, str(path), "the file is missing", repaired=repaired, key=key)

    def _empty(self, key: StreamKey, path: Path, *, drop: bool = True) -> None:
        """Remove a file that holds nothing, and its row if it has one that says as much."""
        repaired = False
        if self.repair and self.index is not None:
            with suppress(OSError):
                if drop:
                    self.index.drop_named(key, path.name)
                path.unlink()
                repaired = True
        self._say(DifferenceKind.EMPTY, str(path), "holds no fragment", repaired=repaired, key=key)

    def _cut(self, report: FileReport) -> bool:
        """Cut a torn end off if that is safe; False if nothing may be repaired."""
        if self.repair and report.torn:
            try:
                truncate_torn(report)
            except OSError:
                return False
        return self.repair

    def _store(self, report: FileReport) -> bool:
        """Make the row from the file; False if there is none or nothing may be repaired."""
        if not self.repair or self.index is None or report.row is None:
            return False
        self.index.put_segment(report.row)
        return True

    def _findings(self, key: StreamKey, report: FileReport) -> None:
        """Name what is wrong inside a file."""
        for finding in report.findings:
            if finding.kind == "unended":
                continue
            torn = finding.kind == "torn"
            kind = DifferenceKind.TORN if torn else DifferenceKind.DAMAGED
            repaired = torn and self.repair and report.torn
            self._say(kind, str(report.path), finding.message, repaired=repaired, key=key)

    # --- keys --------------------------------------------------------------------------------------------------------

    def _keys(self, index: Index, *, all_there: bool) -> None:
        """Compare the periods that segments use with the wraps that are stored."""
        path = self.directory / KEYS
        try:
            with KeyStore(path, write=False) as keys:
                made = keys.created()
                used = index.periods()
                known = keys.known_to(index.identity()) if all_there else {}
                for period in sorted(used - made.keys()):
                    detail = f"the wrapped key of period {period} is gone: its segments cannot be opened by anyone"
                    self._say(DifferenceKind.MISSING_KEY, str(path), detail)
                # Those that this index saw made were got ready for an hour that never came, which is no difference.
                for period in sorted(made.keys() - used - known.keys()):
                    if index.period_is_kept(period):
                        continue
                    detail = (
                        f"no segment that is known is sealed with period {period}; its key is kept until the camera's "
                        "retention has passed, since its footage may lie on a disk that this index never saw"
                    )
                    self._say(DifferenceKind.ORPHAN_KEY, str(path), detail)
        except (UnavailableError, CorruptError) as error:
            self._say(DifferenceKind.UNREADABLE, str(path), str(error))

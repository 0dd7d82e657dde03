"""An index row from a segment file alone, and what is wrong with the file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from overt.errors import CorruptError, InvalidError
from overt.footage.format import (
    DAMAGED,
    MIN_HEADER,
    RECORD_HEADER_SIZE,
    UNKNOWN,
    RecordType,
    SegmentHeader,
    TableRow,
    decode_record_header,
    decode_table,
)
from overt.footage.fragment_table import pack_table
from overt.footage.rows import SegmentRow, SegmentState
from overt.footage.segment_walk import Finding, SegmentWalk, outline, walk

UNFINISHED = frozenset({"torn", "unended"})
"""What a kill or a power cut leaves at the end of a file; everything before it is whole."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a segment file says of itself."""

    path: Path
    size: int
    row: SegmentRow | None
    """None: there is no fragment in it, or its header cannot be used."""
    findings: tuple[Finding, ...] = ()
    sound_size: int = 0

    @property
    def empty(self) -> bool:
        """Begun and killed before its first fragment was whole: it holds nothing."""
        return self.row is None and all(finding.kind in UNFINISHED for finding in self.findings)

    @property
    def torn(self) -> bool:
        """Whole but for a torn end, which may be cut off without losing anything."""
        kinds = {finding.kind for finding in self.findings}
        return "torn" in kinds and kinds <= UNFINISHED and 0 < self.sound_size < self.size


def report_file(path: Path, location_id: UUID, *, deep: bool = False) -> FileReport:
    """Read a segment file: its two ends if they suffice, every header if not, every byte if `deep`.

    Raises:
        MissingError, UnavailableError: if it cannot be read.
    """
    if not deep:
        quick = _from_outline(path, location_id)
        if quick is not None:
            return quick
    try:
        walked = walk(path, hashing=True)
    except (CorruptError, InvalidError) as error:
        size = path.stat().st_size
        if size < MIN_HEADER:
            return FileReport(path, size, None, (Finding("torn", 0, size, "the header is torn"),))
        return FileReport(path, size, None, (Finding("header", 0, size, str(error)),))
    if walked.size < MIN_HEADER:
        return FileReport(path, walked.size, None, (Finding("torn", 0, walked.size, "the header is torn"),))
    row = None if walked.header is None else _from_walk(walked, walked.header, location_id)
    return FileReport(path, walked.size, row, tuple(walked.findings), walked.sound_size)


def _from_outline(path: Path, location_id: UUID) -> FileReport | None:
    """Build the row from the file's two ends; None if they do not tell all of it."""
    try:
        found = outline(path)
    except (CorruptError, InvalidError):
        return None
    if found.end is None:
        return None
    rows = decode_table(found.end.table, str(path))
    fragments = [row for row in rows if row.type == RecordType.FRAGMENT]
    if not fragments or any(row.flags & DAMAGED or row.samples == 0xFFFF for row in fragments):
        return None
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        last = decode_record_header(os.pread(fd, RECORD_HEADER_SIZE, fragments[-1].offset))
    finally:
        os.close(fd)
    if last is None:
        return None
    row = _row(
        path,
        location_id,
        found.header,
        rows,
        size=found.size,
        state=SegmentState.CLOSED,
        root=found.end.merkle_root,
        camera_offset_ns=last.camera_offset_ns,
        damaged=0,
        lost=0,
    )
    return FileReport(path, found.size, row, (), found.size)


def _from_walk(walked: SegmentWalk, header: SegmentHeader, location_id: UUID) -> SegmentRow | None:
    """Build the row from what a walk found; None if there is no fragment."""
    rows = [record.row for record in walked.records if record.intact]
    headers = [r.header for r in walked.records if r.intact and r.header.type == RecordType.FRAGMENT]
    if not headers:
        return None
    if all(finding.kind in UNFINISHED for finding in walked.findings):
        state = SegmentState.CLOSED if walked.end is not None else SegmentState.RECOVERED
    else:
        state = SegmentState.DAMAGED
    torn = state == SegmentState.RECOVERED and walked.sound_size
    return _row(
        walked.path,
        location_id,
        header,
        rows,
        size=walked.sound_size if torn else walked.size,
        state=state,
        root=walked.merkle_root or b"",
        camera_offset_ns=headers[-1].camera_offset_ns,
        damaged=sum(h.damaged_samples for h in headers),
        lost=sum(h.lost_packets for h in headers),
    )


def _row(
    path: Path,
    location_id: UUID,
    header: SegmentHeader,
    rows: list[TableRow],
    *,
    size: int,
    state: SegmentState,
    root: bytes,
    camera_offset_ns: int,
    damaged: int,
    lost: int,
) -> SegmentRow:
    """Put a row together; `rows` has at least one fragment."""
    fragments = [row for row in rows if row.type == RecordType.FRAGMENT]
    return SegmentRow(
        segment_id=header.segment_id,
        key=header.key,
        location_id=location_id,
        name=path.name,
        state=state,
        start_ns=fragments[0].start_ns,
        end_ns=max(row.end_ns for row in fragments),
        size=size,
        records=len(rows),
        fragments=len(fragments),
        samples=sum(row.samples for row in fragments),
        damaged_samples=damaged,
        lost_packets=lost,
        merkle_root=root,
        period_id=header.period_id,
        session_id=header.session_id,
        previous_id=header.previous_id,
        clock_offset_ns=header.clock_offset_ns,
        camera_offset_ns=None if camera_offset_ns == UNKNOWN else camera_offset_ns,
        tracks="",
        table=pack_table(rows),
    )


def truncate_torn(report: FileReport) -> None:
    """Cut a torn end off, so that the file is whole records.

    Raises:
        OSError: if the disk refuses.
    """
    fd = os.open(report.path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(fd, report.sound_size)
        os.fsync(fd)
    finally:
        os.close(fd)

"""Walking segment files without keys: what is there, and every damage by its offset.

A walk tolerates a torn tail and finds its feet again after damage. Memory stays below one chunk plus the records'
headers (`MAX_RECORDS`) and `MAX_FINDINGS`, whatever a file says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

from overt.errors import CorruptError, InvalidError
from overt.footage.format import (
    DIGEST_SIZE,
    FRAME_SIZE,
    MAX_HEADER,
    MAX_RECORDS,
    MIN_HEADER,
    RECORD_HEADER_SIZE,
    SEGMENT_MAGIC,
    EndRecord,
    RecordHeader,
    RecordType,
    SegmentHeader,
    TableRow,
    decode_end_record,
    decode_record_header,
    end_record_size,
)
from overt.footage.segment_file import SegmentFile
from overt.ledger.merkle import MerkleRange, leaf_hash

MAX_FINDINGS: Final = 1000
"""Findings of one walk; a file with more is given up."""
MAX_BACKTRACKS: Final = 16
"""How often a walk looks for records inside what a damaged record claims as its payload."""

FindingKind = Literal["header", "damaged", "skipped", "torn", "order", "end", "trailing", "unended", "too-many"]
"""What a walk may find.

header: the segment header is damaged. damaged: a record fails its SHA-256. skipped: bytes that are no record.
torn: the file stops inside a record. order: a record is missing, repeated or out of its place. end: the end record
contradicts the records. trailing: bytes after the end record. unended: no end record. too-many: given up.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a file, or unfinished about it, and where."""

    kind: FindingKind
    offset: int
    length: int
    message: str


class Record(NamedTuple):
    """A record as it was found in a file."""

    offset: int
    header: RecordHeader
    digest: bytes | None
    """SHA-256 as computed over what is there; None when the walk did not hash."""
    intact: bool
    """The digest in the file is that one (True when the walk did not hash)."""

    @property
    def size(self) -> int:
        """Bytes in the file, header and digest included."""
        return FRAME_SIZE + self.header.payload_length

    @property
    def row(self) -> TableRow:
        """The record as a table has it."""
        h = self.header
        return TableRow(self.offset, h.payload_length, h.start_ns, h.duration_ns, h.message, h.type, h.flags, h.samples)


@dataclass(slots=True)
class SegmentWalk:
    """What a walk through a segment file found."""

    path: Path
    size: int
    header: SegmentHeader | None = None
    """None when it is damaged; see `findings`."""
    header_digest: bytes = b""
    records: list[Record] = field(default_factory=list)
    """Configuration and fragment records in the order of the file, at growing positions; damaged ones are marked."""
    end: EndRecord | None = None
    merkle_root: bytes | None = None
    """Over the digests as computed; None when the walk did not hash."""
    sound_size: int = 0
    """Up to here the file is whole records without a finding; what a crash left behind may be cut off here."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Nothing is wrong; a segment without end record, or with a torn tail, is unfinished and not intact."""
        return not self.findings

    @property
    def table(self) -> bytes:
        """The intact records as a table (`overt.footage.format.decode_table`)."""
        return b"".join(record.row.encode() for record in self.records if record.intact)


@dataclass(frozen=True, slots=True)
class SegmentOutline:
    """What the two ends of a file say, without reading what lies between."""

    path: Path
    size: int
    header: SegmentHeader
    header_digest: bytes
    end: EndRecord | None
    """None: the file has no valid end record where one would be. Walk it."""


class _Walker:
    """One walk; see `walk`."""

    def __init__(self, file: SegmentFile, *, hashing: bool) -> None:
        self.file = file
        self.hashing = hashing
        self.result = SegmentWalk(file.path, file.size)
        self.tree = MerkleRange()
        self.position = 0
        self.message = 0
        self.backtracks = 0

    def run(self) -> SegmentWalk:
        """Walk to the end of the file, or until too much is wrong with it."""
        result = self.result
        offset = self._begin()
        result.sound_size = offset if not result.findings else 0
        while offset < result.size and result.end is None:
            if len(result.findings) >= MAX_FINDINGS:
                self._find("too-many", offset, result.size - offset, f"given up after {MAX_FINDINGS} findings")
                break
            offset = self._step(offset)
            if not result.findings:
                result.sound_size = offset
        if self.hashing:
            result.merkle_root = self.tree.root()
        if result.end is None:
            self._find("unended", offset, 0, "no end record: the segment is being written, or its recorder was stopped")
        elif offset < result.size:
            self._find("trailing", offset, result.size - offset, "bytes after the end record")
        return result

    def _find(self, kind: FindingKind, offset: int, length: int, message: str) -> None:
        self.result.findings.append(Finding(kind, offset, length, f"offset {offset}: {message}"))

    def _begin(self) -> int:
        """Read the segment header; return where the records begin."""
        file, result = self.file, self.result
        try:
            result.header, length, result.header_digest = file.segment_header()
        except CorruptError as error:
            reason = str(error)
        except InvalidError as error:
            # A damaged magic is told from a foreign file by the records that follow.
            if file.read(0, 8) == SEGMENT_MAGIC or file.find_header(0) is None:
                raise
            reason = str(error)
        else:
            self.message = result.header.first_message
            return length
        first = file.find_header(0)
        start = file.size if first is None else first
        if MIN_HEADER <= start <= MAX_HEADER:
            result.header_digest = self._likely_digest(start)
        self._find("header", 0, start, reason)
        return start

    def _likely_digest(self, start: int) -> bytes:
        """Return the digest of a damaged header: as it stands before the first record, or as the rest of it gives."""
        head = self.file.read(0, start)
        stored, computed = head[-DIGEST_SIZE:], hashlib.sha256(head[:-DIGEST_SIZE]).digest()
        found = self.file.header_at(start)
        if found is None:
            return stored
        header, encoded = found
        payload_at = start + RECORD_HEADER_SIZE
        fitting = self.file.record_digest(computed, encoded, payload_at, header.payload_length)
        there = self.file.read(payload_at + header.payload_length, DIGEST_SIZE)
        return computed if fitting == there else stored

    def _step(self, offset: int) -> int:
        """Take the record at `offset`; return where to go on."""
        file, result = self.file, self.result
        found = file.header_at(offset)
        if found is None:
            return self._resume(offset, offset + 1, "no valid record header")
        header, encoded = found
        stop = offset + FRAME_SIZE + header.payload_length
        if stop > file.size:
            return self._resume(offset, offset + RECORD_HEADER_SIZE, f"record {header.position} is cut short")
        digest: bytes | None = None
        intact = True
        if self.hashing:
            payload_at = offset + RECORD_HEADER_SIZE
            digest = file.record_digest(result.header_digest, encoded, payload_at, header.payload_length)
            intact = file.read(stop - DIGEST_SIZE, DIGEST_SIZE) == digest
            if not intact:
                self._find("damaged", offset, stop - offset, f"record {header.position} fails its SHA-256")
        record = Record(offset, header, digest, intact)
        if header.type == RecordType.END and intact:
            self._end(record)
        elif header.type != RecordType.END:
            self._take(record)
        lost = not intact and stop != file.size and file.header_at(stop) is None
        if lost and self.backtracks < MAX_BACKTRACKS:
            # Its length may be a lie that hides records.
            self.backtracks += 1
            hidden = file.find_header(offset + RECORD_HEADER_SIZE)
            return stop if hidden is None else hidden
        return stop

    def _resume(self, offset: int, search_from: int, why: str) -> int:
        """Find the next record after bytes that are none; the file's end if there is none."""
        size = self.file.size
        found: int | None = None
        if self.backtracks < MAX_BACKTRACKS or search_from == offset + 1:
            self.backtracks += search_from != offset + 1
            found = self.file.find_header(search_from)
        if found is None:
            self._find("torn", offset, size - offset, f"{why}; the remaining {size - offset} bytes are torn")
            return size
        self._find("skipped", offset, found - offset, f"{why}; {found - offset} bytes skipped")
        return found

    def _take(self, record: Record) -> None:
        """Keep a configuration or fragment record if it stands in its place."""
        header, offset = record.header, record.offset
        if header.position < self.position or header.message < self.message:
            said = f"record {header.position} (message {header.message}) is repeated or out of its place"
            self._find("order", offset, record.size, f"{said}: record {self.position} was due")
            return
        if header.position >= MAX_RECORDS:
            self._find("order", offset, record.size, f"record {header.position} is beyond what a segment may have")
            return
        if header.position > self.position:
            missing = f"records {self.position} to {header.position - 1} are missing"
            self._find("order", offset, 0, f"{missing} before record {header.position}")
        self.position = header.position + 1
        self.message = header.message + 1
        self.result.records.append(record)
        if record.digest is not None:
            self.tree.append(leaf_hash(record.digest))

    def _end(self, record: Record) -> None:
        """Hold the end record against what was walked."""
        result, header = self.result, record.header
        payload = self.file.read(record.offset + RECORD_HEADER_SIZE, header.payload_length)
        try:
            end = decode_end_record(payload, f"offset {record.offset}")
        except CorruptError as error:
            self._find("end", record.offset, record.size, str(error))
            return
        result.end = end
        wrong = None
        if header.position != self.position or end.records != self.position:
            wrong = f"it counts {end.records} records, {self.position} were found"
        elif header.message < self.message:
            wrong = f"its message index {header.message} was used before"
        elif result.findings:
            return
        elif end.table != result.table:
            wrong = "its table contradicts the records"
        elif self.hashing and end.merkle_root != self.tree.root():
            wrong = "its Merkle root is not that of the records"
        if wrong:
            self._find("end", record.offset, record.size, f"the end record does not fit: {wrong}")


def walk(path: Path, *, hashing: bool = True) -> SegmentWalk:
    """Go through a segment file without keys and say what is there and what is wrong.

    Args:
        path: the file.
        hashing: verify every record's SHA-256 (about 1.5 GB/s). Without, only headers are read.

    Raises:
        MissingError, UnavailableError: if it cannot be read.
        InvalidError: if it is no segment, or of a newer version.
    """
    with SegmentFile(path) as file:
        return _Walker(file, hashing=hashing).run()


def outline(path: Path) -> SegmentOutline:
    """Read the two ends of a file: its header, and its end record (whose SHA-256 is verified) with the table.

    Raises:
        MissingError, UnavailableError: if it cannot be read.
        InvalidError, CorruptError: if its header cannot be used; `walk` then says what can be.
    """
    with SegmentFile(path) as file:
        header, length, header_digest = file.segment_header()
        return SegmentOutline(path, file.size, header, header_digest, _end_at_tail(file, length, header_digest))


def _end_at_tail(file: SegmentFile, header_length: int, header_digest: bytes) -> EndRecord | None:
    """Return the end record that stands at the file's end, if there is a valid one."""
    size = end_record_size(file.read(max(0, file.size - FRAME_SIZE), FRAME_SIZE))
    if size is None or file.size - size < header_length:
        return None
    data = file.read(file.size - size, size)
    header = decode_record_header(data)
    if header is None or header.type != RecordType.END or header.payload_length != size - FRAME_SIZE:
        return None
    if hashlib.sha256(header_digest + data[:-DIGEST_SIZE]).digest() != data[-DIGEST_SIZE:]:
        return None
    try:
        return decode_end_record(data[RECORD_HEADER_SIZE:-DIGEST_SIZE], f"{file.path}")
    except CorruptError:
        return None

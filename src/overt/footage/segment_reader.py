"""Opening the records of a segment file with released keys. Trusts nothing that AES-GCM has not confirmed.

Memory stays below a few times one payload (`MAX_PAYLOAD`), whatever a file says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from overt.errors import CorruptError, ForbiddenError, MissingError
from overt.footage.format import (
    FRAME_SIZE,
    RECORD_HEADER_SIZE,
    TAG_SIZE,
    RecordHeader,
    RecordType,
    TableRow,
    decode_record_header,
)
from overt.footage.segment_file import SegmentFile
from overt.footage.segment_walk import Finding, Record, SegmentOutline, SegmentWalk, outline, walk
from overt.sealing.ratchet import MessageKeys, key_commitment

__all__ = [
    "Finding",
    "OpenedRecord",
    "Record",
    "SegmentOutline",
    "SegmentReader",
    "SegmentWalk",
    "open_records",
    "outline",
    "walk",
]

NONCE: Final = bytes(12)
"""AES-GCM's nonce is always zero: each key seals one message."""


class SegmentReader:
    """An open segment whose records are decrypted one by one, at the offsets that a table or a walk gives.

    Not thread-safe (the keys remember where they were). A context manager.
    """

    def __init__(self, path: Path, keys: MessageKeys) -> None:
        """Open the file and hold the keys against its header.

        Raises:
            MissingError, UnavailableError: if it cannot be read.
            InvalidError, CorruptError: if its header cannot be used.
            ForbiddenError: if the keys are of another period.
        """
        self._keys = keys
        self._file = SegmentFile(path)
        try:
            self.header, self.header_size, self.header_digest = self._file.segment_header()
            if self.header.commitment != keys.commitment:
                msg = (
                    f"{path}: this segment of {self.header.key} was sealed in key period {self.header.period_id}; "
                    "the keys at hand are of another one"
                )
                raise ForbiddenError(msg)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def open(self, row: TableRow) -> bytes:
        """Return the plaintext of one configuration or fragment record.

        Raises:
            CorruptError: if it is not, byte for byte, what the recorder sealed there.
            ForbiddenError: if the keys begin after it.
            UnavailableError: if the disk refuses.
        """
        data = self._file.read(row.offset, RECORD_HEADER_SIZE + row.payload_length)
        header = decode_record_header(data)
        if header is None or len(data) != RECORD_HEADER_SIZE + row.payload_length:
            raise self._corrupt(row.offset, None, "no whole record there")
        if Record(row.offset, header, None, intact=True).row != row:
            raise self._corrupt(row.offset, header, "the record is not the one that the table names")
        return self._decrypt(row.offset, header, data, header.payload_length)

    def confirm_end(self, walked: SegmentWalk | SegmentOutline) -> None:
        """Confirm with the keys that the end record is the recorder's: that these were all the records.

        Raises:
            MissingError: if the segment has no end record.
            CorruptError: if it is not the recorder's.
        """
        if walked.end is None:
            msg = f"{walked.path}: the segment has no end record; whether all its records are there cannot be told"
            raise MissingError(msg)
        length = len(walked.end.encode()) + TAG_SIZE
        offset = self._file.size - FRAME_SIZE - length
        data = self._file.read(offset, RECORD_HEADER_SIZE + length)
        header = decode_record_header(data)
        if header is None or header.type != RecordType.END or header.payload_length != length:
            raise self._corrupt(offset, None, "no end record there")
        self._decrypt(offset, header, data, TAG_SIZE)

    def _decrypt(self, offset: int, header: RecordHeader, data: bytes, sealed: int) -> bytes:
        """Decrypt the last `sealed` bytes of a record, with all before them as additional data."""
        key = self._keys.key(header.message)
        if key_commitment(key) != header.commitment:
            raise self._corrupt(offset, header, "the header's key commitment is not that of its key")
        cut = len(data) - sealed
        view = memoryview(data)
        try:
            return AESGCM(key).decrypt(NONCE, view[cut:], self.header_digest + data[:cut])
        except InvalidTag as error:
            raise self._corrupt(offset, header, "its AES-GCM tag does not fit: altered, damaged or moved") from error

    def _corrupt(self, offset: int, header: RecordHeader | None, why: str) -> CorruptError:
        """Return the error that names a record."""
        which = "record" if header is None else f"record {header.position}"
        return CorruptError(
            f"{self._file.path}: {self.header.key}, segment {self.header.segment_id}, {which} at offset {offset}: {why}"
        )


class OpenedRecord(NamedTuple):
    """A record and what was sealed in it."""

    row: TableRow
    payload: bytes


def open_records(
    path: Path,
    keys: MessageKeys,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
    table: Sequence[TableRow] | None = None,
    on_damage: Callable[[CorruptError], None] | None = None,
) -> Iterator[OpenedRecord]:
    """Decrypt the fragments of a segment that overlap a span, each behind the configuration in force, once per change.

    Args:
        path: the file.
        keys: of its period.
        from_ns: start of the span, included; None: from the first.
        to_ns: end of the span, excluded; None: to the last.
        table: the records as the index has them. Without one the file's headers are walked, and missing records count
            as damage wherever in the file they are; a torn tail and a missing end record do not.
        on_damage: told of each damaged or missing record, whereupon reading goes on; without it the error is raised
            at its place, after the records before it.

    Raises: as `SegmentReader`; CorruptError at damage, unless `on_damage` is given.
    """
    with SegmentReader(path, keys) as reader:
        configuration: TableRow | None = None
        for item in _contents(path) if table is None else table:
            if isinstance(item, Finding):
                _report(CorruptError(f"{path}: {reader.header.key}: {item.message}"), on_damage)
            elif item.type == RecordType.CONFIGURATION:
                configuration = item
            elif (to_ns is None or item.start_ns < to_ns) and (from_ns is None or item.end_ns > from_ns):
                wanted = (item,) if configuration is None else (configuration, item)
                configuration = None
                for row in wanted:
                    try:
                        payload = reader.open(row)
                    except CorruptError as error:
                        _report(error, on_damage)
                    else:
                        yield OpenedRecord(row, payload)


def _contents(path: Path) -> list[TableRow | Finding]:
    """Return a file's records, and its damages between them, in the order of the file."""
    walked = walk(path, hashing=False)
    items: list[TableRow | Finding] = [record.row for record in walked.records]
    items += [finding for finding in walked.findings if finding.kind not in {"torn", "unended"}]
    return sorted(items, key=lambda item: item.offset)


def _report(error: CorruptError, on_damage: Callable[[CorruptError], None] | None) -> None:
    """Tell of a damage, or raise it when nobody is to be told."""
    if on_damage is None:
        raise error
    on_damage(error)

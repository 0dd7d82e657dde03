"""The journal: leaves, bodies and the checkpoint that covers them, made durable in one write and one flush.

It is what makes an append cost one flush. Tiles and bundles are written beside it at leisure; once they are durable
themselves the journal is emptied. A record is whole or it is not there:

```
"overtlj1" │ u32 length of the payload │ payload │ SHA-256 of all before it
payload = u64 index of the first leaf │ u32 count │
          for each leaf: u16 length │ envelope │ u32 length │ line of the body; then u32 length │ checkpoint
```
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overt.errors import CorruptError, InvalidError, UnavailableError
from overt.ledger.files import FILE_MODE, refused, write_all

JOURNAL: Final = "journal"
MAGIC: Final = b"overtlj1"
MAX_PAYLOAD: Final = 1 << 30
_HEADER: Final = struct.Struct(">8sI")
_FIRST: Final = struct.Struct(">QI")
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")
_DIGEST: Final = 32


@dataclass(frozen=True, slots=True)
class Record:
    """What was appended at once."""

    start: int
    """Index of the first leaf."""
    envelopes: tuple[bytes, ...]
    lines: tuple[bytes, ...]
    """For each leaf its body as a line of a bundle."""
    checkpoint: bytes
    """The signed note over the tree that ends with these leaves."""

    def encode(self) -> bytes:
        """Return the record's bytes.

        Raises:
            InvalidError: it is longer than a record may be.
        """
        parts = [_FIRST.pack(self.start, len(self.envelopes))]
        for envelope, line in zip(self.envelopes, self.lines, strict=True):
            parts += (_U16.pack(len(envelope)), envelope, _U32.pack(len(line)), line)
        parts += (_U32.pack(len(self.checkpoint)), self.checkpoint)
        payload = b"".join(parts)
        if len(payload) > MAX_PAYLOAD:
            msg = f"{len(payload)} bytes are too many to be appended at once: append fewer entries"
            raise InvalidError(msg)
        data = _HEADER.pack(MAGIC, len(payload)) + payload
        return data + hashlib.sha256(data).digest()


def read_records(data: bytes, what: str) -> tuple[list[Record], int]:
    """Return the records of a journal, and how many bytes they take; behind those at most a torn record follows.

    Raises:
        CorruptError: what follows is no torn end: whole records stand behind it, or a whole one says nonsense.
    """
    records: list[Record] = []
    at = 0
    while at < len(data):
        end = _end_of(data, at)
        if end is None:
            if _whole_record_behind(data, at + 1):
                msg = f"{what}: damaged at byte {at}, before records that are whole"
                raise CorruptError(msg)
            break
        try:
            records.append(_decode(memoryview(data)[at + _HEADER.size : end - _DIGEST]))
        except InvalidError as error:
            msg = f"{what}: the record at byte {at} is whole and makes no sense: {error}"
            raise CorruptError(msg) from error
        at = end
    return records, at


def _end_of(data: bytes, at: int) -> int | None:
    """Return where the record at an offset ends, if it is whole."""
    if len(data) - at < _HEADER.size + _DIGEST:
        return None
    magic, length = _HEADER.unpack_from(data, at)
    end = at + _HEADER.size + length + _DIGEST
    if magic != MAGIC or end > len(data):
        return None
    body = memoryview(data)[at : end - _DIGEST]
    return end if hashlib.sha256(body).digest() == data[end - _DIGEST : end] else None


def _whole_record_behind(data: bytes, at: int) -> bool:
    """Tell whether a whole record begins somewhere from an offset on."""
    while (at := data.find(MAGIC, at)) >= 0:
        if _end_of(data, at) is not None:
            return True
        at += 1
    return False


def _decode(payload: memoryview) -> Record:
    """Read the payload of a record.

    Raises:
        InvalidError: its lengths do not add up.
    """
    try:
        start, count = _FIRST.unpack_from(payload, 0)
        at = _FIRST.size
        envelopes, lines = [], []
        for _ in range(count):
            envelope, at = _taken(payload, at, _U16)
            line, at = _taken(payload, at, _U32)
            envelopes.append(envelope)
            lines.append(line)
        checkpoint, at = _taken(payload, at, _U32)
    except struct.error as error:
        msg = "it ends too early"
        raise InvalidError(msg) from error
    if at != len(payload) or not count:
        msg = "its lengths do not add up"
        raise InvalidError(msg)
    return Record(start, tuple(envelopes), tuple(lines), checkpoint)


def _taken(payload: memoryview, at: int, length: struct.Struct) -> tuple[bytes, int]:
    (size,) = length.unpack_from(payload, at)
    end = at + length.size + size
    if end > len(payload):
        msg = "it ends too early"
        raise InvalidError(msg)
    return bytes(payload[at + length.size : end]), end


class Journal:
    """The journal of a ledger that is open for writing. Not thread-safe."""

    def __init__(self, directory: Path) -> None:
        """Open it, or make it.

        Raises:
            UnavailableError: the disk refuses.
        """
        self.path = directory / JOURNAL
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise refused(self.path, error) from error
        self.length = 0
        """Bytes of records that count."""
        self._clean = False
        """Whether the file surely ends there."""
        self._known = False
        """Whether `length` says what counts, rather than the file."""

    def read(self) -> list[Record]:
        """Return its records; a torn one at the end is forgotten, and cut off before the next append.

        Raises:
            CorruptError: it is damaged elsewhere than at its end.
            UnavailableError: it cannot be read, or what was taken back of it not be cut off.
        """
        if self._known:
            self._cut()
        try:
            data = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        except OSError as error:
            msg = f"{self.path}: cannot be read: {error.strerror or error}"
            raise UnavailableError(msg) from error
        records, self.length = read_records(data, str(self.path))
        self._clean, self._known = self.length == len(data), True
        return records

    def append(self, data: bytes) -> None:
        """Add an encoded record; it is durable when this returns, and nothing of it is there when this raises.

        Raises:
            UnavailableError: the disk refuses. What it took of the record is cut off; where it refuses even that,
                every further append tries to cut it off first. (A disk that takes a whole record, denies having
                flushed it, and refuses to shorten the file until the process is gone, leaves a leaf behind about
                something that was not done. The reverse cannot happen.)
        """
        self._cut()
        self._clean = False
        try:
            write_all(self._fd, data, self.length)
            os.fdatasync(self._fd)
        except OSError as error:
            failure = refused(self.path, error)
            try:
                self._cut()
            except UnavailableError as second:
                failure.add_note(str(second))
            raise failure from error
        self.length += len(data)
        self._clean = True

    def take_back(self, length: int) -> None:
        """Let it end where it ended before; if the disk refuses now, the next reading or append does it."""
        self.length, self._clean = length, False
        with contextlib.suppress(UnavailableError):
            self._cut()

    def clear(self) -> None:
        """Empty it, because all of it is durable elsewhere.

        Raises:
            UnavailableError: the disk refuses.
        """
        self.length, self._clean = 0, False
        self._cut()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _cut(self) -> None:
        """Cut off what does not count, durably."""
        if self._clean:
            return
        try:
            os.ftruncate(self._fd, self.length)
            os.fsync(self._fd)
        except OSError as error:
            raise refused(self.path, error) from error
        self._clean = True

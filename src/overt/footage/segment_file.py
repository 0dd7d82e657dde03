"""A segment file opened for reading at offsets, and what can be found in it without keys."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from overt.errors import MissingError, UnavailableError
from overt.footage.format import (
    DIGEST_SIZE,
    MAX_HEADER,
    RECORD_HEADER_SIZE,
    RECORD_MAGIC,
    RecordHeader,
    SegmentHeader,
    decode_record_header,
    decode_segment_header,
)

CHUNK: Final = 1 << 20
"""Bytes that are read at once when hashing and searching."""


class SegmentFile:
    """A file opened for reading at offsets."""

    __slots__ = ("fd", "path", "size")

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            MissingError: if there is none.
            UnavailableError: if the disk refuses.
        """
        self.path = path
        self.fd = -1
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self.fd).st_size
        except FileNotFoundError as error:
            msg = f"{path}: no such segment file"
            raise MissingError(msg) from error
        except OSError as error:
            self.close()
            msg = f"{path}: cannot open the segment file: {error.strerror or error}"
            raise UnavailableError(msg) from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close; may be called twice."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes at `offset`; fewer only at the end of the file."""
        try:
            data = os.pread(self.fd, length, offset)
            while len(data) < length and (more := os.pread(self.fd, length - len(data), offset + len(data))):
                data += more
        except OSError as error:
            msg = f"{self.path}: cannot read {length} bytes at offset {offset}: {error.strerror or error}"
            raise UnavailableError(msg) from error
        return data

    def header_at(self, offset: int) -> tuple[RecordHeader, bytes] | None:
        """Return the record header at `offset` and its bytes, if there is a valid one."""
        data = self.read(offset, RECORD_HEADER_SIZE)
        header = decode_record_header(data)
        return None if header is None else (header, data)

    def find_header(self, offset: int) -> int | None:
        """Return the offset of the first valid record header at or after `offset`."""
        while self.size - offset >= RECORD_HEADER_SIZE:
            data = self.read(offset, CHUNK)
            if len(data) < RECORD_HEADER_SIZE:
                break
            found = data.find(RECORD_MAGIC)
            while 0 <= found <= len(data) - RECORD_HEADER_SIZE:
                if decode_record_header(data, found) is not None:
                    return offset + found
                found = data.find(RECORD_MAGIC, found + 1)
            offset += len(data) - RECORD_HEADER_SIZE + 1
        return None

    def segment_header(self) -> tuple[SegmentHeader, int, bytes]:
        """Return the segment header, its length and its digest."""
        data = self.read(0, MAX_HEADER)
        header, length = decode_segment_header(data, str(self.path))
        return header, length, data[length - DIGEST_SIZE : length]

    def record_digest(self, header_digest: bytes, header: bytes, offset: int, length: int) -> bytes:
        """Return SHA-256(header digest ‖ record header ‖ payload at `offset`), reading in pieces."""
        digest = hashlib.sha256(header_digest)
        digest.update(header)
        stop = offset + length
        while offset < stop:
            data = self.read(offset, min(CHUNK, stop - offset))
            if not data:
                break
            digest.update(data)
            offset += len(data)
        return digest.digest()

"""Writing one segment file: seal, hash, one `write` per record. No threads; owned by one writer thread.

A record is built in place in a buffer that all writers of the thread share:

    header digest 32 | record header 88 | sealed payload n + 16 | record digest 32
    `------ additional data of AES-GCM -----'
    `--------------- hashed by the record digest --------------'
                     `------------------ written to the file -------------------'
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from overt.errors import ConflictError, InvalidError, UnavailableError
from overt.footage.format import (
    DAMAGED,
    DIGEST_SIZE,
    DISCONTINUITY,
    END_FIXED_SIZE,
    KEYFRAME,
    MAX_PAYLOAD,
    MAX_RECORDS,
    MAX_SEGMENT,
    RECORD_HEADER_SIZE,
    ROW_SIZE,
    TAG_SIZE,
    UNKNOWN,
    EndRecord,
    Payload,
    RecordType,
    SegmentHeader,
    TableRow,
    encode_record_header_into,
)
from overt.ledger.merkle import MerkleRange, leaf_hash
from overt.media.samples import Fragment
from overt.sealing.ratchet import KeyPeriod, key_commitment

NONCE: Final = bytes(12)
"""AES-GCM's nonce is always zero: each key seals one message."""
FILE_MODE: Final = 0o600

_AAD: Final = DIGEST_SIZE + RECORD_HEADER_SIZE
_MAX_U16: Final = (1 << 16) - 1
_MAX_U32: Final = (1 << 32) - 1


class SealBuffer:
    """The one buffer in which the records of all streams of a writer thread are built, one after the other.

    Grows to the largest record seen, at most `MAX_PAYLOAD` and a frame. Not thread-safe.
    """

    __slots__ = ("data", "view")

    def __init__(self, capacity: int = 1 << 19) -> None:
        """Begin with room for payloads of about `capacity` bytes."""
        self.data = bytearray(_AAD + capacity + DIGEST_SIZE)
        self.view = memoryview(self.data)

    def reserve(self, payload_length: int) -> None:
        """Make room for a sealed payload, tag included."""
        need = _AAD + payload_length + DIGEST_SIZE
        if need > len(self.data):
            self.view.release()
            self.data = bytearray(max(need, 2 * len(self.data)))
            self.view = memoryview(self.data)


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """What is known of a segment when it is closed: an index row and a ledger leaf are made of it."""

    path: Path
    header: SegmentHeader
    header_digest: bytes
    size: int
    """Bytes of the file."""
    table: bytes
    """One 32-byte row per record (`overt.footage.format.decode_table`)."""
    records: int
    fragments: int
    samples: int
    damaged_samples: int
    lost_packets: int
    merkle_root: bytes
    start_ns: int | None
    """Start of the first fragment; None when there is none."""
    end_ns: int | None
    """End of the fragment that ends last; None when there is none."""
    ended: bool
    """The file has its end record."""


class SegmentWriter:
    """An open segment file that records are appended to.

    After an error from `append` or `configure` the file ends at the last whole record and appending may be tried
    again with the next fragment, which is then marked as a discontinuity. `broken` tells when that is not so: then only
    `abandon` is left, and the file is still walkable, with a torn tail.
    """

    def __init__(self, path: Path, header: SegmentHeader, period: KeyPeriod, buffer: SealBuffer) -> None:
        """Create the file and write its header.

        Raises:
            ConflictError: if the file exists, or the header names another key period or its wrong position.
            UnavailableError: if the disk refuses; then nothing is left behind.
        """
        if header.period_id != period.period_id or header.commitment != period.commitment:
            msg = f"segment {header.segment_id} of {header.key} names key period {header.period_id}, not its own"
            raise ConflictError(msg)
        if header.first_message != period.next_index:
            msg = (
                f"segment {header.segment_id} of {header.key} begins at message {header.first_message}, "
                f"but its key period stands at {period.next_index}"
            )
            raise ConflictError(msg)
        self.path: Final = path
        self.header: Final = header
        self.broken = False
        self._period = period
        self._buffer = buffer
        self._table = bytearray()
        self._tree = MerkleRange()
        self._records = self._fragments = self._samples = self._damaged = self._lost = 0
        self._start_ns: int | None = None
        self._end_ns: int | None = None
        self._lost_record = False
        self._configured = False
        self._directory_synced = False
        self._ended = False
        encoded = header.encode()
        self.header_digest: Final = encoded[-DIGEST_SIZE:]
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, FILE_MODE)
        except FileExistsError as error:
            msg = f"{path}: the segment file exists already; a segment is written once"
            raise ConflictError(msg) from error
        except OSError as error:
            raise self._refused("create the segment file", error) from error
        self._size = 0
        try:
            self._write(memoryview(encoded))
        except UnavailableError:
            self.abandon()
            path.unlink(missing_ok=True)
            raise

    @property
    def size(self) -> int:
        """Bytes written so far, all of them whole records."""
        return self._size

    @property
    def records(self) -> int:
        """Configuration and fragment records written so far."""
        return self._records

    @property
    def end_ns(self) -> int | None:
        """End of the fragment that ends last so far."""
        return self._end_ns

    @property
    def table(self) -> bytes:
        """The rows written so far: what an index needs to read a segment that is still open."""
        return bytes(self._table)

    def fits(self, payload_length: int) -> bool:
        """Whether a record with this plaintext, and the end record after it, still fit in the segment."""
        end = _AAD + len(self._table) + 2 * ROW_SIZE + END_FIXED_SIZE + TAG_SIZE + DIGEST_SIZE
        return (
            self._records < MAX_RECORDS
            and self._size + payload_length + TAG_SIZE + _AAD + DIGEST_SIZE + end <= MAX_SEGMENT
        )

    def configure(self, initialisation: Payload, start_ns: int) -> TableRow:
        """Append a configuration record: the initialisation segment for the fragments that follow.

        Args:
            initialisation: `ftyp` and `moov`.
            start_ns: start of the first fragment it is for.

        Raises: as `append`.
        """
        row = self._seal(RecordType.CONFIGURATION, initialisation, start_ns)
        self._configured = True
        return row

    def append(self, fragment: Fragment) -> TableRow:
        """Seal, hash and write one fragment; when this returns, the operating system has it.

        Raises:
            InvalidError: if no configuration was written before it, it is larger than a record may be, or a time or
                count does not fit its field.
            ConflictError: if the segment or its key period is full (`fits`), or the writer is closed or `broken`.
            UnavailableError: if the disk refuses; the file then ends at the last whole record.
        """
        if not self._configured:
            msg = f"{self.header.key}: a segment begins with a configuration record, got a fragment"
            raise InvalidError(msg)
        flags = (
            (KEYFRAME if fragment.keyframe else 0)
            | (DISCONTINUITY if fragment.discontinuity or self._lost_record else 0)
            | (DAMAGED if fragment.damaged_samples or fragment.lost_packets else 0)
        )
        offset = fragment.camera_offset_ns
        row = self._seal(
            RecordType.FRAGMENT,
            fragment.payload,
            fragment.start_ns,
            duration_ns=fragment.duration_ns,
            flags=flags,
            samples=min(fragment.samples, _MAX_U16),
            camera_offset_ns=UNKNOWN if offset is None else offset,
            lost_packets=min(fragment.lost_packets, _MAX_U32),
            damaged_samples=min(fragment.damaged_samples, _MAX_U16),
        )
        self._lost_record = False
        self._fragments += 1
        self._samples += fragment.samples
        self._damaged += fragment.damaged_samples
        self._lost += fragment.lost_packets
        if self._start_ns is None:
            self._start_ns = fragment.start_ns
        self._end_ns = max(self._end_ns or UNKNOWN, fragment.start_ns + fragment.duration_ns)
        return row

    def sync(self) -> None:
        """Make what is written survive a power cut (fdatasync; the first time also the directory's entry).

        Raises:
            UnavailableError: if the disk refuses; what was written since the last success may then be lost.
        """
        try:
            os.fdatasync(self._fd)
            if not self._directory_synced:
                directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(directory)
                finally:
                    os.close(directory)
                self._directory_synced = True
        except OSError as error:
            raise self._refused("flush the segment to the device", error) from error

    def close(self, *, end: bool = True, sync: bool = True) -> SegmentSummary:
        """Write the end record, flush, close, and return the summary.

        A disk that refuses the end record or the flush does not keep the file open: it is closed as it is, which
        `ended` tells (False as after a kill; every record stays readable).

        Raises:
            ConflictError: if it is closed already.
            UnavailableError: if the flush failed, after the file was closed; `summary` may be asked all the same.
        """
        if self._fd < 0:
            msg = f"{self.path}: the segment of {self.header.key} is closed already"
            raise ConflictError(msg)
        try:
            if end and not self.broken:
                self._ended = self._write_end()
            if sync:
                self.sync()
        finally:
            self.abandon()
        return self.summary()

    def abandon(self) -> None:
        """Close the file as it is: no end record, no flush. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def summary(self) -> SegmentSummary:
        """Return what is known now; a segment that is still open has not `ended`."""
        return SegmentSummary(
            path=self.path,
            header=self.header,
            header_digest=self.header_digest,
            size=self._size,
            table=bytes(self._table),
            records=self._records,
            fragments=self._fragments,
            samples=self._samples,
            damaged_samples=self._damaged,
            lost_packets=self._lost,
            merkle_root=self._tree.root(),
            start_ns=self._start_ns,
            end_ns=self._end_ns,
            ended=self._ended,
        )

    def _write_end(self) -> bool:
        """Write the end record; False if the disk refused it."""
        end_ns = self._end_ns if self._end_ns is not None else self.header.created_ns
        payload = EndRecord(bytes(self._table), self._tree.root(), end_ns, self._records).encode()
        try:
            self._seal(RecordType.END, payload, end_ns)
        except UnavailableError:
            return False
        return True

    def _seal(
        self,
        kind: RecordType,
        payload: Payload,
        start_ns: int,
        *,
        duration_ns: int = 0,
        flags: int = 0,
        samples: int = 0,
        camera_offset_ns: int = UNKNOWN,
        lost_packets: int = 0,
        damaged_samples: int = 0,
    ) -> TableRow:
        """Build one record in the shared buffer and write it."""
        length = len(payload) + TAG_SIZE
        self._check(kind, length)
        buffer = self._buffer
        buffer.reserve(length)
        view = buffer.view
        message, key = self._period.next_key()
        view[:DIGEST_SIZE] = self.header_digest
        fields = (
            kind,
            flags,
            samples,
            self._records,
            message,
            start_ns,
            duration_ns,
            camera_offset_ns,
            lost_packets,
            damaged_samples,
            0,
            length,
            key_commitment(key),
        )
        try:
            encode_record_header_into(buffer.data, DIGEST_SIZE, *fields)
        except struct.error as error:
            msg = (
                f"{self.header.key}: a record from {start_ns} ns, {duration_ns} ns long, camera offset "
                f"{camera_offset_ns} ns, has no place in the format: {error}"
            )
            raise InvalidError(msg) from error
        stop = _AAD + length
        if kind == RecordType.END:
            # The table stays readable without keys; its tag still proves, to who has them, that it is the recorder's.
            view[_AAD : stop - TAG_SIZE] = payload
            AESGCM(key).encrypt_into(NONCE, b"", view[: stop - TAG_SIZE], view[stop - TAG_SIZE : stop])
        else:
            AESGCM(key).encrypt_into(NONCE, payload, view[:_AAD], view[_AAD:stop])
        digest = hashlib.sha256(view[:stop]).digest()
        view[stop : stop + DIGEST_SIZE] = digest
        offset = self._size
        self._write(view[DIGEST_SIZE : stop + DIGEST_SIZE])
        row = TableRow(offset, length, start_ns, duration_ns, message, kind, flags, samples)
        if kind != RecordType.END:
            self._table += row.encode()
            self._tree.append(leaf_hash(digest))
            self._records += 1
        return row

    def _check(self, kind: RecordType, length: int) -> None:
        """Refuse what the format has no room for, before a key is spent on it."""
        if self._fd < 0 or self.broken:
            msg = f"{self.path}: the segment of {self.header.key} is closed; begin another one"
            raise ConflictError(msg)
        if kind == RecordType.END:
            return
        if length > MAX_PAYLOAD:
            msg = f"{self.header.key}: a payload of {length} bytes exceeds the {MAX_PAYLOAD} that a record may have"
            raise InvalidError(msg)
        if not self.fits(length - TAG_SIZE):
            msg = f"{self.path}: the segment of {self.header.key} is full at {self._size} bytes; begin another one"
            raise ConflictError(msg)

    def _write(self, data: memoryview) -> None:
        """Append all of `data` or nothing."""
        boundary = self._size
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                more = os.write(self._fd, data[written:])
                if not more:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written += more
        except OSError as error:
            self._lost_record = True
            try:
                os.ftruncate(self._fd, boundary)
            except OSError:
                # The torn record stays at the end of the file, where a reader names it; nothing may follow it.
                self.broken = True
            raise self._refused("write a record", error) from error
        self._size = boundary + len(data)

    def _refused(self, what: str, error: OSError) -> UnavailableError:
        """Return the error that names the disk's refusal."""
        name = errno.errorcode.get(error.errno or 0, "unknown error")
        return UnavailableError(
            f"disk refused to {what} of {self.header.key} at {self.path}: {error.strerror or error} ({name})"
        )

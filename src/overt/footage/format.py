"""Layout of a segment file: header, record headers, end record. The public description is docs/formats/footage.md.

All integers are big-endian. Times are nanoseconds, UTC since the Unix epoch. Nothing here reads, writes or encrypts.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

from overt.errors import CorruptError, InvalidError
from overt.ids import StreamKey
from overt.sealing.ratchet import MAX_MESSAGES

SUFFIX: Final = ".ovs"
VERSION: Final = 1
SEGMENT_MAGIC: Final = b"OVERTSEG"
RECORD_MAGIC: Final = b"OVRF"
NO_ID: Final = UUID(int=0)
"""Stands for "no segment before this one"."""
UNKNOWN: Final = -(1 << 63)
"""Camera clock offset of a camera that has told no time."""

DIGEST_SIZE: Final = 32
TAG_SIZE: Final = 16
RECORD_HEADER_SIZE: Final = 88
MIN_HEADER: Final = 184
MAX_HEADER: Final = 4096
"""Bytes of a segment header; version 1 never has more than 308."""
MAX_PAYLOAD: Final = 1 << 26
"""Bytes of one sealed payload, tag included (64 MiB): what a reader holds in memory at most."""
MAX_RECORDS: Final = 1 << 16
"""Configuration and fragment records of one segment."""
MAX_SEGMENT: Final = (1 << 32) - 1
"""Bytes of one segment file, so that offsets fit 32 bits."""

Payload = bytes | bytearray | memoryview
"""Bytes that are sealed, or read, where they lie, without a copy."""

KEYFRAME: Final = 0x01
DISCONTINUITY: Final = 0x02
DAMAGED: Final = 0x04
FLAGS: Final = KEYFRAME | DISCONTINUITY | DAMAGED

_SEGMENT_FIXED: Final = struct.Struct(">8sHHI16s16s16s16s16sqqI32s")
_RECORD: Final = struct.Struct(">4sBBHIIqQqIHHI32s")
_CRC: Final = struct.Struct(">I")
_ROW: Final = struct.Struct(">IIqQIBBH")
_END_FIXED: Final = struct.Struct(">32sqI")

ROW_SIZE: Final = _ROW.size
END_FIXED_SIZE: Final = _END_FIXED.size
FRAME_SIZE: Final = RECORD_HEADER_SIZE + DIGEST_SIZE
"""What a record has around its payload."""


class RecordType(IntEnum):
    """What the payload of a record is."""

    CONFIGURATION = 1
    """Initialisation segment (`ftyp` + `moov`, ISO/IEC 14496-12 §8.2) for the fragments that follow."""
    FRAGMENT = 2
    """One `moof` + `mdat`."""
    END = 3
    """Table of the records, Merkle root, end of the segment."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What stands at the head of a segment file: whose it is, which keys open it, what came before."""

    site_id: UUID
    segment_id: UUID
    period_id: UUID
    session_id: UUID
    """One connection to the camera."""
    previous_id: UUID
    """The stream's segment before this one in the same run of the recorder; `NO_ID` if there is none."""
    created_ns: int
    """On the recorder's line of time."""
    clock_offset_ns: int
    """Wall clock minus the recorder's line when the segment was begun."""
    first_message: int
    """Message index, in the key period, of the first record."""
    commitment: bytes
    """`overt.sealing.ratchet.period_commitment` of the period's root: 32 bytes."""
    key: StreamKey

    def encode(self) -> bytes:
        """Return the header's bytes; the last 32 are the header digest, SHA-256 of all before."""
        camera, stream = self.key.camera.encode(), self.key.stream.encode()
        length = _SEGMENT_FIXED.size + 2 + len(camera) + len(stream) + DIGEST_SIZE
        body = b"".join(
            (
                _SEGMENT_FIXED.pack(
                    SEGMENT_MAGIC,
                    VERSION,
                    0,
                    length,
                    self.site_id.bytes,
                    self.segment_id.bytes,
                    self.period_id.bytes,
                    self.session_id.bytes,
                    self.previous_id.bytes,
                    self.created_ns,
                    self.clock_offset_ns,
                    self.first_message,
                    self.commitment,
                ),
                bytes((len(camera),)),
                camera,
                bytes((len(stream),)),
                stream,
            )
        )
        return body + hashlib.sha256(body).digest()


def decode_segment_header(data: bytes, where: str) -> tuple[SegmentHeader, int]:
    """Read a segment header from a file's first bytes (`MAX_HEADER` of them, or all there are).

    Args:
        data: the beginning of the file.
        where: how the file is named in error messages.

    Returns:
        The header and its length in bytes; `data[length - 32 : length]` is the header digest.

    Raises:
        InvalidError: if it is no segment, or of a version that this reader does not know.
        CorruptError: if the header is cut short, contradicts itself, or fails its digest.
    """
    if data[:8] != SEGMENT_MAGIC[: len(data)]:
        msg = f"{where}: not a footage segment: it does not begin with {SEGMENT_MAGIC.decode()}"
        raise InvalidError(msg)
    if len(data) < MIN_HEADER:
        msg = f"{where}: segment header cut short at {len(data)} bytes"
        raise CorruptError(msg)
    (_, version, reserved, length, site, segment, period, session, previous, created, offset, first, commitment) = (
        _SEGMENT_FIXED.unpack_from(data)
    )
    if not MIN_HEADER <= length <= MAX_HEADER:
        msg = f"{where}: segment header says it is {length} bytes long, which no segment header is"
        raise CorruptError(msg)
    if len(data) < length:
        msg = f"{where}: segment header cut short at {len(data)} of {length} bytes"
        raise CorruptError(msg)
    body = data[: length - DIGEST_SIZE]
    if hashlib.sha256(body).digest() != data[length - DIGEST_SIZE : length]:
        msg = f"{where}: segment header fails its SHA-256: it was altered or damaged"
        raise CorruptError(msg)
    if version != VERSION:
        msg = f"{where}: footage format version {version}; this program reads version {VERSION}: use a newer one"
        raise InvalidError(msg)
    camera, position = _text(body, _SEGMENT_FIXED.size, where)
    stream, position = _text(body, position, where)
    if position != len(body) or reserved or first >= MAX_MESSAGES:
        msg = f"{where}: segment header contradicts itself (length, reserved field or first message index)"
        raise CorruptError(msg)
    try:
        key = StreamKey(camera, stream)
    except InvalidError as error:
        msg = f"{where}: segment header names no lawful stream: {error}"
        raise CorruptError(msg) from error
    header = SegmentHeader(
        site_id=UUID(bytes=site),
        segment_id=UUID(bytes=segment),
        period_id=UUID(bytes=period),
        session_id=UUID(bytes=session),
        previous_id=UUID(bytes=previous),
        created_ns=created,
        clock_offset_ns=offset,
        first_message=first,
        commitment=commitment,
        key=key,
    )
    return header, length


def _text(body: bytes, position: int, where: str) -> tuple[str, int]:
    """Read a name behind its one-byte length."""
    if position < len(body):
        end = position + 1 + body[position]
        if end <= len(body):
            try:
                return body[position + 1 : end].decode("ascii"), end
            except UnicodeDecodeError as error:
                msg = f"{where}: segment header has a name that is not ASCII"
                raise CorruptError(msg) from error
    msg = f"{where}: segment header ends inside a name"
    raise CorruptError(msg)


class RecordHeader(NamedTuple):
    """The 88 bytes before a payload, without magic and CRC, in the order of the file."""

    type: int
    flags: int
    samples: int
    """Video samples inside (audio samples where there is no video track); 65535 stands for that or more."""
    position: int
    """Of the record in its segment, from 0."""
    message: int
    """Message index in the key period."""
    start_ns: int
    duration_ns: int
    camera_offset_ns: int
    """Camera clock minus the recorder's line; `UNKNOWN` if it has told no time."""
    lost_packets: int
    damaged_samples: int
    reserved: int
    payload_length: int
    """Bytes of the payload as it lies in the file, tag included."""
    commitment: bytes
    """`overt.sealing.ratchet.key_commitment` of the record's key."""

    def encode(self) -> bytes:
        """Return the 88 bytes."""
        body = _RECORD.pack(RECORD_MAGIC, *self)
        return body + _CRC.pack(zlib.crc32(body))


def encode_record_header_into(buffer: bytearray, offset: int, *fields: int | bytes) -> None:
    """Write a record header into `buffer`; `fields` are those of `RecordHeader`, in its order."""
    _RECORD.pack_into(buffer, offset, RECORD_MAGIC, *fields)
    end = offset + _RECORD.size
    with memoryview(buffer) as view:
        _CRC.pack_into(buffer, end, zlib.crc32(view[offset:end]))


def decode_record_header(data: Payload, offset: int = 0) -> RecordHeader | None:
    """Read a record header at `offset`; None unless magic, CRC and every field are as version 1 has them."""
    if len(data) - offset < RECORD_HEADER_SIZE:
        return None
    end = offset + _RECORD.size
    magic, *fields = _RECORD.unpack_from(data, offset)
    if magic != RECORD_MAGIC or _CRC.unpack_from(data, end)[0] != zlib.crc32(data[offset:end]):
        return None
    header = RecordHeader._make(fields)
    minimum = TAG_SIZE if header.type != RecordType.END else END_FIXED_SIZE + TAG_SIZE
    if (
        header.type not in {1, 2, 3}
        or header.flags & ~FLAGS
        or header.reserved
        or header.message >= MAX_MESSAGES
        or header.position > MAX_RECORDS
        or not minimum <= header.payload_length <= MAX_PAYLOAD
    ):
        return None
    return header


class TableRow(NamedTuple):
    """One record as the end record's table, and the index, have it: enough to find, choose and open it."""

    offset: int
    """Of the record header in the file."""
    payload_length: int
    start_ns: int
    duration_ns: int
    message: int
    type: int
    flags: int
    samples: int

    def encode(self) -> bytes:
        """Return the row's 32 bytes."""
        return _ROW.pack(*self)

    @property
    def end_ns(self) -> int:
        """Start plus duration."""
        return self.start_ns + self.duration_ns


def decode_table(data: bytes, where: str) -> list[TableRow]:
    """Read a table of 32-byte rows.

    Raises:
        CorruptError: if it is no whole number of rows.
    """
    if len(data) % ROW_SIZE:
        msg = f"{where}: a table of records has {ROW_SIZE} bytes a row, got {len(data)} bytes"
        raise CorruptError(msg)
    return list(map(TableRow._make, _ROW.iter_unpack(data)))


@dataclass(frozen=True, slots=True)
class EndRecord:
    """What the end record says: which records there are, and that these are all."""

    table: bytes
    """One 32-byte row per record: read it with `decode_table`."""
    merkle_root: bytes
    """RFC 6962 over the digests of the configuration and fragment records, in order."""
    end_ns: int
    records: int

    def encode(self) -> bytes:
        """Return the payload without its tag."""
        return self.table + _END_FIXED.pack(self.merkle_root, self.end_ns, self.records)


def decode_end_record(payload: bytes, where: str) -> EndRecord:
    """Read the payload of an end record, tag included.

    Raises:
        CorruptError: if its length and its count disagree.
    """
    fixed = len(payload) - TAG_SIZE - END_FIXED_SIZE
    if fixed >= 0:
        root, end_ns, records = _END_FIXED.unpack_from(payload, fixed)
        if records * ROW_SIZE == fixed:
            return EndRecord(payload[:fixed], root, end_ns, records)
    msg = f"{where}: the end record's length and its count of records disagree"
    raise CorruptError(msg)


def end_record_size(last_bytes: bytes) -> int | None:
    """Return how long a file's end record is, from the file's last 52 bytes or more; None if it cannot be one.

    The count of records stands before tag and digest, so that a complete segment is indexed from its two ends.
    """
    position = len(last_bytes) - DIGEST_SIZE - TAG_SIZE - _CRC.size
    if position < 0:
        return None
    records = int(_CRC.unpack_from(last_bytes, position)[0])
    if records > MAX_RECORDS:
        return None
    return FRAME_SIZE + records * ROW_SIZE + END_FIXED_SIZE + TAG_SIZE

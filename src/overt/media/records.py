"""Media records: the one form in which footage goes to whoever watches (docs/formats/media-records.md).

Builders of records, and a parser that takes them out of a stream of bytes as it comes. Builders take nanoseconds since
the Unix epoch, UTC, and write whole microseconds. Pure functions on bytes: no threads, no clock.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from overt.errors import InvalidError, OvertError
from overt.media.boxes import Buffer
from overt.media.initialisation import read_initialisation
from overt.media.samples import CodecConfiguration

MEDIA_TYPE: Final = "application/vnd.overt.media-records"
MAX_RECORD: Final = 32 << 20
"""Bytes of a record after its size field."""
MAX_HEADER: Final = 64 << 10
"""Bytes of a record's header."""
MICROSECOND: Final = 1_000
"""Nanoseconds."""

_PREFIX: Final = struct.Struct(">II")
_AFTER_SIZE: Final = 4
"""Bytes of kind and header size."""


class RecordKind(IntEnum):
    """What a record is. A reader passes over kinds that it does not know."""

    CONFIGURATION = 1
    FRAGMENT = 2
    SAMPLE = 3
    STATE = 4
    DAMAGE = 5
    GAP = 6
    END = 7
    DROPPED = 8
    ERROR = 9


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was taken out of a stream."""

    kind: int
    """A `RecordKind`, or one that this version does not know."""
    header: dict[str, Any]
    payload: memoryview = field(repr=False)
    data: bytes = field(repr=False)
    """The whole record as it came, to pass it on."""


def record(kind: int, header: Mapping[str, Any], payload: Buffer = b"") -> bytes:
    """Return one record.

    Raises:
        InvalidError: it is larger than a record or a header may be.
    """
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    size = _AFTER_SIZE + len(text) + len(payload)
    if len(text) > MAX_HEADER or size > MAX_RECORD:
        msg = (
            f"media record of kind {kind}: {size} bytes with a header of {len(text)}; "
            f"{MAX_RECORD} and {MAX_HEADER} are allowed"
        )
        raise InvalidError(msg)
    return b"".join((_PREFIX.pack(size, kind << 24 | len(text)), text, payload))


class RecordParser:
    """Takes records out of bytes that come in pieces of any size. Holds at most one record that is not whole.

    One thread uses an instance. After an error the stream cannot be read on, and every further call raises it again.
    """

    def __init__(self) -> None:
        """Begin at a record's first byte."""
        self._buffer = bytearray()
        self._offset = 0
        self._error: InvalidError | None = None

    @property
    def pending(self) -> int:
        """Bytes of a record that is not whole yet; not 0 at the end of a body means that it was cut off."""
        return len(self._buffer)

    def feed(self, data: Buffer) -> list[Record]:
        """Take bytes; return the records that are whole now.

        Raises:
            InvalidError: a size is beyond its limit or contradicts another, or a header is not a JSON object; the
                message names the offset of the record in the stream. Records before it in the same piece are lost.
        """
        if self._error is not None:
            raise InvalidError(str(self._error))
        buffer = self._buffer
        buffer += data
        records: list[Record] = []
        at = 0
        try:
            while len(buffer) - at >= _PREFIX.size:
                size, word = _PREFIX.unpack_from(buffer, at)
                kind, header_size = word >> 24, word & 0xFFFFFF
                self._check(at, size, header_size)
                end = at + 4 + size
                if len(buffer) < end:
                    break
                records.append(self._record(at, kind, header_size, bytes(memoryview(buffer)[at:end])))
                at = end
        except InvalidError as error:
            self._error = error
            buffer.clear()
            raise
        del buffer[:at]
        self._offset += at
        return records

    def _check(self, at: int, size: int, header_size: int) -> None:
        """Refuse sizes before anything is gathered on their word."""
        if size > MAX_RECORD or header_size > MAX_HEADER or size < _AFTER_SIZE + header_size:
            msg = (
                f"media record at offset {self._offset + at}: size {size} and header size {header_size}; "
                f"{MAX_RECORD} and {MAX_HEADER} are allowed, and the header lies inside the record"
            )
            raise InvalidError(msg)

    def _record(self, at: int, kind: int, header_size: int, data: bytes) -> Record:
        """Return one whole record."""
        start = _PREFIX.size + header_size
        try:
            header = json.loads(str(data[_PREFIX.size : start], "utf-8"))
        except (ValueError, RecursionError) as error:
            msg = f"media record at offset {self._offset + at}: its header is not JSON ({error})"
            raise InvalidError(msg) from error
        if not isinstance(header, dict):
            msg = f"media record at offset {self._offset + at}: its header is not a JSON object"
            raise InvalidError(msg)
        return Record(kind, header, memoryview(data)[start:], data)


def microseconds(start_ns: int, duration_ns: int) -> tuple[int, int]:
    """Return start and duration in whole microseconds, so that what joins in nanoseconds joins in microseconds."""
    start_us = start_ns // MICROSECOND
    return start_us, (start_ns + duration_ns) // MICROSECOND - start_us


def codecs_of(tracks: tuple[CodecConfiguration, ...]) -> str:
    """Return the `codecs` parameter (RFC 6381) that names all tracks."""
    return ",".join(track.rfc6381 for track in tracks)


def configuration_record(configuration_id: int, initialisation: bytes) -> bytes:
    """Return the record that announces `ftyp` + `moov`; what it says of the tracks is read from them.

    Raises:
        InvalidError: it is no initialisation segment that Overt writes.
    """
    tracks = read_initialisation(initialisation)
    header = {
        "id": configuration_id,
        "codecs": codecs_of(tracks),
        "tracks": [
            {
                "kind": track.kind,
                "codec": track.codec,
                "rfc6381": track.rfc6381,
                "timescale": track.timescale,
                "width": track.width,
                "height": track.height,
                "channels": track.channels,
            }
            for track in tracks
        ],
    }
    return record(RecordKind.CONFIGURATION, header, initialisation)


def fragment_record(
    configuration_id: int,
    *,
    start_ns: int,
    duration_ns: int,
    samples: int,
    keyframe: bool,
    discontinuity: bool,
    damaged: bool,
    payload: Buffer,
    recorded: bool | None = None,
) -> bytes:
    """Return a fragment's record; `recorded` is said of live fragments alone."""
    start_us, duration_us = microseconds(start_ns, duration_ns)
    header = {
        "configuration": configuration_id,
        "start_us": start_us,
        "duration_us": duration_us,
        "samples": samples,
        "keyframe": keyframe,
        "discontinuity": discontinuity,
        "damaged": damaged,
    }
    if recorded is not None:
        header["recorded"] = recorded
    return record(RecordKind.FRAGMENT, header, payload)


def sample_record(
    configuration_id: int, *, time_ns: int, decode_ns: int, keyframe: bool, damaged: bool, payload: Buffer
) -> bytes:
    """Return the record of one video frame; `time_ns` is when it is presented, `decode_ns` when it is decoded."""
    header = {
        "configuration": configuration_id,
        "time_us": time_ns // MICROSECOND,
        "decode_us": decode_ns // MICROSECOND,
        "keyframe": keyframe,
        "damaged": damaged,
    }
    return record(RecordKind.SAMPLE, header, payload)


def state_record(state: str, reason: str, since_ns: int) -> bytes:
    """Return the record of a stream's state (docs/reference/states-and-causes.md)."""
    return record(RecordKind.STATE, {"state": state, "reason": reason, "since_us": since_ns // MICROSECOND})


def damage_record(start_ns: int, end_ns: int, detail: str) -> bytes:
    """Return the record of footage that is indexed and cannot be given back."""
    header = {"start_us": start_ns // MICROSECOND, "end_us": end_ns // MICROSECOND, "detail": detail}
    return record(RecordKind.DAMAGE, header)


def gap_record(start_ns: int, end_ns: int | None, cause: str, detail: str) -> bytes:
    """Return the record of time without footage; `end_ns` None: it lasts."""
    header = {
        "start_us": start_ns // MICROSECOND,
        "end_us": None if end_ns is None else end_ns // MICROSECOND,
        "cause": cause,
        "detail": detail,
    }
    return record(RecordKind.GAP, header)


def end_record(next_ns: int | None = None) -> bytes:
    """Return the record that ends an answer: complete, or to be asked on from `next_ns`.

    That moment is rounded up: rounded down it would lie in the fragment before, which would come twice.
    """
    return record(RecordKind.END, {"complete": True} if next_ns is None else {"next_us": -(-next_ns // MICROSECOND)})


def dropped_record(*, fragments: int = 0, samples: int = 0) -> bytes:
    """Return the record of what a slow viewer missed."""
    counts = {"fragments": fragments, "samples": samples}
    return record(RecordKind.DROPPED, {name: count for name, count in counts.items() if count})


def error_record(error: OvertError) -> bytes:
    """Return the record of an error, after which the connection ends."""
    return record(RecordKind.ERROR, {"kind": error.kind, "message": str(error)})

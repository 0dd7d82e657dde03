"""NAL units of H.264 and H.265: taking access units apart and putting them into RTP payloads.

RFC 6184 (single NAL unit, STAP-A, FU-A) and RFC 7798 (single NAL unit, AP, FU), packetisation mode 1, no DONL.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from overt.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from overt.simulator.marks import NalCodec

_START_CODE: Final = re.compile(b"\x00\x00\x01")


@dataclass(frozen=True, slots=True)
class NalSyntax:
    """What differs between the two codecs, as far as cutting and sending goes."""

    codec: NalCodec
    header_bytes: int
    parameter_set_types: tuple[int, ...]
    """In the order in which they must precede a keyframe."""
    delimiter_type: int
    slice_types: range

    def type_of(self, nal_unit: bytes) -> int:
        """Return `nal_unit_type` (H.264 7.3.1, H.265 7.3.1.2)."""
        return nal_unit[0] & 0x1F if self.codec == "h264" else (nal_unit[0] >> 1) & 0x3F


H264: Final = NalSyntax("h264", 1, (7, 8), 9, range(1, 6))
H265: Final = NalSyntax("h265", 2, (32, 33, 34), 35, range(32))
SYNTAXES: Final[dict[str, NalSyntax]] = {"h264": H264, "h265": H265}


def split_length_prefixed(data: bytes, length_bytes: int) -> list[bytes]:
    """Split an MP4 sample (ISO/IEC 14496-15 5.3.2) into its NAL units; empty ones are left out.

    Raises:
        InvalidError: if a length points past the end.
    """
    nal_units = []
    at = 0
    while at < len(data):
        end = at + length_bytes + int.from_bytes(data[at : at + length_bytes], "big")
        if end > len(data) or at + length_bytes > len(data):
            msg = f"a NAL unit at byte {at} is longer than its sample of {len(data)} bytes: the source file is damaged"
            raise InvalidError(msg)
        if end > at + length_bytes:
            nal_units.append(data[at + length_bytes : end])
        at = end
    return nal_units


def split_annex_b(data: bytes) -> list[bytes]:
    """Split a byte stream (H.264 and H.265 Annex B) into its NAL units, without trailing zero bytes."""
    starts = [match.end() for match in _START_CODE.finditer(data)]
    ends = [start - 3 for start in starts[1:]] + [len(data)]
    nal_units = (data[start:end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=False))
    return [nal_unit for nal_unit in nal_units if nal_unit]


def length_prefixed(nal_units: Iterable[bytes]) -> bytes:
    """Join NAL units, each behind a four-byte big-endian length: the form in which they stand in `mdat`."""
    return b"".join(part for nal_unit in nal_units for part in (len(nal_unit).to_bytes(4, "big"), nal_unit))


def configuration_record(codec: str, record: bytes) -> tuple[int, list[bytes]]:
    """Read avcC or hvcC (ISO/IEC 14496-15 5.3.3.1, 8.3.3.1): the length size in bytes, and the parameter sets.

    Raises:
        InvalidError: if the record is cut short.
    """
    try:
        return _avcc(record) if codec == "h264" else _hvcc(record)
    except (IndexError, struct.error) as error:
        msg = f"the {codec} decoder configuration record of {len(record)} bytes is cut short"
        raise InvalidError(msg) from error


def _avcc(record: bytes) -> tuple[int, list[bytes]]:
    sets = []
    at = 5
    for mask in (0x1F, 0xFF):
        count = record[at] & mask
        at += 1
        for _ in range(count):
            (size,) = struct.unpack_from(">H", record, at)
            sets.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return (record[4] & 3) + 1, sets


def _hvcc(record: bytes) -> tuple[int, list[bytes]]:
    sets = []
    at = 23
    for _ in range(record[22]):
        (count,) = struct.unpack_from(">H", record, at + 1)
        at += 3
        for _ in range(count):
            (size,) = struct.unpack_from(">H", record, at)
            sets.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return (record[21] & 3) + 1, sets


def payloads(syntax: NalSyntax, nal_units: Sequence[bytes], room: int, *, aggregate: bool) -> list[bytes]:
    """Return the RTP payloads of one access unit, none longer than `room` bytes.

    With `aggregate` neighbouring NAL units that fit into one packet travel together (STAP-A, AP).
    """
    result: list[bytes] = []
    together: list[bytes] = []
    size = syntax.header_bytes
    for nal_unit in nal_units:
        if aggregate and size + 2 + len(nal_unit) <= room:
            together.append(nal_unit)
            size += 2 + len(nal_unit)
            continue
        result += _aggregated(syntax, together)
        together, size = [], syntax.header_bytes
        if aggregate and size + 2 + len(nal_unit) <= room:
            together, size = [nal_unit], size + 2 + len(nal_unit)
        elif len(nal_unit) <= room:
            result.append(nal_unit)
        else:
            result += _fragments(syntax, nal_unit, room)
    return result + _aggregated(syntax, together)


def _aggregated(syntax: NalSyntax, together: Sequence[bytes]) -> list[bytes]:
    if len(together) < 2:
        return list(together)
    if syntax.codec == "h264":
        # RFC 6184 5.7.1: F and NRI are the maximum of those inside.
        header = bytes((max(nal_unit[0] & 0x60 for nal_unit in together) | 24,))
    else:
        # RFC 7798 4.4.2: LayerId and TID are the lowest of those inside; ours all have LayerId 0.
        header = bytes((48 << 1, min(nal_unit[1] & 7 for nal_unit in together)))
    sized = (part for nal_unit in together for part in (len(nal_unit).to_bytes(2, "big"), nal_unit))
    return [header + b"".join(sized)]


def _fragments(syntax: NalSyntax, nal_unit: bytes, room: int) -> list[bytes]:
    kind = syntax.type_of(nal_unit)
    if syntax.codec == "h264":
        indicator = bytes(((nal_unit[0] & 0xE0) | 28,))
    else:
        indicator = bytes(((nal_unit[0] & 0x81) | (49 << 1), nal_unit[1]))
    body = nal_unit[syntax.header_bytes :]
    step = room - len(indicator) - 1
    result = []
    for at in range(0, len(body), step):
        start = 0x80 if at == 0 else 0
        end = 0x40 if at + step >= len(body) else 0
        result.append(indicator + bytes((start | end | kind,)) + body[at : at + step])
    return result

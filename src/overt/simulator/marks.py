"""Frame marks: the number that every simulated frame carries, so that a lost frame is missed by name.

A mark is one SEI NAL unit with a `user_data_unregistered` message (ITU-T H.264 D.1.7, H.265 D.2.7), placed before the
first slice of the access unit. After the UUID `MARK_UUID` stand 20 lower-case hexadecimal digits in ASCII: 16 of the
frame number (64 bits, counted since the camera started) and 4 of the camera's place in its persona (16 bits, from 1).
Digits hold no zero byte, so no emulation prevention is ever needed and every mark has the same size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

NalCodec = Literal["h264", "h265"]

MARK_UUID: Final = UUID("6f766572-742d-4672-a16d-652d6e756d62")
"""Identifies our marks among all user data (its bytes read `overt-Fr.me-numb`)."""
DIGITS: Final = 20
_PAYLOAD_TYPE: Final = 5
_NAL_HEADERS: Final[dict[NalCodec, bytes]] = {"h264": b"\x06", "h265": bytes((39 << 1, 1))}
_PREFIXES: Final = {
    codec: header + bytes((_PAYLOAD_TYPE, 16 + DIGITS)) + MARK_UUID.bytes for codec, header in _NAL_HEADERS.items()
}


@dataclass(frozen=True, slots=True)
class FrameMark:
    """Which frame of which camera an access unit is."""

    camera: int
    number: int


def mark_digits(mark: FrameMark) -> bytes:
    """Return the digits of a mark; numbers wrap at 64 bits, cameras at 16."""
    return b"%016x%04x" % (mark.number & 0xFFFFFFFFFFFFFFFF, mark.camera & 0xFFFF)


def mark_nal_unit(codec: NalCodec, digits: bytes = b"0" * DIGITS) -> bytes:
    """Return the SEI NAL unit that carries `digits` (no start code, no length before it)."""
    return _PREFIXES[codec] + digits + b"\x80"


def frame_mark(data: bytes | bytearray | memoryview, codec: str) -> FrameMark | None:
    """Read the mark of an access unit, be its NAL units length-prefixed or in Annex B form.

    Returns None where there is none, or for a codec that carries none (only `h264` and `h265` do).
    """
    prefix = _PREFIXES["h264" if codec == "h264" else "h265"] if codec in _NAL_HEADERS else None
    if prefix is None:
        return None
    whole = bytes(data)
    start = whole.find(prefix)
    if start < 0:
        return None
    digits = whole[start + len(prefix) : start + len(prefix) + DIGITS]
    if len(digits) < DIGITS or not set(digits) <= set(b"0123456789abcdef"):
        return None
    return FrameMark(camera=int(digits[16:], 16), number=int(digits[:16], 16))


def frame_number(data: bytes | bytearray | memoryview, codec: str) -> int | None:
    """Return the frame number of an access unit (see `frame_mark`), or None."""
    mark = frame_mark(data, codec)
    return None if mark is None else mark.number

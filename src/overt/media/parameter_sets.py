"""What the parameter sets of H.264 and H.265 share: bounds, aspect ratios, and how session descriptions carry them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from overt.errors import InvalidError
from overt.media.bits import BitReader

MAX_PARAMETER_SET: Final = 2048
"""Bytes of one parameter set; all scaling lists and a full VUI take less than half."""
MAX_SIDE: Final = 16384
"""Luma samples in width or height: beyond all levels of H.264 and H.265."""

MAX_SPROP: Final = 64 * 1024
"""Characters of a parameter of the session description that are read."""

_EXTENDED_ASPECT: Final = 255
ASPECTS: Final = (
    (1, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33), (18, 11), (15, 11),
    (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip
"""Sample aspect ratios by aspect_ratio_idc (table E-1, the same in H.265); unspecified counts as square."""


def nal_units_of_sprop(values: Iterable[str]) -> list[bytes]:
    """Return the NAL units of `sprop-` parameters: base64, separated by commas (RFC 6184 §8.1, RFC 7798 §7.1).

    What is not base64 is left out, missing padding is added, and start codes before or between NAL units fall away.
    """
    found: list[bytes] = []
    for value in values:
        for item in value[:MAX_SPROP].split(","):
            text = item.strip().rstrip("=")
            try:
                decoded = base64.b64decode(text + "=" * (-len(text) % 4))
            except (binascii.Error, ValueError):
                continue
            found += nal_units_of_byte_stream(decoded)
    return found


def nal_units_of_config(value: str) -> list[bytes]:
    """Return the NAL units of a `config` parameter: a byte stream in hexadecimal, as some cameras write it."""
    try:
        return nal_units_of_byte_stream(bytes.fromhex(value[:MAX_SPROP]))
    except ValueError:
        return []


def nal_units_of_byte_stream(data: bytes) -> list[bytes]:
    """Return the NAL units between start codes (H.264 annex B); all of `data` where there is none."""
    return [bare for piece in data.split(b"\0\0\1") if (bare := piece.rstrip(b"\0"))]


def check_size(width: int, height: int) -> None:
    """Refuse pictures that are none. Raises InvalidError."""
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        msg = f"a sequence parameter set announces pictures of {width} x {height}"
        raise InvalidError(msg)


def bare_parameter_set(nal_unit: bytes) -> bytes:
    """Return a parameter set without start codes and zeros that a camera left at its end.

    Raises:
        InvalidError: if it is empty or longer than `MAX_PARAMETER_SET`.
    """
    bare = nal_unit.split(b"\0\0\1", 1)[0].rstrip(b"\0")
    if not 2 < len(bare) <= MAX_PARAMETER_SET:
        msg = f"a parameter set of {len(bare)} bytes is not one (3 to {MAX_PARAMETER_SET} are)"
        raise InvalidError(msg)
    return bare


def parse_aspect(bits: BitReader) -> tuple[int, int]:
    """Read the sample aspect ratio at the beginning of the VUI; square where unspecified. Raises InvalidError."""
    if not bits.flag():
        return (1, 1)
    kind = bits.bits(8)
    if kind == _EXTENDED_ASPECT:
        width, height = bits.bits(16), bits.bits(16)
        return (width, height) if width and height else (1, 1)
    return ASPECTS[kind] if kind < len(ASPECTS) else (1, 1)


def skip_picture_description(bits: BitReader) -> None:
    """Pass over overscan, video signal type and chroma location (§E.1.1, the same in H.265). Raises InvalidError."""
    if bits.flag():
        bits.skip(1)
    if bits.flag():
        bits.skip(4)
        if bits.flag():
            bits.skip(24)
    if bits.flag():
        bits.ue(5)
        bits.ue(5)

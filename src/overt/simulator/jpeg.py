"""Motion JPEG in RTP (RFC 2435), with the quantisation tables in each frame (Q 255)."""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from overt.errors import InvalidError

_STANDARD_HUFFMAN: Final = "532fd667aa5541439e4fc89f189259b1b137993ca5dfcbb6970ab411aee79cdf"
"""SHA-256 of the four tables of ITU-T T.81 K.3 in the order DC 0, DC 1, AC 0, AC 1: the only ones RFC 2435 allows."""
_DQT, _DHT, _SOF0, _SOS, _DRI, _EOI = 0xDB, 0xC4, 0xC0, 0xDA, 0xDD, b"\xff\xd9"


class _Image:
    """The parts of a baseline JPEG image that travel: tables, size, sampling, restart interval, entropy-coded data."""

    def __init__(self, data: bytes) -> None:
        self.quantisation: dict[int, bytes] = {}
        self.huffman: dict[int, bytes] = {}
        self.frame = b""
        self.restart = 0
        at = 2
        while True:
            marker, (length,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
            body = data[at + 4 : at + 2 + length]
            if data[at] != 0xFF or length < 2:
                msg = f"no JPEG marker at byte {at}"
                raise InvalidError(msg)
            self._segment(marker, body)
            at += 2 + length
            if marker == _SOS:
                break
        end = data.rfind(_EOI)
        self.scan = data[at : end if end > at else len(data)]

    def _segment(self, marker: int, body: bytes) -> None:
        if marker == _DQT:
            for at in range(0, len(body), 65):
                self.quantisation[body[at]] = body[at + 1 : at + 65]
        elif marker == _DHT:
            at = 0
            while at < len(body):
                size = 17 + sum(body[at + 1 : at + 17])
                self.huffman[body[at]] = body[at : at + size]
                at += size
        elif marker == _DRI:
            (self.restart,) = struct.unpack(">H", body)
        elif marker == _SOF0:
            self.frame = body


def payloads(image: bytes, room: int) -> list[bytes]:
    """Return the RTP payloads of one JPEG image, none longer than `room` bytes.

    Raises:
        InvalidError: if the image is not one that RFC 2435 can carry (baseline, YUV 4:2:0 or 4:2:2, 8 bit, standard
            Huffman tables, at most 2040 pixels each way).
    """
    try:
        parts = _Image(image)
        _, height, width, components = struct.unpack_from(">BHHB", parts.frame)
        first, second = parts.frame[6:9], parts.frame[9:12]
        tables = parts.quantisation[first[2]] + parts.quantisation[second[2]]
    except (IndexError, KeyError, struct.error) as error:
        msg = "a JPEG image lacks a table or is cut short"
        raise InvalidError(msg) from error
    kind = {0x21: 0, 0x22: 1}.get(first[1])
    standard = b"".join(parts.huffman[key] for key in sorted(parts.huffman))
    if kind is None or components != 3 or width > 2040 or height > 2040:
        msg = f"a JPEG image of {width}x{height} with sampling {first[1]:#x} cannot be sent as RTP (RFC 2435 3.1.3)"
        raise InvalidError(msg)
    if hashlib.sha256(standard).hexdigest() != _STANDARD_HUFFMAN:
        msg = "a JPEG image has Huffman tables of its own, which RTP cannot carry (RFC 2435 4.1)"
        raise InvalidError(msg)
    kind |= 64 if parts.restart else 0
    restart = struct.pack(">HH", parts.restart, 0xFFFF) if parts.restart else b""
    result = []
    at = 0
    while at < len(parts.scan):
        header = struct.pack(">IBBBB", at, kind, 255, (width + 7) // 8, (height + 7) // 8) + restart
        if at == 0:
            header += struct.pack(">BBH", 0, 0, len(tables)) + tables
        step = room - len(header)
        result.append(header + parts.scan[at : at + step])
        at += step
    return result

"""The headers of a JPEG picture, which RTP leaves out (RFC 2435 §4.1 and appendices; ITU-T T.81 annexes B and K)."""

from __future__ import annotations

import struct
from typing import Final

_LUMINANCE: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""T.81 table K.1."""
_CHROMINANCE: Final = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)
"""T.81 table K.2."""


def _zigzag() -> tuple[tuple[int, int], ...]:
    """Rows and columns in the order of T.81 figure A.6: along the diagonals, to and fro."""
    cells = [(row, column) for row in range(8) for column in range(8)]
    return tuple(sorted(cells, key=lambda at: (at[0] + at[1], at[0] if (at[0] + at[1]) % 2 else at[1])))


_ZIGZAG: Final = _zigzag()

_HUFFMAN: Final = bytes.fromhex(
    # Classes and identifiers, counts by length, values: T.81 tables K.3 to K.6.
    "00 00010501010101010100000000000000 000102030405060708090a0b"
    "01 00030101010101010101010000000000 000102030405060708090a0b"
    "10 0002010303020403050504040000017d"
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a"
    "434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9"
    "aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    "11 00020102040403040705040400010277"
    "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a3536373839"
    "3a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7"
    "a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
)


def quantisation_tables(quality: int) -> bytes:
    """Return the luminance and chrominance tables of a quality from 1 to 99 (§4.2), each 64 bytes in zigzag order."""
    factor = max(1, min(99, quality))
    scale = 5000 // factor if factor < 50 else 200 - 2 * factor
    return bytes(
        max(1, min(255, (table[row][column] * scale + 50) // 100))
        for table in (_LUMINANCE, _CHROMINANCE)
        for row, column in _ZIGZAG
    )


def split_tables(data: bytes, precision: int) -> list[tuple[int, bytes]] | None:
    """Return the tables of a quantisation table header (§3.1.8), each with its precision; None if lengths lie.

    Bit i of `precision` says that table i has values of two bytes.
    """
    tables: list[tuple[int, bytes]] = []
    position = 0
    while position < len(data) and len(tables) < 4:
        wide = precision >> len(tables) & 1
        end = position + (128 if wide else 64)
        if end > len(data):
            return None
        tables.append((wide, data[position:end]))
        position = end
    return tables if tables and position == len(data) else None


def jpeg_header(
    width: int, height: int, vertical: int, restart_interval: int, tables: list[tuple[int, bytes]]
) -> bytes:
    """Return all of a picture that comes before its entropy-coded data (T.81 annex B).

    `vertical` is 1 for 4:2:2 (RFC 2435 type 0) and 2 for 4:2:0 (type 1). The first table is for luminance, the second,
    or the first if alone, for chrominance.
    """
    parts = [b"\xff\xd8"]
    for number, (wide, table) in enumerate(tables):
        parts.append(_segment(0xDB, bytes((wide << 4 | number,)) + table))
    if restart_interval:
        parts.append(_segment(0xDD, struct.pack(">H", restart_interval)))
    # Values of two bytes are not allowed in the baseline process: it is called extended then.
    frame = 0xC1 if any(wide for wide, _ in tables) else 0xC0
    chroma = min(1, len(tables) - 1)
    components = bytes((1, 0x20 | vertical, 0, 2, 0x11, chroma, 3, 0x11, chroma))
    parts.append(_segment(frame, struct.pack(">BHHB", 8, height, width, 3) + components))
    parts.append(_segment(0xC4, _HUFFMAN))
    parts.append(_segment(0xDA, bytes((3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0))))
    return b"".join(parts)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

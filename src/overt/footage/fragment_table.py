"""The table of a segment's records as the index keeps it: about 11 bytes a fragment instead of 32.

Each row of `overt.footage.format.TableRow` is written as variable-length integers (7 bits a byte, least significant
first, sign in the lowest bit) of what differs from what its predecessor leads one to expect: the offset follows from
the length before it, the start from the end before it, the message index counts up by one.
"""

from __future__ import annotations

from typing import Final

from overt.errors import CorruptError
from overt.footage.format import FRAME_SIZE, MAX_RECORDS, TableRow

VERSION: Final = 1
_FIRST: Final = TableRow(-FRAME_SIZE, 0, 0, 0, -1, 0, 0, 0)


def _append(out: bytearray, value: int) -> None:
    """Append one signed integer of at most 70 bits."""
    value = value << 1 if value >= 0 else (-value << 1) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def pack_table(rows: list[TableRow]) -> bytes:
    """Return the compact form of the rows."""
    out = bytearray((VERSION,))
    before = _FIRST
    for row in rows:
        _append(out, row.offset - before.offset - before.payload_length - FRAME_SIZE)
        _append(out, row.payload_length)
        _append(out, row.start_ns - before.start_ns - before.duration_ns)
        _append(out, row.duration_ns - before.duration_ns)
        _append(out, row.message - before.message - 1)
        out.append(row.type & 0x0F | row.flags << 4)
        _append(out, row.samples)
        before = row
    return bytes(out)


def unpack_table(data: bytes, where: str) -> list[TableRow]:
    """Read the compact form.

    Raises:
        CorruptError: if it is of another version, cut short, or too long; `where` names the row of the index.
    """
    if data[:1] != bytes((VERSION,)):
        msg = f"{where}: the index has a fragment table of an unknown version: run 'overt reconcile --repair'"
        raise CorruptError(msg)
    values: list[int] = []
    value = shift = 0
    for byte in data[1:]:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > 70:
                break
            continue
        values.append(value)
        value = shift = 0
    if shift or len(values) % 7 or len(values) > 7 * (MAX_RECORDS + 1):
        msg = f"{where}: the index has a damaged fragment table: run 'overt reconcile --repair'"
        raise CorruptError(msg)
    rows: list[TableRow] = []
    before = _FIRST
    for i in range(0, len(values), 7):
        offset, length, start, duration, message = (v >> 1 if not v & 1 else -((v + 1) >> 1) for v in values[i : i + 5])
        kind, samples = values[i + 5], values[i + 6] >> 1
        duration += before.duration_ns
        before = TableRow(
            before.offset + before.payload_length + FRAME_SIZE + offset,
            length,
            before.start_ns + before.duration_ns + start,
            duration,
            before.message + 1 + message,
            kind & 0x0F,
            kind >> 4,
            samples,
        )
        rows.append(before)
    return rows

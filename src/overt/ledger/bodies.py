"""Bundles of bodies: `bodies/N`, a line a leaf, 256 to a bundle, beside the tree and pruned without it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from overt.errors import CorruptError
from overt.ledger.leaves import PRUNED
from overt.ledger.tiles import WIDTH, bodies_path


def encode_bundle(lines: Iterable[bytes]) -> bytes:
    """Return the bytes of a bundle."""
    return b"".join(line + b"\n" for line in lines)


def decode_bundle(data: bytes) -> list[bytes]:
    """Return the lines of a bundle; one that is being written, and has no newline yet, is not among them."""
    return data.split(b"\n")[:-1]


def pruned(data: bytes, number: int, width: int, places: set[int]) -> tuple[bytes, int]:
    """Return bundle `number` without the bodies at some places, and how many were forgotten.

    Raises:
        CorruptError: it has fewer lines than the `width` leaves it is for.
    """
    lines = decode_bundle(data)[:width]
    if len(lines) < width:
        msg = f"{bodies_path(number)}: the body of leaf {number * WIDTH + len(lines)} is missing"
        raise CorruptError(msg)
    count = sum(lines[place] != PRUNED for place in places)
    kept = [PRUNED if place in places else line for place, line in enumerate(lines)]
    return encode_bundle(kept), count


@dataclass(frozen=True, slots=True)
class BodyTail:
    """The end of the last bundle, where the next body goes."""

    leaves: int = 0
    """Leaves that have a line."""
    length: int = 0
    """Bytes of the last bundle."""

    def grown(self, lines: Sequence[bytes]) -> tuple[Self, dict[str, tuple[int, bytes]]]:
        """Return the tail after further lines, and what to write: for each path an offset and the bytes there."""
        writes: dict[str, tuple[int, bytes]] = {}
        at, leaves, length = 0, self.leaves, self.length
        while at < len(lines):
            number, used = divmod(leaves, WIDTH)
            part = lines[at : at + WIDTH - used]
            data = encode_bundle(part)
            offset = length if used else 0
            writes[bodies_path(number)] = (offset, data)
            at, leaves, length = at + len(part), leaves + len(part), offset + len(data)
        return type(self)(leaves, length), writes

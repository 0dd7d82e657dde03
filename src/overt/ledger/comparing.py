"""Where two trees part: the first leaf that differs, found by comparing tiles from the top down."""

from __future__ import annotations

from overt.ledger.tiles import WIDTH, HashTiles


def first_difference(left: HashTiles, right: HashTiles, size: int) -> int | None:
    """Return the index of the first leaf among the first `size` by which two trees differ; None if there is none.

    Reads a few tiles of each level, not all of them. Both trees must have that many leaves. Where tiles contradict each
    other the upper ones lead.

    Raises:
        MissingError, UnavailableError, CorruptError: as reading tiles does.
    """
    start = 0
    while start < size:
        height = (size - start).bit_length() - 1  # Largest first, so that every one begins where it may.
        if left.subtree(start, start + (1 << height)) != right.subtree(start, start + (1 << height)):
            return _descend(left, right, start, height)
        start += 1 << height
    return None


def _descend(left: HashTiles, right: HashTiles, start: int, height: int) -> int:
    while height:
        height -= 1
        half = 1 << height
        if left.subtree(start, start + half) == right.subtree(start, start + half):
            start += half
    return start


def first_leaf_that_differs(left: HashTiles, right: HashTiles, size: int) -> int | None:
    """Return the same by reading every tile of leaf hashes: also where the tiles above were left as they had been.

    Raises:
        MissingError, UnavailableError, CorruptError: as reading tiles does.
    """
    for number in range((size + WIDTH - 1) // WIDTH):
        for at, (one, other) in enumerate(zip(left.hashes(0, number), right.hashes(0, number), strict=False)):
            if one != other and number * WIDTH + at < size:
                return number * WIDTH + at
    return None

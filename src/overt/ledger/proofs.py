"""Proofs of inclusion and of consistency: made as RFC 6962 §2.1.1 and §2.1.2 define them, checked as RFC 9162 §2.1.3.2
and §2.1.4.2 say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from overt.errors import InvalidError
from overt.ledger.merkle import EMPTY_ROOT, node_hash

MAX_PROOF: Final = 63
"""Hashes of the longest proof that is looked at (tlog-witness, “add-checkpoint”)."""

Subtree = Callable[[int, int], bytes]
"""Returns the root over the leaves [start, end), which are a perfect subtree: 2^k leaves, start a multiple of 2^k."""


def split(count: int) -> int:
    """Return the largest power of two below a number of leaves of two or more."""
    return 1 << (count - 1).bit_length() - 1


def range_root(start: int, end: int, subtree: Subtree) -> bytes:
    """Return the root over the leaves [start, end), where `start` is a multiple of the power of two it needs."""
    count = end - start
    if count == 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0:
        return subtree(start, end)
    middle = start + split(count)
    return node_hash(subtree(start, middle), range_root(middle, end, subtree))


def inclusion(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the audit path of a leaf, from its sibling up (RFC 6962 §2.1.1).

    Raises:
        InvalidError: there is no such leaf in a tree of this size.
    """
    if not 0 <= index < size:
        msg = f"leaf {index} is not in a tree of {size} leaves"
        raise InvalidError(msg)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            path.append(range_root(middle, end, subtree))
            end = middle
        else:
            path.append(range_root(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the first `old` leaves are those of the tree of `new` (RFC 6962 §2.1.2); empty from size 0.

    Raises:
        InvalidError: the older tree is the larger one.
    """
    if not 0 <= old <= new:
        msg = f"a tree of {new} leaves is not consistent with one of {old}: it is smaller"
        raise InvalidError(msg)
    if old in {0, new}:
        return []
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + split(end - start)
        if old <= middle:
            path.append(range_root(middle, end, subtree))
            end = middle
        else:
            path.append(range_root(start, middle, subtree))
            start, whole = middle, False
    if not whole:
        path.append(range_root(start, end, subtree))
    return path[::-1]


def root_of_inclusion(index: int, size: int, hashed_leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root that a leaf and its audit path lead to (RFC 9162 §2.1.3.2); compare it with the checkpoint's.

    Raises:
        InvalidError: the path is not as long as one in such a tree.
    """
    if not 0 <= index < size or len(path) > MAX_PROOF:
        msg = f"a path of {len(path)} hashes for leaf {index} in a tree of {size} leaves"
        raise InvalidError(msg)
    place, last, root = index, size - 1, hashed_leaf
    for sibling in path:
        if last == 0:
            msg = f"the path of leaf {index} in a tree of {size} leaves is too long"
            raise InvalidError(msg)
        if place & 1 or place == last:
            root = node_hash(sibling, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    if last:
        msg = f"the path of leaf {index} in a tree of {size} leaves is too short"
        raise InvalidError(msg)
    return root


def roots_of_consistency(old: int, new: int, old_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the two roots that a consistency proof leads to (RFC 9162 §2.1.4.2), for 0 < old < new.

    They are to be compared with the older and the newer checkpoint's.

    Raises:
        InvalidError: the proof is not as long as one between such trees.
    """
    if not 0 < old < new or len(path) > MAX_PROOF:
        msg = f"a proof of {len(path)} hashes from {old} to {new} leaves"
        raise InvalidError(msg)
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        msg = f"the proof from {old} to {new} leaves is empty"
        raise InvalidError(msg)
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            msg = f"the proof from {old} to {new} leaves is too long"
            raise InvalidError(msg)
        if place & 1 or place == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, each)
        place, last = place >> 1, last >> 1
    if last:
        msg = f"the proof from {old} to {new} leaves is too short"
        raise InvalidError(msg)
    return first, second


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that a tree grew from another one; a malformed proof shows nothing."""
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    if old == new:
        return not path and old_root == new_root
    try:
        return roots_of_consistency(old, new, old_root, path) == (old_root, new_root)
    except InvalidError:
        return False

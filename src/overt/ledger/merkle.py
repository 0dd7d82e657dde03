"""Merkle tree hash of RFC 6962 §2.1 (SHA-256), built one leaf at a time.

A leaf is hashed as SHA-256(0x00 ‖ data), a node as SHA-256(0x01 ‖ left ‖ right); the left subtree of a node holds the
largest power of two of leaves that is smaller than the number of leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from overt.errors import InvalidError

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""Root of the tree without leaves: the hash of the empty string (RFC 6962 §2.1)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf, SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleRange:
    """The tree over the leaves appended so far, kept as the roots of its perfect subtrees, largest first.

    Holds at most log2(leaves) + 1 hashes. Appending costs about two hashes on average. Not thread-safe.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        """Begin with the empty tree."""
        self._peaks: list[bytes] = []
        self._size = 0

    @classmethod
    def of_peaks(cls, size: int, peaks: Sequence[bytes]) -> MerkleRange:
        """Go on with a tree of `size` leaves, by the roots of its perfect subtrees, largest first.

        Raises:
            InvalidError: there is not one for each bit that is set in `size`.
        """
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != HASH_SIZE for peak in peaks):
            msg = f"a tree of {size} leaves has {size.bit_count()} perfect subtrees, got {len(peaks)}"
            raise InvalidError(msg)
        tree = cls()
        tree._peaks, tree._size = list(peaks), size
        return tree

    def copy(self) -> MerkleRange:
        """Return a tree that grows on by itself."""
        return MerkleRange.of_peaks(self._size, self._peaks)

    def __len__(self) -> int:
        """Return the number of leaves."""
        return self._size

    def append(self, hashed_leaf: bytes) -> None:
        """Add a leaf by its `leaf_hash`.

        Raises:
            InvalidError: if it is not 32 bytes long.
        """
        if len(hashed_leaf) != HASH_SIZE:
            msg = f"leaf {self._size}: a leaf hash has {HASH_SIZE} bytes, got {len(hashed_leaf)}"
            raise InvalidError(msg)
        peaks, size = self._peaks, self._size
        while size & 1:
            hashed_leaf = node_hash(peaks.pop(), hashed_leaf)
            size >>= 1
        peaks.append(hashed_leaf)
        self._size += 1

    def root(self) -> bytes:
        """Return the tree's root; the tree can grow on afterwards."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root

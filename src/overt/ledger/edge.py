"""The growing edge of a tree: all that is needed to add leaves, and the files that adding them makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from overt.errors import CorruptError, InvalidError
from overt.ledger.leaves import Leaf
from overt.ledger.merkle import MerkleRange, leaf_hash
from overt.ledger.tiles import (
    WIDTH,
    HashTiles,
    Source,
    decode_entries,
    encode_entries,
    entries_path,
    perfect_root,
    read_bundle,
    tile_path,
)


@dataclass(slots=True)
class HashEdge:
    """A tree of hashes by its right-hand edge. Not thread-safe; `grown` leaves it as it was."""

    tree: MerkleRange = field(default_factory=MerkleRange)
    levels: list[list[bytes]] = field(default_factory=lambda: [[]])
    """For each level the hashes of its last tile, which is partial or empty."""

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self.tree)

    def grown(self, hashes: Iterable[bytes]) -> tuple[Self, dict[str, bytes]]:
        """Return the edge after further leaves, and every hash tile that is new, by its path."""
        tree, levels = self.tree.copy(), [list(level) for level in self.levels]
        files: dict[str, bytes] = {}
        touched: set[int] = set()
        for hashed in hashes:
            tree.append(hashed)
            levels[0].append(hashed)
            touched.add(0)
            level = 0
            while len(levels[level]) == WIDTH:  # The tile is full; its root goes to the level above.
                files[tile_path(level, (len(tree) >> 8 * level) // WIDTH - 1)] = b"".join(levels[level])
                if level + 1 == len(levels):
                    levels.append([])
                levels[level + 1].append(perfect_root(levels[level]))
                levels[level].clear()
                level += 1
                touched.add(level)
        edge = type(self)(tree, levels)
        return edge, files | edge.partials(touched)

    def partials(self, levels: Iterable[int] | None = None) -> dict[str, bytes]:
        """Return the partial tiles at the edge by their paths; those of some levels alone."""
        return {
            tile_path(level, (self.size >> 8 * level) // WIDTH, len(self.levels[level])): b"".join(self.levels[level])
            for level in (range(len(self.levels)) if levels is None else levels)
            if self.levels[level]
        }

    @classmethod
    def read(cls, source: Source, size: int) -> Self:
        """Read the edge of a tree of `size` leaves from a few of its tiles.

        Raises:
            MissingError, UnavailableError: a tile is not there, or cannot be read.
            CorruptError: a tile is too short.
        """
        tiles = HashTiles(source, size)
        tree = MerkleRange.of_peaks(size, tiles.peaks())
        levels: list[list[bytes]] = []
        while not levels or size >> 8 * len(levels):
            number, width = divmod(size >> 8 * len(levels), WIDTH)
            levels.append(tiles.hashes(len(levels), number) if width else [])
        return cls(tree, levels)


@dataclass(slots=True)
class Edge:
    """A ledger's tree by its right-hand edge. Not thread-safe; `grown` leaves it as it was."""

    hashes: HashEdge = field(default_factory=HashEdge)
    entries: list[bytes] = field(default_factory=list)
    """The entries of the last bundle, which is partial or empty."""
    time_ns: int = 0
    """Time of the last leaf."""

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self.hashes.size

    def root(self) -> bytes:
        """Return the root of the tree."""
        return self.hashes.tree.root()

    def grown(self, envelopes: Sequence[bytes]) -> tuple[Self, dict[str, bytes]]:
        """Return the edge after further leaves, and every file of tiles and entries that is new, by its path."""
        hashes, files = self.hashes.grown(map(leaf_hash, envelopes))
        entries = [*self.entries, *envelopes]
        for number in range(self.size // WIDTH, hashes.size // WIDTH):
            files[entries_path(number)] = encode_entries(entries[:WIDTH])
            del entries[:WIDTH]
        time_ns = Leaf.parse(hashes.size - 1, envelopes[-1]).time_ns if envelopes else self.time_ns
        edge = type(self)(hashes, entries, time_ns)
        return edge, files | edge.partial_entries()

    def partial_entries(self) -> dict[str, bytes]:
        """Return the partial bundle of entries by its path, if there is one."""
        if not self.entries:
            return {}
        return {entries_path(self.size // WIDTH, len(self.entries)): encode_entries(self.entries)}

    def partials(self) -> dict[str, bytes]:
        """Return all partial tiles and bundles by their paths."""
        return self.hashes.partials() | self.partial_entries()

    @classmethod
    def read(cls, source: Source, size: int) -> Self:
        """Read the edge of a tree of `size` leaves from its files: a few tiles and one or two bundles.

        Raises:
            MissingError, UnavailableError: a file is not there, or cannot be read.
            CorruptError: a tile is too short, or the last entries are not what the last tile says.
            InvalidError: the last leaf is no envelope of ours.
        """
        hashes = HashEdge.read(source, size)
        entries = _entries_at(source, size, hashes.levels[0])
        time_ns = 0
        if size:
            last = entries[-1] if entries else decode_entries(source.read(entries_path(size // WIDTH - 1)))[-1]
            time_ns = Leaf.parse(size - 1, last).time_ns
        return cls(hashes, entries, time_ns)


def _entries_at(source: Source, size: int, hashes: list[bytes]) -> list[bytes]:
    """Return the entries of the last, partial bundle, checked against the hashes of the last tile."""
    number, width = divmod(size, WIDTH)
    if not width:
        return []
    path = entries_path(number, width)
    try:
        entries = decode_entries(read_bundle(source, entries_path(number), path))[:width]
    except InvalidError as error:
        msg = f"{source}: {path}: {error}"
        raise CorruptError(msg) from error
    for at in range(width):
        if at >= len(entries) or leaf_hash(entries[at]) != hashes[at]:
            what = "missing" if at >= len(entries) else "not the one that was hashed into the tree"
            msg = f"{source}: leaf {number * WIDTH + at} in {path} is {what}"
            raise CorruptError(msg)
    return entries

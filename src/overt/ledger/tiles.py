"""Tiles (C2SP tlog-tiles): where hashes and entries of a tree lie, and reading any root or proof from them.

A tile of level L holds up to 256 hashes, each over 256^L leaves; an entry bundle up to 256 entries. Bundles of bodies
are ours: they lie under `bodies/` and count like entry bundles.
"""

from __future__ import annotations

import re
import struct
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from overt.errors import CorruptError, InvalidError, MissingError, UnavailableError
from overt.ledger import proofs
from overt.ledger.merkle import HASH_SIZE, node_hash

WIDTH: Final = 256
MAX_LEVEL: Final = 7
"""A tree of 2⁶³ leaves has tiles up to this level."""
MAX_ENTRY: Final = (1 << 16) - 1
MAX_FILE: Final = 1 << 30
_LENGTH: Final = struct.Struct(">H")
_PATH: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_CACHED: Final = 512


def number_path(number: int) -> str:
    """Write the index of a tile in elements of three digits: 1234067 is `x001/x234/067`."""
    text = f"{number % 1000:03d}"
    while number := number // 1000:
        text = f"x{number % 1000:03d}/{text}"
    return text


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Return where a tile lies, below the log."""
    return f"tile/{level}/{number_path(number)}{_suffix(width)}"


def entries_path(number: int, width: int = WIDTH) -> str:
    """Return where an entry bundle lies, below the log."""
    return f"tile/entries/{number_path(number)}{_suffix(width)}"


def bodies_path(number: int) -> str:
    """Return where a bundle of bodies lies, below the ledger."""
    return f"bodies/{number_path(number)}"


def parse_path(path: str) -> tuple[int | None, int, int]:
    """Return level (None for entries), index and width that the path of a tile or entry bundle says.

    Raises:
        InvalidError: it is not the one lawful path of such a thing.
    """
    match = _PATH.fullmatch(path)
    if match is not None:
        level = None if match[1] == "entries" else int(match[1])
        number, width = int(re.sub(r"\D", "", match[2])), int(match[3] or WIDTH)
        lawful = entries_path(number, width) if level is None else tile_path(level, number, width)
        if path == lawful and (level or 0) < 64 and (match[3] is None or width < WIDTH):
            return level, number, width
    msg = f"{path[:200]!r} is not the path of a tile or an entry bundle"
    raise InvalidError(msg)


def _suffix(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"


def width_of(level: int, number: int, size: int) -> int:
    """Return how many hashes a tile has in a tree of `size` leaves, or entries a bundle (level 0); 0: there is none."""
    return max(0, min(WIDTH, (size >> 8 * level) - number * WIDTH))


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle.

    Raises:
        InvalidError: an entry is longer than 65,535 bytes.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            msg = f"an entry of {len(entry)} bytes does not fit into a bundle: at most {MAX_ENTRY}"
            raise InvalidError(msg)
        parts += (_LENGTH.pack(len(entry)), entry)
    return b"".join(parts)


def decode_entries(data: bytes) -> list[bytes]:
    """Read an entry bundle, full or partial.

    Raises:
        InvalidError: it ends within an entry, or has more than 256.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + (_LENGTH.unpack_from(data, at)[0] if at + 2 <= len(data) else len(data))
        if end > len(data) or len(entries) == WIDTH:
            msg = f"an entry bundle ends within entry {len(entries)}, or has too many"
            raise InvalidError(msg)
        entries.append(data[at + 2 : end])
        at = end
    return entries


class Source(Protocol):
    """Where the files of a log come from: a directory, a copy, a web server."""

    def read(self, path: str) -> bytes:
        """Return a file by its path below the log.

        Raises:
            MissingError: there is none.
            UnavailableError: it cannot be read now.
        """
        ...

    def __str__(self) -> str:
        """Name the log's place for a reader."""
        ...


class DirectorySource:
    """The files below a directory. Any number of threads may read."""

    def __init__(self, directory: Path) -> None:
        """Read below `directory`, which need not exist yet."""
        self.directory = directory

    def __str__(self) -> str:
        """Return the directory."""
        return str(self.directory)

    def read(self, path: str) -> bytes:
        """Return a file (`Source.read`)."""
        try:
            with (self.directory / path).open("rb") as file:
                data = file.read(MAX_FILE + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            msg = f"{self.directory / path} is not there"
            raise MissingError(msg) from error
        except OSError as error:
            msg = f"{self.directory / path} cannot be read: {error.strerror or error}"
            raise UnavailableError(msg) from error
        if len(data) > MAX_FILE:
            msg = f"{self.directory / path} is too large to be part of a ledger"
            raise CorruptError(msg)
        return data


def read_bundle(source: Source, whole: str, partial: str) -> bytes:
    """Return a file that is partial for the tree at hand; if it has made way for the full one, that.

    Raises:
        MissingError: there is neither.
        UnavailableError: it cannot be read now.
    """
    if whole == partial:
        return source.read(whole)
    try:
        return source.read(partial)
    except MissingError:
        return source.read(whole)


class HashTiles:
    """The hash tiles of a tree of `size` leaves: roots and proofs of that tree and of every smaller one.

    Tiles that were read are kept, the last few hundred of them. Not thread-safe. Every method raises MissingError,
    UnavailableError and CorruptError as reading tiles does.
    """

    def __init__(self, source: Source, size: int) -> None:
        """Read tiles of a tree of this size."""
        self.source, self.size = source, size
        self._tiles: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile, as many as the tree has.

        Raises:
            MissingError: neither the full tile nor the partial one is there.
            CorruptError: it is shorter than it must be.
        """
        key = (level, number)
        if key in self._tiles:
            self._tiles.move_to_end(key)
            return self._tiles[key]
        width = width_of(level, number, self.size)
        path = tile_path(level, number, width)
        data = read_bundle(self.source, tile_path(level, number), path)
        if len(data) < width * HASH_SIZE or len(data) % HASH_SIZE or len(data) > WIDTH * HASH_SIZE:
            msg = f"{self.source}: {path} has {len(data)} bytes instead of {width * HASH_SIZE}: {spoken(level, number)}"
            raise CorruptError(msg)
        self._tiles[key] = data[: width * HASH_SIZE]
        if len(self._tiles) > _CACHED:
            self._tiles.popitem(last=False)
        return self._tiles[key]

    def hashes(self, level: int, number: int) -> list[bytes]:
        """Return the hashes of a tile one by one."""
        data = self.tile(level, number)
        return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]

    def subtree(self, start: int, end: int) -> bytes:
        """Return the root over a perfect subtree (`overt.ledger.proofs.Subtree`) inside the tree."""
        if end > self.size:
            msg = f"{self.source}: leaves to {end} are asked for, and the tree has {self.size}"
            raise InvalidError(msg)
        height = (end - start).bit_length() - 1
        level = height // 8
        first = start >> 8 * level
        count = 1 << height - 8 * level
        number, at = divmod(first, WIDTH)
        data = self.tile(level, number)[at * HASH_SIZE : (at + count) * HASH_SIZE]
        return perfect_root([data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)])

    def leaf(self, index: int) -> bytes:
        """Return the hash of a leaf."""
        return self.subtree(index, index + 1)

    def peaks(self, size: int | None = None) -> list[bytes]:
        """Return the roots of the perfect subtrees of a tree, largest first."""
        size = self.size if size is None else size
        found, start = [], 0
        for bit in range(size.bit_length() - 1, -1, -1):
            if size >> bit & 1:
                found.append(self.subtree(start, start + (1 << bit)))
                start += 1 << bit
        return found

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree, or of a smaller one."""
        return proofs.range_root(0, self.size if size is None else size, self.subtree)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the audit path of a leaf (`overt.ledger.proofs.inclusion`)."""
        return proofs.inclusion(index, self.size if size is None else size, self.subtree)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof between two sizes (`overt.ledger.proofs.consistency`)."""
        return proofs.consistency(old, self.size if new is None else new, self.subtree)


def perfect_root(hashes: list[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def spoken(level: int, number: int) -> str:
    """Say which leaves a tile is about."""
    each = WIDTH ** (level + 1)
    return f"the tile of leaves {number * each} to {(number + 1) * each - 1}"

"""Opening a ledger: what the disk holds against what was signed, and the end of the last run put right.

Reads the edge of the tree and the journal, never all of it. A record torn by a crash was never acknowledged, and is
dropped; anything else that does not fit what was signed is refused, by the first leaf that is wrong.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from overt.errors import CorruptError, InvalidError, MissingError
from overt.ledger.bodies import decode_bundle, encode_bundle
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.edge import Edge
from overt.ledger.journal import Journal, Record
from overt.ledger.note import VerifierKey
from overt.ledger.tiles import (
    WIDTH,
    DirectorySource,
    HashTiles,
    bodies_path,
    entries_path,
    perfect_root,
    tile_path,
    width_of,
)

CHECKPOINT: Final = "checkpoint"


@dataclass(slots=True)
class Opened:
    """A ledger as it is found."""

    edge: Edge
    checkpoint: SignedCheckpoint
    lines: list[bytes]
    """Bodies of the last, partial bundle."""
    files: dict[str, bytes] = field(default_factory=dict)
    """What must be written before the files stand as the journal says."""


def recover(directory: Path, journal: Journal, key: VerifierKey) -> Opened:
    """Read what the last run left.

    Raises:
        CorruptError: the disk holds less than a signed checkpoint covers, or another tree, or what another key signed.
        MissingError: there is no checkpoint and no journal.
        UnavailableError: something cannot be read.
    """
    source = DirectorySource(directory)
    records = journal.read()
    published = _published(source, key, bool(records))
    if published is not None and records and _end(records[-1]) < published.size:
        records = []  # Older than what was published after it: the files must hold all by themselves.
    if records:
        base = records[0].start
    elif published is not None:
        base = published.size
    else:
        msg = f"{source}/{CHECKPOINT} is not there"
        raise MissingError(msg)
    edge = _edge(source, base)
    _require_whole(directory, base)
    if published is not None and published.size <= base:
        _require_root(source, base, published)
    opened = _replayed(source, key, edge, records, published)
    for path, data in opened.edge.partials().items():
        if not (directory / path).is_file():
            opened.files[path] = data
    _require_bodies(source, opened, base, records)
    return opened


def _published(source: DirectorySource, key: VerifierKey, journal_has_records: bool) -> SignedCheckpoint | None:
    """Return the checkpoint that stands in the directory; None if a power cut took it and the journal has a newer."""
    try:
        data = source.read(CHECKPOINT)
    except MissingError:
        data = b""
    if not data.strip(b"\0") and journal_has_records:
        return None
    if not data:
        msg = f"{source}/{CHECKPOINT} is missing: without it nothing says how many leaves there must be"
        raise CorruptError(msg)
    try:
        published = SignedCheckpoint.parse(data)
        published.require_log_key([key])
    except (InvalidError, CorruptError) as error:
        msg = f"{source}/{CHECKPOINT}: {error}"
        raise CorruptError(msg) from error
    return published


def _edge(source: DirectorySource, size: int) -> Edge:
    try:
        return Edge.read(source, size)
    except MissingError as error:
        msg = f"a signed checkpoint covers {size} leaves, and not all of them are there: {error}"
        raise CorruptError(msg) from error
    except InvalidError as error:
        msg = f"{source}: {error}"
        raise CorruptError(msg) from error


def _require_whole(directory: Path, size: int) -> None:
    """See that every full tile and bundle is there, without reading any."""
    for level in range(8):
        tiles = size >> 8 * (level + 1)
        for number in _absent(directory, [tile_path(level, number) for number in range(tiles)]):
            first = number * WIDTH ** (level + 1)
            msg = f"{directory / tile_path(level, number)} is missing; the tile begins with leaf {first}"
            raise CorruptError(msg)
    for number in _absent(directory, [entries_path(number) for number in range(size // WIDTH)]):
        first = number * WIDTH
        msg = f"{directory / entries_path(number)} is missing, and with it leaves {first} to {first + WIDTH - 1}"
        raise CorruptError(msg)


def _absent(directory: Path, paths: list[str]) -> list[int]:
    """Return the numbers of paths that are not there; each folder is listed once."""
    listed: dict[str, set[str]] = {}
    absent = []
    for number, path in enumerate(paths):
        folder, _, name = path.rpartition("/")
        if folder not in listed:
            there = directory / folder
            listed[folder] = {each.name for each in there.iterdir()} if there.is_dir() else set()
        if name not in listed[folder]:
            absent.append(number)
    return absent


def _require_root(source: DirectorySource, base: int, published: SignedCheckpoint) -> None:
    root = HashTiles(source, base).root(published.size)
    if root != published.root:
        msg = (
            f"{source}: the {published.size} leaves on the disk are not those that the checkpoint was signed over: "
            f"{_contradiction(source, base)}"
        )
        raise CorruptError(msg)


def _contradiction(source: DirectorySource, size: int) -> str:
    """Say which tile at the edge of the tree is not what the tiles below make it; for an error's message."""
    tiles = HashTiles(source, size)
    for level in range(1, 8):
        count = size >> 8 * level
        if count == 0:
            break
        number = (count - 1) // WIDTH
        path = tile_path(level, number, width_of(level, number, size))
        for at, due in enumerate(tiles.hashes(level, number)):
            below = number * WIDTH + at
            if perfect_root(tiles.hashes(level - 1, below)) != due:
                first = below * WIDTH**level
                return (
                    f"hash {at} of {path} is not what {tile_path(level - 1, below)} makes it, so that tile or a leaf "
                    f"from {first} on was altered"
                )
    return (
        "the tiles at its end agree with each other, so more than one was altered; overt ledger verify names the first "
        "leaf that differs, given an older copy or a witness's mirror"
    )


def _replayed(
    source: DirectorySource,
    key: VerifierKey,
    edge: Edge,
    records: list[Record],
    published: SignedCheckpoint | None,
) -> Opened:
    """Add the journal's leaves to the edge, each record under its own signed checkpoint."""
    files: dict[str, bytes] = {}
    last, met = published, published is None or published.size <= edge.size
    for record in records:
        where = f"{source}/journal: the record of leaf {record.start}"
        if record.start != edge.size:
            msg = f"{where} does not continue the tree, which has {edge.size} leaves"
            raise CorruptError(msg)
        try:
            signed = SignedCheckpoint.parse(record.checkpoint)
            signed.require_log_key([key])
            edge, added = edge.grown(record.envelopes)
        except (InvalidError, CorruptError) as error:
            msg = f"{where}: {error}"
            raise CorruptError(msg) from error
        if (signed.size, signed.root) != (edge.size, edge.root()):
            msg = f"{where} and those before it are not what its checkpoint was signed over"
            raise CorruptError(msg)
        if published is not None and published.size == edge.size:
            met = published.root == edge.root()
        files |= added
        last = signed
    if not met or last is None:
        size = published.size if published else 0
        msg = f"{source}: the published checkpoint of {size} leaves is of another tree than the journal's"
        raise CorruptError(msg)
    if published is not None and last.size == published.size:
        last = published  # It may carry cosignatures besides.
    return Opened(edge, last, [], files)


def _require_bodies(source: DirectorySource, opened: Opened, base: int, records: list[Record]) -> None:
    """Complete the bundles of bodies from the journal; those of the last, partial bundle are kept for the writer."""
    number, width = divmod(base, WIDTH)
    lines: list[bytes] = []
    data = b""
    if width:
        with contextlib.suppress(MissingError):
            data = source.read(bodies_path(number))
        lines = decode_bundle(data)[:width]
        if len(lines) < width:
            msg = f"{source}/{bodies_path(number)}: the body of leaf {number * WIDTH + len(lines)} is missing"
            raise CorruptError(msg)
    for record in records:
        for line in record.lines:
            lines.append(line)
            if len(lines) == WIDTH:
                opened.files[bodies_path(number)] = encode_bundle(lines)
                lines, number = [], number + 1
    opened.lines = lines
    if lines and (records or data != encode_bundle(lines)):
        opened.files[bodies_path(number)] = encode_bundle(lines)


def _end(record: Record) -> int:
    return record.start + len(record.envelopes)

"""A copy of a ledger as it stood under one checkpoint, taken while another process writes it: for backups."""

from __future__ import annotations

import shutil
from pathlib import Path

from overt.errors import CorruptError, UnavailableError
from overt.ledger.bodies import decode_bundle, encode_bundle
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.marker import MARKER, read_marker
from overt.ledger.reader import LedgerReader
from overt.ledger.recovery import CHECKPOINT
from overt.ledger.tiles import (
    WIDTH,
    DirectorySource,
    HashTiles,
    bodies_path,
    encode_entries,
    entries_path,
    tile_path,
    width_of,
)


def copy(source: Path, target: Path) -> SignedCheckpoint:
    """Copy a ledger into a directory that is not there yet; return the checkpoint that the copy stands under.

    `Ledger` opens the copy with the same key. Leaves that are written meanwhile are not in it.

    Raises:
        MissingError: the source is no ledger.
        CorruptError: something of it is not what a ledger holds.
        UnavailableError: the disk refuses.
    """
    marker = read_marker(source)
    reader = LedgerReader(source, [marker.key])
    signed = reader.checkpoint
    tiles, files = HashTiles(DirectorySource(source), signed.size), DirectorySource(source)

    def put(path: str, data: bytes) -> None:
        whole = target / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(data)

    try:
        level = 0
        while hashes := signed.size >> 8 * level:
            for number in range(-(-hashes // WIDTH)):
                put(tile_path(level, number, width_of(level, number, signed.size)), tiles.tile(level, number))
            level += 1
        for number in range(-(-signed.size // WIDTH)):
            width = width_of(0, number, signed.size)
            put(entries_path(number, width), encode_entries(reader.envelopes(number)))
            bodies = decode_bundle(files.read(bodies_path(number)))[:width]
            if len(bodies) < width:
                msg = f"{source}: the body of leaf {number * WIDTH + len(bodies)} is missing"
                raise CorruptError(msg)
            put(bodies_path(number), encode_bundle(bodies))
        put(CHECKPOINT, signed.encode())
        shutil.copyfile(source / MARKER, target / MARKER)
    except OSError as error:
        msg = f"{target}: cannot be written: {error.strerror or error}"
        raise UnavailableError(msg) from error
    return signed

"""The marker of a storage location: a small file that tells this disk from another one mounted in its place."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.errors import ConflictError, CorruptError, InvalidError, MissingError, UnavailableError
from overt.footage.faults import disk_sentence
from overt.footage.layout import MARKER, SEGMENTS
from overt.ids import new_id

FORMAT: Final = 1
MAX_MARKER: Final = 4096
_HARMLESS: Final = frozenset({"lost+found", ".Trash-0", f".{MARKER}.new"})
"""What may lie in a directory that is still called empty."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose footage lies here. All locations of one store share `site` and `store`."""

    site: UUID
    store: UUID
    location: UUID


def read_marker(directory: Path) -> Marker:
    """Read the marker of a location.

    Raises:
        MissingError: if there is none: the disk is not mounted, or it is another one.
        CorruptError: if it cannot be understood.
        InvalidError: if it is of a later format.
        UnavailableError: if the disk refuses to read it.
    """
    path = directory / MARKER
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MARKER)
    except (FileNotFoundError, NotADirectoryError) as error:
        msg = f"{directory}: no {MARKER} here: the disk is not mounted, or this is another directory"
        raise MissingError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be read: {disk_sentence(error.errno)}"
        raise UnavailableError(msg) from error
    try:
        value = json.loads(data)
        if value["format"] > FORMAT:
            msg = f"{path}: footage directory of format {value['format']}; this program knows {FORMAT}"
            raise InvalidError(msg)
        return Marker(UUID(value["site"]), UUID(value["store"]), UUID(value["location"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: this marker cannot be understood; restore it from a backup"
        raise CorruptError(msg) from error


def create_location(directory: Path, site: UUID, store: UUID | None = None) -> Marker:
    """Make an empty directory a storage location and return its marker; `store` None makes it a new store's main one.

    Raises:
        ConflictError: if the directory holds other things, or footage already.
        UnavailableError: if the disk refuses.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = sorted(entry.name for entry in directory.iterdir() if entry.name not in _HARMLESS)
        if found:
            msg = f"{directory}: not empty ({', '.join(found[:3])}): footage goes into a directory of its own"
            raise ConflictError(msg)
        marker = Marker(site, store or new_id(), new_id())
        value = {
            "format": FORMAT,
            "site": str(marker.site),
            "store": str(marker.store),
            "location": str(marker.location),
        }
        (directory / SEGMENTS).mkdir()
        fresh = directory / f".{MARKER}.new"
        with fresh.open("w", encoding="ascii") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(directory / MARKER)
        sync_directory(directory)
    except OSError as error:
        msg = f"{directory}: cannot become a storage location: {disk_sentence(error.errno)}"
        raise UnavailableError(msg) from error
    return marker


def sync_directory(directory: Path) -> None:
    """Make the entries of a directory survive a power cut.

    Raises:
        OSError: if the disk refuses.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

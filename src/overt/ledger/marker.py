"""`ledger.json`: what a directory is, whose ledger, and under which key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overt.errors import CorruptError, InvalidError, MissingError
from overt.ledger.leaves import time_text
from overt.ledger.note import VerifierKey
from overt.new_file import read_small, write_new

MARKER: Final = "ledger.json"
FORMAT: Final = "overt ledger"
VERSION: Final = 1
MAX_FILE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Marker:
    """The ledger's name (the origin of its checkpoints, and the name of its key) and public key."""

    key: VerifierKey
    created: str

    @property
    def origin(self) -> str:
        """First line of its checkpoints."""
        return self.key.name


def write_marker(directory: Path, key: VerifierKey, now_ns: int) -> Marker:
    """Write the marker of a new ledger, durably.

    Raises:
        ConflictError: there is one.
        UnavailableError: the disk refuses.
    """
    marker = Marker(key, time_text(now_ns))
    value = {"format": FORMAT, "version": VERSION, "key": str(key), "created": marker.created}
    write_new(directory / MARKER, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n", 0o644)
    return marker


def read_marker(directory: Path) -> Marker:
    """Read a ledger's marker.

    Raises:
        MissingError: the directory is no ledger.
        UnavailableError: it cannot be read.
        CorruptError: it is not what it should be.
    """
    path = directory / MARKER
    try:
        data = read_small(path, MAX_FILE, "marker of a ledger")
    except MissingError as error:
        msg = f"{directory} is no ledger: it has no {MARKER}"
        raise MissingError(msg) from error
    return parse_marker(data, str(path))


def parse_marker(data: bytes, where: str) -> Marker:
    """Read a marker's bytes; `where` names them.

    Raises:
        CorruptError: they are not what they should be.
    """
    try:
        value = json.loads(data)
        if value["format"] != FORMAT or value["version"] != VERSION:
            msg = f"{where}: a ledger of another kind or version ({value['format']!r}, {value['version']!r})"
            raise InvalidError(msg)
        return Marker(VerifierKey.parse(value["key"]), str(value["created"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidError) as error:
        msg = f"{where} is not the marker of a ledger: {error}"
        raise CorruptError(msg) from error

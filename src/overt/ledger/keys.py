"""Signing keys of ledgers and witnesses: a secret line in a file that its owner alone may read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from overt.errors import CorruptError, InvalidError
from overt.ledger.note import ED25519, NoteSigner
from overt.new_file import read_small, write_new

MAX_FILE: Final = 4096


def create_key(path: Path, name: str, kind: int = ED25519) -> NoteSigner:
    """Make a key and keep it in a new file, mode 0600.

    Raises:
        ConflictError: the file exists.
        InvalidError: the name is no name for a key.
        MissingError, UnavailableError: the file cannot be written.
    """
    signer = NoteSigner.generate(name, kind)
    write_new(path, signer.encode().encode() + b"\n", 0o600)
    return signer


def read_key(path: Path) -> NoteSigner:
    """Read a key file.

    Raises:
        MissingError: there is none.
        UnavailableError: it cannot be read.
        CorruptError: it is not what it should be.
    """
    data = read_small(path, MAX_FILE, "signing key")
    try:
        return NoteSigner.parse(data.decode().removesuffix("\n"))
    except (InvalidError, UnicodeDecodeError) as error:
        msg = f"{path}: {error}"
        raise CorruptError(msg) from error

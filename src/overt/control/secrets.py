"""The control room's own keys: files in `DATA/secrets`, made at its first start, readable by its user alone.

They open no footage. `session.key` signs cookies and links, `credentials.key` encrypts the passwords of cameras in the
database, `grant.key` signs grants, `ledger.key` signs the ledger.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from overt.errors import ConflictError, CorruptError, InvalidError
from overt.ledger.note import NoteSigner
from overt.new_file import read_small, write_new

SESSION_KEY: Final = "session.key"
CREDENTIALS_KEY: Final = "credentials.key"
GRANT_KEY: Final = "grant.key"
LEDGER_KEY: Final = "ledger.key"
MAX_FILE: Final = 4096


def session_key(directory: Path) -> str:
    """Return the key of cookies and links; raises as `_kept`."""
    return _kept(directory / SESSION_KEY, lambda: secrets.token_urlsafe(48).encode()).decode()


def credentials_cipher(directory: Path) -> Fernet:
    """Return what encrypts and opens the passwords of cameras (Fernet: AES-128-CBC and HMAC-SHA256)."""
    path = directory / CREDENTIALS_KEY
    try:
        return Fernet(_kept(path, Fernet.generate_key))
    except ValueError as error:
        raise CorruptError(f"{path} is no key: restore it from a backup") from error


def grant_key(directory: Path) -> Ed25519PrivateKey:
    """Return the key that signs grants; raises as `_kept`, and CorruptError if the file holds something else."""
    path = directory / GRANT_KEY

    def fresh() -> bytes:
        return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    try:
        key = load_pem_private_key(_kept(path, fresh), None)
    except ValueError as error:
        raise CorruptError(f"{path} is no key: restore it from a backup") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CorruptError(f"{path} is a key of another kind: restore it from a backup")
    return key


def ledger_signer(directory: Path, name: str) -> NoteSigner:
    """Return the key that signs the ledger; made now, it is called `name` with random letters.

    Raises:
        CorruptError: the file holds something else. And as `_kept`.
    """
    path = directory / LEDGER_KEY
    try:
        text = _kept(path, lambda: NoteSigner.generate(f"{name}/{secrets.token_hex(8)}").encode().encode())
        return NoteSigner.parse(text.decode().strip())
    except (InvalidError, UnicodeDecodeError) as error:
        raise CorruptError(f"{path} is no key of a ledger: restore it from a backup") from error


def grant_public_key(directory: Path) -> bytes:
    """Return the public half of the key that signs grants: 32 raw bytes, which the recorder is told."""
    return grant_key(directory).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@functools.lru_cache(maxsize=16)
def _read(path: Path) -> bytes:
    return read_small(path, MAX_FILE, "key of the control room")


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return a file's bytes; a file that is not there is made first.

    Raises:
        UnavailableError: the disk refuses.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with contextlib.suppress(ConflictError):  # another process of ours was quicker
            write_new(path, make(), 0o600)
    return _read(path)

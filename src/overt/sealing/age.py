"""Age files under a passphrase (age-encryption.org/v1, scrypt recipient, armoured), typed.

Each call takes about a second: the work factor is chosen for this machine so that guessing is slow.
"""

from __future__ import annotations

from typing import Final

import pyrage  # type: ignore[import-untyped]  # compiled, without stubs; typed here

from overt.errors import ForbiddenError

ARMOUR: Final = "-----BEGIN AGE ENCRYPTED FILE-----"


def seal(secret: bytes, passphrase: str) -> str:
    """Return an armoured age file that the passphrase opens."""
    armoured: bytes = pyrage.passphrase.encrypt(secret, passphrase, armored=True)
    return armoured.decode("ascii")


def unseal(armoured: str, passphrase: str) -> bytes:
    """Return what is in an age file.

    Raises:
        ForbiddenError: if the passphrase does not open it, or the file was altered: the two cannot be told apart.
    """
    try:
        secret: bytes = pyrage.passphrase.decrypt(armoured.encode("utf-8"), passphrase)
    except pyrage.DecryptError as error:
        raise ForbiddenError(str(error)) from error
    return secret


def seal_bytes(content: bytes, passphrase: str) -> bytes:
    """Return a file's content as a binary age file that the passphrase opens."""
    sealed: bytes = pyrage.passphrase.encrypt(content, passphrase)
    return sealed


def open_bytes(sealed: bytes, passphrase: str, what: str) -> bytes:
    """Open what `seal_bytes` made; `what` names it in messages.

    Raises:
        ForbiddenError: the passphrase is wrong, or it was altered.
    """
    try:
        content: bytes = pyrage.passphrase.decrypt(sealed, passphrase)
    except pyrage.DecryptError as error:
        msg = f"{what} is not opened by this passphrase, or was altered, or is no such file"
        raise ForbiddenError(msg) from error
    return content

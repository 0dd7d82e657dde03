"""Age files under a passphrase (age-encryption.org/v1, scrypt recipient, armoured), typed.

Each call takes about a second: the work factor is chosen for this machine so that guessing is slow. The library
measures the machine at an opening too, and refuses a file that would keep it busy far longer. When the machine has
much else to do at that moment, it takes its own files for such: so what it refuses is tried again.
"""

from __future__ import annotations

from typing import Final

import pyrage  # type: ignore[import-untyped]  # compiled, without stubs; typed here
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from overt.errors import ForbiddenError, UnavailableError

TOO_SLOW: Final = "Excessive work"
"""How the library begins such a refusal."""
ATTEMPTS: Final = 10
ARMOUR: Final = "-----BEGIN AGE ENCRYPTED FILE-----"


def seal(secret: bytes, passphrase: str) -> str:
    """Return an armoured age file that the passphrase opens."""
    armoured: bytes = pyrage.passphrase.encrypt(secret, passphrase, armored=True)
    return armoured.decode("ascii")


def unseal(armoured: str, passphrase: str) -> bytes:
    """Return what is in an age file.

    Raises:
        ForbiddenError: if the passphrase does not open it, or the file was altered: the two cannot be told apart.
        UnavailableError: the machine is too busy, or too slow, to try the passphrase.
    """
    try:
        return _opened(armoured.encode("utf-8"), passphrase)
    except pyrage.DecryptError as error:
        raise ForbiddenError(str(error)) from error


def seal_bytes(content: bytes, passphrase: str) -> bytes:
    """Return a file's content as a binary age file that the passphrase opens."""
    sealed: bytes = pyrage.passphrase.encrypt(content, passphrase)
    return sealed


def open_bytes(sealed: bytes, passphrase: str, what: str) -> bytes:
    """Open what `seal_bytes` made; `what` names it in messages.

    Raises:
        ForbiddenError: the passphrase is wrong, or it was altered.
        UnavailableError: the machine is too busy, or too slow, to try the passphrase.
    """
    try:
        return _opened(sealed, passphrase)
    except pyrage.DecryptError as error:
        msg = f"{what} is not opened by this passphrase, or was altered, or is no such file"
        raise ForbiddenError(msg) from error


@retry(
    retry=retry_if_exception_type(UnavailableError),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_random(0.2, 1.0),
    reraise=True,
)
def _opened(sealed: bytes, passphrase: str) -> bytes:
    """Return what is in an age file.

    Raises:
        pyrage.DecryptError: it is not opened.
        UnavailableError: the library refused for the work that it expects, before it tried the passphrase.
    """
    try:
        content: bytes = pyrage.passphrase.decrypt(sealed, passphrase)
    except pyrage.DecryptError as error:
        if not str(error).startswith(TOO_SLOW):
            raise
        msg = "this machine is too busy, or too slow, to try the passphrase just now: try again when it has less to do"
        raise UnavailableError(msg) from error
    return content

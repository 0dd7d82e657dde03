"""Passwords of cameras: encrypted in the database, opened only for the message to the recorder, never shown again."""

from __future__ import annotations

from typing import Final

from cryptography.fernet import InvalidToken
from django.conf import settings
from pydantic import SecretStr

from overt.contract.assignment import split_credentials
from overt.control.secrets import credentials_cipher
from overt.errors import CorruptError

MAX_PASSWORD: Final = 200
KEPT: Final = "********"
"""What stands for a password that is there."""


def sealed(text: str) -> str:
    """Encrypt a text with the control room's own key; nothing (no password) stays nothing."""
    return credentials_cipher(settings.CONTROL.secrets).encrypt(text.encode()).decode() if text else ""


def revealed(text: str) -> SecretStr:
    """Return what `sealed` has encrypted.

    Raises:
        CorruptError: it was encrypted with another key.
    """
    if not text:
        return SecretStr("")
    try:
        return SecretStr(credentials_cipher(settings.CONTROL.secrets).decrypt(text).decode())
    except InvalidToken as error:
        msg = (
            "a password in the database was encrypted with another key than that in secrets/credentials.key: restore "
            "that file from the backup of this database, or give the password anew"
        )
        raise CorruptError(msg) from error


def bare(url: str) -> tuple[str, str, SecretStr]:
    """Split an address into itself without credentials, user name, and password (empty where there are none)."""
    address, user, password = split_credentials(url.strip())
    return address, user or "", SecretStr(password or "")

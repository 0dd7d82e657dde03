"""Age files for X25519 recipients (age-encryption.org/v1): sealed to one, and how many a file has."""

from __future__ import annotations

import base64
import re
from typing import Final

import pyrage  # type: ignore[import-untyped]  # compiled, without stubs; typed here

from overt.errors import InvalidError
from overt.sealing.age import ARMOUR

_ARMOUR_END: Final = "-----END AGE ENCRYPTED FILE-----"
_STANZA: Final = re.compile(rb"-> X25519 [A-Za-z0-9+/]{43}")
_GREASE: Final = re.compile(rb"-> \S*-grease( |$)")
MAX_RECIPIENTS: Final = 256


def seal_to(content: bytes, recipient: str) -> str:
    """Return an armoured age file that whoever has a recipient's identity opens.

    Raises:
        InvalidError: it is no recipient (`age1…`).
    """
    try:
        sealed: bytes = pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(recipient)], armored=True)
    except pyrage.RecipientError as error:
        msg = f"this is no age recipient: {error}"
        raise InvalidError(msg) from error
    return sealed.decode("ascii")


def recipients_in(armoured: str) -> int:
    """Return how many X25519 recipients an armoured age file has, by its header (age-encryption.org/v1).

    Raises:
        InvalidError: it is no such file, or one with other recipients.
    """
    lines = armoured.strip().splitlines()
    if len(lines) < 3 or lines[0] != ARMOUR or lines[-1] != _ARMOUR_END:
        msg = "this is no armoured age file"
        raise InvalidError(msg)
    try:
        data = base64.b64decode("".join(lines[1:-1]), validate=True)
    except ValueError as error:
        msg = "this is no armoured age file: between its two lines is no base64"
        raise InvalidError(msg) from error
    header, found, _ = data.partition(b"\n---")
    first, *rest = header.split(b"\n")
    stanzas = [each for each in rest if each.startswith(b"-> ")]
    # A stanza with a random name is put in by writers on purpose, and stands for nobody (age specification, "grease").
    theirs = [each for each in stanzas if _STANZA.fullmatch(each)]
    others = [each for each in stanzas if not _STANZA.fullmatch(each) and not _GREASE.match(each)]
    if first != b"age-encryption.org/v1" or not found or others or not 1 <= len(theirs) <= MAX_RECIPIENTS:
        msg = "this is no age file for X25519 recipients alone"
        raise InvalidError(msg)
    return len(theirs)

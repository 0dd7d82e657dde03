"""Recovery codes: 32 characters that a person writes on paper, and types back years later.

28 characters of Crockford's base 32 are random (140 bits), 4 are a checksum (20 bits of SHA-256). Written in eight
groups of four. The code as written, hyphens included, is the passphrase of an age file.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from overt.errors import InvalidError

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no I, L, O and U."""
RANDOM_LENGTH: Final = 28
LENGTH: Final = 32
GROUP: Final = 4

_TYPED: Final = str.maketrans(
    {"O": "0", "I": "1", "L": "1", "-": None, " ": None, "\t": None, "\u2013": None, "_": None}
)


def new_recovery_code() -> str:
    """Return a fresh code in its written form, `XXXX-XXXX-…`."""
    return _written("".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH)))


def parse_recovery_code(typed: str) -> str:
    """Return the written form of a code as a person typed it: any case and spacing, O for 0, I or L for 1.

    Raises:
        InvalidError: if characters are missing, foreign or mistyped; the message says which group where it can.
    """
    code = typed.strip().upper().translate(_TYPED)
    for position, character in enumerate(code):
        if character not in ALPHABET:
            msg = f"recovery code: {character!r} in group {position // GROUP + 1} is not used in recovery codes"
            raise InvalidError(msg)
    if len(code) != LENGTH:
        msg = f"recovery code: it has {LENGTH} characters in {LENGTH // GROUP} groups of {GROUP}, got {len(code)}"
        raise InvalidError(msg)
    written = _written(code[:RANDOM_LENGTH])
    if written.replace("-", "") != code:
        msg = "recovery code: the checksum does not fit, so a character was mistyped: compare it group by group"
        raise InvalidError(msg)
    return written


def _written(random_part: str) -> str:
    """Append the checksum and set the groups."""
    number = int.from_bytes(hashlib.sha256(b"overt recovery code v1" + random_part.encode("ascii")).digest()[:3], "big")
    checksum = "".join(ALPHABET[number >> shift & 31] for shift in (19, 14, 9, 4))
    code = random_part + checksum
    return "-".join(code[i : i + GROUP] for i in range(0, LENGTH, GROUP))

"""Roles and their keys: whom the recorder seals to, and who can open.

A role is `custodian`, or a second person for four eyes. Its key pair is X25519; its key id is the first 8 bytes of
SHA-256 of the public key, written as 16 hexadecimal digits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from overt.errors import InvalidError
from overt.ids import checked_name

Policy = Literal["single", "four-eyes"]
"""Whether one role opens footage, or two must act together."""

PUBLIC_KEY_SIZE: Final = 32
MAX_SITE_NAME: Final = 200


def key_id(public_key: bytes) -> str:
    """Return the 16 hexadecimal digits by which a role's key is named."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def fingerprint(public_key: bytes) -> str:
    """Return SHA-256 of a public key in groups of four digits, to be compared by eye or read out."""
    digits = hashlib.sha256(public_key).hexdigest()
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def checked_site_name(name: str) -> str:
    """Return a site's name, as people write it, without surrounding blanks.

    Raises:
        InvalidError: if it is empty, longer than `MAX_SITE_NAME`, or has control characters.
    """
    name = name.strip()
    if not 1 <= len(name) <= MAX_SITE_NAME or not name.isprintable():
        msg = f"a site's name has 1 to {MAX_SITE_NAME} printable characters, got {name[:MAX_SITE_NAME]!r}"
        raise InvalidError(msg)
    return name


@dataclass(frozen=True, slots=True)
class Recipient:
    """A role's public key: all that a recorder knows of it."""

    role: str
    public_key: bytes

    def __post_init__(self) -> None:
        """Refuse what is no role or no key."""
        checked_name(self.role, "role")
        if len(self.public_key) != PUBLIC_KEY_SIZE:
            msg = f"role {self.role}: an X25519 public key has {PUBLIC_KEY_SIZE} bytes, got {len(self.public_key)}"
            raise InvalidError(msg)

    @property
    def key_id(self) -> str:
        """The 16 digits that name the key."""
        return key_id(self.public_key)

    def loaded(self) -> X25519PublicKey:
        """Return the key as an object that HPKE takes."""
        return X25519PublicKey.from_public_bytes(self.public_key)


@dataclass(frozen=True, slots=True)
class Recipients:
    """The public side of a site: who can open what its recorders seal. One role, or two for four eyes."""

    site_id: UUID
    site: str
    recipients: tuple[Recipient, ...]

    def __post_init__(self) -> None:
        """Refuse none, more than two, and one role or key given twice."""
        if len(self.recipients) not in {1, 2}:
            msg = f"site {self.site}: one role opens footage, or two together; got {len(self.recipients)}"
            raise InvalidError(msg)
        first, last = self.recipients[0], self.recipients[-1]
        if first is not last and (first.role == last.role or first.public_key == last.public_key):
            msg = f"site {self.site}: four eyes need two roles with a key each, got {first.role} and {last.role}"
            raise InvalidError(msg)

    @property
    def policy(self) -> Policy:
        """`single` with one role, `four-eyes` with two."""
        return "single" if len(self.recipients) == 1 else "four-eyes"


@dataclass(frozen=True, slots=True)
class RoleKey:
    """A role's private key in memory. Its `repr` does not show it."""

    site_id: UUID
    site: str
    role: str
    created: datetime
    private_key: X25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.private_key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        """The 16 digits that name the key."""
        return key_id(self.public_key)

    @property
    def recipient(self) -> Recipient:
        """The public side."""
        return Recipient(self.role, self.public_key)

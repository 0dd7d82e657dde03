"""Keyrings: a role's private keys in an armoured age file that security keys, or a paper recovery, open.

A keyring is made and opened in the page where the security key is touched. Here it is opened with the paper recovery,
by which footage is read without a browser. The format is docs/formats/keyring.md. No thread and no module state.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import pyrage  # type: ignore[import-untyped]  # compiled, without stubs; typed here
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overt.errors import CorruptError, ForbiddenError, InvalidError, MissingError
from overt.ids import checked_name
from overt.sealing import age
from overt.sealing.recipients_file import first_complaint
from overt.sealing.roles import RoleKey, key_id

FORMAT: Final = "overt role keyring"
MAX_ARMOURED: Final = 128 * 1024
"""Characters of the age file."""
MAX_KEYS: Final = 256
IDENTITY_LENGTH: Final = 74
IDENTITY_PREFIX: Final = "AGE-SECRET-KEY-1"

_END: Final = "-----END AGE ENCRYPTED FILE-----"
_STANZA: Final = b"-> X25519 "
_HEADER_END: Final = b"\n--- "
_BLANK: Final = re.compile(r"\s+")


class _Key(BaseModel):
    """One key, as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key_id: Annotated[str, Field(pattern=r"\A[0-9a-f]{16}\z")]
    private_key: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z", repr=False)]
    created: Annotated[
        str,
        Field(
            pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\z"
        ),
    ]


class _Keyring(BaseModel):
    """What is inside the age file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["overt role keyring"]
    version: Literal[1]
    site_id: Annotated[str, Field(pattern=r"\A[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\z")]
    role: str
    keys: Annotated[list[_Key], Field(min_length=1, max_length=MAX_KEYS)]


@dataclass(frozen=True, slots=True)
class HeldKey:
    """One private key of a role. Its `repr` does not show it."""

    created: datetime
    private_key: X25519PrivateKey = field(repr=False)

    @property
    def key_id(self) -> str:
        """The 16 digits that name the key."""
        return key_id(self.private_key.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of a role, newest last: after a change of keys the older ones still open older footage."""

    site_id: UUID
    role: str
    keys: tuple[HeldKey, ...]

    def __post_init__(self) -> None:
        """Refuse none, too many, one twice, and what is no role."""
        checked_name(self.role, "role")
        if not 1 <= len(self.keys) <= MAX_KEYS or len({each.key_id for each in self.keys}) != len(self.keys):
            msg = f"keyring of role {self.role}: it holds 1 to {MAX_KEYS} different keys, got {len(self.keys)}"
            raise InvalidError(msg)

    def role_key(self, site: str, wanted: str | None = None) -> RoleKey:
        """Return one key as the key of a role: the newest, or the one with id `wanted`. `site` is the site's name.

        Raises:
            MissingError: if it is not in the keyring.
        """
        for held in reversed(self.keys):
            if wanted in {None, held.key_id}:
                return RoleKey(self.site_id, site, self.role, held.created, held.private_key)
        there = ", ".join(each.key_id for each in self.keys)
        msg = f"keyring of role {self.role}: key {wanted} is not in it; it holds {there}"
        raise MissingError(msg)

    def encode(self) -> bytes:
        """Return what is sealed."""
        model = _Keyring(
            format="overt role keyring",
            version=1,
            site_id=str(self.site_id),
            role=self.role,
            keys=[
                _Key(
                    key_id=each.key_id,
                    private_key=each.private_key.private_bytes_raw().hex(),
                    created=each.created.isoformat().replace("+00:00", "Z"),
                )
                for each in self.keys
            ],
        )
        return model.model_dump_json().encode()


def parse_keyring(plaintext: bytes) -> Keyring:
    """Read what an opened keyring holds.

    Raises:
        InvalidError: if it is no keyring, of another version, or contradicts itself. No message repeats a key.
    """
    try:
        model = _Keyring.model_validate_json(plaintext)
    except ValidationError as error:
        msg = f"not a role's keyring: {first_complaint(error)}"
        raise InvalidError(msg) from None  # the cause shows what was read
    held: list[HeldKey] = []
    for position, each in enumerate(model.keys):
        try:
            created = datetime.fromisoformat(each.created)
        except ValueError as error:
            msg = f"not a role's keyring: keys.{position}.created: {error}"
            raise InvalidError(msg) from error
        held.append(HeldKey(created, X25519PrivateKey.from_private_bytes(bytes.fromhex(each.private_key))))
        if held[-1].key_id != each.key_id:
            msg = f"keyring of role {model.role}: key_id {each.key_id} is not that of its private key"
            raise InvalidError(msg)
    return Keyring(UUID(model.site_id), model.role, tuple(held))


def tidy_recovery(typed: str) -> str:
    """Return a recovery secret as a person typed it: any case, blanks and line ends.

    Raises:
        InvalidError: if characters are missing or mistyped. The message does not repeat it.
    """
    secret = _BLANK.sub("", typed).upper()
    if not secret.startswith(IDENTITY_PREFIX):
        msg = f"recovery secret: it begins with {IDENTITY_PREFIX}: copy the whole line from the paper"
        raise InvalidError(msg)
    if len(secret) != IDENTITY_LENGTH:
        msg = f"recovery secret: it has {IDENTITY_LENGTH} characters, got {len(secret)}"
        raise InvalidError(msg)
    _identity(secret)
    return secret


def recipient_of(identity: str) -> str:
    """Return `age1…` of `AGE-SECRET-KEY-1…`.

    Raises:
        InvalidError: if it is no age identity.
    """
    return str(_identity(identity).to_public())


def checked_recipient(recipient: str) -> str:
    """Return the recipient of a security key or a paper recovery, if it is one.

    Raises:
        InvalidError: if it is no X25519 recipient of age.
    """
    _recipient(recipient)
    return recipient


def seal_keyring(keyring: Keyring, recipients: Sequence[str]) -> str:
    """Return an armoured age file that each of the recipients opens.

    Raises:
        InvalidError: if there is none, or one of them is no recipient.
    """
    if not recipients:
        msg = f"keyring of role {keyring.role}: it is sealed to at least one security key"
        raise InvalidError(msg)
    armoured: bytes = pyrage.encrypt(keyring.encode(), [_recipient(each) for each in recipients], armored=True)
    return armoured.decode("ascii")


def open_keyring(armoured: str, identity: str) -> Keyring:
    """Open a keyring with an age identity: a paper recovery, or what a security key's PRF gave.

    Raises:
        InvalidError: if it is no armoured age file, the identity is none, or what it opens is no keyring.
        ForbiddenError: if it is not sealed to this identity, or was altered: the two cannot be told apart.
    """
    loaded = _identity(identity)
    _checked_armour(armoured)
    try:
        plaintext: bytes = pyrage.decrypt(armoured.strip().encode("ascii"), [loaded])
    except pyrage.DecryptError as error:
        msg = f"the keyring does not open with this secret: it is sealed to others, or was altered ({error})"
        raise ForbiddenError(msg) from error
    return parse_keyring(plaintext)


def seal_to(content: bytes, recipient: str) -> str:
    """Return an armoured age file that one recipient opens: how somebody shows that they have its identity.

    Raises:
        InvalidError: it is no recipient.
    """
    armoured: bytes = pyrage.encrypt(content, [_recipient(recipient)], armored=True)
    return armoured.decode("ascii")


def recipient_count(armoured: str) -> int:
    """Return to how many X25519 recipients an age file says that it is sealed, without opening it.

    A hint for whoever stores keyrings: the number tells of a security key that was left out, and proves nothing.

    Raises:
        InvalidError: if it is no armoured age file.
        CorruptError: if it has no header.
    """
    _checked_armour(armoured)
    lines = armoured.strip().splitlines()[1:-1]
    try:
        content = base64.b64decode("".join(lines), validate=True)
    except (binascii.Error, ValueError) as error:
        msg = f"keyring: its armour is damaged: {error}"
        raise CorruptError(msg) from error
    header, end, _ = content.partition(_HEADER_END)
    if not end or not header.startswith(b"age-encryption.org/v1\n"):
        msg = "keyring: there is no age header of version 1 in its armour"
        raise CorruptError(msg)
    return sum(line.startswith(_STANZA) for line in header.split(b"\n"))


def _checked_armour(armoured: str) -> None:
    """Refuse what is no armoured age file, before anything is decoded."""
    text = armoured.strip()
    if len(armoured) > MAX_ARMOURED or not (text.isascii() and text.startswith(age.ARMOUR) and text.endswith(_END)):
        msg = "this is no keyring: it is no armoured age file, or too long for one"
        raise InvalidError(msg)


def _identity(secret: str) -> pyrage.x25519.Identity:
    """Load an age identity."""
    try:
        return pyrage.x25519.Identity.from_str(secret)
    except pyrage.IdentityError:
        msg = "the secret was mistyped: its checksum does not fit; compare it with the paper, character by character"
        raise InvalidError(msg) from None


def _recipient(recipient: str) -> pyrage.x25519.Recipient:
    """Load an age recipient."""
    try:
        return pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError as error:
        msg = f"{recipient[:80]!r} is not the recipient of a security key (age1...)"
        raise InvalidError(msg) from error

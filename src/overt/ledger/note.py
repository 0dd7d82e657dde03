"""Signed notes and verifier keys (C2SP signed-note): text under Ed25519 signatures of named keys.

```
text, ending in a newline

— key name base64(key id ‖ signature)
```
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from overt.errors import CorruptError, InvalidError
from overt.ledger import base64text

ED25519: Final = 0x01
"""Signature type: Ed25519 over the note's text (signed-note, “Signature types”)."""
COSIGNATURE: Final = 0x04
"""Signature type: a witness's cosignature with its time (tlog-cosignature)."""
MAX_NOTE: Final = 256 * 1024
MAX_SIGNATURES: Final = 128
MAX_NAME: Final = 255
KEY_SIZE: Final = 32
PRIVATE_PREFIX: Final = "PRIVATE+KEY+"
_SIGNATURE: Final = re.compile(r"— (\S+) (\S+)")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


def checked_key_name(name: str) -> str:
    """Return the name of a key, if it is lawful.

    Raises:
        InvalidError: it is empty, too long, or holds a space, a plus sign or a control character.
    """
    if not name or len(name) > MAX_NAME or "+" in name or any(c.isspace() or not c.isprintable() for c in name):
        msg = f"{name[:80]!r} is no name for a key: 1 to {MAX_NAME} characters, no spaces, no '+'"
        raise InvalidError(msg)
    return name


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key by its name and type; as text a *vkey*: `name+key id+base64(type ‖ key)`."""

    name: str
    kind: int
    public: bytes
    """32 bytes (RFC 8032)."""

    def __post_init__(self) -> None:
        """Refuse unlawful names, unknown types and keys of another length."""
        checked_key_name(self.name)
        if self.kind not in {ED25519, COSIGNATURE} or len(self.public) != KEY_SIZE:
            msg = f"key {self.name}: neither an Ed25519 key (type 1) nor a witness's (type 4) of {KEY_SIZE} bytes"
            raise InvalidError(msg)

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name ‖ newline ‖ type ‖ key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """Return the vkey."""
        return f"{self.name}+{self.key_id.hex()}+{base64text.encode(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey.

        Raises:
            InvalidError: it is malformed, of an unknown type, or its id is not that of its key.
        """
        parts = text.split("+", 2)
        if len(parts) != 3:
            msg = f"{text[:80]!r} is no verifier key: it looks like example.org/ledger+1a2b3c4d+AXk..."
            raise InvalidError(msg)
        name, key_id, key = parts
        data = base64text.decode(key, f"the key in verifier key {name[:80]!r}")
        if len(data) != KEY_SIZE + 1:
            msg = f"verifier key {name[:80]!r}: the key has {len(data)} bytes instead of {KEY_SIZE + 1}"
            raise InvalidError(msg)
        parsed = cls(name, data[0], data[1:])
        if key_id.lower() != parsed.key_id.hex():
            msg = f"verifier key {name!r}: its id is not that of its key ({parsed.key_id.hex()}): mistyped?"
            raise InvalidError(msg)
        return parsed

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether 64 bytes are this key's Ed25519 signature of a message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note: whose, and the bytes; what they mean depends on the key's type."""

    name: str
    key_id: bytes
    blob: bytes

    def __str__(self) -> str:
        """Return the line without its newline."""
        return f"— {self.name} {base64text.encode(self.key_id + self.blob)}"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Read a line without its newline.

        Raises:
            InvalidError: it is malformed.
        """
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            msg = f"{line[:80]!r} is no signature line: '— name base64'"
            raise InvalidError(msg)
        name = checked_key_name(match[1])
        data = base64text.decode(match[2], f"the signature of {name}")
        if len(data) < 5:
            msg = f"the signature of {name} has {len(data)} bytes: fewer than a key id and one byte"
            raise InvalidError(msg)
        return cls(name, data[:4], data[4:])

    def is_of(self, key: VerifierKey) -> bool:
        """Tell whether it names this key (which does not yet say that it verifies)."""
        return self.name == key.name and self.key_id == key.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures. Believe nothing of it before `signed_by` returned."""

    text: str
    """With its final newline."""
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Return the note as it is stored and sent."""
        return "".join([self.text, "\n", *(f"{each}\n" for each in self.signatures)]).encode()

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Read a note.

        Raises:
            InvalidError: it is malformed, or has more than `MAX_SIGNATURES` signatures.
        """
        if len(data) > MAX_NOTE:
            msg = f"a note of {len(data)} bytes is longer than {MAX_NOTE}"
            raise InvalidError(msg)
        try:
            whole = data.decode()
        except UnicodeDecodeError as error:
            msg = f"a note is UTF-8; byte {error.start} is not"
            raise InvalidError(msg) from error
        if found := _CONTROL.search(whole):
            msg = f"a note has no control characters; character {found.start()} is one"
            raise InvalidError(msg)
        split = whole.rfind("\n\n")
        if split < 0 or not whole.endswith("\n"):
            msg = "a note is a text, an empty line, and signature lines that each end in a newline"
            raise InvalidError(msg)
        lines = whole[split + 2 :].split("\n")[:-1]
        if not 0 < len(lines) <= MAX_SIGNATURES:
            msg = f"a note has 1 to {MAX_SIGNATURES} signatures; this one has {len(lines)}"
            raise InvalidError(msg)
        return cls(whole[: split + 1], tuple(Signature.parse(line) for line in lines))

    def with_signatures(self, more: Iterable[Signature]) -> Note:
        """Return the note with further signatures; one of a key that signed already takes the older one's place."""
        kept = {(each.name, each.key_id): each for each in (*self.signatures, *more)}
        return Note(self.text, tuple(kept.values()))

    def signed_by(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Return those of some keys of type `ED25519` that signed the note; signatures of others are ignored.

        Raises:
            CorruptError: a line claims to be of one of the keys and does not verify.
        """
        message, found = self.text.encode(), []
        for key in keys:
            for signature in self.signatures:
                if key.kind != ED25519 or not signature.is_of(key):
                    continue
                if not key.verifies(signature.blob, message):
                    msg = f"the signature of {key.name} ({key.key_id.hex()}) is false: altered, or forged"
                    raise CorruptError(msg)
                found.append(key)
                break
        return found


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A private key by its name and type. As text a line in the form that Go's `sumdb/note` made common."""

    name: str
    kind: int
    private: Ed25519PrivateKey

    def __post_init__(self) -> None:
        """Refuse unlawful names."""
        checked_key_name(self.name)

    @classmethod
    def generate(cls, name: str, kind: int = ED25519) -> NoteSigner:
        """Make a key."""
        return cls(name, kind, Ed25519PrivateKey.generate())

    @property
    def verifier(self) -> VerifierKey:
        """The public key."""
        return VerifierKey(self.name, self.kind, self.private.public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        """Sign a note's text (type `ED25519`).

        Raises:
            InvalidError: the key is a witness's.
        """
        if self.kind != ED25519:
            msg = f"{self.name} is a witness's key: it cosigns, and signs nothing else"
            raise InvalidError(msg)
        return Signature(self.name, self.verifier.key_id, self.private.sign(text.encode()))

    def __repr__(self) -> str:
        """Name the key without showing it."""
        return f"NoteSigner({self.name!r})"

    def encode(self) -> str:
        """Return the secret line: `PRIVATE+KEY+name+key id+base64(type ‖ seed)`."""
        verifier = self.verifier
        secret = base64text.encode(bytes([self.kind]) + self.private.private_bytes_raw())
        return f"{PRIVATE_PREFIX}{self.name}+{verifier.key_id.hex()}+{secret}"

    @classmethod
    def parse(cls, text: str) -> NoteSigner:
        """Read a secret line.

        Raises:
            InvalidError: it is malformed; nothing of the secret is in the message.
        """
        parts = text.removeprefix(PRIVATE_PREFIX).split("+", 2)
        if not text.startswith(PRIVATE_PREFIX) or len(parts) != 3:
            msg = f"no signing key: it begins with {PRIVATE_PREFIX}"
            raise InvalidError(msg)
        name, key_id, secret = parts
        data = base64text.decode(secret, "the signing key", KEY_SIZE + 1)
        signer = cls(name, data[0], Ed25519PrivateKey.from_private_bytes(data[1:]))
        if signer.verifier.key_id.hex() != key_id:
            msg = f"the signing key of {name!r} is damaged: its id does not fit"
            raise InvalidError(msg)
        return signer

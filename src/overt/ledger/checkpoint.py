"""Checkpoints (C2SP tlog-checkpoint): the size and root of a tree, as the text of a signed note."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from overt.errors import CorruptError, InvalidError
from overt.ledger import base64text
from overt.ledger.merkle import EMPTY_ROOT, HASH_SIZE
from overt.ledger.note import Note, NoteSigner, VerifierKey

MAX_SIZE: Final = (1 << 63) - 1
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def read_decimal(text: str, what: str) -> int:
    """Read a tree size or an index: ASCII digits without leading zeros, below 2⁶³.

    Raises:
        InvalidError: it is anything else; the message names `what`.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        msg = f"{what} {text[:40]!r} is not a decimal number without leading zeros"
        raise InvalidError(msg)
    return int(text)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself at one moment: who it is, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the note's text."""
        lines = (self.origin, str(self.size), base64text.encode(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text.

        Raises:
            InvalidError: it is malformed, or of an empty tree with another root than that.
        """
        if not text.endswith("\n"):
            msg = "a checkpoint's last line ends in a newline"
            raise InvalidError(msg)
        lines = text[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            msg = "a checkpoint has three lines or more, none of them empty: origin, size, root"
            raise InvalidError(msg)
        size = read_decimal(lines[1], "the tree size")
        root = base64text.decode(lines[2], "the root hash", HASH_SIZE)
        if size == 0 and root != EMPTY_ROOT:
            msg = "a checkpoint of a tree without leaves has another root than such a tree"
            raise InvalidError(msg)
        return cls(lines[0], size, root, tuple(lines[3:]))


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and the note it came in."""

    checkpoint: Checkpoint
    note: Note

    @property
    def size(self) -> int:
        """Leaves of the tree."""
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        """Root of the tree."""
        return self.checkpoint.root

    def encode(self) -> bytes:
        """Return the note as it is stored and sent."""
        return self.note.encode()

    @classmethod
    def parse(cls, data: bytes) -> SignedCheckpoint:
        """Read a note with a checkpoint in it, without looking at signatures.

        Raises:
            InvalidError: it is malformed.
        """
        note = Note.parse(data)
        return cls(Checkpoint.parse(note.text), note)

    def require_log_key(self, keys: Sequence[VerifierKey]) -> VerifierKey:
        """Return the key of the log that signed; one is enough.

        Raises:
            CorruptError: none of the keys signed, a signature of one is false, or the origin is not the key's name.
        """
        signed = self.note.signed_by(keys)
        if not signed:
            wanted = ", ".join(f"{key.name} ({key.key_id.hex()})" for key in keys) or "none"
            found = ", ".join(f"{each.name} ({each.key_id.hex()})" for each in self.note.signatures)
            msg = f"the checkpoint of {self.checkpoint.origin!r} is signed by {found}, not by the right key: {wanted}"
            raise CorruptError(msg)
        for key in signed:
            if key.name == self.checkpoint.origin:
                return key
        msg = f"{signed[0].name} signed a checkpoint of {self.checkpoint.origin!r}: a log signs its own alone"
        raise CorruptError(msg)


def sign(checkpoint: Checkpoint, signer: NoteSigner) -> SignedCheckpoint:
    """Return a checkpoint signed by its log.

    Raises:
        InvalidError: the key has another name than the log's origin.
    """
    if signer.name != checkpoint.origin:
        msg = f"the key {signer.name!r} does not sign for {checkpoint.origin!r}"
        raise InvalidError(msg)
    text = checkpoint.text()
    return SignedCheckpoint(checkpoint, Note(text, (signer.sign(text),)))

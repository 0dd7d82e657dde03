"""A proof that travels alone (C2SP tlog-proof): one leaf, its body, its path, and the checkpoint with its signatures.

The proof's `extra` line holds what the leaf was made of, as canonical JSON: `{"body": {...}, "leaf": "envelope",
"salt": "base64"}`; a body that was pruned, or is withheld, is absent with its salt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from overt.errors import CorruptError, InvalidError
from overt.ledger import base64text, canonical, proofs
from overt.ledger.checkpoint import SignedCheckpoint, read_decimal
from overt.ledger.cosignature import Cosignature, cosigned_by
from overt.ledger.leaves import SALT_SIZE, Body, Leaf
from overt.ledger.merkle import HASH_SIZE, leaf_hash
from overt.ledger.note import VerifierKey

FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
SUFFIX: Final = ".tlog-proof"
MAX_FILE: Final = 2 << 20


@dataclass(frozen=True, slots=True)
class Proof:
    """That a leaf stands at an index under a signed checkpoint; nothing of it is believed before `verify`."""

    index: int
    envelope: bytes
    body: Body | None
    path: tuple[bytes, ...]
    checkpoint: SignedCheckpoint

    def encode(self) -> bytes:
        """Return the file."""
        extra: dict[str, object] = {"leaf": self.envelope.decode()}
        if self.body is not None:
            extra |= {"body": self.body.value(), "salt": base64text.encode(self.body.salt)}
        lines = [
            FIRST_LINE,
            f"extra {base64text.encode(canonical.encode(extra))}",
            f"index {self.index}",
            *(base64text.encode(each) for each in self.path),
        ]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint.encode()

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """Read a file.

        Raises:
            InvalidError: it is malformed, or a proof about something else than a leaf of ours.
        """
        if len(data) > MAX_FILE:
            msg = f"{len(data)} bytes are too many for a proof"
            raise InvalidError(msg)
        head, found, note = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            msg = "a proof begins with lines of ASCII"
            raise InvalidError(msg) from error
        if not found or lines[0] != FIRST_LINE:
            msg = f"this is no proof: it does not begin with {FIRST_LINE}"
            raise InvalidError(msg)
        if len(lines) < 3 or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
            msg = "a proof about a leaf of an Overt ledger has the lines 'extra' and 'index'"
            raise InvalidError(msg)
        index = read_decimal(lines[2].removeprefix("index "), "the index")
        path = tuple(base64text.decode(line, "a hash of the path", HASH_SIZE) for line in lines[3:])
        envelope, body = _extra(base64text.decode(lines[1].removeprefix("extra "), "the extra line"))
        return cls(index, envelope, body, path, SignedCheckpoint.parse(note))

    def verify(
        self, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey] = (), quorum: int | None = None
    ) -> Proved:
        """Check everything with nothing but public keys; return what is proved.

        Args:
            keys: the ledger's keys.
            witnesses: keys of witnesses whose cosignatures count.
            quorum: how many of them must have cosigned; all if None.

        Raises:
            CorruptError: it proves nothing; the message says why.
        """
        self.checkpoint.require_log_key(keys)
        try:
            root = proofs.root_of_inclusion(self.index, self.checkpoint.size, leaf_hash(self.envelope), self.path)
            leaf = Leaf.parse(self.index, self.envelope)
        except InvalidError as error:
            msg = f"the proof is not what it should be: {error}"
            raise CorruptError(msg) from error
        if root != self.checkpoint.root:
            msg = f"{leaf} is not in the tree that the checkpoint was signed over: the leaf or the proof was altered"
            raise CorruptError(msg)
        if self.body is not None and self.body.commitment != leaf.commitment:
            msg = f"{leaf} stands in the ledger, but with another body than this one: the body was altered"
            raise CorruptError(msg)
        cosigned = cosigned_by(self.checkpoint.note, witnesses)
        needed = len(witnesses) if quorum is None else quorum
        if len(cosigned) < needed:
            msg = (
                f"{len(cosigned)} of the given witnesses cosigned the checkpoint of this proof, and {needed} must have"
            )
            raise CorruptError(msg)
        return Proved(self.checkpoint.checkpoint.origin, self.checkpoint.size, leaf, self.body, tuple(cosigned))


@dataclass(frozen=True, slots=True)
class Proved:
    """What a proof shows."""

    origin: str
    size: int
    """Leaves of the tree that the leaf stands in."""
    leaf: Leaf
    body: Body | None
    cosigned: tuple[Cosignature, ...]


def _extra(data: bytes) -> tuple[bytes, Body | None]:
    value = canonical.decode(data)
    if not isinstance(value, dict) or not isinstance(value.get("leaf"), str):
        msg = "the extra line of the proof does not hold a leaf"
        raise InvalidError(msg)
    envelope = value["leaf"].encode()
    if set(value) == {"leaf"}:
        return envelope, None
    salt, body = value.get("salt"), value.get("body")
    if set(value) != {"body", "leaf", "salt"} or not isinstance(salt, str) or not isinstance(body, dict):
        msg = "the extra line of the proof holds something else than leaf, body and salt"
        raise InvalidError(msg)
    return envelope, Body(base64text.decode(salt, "the salt", SALT_SIZE), canonical.encode(body))

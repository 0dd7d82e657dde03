"""The messages between a log and a witness (C2SP tlog-witness, “add-checkpoint”)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from overt.errors import InvalidError
from overt.ledger import base64text
from overt.ledger.checkpoint import SignedCheckpoint, read_decimal
from overt.ledger.merkle import HASH_SIZE
from overt.ledger.note import MAX_NOTE, MAX_SIGNATURES, Signature
from overt.ledger.proofs import MAX_PROOF

PATH: Final = "add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
"""Media type of the answer that tells which tree the witness cosigned last."""
MAX_BODY: Final = MAX_NOTE + 8192


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A log asks for a cosignature: its checkpoint, and the proof from the one that the witness cosigned last."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: SignedCheckpoint

    def encode(self) -> bytes:
        """Return the body of the request."""
        lines = [f"old {self.old_size}", *(base64text.encode(each) for each in self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint.encode()

    @classmethod
    def parse(cls, data: bytes) -> AddCheckpoint:
        """Read the body of a request.

        Raises:
            InvalidError: it is malformed.
        """
        head, found, note = data[:MAX_BODY].partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            msg = "the request begins with lines of ASCII"
            raise InvalidError(msg) from error
        if not found or len(data) > MAX_BODY or not lines[0].startswith("old "):
            msg = "the request is the line 'old SIZE', the hashes of a proof, an empty line, and a checkpoint"
            raise InvalidError(msg)
        if len(lines) - 1 > MAX_PROOF:
            msg = f"a consistency proof has {MAX_PROOF} hashes at most; this one has {len(lines) - 1}"
            raise InvalidError(msg)
        old = read_decimal(lines[0].removeprefix("old "), "the old size")
        proof = tuple(base64text.decode(line, "a hash of the proof", HASH_SIZE) for line in lines[1:])
        return cls(old, proof, SignedCheckpoint.parse(note))


def encode_answer(lines: Sequence[Signature]) -> bytes:
    """Return the body of a witness's answer."""
    return "".join(f"{line}\n" for line in lines).encode()


def parse_answer(data: bytes) -> list[Signature]:
    """Read the body of a witness's answer; whose the lines are is for `overt.ledger.cosigned.verified_lines` to say.

    Raises:
        InvalidError: it is malformed.
    """
    try:
        lines = data[:MAX_NOTE].decode().split("\n")
    except UnicodeDecodeError as error:
        msg = "a witness's answer is UTF-8"
        raise InvalidError(msg) from error
    if len(data) > MAX_NOTE or lines.pop() or not 0 < len(lines) <= MAX_SIGNATURES:
        msg = "a witness answers with signature lines that each end in a newline"
        raise InvalidError(msg)
    return [Signature.parse(line) for line in lines]

"""Cosignatures of witnesses (C2SP tlog-cosignature, Ed25519 v1): who saw a consistent checkpoint, and when."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from overt.errors import CorruptError, InvalidError
from overt.ledger.note import COSIGNATURE, Note, NoteSigner, Signature, VerifierKey

_STAMP: Final = struct.Struct(">Q")
_SIZE: Final = _STAMP.size + 64
MAX_TIME: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that verified."""

    key: VerifierKey
    time_s: int
    """When the witness signed, by its own clock: seconds since the Unix epoch."""


def message(text: str, time_s: int) -> bytes:
    """Return what a witness signs: two lines, then the whole text of the checkpoint (“Ed25519 signed message”)."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def cosign(signer: NoteSigner, text: str, time_s: int) -> Signature:
    """Return a witness's signature line for a checkpoint's text.

    Raises:
        InvalidError: the key is not a witness's.
    """
    if signer.kind != COSIGNATURE:
        msg = f"{signer.name} is not a witness's key: make one with overt witness init"
        raise InvalidError(msg)
    signature = signer.private.sign(message(text, time_s))
    return Signature(signer.name, signer.verifier.key_id, _STAMP.pack(time_s) + signature)


def cosigned_by(note: Note, keys: Iterable[VerifierKey]) -> list[Cosignature]:
    """Return the cosignatures of some witnesses' keys under a note; those of others are ignored.

    Raises:
        CorruptError: a line claims to be of one of the keys and does not verify.
    """
    found = []
    for key in keys:
        for signature in note.signatures:
            if key.kind != COSIGNATURE or not signature.is_of(key):
                continue
            if len(signature.blob) != _SIZE:
                msg = f"the cosignature of {key.name} has {len(signature.blob)} bytes instead of {_SIZE}"
                raise CorruptError(msg)
            (time_s,) = _STAMP.unpack_from(signature.blob)
            if time_s > MAX_TIME or not key.verifies(signature.blob[_STAMP.size :], message(note.text, time_s)):
                msg = f"the cosignature of {key.name} ({key.key_id.hex()}) is false: altered, or forged"
                raise CorruptError(msg)
            found.append(Cosignature(key, time_s))
            break
    return found

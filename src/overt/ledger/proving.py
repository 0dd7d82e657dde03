"""Making a proof that travels alone: of the leaves of a ledger's directory, under the checkpoint that proves most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from overt.errors import MissingError
from overt.ledger import cosigned
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.cosignature import cosigned_by
from overt.ledger.note import VerifierKey
from overt.ledger.proof_file import Proof
from overt.ledger.reader import LedgerReader


def prove(
    reader: LedgerReader,
    directory: Path,
    index: int,
    *,
    with_body: bool = True,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int | None = None,
) -> Proof:
    """Return the proof of a leaf.

    It stands under the newest checkpoint that covers the leaf and was cosigned (by `quorum` of the `witnesses`, all if
    None; by anybody, if none are given), or else under the newest one.

    Raises:
        MissingError: there is no such leaf; its body is gone; or no checkpoint that covers it was cosigned so.
        CorruptError: something is not what a ledger holds.
        UnavailableError: something cannot be read.
    """
    envelope = reader.envelope(index)
    body = reader.body(index) if with_body else None
    signed = _checkpoint(reader, directory, index, witnesses, len(witnesses) if quorum is None else quorum)
    return Proof(index, envelope, body, tuple(reader.inclusion(index, signed.size)), signed)


def _checkpoint(
    reader: LedgerReader, directory: Path, index: int, witnesses: Sequence[VerifierKey], needed: int
) -> SignedCheckpoint:
    newest = reader.checkpoint
    for size in reversed(cosigned.sizes(directory)):
        if not index < size <= reader.size:
            continue
        signed = cosigned.read(directory, size)
        signed.require_log_key(reader.keys)
        if len(cosigned_by(signed.note, witnesses)) >= needed:
            return signed
    if len(cosigned_by(newest.note, witnesses)) >= needed:
        return newest
    msg = f"no checkpoint that covers leaf {index} was cosigned by {needed} of the given witnesses yet: ask them first"
    raise MissingError(msg)

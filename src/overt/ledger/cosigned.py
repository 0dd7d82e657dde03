"""Checkpoints that witnesses cosigned, kept beside the ledger: `cosigned/SIZE`, one note a tree size.

They are evidence of when leaves existed, and are never removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from overt.errors import CorruptError, ForbiddenError, InvalidError, MissingError
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.cosignature import Cosignature, cosigned_by
from overt.ledger.files import FILE_MODE, FOLDER_MODE, locked, refused
from overt.ledger.note import MAX_NOTE, Signature, VerifierKey
from overt.new_file import read_small, replace

FOLDER: Final = "cosigned"


def add(directory: Path, signed: SignedCheckpoint, lines: Sequence[Signature]) -> SignedCheckpoint:
    """Keep cosignatures of a checkpoint, with those that are there already; several processes may do so at once.

    Nothing is verified here: who calls did that.

    Raises:
        CorruptError: another checkpoint of the same size is kept already.
        UnavailableError: the disk refuses.
    """
    folder = directory / FOLDER
    try:
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise refused(folder, error) from error
    path = folder / str(signed.size)
    with locked(folder):
        note = signed.note
        try:
            kept = SignedCheckpoint.parse(read_small(path, MAX_NOTE, "cosigned checkpoint"))
        except MissingError:
            kept = None
        except InvalidError as error:
            msg = f"{path}: {error}"
            raise CorruptError(msg) from error
        if kept is not None:
            if kept.note.text != note.text:
                msg = f"{path} holds another checkpoint of {signed.size} leaves: the ledger was forked"
                raise CorruptError(msg)
            note = kept.note.with_signatures(note.signatures)
        merged = SignedCheckpoint(signed.checkpoint, note.with_signatures(lines))
        replace(path, merged.encode(), FILE_MODE)
    return merged


def sizes(directory: Path) -> list[int]:
    """Return the sizes of trees that cosigned checkpoints are kept of, smallest first."""
    try:
        names = [each.name for each in (directory / FOLDER).iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise refused(directory / FOLDER, error) from error
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def read(directory: Path, size: int) -> SignedCheckpoint:
    """Return the cosigned checkpoint of a size, unverified.

    Raises:
        MissingError: there is none.
        CorruptError: it is malformed.
        UnavailableError: it cannot be read.
    """
    path = directory / FOLDER / str(size)
    try:
        return SignedCheckpoint.parse(read_small(path, MAX_NOTE, "cosigned checkpoint"))
    except InvalidError as error:
        msg = f"{path}: {error}"
        raise CorruptError(msg) from error


def verified_lines(
    signed: SignedCheckpoint, lines: Sequence[Signature], witnesses: Sequence[VerifierKey]
) -> tuple[list[Signature], list[Cosignature]]:
    """Return those of some lines that are cosignatures of known witnesses under a checkpoint.

    Raises:
        ForbiddenError: none is of a known witness.
        CorruptError: one claims to be and does not verify.
    """
    note = signed.note.with_signatures(lines)
    good = cosigned_by(note, witnesses)
    kept = [line for line in lines if any(line.is_of(each.key) for each in good)]
    if not kept:
        names = ", ".join(f"{line.name} ({line.key_id.hex()})" for line in lines) or "nobody"
        msg = (
            f"the cosignature is of {names}, whom this ledger does not know as a witness: add the key to its witnesses"
        )
        raise ForbiddenError(msg)
    return kept, good

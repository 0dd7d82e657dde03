"""Time stamps (RFC 3161): a time-stamping authority says when a checkpoint was there, by its own clock and key.

Kept beside the ledger, and never removed: `stamped/SIZE` (the checkpoint) and `stamped/SIZE.tsr` (the authority's whole
answer, DER). What is stamped is the checkpoint's text, by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import rfc3161_client
from cryptography import x509

from overt.errors import ConflictError, CorruptError, InvalidError, UnavailableError
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.files import FILE_MODE, FOLDER_MODE, refused
from overt.ledger.note import MAX_NOTE
from overt.new_file import read_small, replace

FOLDER: Final = "stamped"
SUFFIX: Final = ".tsr"
QUERY_TYPE: Final = "application/timestamp-query"
REPLY_TYPE: Final = "application/timestamp-reply"
MAX_RESPONSE: Final = 256 * 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A checkpoint and what an authority answered about it; nothing of it is believed before `stamp_time`."""

    signed: SignedCheckpoint
    response: bytes
    where: str


@dataclass(frozen=True, slots=True)
class StampRequest:
    """A question to an authority: the bytes to send, and the nonce that must come back."""

    data: bytes
    nonce: int | None


def request(signed: SignedCheckpoint) -> StampRequest:
    """Return the question about a checkpoint, with a nonce, asking for the authority's certificate."""
    text, algorithm = signed.note.text.encode(), rfc3161_client.HashAlgorithm.SHA256
    made = rfc3161_client.TimestampRequestBuilder(text, algorithm, nonce=True, cert_req=True).build()
    return StampRequest(made.as_bytes(), made.nonce)


def read_roots(path: Path) -> list[x509.Certificate]:
    """Return the certificates of authorities in a PEM file.

    Raises:
        MissingError, UnavailableError: it cannot be read.
        InvalidError: there is none in it.
    """
    try:
        return x509.load_pem_x509_certificates(read_small(path, MAX_RESPONSE, "certificate of an authority"))
    except ValueError as error:
        msg = f"{path} holds no certificate in PEM"
        raise InvalidError(msg) from error


def stamp_time(
    signed: SignedCheckpoint, response: bytes, roots: Sequence[x509.Certificate], *, nonce: int | None = None
) -> int:
    """Return when an authority stamped a checkpoint: nanoseconds since the Unix epoch. Needs no network.

    Args:
        signed: the checkpoint.
        response: the authority's answer, DER.
        roots: certificates from which the authority's must descend.
        nonce: what the answer must repeat; None for one that was kept.

    Raises:
        CorruptError: the answer is malformed, grants nothing, is about something else, or is signed by somebody else.
    """
    try:
        decoded = rfc3161_client.decode_timestamp_response(response)
        builder = rfc3161_client.VerifierBuilder(roots=list(roots), nonce=nonce)
        builder.build().verify_message(decoded, signed.note.text.encode())
        moment = decoded.tst_info.gen_time
    except (rfc3161_client.VerificationError, ValueError, TypeError) as error:
        msg = f"the time stamp of the checkpoint of {signed.size} leaves does not hold: {error}"
        raise CorruptError(msg) from error
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def keep(directory: Path, signed: SignedCheckpoint, response: bytes) -> None:
    """Keep a time stamp that was verified, beside the ledger; a later one of the same size takes its place.

    Raises:
        ConflictError: one of another checkpoint of that size is kept.
        UnavailableError: the disk refuses.
    """
    folder = directory / FOLDER
    try:
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise refused(folder, error) from error
    path = folder / str(signed.size)
    if path.exists() and _read(path).note.text != signed.note.text:
        msg = f"{path} holds another checkpoint of {signed.size} leaves: the ledger was forked"
        raise ConflictError(msg)
    replace(path, signed.encode(), FILE_MODE)
    replace(folder / f"{signed.size}{SUFFIX}", response, FILE_MODE)


def sizes(directory: Path) -> list[int]:
    """Return the sizes of trees that were stamped, smallest first."""
    folder = directory / FOLDER
    try:
        names = [each.stem for each in folder.iterdir() if each.suffix == SUFFIX]
    except FileNotFoundError:
        return []
    except OSError as error:
        msg = f"{folder} cannot be read: {error.strerror or error}"
        raise UnavailableError(msg) from error
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def read(directory: Path, size: int) -> Stamped:
    """Return the time stamp of a size, unverified.

    Raises:
        MissingError: there is none, or its checkpoint is not there.
        CorruptError: its checkpoint is malformed.
        UnavailableError: it cannot be read.
    """
    path = directory / FOLDER / f"{size}{SUFFIX}"
    return Stamped(_read(path.with_suffix("")), read_small(path, MAX_RESPONSE, "time stamp"), str(path))


def _read(path: Path) -> SignedCheckpoint:
    try:
        return SignedCheckpoint.parse(read_small(path, MAX_NOTE, "stamped checkpoint"))
    except InvalidError as error:
        msg = f"{path}: {error}"
        raise CorruptError(msg) from error

"""`overt ledger accept` and `overt ledger ask`: getting a witness's cosignature beside the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.text import Text

from overt.cli.ledger.places import AuthorityOption, client_for, read_keys
from overt.cli.options import JsonOption
from overt.cli.output import Output
from overt.clock import SECOND
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.ledger import cosigned
from overt.ledger.checkpoint import SignedCheckpoint, read_decimal
from overt.ledger.cosignature import Cosignature
from overt.ledger.leaves import time_text
from overt.ledger.note import MAX_NOTE, Signature, VerifierKey
from overt.ledger.reader import LedgerReader
from overt.ledger.verifying import witness_keys
from overt.ledger.witness_protocol import PATH, SIZE_TYPE, AddCheckpoint, parse_answer
from overt.new_file import read_small

LedgerArgument = Annotated[Path, typer.Argument(metavar="LEDGER", help="Directory of the ledger.")]
WitnessOption = Annotated[
    list[str], typer.Option("--witness", metavar="VKEY", help="Public key of the witness, or a file with it.")
]


def accept(
    ledger: LedgerArgument,
    note: Annotated[Path, typer.Argument(metavar="NOTE", help="The cosigned checkpoint, as the witness sent it.")],
    *,
    witness: WitnessOption,
    as_json: JsonOption = False,
) -> None:
    """Keep a checkpoint that a witness cosigned elsewhere; the ledger may be in use."""
    try:
        signed = SignedCheckpoint.parse(read_small(note, MAX_NOTE, "cosigned checkpoint"))
    except InvalidError as error:
        msg = f"{note}: {error}"
        raise InvalidError(msg) from error
    reader = LedgerReader(ledger)
    good = _keep(reader, ledger, signed, signed.note.signatures, witness_keys(read_keys(witness)))
    _show(Output(as_json=as_json), signed, good)


def ask(
    ledger: LedgerArgument,
    address: Annotated[str, typer.Argument(metavar="URL", help="Address of the witness (C2SP tlog-witness).")],
    *,
    witness: WitnessOption,
    authority: AuthorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a witness to cosign the newest checkpoint, and keep what it answers; the ledger may be in use."""
    keys = witness_keys(read_keys(witness))
    reader = LedgerReader(ledger)
    url = f"{address.rstrip('/')}/{PATH}"
    with client_for(address, authority) as client:
        response = _post(client, url, _request(reader, 0))
        if response.status_code == 409 and response.headers.get("content-type", "").startswith(SIZE_TYPE):
            size = read_decimal(response.text.removesuffix("\n"), "the size in the witness's answer")
            if size > reader.size:
                msg = f"{url} saw {size} leaves of this ledger, and it has {reader.size}: was it shortened?"
                raise CorruptError(msg)
            response = _post(client, url, _request(reader, size))
    if response.status_code != 200:
        kind = {404: MissingError, 403: ForbiddenError, 409: ConflictError, 422: CorruptError}
        msg = f"{url} refuses: {response.status_code} {response.text.strip()[:500]}"
        raise kind.get(response.status_code, UnavailableError)(msg)
    good = _keep(reader, ledger, reader.checkpoint, parse_answer(response.content), keys)
    _show(Output(as_json=as_json), reader.checkpoint, good)


def _request(reader: LedgerReader, old: int) -> bytes:
    proof = reader.consistency(old, reader.size) if old else []
    return AddCheckpoint(old, tuple(proof), reader.checkpoint).encode()


def _post(client: httpx.Client, url: str, data: bytes) -> httpx.Response:
    try:
        return client.post(url, content=data, headers={"content-type": "text/plain; charset=utf-8"})
    except httpx.HTTPError as error:
        msg = f"{url} does not answer: {error}"
        raise UnavailableError(msg) from error


def _keep(
    reader: LedgerReader,
    directory: Path,
    signed: SignedCheckpoint,
    lines: tuple[Signature, ...] | list[Signature],
    witnesses: list[VerifierKey],
) -> list[Cosignature]:
    signed.require_log_key(reader.keys)
    kept, good = cosigned.verified_lines(signed, lines, witnesses)
    if signed.size > reader.size or reader.root(signed.size) != signed.root:
        msg = f"the cosigned checkpoint of {signed.size} leaves is of another tree than {directory}: it was forked"
        raise CorruptError(msg)
    cosigned.add(directory, signed, kept)
    return good


def _show(output: Output, signed: SignedCheckpoint, good: list[Cosignature]) -> None:
    value: dict[str, Any] = {
        "origin": signed.checkpoint.origin,
        "size": signed.size,
        "cosigned": [{"witness": str(each.key), "time": time_text(each.time_s * SECOND)} for each in good],
    }
    text = Text(f"{signed.checkpoint.origin}: {signed.size} leaves", style="green")
    for each in good:
        text.append(f"\ncosigned by {each.key.name} at {time_text(each.time_s * SECOND)}")
    output.show(value, text)

"""`overt ledger prove`: a proof of one leaf, to be verified elsewhere with nothing but the ledger's key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from overt.cli.ledger.places import QuorumOption, WitnessesOption, read_keys
from overt.cli.options import JsonOption
from overt.cli.output import Output, size
from overt.errors import ConflictError, InvalidError, MissingError
from overt.ledger.leaves import time_text
from overt.ledger.proof_file import SUFFIX
from overt.ledger.proving import prove
from overt.ledger.reader import LedgerReader
from overt.ledger.verifying import witness_keys
from overt.new_file import write_new


def prove_command(
    ledger: Annotated[Path, typer.Argument(metavar="LEDGER", help="Directory of the ledger.")],
    leaf: Annotated[int, typer.Argument(metavar="LEAF", min=0, help="Number of the leaf.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"File to write; never overwritten. (leaf-N{SUFFIX})")
    ] = None,
    without_body: Annotated[
        bool, typer.Option("--without-body", help="Leave the body out: kind and time are proved, not what happened.")
    ] = False,
    witness: WitnessesOption = None,
    quorum: QuorumOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a proof that a leaf stands in the ledger: body, path, and the newest checkpoint that was cosigned."""
    output = Output(as_json=as_json)
    out = out or Path(f"leaf-{leaf}{SUFFIX}")
    if out.exists():
        msg = f"{out} exists already and is not overwritten: choose another name with --out"
        raise ConflictError(msg)
    witnesses = witness_keys(read_keys(witness or []))
    if quorum is not None and quorum > len(witnesses):
        msg = f"--quorum {quorum} is more than the {len(witnesses)} witnesses that were given"
        raise InvalidError(msg)
    if not ledger.is_dir():
        msg = f"{ledger} is no directory"
        raise MissingError(msg)
    reader = LedgerReader(ledger)
    proof = prove(reader, ledger, leaf, with_body=not without_body, witnesses=witnesses, quorum=quorum)
    data = proof.encode()
    write_new(out, data, 0o640)
    found = reader.leaf(leaf)
    names = [each.name for each in proof.checkpoint.note.signatures]
    value = {
        "proof": str(out),
        "leaf": leaf,
        "kind": found.kind,
        "time": time_text(found.time_ns),
        "size": proof.checkpoint.size,
        "signatures": names,
        "with_body": proof.body is not None,
        "key": str(reader.keys[0]),
    }
    text = Text(
        f"{out}: {found}, {size(len(data))}\nunder the checkpoint of {proof.checkpoint.size} leaves, signed by "
    )
    text.append(
        f"{', '.join(names)}\nVerify it anywhere with: overt ledger verify --proof {out} --key {reader.keys[0]}"
    )
    output.show(value, text)

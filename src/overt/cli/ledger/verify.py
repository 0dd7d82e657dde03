"""`overt ledger verify`: a whole ledger, or one proof, against what is kept elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from overt.cli.ledger.places import (
    AuthorityOption,
    KeysOption,
    QuorumOption,
    WitnessesOption,
    ledger_keys,
    opened,
    read_keys,
)
from overt.cli.options import JsonOption
from overt.cli.output import Output, plain
from overt.clock import SECOND
from overt.errors import CorruptError, InvalidError, MissingError
from overt.ledger import cosigned, timestamps
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.findings import MAX_OF_A_KIND, FindingKind, Report
from overt.ledger.leaves import time_text
from overt.ledger.note import MAX_NOTE, VerifierKey
from overt.ledger.proof_file import MAX_FILE, Proof, Proved
from overt.ledger.tiles import DirectorySource, Source
from overt.ledger.verifying import Copy, Kept, Trust, verify, witness_keys
from overt.ledger.witnessing import mirrored_logs
from overt.new_file import read_small


def verify_command(
    ledger: Annotated[
        str | None, typer.Argument(metavar="LEDGER", help="Directory of the ledger, or http(s) address of its tiles.")
    ] = None,
    *,
    key: KeysOption = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A checkpoint of it that was kept elsewhere; may be repeated."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="An older copy of it, or a witness's state directory; may be repeated."),
    ] = None,
    witness: WitnessesOption = None,
    quorum: QuorumOption = None,
    tsa: Annotated[
        list[Path] | None,
        typer.Option("--tsa", metavar="FILE", help="Certificate of a time-stamping authority, PEM; may be repeated."),
    ] = None,
    without_bodies: Annotated[
        bool, typer.Option("--without-bodies", help="Leave the bodies out, as for a copy that was made without them.")
    ] = False,
    proof: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verify this proof instead of a ledger; needs --key alone.")
    ] = None,
    authority: AuthorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify every leaf, body and tile of a ledger, or one proof; exit code 7 if something is wrong."""
    output = Output(as_json=as_json)
    witnesses = witness_keys(read_keys(witness or []))
    if quorum is not None and quorum > len(witnesses):
        msg = f"--quorum {quorum} is more than the {len(witnesses)} witnesses that were given"
        raise InvalidError(msg)
    if proof is not None:
        if ledger is not None or not key:
            msg = "a proof is verified by itself: give --proof FILE and --key VKEY, and no ledger"
            raise InvalidError(msg)
        proved = _read_proof(proof).verify(read_keys(key), witnesses, quorum)
        output.show(_proved_json(proof, proved), _proved_shown(proved))
        return
    if ledger is None:
        msg = "say which ledger, or give --proof FILE"
        raise InvalidError(msg)
    with opened(ledger, authority) as source:
        keys, own_key = ledger_keys(source, key)
        kept = [Kept(_read_checkpoint(path), str(path)) for path in checkpoint or []]
        copies: list[Copy] = []
        stamps: list[timestamps.Stamped] = []
        unreadable: list[str] = []
        for directory in against or []:
            more, copy = _copy(directory, keys)
            kept += more
            copies.append(copy)
        if isinstance(source, DirectorySource):
            kept += _beside(source.directory, unreadable)
            stamps = _stamps(source.directory, unreadable)
        roots = [certificate for path in tsa or [] for certificate in timestamps.read_roots(path)]
        trust = Trust(keys, own_key, kept, copies, witnesses, quorum, stamps, unreadable, roots)
        report = _watched(output, source, trust, with_bodies=isinstance(source, DirectorySource) and not without_bodies)
    output.show(_json(ledger, report), _shown(ledger, report))
    if not report.sound:
        raise typer.Exit(CorruptError.exit_code)


def _watched(output: Output, source: Source, trust: Trust, *, with_bodies: bool) -> Report:
    """Verify, and say how far it has come."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = output.as_json or not output.notes.is_terminal
    with Progress(*columns, console=output.notes, transient=True, disable=hidden) as progress:
        task = progress.add_task("verifying leaves", total=None)
        return verify(
            source,
            trust,
            with_bodies=with_bodies,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def sound(output: Output, source: Source, keys: list[VerifierKey], about: str, *, own_key: bool) -> str:
    """Verify a ledger and its bodies against each other, before something else is held against it; return its origin.

    Raises:
        CorruptError: something is wrong with it, so that it proves nothing `about` what it was to prove.
    """
    report = _watched(output, source, Trust(keys, own_key), with_bodies=True)
    if not report.sound:
        first = next(each for each in report.findings if each.kind.fault)
        msg = f"{source} is not sound, and proves nothing about {about}: {first.text}; see 'overt ledger verify'"
        raise CorruptError(msg)
    return report.origin


def _read_checkpoint(path: Path) -> SignedCheckpoint:
    try:
        return SignedCheckpoint.parse(read_small(path, MAX_NOTE, "checkpoint"))
    except InvalidError as error:
        msg = f"{path}: {error}"
        raise InvalidError(msg) from error


def _read_proof(path: Path) -> Proof:
    try:
        return Proof.parse(read_small(path, MAX_FILE, "proof"))
    except InvalidError as error:
        msg = f"{path}: {error}"
        raise InvalidError(msg) from error


def _copy(directory: Path, keys: list[VerifierKey]) -> tuple[list[Kept], Copy]:
    """Return the checkpoint and the tiles of an older copy, or of what a witness remembers."""
    if (directory / "logs").is_dir():
        for known in mirrored_logs(directory, [key.name for key in keys]):
            last = known.last()
            kept = [] if last is None else [Kept(last, str(known.directory / "checkpoint"))]
            return kept, Copy(DirectorySource(known.directory), known.mirrored())
        msg = f"{directory}: this witness does not know {', '.join(key.name for key in keys)}"
        raise MissingError(msg)
    signed = _read_checkpoint(directory / "checkpoint")
    return [Kept(signed, str(directory / "checkpoint"))], Copy(DirectorySource(directory), signed.size)


def _beside(directory: Path, unreadable: list[str]) -> list[Kept]:
    """Return the checkpoints that witnesses cosigned, as they are kept beside a ledger."""
    found = []
    for size in cosigned.sizes(directory):
        try:
            found.append(Kept(cosigned.read(directory, size), str(directory / cosigned.FOLDER / str(size))))
        except (CorruptError, MissingError) as error:
            unreadable.append(str(error))
    return found


def _stamps(directory: Path, unreadable: list[str]) -> list[timestamps.Stamped]:
    """Return the time stamps that are kept beside a ledger."""
    found = []
    for size in timestamps.sizes(directory):
        try:
            found.append(timestamps.read(directory, size))
        except (CorruptError, MissingError) as error:
            unreadable.append(str(error))
    return found


def _json(ledger: str, report: Report) -> dict[str, Any]:
    return {
        "ledger": ledger,
        "origin": report.origin,
        "size": report.size,
        "root": report.root.hex(),
        "sound": report.sound,
        "own_key": report.own_key,
        "leaves": report.leaves,
        "bodies": report.bodies,
        "pruned": report.pruned,
        "cosigned": [
            {"size": size, "witness": str(each.key), "time": time_text(each.time_s * SECOND)}
            for size, each in report.cosigned
        ],
        "counts": {kind.value: count for kind, count in report.counts.items()},
        "stamped": [{"size": size, "time": time_text(time_ns)} for size, time_ns in report.stamped],
        "findings": [each.to_dict() for each in report.findings],
    }


def _shown(ledger: str, report: Report) -> RenderableType:
    rows = Table(box=None, pad_edge=False, header_style="bold", show_header=False)
    rows.add_column("finding", no_wrap=True)
    rows.add_column("what", overflow="fold")
    for each in report.findings:
        style = "bold red" if each.kind.fault else "yellow" if each.kind is FindingKind.LATE else "dim"
        rows.add_row(Text(each.kind.value, style=style), Text(plain(each.text)))
    for kind, count in report.counts.items():
        if count > MAX_OF_A_KIND:
            rows.add_row(Text(kind.value), Text(f"and {count - MAX_OF_A_KIND} more of this kind"))
    newest: dict[str, tuple[int, int]] = {}
    for size, cosignature in report.cosigned:
        newest[cosignature.key.name] = max(newest.get(cosignature.key.name, (0, 0)), (size, cosignature.time_s))
    for name, (size, time_s) in newest.items():
        rows.add_row(Text("cosigned", style="green"), Text(f"{size} leaves, by {name} at {time_text(time_s * SECOND)}"))
    for size, time_ns in report.stamped[-1:]:
        rows.add_row(Text("stamped", style="green"), Text(f"{size} leaves, at {time_text(time_ns)}"))
    parts: list[RenderableType] = [rows] if rows.row_count else []
    if report.own_key:
        parts.append(
            Text(
                "held against the key that the ledger itself names: give --key, and with --checkpoint, --against or "
                "--witness what is kept elsewhere",
                style="yellow",
            )
        )
    counted = f"{plain(report.origin)}: {report.leaves} of {report.size} leaves and {report.bodies} bodies verified"
    if report.sound:
        parts.append(Text(f"{counted}; nothing wrong was found", style="green"))
    else:
        parts.append(Text(f"{counted}; {report.fault_count} findings: {ledger} is not sound", style="bold red"))
    return Group(*parts)


def _proved_json(path: Path, proved: Proved) -> dict[str, Any]:
    return {
        "proof": str(path),
        "leaf": proved.leaf.index,
        "kind": proved.leaf.kind,
        "time": time_text(proved.leaf.time_ns),
        "behind_us": proved.leaf.behind_us,
        "body": None if proved.body is None else proved.body.value(),
        "origin": proved.origin,
        "size": proved.size,
        "cosigned": [{"witness": str(each.key), "time": time_text(each.time_s * SECOND)} for each in proved.cosigned],
    }


def _proved_shown(proved: Proved) -> Text:
    text = Text(f"{proved.leaf}\n", style="bold")
    for name, value in ({} if proved.body is None else proved.body.value()).items():
        text.append(f"  {plain(name)}: {plain(value if isinstance(value, str) else repr(value))}\n", style="not bold")
    if proved.body is None:
        text.append("  its body was pruned, or is not part of this proof\n", style="yellow")
    text.append(f"stands in {plain(proved.origin)} under its checkpoint of {proved.size} leaves", style="green")
    for each in proved.cosigned:
        text.append(f"\ncosigned by {each.key.name} at {time_text(each.time_s * SECOND)}", style="green")
    return text

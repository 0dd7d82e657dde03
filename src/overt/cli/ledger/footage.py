"""`overt ledger footage`: the footage on the disk against the recorder's ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from overt.cli.ledger.places import KeysOption, ledger_keys
from overt.cli.ledger.verify import sound
from overt.cli.options import JsonOption
from overt.cli.output import Output, plain, size
from overt.clock import SystemClock
from overt.errors import CorruptError, OvertError
from overt.footage.against_ledger import MAX_OF_A_KIND, AgainstLedger, against_ledger
from overt.footage.index import Index
from overt.footage.layout import INDEX
from overt.footage.marker import read_marker
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource

FOLDER: Final = "ledger"


def footage_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Footage directory.")],
    *,
    ledger: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The ledger, or a copy of it with bodies. (DIR/ledger)")
    ] = None,
    key: KeysOption = None,
    location: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A further location that the index does not know; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read every segment, and name what is not as the recorder's ledger has it; exit code 7 if there is something.

    Verifies the ledger first. Whether that is the ledger that others saw, 'overt ledger verify' tells with --against.
    """
    output = Output(as_json=as_json)
    source = DirectorySource(ledger or directory / FOLDER)
    keys, own_key = ledger_keys(source, key)
    origin = sound(output, source, keys, "footage", own_key=own_key)
    places = _places(directory, location or [])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = as_json or not output.notes.is_terminal
    with Progress(*columns, console=output.notes, transient=True, disable=hidden) as progress:
        task = progress.add_task("reading segments", total=None)
        found = against_ledger(
            directory,
            LedgerReader(source, keys),
            places,
            SystemClock().utc_ns(),
            lambda done, total: progress.update(task, completed=done, total=max(done, total)),
        )
    output.show(_json(directory, origin, found), _shown(found, own_key=own_key))
    if not found.sound:
        raise typer.Exit(CorruptError.exit_code)


def _places(directory: Path, named: list[Path]) -> dict[UUID, Path]:
    """Return every location: the main one, those that were named, and those that the index knows."""
    places: dict[UUID, Path] = {}
    try:
        with Index(directory / INDEX, write=False) as index:
            places = dict(index.locations())
    except OvertError:
        # Footage is verified without an index too; who has further locations names them.
        places = {}
    return places | {read_marker(path).location: path for path in (directory, *named)}


def _json(directory: Path, origin: str, found: AgainstLedger) -> dict[str, Any]:
    return {
        "footage": str(directory),
        "origin": origin,
        "segments": found.segments,
        "deleted": found.deleted,
        "files": found.files,
        "bytes_read": found.bytes,
        "young": found.young,
        "sound": found.sound,
        "counts": {kind.value: count for kind, count in found.counts.items()},
        "findings": [
            {"kind": each.kind.value, "where": each.where, "text": each.text, "leaf": each.leaf}
            for each in found.findings
        ],
    }


def _shown(found: AgainstLedger, *, own_key: bool) -> RenderableType:
    rows = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        rows.add_column(overflow="fold")
    for each in found.findings:
        rows.add_row(Text(each.kind.value, style="bold red"), Text(plain(each.where)), Text(plain(each.text)))
    for kind, count in found.counts.items():
        if count > MAX_OF_A_KIND:
            rows.add_row(Text(kind.value), Text(""), Text(f"and {count - MAX_OF_A_KIND} more of this kind"))
    parts: list[RenderableType] = [rows] if rows.row_count else []
    if own_key:
        parts.append(Text("held against the key that the ledger itself names: give --key", style="yellow"))
    young = f"; {found.young} too young for a leaf" if found.young else ""
    counted = (
        f"{found.files} files ({size(found.bytes)}) held against {found.segments} segments of the ledger, "
        f"{found.deleted} of them deleted{young}"
    )
    if found.sound:
        parts.append(Text(f"{counted}; nothing wrong was found", style="green"))
    else:
        parts.append(Text(f"{counted}; {sum(found.counts.values())} findings", style="bold red"))
    return Group(*parts)

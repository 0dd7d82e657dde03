"""`overt reconcile`: hold index and files against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from overt.cli.options import JsonOption
from overt.cli.output import Output, plain, size
from overt.errors import CorruptError
from overt.footage.reconcile import Comparison, Difference
from overt.footage.reconcile import reconcile as compare

MAX_ROWS: Final = 200
"""Differences that the table shows; JSON has them all."""


def reconcile(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Footage directory.")],
    *,
    location: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A further location that the index does not know; may be repeated."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what can be; no recorder may be running on it.")
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte and recompute every hash.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare index and files, name every difference; exit code 7 if one remains."""
    output = Output(as_json=as_json)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = as_json or not output.notes.is_terminal
    with Progress(*columns, console=output.notes, transient=True, disable=hidden) as progress:
        task = progress.add_task("comparing files", total=None)

        def advance(files: int, rows: int) -> None:
            progress.update(task, completed=files, total=max(files, rows))

        found = compare(directory, locations=location or (), repair=repair, deep=deep, progress=advance)
    left = [difference for difference in found.differences if not difference.repaired]
    output.show(_json(directory, found, left), _shown(found, left, deep=deep))
    if left:
        raise typer.Exit(CorruptError.exit_code)


def _json(directory: Path, found: Comparison, left: list[Difference]) -> dict[str, Any]:
    """Return the result as it stands in JSON."""
    return {
        "footage": str(directory),
        "files": found.files,
        "rows": found.rows,
        "bytes_read": found.bytes,
        "remaining": len(left),
        "differences": [
            {
                "kind": each.kind.value,
                "where": each.where,
                "detail": each.detail,
                "repaired": each.repaired,
                "camera": each.key.camera if each.key else None,
                "stream": each.key.stream if each.key else None,
            }
            for each in found.differences
        ],
    }


def _shown(found: Comparison, left: list[Difference], *, deep: bool) -> RenderableType:
    """Return the result for people."""
    read = f", {size(found.bytes)} read" if deep else ""
    counted = f"{found.files} files and {found.rows} rows compared{read}"
    if not found.differences:
        return Text(f"{counted}: no differences", style="green")
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Difference", "Where", "What", "Repaired"):
        rows.add_column(heading, overflow="fold")
    for each in found.differences[:MAX_ROWS]:
        done = Text("yes", style="green") if each.repaired else Text("no", style="yellow")
        rows.add_row(Text(each.kind.value), Text(plain(each.where)), Text(plain(each.detail)), done)
    parts: list[RenderableType] = [rows]
    if len(found.differences) > MAX_ROWS:
        parts.append(Text(f"and {len(found.differences) - MAX_ROWS} more; --json lists all"))
    repaired = len(found.differences) - len(left)
    style = "yellow" if left else "green"
    parts.append(Text(f"{counted}: {len(found.differences)} differences, {repaired} repaired", style=style))
    return Group(*parts)

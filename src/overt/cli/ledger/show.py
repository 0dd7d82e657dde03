"""`overt ledger show`: the leaves, by kind and time."""

from __future__ import annotations

import json
from collections import deque
from typing import Annotated, Any

import typer
from rich.text import Text

from overt.cli.ledger.places import AuthorityOption, KeysOption, ledger_keys, opened
from overt.cli.moments import moment, time_zone
from overt.cli.options import JsonOption, TimeZoneOption
from overt.cli.output import Output, plain
from overt.clock import SystemClock
from overt.errors import OvertError
from overt.ledger.leaves import Leaf, time_text
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource


def show(
    ledger: Annotated[
        str, typer.Argument(metavar="LEDGER", help="Directory of the ledger, or http(s) address of its tiles.")
    ],
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="This kind alone; 'look.' is every kind that begins so; may be repeated."),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="T", help="Written at this moment or later.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="Written before this moment.")] = None,
    leaf: Annotated[int | None, typer.Option(metavar="N", min=0, help="This leaf alone.")] = None,
    last: Annotated[int, typer.Option(metavar="COUNT", min=0, help="The last so many; 0: all.")] = 50,
    timezone: TimeZoneOption = None,
    key: KeysOption = None,
    authority: AuthorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show leaves with their bodies, oldest first; bodies of tiles on a web server are not there."""
    output = Output(as_json=as_json)
    zone, now_ns = time_zone(timezone), SystemClock().utc_ns()
    since_ns = None if start is None else moment(start, now_ns, zone)
    until_ns = None if end is None else moment(end, now_ns, zone)
    with opened(ledger, authority) as source:
        keys, _ = ledger_keys(source, key)
        reader = LedgerReader(source, keys)
        local = isinstance(source, DirectorySource)
        if leaf is not None:
            found = iter([reader.leaf(leaf)])
        else:
            found = reader.leaves(kinds=kind or (), since_ns=since_ns, until_ns=until_ns, newest_first=last > 0)
        if last and leaf is None:
            chosen: deque[Leaf] = deque()
            for each in found:
                chosen.appendleft(each)
                if len(chosen) == last:
                    break
            found = iter(chosen)
        for each in found:
            value = _json(reader, each, with_body=local)
            output.line(value, _shown(each, value))
        output.note(f"{reader.checkpoint.checkpoint.origin}: {reader.size} leaves; key {keys[0]}")


def _json(reader: LedgerReader, leaf: Leaf, *, with_body: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"leaf": leaf.index, "time": time_text(leaf.time_ns), "kind": leaf.kind}
    if leaf.behind_us:
        value["behind_us"] = leaf.behind_us
    if not with_body:
        return value
    try:
        body = reader.body(leaf.index)
        value["body"] = None if body is None else body.value()
        value["pruned"] = body is None
    except OvertError as error:
        value["error"] = {"kind": error.kind, "message": str(error)}
    return value


def _shown(leaf: Leaf, value: dict[str, Any]) -> Text:
    text = Text(f"{leaf.index:>8}  {time_text(leaf.time_ns)}  ")
    text.append(f"{leaf.kind:<24}", style="bold")
    if "error" in value:
        text.append(f"  {plain(value['error']['message'])}", style="bold red")
    elif value.get("pruned"):
        text.append("  (body pruned)", style="dim")
    elif "body" in value:
        text.append(f"  {plain(json.dumps(value['body'], ensure_ascii=False))}")
    if leaf.behind_us:
        text.append(f"  (the machine's clock was {leaf.behind_us / 1_000_000:.6f} s behind)", style="yellow")
    return text

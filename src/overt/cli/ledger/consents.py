"""`overt ledger consents`: whether security keys have agreed to everything that keys in hand guard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from overt.cli.ledger.places import KeysOption, ledger_keys
from overt.cli.ledger.verify import sound
from overt.cli.options import JsonOption
from overt.cli.output import Output, plain
from overt.control.custody.consents import Checker, Consents, KnownKey
from overt.control.custody.policies import ROLE_WORDS
from overt.errors import CorruptError
from overt.ledger.leaves import Leaf, time_text
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource

MAX_SHOWN: Final = 200
"""Findings in the table; JSON has all."""


def consents_command(
    ledger: Annotated[
        Path, typer.Argument(metavar="LEDGER", help="Directory of the control room's ledger, or a copy with bodies.")
    ],
    *,
    key: KeysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify every answer of a security key again, and that nothing was done but what keys agreed to.

    Needs the ledger and nothing else; verifies that first. Lists the keys that it names: hold them against those in
    people's hands. Exit code 7 if something is wrong.
    """
    output = Output(as_json=as_json)
    source = DirectorySource(ledger)
    keys, own_key = ledger_keys(source, key)
    origin = sound(output, source, keys, "consents", own_key=own_key)
    reader, checker = LedgerReader(source, keys), Checker()
    for leaf, body in reader.read_bodies(reader.leaves(kinds=checker.kinds)):
        checker.take(leaf, None if body is None else body.value())
    found = checker.finish()
    output.show(_json(ledger, origin, found), _shown(origin, found, own_key=own_key))
    if not found.sound:
        raise typer.Exit(CorruptError.exit_code)


def _json(ledger: Path, origin: str, found: Consents) -> dict[str, Any]:
    return {
        "ledger": str(ledger),
        "origin": origin,
        "sound": found.sound,
        "leaves": found.leaves,
        "touches": found.touches,
        "looks": found.looks,
        "looks_without_keys": found.by_passphrase,
        "looks_unknown": found.unknown,
        "pruned": found.pruned,
        "recoveries": [_leaf(each) for each in found.recoveries],
        "keys": [
            {
                "id": str(each.id),
                "name": each.name,
                "holder": {"id": str(each.holder.id), "name": each.holder.name},
                "role": each.role.value,
                "credential": each.credential,
                "rp_id": each.rp_id,
                "state": _state(each),
                "proposed": each.proposed,
                "approved": each.approved,
                "ended": each.ended,
                "touches": each.touches,
            }
            for each in found.keys.values()
        ],
        "counts": {kind.value: count for kind, count in found.counts.items()},
        "findings": [{"kind": each.fault.value, **_leaf(each.leaf), "text": each.text} for each in found.findings],
    }


def _leaf(leaf: Leaf) -> dict[str, Any]:
    return {"leaf": leaf.index, "time": time_text(leaf.time_ns)}


def _state(key: KnownKey) -> str:
    return "out of use" if key.ended is not None else "approved" if key.approved is not None else "proposed"


def _shown(origin: str, found: Consents, *, own_key: bool) -> RenderableType:
    keys = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Security key", "Holder", "Role", "State", "Answers"):
        keys.add_column(name, justify="right" if name == "Answers" else "left", overflow="fold")
    for each in found.keys.values():
        row = (plain(each.name), plain(each.holder.name), ROLE_WORDS[each.role], _state(each), str(each.touches))
        keys.add_row(*map(Text, row), style="dim" if each.ended is not None else "")
    rows = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(4):
        rows.add_column(overflow="fold")
    for finding in found.findings[:MAX_SHOWN]:
        leaf = (f"leaf {finding.leaf.index}", time_text(finding.leaf.time_ns))
        rows.add_row(Text(finding.fault.value, style="bold red"), *map(Text, leaf), Text(plain(finding.text)))
    for recovery in found.recoveries:
        leaf = (f"leaf {recovery.index}", time_text(recovery.time_ns))
        rows.add_row(Text("recovery", style="yellow"), *map(Text, leaf), Text("the recovery on paper was used"))
    parts: list[RenderableType] = [each for each in (keys, rows) if each.row_count]
    if len(found.findings) > MAX_SHOWN:
        parts.append(Text(f"and {len(found.findings) - MAX_SHOWN} findings more: --json has all"))
    if own_key:
        parts.append(Text("held against the key that the ledger itself names: give --key", style="yellow"))
    if found.pruned:
        parts.append(
            Text(f"of {found.pruned} leaves the details were removed: nothing can be said of them", style="dim")
        )
    counted = (
        f"{plain(origin)}: {found.touches} answers of keys verified; {found.looks} looks were opened by keys, "
        f"{found.by_passphrase} while none were needed"
    )
    if found.unknown:
        counted += f", {found.unknown} by answers that may have been removed"
    if not found.leaves:
        text = f"{plain(origin)}: no leaf is about security keys or looks back: is this the control room's ledger?"
        parts.append(Text(text, style="yellow"))
    elif found.sound:
        parts.append(Text(f"{counted}; nothing wrong was found", style="green"))
    else:
        parts.append(Text(f"{counted}; {len(found.findings)} findings", style="bold red"))
    return Group(*parts)

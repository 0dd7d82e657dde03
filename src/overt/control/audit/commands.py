"""What commands opened on the recorder's machine: read from the ledger that they keep beside the footage.

It is not the control room's ledger. Where the recorder runs on another machine, or no command ever opened anything,
there is none here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from overt.contract.opened import ENDED, EXPORTED, VIEWED, ledger_of
from overt.control.audit.finding import Shown
from overt.control.configuration import ControlSettings
from overt.control.estate.models import Camera
from overt.control.people.actions import Action
from overt.control.people.rights import Rights
from overt.errors import CorruptError, MissingError
from overt.ledger.leaves import Leaf
from overt.ledger.reader import LedgerReader

PER_PAGE: Final = 50
WORDS: Final = {
    VIEWED: "Made a link to pictures",
    EXPORTED: "Exported footage",
    ENDED: "The link ended",
}


class Opened(Shown):
    """A leaf of that ledger as a page shows it."""

    @property
    def what(self) -> str:
        """What was done, in words."""
        return WORDS.get(self.leaf.kind, self.leaf.kind)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of them, newest first."""

    rows: list[Opened]
    older: int | None
    """Leaf before which the next page begins."""
    ledger: LedgerReader | None
    """None: there is no such ledger here."""


def place() -> Path:
    """Return where the ledger would lie."""
    told: ControlSettings = settings.CONTROL
    return ledger_of(told.footage or told.data / "footage")


def listed(rights: Rights, before: int | None = None, limit: int = PER_PAGE) -> Listed:
    """Return what commands opened, as far as somebody may read it: where they may not everywhere, of their cameras.

    Raises:
        CorruptError, UnavailableError: the ledger is there and cannot be read.
    """
    try:
        ledger = LedgerReader(place())
    except MissingError:
        return Listed([], None, None)
    groups = rights.where(Action.READ_LEDGER)
    keys = None
    if groups is not None:
        keys = frozenset(Camera.objects.filter(site__group__in=groups).values_list("key", flat=True))
    rows: list[Opened] = []
    for leaf in ledger.leaves(end=before, newest_first=True):
        row = _read(ledger, leaf)
        if keys is None or keys.intersection(_cameras(row.body)):
            rows.append(row)
        if len(rows) > limit:
            break
    older = rows[limit - 1].number if len(rows) > limit else None
    named = {key for row in rows for key in _cameras(row.body)}
    names = dict(Camera.objects.filter(key__in=named).values_list("key", "name"))
    return Listed([Opened(row.leaf, row.body, row.fault, names) for row in rows[:limit]], older, ledger)


def _read(ledger: LedgerReader, leaf: Leaf) -> Opened:
    try:
        body = ledger.body(leaf.index)
    except (CorruptError, MissingError) as error:
        return Opened(leaf, None, str(error))
    return Opened(leaf, None if body is None else body.value())


def _cameras(body: dict[str, Any] | None) -> list[str]:
    return [str(each) for each in (body or {}).get("cameras", [])]

"""The table by which leaves are found, kept up with the ledger. It is made of the ledger alone, and can be made anew.

A thread, `acts-index`, looks every few seconds; a page that shows acts catches up first, so that it misses none.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from overt.contract.instant import datetime_of
from overt.control.acts.book import reader
from overt.control.acts.models import Act, ActCamera, ActReviewed
from overt.control.rounds import Rounds
from overt.errors import CorruptError, MissingError
from overt.ledger.leaves import Leaf
from overt.ledger.reader import LedgerReader

EVERY_S: Final = 5.0
BATCH: Final = 1000
_LOG: Final = logging.getLogger(__name__)
_lock: Final = threading.Lock()


def catch_up() -> int:
    """Take into the table what the ledger has since; return how many leaves that were.

    A table that lacks rows, since somebody deleted some, is made anew.

    Raises:
        OvertError: the ledger cannot be read. Those of the database, as they are.
    """
    with _lock:
        ledger = reader()
        count = _follow(ledger)
        there = Act.objects.count()
        if there != ledger.size:
            _LOG.error("the table by which acts are found has %d of %d: it is made anew", there, ledger.size)
            _empty()
            count = _follow(ledger)
    return count


def _follow(ledger: LedgerReader) -> int:
    newest = Act.objects.order_by("-number").values_list("number", flat=True).first()
    first = at = 0 if newest is None else newest + 1
    while at < ledger.size:
        end = min(at + BATCH, ledger.size)
        _take(ledger, at, end)
        at = end
    return at - first


def _empty() -> None:
    with transaction.atomic():
        ActCamera.objects.all().delete()
        ActReviewed.objects.all().delete()
        Act.objects.all().delete()


def _take(ledger: LedgerReader, start: int, end: int) -> None:
    acts, cameras, reviewed = [], [], []
    for leaf, said in _said(ledger, start, end):
        told = said or {}
        acts.append(_row(leaf, told, pruned=said is None))
        named = told.get("cameras", [])
        people = dict.fromkeys(_id(each) for each in told.get("reviewed", []))
        reviewed += [ActReviewed(act_id=leaf.index, person=each) for each in people if each is not None]
        cameras += [ActCamera(act_id=leaf.index, camera=str(key)[:64]) for key in dict.fromkeys(named)]
    with transaction.atomic():
        Act.objects.bulk_create(acts, ignore_conflicts=True)
        ActCamera.objects.bulk_create(cameras, ignore_conflicts=True)
        ActReviewed.objects.bulk_create(reviewed, ignore_conflicts=True)


def _said(ledger: LedgerReader, start: int, end: int) -> list[tuple[Leaf, dict[str, Any] | None]]:
    """Return leaves with what they say, None of one that was pruned; one by one where something is wrong with any."""
    leaves = list(ledger.leaves(start, end))
    try:
        return [(leaf, None if body is None else body.value()) for leaf, body in ledger.read_bodies(leaves)]
    except (CorruptError, MissingError):
        return [(leaf, _told(ledger, leaf)) for leaf in leaves]


def _told(ledger: LedgerReader, leaf: Leaf) -> dict[str, Any] | None:
    """Return what a leaf says; None of one whose body was pruned, nothing of one that is not what it commits to."""
    try:
        body = ledger.body(leaf.index)
    except (CorruptError, MissingError) as error:
        _LOG.error("leaf %d is found by its kind and time alone: %s", leaf.index, error)
        return {}
    return None if body is None else body.value()


def _row(leaf: Leaf, told: dict[str, Any], *, pruned: bool) -> Act:
    return Act(
        number=leaf.index,
        at=moment_of(leaf),
        kind=leaf.kind[:32],
        actor=_id(told.get("who")),
        person=_id(told.get("person")),
        reference=str(told.get("reference", ""))[:64],
        pruned=pruned,
    )


def moment_of(leaf: Leaf) -> datetime:
    """Return when a leaf was written: aware, in UTC."""
    return datetime_of(leaf.time_ns)


def _id(whom: object) -> UUID | None:
    if not isinstance(whom, dict) or "id" not in whom:
        return None
    try:
        return UUID(str(whom["id"]))
    except ValueError:
        return None


def keep_up() -> Rounds:
    """Return what keeps the table up, in a thread of its own."""

    def look() -> None:
        catch_up()

    return Rounds("acts-index", "keeping the table up by which acts are found", look, every_s=EVERY_S, first_s=EVERY_S)

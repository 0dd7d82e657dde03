"""Removing old details from the ledger under the scheme's retention: the leaves stay, and so does every proof.

What goes are the bodies of looks and sign-ins, which say who, what and why, and whatever followed from them in the
table by which acts are found. What stays of them is kind and time. A leaf says beforehand what is removed. A thread,
`acts-pruning`, looks once a day.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from overt.control.acts.book import book
from overt.control.acts.indexing import catch_up
from overt.control.acts.kinds import Kind
from overt.control.acts.models import Act, ActCamera
from overt.control.acts.recording import Json, record
from overt.control.rounds import Rounds

KINDS: Final = ("look.", "clip.", "sign-in.")
"""Beginnings of the kinds whose details are removed."""
BATCH: Final = 5000
EVERY_S: Final = 24 * 3600.0
AGAIN_S: Final = 3600.0
"""After something went wrong."""
_LOG: Final = logging.getLogger(__name__)


def prune(keep_days: int, now: dt.datetime | None = None) -> int:
    """Remove the details of looks and sign-ins that are older than so many days; return of how many leaves.

    What a run that was broken off has left, the next one removes.

    Raises:
        OvertError: the ledger cannot be read or written. Those of the database, as they are.
    """
    catch_up()
    rows = _old((now or timezone.now()) - dt.timedelta(days=keep_days))
    numbers = list(rows.order_by("number").values_list("number", flat=True))
    if not numbers:
        return 0
    more: dict[str, Json] = {
        "leaves": len(numbers),
        "first": numbers[0],
        "below": numbers[-1] + 1,
        "kinds": [*KINDS],
        "keep_days": keep_days,
    }
    record(Kind.PRUNED, more=more)
    for start in range(0, len(numbers), BATCH):
        part = numbers[start : start + BATCH]
        book().prune(part)
        with transaction.atomic():
            # Between two numbers of a part there is nothing else of these kinds that is not old too.
            span = _of_kinds(Act.objects.filter(number__gte=part[0], number__lte=part[-1]))
            ActCamera.objects.filter(act__in=span.values("number")).delete()
            span.update(actor=None, person=None, reference="", pruned=True)
    return len(numbers)


def _of_kinds(rows: QuerySet[Act]) -> QuerySet[Act]:
    wanted = Q()
    for each in KINDS:
        wanted |= Q(kind__startswith=each)
    return rows.filter(wanted)


def _old(before: dt.datetime) -> QuerySet[Act]:
    return _of_kinds(Act.objects.filter(at__lt=before, pruned=False))


def keep_for(days: int) -> Rounds:
    """Return what removes old details once a day, in a thread of its own."""

    def look() -> None:
        count = prune(days)
        if count:
            _LOG.info("the details of %d leaves older than %d days were removed", count, days)

    return Rounds("acts-pruning", "removing old details from the ledger", look, every_s=EVERY_S, again_s=AGAIN_S)

"""Reviews of somebody's own looks: when others read by their name what they had looked at, as they are told of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from overt.control.acts import indexing
from overt.control.acts.book import reader
from overt.control.acts.models import ActReviewed
from overt.errors import CorruptError, MissingError

LATEST: Final = 20


@dataclass(frozen=True, slots=True)
class Review:
    """One review: who it was, without why."""

    number: int
    """Of the leaf that says so."""
    at: dt.datetime
    name: str
    roles: tuple[str, ...]
    """By which they may read who did what."""


def reviews_of(person: UUID, limit: int = LATEST) -> list[Review]:
    """Return the newest reviews of somebody's looks, newest first.

    Raises:
        OvertError: the ledger cannot be read.
    """
    indexing.catch_up()
    ledger = reader()
    rows = ActReviewed.objects.filter(person=person).order_by("-act_id").values_list("act_id", flat=True)[:limit]
    found = []
    for number in rows:
        leaf = ledger.leaf(number)
        try:
            body = ledger.body(number)
        except (CorruptError, MissingError):
            body = None  # what is wrong with it, auditors are told
        told = {} if body is None else body.value()
        name = str(told.get("who", {}).get("name", ""))
        found.append(Review(number, indexing.moment_of(leaf), name, tuple(map(str, told.get("as", [])))))
    return found

"""Finding acts: by what they are about, by who acted, by camera, reference and day.

The table of `acts` finds the numbers; what is shown is read from the ledger itself, and checked against its leaf. Who
may read acts at some groups of sites alone finds those about cameras there.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from overt.control.acts import indexing
from overt.control.acts.book import reader
from overt.control.acts.kinds import Kind, Theme, kinds_of, theme_of, words_of
from overt.control.acts.models import Act, ActCamera
from overt.control.estate.models import Camera
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import Rights
from overt.errors import CorruptError, MissingError
from overt.ledger.leaves import Leaf
from overt.ledger.reader import LedgerReader

PER_PAGE: Final = 50
LATEST: Final = 2**53


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which acts; what is empty leaves none out."""

    theme: Theme | None = None
    person: str = ""
    """Part of a name or e-mail address: of who acted, or whose account it is about."""
    camera: str = ""
    """Short name, or part of the name, of a camera."""
    reference: str = ""
    """Whole, such as an incident number."""
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    """Days of the council's time zone, both included."""

    def named(self, people: QuerySet[Person]) -> QuerySet[Person]:
        """Return those of some people whom `person` names."""
        text = self.person.strip()
        return people.filter(Q(name__icontains=text) | Q(email__icontains=text))


@dataclass(frozen=True, slots=True)
class Shown:
    """An act as a page shows it."""

    leaf: Leaf
    body: dict[str, Any] | None
    """None: its details were removed under the ledger's own retention."""
    fault: str = ""
    """What is wrong with it: the ledger holds something else than its leaf commits to."""
    cameras: dict[str, str] = field(default_factory=dict)
    """Names of the cameras that it is about, by short name."""
    removed_at: dt.datetime | None = None
    """When its details were removed, where a leaf says so."""

    @property
    def number(self) -> int:
        """Of the leaf."""
        return self.leaf.index

    @property
    def at(self) -> dt.datetime:
        """When it was written down: aware."""
        return indexing.moment_of(self.leaf)

    @property
    def what(self) -> str:
        """What was done, in words."""
        return words_of(self.leaf.kind)

    @property
    def theme(self) -> Theme:
        """What it is about."""
        return theme_of(self.leaf.kind)

    @property
    def who(self) -> str:
        """Who did it; empty where the details are gone."""
        who = (self.body or {}).get("who", {})
        name = str(who.get("name", ""))
        return f"{name}, with a token" if who.get("via") == "token" else name

    @property
    def camera_names(self) -> str:
        """The cameras that it is about."""
        return ", ".join(self.cameras.get(key, key) for key in self._keys)

    @property
    def _keys(self) -> list[str]:
        return [str(each) for each in (self.body or {}).get("cameras", [])]


@dataclass(frozen=True, slots=True)
class Found:
    """One page of acts, newest first."""

    rows: list[Shown]
    older: int | None
    """Number before which the next page begins; None on the last one."""


def visible(rights: Rights) -> QuerySet[Act]:
    """Return the acts that somebody may read."""
    groups = rights.where(Action.READ_LEDGER)
    acts = Act.objects.all()
    if groups is None:
        return acts
    keys = Camera.objects.filter(site__group__in=groups).values("key")
    return acts.filter(Exists(ActCamera.objects.filter(act=OuterRef("pk"), camera__in=keys)))


def wanted_of(rights: Rights, wanted: Wanted) -> QuerySet[Act]:
    """Return the acts that somebody may read and wants."""
    acts = visible(rights)
    if wanted.theme is not None:
        acts = acts.filter(kind__in=[each.value for each in kinds_of(wanted.theme)])
    if wanted.person:
        named = list(wanted.named(Person.objects.all()).values_list("pk", flat=True))
        acts = acts.filter(Q(actor__in=named) | Q(person__in=named))
    if wanted.camera:
        text = wanted.camera.strip()
        keys = list(Camera.objects.filter(Q(key=text) | Q(name__icontains=text)).values_list("key", flat=True))
        acts = acts.filter(Exists(ActCamera.objects.filter(act=OuterRef("pk"), camera__in=[*keys, text])))
    if wanted.reference:
        acts = acts.filter(reference=wanted.reference.strip())
    if wanted.first_day is not None:
        acts = acts.filter(at__gte=_midnight(wanted.first_day))
    if wanted.last_day is not None:
        acts = acts.filter(at__lt=_midnight(wanted.last_day + dt.timedelta(days=1)))
    return acts


def find(rights: Rights, wanted: Wanted, before: int | None = None, limit: int = PER_PAGE) -> Found:
    """Return a page of acts, newest first; `before`: those with smaller numbers alone.

    Raises:
        OvertError: the ledger cannot be read.
    """
    indexing.catch_up()
    rows = wanted_of(rights, wanted)
    if before is not None:
        rows = rows.filter(number__lt=before)
    numbers = list(rows.order_by("-number").values_list("number", flat=True)[: limit + 1])
    older = numbers[limit - 1] if len(numbers) > limit else None
    return Found(shown(numbers[:limit]), older)


def every(rights: Rights, wanted: Wanted) -> Iterator[Shown]:
    """Return all acts that somebody wants, newest first, read bit by bit."""
    before: int | None = None
    while True:
        found = find(rights, wanted, before, 500)
        yield from found.rows
        if found.older is None:
            return
        before = found.older


def one(rights: Rights, number: int) -> Shown:
    """Return an act.

    Raises:
        MissingError: there is none of this number, or they may not read it.
        OvertError: the ledger cannot be read.
    """
    indexing.catch_up()
    if number > LATEST or not visible(rights).filter(number=number).exists():
        msg = f"There is no leaf {number}, or you may not read it."
        raise MissingError(msg)
    return shown([number])[0]


def shown(numbers: Iterable[int]) -> list[Shown]:
    """Read leaves and bodies of the ledger; one whose body is not what it was says so."""
    ledger = reader()
    rows = [_read(ledger, number) for number in numbers]
    keys = {key for row in rows for key in row._keys}  # noqa: SLF001 - of its own module
    names = dict(Camera.objects.filter(key__in=keys).values_list("key", "name"))
    removals = Removals(ledger)
    gone = {row.number: removals.of(row.number) for row in rows if row.body is None and not row.fault}
    return [Shown(row.leaf, row.body, row.fault, names, gone.get(row.number)) for row in rows]


class Removals:
    """When details were removed: each leaf about it says below which leaf, and none says less than one before it."""

    def __init__(self, ledger: LedgerReader) -> None:
        """Read nothing yet."""
        self._ledger = ledger
        self._numbers: list[int] | None = None

    def of(self, number: int) -> dt.datetime | None:
        """Return when the details of a leaf were removed; None where no leaf says so."""
        if self._numbers is None:
            rows = Act.objects.filter(kind=Kind.PRUNED.value).order_by("number")
            self._numbers = list(rows.values_list("number", flat=True))
        at = bisect_right(self._numbers, number, key=self._below)
        if at == len(self._numbers) or self._numbers[at] < number:
            return None
        return indexing.moment_of(self._ledger.leaf(self._numbers[at]))

    def _below(self, pruning: int) -> int:
        told = _read(self._ledger, pruning).body or {}
        return int(told.get("below", 0))


def _read(ledger: LedgerReader, number: int) -> Shown:
    leaf = ledger.leaf(number)
    try:
        body = ledger.body(number)
    except (CorruptError, MissingError) as error:
        return Shown(leaf, None, str(error))
    return Shown(leaf, None if body is None else body.value())


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min))

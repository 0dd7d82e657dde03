"""How often was looked at pictures in a month, for what purposes, by how many people: numbers without a name.

They are counted from the ledger itself, each body held against its leaf, not from the table by which acts are found.
In what is meant for the public small numbers are not shown, since one look on one day may be known to somebody; nor can
they be worked out from the total.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from django.utils import timezone

from overt.clock import SECOND
from overt.contract.opened import ENDED
from overt.control.acts.book import reader
from overt.control.acts.kinds import Kind
from overt.control.audit import commands
from overt.control.estate.models import Camera
from overt.control.people.actions import Action
from overt.control.people.rights import Rights
from overt.errors import CorruptError, InvalidError, MissingError
from overt.ledger.leaves import Leaf
from overt.ledger.reader import LedgerReader

COLUMNS: Final[dict[Kind, str]] = {
    Kind.LOOK_REPLAYED: "Last minutes replayed",
    Kind.LOOK_OPENED: "Recorded footage opened",
    Kind.CLIP_TAKEN: "Clips saved",
}
"""What is counted by purpose: a leaf each."""
BATCH: Final = 512
EARLIEST, LATEST = 2000, 2999
WITHHELD: Final = "not shown"
UNKNOWN: Final = "Purpose removed under the ledger’s retention"


@dataclass(slots=True)
class Row:
    """What was done for one purpose, or for all."""

    name: str
    counts: Counter[Kind] = field(default_factory=Counter)
    people: set[str] = field(default_factory=set, repr=False)
    """Ids of those who did: they are counted and never shown."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a month."""

    month: dt.date
    """Its first day."""
    live: int
    """Pages on which pictures were watched live."""
    watchers: int
    """People who watched live."""
    rows: tuple[Row, ...]
    """By purpose, in the order of their names."""
    total: Row
    refused: int
    """Leaves about looks that were refused."""
    unknown: int
    """Leaves of which it cannot be told any more who, and for what: pruned, or damaged."""
    commands: int | None
    """Openings by commands on the recorder's machine; None: there is no ledger of them here."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of numbers as it is shown: name, a cell for each column, people."""

    name: str
    cells: tuple[str, ...]
    people: str


def month_of(text: str) -> dt.date:
    """Return the first day of a month such as `2026-11`; the present one if it is empty.

    Raises:
        InvalidError: it is no month.
    """
    if not text:
        return timezone.localdate().replace(day=1)
    try:
        found = dt.datetime.strptime(text, "%Y-%m").replace(tzinfo=dt.UTC).date()
    except ValueError as error:
        msg = "Enter a month such as 2026-11."
        raise InvalidError(msg) from error
    if not EARLIEST <= found.year <= LATEST:
        msg = f"Enter a month between the years {EARLIEST} and {LATEST}."
        raise InvalidError(msg)
    return found


def count(month: dt.date, rights: Rights | None = None) -> Numbers:
    """Count a month's looks; of cameras at which somebody with `rights` may read acts alone, where those are given.

    Raises:
        OvertError: the ledger cannot be read.
    """
    keys = _keys(rights)
    start_ns, end_ns = _span(month)
    ledger = reader()
    kinds = (Kind.LOOK_LIVE, Kind.LOOK_REFUSED, *COLUMNS)
    leaves = ledger.leaves(kinds=[each.value for each in kinds], since_ns=start_ns, until_ns=end_ns)
    rows: defaultdict[str, Row] = defaultdict(lambda: Row(""))
    total, pages, watchers, refused, unknown = Row("All"), set[str](), set[str](), 0, 0
    for leaf, body in _bodies(ledger, leaves):
        if keys is not None and not keys.intersection(map(str, (body or {}).get("cameras", []))):
            continue
        kind, told = Kind(leaf.kind), body or {}
        who = str(told.get("who", {}).get("id", ""))
        unknown += body is None
        if kind is Kind.LOOK_REFUSED:
            refused += 1
        elif kind is Kind.LOOK_LIVE:
            pages.add(str(told.get("grant", leaf.index)))
            watchers |= {who} - {""}
        else:
            name = str(told.get("purpose", {}).get("name", "")) or UNKNOWN
            for row in (rows[name], total):
                row.counts[kind] += 1
                row.people |= {who} - {""}
    named = tuple(Row(name, row.counts, row.people) for name, row in sorted(rows.items()))
    return Numbers(
        month, len(pages), len(watchers), named, total, refused, unknown, _by_commands(start_ns, end_ns, keys)
    )


def shown(numbers: Numbers, least: int = 0) -> list[Line]:
    """Return the lines of a table, the last one of all purposes; numbers below `least` (0: none) are not told."""
    columns = [
        _column([row.counts[kind] for row in numbers.rows], numbers.total.counts[kind], least) for kind in COLUMNS
    ]
    lines = [
        Line(row.name, tuple(column[at] for column in columns), small(len(row.people), least))
        for at, row in enumerate(numbers.rows)
    ]
    total = tuple(column[-1] for column in columns)
    return [*lines, Line(numbers.total.name, total, small(len(numbers.total.people), least))]


def small(value: int, least: int) -> str:
    """Return a number in words for the public: one that is small, and not nothing, is not told."""
    return f"fewer than {least}" if 0 < value < least else str(value)


def _column(values: Sequence[int], total: int, least: int) -> list[str]:
    """Return the cells of a column with its total behind them.

    Small ones are hidden; then as many others as it takes until the total tells no more about those than that they are
    small; where there are no others, the total.
    """
    hidden = [0 < value < least for value in values]
    others = sorted((value, at) for at, value in enumerate(values) if value >= least) if any(hidden) else []
    withheld: set[int] = set()
    while not _tells_nothing(values, hidden, withheld, least) and others:
        withheld.add(others.pop(0)[1])
    cells = [WITHHELD if at in withheld else small(value, least) for at, value in enumerate(values)]
    safe = _tells_nothing(values, hidden, withheld, least) or 0 < total < least
    return [*cells, small(total, least) if safe else WITHHELD]


def _tells_nothing(values: Sequence[int], hidden: Sequence[bool], withheld: set[int], least: int) -> bool:
    """Whether each small number may still be any from 1 to `least` - 1, for who knows the sum of all hidden ones."""
    count = sum(hidden)
    if not count:
        return True
    rest = sum(values[at] for at in range(len(values)) if hidden[at] or at in withheld)
    most_of_others = None if withheld else (count - 1) * (least - 1)
    least_of_others = (count - 1) + len(withheld) * least
    one_is_possible = most_of_others is None or rest - most_of_others <= 1
    return one_is_possible and rest - least_of_others >= least - 1


def _keys(rights: Rights | None) -> frozenset[str] | None:
    groups = None if rights is None else rights.where(Action.READ_LEDGER)
    if groups is None:
        return None
    return frozenset(Camera.objects.filter(site__group__in=groups).values_list("key", flat=True))


def _bodies(ledger: LedgerReader, leaves: Iterator[Leaf]) -> Iterator[tuple[Leaf, dict[str, Any] | None]]:
    """Return leaves with what they say; None where that is gone or false. One by one where something is wrong."""
    while batch := list(islice(leaves, BATCH)):
        try:
            yield from [(leaf, None if body is None else body.value()) for leaf, body in ledger.read_bodies(batch)]
        except (CorruptError, MissingError):
            yield from [(leaf, _body(ledger, leaf)) for leaf in batch]


def _body(ledger: LedgerReader, leaf: Leaf) -> dict[str, Any] | None:
    try:
        body = ledger.body(leaf.index)
    except (CorruptError, MissingError):
        return None
    return None if body is None else body.value()


def _by_commands(start_ns: int, end_ns: int, keys: frozenset[str] | None) -> int | None:
    try:
        ledger = LedgerReader(commands.place())
    except MissingError:
        return None
    found = 0
    for leaf, body in _bodies(ledger, ledger.leaves(since_ns=start_ns, until_ns=end_ns)):
        named = map(str, (body or {}).get("cameras", []))
        found += leaf.kind != ENDED and (keys is None or bool(keys.intersection(named)))
    return found


def _span(month: dt.date) -> tuple[int, int]:
    """Return the first moment of a month and of the next, of the council's time zone."""
    following = (month + dt.timedelta(days=32)).replace(day=1)
    first, last = (timezone.make_aware(dt.datetime.combine(day, dt.time.min)) for day in (month, following))
    return int(first.timestamp()) * SECOND, int(last.timestamp()) * SECOND

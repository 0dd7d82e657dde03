"""Writing an act down, before it takes effect: the one way into the control room's ledger.

An act that changes rows is written inside the transaction that changes them, as its last step: if it cannot be
written, nothing is changed. If the transaction fails after that, the ledger says what somebody was about to do, and
the row that follows from it is not there; the ledger never says less than was done. Any thread may call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from overt.contract.instant import to_iso
from overt.control.acts.actor import Actor, actor
from overt.control.acts.book import book
from overt.control.acts.kinds import Kind
from overt.ledger.leaves import Entry

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]
MAX_REFERENCE: Final = 64


@dataclass(frozen=True, slots=True)
class Span:
    """Hours of footage: nanoseconds since the Unix epoch."""

    from_ns: int
    to_ns: int

    def to_json(self) -> dict[str, Json]:
        """Return it as it stands in a leaf's body: UTC."""
        return {"from": to_iso(self.from_ns), "to": to_iso(self.to_ns)}


@dataclass(frozen=True, slots=True)
class Change:
    """A field that was changed, as people read it; `before` and `after` may be empty."""

    field: str
    before: str
    after: str

    def to_json(self) -> dict[str, Json]:
        """Return it as it stands in a leaf's body."""
        return {"field": self.field, "before": self.before, "after": self.after}


def record(
    kind: Kind,
    *,
    by: Actor | None = None,
    person: tuple[UUID, str] | None = None,
    cameras: Iterable[str] = (),
    footage: Span | None = None,
    reference: str = "",
    changes: Iterable[Change] = (),
    more: Mapping[str, Json] | None = None,
) -> int:
    """Write an act down; return its number in the ledger. When this returns, the disk has it.

    `by` is who acts now where it is not given; `person` is whose account it is about (id, name); `cameras` are short
    names; `more` stands in the body as it is.

    Raises:
        UnavailableError: it cannot be written: the act must not happen.
        CorruptError: the ledger on the disk is not the one that was written.
    """
    body: dict[str, Json] = {"who": dict((by or actor()).to_json()), **(more or {})}
    if person is not None:
        body["person"] = {"id": str(person[0]), "name": person[1]}
    if named := list(dict.fromkeys(cameras)):
        body["cameras"] = list(named)
    if footage is not None:
        body["footage"] = footage.to_json()
    if reference:
        body["reference"] = reference
    if changed := [each.to_json() for each in changes]:
        body["changes"] = list(changed)
    return book().append(Entry(kind.value, body)).index


def changes_of(before: Mapping[str, object], after: Mapping[str, object]) -> list[Change]:
    """Return the fields of `after` that differ from those of `before`, in words."""
    return [
        Change(name, words(before.get(name)), words(value))
        for name, value in after.items()
        if before.get(name) != value
    ]


def words(value: object) -> str:
    """Return a value as an auditor reads it; nothing is the empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value))
    return str(value)

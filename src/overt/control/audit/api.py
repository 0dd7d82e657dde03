"""The API of audit: acts, each with its proof, by the same functions as the pages."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from django.conf import settings
from ninja import Query, Router, Schema
from pydantic import Field

from overt.control.acts.book import ledger_directory, reader
from overt.control.acts.kinds import Theme
from overt.control.audit import finding, numbers
from overt.control.audit import sought as writing
from overt.control.audit.finding import Shown, Wanted
from overt.control.people.actions import Action
from overt.control.people.api_access import caller_of
from overt.control.people.gate import Asked, asks
from overt.ledger.proving import prove

router = Router(tags=["Acts"])
reads = asks(Action.READ_LEDGER)
Number = Annotated[int, Field(ge=0, le=finding.LATEST)]
Line = Annotated[str, Field(max_length=120)]


class ActOut(Schema):
    """An act: a leaf of the ledger. `body` is null where its details were removed under the ledger's retention."""

    number: int
    time: dt.datetime
    kind: str
    what: str
    body: dict[str, Any] | None
    fault: str


class ActsOut(Schema):
    """A page of acts, newest first; `older` is what `before` takes for the next one."""

    older: int | None
    items: list[ActOut]


class ProofOut(Schema):
    """A proof as `overt ledger verify --proof` takes it (C2SP tlog-proof)."""

    proof: str


class Sought(Schema):
    """Which acts; days are of the council's time zone."""

    theme: Theme | None = None
    person: Line = ""
    camera: Line = ""
    reference: Annotated[str, Field(max_length=64)] = ""
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    before: Number | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = finding.PER_PAGE


class OfMonth(Schema):
    """Which numbers."""

    month: Annotated[str, Field(max_length=7)] = ""
    """Such as 2026-11; empty: the present one."""
    public: bool = True


def _out(act: Shown) -> dict[str, Any]:
    return {
        "number": act.number,
        "time": act.at,
        "kind": act.leaf.kind,
        "what": act.what,
        "body": act.body,
        "fault": act.fault,
    }


@router.get("/acts", response=ActsOut)
@reads
def acts(request: Asked, sought: Query[Sought]) -> dict[str, Any]:
    """List acts, newest first. That somebody looked is an act itself."""
    told = sought.model_dump(mode="json", exclude={"before", "limit"}, exclude_defaults=True)
    wanted = Wanted(sought.theme, sought.person, sought.camera, sought.reference, sought.first_day, sought.last_day)
    # A program may begin where it likes, so that each page of its list is a search.
    writing.note(caller_of(request), request.rights, wanted, told, "program")
    found = finding.find(request.rights, wanted, sought.before, sought.limit)
    return {"older": found.older, "items": [_out(each) for each in found.rows]}


class LineOut(Schema):
    """What was done for a purpose, in words: a small number may not be told."""

    purpose: str
    replayed: str
    opened: str
    clips: str
    people: str


class NumbersOut(Schema):
    """The numbers of a month; the last line is of all purposes."""

    month: str
    live: str
    watchers: str
    lines: list[LineOut]


@router.get("/acts/numbers", response=NumbersOut)
@reads
def numbers_of_a_month(request: Asked, asked: Query[OfMonth]) -> dict[str, Any]:
    """Count the looks of a month; with `public`, small numbers are not told. No name is among them."""
    found = numbers.count(numbers.month_of(asked.month), request.rights)
    least = settings.CONTROL.numbers_least if asked.public else 0
    lines = [
        {
            "purpose": each.name,
            **dict(zip(("replayed", "opened", "clips"), each.cells, strict=True)),
            "people": each.people,
        }
        for each in numbers.shown(found, least)
    ]
    live, watchers = (numbers.small(value, least) for value in (found.live, found.watchers))
    return {"month": f"{found.month:%Y-%m}", "live": live, "watchers": watchers, "lines": lines}


@router.get("/acts/{number}", response=ActOut)
@reads
def act(request: Asked, number: Number) -> dict[str, Any]:
    """Return an act."""
    return _out(finding.one(request.rights, number))


@router.get("/acts/{number}/proof", response=ProofOut)
@reads
def proof(request: Asked, number: Number) -> dict[str, str]:
    """Return the proof of an act."""
    finding.one(request.rights, number)
    return {"proof": prove(reader(), ledger_directory(), number).encode().decode()}

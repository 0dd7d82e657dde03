"""The API of audit: acts, each with its proof, by the same functions as the pages."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import Field

from overt.control.acts.book import ledger_directory, reader
from overt.control.acts.kinds import Kind, Theme
from overt.control.acts.recording import record
from overt.control.audit import finding
from overt.control.audit.finding import Shown, Wanted
from overt.control.people.actions import Action
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
    if sought.before is None:
        record(Kind.READ, more={"sought": told, "how": "program"})
    wanted = Wanted(sought.theme, sought.person, sought.camera, sought.reference, sought.first_day, sought.last_day)
    found = finding.find(request.rights, wanted, sought.before, sought.limit)
    return {"older": found.older, "items": [_out(each) for each in found.rows]}


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

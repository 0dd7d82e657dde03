"""The API of health: what is wrong now, uptime in days, alert rules. Addresses and secrets go in and never come out."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field, StringConstraints

from overt.control.estate.models import Camera
from overt.control.health import overview, visible
from overt.control.health.kinds import KINDS
from overt.control.health.models import AlertRule, Condition
from overt.control.health.rules import MAX_ADDRESS, MAX_SECRET, delete_rule, save_rule
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.control.people.models import MAX_NAME

router = Router(tags=["Health"])
sees = asks(*visible.SEEING)
changes = asks(Action.CHANGE_CAMERAS)
Number = Annotated[int, Field(ge=0, le=2**31 - 1)]
Month = Annotated[str, StringConstraints(pattern=r"^20[2-9][0-9]-(0[1-9]|1[0-2])$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]*$")]
SeverityName = Literal["urgent", "warning", "notice"]
ChannelName = Literal["email", "webhook", "mqtt", "apprise"]


class ConditionOut(Schema):
    """Something that is wrong."""

    kind: str
    subject: str
    camera: str | None
    severity: str
    title: str
    words: str
    advice: str
    since: dt.datetime


class ConditionsOut(Schema):
    """What is wrong now, the worst first; `heard_at` says when the recorder answered last."""

    heard_at: dt.datetime | None
    away_since: dt.datetime | None
    total: int
    items: list[ConditionOut]


class DayOut(Schema):
    """A day of a camera."""

    date: dt.date
    state: Literal["full", "partly", "not", "off"]
    wanted_s: float
    missing_s: float
    gaps: int


class UptimeOut(Schema):
    """The days of a camera in a month; `share` is from 0 to 1, null where it was not to be recorded."""

    id: UUID
    camera: str
    name: str
    site: str
    share: float | None
    days: list[DayOut]


class UptimesOut(Schema):
    """A page of cameras."""

    total: int
    items: list[UptimeOut]


class Sought(Schema):
    """Which month (the present one, if none), site and page."""

    month: Month | None = None
    site: Number | None = None
    offset: Number = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class RuleOut(Schema):
    """An alert rule; `shown` is as much of its address as may be known."""

    id: int
    name: str
    kinds: list[str]
    severity: str
    group: int | None
    channel: str
    shown: str
    delay_s: int
    repeat_hours: int | None
    enabled: bool
    version: int


class NewRuleIn(Schema):
    """A rule to make."""

    model_config = ConfigDict(extra="forbid")

    name: Line
    kinds: Annotated[list[str], Field(default_factory=list, max_length=len(KINDS))]
    severity: SeverityName = "warning"
    group: Number | None = None
    channel: ChannelName
    address: Annotated[str, StringConstraints(max_length=MAX_ADDRESS)]
    secret: Annotated[str, StringConstraints(max_length=MAX_SECRET)] | None = None
    delay_s: Annotated[int, Field(ge=0, le=86_400)] = 60
    repeat_hours: Annotated[int, Field(ge=1, le=720)] | None = None
    enabled: bool = True


class RuleIn(NewRuleIn):
    """What a rule is to be, and the version that the change was made of. An empty address keeps the one there is."""

    address: Annotated[str, StringConstraints(max_length=MAX_ADDRESS)] = ""
    version: Number


@router.get("/health/conditions", response=ConditionsOut, summary="What is wrong now")
@sees
def conditions(request: Asked, offset: Number = 0, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> ConditionsOut:
    """List what is wrong, the worst first."""
    rows = overview.worst_first(visible.conditions_seen(request.rights))
    recorder = overview.recorder_now()
    return ConditionsOut(
        heard_at=recorder.heard_at,
        away_since=recorder.away_since,
        total=len(rows),
        items=[_condition(each) for each in rows[offset : offset + limit]],
    )


@router.get("/health/uptime", response=UptimesOut, summary="Days of a month in which cameras were recorded")
@sees
def uptime(request: Asked, sought: Query[Sought]) -> UptimesOut:
    """List cameras with the days of a month."""
    month = overview.month_of(sought.month or "")
    rows = visible.cameras_seen(request.rights).exclude(state=Camera.State.DRAFT)
    if sought.site is not None:
        rows = rows.filter(site=sought.site)
    page = list(rows.order_by("site__name", "name", "key")[sought.offset : sought.offset + sought.limit])
    found = overview.uptimes(page, month, overview.days_of(month), timezone.now())
    return UptimesOut(
        total=rows.count(),
        items=[
            UptimeOut(
                id=each.pk,
                camera=each.key,
                name=each.name,
                site=each.site.name,
                share=found[each.key].share,
                days=[
                    DayOut(date=d.date, state=d.state.value, wanted_s=d.wanted_s, missing_s=d.missing_s, gaps=d.gaps)
                    for d in found[each.key].days
                ],
            )
            for each in page
        ],
    )


@router.get("/health/rules", response=list[RuleOut], summary="Alert rules")
@changes
def list_rules(request: Asked) -> list[RuleOut]:
    """List the rules that one may change."""
    return [_told(each) for each in visible.rules_changed(request.rights)]


@router.post("/health/rules", response={201: RuleOut}, summary="Make an alert rule")
@changes
def add_rule(request: Asked, told: NewRuleIn) -> Status[RuleOut]:
    """Make a rule."""
    return Status(201, _told(_saved(request, AlertRule(), told, None)))


@router.put("/health/rules/{rule}", response=RuleOut, summary="Change an alert rule")
@changes
def change_rule(request: Asked, rule: Number, told: RuleIn) -> RuleOut:
    """Change a rule."""
    return _told(_saved(request, _rule(request, rule), told, told.version))


@router.delete("/health/rules/{rule}", response={204: None}, summary="Delete an alert rule")
@changes
def drop_rule(request: Asked, rule: Number) -> Status[None]:
    """Delete a rule with its messages."""
    delete_rule(_rule(request, rule), request.rights)
    return Status(204, None)


def _saved(request: Asked, row: AlertRule, told: NewRuleIn, version: int | None) -> AlertRule:
    if told.group is not None and not visible.groups_changed(request.rights).filter(pk=told.group).exists():
        raise Http404
    for name in ("name", "kinds", "severity", "channel", "delay_s", "repeat_hours", "enabled"):
        setattr(row, name, getattr(told, name))
    row.group_id = told.group
    return save_rule(row, request.rights, address=told.address, secret=told.secret, version=version)


def _rule(request: Asked, rule: int) -> AlertRule:
    found = visible.rules_changed(request.rights).filter(pk=rule).first()
    if found is None:
        raise Http404
    return found


def _told(row: AlertRule) -> RuleOut:
    return RuleOut(
        id=row.pk,
        name=row.name,
        kinds=row.kinds,
        severity=row.severity,
        group=row.group_id,
        channel=row.channel,
        shown=row.shown,
        delay_s=row.delay_s,
        repeat_hours=row.repeat_hours,
        enabled=row.enabled,
        version=row.version,
    )


def _condition(row: Condition) -> ConditionOut:
    kind = KINDS.get(row.kind)
    return ConditionOut(
        kind=row.kind,
        subject=row.subject,
        camera=row.camera or None,
        severity=row.severity,
        title=row.title,
        words=row.words,
        advice=kind.advice if kind else "",
        since=row.since,
    )

"""From conditions to messages in the queue: each rule says what it has to say, and what it said is kept with it.

Incident and message are saved in one transaction: what was said is never said twice, and what is to be said survives a
restart.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from overt.control.estate.models import Camera
from overt.control.health import wording
from overt.control.health.incidents import News, Open, Standing, Terms, What, by_trouble, news, succeeded
from overt.control.health.models import AlertRule, Condition, Incident, Message
from overt.control.health.severity import Severity

MOST_PER_HOUR: Final = 12
"""Messages of a rule; what there is to say beyond waits, and is said together."""
KEEP: Final = dt.timedelta(days=31)


@dataclass(frozen=True, slots=True)
class _Said:
    """An open incident, and the ids of its conditions."""

    row: Incident
    conditions: list[int]


def speak(now: dt.datetime) -> int:
    """Let every rule that is in use say what it has to say; return how many messages were made.

    Raises:
        OperationalError: the database is locked or away; what was not said is said in the next round.
    """
    rules = list(AlertRule.objects.filter(enabled=True))
    if not rules:
        return 0
    incidents: dict[int, list[_Said]] = {}
    for incident in Incident.objects.filter(over_at=None, rule__enabled=True):
        incidents.setdefault(incident.rule_id, []).append(_Said(incident, []))
    by_id = {each.row.pk: each for rows in incidents.values() for each in rows}
    links = Incident.conditions.through.objects.filter(incident__over_at=None, incident__rule__enabled=True)
    for incident_id, condition_id in links.values_list("incident_id", "condition_id"):
        if incident_id in by_id:
            by_id[incident_id].conditions.append(condition_id)
    standing = _standing(Condition.objects.filter(until=None))
    return sum(_speak(rule, standing, incidents.get(rule.pk, []), now) for rule in rules)


def terms_of(rule: AlertRule) -> Terms:
    """Return what a rule asks for, as plain values."""
    cameras = None
    if rule.group_id is not None:
        cameras = frozenset(Camera.objects.filter(site__group=rule.group_id).values_list("key", flat=True))
    return Terms(
        kinds=frozenset(rule.kinds),
        severity=Severity(rule.severity),
        cameras=cameras,
        delay=dt.timedelta(seconds=rule.delay_s),
        repeat=dt.timedelta(hours=rule.repeat_hours) if rule.repeat_hours else None,
    )


def send_test(rule: AlertRule, now: dt.datetime) -> Message:
    """Put a test message of a rule into the queue."""
    words = wording.trial(rule.name, settings.CONTROL.organisation, page_address())
    return _queue(rule, words, now, test=True)


def page_address() -> str:
    """Return the address of the health page, for messages."""
    return f"{settings.CONTROL.origin}{reverse('health:now')}"


def prune(now: dt.datetime) -> None:
    """Forget messages and incidents that are older than they are kept."""
    Message.objects.filter(made_at__lt=now - KEEP).exclude(next_at__isnull=False).delete()
    Incident.objects.filter(over_at__lt=now - KEEP).delete()


def _speak(rule: AlertRule, standing: Sequence[Standing], incidents: Sequence[_Said], now: dt.datetime) -> int:
    by_id = {each.id: each for each in standing}
    troubles = by_trouble(standing)
    ended = {pk for each in incidents for pk in each.conditions if pk not in by_id}
    by_id |= {each.id: each for each in _standing(Condition.objects.filter(pk__in=ended))} if ended else {}
    opened = [
        succeeded(
            Open(
                each.row.pk,
                each.row.place,
                each.row.said_at,
                each.row.some_back_at is not None,
                tuple(by_id[pk] for pk in each.conditions if pk in by_id),
            ),
            troubles,
        )
        for each in incidents
    ]
    told = news(terms_of(rule), standing, opened, now)
    carried = [
        (said.row, each)
        for said, each in zip(incidents, opened, strict=True)
        if set(said.conditions) != {condition.id for condition in each.conditions}
    ]
    if told and _made_lately(rule, now) >= MOST_PER_HOUR:
        told = []
    if not told and not carried:
        return 0
    with transaction.atomic():
        for row, each in carried:
            row.conditions.set([condition.id for condition in each.conditions])
        for each_told in told:
            _note(rule, each_told, now)
        if told:
            zone = timezone.get_default_timezone()
            _queue(rule, wording.message(told, settings.CONTROL.organisation, page_address(), zone), now)
    return 1 if told else 0


def _note(rule: AlertRule, told: News, now: dt.datetime) -> None:
    """Keep what is said."""
    if told.incident is None:
        made = Incident.objects.create(rule=rule, place=told.place[:300], said_at=now)
        made.conditions.set([each.id for each in told.conditions])
        return
    row = Incident.objects.filter(pk=told.incident)
    if told.what is What.OVER:
        row.update(over_at=now)
    elif told.what is What.SOME_BACK:
        row.update(some_back_at=now)
    else:
        row.update(said_at=now)


def _queue(rule: AlertRule, words: wording.Words, now: dt.datetime, *, test: bool = False) -> Message:
    return Message.objects.create(
        rule=rule, made_at=now, next_at=now, subject=words.subject, body=words.body, data=words.data, test=test
    )


def _made_lately(rule: AlertRule, now: dt.datetime) -> int:
    return Message.objects.filter(rule=rule, test=False, made_at__gt=now - dt.timedelta(hours=1)).count()


def _standing(rows: Iterable[Condition]) -> list[Standing]:
    found = list(rows)
    keys = {row.camera for row in found if row.camera}
    sites = dict(Camera.objects.filter(Q(key__in=keys)).values_list("key", "site__name")) if keys else {}
    return [
        Standing(
            id=row.pk,
            kind=row.kind,
            subject=row.subject,
            title=row.title,
            words=row.words,
            severity=Severity(row.severity),
            since=row.since,
            until=row.until,
            camera=row.camera,
            site=sites.get(row.camera, ""),
            network=row.network,
        )
        for row in found
    ]

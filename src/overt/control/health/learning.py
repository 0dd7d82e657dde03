"""From facts to rows: what each kind of fact teaches. Cursor and lessons are saved in one transaction.

Facts come at least once. One whose sequence is not beyond the cursor is passed over, and every lesson is idempotent by
itself too: rows are found by what they are about (a gap by its start), or by the fact's id.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from overt.contract.fact import (
    AssignmentApplied,
    AssignmentRefused,
    ClockStepped,
    DiskStateChanged,
    Fact,
    FactData,
    FactsLost,
    FootageDeleted,
    GapClosed,
    GapOpened,
    RecipientsApplied,
    RecipientsRefused,
    StreamStateChanged,
    WorkerRestarted,
)
from overt.control.health.models import MAX_REASON, Assigned, Deletion, Event, Gap, Recorder, StreamNow
from overt.control.health.plain_text import plain
from overt.errors import InvalidError
from overt.ids import NAME_PATTERN

KEEP_GAPS: Final = dt.timedelta(days=400)
"""Gaps and assignments: uptime can be asked for thirteen months back."""
KEEP_EVENTS: Final = dt.timedelta(days=90)
_SECOND: Final = 1_000_000_000
_LOG: Final = logging.getLogger(__name__)
_REMEMBERED: Final = (
    ClockStepped,
    WorkerRestarted,
    DiskStateChanged,
    FactsLost,
    AssignmentRefused,
    RecipientsApplied,
    RecipientsRefused,
)


def moment_of(ns: int) -> dt.datetime:
    """Return nanoseconds since the Unix epoch as a moment, to the microsecond."""
    seconds, rest = divmod(ns, _SECOND)
    return dt.datetime.fromtimestamp(seconds, dt.UTC) + dt.timedelta(microseconds=rest // 1000)


def read_facts(told: Any) -> tuple[list[Fact], int]:
    """Read the answer to `GET /facts`: the facts, and the cursor to ask with next.

    A fact that cannot be read (of a kind that a newer recorder knows) is passed over, and that is logged.

    Raises:
        InvalidError: the answer itself is none.
    """
    if not isinstance(told, dict) or not isinstance(told.get("facts"), list) or type(told.get("next")) is not int:
        msg = "the recorder's facts cannot be read: it answers with something else"
        raise InvalidError(msg)
    found = []
    for value in told["facts"]:
        try:
            found.append(Fact.from_json(json.dumps(value)))
        except InvalidError as error:
            _LOG.warning("a fact is passed over: %s", error)
    return found, told["next"]


def learn(recorder: str, asked: int, facts: Sequence[Fact], cursor: int) -> bool:
    """Save what facts teach together with the cursor behind them; False if somebody else has read on meanwhile.

    Raises:
        OperationalError: the database is locked or away; nothing was saved, and the same can be asked again.
    """
    with transaction.atomic():
        row = Recorder.objects.select_for_update().get(name=recorder)
        if row.cursor != asked:
            return False
        for fact in facts:
            if fact.sequence > asked:
                _learn_one(row, fact)
        row.cursor = max(row.cursor, cursor)
        row.save(update_fields=["cursor", "refused_at", "refused_reason"])
    return True


def prune(now: dt.datetime) -> None:
    """Forget what is older than it is kept."""
    Gap.objects.filter(end__lt=now - KEEP_GAPS).delete()
    Assigned.objects.filter(until__lt=now - KEEP_GAPS).delete()
    Deletion.objects.filter(day__lt=(now - KEEP_GAPS).date()).delete()
    Event.objects.filter(at__lt=now - KEEP_EVENTS).delete()


def _learn_one(recorder: Recorder, fact: Fact) -> None:
    at, data = moment_of(fact.time_ns), fact.data
    if fact.stream is not None:
        camera, stream = fact.stream.camera, fact.stream.stream
        if isinstance(data, GapOpened | GapClosed):
            _gap(camera, stream, data)
        elif isinstance(data, StreamStateChanged):
            values = {"state": data.state, "reason": plain(data.reason, MAX_REASON), "since": at}
            StreamNow.objects.update_or_create(camera=camera, stream=stream, defaults=values)
        elif isinstance(data, FootageDeleted):
            _deleted(camera, at, fact.sequence, data)
    if isinstance(data, AssignmentApplied):
        recorder.refused_at, recorder.refused_reason = None, ""
        _assigned(at, data)
    elif isinstance(data, AssignmentRefused):
        recorder.refused_at, recorder.refused_reason = at, plain(data.reason, MAX_REASON)
    if isinstance(data, _REMEMBERED):
        Event.objects.get_or_create(id=fact.id, defaults={"kind": fact.kind, "at": at, "data": _kept(data)})


def _kept(data: FactData) -> dict[str, Any]:
    """Return what is kept of a fact that is remembered as it came; no database takes every character."""
    values = asdict(data)
    return {name: plain(value, MAX_REASON) if isinstance(value, str) else value for name, value in values.items()}


def _gap(camera: str, stream: str, data: GapOpened | GapClosed) -> None:
    start = moment_of(data.start_ns)
    # A recorder that was killed inside a gap begins another; only the last one of a stream can still be open.
    Gap.objects.filter(camera=camera, stream=stream, end=None, start__lt=start).update(end=start)
    values: dict[str, Any] = {"cause": data.cause, "reason": plain(data.reason, MAX_REASON)}
    if isinstance(data, GapClosed):
        values["end"] = moment_of(data.end_ns)
    Gap.objects.update_or_create(camera=camera, stream=stream, start=start, defaults=values)


def _deleted(camera: str, at: dt.datetime, sequence: int, data: FootageDeleted) -> None:
    newest = moment_of(data.end_ns)
    row, _ = Deletion.objects.get_or_create(
        day=at.date(), camera=camera, reason=data.reason, defaults={"newest": newest}
    )
    Deletion.objects.filter(pk=row.pk, sequence__lt=sequence).update(
        segments=F("segments") + data.segments,
        bytes=F("bytes") + data.bytes,
        newest=max(row.newest, newest),
        sequence=sequence,
    )


def _assigned(at: dt.datetime, data: AssignmentApplied) -> None:
    open_now = set(Assigned.objects.filter(until=None).values_list("camera", flat=True))
    started = {name for name in data.started if NAME_PATTERN.fullmatch(name)}
    if started & open_now:
        # A recorder that has just begun names all its cameras: the others are not recorded any more.
        _end(open_now - started, at)
    _end(data.stopped, at)
    Assigned.objects.bulk_create(Assigned(camera=name, since=at) for name in sorted(started - open_now))


def _end(cameras: Iterable[str], at: dt.datetime) -> None:
    names = list(cameras)
    Assigned.objects.filter(camera__in=names, until=None).update(until=at)
    Gap.objects.filter(camera__in=names, end=None).update(end=at)

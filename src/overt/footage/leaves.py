"""The leaves of a recorder's ledger, made of facts (docs/formats/ledger.md has their bodies). Pure values.

A leaf is about footage, never about a person: its body names cameras, files, times and causes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from overt.contract.fact import (
    AssignmentApplied,
    AssignmentRefused,
    ClockStepped,
    Fact,
    FactData,
    FactsLost,
    FootageCompared,
    FootageDeleted,
    GapClosed,
    GapOpened,
    RecipientsApplied,
    RecipientsRefused,
    RecorderStarted,
    RecorderStopped,
    SegmentStored,
    WorkerRestarted,
)
from overt.contract.instant import to_iso
from overt.ledger.leaves import Entry

SEGMENT: Final = "segment.stored"
GAP_OPENED: Final = "gap.opened"
GAP_CLOSED: Final = "gap.closed"
DELETED: Final = "footage.deleted"
ASSIGNED: Final = "assignment.applied"
REFUSED: Final = "assignment.refused"
SEALED_TO: Final = "recipients.applied"
NOT_SEALED_TO: Final = "recipients.refused"
STARTED: Final = "recorder.started"
STOPPED: Final = "recorder.stopped"
COMPARED: Final = "footage.compared"
WORKER: Final = "worker.restarted"
CLOCK: Final = "clock.stepped"
LOST: Final = "facts.lost"
KINDS: Final = (
    SEGMENT,
    GAP_OPENED,
    GAP_CLOSED,
    DELETED,
    ASSIGNED,
    REFUSED,
    SEALED_TO,
    NOT_SEALED_TO,
    STARTED,
    STOPPED,
    COMPARED,
    WORKER,
    CLOCK,
    LOST,
)
_MICROSECOND: Final = 1000


def entry_of(fact: Fact, *, late: bool = False, more: Mapping[str, Any] | None = None) -> Entry | None:
    """Return what a fact has written down about it; None: nothing.

    Args:
        fact: as the outbox has it; one without number was made of what index and files say.
        late: it was not told when it happened, and was found later.
        more: further members of the body.
    """
    found = _BODIES.get(type(fact.data))
    if found is None:
        return None
    kind, body = found
    value: dict[str, Any] = {"at": to_iso(fact.time_ns), **body(fact.data), **(more or {})}
    if fact.stream is not None:
        value |= {"camera": fact.stream.camera, "stream": fact.stream.stream}
    if fact.sequence:
        value["fact"] = fact.sequence
    if late:
        value["late"] = True
    return Entry(kind, value)


def _segment(data: Any) -> dict[str, Any]:
    return {
        "segment": str(data.segment),
        "file": data.file,
        "start": to_iso(data.start_ns),
        "end": to_iso(data.end_ns),
        "bytes": data.bytes,
        "fragments": data.fragments,
        "root": data.root,
        "period": _text(data.period),
    } | ({} if data.condition == "closed" else {"condition": data.condition})


def _gap(data: Any) -> dict[str, Any]:
    value = {"gap": _text(data.gap), "cause": data.cause, "reason": data.reason, "start": to_iso(data.start_ns)}
    return value | ({"end": to_iso(data.end_ns)} if isinstance(data, GapClosed) else {})


def _deleted(data: Any) -> dict[str, Any]:
    return {
        "deletion": _text(data.deletion),
        "reason": data.reason,
        "start": to_iso(data.start_ns),
        "end": to_iso(data.end_ns),
        "count": data.segments,
        "bytes": data.bytes,
        "segments": list(data.segment_ids),
        "periods": list(data.periods),
    }


def _assigned(data: Any) -> dict[str, Any]:
    return {
        "revision": data.revision,
        "started": list(data.started),
        "changed": list(data.changed),
        "stopped": list(data.stopped),
        "retention": [asdict(each) for each in data.retention],
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


_BODIES: Final[dict[type[FactData], tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    SegmentStored: (SEGMENT, _segment),
    GapOpened: (GAP_OPENED, _gap),
    GapClosed: (GAP_CLOSED, _gap),
    FootageDeleted: (DELETED, _deleted),
    AssignmentApplied: (ASSIGNED, _assigned),
    AssignmentRefused: (
        REFUSED,
        lambda data: {"revision": data.revision, "source": data.source, "reason": data.reason},
    ),
    RecipientsApplied: (
        SEALED_TO,
        lambda data: {"policy": data.policy, "roles": list(data.roles), "key_ids": list(data.key_ids)},
    ),
    RecipientsRefused: (NOT_SEALED_TO, lambda data: {"key_ids": list(data.key_ids), "reason": data.reason}),
    RecorderStarted: (STARTED, lambda data: {"version": data.version}),
    RecorderStopped: (STOPPED, lambda _: {}),
    FootageCompared: (
        COMPARED,
        lambda data: {"files": data.files, "rows": data.rows, "found": list(data.found)},
    ),
    WorkerRestarted: (
        WORKER,
        lambda data: {"worker": data.worker, "reason": data.reason, "restarts": data.restarts},
    ),
    ClockStepped: (CLOCK, lambda data: {"by_us": data.duration_ns // _MICROSECOND, "followed": data.followed}),
    FactsLost: (
        LOST,
        lambda data: {"count": data.count, "first": to_iso(data.first_ns), "last": to_iso(data.last_ns)},
    ),
}

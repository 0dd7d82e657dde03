"""A recorder whose health is read: what it would say, made up; and real reading of a real one."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from overt.contract.fact import Fact, FactData, new_fact
from overt.contract.socket_client import SocketClient
from overt.control.health.models import Condition
from overt.control.health.reading import Reading
from overt.control.health.report import Report
from overt.control.people import sessions
from overt.ids import StreamKey

if TYPE_CHECKING:
    from recorder_rig import Recorder

NOW = dt.datetime(2026, 11, 25, 14, 0, tzinfo=dt.UTC)
SECOND = 1_000_000_000
SESSIONS = sessions
"""Hears of those who sign in, once it is imported."""


def at(seconds: float = 0) -> dt.datetime:
    """A moment so many seconds after `NOW`."""
    return NOW + dt.timedelta(seconds=seconds)


def ns(moment: dt.datetime) -> int:
    """Nanoseconds of a moment."""
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000


def stream(camera: str = "market", state: str = "recording", since: float = -3600, **fields: Any) -> dict[str, Any]:
    """One stream of a report."""
    row = {"camera": camera, "stream": "main", "state": state, "since": at(since), "reason": ""}
    return row | {"bit_rate": 2e6, "last_frame_age_s": 0.1, "camera_offset_s": 0.0} | fields


def report(*streams: dict[str, Any], **fields: Any) -> Report:
    """What a recorder says that has run for a day."""
    return Report.model_validate({"time": at(), "started": at(-86_400), "streams": list(streams), **fields})


def fact(data: FactData, sequence: int, when: float = 0, camera: str | None = None, name: str = "main") -> Fact:
    """A numbered fact."""
    made = new_fact(data, ns(at(when)), StreamKey(camera, name) if camera else None)
    return made.numbered(sequence)


def standing() -> dict[tuple[str, str], Condition]:
    """What stands, by kind and subject."""
    return {(each.kind, each.subject): each for each in Condition.objects.filter(until=None)}


def read_until(recorder: Recorder, happened: Callable[[], bool], seconds: float = 40) -> None:
    """Read a real recorder, round by round, until something happened."""
    reading = Reading(SocketClient(recorder.socket_path))
    deadline = time.monotonic() + seconds
    while not happened():
        reading.round()
        assert time.monotonic() < deadline, [f"{key}: {row.words}" for key, row in standing().items()]
        time.sleep(0.1)


def now_real() -> dt.datetime:
    """The present."""
    return timezone.now()

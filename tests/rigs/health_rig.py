"""A recorder whose health is read: what it would say, made up; and real reading of a real one."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from control_rig import camera_at, site_in
from overt.contract.fact import Fact, FactData, new_fact
from overt.contract.socket_client import SocketClient
from overt.control.estate.models import Camera
from overt.control.health.models import Assigned, Condition, DiskSample, Gap
from overt.control.health.models import Recorder as RecorderRow
from overt.control.health.reading import Reading
from overt.control.health.report import Report
from overt.control.people import sessions
from overt.ids import StreamKey

if TYPE_CHECKING:
    from recorder_rig import Recorder

NOW = dt.datetime(2026, 11, 25, 14, 0, tzinfo=dt.UTC)
SECOND = 1_000_000_000
COUNCIL_NAMES = ("Market entrance", "Car park, lower deck", "Taxi rank", "Library foyer", "Bus station, bay 4")
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


def council() -> list[Camera]:
    """Five cameras that were recorded for forty days, with gaps now and then."""
    hall, library = site_in(), site_in("Libraries", "Central Library")
    found = [
        camera_at(library if number == 3 else hall, f"c{number}", name=name, state="recording")
        for number, name in enumerate(COUNCIL_NAMES)
    ]
    forty_days_of(found)
    return found


def forty_days_of(cameras: list[Camera]) -> None:
    """Write down that cameras were recorded for forty days: the more gaps, the later in the list."""
    now = timezone.now()
    for number, camera in enumerate(cameras):
        Assigned.objects.create(camera=camera.key, since=now - dt.timedelta(days=40))
        for day in range(number):
            start = now - dt.timedelta(days=3 * day + 1)
            end = start + dt.timedelta(hours=30 if day == 3 else 2)
            Gap.objects.create(
                camera=camera.key, stream="main", cause="network", reason="no route to host", start=start, end=end
            )
    disk = {"location": "/srv/footage", "state": "ok", "free_bytes": 2_100 * 10**9, "total_bytes": 8_000 * 10**9}
    summary = {"started": (now - dt.timedelta(days=12)).isoformat(), "revision": 4, "level": "degraded", "cameras": 5}
    RecorderRow.objects.create(
        heard_at=now, summary=summary | {"recorded": 3, "disks": [disk], "workers": 1, "media": "running"}
    )
    for hour in range(60):
        free = 2_100 * 10**9 + (60 - hour) * 4 * 10**9
        taken = now - dt.timedelta(hours=60 - hour)
        DiskSample.objects.create(location="/srv/footage", at=taken, free_bytes=free, total_bytes=disk["total_bytes"])


def wrong(camera: Camera, kind: str, severity: str, title: str, words: str) -> Condition:
    """Note that something is the matter with a camera."""
    return Condition.objects.create(
        kind=kind,
        subject=f"camera:{camera.key}",
        camera=camera.key,
        severity=severity,
        title=f"{camera.name} {title}",
        words=words,
        since=timezone.now() - dt.timedelta(minutes=17),
    )

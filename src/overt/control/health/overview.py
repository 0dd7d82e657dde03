"""What the health pages show, gathered: what is wrong by site, recorder and disks, uptime of cameras."""

from __future__ import annotations

import calendar
import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db.models import Q
from django.utils import timezone

from overt.control.estate.models import RECORDER_NAME, Camera
from overt.control.health.canary import CanaryState
from overt.control.health.disks import Outlook
from overt.control.health.judging import disk_outlook
from overt.control.health.kinds import KINDS
from overt.control.health.models import Assigned, Condition, Gap, Recorder
from overt.control.health.report import DiskReport, Summary
from overt.control.health.severity import SEVERITY_WORDS, Severity
from overt.control.health.site_keys import keys_in_words
from overt.control.health.uptime import Uptime, uptime
from overt.ids import MAIN
from overt.sealing.wraps import Layer

EARLIEST: Final = dt.date(2020, 1, 1)
MONTHS: Final = 13
MAX_SHOWN: Final = 200
"""Conditions on one page; a page that says how many more there are says enough."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A condition as pages show it."""

    condition: Condition
    advice: str
    severity: str
    camera: Camera | None


@dataclass(frozen=True, slots=True)
class Place:
    """What is wrong at one site, or with what all sites share."""

    name: str
    conditions: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Disk:
    """A storage location, and when it will be full."""

    report: DiskReport
    outlook: Outlook

    @property
    def used_share(self) -> float:
        """Share used, from 0 to 1."""
        total = self.report.total_bytes
        return 1 - self.report.free_bytes / total if total > 0 else 0.0

    @property
    def size_words(self) -> str:
        """Its size, as disks are sold."""
        size = self.report.total_bytes / 1e9
        return f"{size / 1000:.1f} TB" if size >= 1000 else f"{size:.1f} GB"

    @property
    def words(self) -> str:
        """Say when it will be full."""
        if self.report.state == "full":
            return "It is full"
        if self.outlook.full_at is not None:
            local = timezone.localtime(self.outlook.full_at)
            return f"Full on {local.day} {local:%B %Y} at the rate of the last days"
        if self.outlook.known:
            return "Never at the rate of the last days: retention frees what recording takes"
        return "Not known yet: watched for less than six hours"


@dataclass(frozen=True, slots=True)
class RecorderNow:
    """A recorder as pages show it."""

    name: str
    heard_at: dt.datetime | None
    away_since: dt.datetime | None
    summary: Summary | None
    disks: tuple[Disk, ...]
    canary: CanaryState = field(default_factory=CanaryState)
    """Whether yesterday's footage opens."""

    @property
    def sealed_words(self) -> str:
        """Say whom footage is sealed to; empty where the recorder does not tell."""
        sealing = self.summary.sealing if self.summary else None
        if sealing is None or not sealing.roles:
            return ""
        return keys_in_words([Layer(each.role, each.key_id) for each in sealing.roles])


def worst_first(rows: Iterable[Condition]) -> list[Condition]:
    """Return conditions in the order of lists: by severity, then those that stand longest."""
    return sorted(rows, key=lambda row: (Severity(row.severity).rank, row.since, row.pk))


def places(rows: Iterable[Condition]) -> tuple[list[Place], int]:
    """Group what stands by site, the worst first; return it, and how many did not fit."""
    found = worst_first(rows)
    left_out = max(0, len(found) - MAX_SHOWN)
    found = found[:MAX_SHOWN]
    cameras = {
        each.key: each
        for each in Camera.objects.filter(key__in={row.camera for row in found if row.camera}).select_related("site")
    }
    grouped: dict[str, list[Shown]] = {}
    for row in found:
        camera = cameras.get(row.camera)
        name = camera.site.name if camera else "Cameras that are not in the register" if row.camera else "Recorder"
        kind = KINDS.get(row.kind)
        words = SEVERITY_WORDS[Severity(row.severity)]
        grouped.setdefault(name, []).append(Shown(row, kind.advice if kind else "", words, camera))
    return [Place(name, tuple(conditions)) for name, conditions in grouped.items()], left_out


def recorder_now(name: str = RECORDER_NAME) -> RecorderNow:
    """Return how the recorder fares, by what it said last."""
    row = Recorder.objects.filter(name=name).first()
    if row is None:
        return RecorderNow(name, None, None, None, ())
    summary = Summary.model_validate(row.summary) if row.summary else None
    now = timezone.now()
    disks = tuple(Disk(each, disk_outlook(each.location, now)) for each in summary.disks) if summary else ()
    return RecorderNow(name, row.heard_at, row.away_since, summary, disks, CanaryState.model_validate(row.canary))


def known_until(now: dt.datetime, name: str = RECORDER_NAME) -> dt.datetime:
    """Return until when it is known what was recorded: now, or when the recorder was heard last."""
    row = Recorder.objects.filter(name=name).first()
    if row is None or row.heard_at is None:
        return dt.datetime.min.replace(tzinfo=dt.UTC)
    return row.heard_at if row.away_since is not None else now


def uptimes(cameras: Sequence[Camera], first: dt.date, days: int, now: dt.datetime) -> dict[str, Uptime]:
    """Return the uptime of cameras, by their short names, for days that follow each other."""
    zone = zoneinfo.ZoneInfo(timezone.get_default_timezone_name())
    begin = dt.datetime.combine(first, dt.time(), zone)
    end = dt.datetime.combine(first + dt.timedelta(days=days), dt.time(), zone)
    until = known_until(now)
    keys = [each.key for each in cameras]
    wanted: dict[str, list[tuple[dt.datetime, dt.datetime]]] = {key: [] for key in keys}
    gaps: dict[str, list[tuple[dt.datetime, dt.datetime]]] = {key: [] for key in keys}
    spans = Assigned.objects.filter(Q(until=None) | Q(until__gt=begin), camera__in=keys, since__lt=end)
    for camera, since, ended in spans.values_list("camera", "since", "until"):
        wanted[camera].append((since, ended or until))
    holes = Gap.objects.filter(Q(end=None) | Q(end__gt=begin), camera__in=keys, stream=MAIN, start__lt=end)
    for camera, start, ended in holes.values_list("camera", "start", "end"):
        gaps[camera].append((start, ended or until))
    return {key: uptime(wanted[key], gaps[key], first, days, zone, until) for key in keys}


def month_of(text: str) -> dt.date:
    """Return the first day of a month that is asked for as 2026-11; this one, if it is none or has not come."""
    this = timezone.localdate().replace(day=1)
    try:
        found = dt.datetime.strptime(text, "%Y-%m").replace(tzinfo=dt.UTC).date()
    except ValueError:
        return this
    return found if EARLIEST <= found <= this else this


def months() -> list[dt.date]:
    """Return the months that can be asked for, the newest first."""
    found, month = [], timezone.localdate().replace(day=1)
    for _ in range(MONTHS):
        found.append(month)
        month = (month - dt.timedelta(days=1)).replace(day=1)
    return found


def days_of(month: dt.date) -> int:
    """Return how many days a month has."""
    return calendar.monthrange(month.year, month.month)[1]

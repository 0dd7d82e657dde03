"""From rows and a report to conditions that stand: gathers what is known, asks `conditions`, keeps what changed."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
from collections.abc import Iterable
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from overt.control.custody.standing import keys_in_hand
from overt.control.estate.models import Camera, Installation, RecorderAssignment
from overt.control.health import bit_rates
from overt.control.health.canary import CanaryState
from overt.control.health.certificates import certificates
from overt.control.health.conditions import find
from overt.control.health.disks import Outlook, Sample, outlook
from overt.control.health.kinds import KINDS
from overt.control.health.models import (
    MAX_LOCATION,
    MAX_REASON,
    Condition,
    Deletion,
    DiskSample,
    Event,
    Gap,
    Recorder,
)
from overt.control.health.report import DiskReport, Report, summary_of
from overt.control.health.site_keys import Sealed
from overt.control.health.situation import Found, KnownCamera, OpenGap, Restart, ShortDeletion, Situation, Step
from overt.control.witnessing.models import WitnessedLedger
from overt.ids import MAIN

_KEPT: Final = ("pk", "kind", "subject", "severity", "title", "words")
KEEP_CONDITIONS: Final = dt.timedelta(days=90)
KEEP_SAMPLES: Final = dt.timedelta(days=14)
NOT_LOOKED: Final = Sealed()
_SECOND: Final = 1_000_000_000


def situation(row: Recorder, report: Report | None, now: dt.datetime, sealed: Sealed) -> Situation:
    """Gather what is known at a moment."""
    canary = CanaryState.model_validate(row.canary)
    assignment = RecorderAssignment.objects.filter(recorder=row.name).first() or RecorderAssignment()
    events = Event.objects.filter(at__gte=now - dt.timedelta(hours=1)).order_by("at")
    ledger = WitnessedLedger.objects.filter(recorder=row.name).first() or WitnessedLedger()
    return Situation(
        now=now,
        today=timezone.localdate(now),
        recorder=row.name,
        report=report,
        away_since=row.away_since,
        away_reason=row.away_reason,
        ledger_refused_at=ledger.refused_at,
        ledger_refused_words=ledger.refused_words,
        # One that was heard had a key, wherever that was made.
        key_made=row.heard_at is not None or settings.CONTROL.recipients.exists(),
        refused_at=row.refused_at,
        refused_reason=row.refused_reason,
        waiting_since=assignment.waiting_since,
        waiting_reason=assignment.problem,
        left_out=assignment.left_out,
        cameras=known_cameras(),
        gaps={
            gap.camera: OpenGap(gap.cause, gap.reason, gap.start)
            for gap in Gap.objects.filter(stream=MAIN, end=None).order_by("start")
        },
        restarts=[
            Restart(int(each.data["worker"]), each.at, str(each.data["reason"]))
            for each in events
            if each.kind == "worker-restarted"
        ],
        steps=[
            Step(each.at, int(each.data["duration_ns"]) / _SECOND) for each in events if each.kind == "clock-stepped"
        ],
        short=[
            ShortDeletion(each.camera, each.day, each.newest)
            for each in Deletion.objects.filter(reason="disk-full", day__gte=(now - dt.timedelta(days=2)).date())
        ],
        outlooks={disk.location: disk_outlook(disk.location, now) for disk in (report.disks if report else ())},
        suspects=bit_rates.watch(report.main_streams.values(), now) if report else {},
        certificates=certificates(settings.CONTROL),
        sealed=sealed,
        unopened=canary.failure,
        unopened_since=canary.failed_at,
        in_hand=keys_in_hand(now),
    )


def known_cameras() -> dict[str, KnownCamera]:
    """Return the cameras of the register by their short names; only those at work are due for review.

    Asked every few seconds, of thousands: so values alone, no rows.
    """
    hosts = dict(Installation.objects.filter(until=None).values_list("camera__key", "device__host"))
    recording, off = Camera.State.RECORDING.value, Camera.State.OFF.value
    networks: dict[str, str] = {"": ""}
    found: dict[str, KnownCamera] = {}
    for key, name, site, state, review_on in Camera.objects.order_by().values_list(
        "key", "name", "site__name", "state", "review_on"
    ):
        host = hosts.get(key, "")
        if host not in networks:
            networks[host] = network_of(host)
        due = review_on if state in {recording, off} else None
        found[key] = KnownCamera(key, name, site, state == recording, review_on=due, network=networks[host])
    return found


@functools.lru_cache(maxsize=65_536)
def network_of(host: str) -> str:
    """Return the part of the network that an address is in, as switches share it (/24, /64); empty for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))


def disk_outlook(location: str, now: dt.datetime) -> Outlook:
    """Say when a disk will be full."""
    rows = DiskSample.objects.filter(location=location[:MAX_LOCATION], at__gte=now - dt.timedelta(days=4))
    return outlook([Sample(row.at, row.free_bytes, row.total_bytes) for row in rows.order_by("at")])


def judge(name: str, report: Report | None, now: dt.datetime, sealed: Sealed = NOT_LOOKED) -> None:
    """Bring what stands in line with what is known; `report` is None where the recorder does not answer.

    `sealed`: what the canary found.

    Raises:
        OperationalError: the database is locked or away; nothing was changed.
    """
    with transaction.atomic():
        row = Recorder.objects.select_for_update().get(name=name)
        if report is not None:
            row.heard_at, row.summary = now, summary_of(report)
            row.save(update_fields=["heard_at", "summary"])
            _sample(report.disks, now)
        keep(find(situation(row, report, now, sealed)), now, heard=report is not None)


def keep(found: Iterable[Found], now: dt.datetime, *, heard: bool) -> None:
    """Begin conditions that are new, end those that are over, and correct words that changed.

    Where the recorder was not heard, what only it can say goes on as it was.
    """
    # Values, no rows: of thousands that stand, next to none changes.
    rows = Condition.objects.filter(until=None).order_by().values_list(*_KEPT)
    standing = {(kind, subject): (pk, *said) for pk, kind, subject, *said in rows}
    begun: list[Condition] = []
    changed: list[Condition] = []
    for each in found:
        row = standing.pop(each.identity, None)
        severity = (each.severity or each.kind.severity).value
        title, words = each.title[:400], each.words[: 2 * MAX_REASON]
        if row is None:
            begun.append(
                Condition(
                    kind=each.kind.name,
                    subject=each.subject,
                    camera=each.camera,
                    severity=severity,
                    title=title,
                    words=words,
                    since=min(each.since or now, now),
                    network=each.network,
                )
            )
        elif row[1:] != (severity, title, words):
            changed.append(Condition(pk=row[0], severity=severity, title=title, words=words))
    over = [row[0] for (kind, _), row in standing.items() if heard or kind not in KINDS or not KINDS[kind].heard]
    Condition.objects.bulk_create(begun)
    Condition.objects.bulk_update(changed, ["severity", "title", "words"], batch_size=500)
    if over:
        Condition.objects.filter(pk__in=over).update(until=now)


def prune(now: dt.datetime) -> None:
    """Forget conditions and samples that are older than they are kept."""
    Condition.objects.filter(until__lt=now - KEEP_CONDITIONS).delete()
    DiskSample.objects.filter(at__lt=now - KEEP_SAMPLES).delete()


def _sample(disks: Iterable[DiskReport], now: dt.datetime) -> None:
    """Keep what is free, once an hour."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    for disk in disks:
        if disk.total_bytes > 0:
            values = {"free_bytes": disk.free_bytes, "total_bytes": disk.total_bytes, "state": disk.state}
            DiskSample.objects.get_or_create(location=disk.location[:MAX_LOCATION], at=hour, defaults=values)

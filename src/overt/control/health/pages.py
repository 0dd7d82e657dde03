"""Pages of health: what is wrong now, one camera, uptime."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any, Final
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from overt.control.estate.models import Camera
from overt.control.health import overview, visible
from overt.control.health.models import Gap, StreamNow
from overt.control.health.uptime import DAY_WORDS, DayState
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.control.people.sessions import unattended

DAYS: Final = 31
PAGE: Final = 100
MAX_GAPS: Final = 500


@asks(*visible.SEEING)
@require_safe
def now(request: Asked) -> HttpResponse:
    """Show what is wrong now, by site, and how the recorder fares."""
    return render(request, "health/now.html", _now(request))


@unattended
@asks(*visible.SEEING)
@require_safe
def parts(request: Asked) -> HttpResponse:
    """Return the part of that page that changes; the page asks for it by itself."""
    return render(request, "health/parts.html", _now(request))


@asks(*visible.SEEING)
@require_safe
def camera(request: Asked, camera_id: UUID) -> HttpResponse:
    """Show how one camera fares, and when it was not recorded in the last days."""
    found = visible.cameras_seen(request.rights).filter(pk=camera_id).first()
    if found is None:
        raise Http404
    moment = timezone.now()
    first = timezone.localdate(moment) - dt.timedelta(days=DAYS - 1)
    begin = timezone.make_aware(dt.datetime.combine(first, dt.time()))
    gaps = Gap.objects.filter(camera=found.key).exclude(end__lt=begin).order_by("-start")
    places, _ = overview.places(visible.conditions_seen(request.rights).filter(camera=found.key))
    return render(
        request,
        "health/camera.html",
        {
            "camera": found,
            "conditions": [each for place in places for each in place.conditions],
            "streams": StreamNow.objects.filter(camera=found.key).order_by("stream"),
            "gaps": list(gaps[:MAX_GAPS]),
            "more_gaps": max(0, gaps.count() - MAX_GAPS),
            "uptime": overview.uptimes([found], first, DAYS, moment)[found.key],
            "DayState": DayState,
            "day_words": DAY_WORDS,
            "days": DAYS,
        },
    )


@asks(*visible.SEEING)
@require_safe
def uptime_page(request: Asked) -> HttpResponse:
    """Show the days of a month in which each camera was recorded."""
    month = overview.month_of(request.GET.get("month", ""))
    site = request.GET.get("site", "")
    sites = visible.sites_seen(request.rights)
    rows = _chosen(request, site)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    cameras = list(page.object_list)
    found = overview.uptimes(cameras, month, overview.days_of(month), timezone.now())
    return render(
        request,
        "health/uptime.html",
        {
            "month": month,
            "months": overview.months(),
            "sites": sites.order_by("name"),
            "site": site,
            "page": page,
            "rows": [(each, found[each.key]) for each in cameras],
            "DayState": DayState,
            "day_words": DAY_WORDS,
        },
    )


@asks(*visible.SEEING)
@require_safe
def uptime_csv(request: Asked) -> HttpResponse:
    """Return the same as a file, a row for each camera and day."""
    month = overview.month_of(request.GET.get("month", ""))
    cameras = list(_chosen(request, request.GET.get("site", "")))
    found = overview.uptimes(cameras, month, overview.days_of(month), timezone.now())
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(["site", "camera", "short name", "day", "recorded", "hours wanted", "hours missing", "gaps"])
    for each in cameras:
        for day in found[each.key].days:
            hours = f"{day.wanted_s / 3600:.4f}", f"{day.missing_s / 3600:.4f}"
            place = _cell(each.site.name), _cell(each.name), each.key
            writer.writerow([*place, day.date.isoformat(), DAY_WORDS[day.state], *hours, day.gaps])
    answer = HttpResponse(lines.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="uptime-{month:%Y-%m}.csv"'
    return answer


def _now(request: Asked) -> dict[str, Any]:
    found, left_out = overview.places(visible.conditions_seen(request.rights))
    wanted = visible.cameras_seen(request.rights).filter(state=Camera.State.RECORDING)
    wrong = {each.camera.key for place in found for each in place.conditions if each.camera is not None}
    return {
        "places": found,
        "left_out": left_out,
        "count": sum(len(place.conditions) for place in found) + left_out,
        "wanted": wanted.count(),
        "wrong": len(wrong),
        "recorder": overview.recorder_now(),
        "rules": request.rights.anywhere(Action.CHANGE_CAMERAS),
    }


def _chosen(request: Asked, site: str) -> Any:
    """Return the cameras that are asked for: of all sites, or of one that may be seen."""
    rows = visible.cameras_seen(request.rights).exclude(state=Camera.State.DRAFT).order_by("site__name", "name", "key")
    if not site:
        return rows
    if not site.isdecimal() or not visible.sites_seen(request.rights).filter(pk=int(site[:18])).exists():
        raise Http404
    return rows.filter(site=int(site[:18]))


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text

"""The page of a month's numbers, and the same as a spreadsheet: exact for auditors, or as it may be published."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from overt.control.audit import numbers
from overt.control.audit.numbers import COLUMNS, Numbers
from overt.control.estate.spreadsheet import written
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.errors import InvalidError

reads = asks(Action.READ_LEDGER)


@reads
@require_safe
@never_cache
def month(request: Asked) -> HttpResponse:
    """Show the numbers of a month."""
    text, error = request.GET.get("month", ""), ""
    try:
        first = numbers.month_of(text)
    except InvalidError as wrong:
        first, error = numbers.month_of(""), str(wrong)
    found = numbers.count(first, request.rights)
    context: dict[str, Any] = {
        "numbers": found,
        "month": f"{first:%Y-%m}",
        "words": f"{first:%B %Y}",
        "error": error,
        "columns": list(COLUMNS.values()),
        "exact": numbers.shown(found),
        "public": numbers.shown(found, _least()),
        "public_live": numbers.small(found.live, _least()),
        "public_watchers": numbers.small(found.watchers, _least()),
    }
    return render(request, "audit/numbers.html", context)


@reads
@require_safe
@never_cache
def month_csv(request: Asked) -> HttpResponse:
    """Save the numbers of a month as a spreadsheet opens them; with `public=1` as they may be published."""
    first = numbers.month_of(request.GET.get("month", ""))
    public = request.GET.get("public") == "1"
    found = numbers.count(first, request.rights)
    answer = HttpResponse(written(table(found, _least() if public else 0)), content_type="text/csv; charset=utf-8")
    name = f"looks-{first:%Y-%m}{'-public' if public else ''}.csv"
    answer["content-disposition"] = f'attachment; filename="{name}"'
    return answer


def table(found: Numbers, least: int) -> list[tuple[str, ...]]:
    """Return a month's numbers as rows of a spreadsheet, with their headings."""
    live = ("Watched live (pages)", numbers.small(found.live, least), *("" for _ in COLUMNS), "")
    watchers = numbers.small(found.watchers, least)
    lines = [(each.name, "", *each.cells, each.people) for each in numbers.shown(found, least)]
    return [("purpose", "live", *COLUMNS.values(), "people"), (*live[:-1], watchers), *lines]


def _least() -> int:
    least: int = settings.CONTROL.numbers_least
    return least

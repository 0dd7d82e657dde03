"""The register's list, on the page and as a spreadsheet."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from overt.control.estate import revisions
from overt.control.estate.forms import FilterForm
from overt.control.estate.models import Camera
from overt.control.estate.register import (
    ATTENTION,
    KNOWING,
    SORTS,
    Filter,
    found,
    site_groups_for,
    sites_for,
    wanting_of,
)
from overt.control.estate.spreadsheet import register_csv
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks

PER_PAGE: Final = 50
SORT_WORDS: Final = {"site": "Site", "name": "Name", "review": "Next review"}


def _wanted(request: Asked) -> tuple[Filter, int]:
    """Read filter and page number; what cannot be read is as if it were not there."""
    form = FilterForm(request.GET)
    form.is_valid()
    data = form.cleaned_data
    attention, sort = data.get("attention") or "", data.get("sort") or ""
    wanted = Filter(
        text=data.get("q") or "",
        site=data.get("site"),
        group=data.get("group"),
        state=data.get("state") or "",
        attention=attention if attention in ATTENTION else "",
        sort=sort if sort in SORTS else "site",
    )
    return wanted, data.get("page") or 1


def _query(wanted: Filter) -> dict[str, str]:
    """Return a filter as a query, without what is empty."""
    told: dict[str, Any] = {
        "q": wanted.text,
        "site": wanted.site,
        "group": wanted.group,
        "state": wanted.state,
        "attention": wanted.attention,
        "sort": "" if wanted.sort == "site" else wanted.sort,
    }
    return {name: str(value) for name, value in told.items() if value not in ("", None)}


def _items(every: str, pairs: list[tuple[Any, str]], chosen: Any) -> list[dict[str, Any]]:
    items = [{"value": key, "text": words, "selected": str(key) == str(chosen)} for key, words in pairs]
    return [{"value": "", "text": every, "selected": chosen in (None, "")}, *items] if every else items


@asks(*KNOWING)
@require_safe
def cameras(request: Asked) -> HttpResponse:
    """List the cameras that somebody may know of."""
    wanted, number = _wanted(request)
    today = timezone.localdate()
    paginator = Paginator(found(request.rights, wanted, today), PER_PAGE)
    page = paginator.get_page(number)
    query = _query(wanted)
    here = reverse("estate:cameras")

    def address(of: int) -> str:
        return f"{here}?{urlencode({**query, 'page': of})}"

    pagination: dict[str, Any] | None = None
    if paginator.num_pages > 1:
        pagination = {
            "items": [
                {"ellipsis": True}
                if not isinstance(each, int)
                else {"number": each, "href": address(each), "current": each == page.number}
                for each in paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
            ]
        }
        if page.has_previous():
            pagination["previous"] = {"href": address(page.previous_page_number())}
        if page.has_next():
            pagination["next"] = {"href": address(page.next_page_number())}
    choices = {
        "site": _items("All", list(sites_for(request.rights).values_list("pk", "name")), wanted.site),
        "group": _items("All", list(site_groups_for(request.rights).values_list("pk", "name")), wanted.group),
        "state": _items("Any", list(Camera.State.choices), wanted.state),
        "attention": _items("Show all", list(ATTENTION.items()), wanted.attention),
        "sort": _items("", list(SORT_WORDS.items()), wanted.sort),
    }
    return render(
        request,
        "estate/cameras.html",
        {
            "rows": [{"camera": each, "wanting": wanting_of(each, today)} for each in page],
            "count": paginator.count,
            "page": page.number,
            "pages": paginator.num_pages,
            "first": page.start_index(),
            "last": page.end_index(),
            "wanted": wanted,
            "filtered": bool(query),
            "query": urlencode(query),
            "choices": choices,
            "pagination": pagination,
            "may_change": request.rights.anywhere(Action.CHANGE_CAMERAS),
            "step": revisions.state_of(),
        },
    )


@asks(*KNOWING)
@require_safe
def cameras_csv(request: Asked) -> HttpResponse:
    """Save the list as a spreadsheet opens it."""
    wanted, _ = _wanted(request)
    today = timezone.localdate()
    answer = HttpResponse(
        register_csv(found(request.rights, wanted, today), today), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="cameras-{today.isoformat()}.csv"'
    return answer

"""Pages about who did what: a list with filters, as a spreadsheet too, and each act with its proof."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from overt.control.acts.book import book, ledger_directory, reader
from overt.control.acts.kinds import THEMES, Theme
from overt.control.audit import commands, details, finding, sought
from overt.control.audit.finding import Shown, Wanted
from overt.control.estate.spreadsheet import written
from overt.control.people.account_pages import whoever
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.control.people.models import MAX_NAME
from overt.ledger.proof_file import SUFFIX
from overt.ledger.proving import prove

SOUGHT: Final = "overt_sought"
"""In a session: what somebody looked for last."""
HEADINGS: Final = ("leaf", "time", "who", "what", "details")
reads = asks(Action.READ_LEDGER)


class FindForm(forms.Form):
    """Which acts a list shows."""

    theme = forms.ChoiceField(
        label="About",
        required=False,
        choices=[("", "Everything"), *((key.value, words) for key, words in THEMES.items())],
    )
    person = forms.CharField(label="Person", max_length=MAX_NAME, required=False)
    camera = forms.CharField(label="Camera", max_length=MAX_NAME, required=False)
    reference = forms.CharField(label="Reference", max_length=64, required=False)
    first_day = forms.DateField(label="First day", required=False)
    last_day = forms.DateField(label="Last day", required=False)
    before = forms.IntegerField(required=False, min_value=0, max_value=finding.LATEST)

    def wanted(self) -> Wanted:
        """Return what was asked for; a field that cannot be read is as if it were empty, and says so."""
        self.is_valid()
        told = self.cleaned_data
        theme = told.get("theme") or ""
        return Wanted(
            theme=Theme(theme) if theme else None,
            person=told.get("person") or "",
            camera=told.get("camera") or "",
            reference=told.get("reference") or "",
            first_day=told.get("first_day"),
            last_day=told.get("last_day"),
        )


def _query(wanted: Wanted) -> dict[str, str]:
    told: dict[str, Any] = {
        "theme": wanted.theme.value if wanted.theme else "",
        "person": wanted.person,
        "camera": wanted.camera,
        "reference": wanted.reference,
        "first_day": wanted.first_day or "",
        "last_day": wanted.last_day or "",
    }
    return {name: str(value) for name, value in told.items() if value != ""}


def _note(request: Asked, wanted: Wanted, *, further: bool) -> None:
    """Write down that somebody looked for what others did; who only opens the page has looked for nobody.

    Going on to older ones is the same search, if it was the last one of this sign-in.
    """
    query = _query(wanted)
    same = further and request.session.get(SOUGHT) == query
    if (query or further) and not same:
        sought.note(whoever(request), request.rights, wanted, query, "page")
    request.session[SOUGHT] = query


@reads
@require_safe
@never_cache
def acts(request: Asked) -> HttpResponse:
    """List acts, newest first."""
    form = FindForm(request.GET)
    wanted, before = form.wanted(), form.cleaned_data.get("before")
    query = _query(wanted)
    _note(request, wanted, further=before is not None)
    found = finding.find(request.rights, wanted, before)
    here = reverse("audit:acts")
    context = {
        "form": form,
        "rows": [(each, details.summary(each)) for each in found.rows],
        "older": f"{here}?{urlencode({**query, 'before': found.older})}" if found.older is not None else "",
        "newest": f"{here}?{urlencode(query)}" if before is not None else "",
        "query": urlencode(query),
        "checkpoint": book().checkpoint,
        "key": book().key,
    }
    return render(request, "audit/acts.html", context)


@reads
@require_safe
@never_cache
def acts_csv(request: Asked) -> HttpResponse:
    """Save the acts of a list as a spreadsheet opens them."""
    wanted = FindForm(request.GET).wanted()
    sought.note(whoever(request), request.rights, wanted, _query(wanted), "spreadsheet")
    rows = [HEADINGS, *(_row(each) for each in finding.every(request.rights, wanted))]
    answer = HttpResponse(written(rows), content_type="text/csv; charset=utf-8")
    answer["content-disposition"] = f'attachment; filename="acts-{timezone.localdate().isoformat()}.csv"'
    return answer


def _row(act: Shown) -> tuple[str, ...]:
    return (str(act.number), act.at.astimezone(dt.UTC).isoformat(), act.who, act.what, details.summary(act))


@reads
@require_safe
@never_cache
def opened_by_commands(request: Asked) -> HttpResponse:
    """List what commands opened on the recorder's machine, newest first."""
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
    found = commands.listed(request.rights, before)
    here = reverse("audit:commands")
    context = {
        "rows": [(each, details.summary(each)) for each in found.rows],
        "older": f"{here}?before={found.older}" if found.older is not None else "",
        "ledger": found.ledger,
        "place": commands.place(),
    }
    return render(request, "audit/commands.html", context)


@reads
@require_safe
@never_cache
def act(request: Asked, number: int) -> HttpResponse:
    """Show an act, and by what it is proved."""
    found = finding.one(request.rights, number)
    ledger = reader()
    context = {
        "act": found,
        "lines": list(details.lines(found)),
        "removed": details.removed(found),
        "leaf_hash": found.leaf.hash.hex(),
        "path": len(ledger.inclusion(number)),
        "checkpoint": ledger.checkpoint,
        "key": book().key,
    }
    return render(request, "audit/act.html", context)


@reads
@require_safe
@never_cache
def proof(request: Asked, number: int) -> HttpResponse:
    """Hand out the proof of an act, which `overt ledger verify` checks on any machine."""
    finding.one(request.rights, number)
    made = prove(reader(), ledger_directory(), number).encode()
    return _file(made, f"leaf-{number}{SUFFIX}")


@reads
@require_safe
@never_cache
def checkpoint(request: Asked) -> HttpResponse:
    """Hand out the newest checkpoint: where it is kept elsewhere, nothing before it can be rewritten unnoticed."""
    del request
    signed = book().checkpoint
    return _file(signed.encode(), f"checkpoint-{signed.size}.txt")


def _file(content: bytes, name: str) -> HttpResponse:
    answer = HttpResponse(content, content_type="text/plain; charset=utf-8")
    answer["content-disposition"] = f'attachment; filename="{name}"'
    return answer

"""Many cameras from a file: uploaded, checked whole, shown, done."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from overt.control.estate import csv_import, pending
from overt.control.estate.camera_pages import by
from overt.control.estate.csv_reading import COLUMNS, MAX_BYTES, MAX_FAULTS, MAX_ROWS, Fault, read
from overt.control.estate.spreadsheet import written
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.errors import InvalidError

EXAMPLE: dict[str, str] = {
    "name": "Example: north door",
    "site": "The name of a site",
    "location": "The door and the pavement before it",
    "purpose": "To keep people safe at night",
    "legal_basis": "Public task (UK GDPR Article 6(1)(e))",
    "owner": "somebody@council.example",
    "review_on": "2027-03-31",
    "retention_days": "31",
    "retention_reason": "Most incidents are reported within a month",
    "audio": "no",
    "device_address": "192.0.2.7",
    "rtsp_port": "554",
    "username": "overt",
    "main_url": "rtsp://192.0.2.7/stream1",
    "sub_url": "rtsp://192.0.2.7/stream2",
}


class UploadForm(forms.Form):
    """A file of cameras."""

    file = forms.FileField(
        label="File of cameras",
        help_text=f"A CSV file in UTF-8 with commas or semicolons, at most 2 MB and {MAX_ROWS} cameras.",
        allow_empty_file=True,
        error_messages={"required": "Choose a file."},
    )


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: Asked) -> HttpResponse:
    """Take a file; say what is wrong with it, or show what it would do."""
    form = UploadForm()
    faults: list[Fault] = []
    status = 200
    if request.method == "POST":
        form, status = UploadForm(request.POST, request.FILES), 400
        if form.is_valid():
            content: bytes = form.cleaned_data["file"].read(MAX_BYTES + 1)
            rows, faults = read(content)
            plans, wrong = csv_import.planned(rows, request.rights)
            faults += wrong
            if not faults:
                kept = {"file": base64.b64encode(content).decode(), "marks": [each.mark for each in plans]}
                made = pending.keep(pending.FILE, by(request), json.dumps(kept))
                return HttpResponseRedirect(reverse("estate:import-shown", args=[made]))
    context = {
        "form": form,
        "faults": faults[:MAX_FAULTS],
        "more": max(0, len(faults) - MAX_FAULTS),
        "columns": COLUMNS,
    }
    return render(request, "estate/import.html", context, status=status)


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def shown(request: Asked, file: UUID) -> HttpResponse:
    """Show what a file does; do it once somebody has confirmed it."""
    kept = json.loads(pending.kept(pending.FILE, by(request), file))
    rows, faults = read(base64.b64decode(kept["file"]))
    status, problem = 200, ""
    if request.method == "POST":
        marks = [(str(act), str(key), int(version)) for act, key, version in kept["marks"]]
        status = 409
        try:
            done = csv_import.apply(rows, marks, request.rights, by(request))
        except InvalidError as error:
            problem = f"Nothing was changed: {error}"
        else:
            if done is not None:
                pending.forget(file)
                messages.success(request, _summary(done))
                return HttpResponseRedirect(reverse("estate:cameras"))
            problem = "Nothing was changed: cameras were changed meanwhile, so that the file would do something else."
    plans, wrong = csv_import.planned(rows, request.rights)
    if problem:
        kept["marks"] = [each.mark for each in plans]
        pending.replace(file, json.dumps(kept))
    context: dict[str, Any] = {
        "problem": problem,
        "faults": [*faults, *wrong][:MAX_FAULTS],
        "plans": plans,
        "counts": {act: sum(each.act == act for each in plans) for act in ("add", "change", "same")},
    }
    return render(request, "estate/import_shown.html", context, status=status)


def _summary(done: list[csv_import.Planned]) -> str:
    added, changed = (sum(each.act == act for each in done) for act in ("add", "change"))
    return f"Added: {added}. Changed: {changed}. None of them is recorded before you have it go live."


@asks(Action.CHANGE_CAMERAS)
@require_safe
def template(request: Asked) -> HttpResponse:
    """Give a file with the headings and one example."""
    del request
    rows = [list(COLUMNS), [EXAMPLE.get(name, "") for name in COLUMNS]]
    answer = HttpResponse(written(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="cameras-template.csv"'
    return answer

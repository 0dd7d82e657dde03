"""The page of one camera, and the acts upon it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from overt.control.estate import changes, revisions
from overt.control.estate.forms import CameraForm
from overt.control.estate.history import (
    DEVICE_ADDRESS,
    FIELDS,
    ChangedMeanwhileError,
    differences_of,
    form_value,
    merged,
    words,
)
from overt.control.estate.models import Camera, CameraChange, Installation, Stream
from overt.control.estate.register import (
    EQUIPMENT,
    KNOWING,
    camera_for,
    camera_to_change,
    may_any,
    sites_for,
)
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.control.people.models import Person
from overt.errors import ConflictError, InvalidError

SHOWN_CHANGES: Final = 50


def by(request: Asked) -> Person:
    """Return who asks; the gate has seen to it that somebody does."""
    person = request.user
    assert isinstance(person, Person)  # noqa: S101
    return person


def told(changed: list[CameraChange], *, sees_addresses: bool = True) -> list[dict[str, Any]]:
    """Return changes as pages tell them; addresses of devices only to who works on them."""
    return [
        {
            "at": each.at,
            "who": each.person.name if each.person else "The system",
            "did": each.did,
            "fields": [one for one in differences_of(each) if sees_addresses or one.field != DEVICE_ADDRESS],
        }
        for each in changed
    ]


def to_camera(camera: UUID) -> HttpResponse:
    """Send somebody to a camera's page."""
    return HttpResponseRedirect(reverse("estate:camera", args=[camera]))


def _row(words: str, value: str) -> dict[str, Any]:
    return {"key": {"text": words}, "value": {"text": value or "–"}}


def _why(camera: Camera) -> list[dict[str, Any]]:
    days = f"{camera.retention_days} {'day' if camera.retention_days == 1 else 'days'}"
    overdue = camera.review_on is not None and camera.review_on < timezone.localdate()
    review = f"{words(camera.review_on)}{' (overdue)' if overdue else ''}" if camera.review_on else ""
    return [
        _row("Purpose", camera.purpose),
        _row("Legal basis", camera.legal_basis),
        _row("Owner", camera.owner.name if camera.owner else ""),
        _row("Next review", review),
        _row("Footage is kept", f"{days}{': ' if camera.retention_reason else ''}{camera.retention_reason}"),
        _row("Sound", f"recorded: {camera.audio_reason}" if camera.audio else "not recorded"),
        _row("Site", f"{camera.site.name} ({camera.site.group.name})"),
        _row("What it looks at", camera.location),
        _row("Short name", camera.key),
    ]


def _equipment(present: Installation, sees_addresses: bool) -> list[dict[str, Any]]:
    device = present.device
    rows = [_row("Device", str(device) if device.maker or device.model else "not known")]
    if sees_addresses:
        rows.append(_row("Address", f"{device.host}, RTSP port {device.port}"))
        rows.append(_row("User name", device.username))
        rows.append(_row("Password", "set, and never shown" if device.password_sealed else "none"))
    rows += [_row("Firmware", device.firmware), _row("Serial number", device.serial_number)]
    return rows


def facts(stream: Stream) -> str:
    """Return what a probe found of a stream, in a line."""
    size = f"{stream.width} by {stream.height} pixels" if stream.width and stream.height else ""
    rate = f"{stream.fps:g} frames a second" if stream.fps else ""
    return ", ".join(part for part in (stream.codec, size, rate) if part) or "not looked at"


@asks(*KNOWING)
@require_safe
def camera(request: Asked, camera: UUID) -> HttpResponse:
    """Show a camera: why it is there, what hangs there, what was changed."""
    row = camera_for(request.rights, camera)
    group = row.site.group_id
    sees_addresses = may_any(request.rights, EQUIPMENT, group)
    may_change = request.rights.may(Action.CHANGE_CAMERAS, group)
    installations = list(row.installations.select_related("device").prefetch_related("streams"))
    present = next((each for each in installations if each.until is None), None)
    step = revisions.state_of(row.recorder)
    return render(
        request,
        "estate/camera.html",
        {
            "camera": row,
            "why": _why(row),
            "overdue": row.state != Camera.State.RETIRED
            and row.review_on is not None
            and row.review_on < timezone.localdate(),
            "wanting": row.wanting if may_change else [],
            "may_change": may_change,
            "sees_addresses": sees_addresses,
            "present": present,
            "equipment": _equipment(present, sees_addresses) if present else [],
            "streams": [
                {"words": each.get_kind_display(), "facts": facts(each), "url": each.url}
                for each in (present.streams.all() if present else ())
            ],
            "installations": [
                {
                    "words": str(each.device)
                    if sees_addresses or each.device.maker or each.device.model
                    else "A device",
                    "since": each.since,
                    "until": each.until,
                }
                for each in installations
            ],
            "changes": told(list(row.changes.select_related("person")[:SHOWN_CHANGES]), sees_addresses=sees_addresses),
            "step": step,
            "left_out": step.left_out.get(row.key, "") if row.state == Camera.State.RECORDING else "",
        },
    )


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: Asked) -> HttpResponse:
    """Add a camera that is still being set up."""
    sites = sites_for(request.rights, Action.CHANGE_CAMERAS)
    form = CameraForm(
        request.POST if request.method == "POST" else None, sites=sites, initial={"site": request.GET.get("site")}
    )
    if form.is_bound and form.is_valid():
        made = changes.add_camera(form.values(), by(request), form.cleaned_data["key"])
        messages.success(request, f"{made.name} was added. Next, add its device.")
        return to_camera(made.pk)
    context = {"form": form, "title": "Add a camera", "back": reverse("estate:cameras")}
    return render(request, "estate/camera_form.html", context, status=400 if form.is_bound else 200)


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: Asked, camera: UUID) -> HttpResponse:
    """Change what is written about a camera."""
    row = camera_to_change(request.rights, camera)
    if row.state == Camera.State.RETIRED:
        msg = f"{row.name} is retired: what is written about it stays as it is."
        raise ConflictError(msg)
    sites = sites_for(request.rights, Action.CHANGE_CAMERAS)
    context: dict[str, Any] = {"title": f"Change {row.name}", "back": reverse("estate:camera", args=[camera])}
    status = 200
    form = CameraForm(instance=row, sites=sites, initial={"version": row.version})
    if request.method == "POST":
        form = CameraForm(request.POST, instance=row, sites=sites)
        status = 400
        try:
            if form.is_valid():
                changes.change_camera(camera, form.cleaned_data["version"] or 0, form.values(), by(request))
                messages.success(request, "Saved.")
                return to_camera(camera)
        except ChangedMeanwhileError as error:
            status = 409
            form, meanwhile = _with_theirs(request, error, camera)
            context |= meanwhile
        except ValidationError as error:
            form.add_error(None, error)
    return render(request, "estate/camera_form.html", {**context, "form": form}, status=status)


def _with_theirs(request: Asked, error: ChangedMeanwhileError, camera: UUID) -> tuple[CameraForm, dict[str, Any]]:
    """Return the form again, with what others saved meanwhile brought in, and what is said about that."""
    row = camera_to_change(request.rights, camera)
    sites = sites_for(request.rights, Action.CHANGE_CAMERAS)
    bound = CameraForm(request.POST, instance=row, sites=sites)
    bound.is_valid()
    mine = {
        name: form_value(bound.cleaned_data[name]) if name in bound.cleaned_data else request.POST.get(name, "")
        for name in FIELDS
    }
    values, both = merged(error.changes, mine)
    # What was merged is what the person sees, and `version` says that they have seen it.
    again = CameraForm(
        {**values, "version": error.version}, instance=camera_to_change(request.rights, camera), sites=sites
    )
    again.is_valid()
    return again, {"meanwhile": told(error.changes), "both": both}


@asks(Action.CHANGE_CAMERAS)
@require_POST
def go_live(request: Asked, camera: UUID) -> HttpResponse:
    """Have a camera recorded, if nothing is wanting."""
    row = camera_to_change(request.rights, camera)
    try:
        changes.go_live(camera, by(request))
    except InvalidError as error:
        messages.error(request, str(error))
        return to_camera(camera)
    messages.success(request, f"{row.name} goes live: the recorder is told.")
    return to_camera(camera)


@asks(Action.CHANGE_CAMERAS)
@require_POST
def switch_off(request: Asked, camera: UUID) -> HttpResponse:
    """Record a camera no more, for now."""
    row = camera_to_change(request.rights, camera)
    changes.switch_off(camera, by(request))
    messages.success(request, f"{row.name} is switched off. What was recorded stays as long as it was to be kept.")
    return to_camera(camera)


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def retire(request: Asked, camera: UUID) -> HttpResponse:
    """End a camera for good, once somebody has confirmed it."""
    row = camera_to_change(request.rights, camera)
    if request.method == "POST":
        changes.retire(camera, by(request))
        messages.success(request, f"{row.name} is retired.")
        return to_camera(camera)
    return render(request, "estate/retire.html", {"camera": row})

"""The device behind a camera: described, looked at, its streams chosen, saved."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from overt.control.estate import changes, looks
from overt.control.estate.camera_pages import by, to_camera
from overt.control.estate.equipment import FieldError, described
from overt.control.estate.forms import DeviceForm, amended
from overt.control.estate.history import ChangedMeanwhileError
from overt.control.estate.models import Camera, Installation
from overt.control.estate.register import camera_to_change
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.errors import UnavailableError


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def device(request: Asked, camera: UUID) -> HttpResponse:
    """Describe the device that hangs there, or change it."""
    row = camera_to_change(request.rights, camera)
    return _form(request, row, row.installed, replace=False)


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def replace(request: Asked, camera: UUID) -> HttpResponse:
    """Put up another device; the camera and its past stay."""
    return _form(request, camera_to_change(request.rights, camera), None, replace=True)


def _initial(row: Camera, present: Installation | None) -> dict[str, Any]:
    if present is None:
        return {"version": row.version, "port": 554}
    known = described(present)
    urls = {f"{each.kind}_url": each.url for each in known.streams}
    return {
        "version": row.version,
        "host": known.host,
        "port": known.port,
        "username": known.username,
        "onvif_port": known.onvif_port,
        **urls,
    }


def _form(request: Asked, row: Camera, present: Installation | None, *, replace: bool) -> HttpResponse:
    kept = present is not None and bool(present.device.password_sealed)
    form = DeviceForm(initial=_initial(row, present), keeps_password=kept)
    status = 200
    if request.method == "POST":
        form = DeviceForm(request.POST, keeps_password=kept)
        status = 400
        try:
            if form.is_valid() and request.POST.get("act") == "look":
                look = looks.begin(
                    form.device(), row, present, form.cleaned_data["version"], by(request), replace=replace
                )
                return HttpResponseRedirect(reverse("estate:look", args=[row.pk, look]))
            if form.is_valid():
                changes.put_device(row.pk, form.cleaned_data["version"], form.device(), by(request), replace=replace)
                messages.success(request, "Saved.")
                return to_camera(row.pk)
        except FieldError as error:
            form.add_error(error.field, str(error))
        except UnavailableError as error:
            status = error.http_status
            form.add_error(None, f"Nobody could look at the device: {error}")
        except ChangedMeanwhileError as error:
            status = error.http_status
            form.add_error(None, str(error))
            form.data = amended(form, version=str(error.version))
    title = "Put up another device" if replace else ("Change the device" if present else "Add the device")
    context = {"camera": row, "form": form, "title": title, "replace": replace}
    return render(request, "estate/device_form.html", context, status=status)

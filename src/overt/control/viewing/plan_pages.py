"""Pages of floor plans: the list, a plan with live pictures, and setting one up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from overt.control.estate.register import sites_for
from overt.control.people.actions import Action
from overt.control.people.gate import asks
from overt.control.people.models import MAX_NAME
from overt.control.viewing import pictures, plans
from overt.control.viewing.calls import call, viewer_of
from overt.errors import ConflictError, InvalidError

SEEING = plans.SEEING


class PlanForm(forms.Form):
    """A new plan."""

    name = forms.CharField(
        label="Name of the plan, such as “Ground floor”",
        max_length=MAX_NAME,
        error_messages={"required": "Enter a name."},
    )
    picture = forms.FileField(
        label="Picture",
        help_text="PNG, JPEG or WebP, at most 10 MB.",
        error_messages={"required": "Choose a file with the picture of the plan.", "empty": "The file is empty."},
    )


class PinForm(forms.Form):
    """Where one camera is on a plan."""

    on = forms.BooleanField(label="On the plan", required=False)
    x = forms.FloatField(label="From the left, in %", min_value=0, max_value=100, required=False)
    y = forms.FloatField(label="From the top, in %", min_value=0, max_value=100, required=False)
    direction = forms.IntegerField(
        label="Looks towards, in degrees (0 is up, 90 is right)", min_value=0, max_value=359, required=False
    )

    def clean(self) -> dict[str, Any]:
        """Ask for a place, where the camera is to be on the plan."""
        told: dict[str, Any] = super().clean() or {}
        for name, words in (("x", "Enter how far from the left it is."), ("y", "Enter how far from the top it is.")):
            if told.get("on") and told.get(name) is None and name not in self.errors:
                self.add_error(name, words)
        return told


@asks(*SEEING)
@require_GET
def all_plans(request: HttpRequest) -> HttpResponse:
    """List the plans that somebody may see, and the sites that they may add one to."""
    rights = viewer_of(request).rights
    context = {"plans": plans.plans_for(rights), "sites": sites_for(rights, Action.CHANGE_CAMERAS)}
    return render(request, "viewing/plans.html", context)


@asks(*SEEING)
@require_GET
def plan(request: HttpRequest, plan: UUID) -> HttpResponse:
    """Show a plan; a picture of a camera is shown while somebody points at it."""
    rights = viewer_of(request).rights
    found = plans.plan_for(rights, plan)
    may_change = rights.may(Action.CHANGE_CAMERAS, found.site.group_id)
    return render(request, "viewing/plan.html", {"plan": found, "may_change": may_change})


@call("GET", actions=SEEING)
def pins(request: HttpRequest, plan: UUID) -> dict[str, Any]:
    """Say what is on a plan."""
    rights = viewer_of(request).rights
    found = plans.plan_for(rights, plan)
    return {"name": str(found), "width": found.width, "height": found.height, "pins": plans.described(found, rights)}


@asks(*SEEING)
@require_GET
def picture(request: HttpRequest, plan: UUID) -> HttpResponse:
    """Answer with the picture of a plan."""
    found = plans.plan_for(viewer_of(request).rights, plan)
    answer = HttpResponse(pictures.read(found.pk), content_type="image/webp")
    answer["cache-control"] = "private, max-age=300"
    answer["content-security-policy"] = "default-src 'none'; sandbox"
    answer["content-disposition"] = "inline; filename=plan.webp"
    return answer


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, site: int) -> HttpResponse:
    """Add a plan to a site."""
    found = plans.site_to_plan(viewer_of(request).rights, site)
    form = PlanForm(request.POST, request.FILES) if request.method == "POST" else PlanForm()
    if form.is_valid():
        brought = form.cleaned_data["picture"]
        try:
            made = plans.add_plan(found, form.cleaned_data["name"], pictures.checked(brought, brought.size))
        except (InvalidError, ConflictError) as error:
            form.add_error("picture", str(error))
        else:
            messages.success(request, f"The plan {made.name} was added. Now put its cameras on it.")
            return HttpResponseRedirect(reverse("viewing:change-plan", args=[made.pk]))
    return render(request, "viewing/plan_add.html", {"form": form, "site": found}, status=422 if form.errors else 200)


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, plan: UUID) -> HttpResponse:
    """Put cameras on a plan."""
    found = plans.plan_to_change(viewer_of(request).rights, plan)
    placed = {pin.camera_id: pin for pin in found.pins.all()}
    rows = []
    for camera in plans.cameras_of(found):
        pin = placed.get(camera.pk)
        initial = {"on": pin is not None, "x": pin.x if pin else None, "y": pin.y if pin else None}
        initial["direction"] = pin.direction if pin else 0
        data = request.POST if request.method == "POST" else None
        rows.append((camera, PinForm(data, prefix=str(camera.pk), initial=initial)))
    status = 200
    if request.method == "POST":
        if all([form.is_valid() for _, form in rows]):  # noqa: C419 - every form is to find its faults
            told = [(camera, form.cleaned_data) for camera, form in rows]
            places = [
                plans.Place(camera.pk, round(each["x"], 2), round(each["y"], 2), each["direction"] or 0)
                for camera, each in told
                if each["on"]
            ]
            plans.put_pins(found, places)
            messages.success(request, "The plan was saved.")
            return HttpResponseRedirect(reverse("viewing:plan", args=[found.pk]))
        status = 422
    return render(request, "viewing/plan_change.html", {"plan": found, "rows": rows}, status=status)


@asks(Action.CHANGE_CAMERAS)
@require_POST
def remove(request: HttpRequest, plan: UUID) -> HttpResponse:
    """Remove a plan."""
    found = plans.plan_to_change(viewer_of(request).rights, plan)
    name = found.name
    plans.remove_plan(found)
    messages.success(request, f"The plan {name} was removed.")
    return HttpResponseRedirect(reverse("viewing:plans"))

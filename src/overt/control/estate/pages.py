"""Pages of sites and cameras."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from overt.control.estate.models import Camera
from overt.control.people.actions import Action
from overt.control.people.gate import asks


@asks(Action.CHANGE_CAMERAS, Action.INSPECT, Action.PLAN, Action.LIVE, Action.READ_LEDGER)
def cameras(request: HttpRequest) -> HttpResponse:
    """List the cameras that somebody may know of."""
    return render(request, "estate/cameras.html", {"cameras": Camera.objects.select_related("site")})

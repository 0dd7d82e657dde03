"""The pages of wall and review. What they show comes by itself: they are empty of data."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from overt.control.people.account_pages import whoever
from overt.control.people.actions import Action
from overt.control.people.gate import asks
from overt.control.viewing.approvals import in_force


@asks(Action.LIVE)
def wall(request: HttpRequest) -> HttpResponse:
    """Show live pictures."""
    return render(request, "viewing/wall.html", {"shift": in_force(whoever(request).pk)})


@asks(Action.RECORDED, Action.REPLAY)
def review(request: HttpRequest) -> HttpResponse:
    """Show what was recorded."""
    return render(request, "viewing/review.html", {"shift": in_force(whoever(request).pk)})

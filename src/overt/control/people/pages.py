"""Pages about oneself and others."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from overt.control.people.gate import for_anyone_signed_in


@for_anyone_signed_in
def account(request: HttpRequest) -> HttpResponse:
    """Show somebody their own account."""
    return render(request, "people/account.html", {})

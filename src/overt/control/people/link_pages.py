"""Pages behind links that work once: the first account, and a password that somebody chooses."""

from __future__ import annotations

from typing import Final

from allauth.account.utils import perform_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from overt.control.people.forms import FirstAccountForm, PasswordForm
from overt.control.people.gate import open_to_all
from overt.control.people.links import opened
from overt.control.people.models import OneTimeLink
from overt.control.people.saving import attempt, status_of
from overt.control.people.setting_up import choose_password, make_first_account

AFTER_SETUP: Final = "/"
"""Where the first account is led after its second factor."""


@open_to_all
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@never_cache
def setup(request: HttpRequest, token: str) -> HttpResponseBase:
    """Make the first account."""
    opened(OneTimeLink.Purpose.SETUP, token)
    form = FirstAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        person = attempt(form, lambda: make_first_account(token, told["email"], told["name"], told["password1"]))
        if person is not None:
            return _in(request, person, AFTER_SETUP)
    return render(request, "people/setup.html", {"form": form, "bare": True}, status=status_of(form))


@open_to_all
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Let who was invited choose a password."""
    person = opened(OneTimeLink.Purpose.INVITATION, token).person
    form = PasswordForm(request.POST or None, person=person)
    if request.method == "POST" and form.is_valid():
        owner = attempt(form, lambda: choose_password(token, form.cleaned_data["password1"]))
        if owner is not None:
            return _in(request, owner, "/")
    return render(
        request, "people/invitation.html", {"form": form, "owner": person, "bare": True}, status=status_of(form)
    )


def _in(request: HttpRequest, person: object, target: str) -> HttpResponseBase:
    """Sign somebody in as if with their password: who has a second factor is still asked for it."""
    response: HttpResponseBase = perform_login(request, person, email_verification="none", redirect_url=target)
    return response

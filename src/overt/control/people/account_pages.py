"""Pages about oneself: how one signs in, where one is signed in, what one may do, and tokens for programs."""

from __future__ import annotations

import logging
from typing import Any, Final

from allauth.account.decorators import reauthentication_required
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from overt.control.acts.reviews import Review, reviews_of
from overt.control.people import sessions
from overt.control.people.forms import TokenForm, end_of
from overt.control.people.gate import Asked, for_anyone_signed_in
from overt.control.people.models import Person
from overt.control.people.saving import attempt, status_of
from overt.control.people.second_factor import has_second_factor
from overt.control.people.tokens import end_token, make_token
from overt.errors import ConflictError, ForbiddenError, MissingError, OvertError

_LOG: Final = logging.getLogger(__name__)


def whoever(request: HttpRequest) -> Person:
    """Return who looks at a page that is for who is signed in.

    Raises:
        ForbiddenError: nobody does.
    """
    if not isinstance(request.user, Person):
        raise ForbiddenError("Sign in first.")
    return request.user


@for_anyone_signed_in
@require_GET
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Show somebody their own account."""
    person = whoever(request)
    proofs: dict[str, Any] = {"passkeys": [], "app": None, "codes": None}
    for each in Authenticator.objects.filter(user=person).order_by("created_at"):
        if each.type == Authenticator.Type.WEBAUTHN:
            proofs["passkeys"].append({"id": each.pk, "name": each.wrap().name, "row": each})
        elif each.type == Authenticator.Type.TOTP:
            proofs["app"] = each
        else:
            proofs["codes"] = len(each.wrap().get_unused_codes())
    found = [
        {"row": each, "here": each.session_key == request.session.session_key}
        for each in UserSession.objects.purge_and_list(person)
    ]
    context = {
        "appointments": person.appointments.select_related("role", "group").order_by("role__name", "group__name"),
        "sessions": sorted(found, key=lambda each: each["row"].last_seen_at, reverse=True),
        "tokens": person.tokens.all(),
        "reviews": _reviews(person),
        "reviewer_shown": settings.CONTROL.reviewer_shown,
        "directory": SocialAccount.objects.filter(user=person).exists(),
        **proofs,
    }
    return render(request, "people/account.html", context)


def _reviews(person: Person) -> list[Review] | None:
    """Return who read this person's looks, if the scheme tells; None if it cannot be said now."""
    if not settings.CONTROL.tell_reviewed:
        return []
    try:
        return reviews_of(person.pk)
    except OvertError as error:
        _LOG.error("%s cannot be told who read their looks: %s", person.pk, error)
        return None


@for_anyone_signed_in
@require_GET
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask somebody to set up a second factor; who has one is sent to their account."""
    if has_second_factor(whoever(request)):
        return HttpResponseRedirect(reverse("people:account"))
    return render(request, "people/second_factor.html", {})


@for_anyone_signed_in
def no_password(request: HttpRequest) -> HttpResponse:
    """Say to whom a change of password makes no sense why.

    Raises:
        ConflictError: always.
    """
    raise ConflictError(f"{whoever(request).name} has no password here: you sign in another way.")


@for_anyone_signed_in
@require_POST
def end_session(request: HttpRequest, session: int) -> HttpResponse:
    """End one of one's own sessions."""
    found = UserSession.objects.filter(user=whoever(request), pk=session).first()
    if found is None:
        raise MissingError("This session is over already.")
    if found.session_key == request.session.session_key:
        logout(request)
        return HttpResponseRedirect(reverse("account_login"))
    sessions.end(found)
    messages.success(request, "The session was ended. Pictures that were open there close.")
    return HttpResponseRedirect(reverse("people:account"))


@for_anyone_signed_in
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """End every session of one's own but this one."""
    count = sessions.end_all(whoever(request), but=request.session.session_key)
    messages.success(request, f"{count} other sessions were ended.")
    return HttpResponseRedirect(reverse("people:account"))


@for_anyone_signed_in
@reauthentication_required(app="allauth.mfa")  # type: ignore[untyped-decorator]
@never_cache
def add_token(request: Asked) -> HttpResponse:
    """Make a token for a program; its text is shown on the answer, and never again."""
    person = whoever(request)
    form = TokenForm(request.POST or None, rights=request.rights)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        end = end_of(told["last_day"])
        made = attempt(form, lambda: make_token(person, told["name"], told["scopes"], end)) if end else None
        if made is not None:
            return render(request, "people/token.html", {"token": made[0], "text": made[1]})
    return render(request, "people/token_form.html", {"form": form}, status=status_of(form))


@for_anyone_signed_in
@require_POST
def drop_token(request: HttpRequest, token: int) -> HttpResponse:
    """End a token of one's own."""
    end_token(whoever(request), token)
    messages.success(request, "The token was ended. Programs that used it are refused from now on.")
    return HttpResponseRedirect(reverse("people:account"))

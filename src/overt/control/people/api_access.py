"""Who calls the API: somebody's browser, with its session, or a program, with somebody's token.

Every operation says with `gate.asks` (or `gate.for_anyone_signed_in`) who may call it, like a page; one that says
nothing keeps the API from being built. What it finds in `request.rights` is what the person may do, of a token only
what its scopes allow besides.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from ninja.operation import Operation
from ninja.security import APIKeyCookie, HttpBearer

from overt.control.acts.actor import Actor, Via, found_to_be
from overt.control.people.actions import Action
from overt.control.people.gate import Admission, Asked, admission_of
from overt.control.people.models import Person
from overt.control.people.rights import Rights, rights_of
from overt.control.people.second_factor import is_missing
from overt.control.people.tokens import owner_of
from overt.errors import ForbiddenError

NO_RIGHT = "You may not call this. Ask whoever manages people for the right that it needs: {}."


class NotSignedInError(ForbiddenError):
    """Nobody, or a token that does not work."""

    http_status = 401


class TokenAccess(HttpBearer):
    """`Authorization: Bearer TOKEN`. A token that does not work is refused, whatever the session may do."""

    def authenticate(self, request: HttpRequest, token: str) -> Person:
        """Return whose token it is.

        Raises:
            NotSignedInError: it works no more, or never did.
            ForbiddenError: its scopes, or its person's rights, do not allow the operation.
        """
        found = owner_of(token)
        if found is None:
            raise NotSignedInError(
                "This token does not work: it has ended, or is none. Make a new one on your account."
            )
        known = {each.value: each for each in Action}
        scopes = [known[name] for name in found.scopes if name in known]
        found_to_be(Actor(found.person.pk, found.person.name, Via.TOKEN))
        return _let_in(request, found.person, rights_of(found.person).only(scopes))


class SessionAccess(APIKeyCookie):
    """The session of somebody who signed in on a page. A change needs the token of a page of ours in `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Any:
        """Ask who it is before where the request came from.

        Raises:
            NotSignedInError: nobody.
        """
        if not isinstance(request.user, Person) or not request.user.may_sign_in:
            raise NotSignedInError("Sign in, or send a token: Authorization: Bearer TOKEN.")
        return super().__call__(request)

    def authenticate(self, request: HttpRequest, key: str | None) -> Person:
        """Return who signed in.

        Raises:
            ForbiddenError: their rights do not allow the operation, or they have no second factor yet.
        """
        del key
        person = request.user
        if is_missing(request):
            raise ForbiddenError("Set up a second step on your account first.")
        return _let_in(request, person, rights_of(person))  # type: ignore[arg-type]


def admitted(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Stand before an operation: let through what its function says. For `NinjaAPI.add_decorator`, as a view's.

    Raises:
        ImproperlyConfigured: the function does not say who may call it.
    """
    operation: Operation = run.__self__  # type: ignore[attr-defined]
    admission = admission_of(operation.view_func, None)
    if admission is None:
        raise ImproperlyConfigured(
            f"{operation.view_func.__module__}.{operation.view_func.__name__} does not say who may call it: "
            "put @asks(...) under its @router line"
        )

    @functools.wraps(run)
    def stand_before(request: HttpRequest, *positional: Any, **named: Any) -> HttpResponse:
        request.overt_admission = admission  # type: ignore[attr-defined]
        return run(request, *positional, **named)

    return stand_before


def caller_of(request: Asked) -> Person:
    """Return who calls an operation that is for who is signed in.

    Raises:
        NotSignedInError: nobody does.
    """
    if not isinstance(request.user, Person):
        raise NotSignedInError("Sign in, or send a token.")
    return request.user


def _let_in(request: HttpRequest, person: Person, rights: Rights) -> Person:
    admission: Admission = request.overt_admission  # type: ignore[attr-defined]
    request.user = person
    request.rights = rights  # type: ignore[attr-defined]
    if not admission.admits(rights):
        raise ForbiddenError(NO_RIGHT.format(", ".join(each.value for each in admission.actions)))
    return person

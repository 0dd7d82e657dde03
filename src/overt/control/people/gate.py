"""What stands before every page: it needs somebody signed in, with a right that the page itself names.

A view says with `asks` (or `open_to_all`, or `for_anyone_signed_in`) who may call it; one that says nothing is refused,
so that a page that somebody forgot is closed, not open. Calls of the API are decided at the same place, after they have
said who calls (`people.api_access`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from overt.control.acts.actor import NOBODY, Actor, acting
from overt.control.failures import failure
from overt.control.people.actions import Action
from overt.control.people.rights import NONE, Rights, rights_of
from overt.control.people.second_factor import PAGES, is_missing

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may call a view."""

    actions: tuple[Action, ...] = ()
    """Any one of these, at any site; the view itself asks for the site at hand."""
    signed_in: bool = True

    def admits(self, rights: Rights) -> bool:
        """Whether somebody who is signed in, with these rights, may call it."""
        return not self.actions or any(rights.anywhere(each) for each in self.actions)


ANYONE: Final = Admission(signed_in=False)
SIGNED_IN: Final = Admission()
ATTRIBUTE: Final = "overt_admission"
API: Final = "api"
"""Namespace of the API's addresses."""
NO_RIGHT: Final = "You may not see this page. Ask whoever manages people for the right that it needs."
LIBRARY: Final[dict[str, Admission]] = {}
"""Views of libraries, by the name of their address: they cannot say it themselves. Filled by `project.urls`."""


def asks(*actions: Action) -> Callable[[View], View]:
    """Mark a view: for who may do one of these somewhere."""
    return _marked(Admission(actions))


def open_to_all(view: View) -> View:
    """Mark a view: for anybody, signed in or not."""
    return _marked(ANYONE)(view)


def for_anyone_signed_in(view: View) -> View:
    """Mark a view: for anybody who is signed in."""
    return _marked(SIGNED_IN)(view)


def _marked(admission: Admission) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, ATTRIBUTE, admission)
        return view

    return mark


def admission_of(view: object, name: str | None) -> Admission | None:
    """Return who may call a view; None if nobody said."""
    found = getattr(view, ATTRIBUTE, None)
    if isinstance(found, Admission):
        return found
    return LIBRARY.get(name or "")


class Asked(HttpRequest):
    """A request that has passed the gate: it knows what its person may do."""

    rights: Rights


class GateMiddleware:
    """Lets a request pass to its view, sends it to the sign-in page, or refuses it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Stand before `get_response`."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request; what is done in it is written down as its person's."""
        person = request.user
        with acting(Actor(person.pk, person.name) if person.is_authenticated else NOBODY):
            return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], _arguments: Any, _named: Any
    ) -> HttpResponse | None:
        """Decide about a request whose view is known: None lets it pass."""
        match = request.resolver_match
        name = match.view_name if match else None
        if match and match.namespace == API:
            request.rights = NONE  # type: ignore[attr-defined]
            return None
        admission = admission_of(view, name)
        if admission is None:
            return failure(request, 403, "This page does not say who may see it, so nobody may.", "forbidden")
        request.rights = rights_of(request.user)  # type: ignore[attr-defined]
        if not admission.signed_in:
            return None
        if not request.user.is_authenticated or not request.user.may_sign_in:
            again = f"?{urlencode({'next': request.get_full_path()})}" if request.method == "GET" else ""
            return HttpResponseRedirect(f"{reverse('account_login')}{again}")
        if name not in PAGES and is_missing(request):
            return HttpResponseRedirect(reverse("mfa_index"))
        if not admission.admits(request.rights):  # type: ignore[attr-defined]
            return failure(request, 403, NO_RIGHT, "forbidden")
        return None

"""How long somebody stays signed in: until they leave, do nothing for a while, or the day's limit comes.

What a page does by itself (asking how cameras are, say) is no sign of somebody's presence: its view says so with
`unattended`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

from allauth.account.signals import password_changed
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Q
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from overt.control.people.models import Person
from overt.control.people.signals import session_ended

View = TypeVar("View", bound=Callable[..., Any])
SINCE: Final = "overt_since"
"""In a session: when somebody signed in, in seconds since the Unix epoch."""
SEEN: Final = "overt_seen"
"""In a session: when somebody was there last, to a minute."""
NOTE_S: Final = 60
"""How often presence is written down."""
_UNATTENDED: Final = "overt_unattended"


def unattended(view: View) -> View:
    """Mark a view that a page calls by itself: it keeps no session open."""
    setattr(view, _UNATTENDED, True)
    return view


def signed_in_at(session: SessionBase) -> float:
    """Return when somebody signed in, in seconds since the Unix epoch; 0 if nobody did."""
    return float(session.get(SINCE, 0.0))


def overdue(since: float, seen: float, now: float) -> str | None:
    """Return why a session has come to its end, in words; None if it has not. Seconds since the Unix epoch."""
    control = settings.CONTROL
    if now - since >= control.session_hours * 3600:
        return f"You were signed out: a session ends after {control.session_hours} hours. Sign in again to go on."
    if now - seen >= control.session_idle_minutes * 60:
        return (
            f"You were signed out: nothing was done for {control.session_idle_minutes} minutes. Sign in again to go on."
        )
    return None


def end(session: UserSession) -> None:
    """End a session of somebody, here or elsewhere; its pictures close."""
    key = session.session_key
    session.end()
    session_ended.send(sender=UserSession, session_key=key)


def end_all(person: Person, but: str | None = None) -> int:
    """End every session of somebody but (where given) one; return how many."""
    sessions = list(UserSession.objects.filter(user=person).exclude(session_key=but or ""))
    for session in sessions:
        end(session)
    return len(sessions)


def end_overdue() -> int:
    """End the sessions whose time has come and those of accounts that ended; return how many.

    A browser that is closed asks for nothing any more, so somebody else has to look: called once a minute.
    """
    now = timezone.now()
    control = settings.CONTROL
    gone = (
        Q(created_at__lte=now - timedelta(hours=control.session_hours))
        | Q(last_seen_at__lte=now - timedelta(minutes=control.session_idle_minutes, seconds=NOTE_S))
        | Q(user__is_active=False)
        | Q(user__expires_at__lte=now)
    )
    sessions = list(UserSession.objects.filter(gone))
    for session in sessions:
        end(session)
    return len(sessions)


@receiver(user_logged_in, dispatch_uid="people.sessions.begin")
def _begin(sender: object, request: HttpRequest, **details: object) -> None:
    del sender, details
    request.session[SINCE] = request.session[SEEN] = time.time()


@receiver(user_logged_out, dispatch_uid="people.sessions.over")
def _over(sender: object, request: HttpRequest, **details: object) -> None:
    del sender, details
    key = request.session.session_key
    if key is not None:
        UserSession.objects.filter(session_key=key).delete()
        session_ended.send(sender=UserSession, session_key=key)


@receiver(password_changed, dispatch_uid="people.sessions.password")
def _password_changed(sender: object, request: HttpRequest, user: Person, **details: object) -> None:
    del sender, details
    end_all(user, but=request.session.session_key)


class SessionMiddleware:
    """Ends a session when its time has come or its account has ended; notes who is there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Stand before `get_response`."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        session = request.session
        if request.user.is_authenticated:
            words = overdue(signed_in_at(session), float(session.get(SEEN, 0.0)), time.time())
            if words is not None:
                logout(request)
                messages.info(request, words)
        elif SESSION_KEY in session:
            # The account was removed or has ended since: Django knows nobody by it any more.
            logout(request)
            messages.info(request, "You were signed out: this account does not work any more.")
        return self._get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponse], _args: Any, _named: Any) -> None:
        """Note, once a minute, that somebody was there."""
        session = request.session
        if not request.user.is_authenticated or getattr(view, _UNATTENDED, False):
            return
        known = float(session.get(SEEN, 0.0))
        if time.time() - known >= NOTE_S or "overt_listed" not in session:
            session[SEEN] = time.time()
            session["overt_listed"] = True
            UserSession.objects.create_from_request(request)

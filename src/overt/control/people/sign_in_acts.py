"""Leaves about signing in and out. Who signs in is let in even if the ledger cannot be written: somebody must mend it.

What they then do is written down before it happens, or does not happen.
"""

from __future__ import annotations

import logging
from typing import Any, Final
from uuid import UUID

from allauth.mfa.signals import authentication_failed, authenticator_added, authenticator_removed
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from overt.control.acts.actor import NOBODY, Actor
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.control.people.models import Person
from overt.errors import OvertError

_LOG: Final = logging.getLogger(__name__)


def _try(kind: Kind, by: Actor, person: tuple[UUID, str] | None = None, **more: str) -> None:
    try:
        record(kind, by=by, person=person, more={**more})
    except OvertError as error:
        _LOG.error("%s of %s could not be written down: %s", kind.value, by.name, error)


def _from(request: HttpRequest | None) -> str:
    """Return where a request came from, as this server sees it."""
    return str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""


@receiver(user_logged_in, dispatch_uid="people.acts.signed-in")
def _signed_in(sender: object, request: HttpRequest, user: Person, **details: object) -> None:
    del sender, details
    _try(Kind.SIGNED_IN, Actor(user.pk, user.name), address=_from(request))


@receiver(user_login_failed, dispatch_uid="people.acts.failed")
def _failed(sender: object, credentials: dict[str, Any], request: HttpRequest | None = None, **details: object) -> None:
    del sender, details
    email = str(credentials.get("email") or credentials.get("username") or "")[:254].strip().lower()
    person = Person.objects.filter(email=email).first()
    whose = None if person is None else (person.pk, person.name)
    _try(Kind.SIGN_IN_FAILED, NOBODY, whose, email=email, address=_from(request))


@receiver(authentication_failed, dispatch_uid="people.acts.code-failed")
def _code_failed(
    sender: object, request: HttpRequest, user: Person, authenticator: Any, *, reauthentication: bool, **details: object
) -> None:
    del sender, details
    how = f"with a code: {authenticator.get_type_display()}"
    unproved(request, user, how, signed_in=reauthentication)


def unproved(request: HttpRequest | None, person: Person | None, how: str, *, signed_in: bool) -> None:
    """Write down that a code or passkey was refused: at sign-in, or of somebody who is signed in and was asked again.

    `person` is whose account it was tried on; None where nobody said, or there is none.
    """
    by = Actor(person.pk, person.name) if signed_in and person is not None else NOBODY
    whose = None if person is None else (person.pk, person.name)
    _try(Kind.PROOF_FAILED if signed_in else Kind.SIGN_IN_FAILED, by, whose, how=how, address=_from(request))


@receiver(user_logged_out, dispatch_uid="people.acts.signed-out")
def _signed_out(sender: object, request: HttpRequest, user: Person | None, **details: object) -> None:
    del sender, details, request
    if user is not None:
        _try(Kind.SIGNED_OUT, Actor(user.pk, user.name))


@receiver(authenticator_added, dispatch_uid="people.acts.proof-added")
@receiver(authenticator_removed, dispatch_uid="people.acts.proof-removed")
def _proofs(signal: object, user: Person, authenticator: Any, **details: object) -> None:
    del details
    what = "was added" if signal is authenticator_added else "was removed"
    words = f"{authenticator.get_type_display()} {what}."
    record(Kind.PROOFS_CHANGED, by=Actor(user.pk, user.name), person=(user.pk, user.name), more={"what": words})

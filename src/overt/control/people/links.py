"""Links that work once and for a while: the first account, and a password that somebody chooses for themselves.

Only the SHA-256 of a link's token is stored, so that who reads the database cannot open one.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from overt.control.people.models import OneTimeLink, Person
from overt.errors import ConflictError, MissingError

SETUP_LIFE: Final = timedelta(hours=1)
INVITATION_LIFE: Final = timedelta(days=3)
TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Link:
    """A link, as it is handed out: its address is known now and never again."""

    path: str
    expires_at: datetime

    @property
    def url(self) -> str:
        """The whole address, by the name under which this system knows itself."""
        return f"{settings.CONTROL.origin}{self.path}"

    def __repr__(self) -> str:
        """Say when it ends, not what opens it."""
        return f"Link(expires_at={self.expires_at!r})"


def nobody_yet() -> bool:
    """Whether the first account has still to be made."""
    return not Person.objects.exists()


def setup_link() -> Link:
    """Make the link for the first account, which lives for an hour, and end those made before.

    Raises:
        ConflictError: there are accounts already.
    """
    if not nobody_yet():
        raise ConflictError("There is an account already: sign in, or ask whoever manages people for an invitation.")
    with transaction.atomic():
        OneTimeLink.objects.filter(purpose=OneTimeLink.Purpose.SETUP).delete()
        return _made(OneTimeLink.Purpose.SETUP, None, SETUP_LIFE)


def invitation(person: Person) -> Link:
    """Make the link by which somebody chooses a password, and end those that they got before."""
    with transaction.atomic():
        OneTimeLink.objects.filter(person=person).delete()
        return _made(OneTimeLink.Purpose.INVITATION, person, INVITATION_LIFE)


def opened(purpose: OneTimeLink.Purpose, token: str) -> OneTimeLink:
    """Return the link of a token, if it still works. Inside a transaction its row is locked until that ends.

    Raises:
        MissingError: there is none, its time is over, it was used, or its account does not work any more.
    """
    rows = OneTimeLink.objects.select_related("person")
    if transaction.get_connection().in_atomic_block:
        rows = rows.select_for_update(of=("self",))
    found = rows.filter(
        digest=digest_of(token), purpose=purpose, used_at__isnull=True, expires_at__gt=timezone.now()
    ).first()
    usable = found is not None and (nobody_yet() if found.person is None else found.person.may_sign_in)
    if found is None or not usable:
        how = (
            "Start the control room again: it prints a new one."
            if purpose is OneTimeLink.Purpose.SETUP
            else "Ask whoever manages people for a new one."
        )
        raise MissingError(f"This link does not work: it was used already, or its time is over. {how}")
    return found


def use(link: OneTimeLink) -> None:
    """Note that a link was used: it opens nothing any more."""
    link.used_at = timezone.now()
    link.save(update_fields=["used_at"])


def digest_of(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _made(purpose: OneTimeLink.Purpose, person: Person | None, life: timedelta) -> Link:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = timezone.now() + life
    OneTimeLink.objects.create(digest=digest_of(token), purpose=purpose, person=person, expires_at=expires_at)
    name = "people:setup" if purpose is OneTimeLink.Purpose.SETUP else "people:invitation"
    return Link(reverse(name, args=[token]), expires_at)

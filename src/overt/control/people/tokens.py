"""Tokens by which programs call the API for a person: shown once, stored as SHA-256, never more than a year."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from overt.control.acts.kinds import Kind
from overt.control.people import writing_down
from overt.control.people.actions import Action
from overt.control.people.links import digest_of
from overt.control.people.models import ApiToken, Person
from overt.control.people.roles import in_order
from overt.errors import InvalidError, MissingError

LONGEST: Final = timedelta(days=366)
PREFIX: Final = "overt_"
"""Lets programs that look for leaked secrets know one."""
NOTE: Final = timedelta(minutes=1)
"""How often its use is written down."""


def make_token(person: Person, name: str, scopes: Iterable[str], expires_at: datetime) -> tuple[ApiToken, str]:
    """Make a token; return it with its text, which nobody sees again.

    Raises:
        InvalidError: no scope, one that is no action, or an end that is past or more than a year away.
    """
    wanted = in_order(scopes)
    unknown = set(wanted) - {each.value for each in Action}
    if unknown or not wanted:
        raise InvalidError(f"Choose at least one action that the token allows, of: {', '.join(Action)}.")
    now = timezone.now()
    if not now < expires_at <= now + LONGEST:
        raise InvalidError("A token ends within a year: choose a day from tomorrow on, at most a year away.")
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken(person=person, name=name, scopes=wanted, expires_at=expires_at, digest=digest_of(text))
        token.full_clean()
        token.save()
        ends = expires_at.isoformat(timespec="seconds")
        writing_down.about(Kind.TOKEN_MADE, person, token=name, scopes=", ".join(wanted), ends=ends)
    return token, text


def owner_of(text: str) -> ApiToken | None:
    """Return the token of a text, if it works and its person does; notes that it was used."""
    now = timezone.now()
    token = ApiToken.objects.select_related("person").filter(digest=digest_of(text), expires_at__gt=now).first()
    if token is None or not token.person.may_sign_in:
        return None
    if token.last_used_at is None or now - token.last_used_at >= NOTE:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def end_token(person: Person, token_id: int) -> None:
    """End a token of somebody.

    Raises:
        MissingError: they have none of this id.
    """
    with transaction.atomic():
        found = person.tokens.filter(pk=token_id).first()
        if found is None:
            raise MissingError("You have no such token any more.")
        found.delete()
        writing_down.about(Kind.TOKEN_ENDED, person, token=found.name)

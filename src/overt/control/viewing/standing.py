"""Whether those who hold grants may still do so: their sign-in lasts, and what they may do now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.contrib.sessions.models import Session
from django.utils import timezone

from overt.control.people.models import Person
from overt.control.people.rights import Rights, rights_of


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database says of some sessions and people at one moment."""

    sessions: frozenset[str]
    """Those that last."""
    rights: dict[UUID, Rights]
    """Of those whose account works."""


def standing(sessions: Collection[str], people: Collection[UUID]) -> Standing:
    """Ask the database; raises its errors."""
    live = Session.objects.filter(session_key__in=set(sessions), expire_date__gt=timezone.now())
    found = [person for person in Person.objects.filter(pk__in=set(people)) if person.may_sign_in]
    keys = frozenset(live.values_list("session_key", flat=True))
    return Standing(keys, {person.pk: rights_of(person) for person in found})

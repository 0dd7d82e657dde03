"""What somebody has begun and not confirmed yet: kept encrypted (passwords are in it), for them alone, for an hour."""

from __future__ import annotations

import datetime as dt
from typing import Final
from uuid import UUID

from django.utils import timezone

from overt.control.estate.credentials import revealed, sealed
from overt.control.estate.models import Camera, Pending
from overt.control.people.models import Person
from overt.errors import MissingError

LOOK: Final = "look"
FILE: Final = "file"
LIFETIME: Final = dt.timedelta(hours=1)
MOST_A_PERSON: Final = 5


def keep(kind: str, person: Person, text: str, camera: Camera | None = None) -> UUID:
    """Keep something; the oldest of the same person go where there are too many."""
    Pending.objects.filter(at__lt=timezone.now() - LIFETIME).delete()
    mine = Pending.objects.filter(person=person).order_by("-at").values_list("pk", flat=True)
    Pending.objects.filter(pk__in=list(mine[MOST_A_PERSON - 1 :])).delete()
    return Pending.objects.create(kind=kind, person=person, camera=camera, sealed=sealed(text)).pk


def kept(kind: str, person: Person, pending: UUID, camera: Camera | None = None) -> str:
    """Return what somebody kept.

    Raises:
        MissingError: it is gone, or another's.
    """
    row = Pending.objects.filter(
        pk=pending, kind=kind, person=person, camera=camera, at__gte=timezone.now() - LIFETIME
    ).first()
    if row is None:
        msg = "This was kept for an hour and is gone: begin again."
        raise MissingError(msg)
    return revealed(row.sealed).get_secret_value()


def forget(pending: UUID) -> None:
    """Let go of it."""
    Pending.objects.filter(pk=pending).delete()


def replace(pending: UUID, text: str) -> None:
    """Keep something else in its place."""
    Pending.objects.filter(pk=pending).update(sealed=sealed(text))

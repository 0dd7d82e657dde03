"""Who looked at which recorded footage: a plain table, written before the footage is opened.

It is what the ledger will take over; nothing reads it yet but the tests and whoever asks the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.utils import timezone

from overt.contract.instant import datetime_of
from overt.control.viewing.models import Look


def opened(person: UUID, grant: UUID, cameras: Sequence[str], from_ns: int, to_ns: int) -> None:
    """Write down that footage is about to be opened."""
    _write(Look.Kind.OPENED, person, grant, cameras, from_ns, to_ns)


def taken(person: UUID, grant: UUID, cameras: Sequence[str], from_ns: int, to_ns: int) -> None:
    """Write down that footage is about to be saved as a clip."""
    _write(Look.Kind.CLIP, person, grant, cameras, from_ns, to_ns)


def _write(kind: Look.Kind, person: UUID, grant: UUID, cameras: Sequence[str], from_ns: int, to_ns: int) -> None:
    Look.objects.create(
        kind=kind,
        person_id=person,
        grant=grant,
        cameras=list(cameras),
        footage_from=datetime_of(from_ns),
        footage_to=datetime_of(to_ns),
        ended_at=timezone.now() if kind == Look.Kind.CLIP else None,
    )


def ended(grant: UUID) -> None:
    """Write down that a grant's footage is open no more."""
    Look.objects.filter(grant=grant, ended_at=None).update(ended_at=timezone.now())

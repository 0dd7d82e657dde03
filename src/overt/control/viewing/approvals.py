"""Approvals for a shift: a purpose that somebody opens for themselves for some hours, and which then answers why they
look back.

It is a convenience and no further right: what they may see is decided as ever, each look has its leaf, which names the
approval, and the leaf about the approval says purpose, reference, groups and end before it holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, record
from overt.control.people.actions import Action
from overt.control.people.models import Person, SiteGroup
from overt.control.people.rights import Rights, require
from overt.control.viewing.models import Approval, Purpose
from overt.errors import ConflictError, ForbiddenError, InvalidError, MissingError

MOST: Final = dt.timedelta(hours=12)
OVER: Final = "Your approval for this shift is over: say for what purpose you look back."


@dataclass(frozen=True, slots=True)
class Asked:
    """An approval as somebody asks for it."""

    purpose: int
    reference: str
    groups: Collection[int]
    """Ids of groups of sites, at least one."""
    hours: int


def in_force(person: UUID) -> Approval | None:
    """Return somebody's approval, if one holds now."""
    rows = Approval.objects.select_related("purpose").filter(person=person, ended_at=None)
    return rows.filter(until__gt=timezone.now()).first()


def answering(approval: str, person: UUID) -> Approval:
    """Return the approval that somebody names as their answer.

    Raises:
        ForbiddenError: it is not theirs, it is over, or its purpose is not approved for shifts any more.
    """
    found = in_force(person)
    if found is None or str(found.pk) != approval or not found.purpose.may_stand:
        raise ForbiddenError(OVER)
    return found


def groups_for(rights: Rights) -> QuerySet[SiteGroup]:
    """Return the groups for which somebody may open an approval."""
    where = rights.where(Action.SHIFT)
    return SiteGroup.objects.all() if where is None else SiteGroup.objects.filter(pk__in=where)


def purposes_for() -> QuerySet[Purpose]:
    """Return the purposes that may be approved for a shift."""
    return Purpose.objects.filter(in_use=True, may_stand=True)


def open_approval(person: Person, rights: Rights, asked: Asked, reference: str) -> Approval:
    """Open an approval for oneself, from now on; `reference` is that of `asked`, held against the register.

    Raises:
        ForbiddenError: the right is lacking at one of the groups.
        InvalidError: the purpose may not be approved, no group was chosen, or it would last too long.
        ConflictError: one holds already.
        UnavailableError: it cannot be written down.
    """
    for group in asked.groups:
        require(rights, Action.SHIFT, group)
    groups = list(SiteGroup.objects.filter(pk__in=asked.groups).order_by("name"))
    purpose = purposes_for().filter(pk=asked.purpose).first()
    if purpose is None:
        raise InvalidError("This purpose may not be approved for a shift: choose another.")
    if not groups:
        raise InvalidError("Choose at least one group of sites.")
    if not 1 <= asked.hours <= MOST // dt.timedelta(hours=1):
        raise InvalidError(f"An approval lasts from 1 to {MOST // dt.timedelta(hours=1)} hours.")
    now = timezone.now()
    try:
        with transaction.atomic():
            Approval.objects.filter(person=person, ended_at=None, until__lte=now).update(ended_at=F("until"))
            made = Approval.objects.create(
                person=person,
                purpose=purpose,
                reference=reference,
                begins_at=now,
                until=now + dt.timedelta(hours=asked.hours),
            )
            made.groups.set(groups)
            _record(Kind.APPROVAL_OPENED, made, [each.name for each in groups])
    except IntegrityError as error:
        raise ConflictError("You have an approval for this shift already: end it first.") from error
    return made


def end_approval(person: Person) -> Approval:
    """End one's own approval, at once; raises MissingError where none holds, and UnavailableError."""
    with transaction.atomic():
        found = in_force(person.pk)
        if found is None:
            raise MissingError("You have no approval for a shift, or it has ended already.")
        found.ended_at = timezone.now()
        found.save(update_fields=["ended_at"])
        _record(Kind.APPROVAL_ENDED, found, [each.name for each in found.groups.order_by("name")])
    return found


def all_approvals(limit: int = 200) -> QuerySet[Approval]:
    """Return the newest approvals of everybody."""
    return Approval.objects.select_related("person", "purpose").prefetch_related("groups")[:limit]


def _record(kind: Kind, approval: Approval, groups: list[str]) -> None:
    more: dict[str, Json] = {
        "approval": str(approval.pk),
        "purpose": {"name": approval.purpose.name, "legal_basis": approval.purpose.legal_basis},
        "groups": [*groups],
        "until": approval.until.astimezone(dt.UTC).isoformat(timespec="seconds"),
    }
    record(kind, reference=approval.reference, more=more)

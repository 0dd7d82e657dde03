"""The cameras that somebody may watch, look back at, or put on a plan: what the pages' trees and names are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from overt.control.estate.models import Camera
from overt.control.estate.register import cameras_for
from overt.control.people.actions import Action
from overt.control.people.rights import Rights

VIEWING: Final = (Action.LIVE, Action.RECORDED)
"""Who has one of these at a camera's group is shown the camera."""


@dataclass(frozen=True, slots=True)
class Place:
    """A camera as far as viewing needs to know it."""

    key: str
    """By which recorder and footage know it."""
    name: str
    group: int
    group_name: str
    site: int
    site_name: str
    state: str


_COLUMNS: Final = ("key", "name", "site__group_id", "site__group__name", "site_id", "site__name", "state")


def places(keys: Iterable[str]) -> dict[str, Place]:
    """Return the cameras of these short names; those that are not there are left out."""
    rows = Camera.objects.filter(key__in=list(keys)).values_list(*_COLUMNS)
    return {row[0]: Place(*row) for row in rows}


def recorded_keys() -> list[str]:
    """Return the short names of all cameras that may have footage."""
    return list(Camera.objects.exclude(state=Camera.State.DRAFT).order_by("key").values_list("key", flat=True))


def shown_to(rights: Rights, *, site: int | None = None) -> list[Place]:
    """Return the cameras that somebody may look at, in the order of group, site and name.

    Those of places that are watched no more are there for who may look back.
    """
    found = cameras_for(rights, *VIEWING).exclude(state=Camera.State.DRAFT)
    if not rights.anywhere(Action.RECORDED):
        found = found.exclude(state=Camera.State.RETIRED)
    if site is not None:
        found = found.filter(site_id=site)
    rows = found.order_by("site__group__name", "site__name", "name").values_list(*_COLUMNS)
    return [Place(*row) for row in rows]

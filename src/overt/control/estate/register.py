"""The register as somebody may read it: which cameras there are for them, found by site, state and what is wanting."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from overt.control.estate.models import Camera, Installation, Site
from overt.control.people.actions import Action
from overt.control.people.models import SiteGroup
from overt.control.people.rights import Rights, require
from overt.errors import MissingError

KNOWING: Final = (
    Action.LIVE,
    Action.INSPECT,
    Action.PLAN,
    Action.READ_LEDGER,
    Action.CHANGE_CAMERAS,
    Action.RECORDED,
)
"""Each of these lets somebody read the register of a group's sites."""
EQUIPMENT: Final = (Action.INSPECT, Action.CHANGE_CAMERAS)
"""Each of these lets somebody know at which address a device is found."""
ATTENTION: Final[dict[str, str]] = {
    "any": "Anything wanting",
    "purpose": "No purpose",
    "owner": "No owner",
    "overdue": "Review overdue",
    "device": "No device",
}
"""What a camera may want, as the filter names it."""
SORTS: Final[dict[str, tuple[str, ...]]] = {
    "site": ("site__name", "name", "key"),
    "name": ("name", "key"),
    "review": ("review_on", "name", "key"),
}
LACKS: Final[dict[str, str]] = {
    "purpose": "no purpose",
    "legal_basis": "no legal basis",
    "owner": "no owner",
    "review_on": "no day of review",
    "retention_reason": "no reason for retention",
}
"""Fields that a camera wants, and what is said where one is empty."""
NOT_HERE: Final = "There is no such camera, or you may not know of it."


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for; empty: everything."""

    text: str = ""
    site: int | None = None
    group: int | None = None
    state: str = ""
    attention: str = ""
    sort: str = "site"


def groups_for(rights: Rights, *actions: Action) -> frozenset[int] | None:
    """Return the groups at which somebody may do one of these; None: everywhere."""
    found: frozenset[int] = frozenset()
    for action in actions:
        where = rights.where(action)
        if where is None:
            return None
        found |= where
    return found


def may_any(rights: Rights, actions: tuple[Action, ...], group: int) -> bool:
    """Whether one of these is allowed at a group."""
    return any(rights.may(action, group) for action in actions)


def cameras_for(rights: Rights, *actions: Action) -> QuerySet[Camera]:
    """Return the cameras at whose group one of these (by default: any that lets somebody know of it) is allowed."""
    groups = groups_for(rights, *(actions or KNOWING))
    every = Camera.objects.all()
    return every if groups is None else every.filter(site__group__in=groups)


def sites_for(rights: Rights, *actions: Action) -> QuerySet[Site]:
    """Return sites as `cameras_for` returns cameras."""
    groups = groups_for(rights, *(actions or KNOWING))
    every = Site.objects.select_related("group")
    return every if groups is None else every.filter(group__in=groups)


def site_groups_for(rights: Rights, *actions: Action) -> QuerySet[SiteGroup]:
    """Return groups of sites as `cameras_for` returns cameras."""
    groups = groups_for(rights, *(actions or KNOWING))
    return SiteGroup.objects.all() if groups is None else SiteGroup.objects.filter(pk__in=groups)


def camera_for(rights: Rights, camera: UUID) -> Camera:
    """Return a camera that somebody may know of.

    Raises:
        MissingError: there is none, or it is not theirs to know of: the two look the same.
    """
    found = cameras_for(rights).select_related("site__group", "owner").filter(pk=camera).first()
    if found is None:
        raise MissingError(NOT_HERE)
    return found


def camera_to_change(rights: Rights, camera: UUID) -> Camera:
    """Return a camera that somebody may change.

    Raises:
        MissingError: as `camera_for`.
        ForbiddenError: they may know of it, not change it.
    """
    found = camera_for(rights, camera)
    require(rights, Action.CHANGE_CAMERAS, found.site.group_id)
    return found


def site_for(rights: Rights, site: int) -> Site:
    """Return a site that somebody may know of; raises as `camera_for`."""
    found = sites_for(rights).filter(pk=site).first()
    if found is None:
        msg = "There is no such site, or you may not know of it."
        raise MissingError(msg)
    return found


def found(rights: Rights, wanted: Filter, today: dt.date) -> QuerySet[Camera]:
    """Return the cameras that a filter finds, in its order, with site, group and owner."""
    cameras = cameras_for(rights).select_related("site__group", "owner")
    for word in wanted.text.split()[:8]:
        cameras = cameras.filter(
            Q(name__icontains=word)
            | Q(key__icontains=word)
            | Q(location__icontains=word)
            | Q(site__name__icontains=word)
            | Q(owner__name__icontains=word)
        )
    if wanted.site is not None:
        cameras = cameras.filter(site=wanted.site)
    if wanted.group is not None:
        cameras = cameras.filter(site__group=wanted.group)
    if wanted.state:
        cameras = cameras.filter(state=wanted.state)
    if wanted.attention:
        cameras = cameras.exclude(state=Camera.State.RETIRED).filter(_attention(wanted.attention, today))
    return cameras.order_by(*SORTS.get(wanted.sort, SORTS["site"]))


def _attention(what: str, today: dt.date) -> Q:
    hangs = Installation.objects.filter(camera=OuterRef("pk"), until=None)
    each: dict[str, Q] = {
        "purpose": Q(purpose=""),
        "owner": Q(owner=None),
        "overdue": Q(review_on__lt=today),
        "device": Q(~Exists(hangs)),
    }
    if what != "any":
        return each.get(what, Q())
    wanting = Q(review_on=None) | Q(legal_basis="") | Q(retention_reason="")
    for one in each.values():
        wanting |= one
    return wanting


def wanting_of(camera: Camera, today: dt.date) -> list[str]:
    """Say in a word or two each what a camera lacks or is late with; of a camera that is retired, nothing."""
    if camera.state == Camera.State.RETIRED:
        return []
    said = [words for name, words in LACKS.items() if not getattr(camera, name)]
    if camera.review_on is not None and camera.review_on < today:
        said.append("review overdue")
    return said

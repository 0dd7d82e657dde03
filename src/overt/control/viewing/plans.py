"""Floor plans: which somebody may see, and what is on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, record
from overt.control.estate.models import Camera, Site
from overt.control.estate.register import sites_for
from overt.control.people.actions import Action
from overt.control.people.rights import Rights, require
from overt.control.viewing import pictures
from overt.control.viewing.models import FloorPlan, Pin
from overt.errors import ConflictError, InvalidError, MissingError

SEEING: Final = (Action.LIVE, Action.RECORDED, Action.CHANGE_CAMERAS, Action.INSPECT)
MAX_PLANS: Final = 20
"""Of one site."""
_GONE: Final = "There is no such plan, or you may not know of it."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera is on a plan, and where it looks."""

    camera: UUID
    x: float
    """Hundredths of the picture, from the left."""
    y: float
    """From the top."""
    direction: int
    """Degrees, clockwise, 0 is up."""


def plans_for(rights: Rights) -> QuerySet[FloorPlan]:
    """Return the plans that somebody may see."""
    return FloorPlan.objects.filter(site__in=sites_for(rights, *SEEING)).select_related("site")


def plan_for(rights: Rights, plan: UUID) -> FloorPlan:
    """Return a plan that somebody may see.

    Raises:
        MissingError: there is none, or it is not theirs to know of.
    """
    found = plans_for(rights).filter(pk=plan).first()
    if found is None:
        raise MissingError(_GONE)
    return found


def plan_to_change(rights: Rights, plan: UUID) -> FloorPlan:
    """Return a plan that somebody may change; raises as `plan_for`, and ForbiddenError."""
    found = plan_for(rights, plan)
    require(rights, Action.CHANGE_CAMERAS, found.site.group_id)
    return found


def site_to_plan(rights: Rights, site: int) -> Site:
    """Return a site to which somebody may add a plan; raises MissingError."""
    found = sites_for(rights, Action.CHANGE_CAMERAS).filter(pk=site).first()
    if found is None:
        msg = "There is no such site, or you may not change it."
        raise MissingError(msg)
    return found


def add_plan(site: Site, name: str, picture: pictures.Picture) -> FloorPlan:
    """Add a plan to a site.

    Raises:
        ConflictError: the site has too many.
        UnavailableError: the disk refuses, or it cannot be written down.
    """
    if site.plans.count() >= MAX_PLANS:
        msg = f"A site has at most {MAX_PLANS} plans: remove one first."
        raise ConflictError(msg)
    with transaction.atomic():
        plan = FloorPlan.objects.create(site=site, name=name, width=picture.width, height=picture.height)
        _record(plan, "It was added.")
        pictures.keep(plan.pk, picture)
    return plan


def remove_plan(plan: FloorPlan) -> None:
    """Remove a plan with its pins. Raises UnavailableError where that cannot be written down."""
    identity = plan.pk
    with transaction.atomic():
        _record(plan, "It was removed.", [pin.camera.key for pin in plan.pins.select_related("camera")])
        plan.delete()
    pictures.remove(identity)


def _record(plan: FloorPlan, what: str, cameras: Iterable[str] = ()) -> None:
    named: Json = {"id": str(plan.pk), "name": plan.name}
    record(Kind.PLAN_CHANGED, cameras=cameras, more={"plan": named, "site": plan.site.name, "what": what})


def cameras_of(plan: FloorPlan) -> QuerySet[Camera]:
    """Return the cameras that can be put on a plan: those of its site that are not retired."""
    return Camera.objects.filter(site=plan.site_id).exclude(state=Camera.State.RETIRED).order_by("name")


@transaction.atomic
def put_pins(plan: FloorPlan, places: Sequence[Place]) -> None:
    """Put these cameras on a plan, and no others.

    Raises:
        InvalidError: a camera is of another site, or there twice.
        UnavailableError: it cannot be written down.
    """
    allowed = {each.pk: each for each in cameras_of(plan)}
    if len({each.camera for each in places}) != len(places) or any(each.camera not in allowed for each in places):
        msg = "A plan has cameras of its own site, each once."
        raise InvalidError(msg)
    plan.pins.all().delete()
    Pin.objects.bulk_create(
        Pin(plan=plan, camera=allowed[each.camera], x=each.x, y=each.y, direction=each.direction % 360)
        for each in places
    )
    # Where a camera hangs and looks is the plan's, not the ledger's: that it was moved is enough there.
    _record(plan, "Its cameras were placed.", sorted(allowed[each.camera].key for each in places))


def described(plan: FloorPlan, rights: Rights) -> list[dict[str, Any]]:
    """Return a plan's pins for a page: all that are on it, and of each whether its picture may be watched."""
    live = rights.may(Action.LIVE, plan.site.group_id)
    pins: QuerySet[Pin] = plan.pins.select_related("camera")
    return [
        {
            "camera": pin.camera.key,
            "name": pin.camera.name,
            "x": pin.x,
            "y": pin.y,
            "direction": pin.direction,
            "live": live and pin.camera.state in {Camera.State.RECORDING, Camera.State.OFF},
        }
        for pin in pins
        if pin.camera.state != Camera.State.RETIRED
    ]

"""Who may call the pages and operations of wall, review and floor plans."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from matrix import CHANGERS, FORM, LOOKERS_BACK, POST, WATCHERS, Row, World
from overt.control.people.models import Person
from overt.control.viewing.models import FloorPlan, Layout, Tour

EXPORTERS = LOOKERS_BACK
PLAN_READERS = WATCHERS | LOOKERS_BACK | CHANGERS


def no_grant(world: World, caller: Person | None) -> dict[str, Any]:
    return {"grant": uuid4()}


def own_layout(world: World, caller: Person | None) -> dict[str, Any]:
    return {"layout": Layout.objects.create(name="Mine", owner=caller or world.person, tiles=1, cells=[None]).pk}


def own_tour(world: World, caller: Person | None) -> dict[str, Any]:
    return {"tour": Tour.objects.create(name="Mine", owner=caller or world.person).pk}


def of_site(world: World, caller: Person | None) -> dict[str, Any]:
    return {"site": world.site.pk}


def of_plan(world: World, caller: Person | None) -> dict[str, Any]:
    return {"plan": FloorPlan.objects.create(site=world.site, name="Ground floor", width=800, height=600).pk}


ROWS = {
    "viewing:wall": Row(WATCHERS),
    "viewing:review": Row(LOOKERS_BACK | {"Operator"}),
    "viewing:catalogue": Row(WATCHERS | LOOKERS_BACK),
    "viewing:new-grant": Row(WATCHERS | LOOKERS_BACK, methods=POST),
    "viewing:change-grant": Row(WATCHERS | LOOKERS_BACK, no_grant, POST, gone=True),
    "viewing:heartbeat": Row(WATCHERS | LOOKERS_BACK, no_grant, POST, gone=True),
    "viewing:close-grant": Row(WATCHERS | LOOKERS_BACK, no_grant, POST, gone=True),
    "viewing:clip": Row(EXPORTERS, no_grant, POST, gone=True),
    "viewing:save-layout": Row(WATCHERS, methods=POST),
    "viewing:remove-layout": Row(WATCHERS, own_layout, POST),
    "viewing:save-tour": Row(WATCHERS, methods=POST),
    "viewing:remove-tour": Row(WATCHERS, own_tour, POST),
    "viewing:footage-key": Row(CHANGERS, local=True),
    "viewing:make-footage-key": Row(CHANGERS, methods=POST, local=True),
    "viewing:lock": Row(CHANGERS, methods=POST, local=True),
    "viewing:plans": Row(PLAN_READERS),
    "viewing:add-plan": Row(CHANGERS, of_site, FORM, local=True),
    "viewing:plan": Row(PLAN_READERS, of_plan, local=True),
    "viewing:pins": Row(PLAN_READERS, of_plan, local=True),
    "viewing:plan-picture": Row(PLAN_READERS, of_plan, local=True, gone=True),
    "viewing:change-plan": Row(CHANGERS, of_plan, FORM, local=True),
    "viewing:remove-plan": Row(CHANGERS, of_plan, POST, local=True),
}

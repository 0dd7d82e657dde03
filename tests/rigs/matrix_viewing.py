"""Who may call the pages and operations of wall, review and floor plans."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from matrix import CHANGERS, FORM, LEDGER_READERS, LOOKERS_BACK, POST, WATCHERS, Row, World
from overt.control.people.models import Person
from overt.control.viewing.models import FloorPlan, Layout, Purpose, Tour

EXPORTERS = LOOKERS_BACK
SHIFTS = frozenset({"Supervisor", "CCTV manager"})
PLAN_READERS = WATCHERS | LOOKERS_BACK | CHANGERS


def no_grant(world: World, caller: Person | None) -> dict[str, Any]:
    return {"grant": uuid4()}


def no_grant_and_request(world: World, caller: Person | None) -> dict[str, Any]:
    return {"grant": uuid4(), "request_id": uuid4()}


def own_layout(world: World, caller: Person | None) -> dict[str, Any]:
    return {"layout": Layout.objects.create(name="Mine", owner=caller or world.person, tiles=1, cells=[None]).pk}


def own_tour(world: World, caller: Person | None) -> dict[str, Any]:
    return {"tour": Tour.objects.create(name="Mine", owner=caller or world.person).pk}


def of_site(world: World, caller: Person | None) -> dict[str, Any]:
    return {"site": world.site.pk}


def of_plan(world: World, caller: Person | None) -> dict[str, Any]:
    size = {"width": 800, "height": 600}
    return {"plan": FloorPlan.objects.get_or_create(site=world.site, name="Ground floor", defaults=size)[0].pk}


PURPOSE = {"name": "Safety", "legal_basis": "Public task", "opens": ["replay"]}


def of_purpose(world: World, caller: Person | None) -> dict[str, Any]:
    return {"purpose": Purpose.objects.create(**PURPOSE).pk}


WISH = {"live": [], "secret_sha256": "A" * 43}
"""Of nothing: refused with 403 even to who might see something, so it asks nothing of a recorder."""
ROWS = {
    "viewing:wall": Row(WATCHERS),
    "viewing:review": Row(LOOKERS_BACK | {"Operator"}),
    "viewing:catalogue": Row(WATCHERS | LOOKERS_BACK),
    "viewing:new-grant": Row(WATCHERS | LOOKERS_BACK, methods=POST),
    "viewing:change-grant": Row(WATCHERS | LOOKERS_BACK, no_grant, POST, gone=True),
    "viewing:heartbeat": Row(WATCHERS | LOOKERS_BACK, no_grant, POST, gone=True),
    "viewing:close-grant": Row(WATCHERS | LOOKERS_BACK, no_grant, POST, gone=True),
    "viewing:clip": Row(EXPORTERS, no_grant, POST, gone=True),
    "viewing:ask-keys": Row(LOOKERS_BACK, no_grant, POST, gone=True),
    "viewing:keys-opened": Row(LOOKERS_BACK, no_grant_and_request, POST, gone=True),
    "viewing:key-drill": Row(LOOKERS_BACK, methods=POST),
    "viewing:save-layout": Row(WATCHERS, methods=POST),
    "viewing:remove-layout": Row(WATCHERS, own_layout, POST),
    "viewing:save-tour": Row(WATCHERS, methods=POST),
    "viewing:remove-tour": Row(WATCHERS, own_tour, POST),
    "viewing:footage-key": Row(CHANGERS, methods=FORM, local=True),
    "viewing:make-footage-key": Row(CHANGERS, methods=FORM, local=True),
    "viewing:lock": Row(CHANGERS, methods=POST, local=True),
    "viewing:purposes": Row(),
    "viewing:shift": Row(SHIFTS, methods=FORM),
    "viewing:end-shift": Row(SHIFTS, methods=POST, gone=True),
    "viewing:shifts": Row(LEDGER_READERS),
    "viewing:add-purpose": Row(CHANGERS, methods=FORM, local=True),
    "viewing:purpose": Row(CHANGERS, of_purpose, FORM, local=True),
    "viewing:plans": Row(PLAN_READERS),
    "viewing:add-plan": Row(CHANGERS, of_site, FORM, local=True),
    "viewing:plan": Row(PLAN_READERS, of_plan, local=True),
    "viewing:pins": Row(PLAN_READERS, of_plan, local=True),
    "viewing:plan-picture": Row(PLAN_READERS, of_plan, local=True, gone=True),
    "viewing:change-plan": Row(CHANGERS, of_plan, FORM, local=True),
    "viewing:remove-plan": Row(CHANGERS, of_plan, POST, local=True),
    "GET /api/v1/viewing/cameras": Row(WATCHERS | LOOKERS_BACK),
    "POST /api/v1/viewing/grants": Row(WATCHERS | LOOKERS_BACK, body=WISH, gone=True),
    "PUT /api/v1/viewing/grants/<grant>": Row(WATCHERS | LOOKERS_BACK, no_grant, body={"live": ["market"]}, gone=True),
    "POST /api/v1/viewing/grants/<grant>/heartbeat": Row(WATCHERS | LOOKERS_BACK, no_grant, gone=True),
    "DELETE /api/v1/viewing/grants/<grant>": Row(WATCHERS | LOOKERS_BACK, no_grant),
    "GET /api/v1/viewing/purposes": Row(),
    "POST /api/v1/viewing/purposes": Row(CHANGERS, body=PURPOSE, local=True),
    "PUT /api/v1/viewing/purposes/<purpose>": Row(CHANGERS, of_purpose, body={**PURPOSE, "version": 0}, local=True),
    "GET /api/v1/viewing/layouts": Row(WATCHERS),
    "POST /api/v1/viewing/layouts": Row(WATCHERS, body={"name": "Mine", "tiles": 1, "cells": []}),
    "DELETE /api/v1/viewing/layouts/<layout>": Row(WATCHERS, own_layout),
    "GET /api/v1/viewing/tours": Row(WATCHERS),
    "POST /api/v1/viewing/tours": Row(WATCHERS, body={"name": "Mine", "steps": []}),
    "DELETE /api/v1/viewing/tours/<tour>": Row(WATCHERS, own_tour),
}

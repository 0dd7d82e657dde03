"""Who may call the pages and operations of health and alerts."""

from __future__ import annotations

from typing import Any

from matrix import ALL, CHANGERS, FORM, POST, Row, World
from overt.control.health.models import AlertRule
from overt.control.people.models import Person


def of_camera(world: World, caller: Person | None) -> dict[str, Any]:
    return {"camera_id": world.camera.pk}


def of_rule(world: World, caller: Person | None) -> dict[str, Any]:
    told = {"group": world.group, "channel": "email", "address_sealed": "", "shown": "du…@northshire.example"}
    rule, _ = AlertRule.objects.get_or_create(name="To the desk", defaults=told)
    return {"rule_id": rule.pk}


def of_own_rule(world: World, caller: Person | None) -> dict[str, Any]:
    return {"rule": of_rule(world, caller)["rule_id"]}


RULE = {"name": "To the office", "channel": "email", "address": "duty@northshire.example"}
ROWS = {
    "health:now": Row(),
    "health:parts": Row(),
    "health:camera": Row(ALL, of_camera, local=True),
    "health:uptime": Row(),
    "health:uptime_csv": Row(),
    "health:alerts": Row(CHANGERS),
    "health:alert_new": Row(CHANGERS, methods=FORM),
    "health:alert": Row(CHANGERS, of_rule, FORM, local=True),
    "health:alert_delete": Row(CHANGERS, of_rule, FORM, local=True),
    "health:alert_test": Row(CHANGERS, of_rule, POST, local=True),
    "GET /api/v1/health/conditions": Row(),
    "GET /api/v1/health/uptime": Row(),
    "GET /api/v1/health/rules": Row(CHANGERS),
    "POST /api/v1/health/rules": Row(CHANGERS, local=True, body=RULE),
    "PUT /api/v1/health/rules/<rule>": Row(CHANGERS, of_own_rule, local=True, body=RULE | {"version": 0}),
    "DELETE /api/v1/health/rules/<rule>": Row(CHANGERS, of_own_rule, local=True),
}

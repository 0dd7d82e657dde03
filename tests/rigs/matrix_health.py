"""Who may call the pages and operations of health and alerts."""

from __future__ import annotations

from typing import Any

from matrix import ALL, CHANGERS, FORM, POST, Row, World
from overt.control.health.models import AlertRule
from overt.control.people.models import Person


def of_camera(world: World, caller: Person | None) -> dict[str, Any]:
    return {"camera_id": world.camera.pk}


def of_rule(world: World, caller: Person | None) -> dict[str, Any]:
    rule = AlertRule.objects.create(
        name="To the desk", group=world.group, channel="email", address_sealed="", shown="-"
    )
    return {"rule_id": rule.pk}


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
}

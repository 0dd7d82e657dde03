"""Who may call the pages and operations of sites and cameras."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from matrix import ALL, CHANGERS, FORM, POST, Row, World
from overt.control.people.models import Person


def of_camera(world: World, caller: Person | None) -> dict[str, Any]:
    return {"camera": world.camera.pk}


def of_site(world: World, caller: Person | None) -> dict[str, Any]:
    return {"site": world.site.pk}


def of_look(world: World, caller: Person | None) -> dict[str, Any]:
    return {"camera": world.camera.pk, "look": uuid4()}


def of_picture(world: World, caller: Person | None) -> dict[str, Any]:
    return {**of_look(world, caller), "number": 0}


ROWS = {
    "estate:cameras": Row(),
    "estate:cameras-csv": Row(),
    "estate:add-camera": Row(CHANGERS, methods=FORM),
    "estate:camera": Row(ALL, of_camera, local=True),
    "estate:change-camera": Row(CHANGERS, of_camera, FORM, local=True),
    "estate:go-live": Row(CHANGERS, of_camera, POST, local=True),
    "estate:switch-off": Row(CHANGERS, of_camera, POST, local=True),
    "estate:retire": Row(CHANGERS, of_camera, FORM, local=True),
    "estate:device": Row(CHANGERS, of_camera, FORM, local=True),
    "estate:replace-device": Row(CHANGERS, of_camera, FORM, local=True),
    "estate:look": Row(CHANGERS, of_look, local=True, gone=True),
    "estate:look-picture": Row(CHANGERS, of_picture, local=True, gone=True),
    "estate:sites": Row(),
    "estate:add-site": Row(CHANGERS, methods=FORM),
    "estate:change-site": Row(CHANGERS, of_site, FORM, local=True),
}

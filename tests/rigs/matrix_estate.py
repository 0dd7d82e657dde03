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


def of_file(world: World, caller: Person | None) -> dict[str, Any]:
    return {"file": uuid4()}


API = "/api/v1"
CHANGED = {"name": "Door", "site": 0, "version": 0}
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
    "estate:import": Row(CHANGERS, methods=FORM),
    "estate:import-template": Row(CHANGERS),
    "estate:import-shown": Row(CHANGERS, of_file, FORM, gone=True),
    "estate:sites": Row(),
    "estate:add-site": Row(CHANGERS, methods=FORM),
    "estate:change-site": Row(CHANGERS, of_site, FORM, local=True),
    f"GET {API}/sites": Row(),
    f"POST {API}/sites": Row(CHANGERS),
    f"GET {API}/sites/<site>": Row(ALL, of_site, local=True),
    f"PUT {API}/sites/<site>": Row(
        CHANGERS, of_site, local=True, body={"name": "Hall", "group": 0, "version": 0}, gone=True
    ),
    f"GET {API}/cameras": Row(),
    f"POST {API}/cameras": Row(CHANGERS),
    f"GET {API}/cameras/<camera>": Row(ALL, of_camera, local=True),
    f"PUT {API}/cameras/<camera>": Row(CHANGERS, of_camera, local=True, body=CHANGED),
    f"POST {API}/cameras/<camera>/live": Row(CHANGERS, of_camera, local=True),
    f"POST {API}/cameras/<camera>/off": Row(CHANGERS, of_camera, local=True),
    f"POST {API}/cameras/<camera>/retire": Row(CHANGERS, of_camera, local=True),
    f"PUT {API}/cameras/<camera>/device": Row(
        CHANGERS, of_camera, local=True, body={"version": 0, "host": "192.0.2.7"}
    ),
    f"POST {API}/cameras/<camera>/probe": Row(CHANGERS, of_camera, local=True, body={"host": "192.0.2.7"}),
    f"GET {API}/recorder": Row(),
}

"""Who may call the pages and operations about who did what."""

from __future__ import annotations

from typing import Any

from matrix import FORM, LEDGER_READERS, Row, World
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.control.people.models import Person


def of_leaf(world: World, caller: Person | None) -> dict[str, Any]:
    return {"number": record(Kind.CAMERA_CHANGED, cameras=[world.camera.key])}


def of_tile(world: World, caller: Person | None) -> dict[str, Any]:
    return {"path": "checkpoint"}


ROWS = {
    "audit:acts": Row(LEDGER_READERS),
    "audit:acts-csv": Row(LEDGER_READERS),
    "audit:checkpoint": Row(LEDGER_READERS),
    "audit:commands": Row(LEDGER_READERS),
    "audit:ledger-file": Row(arguments=of_tile, anybody=True, gone=True),  # served where the setting says so
    "witnessing:recorder": Row(LEDGER_READERS, methods=FORM),
    "audit:numbers": Row(LEDGER_READERS),
    "audit:numbers-csv": Row(LEDGER_READERS),
    "audit:act": Row(LEDGER_READERS, of_leaf, local=True),
    "audit:proof": Row(LEDGER_READERS, of_leaf, local=True),
    "GET /api/v1/acts": Row(LEDGER_READERS),
    "GET /api/v1/acts/numbers": Row(LEDGER_READERS),
    "GET /api/v1/acts/<number>": Row(LEDGER_READERS, of_leaf, local=True),
    "GET /api/v1/acts/<number>/proof": Row(LEDGER_READERS, of_leaf, local=True),
}

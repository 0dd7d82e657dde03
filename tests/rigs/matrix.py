"""Who may call which page and operation: how the table of expectations is written.

Each app has a table of its own (`matrix_people`, `matrix_estate`, ...): a dict from the name of an address
("estate:camera"; of an operation of the API "GET /api/v1/people/<person>") to a `Row`. Roles are those of a new system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from overt.control.estate.models import Camera, Site
from overt.control.people.models import Appointment, Person, Role, SiteGroup

ROLES: Final = (
    "Operator",
    "Supervisor",
    "CCTV manager",
    "Technician",
    "Data protection officer",
    "Senior responsible owner",
    "Auditor",
    "Administrator",
)
ALL: Final = frozenset(ROLES)
"""Everybody who is signed in and has a role."""
WATCHERS: Final = frozenset({"Operator", "Supervisor", "CCTV manager", "Technician"})
LOOKERS_BACK: Final = frozenset({"Supervisor", "CCTV manager", "Data protection officer"})
CHANGERS: Final = frozenset({"CCTV manager", "Technician", "Administrator"})
MANAGERS: Final = frozenset({"CCTV manager", "Administrator"})
LEDGER_READERS: Final = frozenset({"Data protection officer", "Senior responsible owner", "Auditor"})


@dataclass(frozen=True)
class World:
    """What is there, all of it at one group of sites."""

    group: SiteGroup
    site: Site
    camera: Camera
    person: Person
    """Somebody with one role there, `appointment`."""
    appointment: Appointment
    unheld: Role
    """A role that nobody has."""
    empty_group: SiteGroup


Arguments = Callable[[World, Person | None], Mapping[str, Any]]


def nothing(world: World, caller: Person | None) -> Mapping[str, Any]:
    """No arguments in the address."""
    return {}


@dataclass(frozen=True)
class Row:
    """What is expected of one address."""

    roles: frozenset[str] = ALL
    """Who may call it, having the role everywhere."""
    arguments: Arguments = nothing
    """What stands in the address, for a caller (None: not signed in); may make rows, which are forgotten afterwards."""
    methods: tuple[str, ...] = ("get",)
    anybody: bool = False
    """Also who is not signed in, and whose account does not work any more."""
    local: bool = False
    """It is about something of the world's group: who has the role at another group alone is refused."""
    body: Mapping[str, Any] = field(default_factory=dict)
    gone: bool = False
    """That nothing is there (404) is the right answer for who may call it: there is no such thing in the world."""


GET: Final = ("get",)
POST: Final = ("post",)
FORM: Final = ("get", "post")

"""Every page of the control room by its name, and the rows of all apps about pages and operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.urls import URLPattern, URLResolver, get_resolver

import matrix_audit
import matrix_custody
import matrix_estate
import matrix_health
import matrix_people
import matrix_viewing
from control_rig import camera_at, site_in
from matrix import Row, World
from overt.control.people.gate import API
from overt.control.people.models import Appointment, Role, SiteGroup
from overt.control.people.setting_up import make_person, make_starting_roles

TABLES: Final = {
    "people": matrix_people.ROWS,
    "estate": matrix_estate.ROWS,
    "viewing": matrix_viewing.ROWS,
    "custody": matrix_custody.ROWS,
    "health": matrix_health.ROWS,
    "audit": matrix_audit.ROWS,
}


def pages() -> dict[str, URLPattern]:
    """Every address that is no operation of the API, by its name."""
    found: dict[str, URLPattern] = {}

    def walk(patterns: list[Any], space: str) -> Iterator[tuple[str, URLPattern]]:
        for each in patterns:
            if isinstance(each, URLResolver):
                if each.namespace != API:
                    yield from walk(each.url_patterns, f"{each.namespace}:" if each.namespace else space)
            else:
                yield f"{space}{each.name}", each

    for name, pattern in walk(get_resolver().url_patterns, ""):
        assert name not in found, f"two addresses are called {name}"
        found[name] = pattern
    return found


def rows() -> dict[str, Row]:
    """All tables together."""
    return {name: row for table in TABLES.values() for name, row in table.items()}


def make_world() -> World:
    """Make what the rows are about."""
    make_starting_roles()
    site = site_in("Town centre")
    person = make_person("sam.hill@northshire.example", "Sam Hill", "x", ["Auditor"], group=site.group)
    return World(
        group=site.group,
        site=site,
        camera=camera_at(site),
        person=person,
        appointment=Appointment.objects.get(person=person),
        unheld=Role.objects.create(name="Nobody’s", actions=["live"]),
        empty_group=SiteGroup.objects.create(name="Nothing there"),
    )

"""Everybody's rights at every page and operation: real requests of each role, of nobody, and of accounts that ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from address_table import TABLES, make_world, pages, rows
from control_rig import browser, signed_in
from matrix import ROLES, Row
from overt.control.people.actions import STARTING_ROLES
from overt.control.people.gate import admission_of
from overt.control.people.models import Person, SiteGroup
from overt.control.people.setting_up import make_person
from overt.control.project.api import api

NOBODY, EXPIRED, REMOVED = "nobody", "somebody expired", "somebody removed"
PART = 15
"""Rows that one test walks, which is a few hundred requests."""


def operations() -> dict[str, Any]:
    """Every operation of the API, by method and path; its function."""
    found: dict[str, Any] = {"GET /api/v1/openapi.json": None, "GET /api/v1/": None}
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            whole = "/api/v1/" + "/".join(part for part in (router.prefix.strip("/"), path.strip("/")) if part)
            plain = re.sub(r"{(?:[a-z]+:)?([a-z_]+)}", r"<\1>", whole)
            found |= {f"{method} {plain}": each.view_func for each in view.operations for method in each.methods}
    return found


def test_the_table_knows_the_starting_roles() -> None:
    assert tuple(STARTING_ROLES) == ROLES


def test_every_page_and_operation_has_a_row_and_every_row_is_there() -> None:
    there = set(pages()) | set(operations())
    known = rows()
    assert sum(map(len, TABLES.values())) == len(known)
    missing = there - set(known)
    assert not missing, f"no row in tests/rigs/matrix_*.py for {sorted(missing)}"
    assert set(known) <= there, f"rows of what is not there: {sorted(set(known) - there)}"


def test_every_page_and_operation_says_who_may_call_it() -> None:
    for name, pattern in pages().items():
        assert admission_of(pattern.callback, name) is not None, name
    for name, function in operations().items():
        assert function is None or admission_of(function, None) is not None, name


def refused(answer: HttpResponse) -> bool:
    """Whether somebody was turned away, or is told that there is nothing."""
    there = answer.get("location", "")
    away = answer.status_code == 302 and there.startswith(("/sign-in?", "/account/second-step"))
    return away or (answer.status_code == 302 and there == "/sign-in") or answer.status_code in {401, 403, 404}


class Walk:
    """Calls what the table says, as everybody."""

    def __init__(self) -> None:
        elsewhere = SiteGroup.objects.create(name="Harbour")
        self.world = make_world()
        self.everywhere = {role: self.caller(role, None) for role in ROLES}
        self.elsewhere = {role: self.caller(role, elsewhere) for role in ROLES}
        self.others: dict[str, tuple[Person | None, Client]] = {NOBODY: (None, browser())}
        changes: dict[str, dict[str, Any]] = {
            EXPIRED: {"expires_at": timezone.now() - timedelta(minutes=1)},
            REMOVED: {"is_active": False},
        }
        for name, change in changes.items():
            who, client = self.caller("CCTV manager", None, name)
            Person.objects.filter(pk=who.pk).update(**change)
            self.others[name] = (who, client)

    @staticmethod
    def caller(role: str, group: SiteGroup | None, name: str = "") -> tuple[Person, Client]:
        whole = name or f"{role} {group or 'everywhere'}"
        email = f"{whole.lower().replace(' ', '.')}@northshire.example"
        person = make_person(email, whole, "x", [role], group=group)
        return person, signed_in(person)

    def call(self, name: str, method: str, row: Row, caller: tuple[Person | None, Client]) -> HttpResponse:
        """Call an address; whatever that changes is forgotten."""
        person, client = caller
        cookies = client.cookies.copy()
        cache.clear()
        with transaction.atomic():
            arguments = row.arguments(self.world, person)
            if name.startswith(("GET ", "POST ", "PUT ", "DELETE ", "PATCH ")):
                path = re.sub(r"<([a-z_]+)>", lambda found: str(arguments[found[1]]), name.partition(" ")[2])
                answer = client.generic(method, path, json.dumps(row.body), "application/json")
            else:
                answer = getattr(client, method)(reverse(name, kwargs=dict(arguments)), dict(row.body))
            transaction.set_rollback(True)
        client.cookies = cookies
        return answer

    def faults(self, name: str, row: Row) -> Iterator[str]:
        """Say what is not as the table says."""
        methods = [name.partition(" ")[0]] if " " in name else row.methods
        for method in methods:
            for role, caller in self.everywhere.items():
                answer = self.call(name, method, row, caller)
                may = role in row.roles
                status, nothing = answer.status_code, answer.status_code == 404
                if answer.status_code in {405, 500}:
                    yield f"{method} {name}: {role} got {status}"
                elif may and refused(answer) and not (nothing and row.gone) and not _leaves(name):
                    yield f"{method} {name}: {role} may, but got {status} {answer.get('location', '')}"
                elif not may and not refused(answer):
                    yield f"{method} {name}: {role} may not, but got {status}"
            for who, caller in self.others.items():
                answer = self.call(name, method, row, caller)
                if not row.anybody and (not refused(answer) or answer.status_code == 404):
                    yield f"{method} {name}: {who} got {answer.status_code}"
                if row.anybody and refused(answer) and not row.gone and not _leaves(name):
                    yield f"{method} {name}: {who} may, but got {answer.status_code}"
            if row.local:
                for role in row.roles:
                    answer = self.call(name, method, row, self.elsewhere[role])
                    if not refused(answer):
                        yield f"{method} {name}: {role} of another group got {answer.status_code}"


def _leaves(name: str) -> bool:
    """Whether being sent to sign in, or to set up a second step, is what an address is for."""
    return name in {
        "account_logout",
        "mfa_authenticate",
        "mfa_deactivate_totp",
        "mfa_login_webauthn",
        "openid_connect_login",
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("app", "part"), [(app, part) for app, table in TABLES.items() for part in range(-(-len(table) // PART))]
)
def test_everybody_may_what_the_table_says_and_nothing_else(app: str, part: int) -> None:
    walk = Walk()
    part_of_table = list(TABLES[app].items())[part * PART : (part + 1) * PART]
    found = [fault for name, row in part_of_table for fault in walk.faults(name, row)]
    assert not found, "\n".join(found)


@pytest.mark.django_db
@pytest.mark.parametrize("app", TABLES)
def test_csrf_every_change_of_a_session_needs_the_token_of_a_page(app: str) -> None:
    walk = Walk()
    person, allowed = walk.everywhere["CCTV manager"]
    strict = browser(enforce_csrf_checks=True)
    strict.cookies = allowed.cookies
    found = {}
    for name, row in TABLES[app].items():
        methods = {name.partition(" ")[0]} if " " in name else set(row.methods)
        if "CCTV manager" in row.roles:
            for method in methods - {"GET", "get"}:
                found[f"{method} {name}"] = walk.call(name, method, row, (person, strict)).status_code
    assert set(found.values()) <= {403}, found

"""Schemathesis over the API, with a token that may everything: no fault of ours, and answers as described.

Operations of every app are in the description, so that each is tested from the moment that there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from control_rig import person_with
from overt.control.people.actions import Action
from overt.control.people.models import Person, Role
from overt.control.people.tokens import make_token

pytestmark = pytest.mark.django_db
PARTS = 4
"""So that several processes share the operations."""


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the connection in which this test's transaction is open, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def program() -> str:
    """A token of somebody who may everything, made again if what was sent removed it."""
    Person.objects.filter(name="Robin Field").exclude(is_active=True).update(name="Somebody before")
    person = Person.objects.filter(name="Robin Field").first()
    if person is None or not person.appointments.filter(role__name="Robin Field's role").exists():
        Role.objects.filter(name="Robin Field's role").update(name=f"Role {Role.objects.count()}")
        Person.objects.filter(name="Robin Field").update(name="Somebody before", email=f"{timezone.now():%f}@x.example")
        person = person_with(*Action)
    return make_token(person, "schemathesis", [each.value for each in Action], timezone.now() + timedelta(days=1))[1]


@pytest.mark.parametrize("part", range(PARTS))
def test_no_request_is_a_fault_of_ours(part: int) -> None:
    # Imported here: it brings more than all else that is tested with, to every process that collects the tests.
    schemathesis: Any = import_module("schemathesis")
    checks = [
        import_module("schemathesis.checks").not_a_server_error,
        import_module("schemathesis.specs.openapi.checks").response_schema_conformance,
    ]
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) > PARTS
    for operation in operations[part::PARTS]:
        cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode])

        @given(case=cases)
        @settings(
            max_examples=6,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def call(case: Any) -> None:
            answer = case.call(headers={"Authorization": f"Bearer {program()}", "Host": "testserver"})
            case.validate_response(answer, checks=checks)

        call()

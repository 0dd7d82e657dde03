"""Schemathesis over the API, with a token that may everything: no fault of ours, and answers as described.

Operations of every app are in the description, so that each is tested from the moment that there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from control_rig import person_with
from overt.control.people.actions import Action
from overt.control.people.models import Person, Role
from overt.control.people.tokens import make_token

pytestmark = pytest.mark.django_db
schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
# Cases at every boundary of every field are thousands, made anew at each collection.
schema.config.phases.update(phases=["fuzzing"])


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


@schema.parametrize()
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_is_a_fault_of_ours(case: schemathesis.Case) -> None:
    answer = case.call(headers={"Authorization": f"Bearer {program()}", "Host": "testserver"})
    case.validate_response(answer, checks=[not_a_server_error, response_schema_conformance])

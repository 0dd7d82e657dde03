"""What stands before every page."""

from __future__ import annotations

import pytest
from django.test import Client

from control_rig import person_with, signed_in
from overt.control.people.actions import Action


@pytest.mark.django_db
def test_who_is_not_signed_in_is_sent_to_the_sign_in_page() -> None:
    answer = Client().get("/cameras", secure=True)
    assert answer.status_code == 302
    assert answer["location"] == "/sign-in?next=%2Fcameras"


@pytest.mark.django_db
def test_who_lacks_the_right_is_told() -> None:
    answer = signed_in(person_with(Action.MANAGE_PEOPLE)).get("/cameras", secure=True)
    assert answer.status_code == 403
    assert "You may not see this page" in answer.content.decode()


@pytest.mark.django_db
def test_who_has_the_right_sees_the_page() -> None:
    answer = signed_in(person_with(Action.LIVE)).get("/cameras", secure=True)
    assert answer.status_code == 200
    assert "<h1" in answer.content.decode()

"""Links that work once: the first account, and invitations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from control_rig import PASSWORD, browser, person_with
from overt.control.people.actions import STARTING_ROLES, Action
from overt.control.people.links import invitation, nobody_yet, setup_link
from overt.control.people.models import OneTimeLink, Person, Role
from overt.control.people.rights import rights_of
from overt.control.people.setting_up import make_person, make_starting_roles
from overt.errors import ConflictError, InvalidError

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Robin Field",
    "email": "Robin.Field@Northshire.example",
    "password1": "seven odd ladders",
    "password2": "seven odd ladders",
}


def test_the_first_account_is_made_with_the_setup_link() -> None:
    assert nobody_yet()
    link = setup_link()
    assert timedelta(minutes=59) < link.expires_at - timezone.now() <= timedelta(hours=1)
    client = browser()
    page = client.get(link.path)
    assert page.status_code == 200
    assert "no-store" in page["cache-control"]
    answer = client.post(link.path, FORM)
    assert (answer.status_code, answer["location"]) == (302, "/")
    person = Person.objects.get()
    assert person.email == "robin.field@northshire.example"
    assert set(Role.objects.values_list("name", flat=True)) == set(STARTING_ROLES)
    rights = rights_of(person)
    assert {action for action in Action if rights.may(action)} == set(Action) - {Action.READ_LEDGER}
    assert client.get("/people")["location"] == "/account/second-step", "signed in, with the second factor to come"


def test_a_setup_link_works_once() -> None:
    link = setup_link()
    browser().post(link.path, FORM)
    for answer in (browser().get(link.path), browser().post(link.path, {**FORM, "email": "x@northshire.example"})):
        assert answer.status_code == 404
        assert "Start the control room again" in answer.content.decode()
    assert Person.objects.count() == 1


def test_each_start_ends_the_link_of_the_one_before() -> None:
    first, second = setup_link(), setup_link()
    assert browser().get(first.path).status_code == 404
    assert browser().get(second.path).status_code == 200


def test_an_expired_setup_link_opens_nothing() -> None:
    link = setup_link()
    OneTimeLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert browser().post(link.path, FORM).status_code == 404
    assert nobody_yet()


def test_a_setup_link_is_dead_once_there_is_somebody() -> None:
    link = setup_link()
    person_with()
    assert browser().post(link.path, FORM).status_code == 404
    with pytest.raises(ConflictError, match="There is an account already"):
        setup_link()


def test_an_expired_invitation_opens_nothing() -> None:
    person = make_person("alex@northshire.example", "Alex Marsh", None)
    link = invitation(person)
    OneTimeLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = browser().post(link.path, {"password1": "seven odd ladders", "password2": "seven odd ladders"})
    assert answer.status_code == 404
    assert "Ask whoever manages people for a new one" in answer.content.decode()
    person.refresh_from_db()
    assert not person.has_usable_password()


@pytest.mark.parametrize("change", [{"is_active": False}, {"expires_at": timezone.now() - timedelta(minutes=1)}])
def test_an_invitation_of_somebody_removed_or_expired_opens_nothing(change: dict[str, Any]) -> None:
    person = make_person("alex@northshire.example", "Alex Marsh", None)
    link = invitation(person)
    Person.objects.filter(pk=person.pk).update(**change)
    assert browser().get(link.path).status_code == 404


def test_an_invitation_is_no_setup_link_and_the_other_way_round() -> None:
    setup = setup_link()
    assert browser().get(setup.path.replace("/setup/", "/invitation/")).status_code == 404
    person = make_person("alex@northshire.example", "Alex Marsh", None)
    assert browser().get(invitation(person).path.replace("/invitation/", "/setup/")).status_code == 404


def test_a_token_is_not_in_the_database_nor_in_what_is_logged_of_a_link() -> None:
    link = setup_link()
    token = link.path.rpartition("/")[2]
    row = OneTimeLink.objects.get()
    assert token not in str(vars(row))
    assert token not in repr(link)


@pytest.mark.parametrize("password", ["short", "password1234", "robin.field@northshire.example", "123456789012"])
def test_a_weak_password_makes_no_account(password: str) -> None:
    answer = browser().post(setup_link().path, {**FORM, "password1": password, "password2": password})
    assert answer.status_code == 422
    assert 'href="#id_password1"' in answer.content.decode()
    assert nobody_yet()


def test_people_are_made_by_a_program() -> None:
    make_starting_roles()
    make_starting_roles()
    person = make_person("pat@northshire.example", "Pat Lane", PASSWORD, ["Operator", "Auditor"])
    assert sorted(row.role.name for row in person.appointments.all()) == ["Auditor", "Operator"]
    with pytest.raises(InvalidError, match="already exists"):
        make_person("PAT@northshire.example", "Pat Lane", PASSWORD)
    with pytest.raises(InvalidError, match="no role “Emperor”"):
        make_person("kim@northshire.example", "Kim Dale", PASSWORD, ["Emperor"])
    assert not Person.objects.filter(name="Kim Dale").exists()

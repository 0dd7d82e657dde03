"""Managing people: the register, appointments, roles and groups, by their pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.utils import timezone

from control_rig import PASSWORD, browser, person_with, signed_in, site_in
from overt.control.configuration import MailSettings
from overt.control.people.actions import Action
from overt.control.people.models import Appointment, OneTimeLink, Person, Role, SiteGroup
from overt.control.people.setting_up import make_person, make_starting_roles
from overt.control.people.signals import rights_changed, session_ended
from overt.control.people.tokens import make_token

pytestmark = pytest.mark.django_db
NEW = {"name": "Alex Marsh", "email": "Alex.Marsh@Northshire.example", "employer": "council", "last_day": ""}


@pytest.fixture
def roles() -> dict[str, Role]:
    return make_starting_roles()


@pytest.fixture
def manager() -> Person:
    return person_with(*Action)


@pytest.fixture
def told() -> Any:
    """Whose rights were said to have changed."""
    people: list[UUID] = []

    def hear(**said: Any) -> None:
        people.extend(said["people"])

    rights_changed.connect(hear)
    yield people
    rights_changed.disconnect(hear)


def text(answer: Any) -> str:
    found: str = answer.content.decode()
    return found


def link_on(answer: Any) -> str:
    """The address, without the host, of the link that a page shows."""
    return "/invitation/" + text(answer).partition("/invitation/")[2].partition("<")[0]


def test_somebody_is_added_and_arrives_by_the_link(manager: Person, roles: dict[str, Role]) -> None:
    group = site_in().group
    client = signed_in(manager)
    answer = client.post("/people/add", {**NEW, "role": roles["Operator"].pk, "group": group.pk})
    assert answer.status_code == 200
    assert "No mail server is set up" in text(answer)
    assert "no-store" in answer["cache-control"]
    person = Person.objects.get(email="alex.marsh@northshire.example")
    assert [(row.role.name, row.group) for row in person.appointments.all()] == [("Operator", group)]
    assert not person.has_arrived
    link = link_on(answer)
    assert link not in text(client.get(f"/people/{person.pk}")), "it is shown once"
    theirs = browser()
    assert "For Alex Marsh" in text(theirs.get(link))
    assert theirs.post(link, {"password1": "seven odd ladders", "password2": "other"}).status_code == 422
    answer = theirs.post(link, {"password1": "seven odd ladders", "password2": "seven odd ladders"})
    assert answer.status_code == 302
    assert theirs.get("/cameras")["location"] == "/account/second-step"
    assert browser().get(link).status_code == 404
    assert OneTimeLink.objects.get().digest not in link


def test_an_invitation_is_sent_where_there_is_mail(manager: Person, roles: dict[str, Role], settings: Any) -> None:
    post = MailSettings(host="mail.northshire.example", sender="cctv@northshire.example")
    settings.CONTROL = settings.CONTROL.model_copy(update={"mail": post})
    answer = signed_in(manager).post("/people/add", {**NEW, "role": roles["Operator"].pk, "group": ""})
    assert "It was sent to alex.marsh@northshire.example" in text(answer)
    (message,) = mail.outbox
    assert message.to == ["alex.marsh@northshire.example"]
    assert f"https://testserver:8443{link_on(answer)}" in message.body


def test_a_mail_server_that_refuses_leaves_the_link_on_the_page(
    manager: Person, roles: dict[str, Role], settings: Any
) -> None:
    post = MailSettings(host="127.0.0.1", port=1, sender="cctv@northshire.example")
    settings.CONTROL = settings.CONTROL.model_copy(update={"mail": post})
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    answer = signed_in(manager).post("/people/add", {**NEW, "role": roles["Operator"].pk, "group": ""})
    assert "The mail server did not take it" in text(answer)
    assert browser().get(link_on(answer)).status_code == 200


@pytest.mark.parametrize("employer", ["contractor", "police"])
def test_contractors_and_police_must_have_a_last_day(manager: Person, roles: dict[str, Role], employer: str) -> None:
    client = signed_in(manager)
    form = {**NEW, "employer": employer, "role": roles["Operator"].pk, "group": ""}
    answer = client.post("/people/add", form)
    assert answer.status_code == 422
    assert 'href="#id_last_day"' in text(answer)
    assert client.post("/people/add", {**form, "last_day": "2031-03-31"}).status_code == 200
    end = timezone.localtime(Person.objects.get(name="Alex Marsh").expires_at)
    assert (end.date().isoformat(), end.hour) == ("2031-04-01", 0)


def test_an_address_that_is_known_is_not_added_again(manager: Person, roles: dict[str, Role]) -> None:
    form = {**NEW, "email": manager.email.upper(), "role": roles["Operator"].pk, "group": ""}
    answer = signed_in(manager).post("/people/add", form)
    assert answer.status_code == 422
    assert "already exists" in text(answer)


def test_the_list_is_searched_and_filtered(manager: Person, roles: dict[str, Role]) -> None:
    group = site_in().group
    make_person("alex@northshire.example", "Alex Marsh", PASSWORD, ["Operator"], group=group)
    make_person("new@northshire.example", "Nia Price", None, ["Auditor"])
    soon = timezone.now() + timedelta(days=3)
    past = timezone.now() - timedelta(days=3)
    police = Person.Employer.POLICE
    make_person("soon@police.example", "Sol Reed", PASSWORD, ["Operator"], employer=police, expires_at=soon)
    make_person("gone@police.example", "Gil Wood", PASSWORD, ["Operator"], employer=police, expires_at=past)
    left = make_person("left@northshire.example", "Lee Hart", PASSWORD)
    Person.objects.filter(pk=left.pk).update(is_active=False)
    client = signed_in(manager)

    def found(query: str) -> set[str]:
        page = text(client.get(f"/people?{query}"))
        names = {"Alex Marsh", "Nia Price", "Sol Reed", "Gil Wood", "Lee Hart", "Robin Field"}
        return {name for name in names if f">{name}</a>" in page}

    assert found("") == {"Alex Marsh", "Nia Price", "Sol Reed", "Gil Wood", "Robin Field"}
    assert found("q=MARSH") == {"Alex Marsh"}
    assert found("q=police.example") == {"Sol Reed", "Gil Wood"}
    assert found(f"role={roles['Auditor'].pk}") == {"Nia Price"}
    assert found("state=invited") == {"Nia Price"}
    assert found("state=ending") == {"Sol Reed"}
    assert found("state=ended") == {"Gil Wood"}
    assert found("state=removed") == {"Lee Hart"}
    assert found("role=x&state=y&page=z") == {"Alex Marsh", "Nia Price", "Sol Reed", "Gil Wood", "Robin Field"}


def test_two_people_save_one_account_and_the_second_is_told(manager: Person) -> None:
    person = person_with(name="Alex Marsh")
    client = signed_in(manager)
    form = {"name": "Alexandra Marsh", "employer": "council", "last_day": "", "version": person.version}
    path = f"/people/{person.pk}/change"
    assert client.post(path, form).status_code == 302
    answer = client.post(path, {**form, "name": "Alec Marsh"})
    assert answer.status_code == 409
    assert "Somebody else changed this" in text(answer)
    assert "It says now: Alexandra Marsh" in text(answer)
    assert 'value="Alec Marsh"' in text(answer), "what was typed stays"
    assert f'name="version" value="{person.version + 1}"' in text(answer)
    assert client.post(path, {**form, "name": "Alec Marsh", "version": person.version + 1}).status_code == 302
    assert Person.objects.get(pk=person.pk).name == "Alec Marsh"


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30, "²"])
def test_a_version_that_is_none_saves_nothing(manager: Person, version: str) -> None:
    person = person_with(name="Alex Marsh")
    form = {"name": "Other Name", "employer": "council", "last_day": "", "version": version}
    assert signed_in(manager).post(f"/people/{person.pk}/change", form).status_code == 409


def test_roles_are_given_and_taken_and_that_is_said(
    manager: Person, roles: dict[str, Role], told: list[UUID], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    person = person_with(name="Alex Marsh")
    group = site_in().group
    client, theirs = signed_in(manager), signed_in(person)
    assert theirs.get("/cameras").status_code == 403
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/people/{person.pk}/appoint", {"role": roles["Operator"].pk, "group": group.pk})
    assert told == [person.pk]
    assert theirs.get("/cameras").status_code == 200
    row = person.appointments.get()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/people/{person.pk}/roles/{row.pk}/end")
    assert told == [person.pk] * 2
    assert theirs.get("/cameras").status_code == 403


def test_a_role_that_somebody_has_already_is_given_once(manager: Person, roles: dict[str, Role]) -> None:
    person = person_with(name="Alex Marsh")
    client = signed_in(manager)
    for _ in range(2):
        client.post(f"/people/{person.pk}/appoint", {"role": roles["Operator"].pk, "group": ""})
    assert person.appointments.count() == 1


def test_removing_somebody_ends_everything_at_once(
    manager: Person, told: list[UUID], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    person = person_with(Action.LIVE, name="Alex Marsh")
    _, token = make_token(person, "export", ["live"], timezone.now() + timedelta(days=1))
    theirs = signed_in(person)
    assert theirs.get("/cameras").status_code == 200
    ended: list[str] = []

    def hear(session_key: str, **_: object) -> None:
        ended.append(session_key)

    session_ended.connect(hear)
    key = theirs.session.session_key
    with django_capture_on_commit_callbacks(execute=True):
        assert signed_in(manager).post(f"/people/{person.pk}/remove").status_code == 302
    session_ended.disconnect(hear)
    assert (told, ended) == ([person.pk], [key])
    assert theirs.get("/cameras").status_code == 302
    assert browser().get("/api/v1/me", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert browser().post("/sign-in", {"login": person.email, "password": PASSWORD}).status_code == 200
    person.refresh_from_db()
    assert not person.appointments.exists()
    assert person.name == "Alex Marsh", "what they did stays under their name"


def test_who_was_removed_can_be_restored_without_roles(manager: Person) -> None:
    person = person_with(Action.LIVE, name="Alex Marsh")
    client = signed_in(manager)
    client.post(f"/people/{person.pk}/remove")
    answer = client.post(f"/people/{person.pk}/restore")
    assert browser().get(link_on(answer)).status_code == 200
    assert not person.appointments.exists()


def test_lost_passkeys_are_forgotten_and_the_password_stays(manager: Person) -> None:
    person = person_with(name="Alex Marsh")
    TOTP.activate(person, generate_totp_secret())
    signed_in(manager).post(f"/people/{person.pk}/forget-second-step")
    client = browser()
    client.post("/sign-in", {"login": person.email, "password": PASSWORD})
    assert client.get("/account")["location"] == "/account/second-step"


def test_a_new_link_ends_the_one_before(manager: Person) -> None:
    person = person_with(name="Alex Marsh")
    client = signed_in(manager)
    first, second = (link_on(client.post(f"/people/{person.pk}/invite")) for _ in range(2))
    assert browser().get(first).status_code == 404
    assert browser().get(second).status_code == 200


def test_a_new_password_does_not_go_round_the_second_factor(manager: Person) -> None:
    person = person_with(name="Alex Marsh")
    TOTP.activate(person, generate_totp_secret())
    link = link_on(signed_in(manager).post(f"/people/{person.pk}/invite"))
    theirs = browser()
    answer = theirs.post(link, {"password1": "seven odd ladders", "password2": "seven odd ladders"})
    assert answer["location"] == "/sign-in/second-step"
    assert theirs.get("/account").status_code == 302


def test_the_last_who_manages_people_everywhere_cannot_be_taken_away(manager: Person) -> None:
    client = signed_in(manager)
    row = manager.appointments.get()
    said = "Nobody would be left who manages people everywhere"
    change = {"name": "R", "employer": "council", "last_day": "2031-01-01", "version": manager.version}
    role = {"name": "R", "actions": ["live"], "version": row.role.version}
    for path, form in {
        f"/people/{manager.pk}/remove": {},
        f"/people/{manager.pk}/roles/{row.pk}/end": {},
        f"/people/{manager.pk}/change": change,
        f"/people/roles/{row.role_id}": role,
    }.items():
        answer = client.post(path, form)
        assert answer.status_code == 409, path
        assert said in text(answer), path
    manager.refresh_from_db()
    assert manager.is_active
    assert manager.expires_at is None
    make_person("new@northshire.example", "Nia Price", None, [row.role.name])
    assert client.post(f"/people/{manager.pk}/remove").status_code == 409, "who is invited has not arrived yet"
    make_person("pat@northshire.example", "Pat Lane", PASSWORD, [row.role.name])
    assert client.post(f"/people/{manager.pk}/remove").status_code == 302


def test_a_role_is_made_changed_and_deleted(
    manager: Person, told: list[UUID], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    client = signed_in(manager)
    assert client.post("/people/roles/add", {"name": "Night desk", "actions": ["replay", "live"]}).status_code == 302
    role = Role.objects.get(name="Night desk")
    assert role.actions == ["live", "replay"]
    person = make_person("alex@northshire.example", "Alex Marsh", PASSWORD, ["Night desk"])
    assert client.post(f"/people/roles/{role.pk}/delete").status_code == 409
    with django_capture_on_commit_callbacks(execute=True):
        form = {"name": "Night desk", "actions": ["live"], "version": 0}
        assert client.post(f"/people/roles/{role.pk}", form).status_code == 302
    assert told == [person.pk]
    assert client.post(f"/people/roles/{role.pk}", {**form, "name": "Day desk"}).status_code == 409
    Appointment.objects.filter(person=person).delete()
    assert client.post(f"/people/roles/{role.pk}/delete").status_code == 302
    assert not Role.objects.filter(pk=role.pk).exists()


def test_a_role_allows_known_actions_alone(manager: Person) -> None:
    answer = signed_in(manager).post("/people/roles/add", {"name": "Bad", "actions": ["live", "superuser"]})
    assert answer.status_code == 422
    assert not Role.objects.filter(name="Bad").exists()


def test_a_group_with_sites_or_roles_is_not_deleted(manager: Person) -> None:
    client = signed_in(manager)
    used, held = site_in().group, SiteGroup.objects.create(name="Libraries")
    person_with(Action.LIVE, group=held, name="Alex Marsh")
    empty = SiteGroup.objects.create(name="Harbour")
    assert client.post(f"/people/groups/{used.pk}/delete").status_code == 409
    assert client.post(f"/people/groups/{held.pk}/delete").status_code == 409
    assert client.post(f"/people/groups/{empty.pk}/delete").status_code == 302
    assert set(SiteGroup.objects.values_list("pk", flat=True)) == {used.pk, held.pk}


def test_two_people_rename_one_group_and_the_second_is_told(manager: Person) -> None:
    client = signed_in(manager)
    group = SiteGroup.objects.create(name="Harbour")
    assert client.post(f"/people/groups/{group.pk}", {"name": "Port", "version": 0}).status_code == 302
    assert client.post(f"/people/groups/{group.pk}", {"name": "Docks", "version": 0}).status_code == 409
    assert SiteGroup.objects.get(pk=group.pk).name == "Port"

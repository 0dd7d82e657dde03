"""The API: who calls, what it answers, how it fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_rig import PASSWORD, browser, camera_at, person_with, signed_in, site_in
from overt.control.people.actions import Action
from overt.control.people.models import ApiToken, Person, Role, SiteGroup
from overt.control.people.setting_up import make_person, make_starting_roles
from overt.control.people.tokens import make_token
from overt.errors import InvalidError

pytestmark = pytest.mark.django_db


class Program:
    """Calls the API with somebody's token."""

    def __init__(self, person: Person, *scopes: Action) -> None:
        end = timezone.now() + timedelta(days=1)
        self.token, self.text = make_token(person, "a program", [each.value for each in scopes], end)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self.text}"}
        more = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(browser(enforce_csrf_checks=True), method)(f"/api/v1{path}", headers=headers, **more)


def error(answer: Any, status: int, kind: str) -> str:
    """Check the shape of an error; return its words."""
    assert answer.status_code == status, answer.content
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["kind"] == kind
    words: str = answer.json()["error"]["message"]
    return words


def test_nobody_is_asked_to_sign_in_or_send_a_token() -> None:
    assert "Authorization: Bearer" in error(browser().get("/api/v1/people"), 401, "forbidden")
    assert error(browser().post("/api/v1/groups", {}, content_type="application/json"), 401, "forbidden")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer overt_wrong", "Bearer \xff", "bearer a b"])
def test_a_token_that_is_none_is_refused(header: str) -> None:
    assert error(browser().get("/api/v1/me", headers={"authorization": header}), 401, "forbidden")


def test_a_wrong_token_is_refused_even_where_the_session_would_do() -> None:
    client = signed_in(person_with(*Action))
    assert client.get("/api/v1/me").status_code == 200
    assert error(client.get("/api/v1/me", headers={"authorization": "Bearer overt_wrong"}), 401, "forbidden")


def test_a_token_may_what_its_scopes_and_its_person_may() -> None:
    group = site_in().group
    program = Program(person_with(Action.LIVE, Action.MANAGE_PEOPLE, group=group), Action.MANAGE_PEOPLE, Action.EXPORT)
    assert program.call("get", "/me").json()["rights"] == {"manage-people": [group.pk]}
    assert program.call("get", "/people").status_code == 200
    assert "manage-people" in error(
        Program(person_with(*Action, name="All"), Action.LIVE).call("get", "/people"), 403, "forbidden"
    )


def test_a_token_loses_what_its_person_loses() -> None:
    person = person_with(Action.MANAGE_PEOPLE)
    program = Program(person, Action.MANAGE_PEOPLE)
    assert program.call("get", "/people").status_code == 200
    person.appointments.all().delete()
    assert program.call("get", "/people").status_code == 403


def test_a_token_of_a_session_in_the_same_request_has_no_more_than_its_scopes() -> None:
    person = person_with(*Action)
    program = Program(person, Action.LIVE)
    client = signed_in(person)
    answer = client.get("/api/v1/people", headers={"authorization": f"Bearer {program.text}"})
    assert answer.status_code == 403


def test_a_token_makes_no_page_open() -> None:
    program = Program(person_with(*Action), *Action)
    answer = browser().get("/people", headers={"authorization": f"Bearer {program.text}"})
    assert answer.status_code == 302


def test_a_token_is_stored_as_a_digest_and_its_use_is_noted() -> None:
    program = Program(person_with(), Action.LIVE)
    assert program.text not in str(vars(program.token))
    assert program.token.last_used_at is None
    program.call("get", "/me")
    (shown,) = program.call("get", "/tokens").json()
    assert shown["last_used_at"] is not None
    assert "digest" not in shown


@pytest.mark.parametrize("days", [-1, 0, 367, 4000])
def test_a_token_ends_within_a_year(days: int) -> None:
    with pytest.raises(InvalidError, match="within a year"):
        make_token(person_with(), "a program", ["live"], timezone.now() + timedelta(days=days))


@pytest.mark.parametrize("scopes", [[], ["superuser"], ["live", "*"]])
def test_a_token_has_scopes_that_are_actions(scopes: list[str]) -> None:
    with pytest.raises(InvalidError, match="at least one action"):
        make_token(person_with(), "a program", scopes, timezone.now() + timedelta(days=1))


def test_a_token_is_made_on_the_account_page_and_shown_once() -> None:
    person = person_with(Action.LIVE)
    client = signed_in(person)
    last = (timezone.localdate() + timedelta(days=30)).isoformat()
    form = {"name": "Nightly export", "scopes": ["live"], "last_day": last}
    answer = client.post("/account/tokens/add", form)
    text = answer.content.decode().partition("overt-secret")[2].partition(">")[2].partition("<")[0]
    assert text.startswith("overt_")
    assert "no-store" in answer["cache-control"]
    assert browser().get("/api/v1/me", headers={"authorization": f"Bearer {text}"}).status_code == 200
    page = client.get("/account").content.decode()
    assert "Nightly export" in page
    assert text not in page
    token = ApiToken.objects.get()
    assert client.post(f"/account/tokens/{token.pk}/end").status_code == 302
    assert browser().get("/api/v1/me", headers={"authorization": f"Bearer {text}"}).status_code == 401


def test_a_token_cannot_make_tokens() -> None:
    program = Program(person_with(*Action), *Action)
    assert program.call("post", "/tokens", {"name": "more", "scopes": ["live"]}).status_code == 405


def test_who_has_no_second_factor_yet_calls_nothing_with_a_session() -> None:
    client = browser()
    client.force_login(person_with(*Action))
    assert "second step" in error(client.get("/api/v1/me"), 403, "forbidden")


def test_people_are_managed_by_a_program() -> None:
    make_starting_roles()
    program = Program(person_with(*Action), Action.MANAGE_PEOPLE)
    group = program.call("post", "/groups", {"name": "Harbour"}).json()
    operator = Role.objects.get(name="Operator").pk
    body = {"email": "alex@northshire.example", "name": "Alex Marsh", "role": operator, "group": group["id"]}
    answer = program.call("post", "/people", body)
    assert answer.status_code == 201
    person = answer.json()["person"]
    assert person["appointments"][0]["group_name"] == "Harbour"
    assert browser().get(answer.json()["link"]["url"].partition(":8443")[2]).status_code == 200
    again = program.call("post", "/people", body)
    assert "already exists" in error(again, 400, "invalid")
    path = f"/people/{person['id']}"
    end = "2031-04-01T00:00:00Z"
    change = {"name": "Alexandra", "employer": "police", "expires_at": end, "version": person["version"]}
    changed = program.call("put", path, change).json()
    assert (changed["name"], changed["employer"]) == ("Alexandra", "police")
    assert error(program.call("put", path, change), 409, "conflict")
    assert "must have a day" in error(
        program.call("put", path, {**change, "expires_at": None, "version": changed["version"]}), 400, "invalid"
    )
    given = program.call("post", f"{path}/appointments", {"role": operator})
    assert given.status_code == 201
    assert program.call("delete", f"{path}/appointments/{given.json()['id']}").status_code == 204
    assert program.call("get", "/people?q=alexandra").json()["total"] == 1
    assert program.call("delete", path).status_code == 204
    assert program.call("get", "/people?state=removed").json()["items"][0]["active"] is False
    assert program.call("post", f"{path}/restore").status_code == 200
    assert error(program.call("delete", f"/groups/{group['id']}/"), 404, "missing")
    assert program.call("delete", f"/groups/{group['id']}").status_code == 204


def test_roles_are_managed_by_a_program() -> None:
    program = Program(person_with(*Action), Action.MANAGE_PEOPLE)
    role = program.call("post", "/roles", {"name": "Night desk", "actions": ["replay", "live"]}).json()
    assert role["actions"] == ["live", "replay"]
    path = f"/roles/{role['id']}"
    body = {"name": "Night desk", "actions": ["live"], "version": role["version"]}
    assert program.call("put", path, body).json()["version"] == role["version"] + 1
    assert error(program.call("put", path, body), 409, "conflict")
    assert program.call("delete", path).status_code == 204
    assert error(program.call("delete", path), 404, "missing")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/groups", "not json"),
        ("/groups", "[]"),
        ("/groups", "{}"),
        ("/groups", '{"name": ""}'),
        ("/groups", '{"name": 7}'),
        ("/groups", '{"name": "\\u0000"}'),
        ("/groups", '{"name": "\\ud800"}'),
        ("/groups", '{"name": "' + "x" * 121 + '"}'),
        ("/groups", '{"name": "A", "id": 1}'),
        ("/groups", '{"name": NaN}'),
        ("/groups", "[" * 100_000),
        ("/roles", '{"name": "A", "actions": ["fly"]}'),
        ("/roles", '{"name": "A", "actions": []}'),
        ("/people", '{"email": "no", "name": "A", "role": 1}'),
        ("/people", '{"email": "a@b.example", "name": "A", "role": 99999999999999999999}'),
        ("/people", '{"email": "a@b.example", "name": "A", "role": 1, "expires_at": "2031-01-01T00:00:00"}'),
        ("/people", '{"email": "a@b.example", "name": "A", "role": 1, "expires_at": "0001-01-01T00:00:00Z"}'),
    ],
)
def test_a_body_that_is_wrong_is_said_without_repeating_it(path: str, body: str) -> None:
    client = signed_in(person_with(*Action))
    answer = client.post(f"/api/v1{path}", body, content_type="application/json")
    words = error(answer, 400, "invalid")
    assert "xxxx" not in words
    assert Person.objects.count() == 1


@pytest.mark.parametrize("path", ["/people/x", "/people/00000000-0000-0000-0000-000000000000", "/roles/99", "/nothing"])
def test_what_is_not_there_is_missing(path: str) -> None:
    answer = Program(person_with(*Action), *Action).call("get", path)
    assert answer.status_code in {400, 404, 405}
    if answer.status_code == 404:
        error(answer, 404, "missing")


@pytest.mark.parametrize("number", ["-1", "9" * 30, "1e3", "%00"])
def test_a_number_that_is_no_row_is_no_fault_of_ours(number: str) -> None:
    program = Program(person_with(*Action), *Action)
    for path in (f"/roles/{number}", f"/groups/{number}", f"/tokens/{number}"):
        assert program.call("delete", path).status_code in {400, 404}, path


@given(q=st.text(max_size=130), state=st.text(max_size=8), offset=st.integers(), limit=st.integers())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_search_is_a_fault_of_ours(q: str, state: str, offset: int, limit: int) -> None:
    person = Person.objects.filter(name="Robin Field").first() or person_with(*Action)
    client = signed_in(person)
    query = {"q": q.encode(errors="replace").decode(), "state": state, "offset": offset, "limit": limit}
    assert client.get("/api/v1/people", query).status_code in {200, 400}
    assert client.get("/people", {"q": query["q"], "state": state, "page": offset}).status_code == 200


def test_a_database_that_is_away_is_said_as_an_error_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(person_with(*Action))

    def away(*_: object) -> None:
        raise OperationalError("could not connect to server at 10.0.0.7")

    monkeypatch.setattr("overt.control.people.managing.people_of", away)
    answer = client.get("/api/v1/people")
    words = error(answer, 503, "unavailable")
    assert "10.0.0.7" not in words
    assert answer["retry-after"]


def test_the_description_is_openapi_3_1_and_names_every_operation_once() -> None:
    answer = browser().get("/api/v1/openapi.json")
    schema = answer.json()
    assert schema["openapi"].startswith("3.1")
    names = [each["operationId"] for path in schema["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))
    assert set(schema["components"]["securitySchemes"]) == {"TokenAccess", "SessionAccess"}
    assert all(each["security"] for path in schema["paths"].values() for each in path.values())
    assert schema["paths"]["/api/v1/people"]["post"]["summary"]


def test_the_camera_of_another_group_is_missing_for_a_program() -> None:
    camera = camera_at(site_in("Town centre"))
    there = SiteGroup.objects.create(name="Harbour")
    person = make_person("far@northshire.example", "Far One", PASSWORD)
    person.appointments.create(role=Role.objects.create(name="All", actions=list(Action)), group=there)
    answer = Program(person, *Action).call("get", f"/cameras/{camera.pk}")
    assert error(answer, 404, "missing")

"""Signing in with a password and a second factor, and how long it lasts."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from control_rig import PASSWORD, browser, code_of, person_with, signed_in
from overt.control.people import closing, sessions
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.sessions import SEEN, SINCE
from overt.control.people.signals import session_ended

pytestmark = pytest.mark.django_db
WRONG = "The e-mail address or the password is wrong"


@pytest.fixture(autouse=True)
def _no_limits_of_before() -> None:
    cache.clear()


@pytest.fixture
def ended() -> Any:
    """The keys of sessions that were said to have ended."""
    keys: list[str] = []

    def hear(session_key: str, **_: object) -> None:
        keys.append(session_key)

    session_ended.connect(hear)
    yield keys
    session_ended.disconnect(hear)


def with_app(person: Person) -> str:
    """Give somebody codes of an app; returns what they are made of."""
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    return secret


def enter(client: Client, person: Person, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/sign-in", {"login": person.email, "password": password, **more})


def who(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def test_a_password_and_then_a_code_of_the_app() -> None:
    person, client = person_with(Action.LIVE), browser()
    secret = with_app(person)
    answer = enter(client, person)
    assert (answer.status_code, answer["location"]) == (302, "/sign-in/second-step")
    assert who(client) is None
    page = client.get("/sign-in/second-step").content.decode()
    assert 'autocomplete="one-time-code"' in page
    assert client.post("/sign-in/second-step", {"code": "000000"}).status_code == 200
    assert who(client) is None
    answer = client.post("/sign-in/second-step", {"code": code_of(secret)})
    assert (answer.status_code, answer["location"]) == (302, "/")
    assert who(client) == str(person.pk)
    assert client.get("/cameras").status_code == 200


def test_a_code_works_once() -> None:
    person = person_with()
    secret = with_app(person)
    code = code_of(secret)
    first, second = browser(), browser()
    for client in (first, second):
        enter(client, person)
        client.post("/sign-in/second-step", {"code": code})
    assert who(first) == str(person.pk)
    assert who(second) is None


def test_a_recovery_code_instead_of_the_app() -> None:
    person, client = person_with(), browser()
    with_app(person)
    code = RecoveryCodes.activate(person).get_unused_codes()[0]
    enter(client, person)
    client.post("/sign-in/second-step", {"code": code})
    assert who(client) == str(person.pk)
    again = browser()
    enter(again, person)
    again.post("/sign-in/second-step", {"code": code})
    assert who(again) is None


def test_the_secret_of_an_app_is_encrypted_in_the_database() -> None:
    person = person_with()
    secret = with_app(person)
    assert secret not in str(Authenticator.objects.get(user=person).data)


def test_without_a_second_factor_one_is_led_to_set_it_up_before_any_page() -> None:
    person, client = person_with(Action.LIVE), browser()
    enter(client, person)
    assert client.get("/cameras")["location"] == "/account/second-step"
    assert client.get("/account")["location"] == "/account/second-step"
    assert client.get("/api/v1/me").status_code == 403
    assert client.get("/account/second-step").status_code == 200
    page = client.get("/account/app/add")
    assert page.status_code == 200
    secret = page.context["form"].secret if page.context else None
    secret = secret or client.session["mfa.totp.secret"]
    assert secret in page.content.decode()
    assert "data:image/svg+xml" in page.content.decode()
    answer = client.post("/account/app/add", {"code": code_of(secret)})
    assert answer["location"] == "/account/recovery-codes"
    codes = client.get("/account/recovery-codes").content.decode()
    assert codes.count("<code") == 10
    assert client.get("/account/recovery-codes").content.decode().count("<code") == 0, "they are shown once"
    assert client.get("/cameras").status_code == 200


def test_who_loses_the_second_factor_sets_up_another() -> None:
    person, client = person_with(Action.LIVE), browser()
    secret = with_app(person)
    enter(client, person)
    client.post("/sign-in/second-step", {"code": code_of(secret)})
    assert client.get("/account").status_code == 200
    assert client.post("/account/app/remove").status_code == 302
    assert client.get("/account")["location"] == "/account/second-step"


def test_where_it_is_optional_a_password_is_enough(settings: Any) -> None:
    settings.CONTROL = settings.CONTROL.model_copy(update={"second_factor": "optional"})
    person, client = person_with(Action.LIVE), browser()
    enter(client, person)
    assert client.get("/cameras").status_code == 200


def test_a_change_of_how_one_signs_in_needs_the_password_again_after_a_while() -> None:
    person = person_with()
    client = signed_in(person)
    assert client.get("/account/passkeys/add").status_code == 200
    session = client.session
    session[SINCE] = time.time() - 600
    session.save()
    answer = client.get("/account/passkeys/add")
    assert answer["location"].startswith("/account/confirm/password?next=")
    assert client.post(answer["location"], {"password": "wrong one"}).status_code == 200
    answer = client.post(answer["location"], {"password": PASSWORD})
    assert answer["location"] == "/account/passkeys/add"
    assert client.get("/account/passkeys/add").status_code == 200


def test_changing_the_password_ends_the_other_sessions(ended: list[str]) -> None:
    person = person_with()
    here, there = signed_in(person), signed_in(person)
    for client in (here, there):
        assert client.get("/account").status_code == 200
    old = there.session.session_key
    new = "battery horse staple wrong"
    answer = here.post("/account/password", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert answer.status_code == 302
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 302
    assert old in ended
    assert here.session.session_key not in ended


def test_a_password_that_is_short_or_common_is_refused() -> None:
    client = signed_in(person_with())
    for new in ("short", "password1234"):
        answer = client.post("/account/password", {"oldpassword": PASSWORD, "password1": new, "password2": new})
        assert "There is a problem" in answer.content.decode()


@pytest.mark.parametrize("change", [{"is_active": False}, {"expires_at": timezone.now() - timedelta(minutes=1)}])
def test_who_was_removed_or_has_expired_is_told_only_after_the_right_password(change: dict[str, Any]) -> None:
    person = person_with()
    Person.objects.filter(pk=person.pk).update(**change)
    client = browser()
    assert WRONG in enter(client, person, "not the password").content.decode()
    assert enter(client, person)["location"] == "/sign-in/ended"
    assert who(client) is None
    assert "does not work any more" in client.get("/sign-in/ended").content.decode()


@pytest.mark.parametrize("change", [{"is_active": False}, {"expires_at": timezone.now() - timedelta(minutes=1)}])
def test_an_open_session_ends_with_its_account(change: dict[str, Any], ended: list[str]) -> None:
    person = person_with(Action.LIVE)
    client = signed_in(person)
    assert client.get("/cameras").status_code == 200
    key = client.session.session_key
    Person.objects.filter(pk=person.pk).update(**change)
    answer = client.get("/cameras", follow=True)
    assert answer.redirect_chain[0][0].startswith("/sign-in?next=")
    assert "this account does not work any more" in answer.content.decode()
    assert ended == [key]


def moved(client: Client, **seconds: float) -> str:
    """Let time pass for a session."""
    session = client.session
    for name, by in seconds.items():
        session[{"since": SINCE, "seen": SEEN}[name]] -= by
    session.save()
    return str(session.session_key)


def test_a_session_ends_when_nothing_is_done(ended: list[str]) -> None:
    client = signed_in(person_with(Action.LIVE))
    moved(client, seen=29 * 60)
    assert client.get("/cameras").status_code == 200
    key = moved(client, seen=30 * 60)
    answer = client.get("/cameras", follow=True)
    assert "nothing was done for 30 minutes" in answer.content.decode()
    assert ended == [key]


def test_a_session_ends_after_its_hours_however_busy(ended: list[str]) -> None:
    client = signed_in(person_with(Action.LIVE))
    key = moved(client, since=12 * 3600)
    assert "a session ends after 12 hours" in client.get("/cameras", follow=True).content.decode()
    assert ended == [key]


def test_sessions_of_closed_browsers_are_ended_by_the_clock(ended: list[str]) -> None:
    idle, old, here = (signed_in(person_with(name=name)) for name in ("Idle Ida", "Old Otto", "Here Hana"))
    for client in (idle, old, here):
        client.get("/account")
    now = timezone.now()
    UserSession.objects.filter(session_key=idle.session.session_key).update(last_seen_at=now - timedelta(minutes=32))
    UserSession.objects.filter(session_key=old.session.session_key).update(created_at=now - timedelta(hours=13))
    gone = {idle.session.session_key, old.session.session_key}
    assert sessions.end_overdue() == 2
    assert set(ended) == gone
    assert here.get("/account").status_code == 200
    assert idle.get("/account").status_code == 302


def test_the_clock_ends_the_session_of_a_browser_that_asks_for_nothing(ended: list[str]) -> None:
    client = signed_in(person_with())
    client.get("/account")
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    closing.look()
    assert ended == [client.session.session_key]


def test_signing_out_ends_the_session_and_says_so(ended: list[str]) -> None:
    client = signed_in(person_with())
    client.get("/account")
    key = client.session.session_key
    assert client.post("/sign-out")["location"] == "/sign-in"
    assert ended == [key]
    assert not UserSession.objects.exists()
    assert client.get("/account").status_code == 302


def test_one_ends_another_session_of_ones_own(ended: list[str]) -> None:
    person = person_with()
    here, there = signed_in(person), signed_in(person)
    for client in (here, there):
        client.get("/account")
    page = here.get("/account").content.decode()
    row = UserSession.objects.get(session_key=there.session.session_key)
    assert f'action="/account/sessions/{row.pk}/end"' in page
    assert page.count("End this session") == 1
    here.post(f"/account/sessions/{row.pk}/end")
    assert ended == [row.session_key]
    assert there.get("/account").status_code == 302


def test_a_session_of_somebody_else_cannot_be_ended() -> None:
    other = signed_in(person_with(name="Other One"))
    other.get("/account")
    row = UserSession.objects.get()
    answer = signed_in(person_with()).post(f"/account/sessions/{row.pk}/end")
    assert answer.status_code == 404
    assert other.get("/account").status_code == 200

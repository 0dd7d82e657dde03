"""Single sign-on with an OpenID Connect provider that runs in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from control_rig import PASSWORD, browser, person_with
from directory_rig import Directory, directory
from overt.control.configuration import ControlSettings, SingleSignOn
from overt.control.people.actions import Action
from overt.control.people.directory import origins, single_sign_on
from overt.control.people.models import Person

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", name="provider")
def _provider() -> Iterator[Directory]:
    with directory() as found:
        yield found


@pytest.fixture(autouse=True)
def control(provider: Directory, settings: Any, tmp_path: Path) -> ControlSettings:
    secret = tmp_path / "secret"
    secret.write_text("a secret of the directory\n")
    told = SingleSignOn(
        name="Northshire’s directory", issuer=provider.issuer, client_id="cctv", client_secret_file=secret
    )
    made: ControlSettings = settings.CONTROL.model_copy(update={"single_sign_on": told})
    settings.CONTROL = made
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": single_sign_on(made)}}
    return made


def who(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def test_the_sign_in_page_has_a_button_for_it_which_may_lead_there(control: ControlSettings) -> None:
    page = browser().get("/sign-in").content.decode()
    assert "Sign in with Northshire’s directory" in page
    assert origins(control) == [control.single_sign_on.issuer if control.single_sign_on else ""]


def test_somebody_with_the_same_checked_address_is_connected(provider: Directory) -> None:
    person = person_with(Action.LIVE)
    provider.knows("17", email=person.email.upper(), email_verified=True, name="Robin F")
    client = browser()
    answer = provider.lets_in(client, "17")
    assert (answer.status_code, answer["location"]) == (302, "/")
    assert who(client) == str(person.pk)
    assert client.get("/cameras").status_code == 200, "no second factor of ours: the directory's is enough"
    assert SocialAccount.objects.get().user == person
    person.refresh_from_db()
    assert person.name == "Robin Field", "what the directory calls people changes nothing here"
    assert person.check_password(PASSWORD)


def test_the_connection_holds_when_the_address_there_changes(provider: Directory) -> None:
    person = person_with()
    provider.knows("18", email=person.email, email_verified=True)
    provider.lets_in(browser(), "18")
    provider.knows("18", email="married@northshire.example", email_verified=True)
    client = browser()
    provider.lets_in(client, "18")
    assert who(client) == str(person.pk)


def test_who_was_invited_arrives_by_it(provider: Directory) -> None:
    person = Person.objects.create_user("nia@northshire.example", "Nia Price")
    assert not person.has_arrived
    provider.knows("19", email=person.email, email_verified=True)
    provider.lets_in(browser(), "19")
    person.refresh_from_db()
    assert person.has_arrived


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "stranger@northshire.example", "email_verified": True},
        {"email": "robin.field@northshire.example", "email_verified": False},
        {"email": "robin.field@northshire.example"},
        {},
    ],
)
def test_who_is_unknown_or_whose_address_is_not_checked_is_refused_with_words(
    provider: Directory, claims: dict[str, Any]
) -> None:
    person_with()
    provider.knows("stranger", **claims)
    client = browser()
    answer = provider.lets_in(client, "stranger")
    assert "There is no account for you" in answer.content.decode()
    assert who(client) is None
    assert Person.objects.count() == 1
    assert not SocialAccount.objects.exists()


def test_a_directory_that_does_not_say_so_is_trusted_for_the_domains_that_are_configured(
    provider: Directory, settings: Any, control: ControlSettings
) -> None:
    assert control.single_sign_on is not None
    told = control.single_sign_on.model_copy(update={"verified_domains": ("northshire.example",)})
    apps = single_sign_on(control.model_copy(update={"single_sign_on": told}))
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": apps}}
    person = person_with()
    elsewhere = Person.objects.create_user("alex@elsewhere.example", "Alex Marsh", PASSWORD)
    provider.knows("20", email=person.email)
    provider.knows("21", email=elsewhere.email)
    clients = [browser(), browser()]
    for client, sub in zip(clients, ("20", "21"), strict=True):
        provider.lets_in(client, sub)
    assert [who(client) for client in clients] == [str(person.pk), None]


@pytest.mark.parametrize("change", ["removed", "expired"])
def test_who_was_removed_or_has_expired_does_not_come_in_by_the_directory(provider: Directory, change: str) -> None:
    person = person_with()
    provider.knows("22", email=person.email, email_verified=True)
    provider.lets_in(browser(), "22")
    changes = {"removed": {"is_active": False}, "expired": {"expires_at": "2020-01-01T00:00Z"}}
    Person.objects.filter(pk=person.pk).update(**changes[change])
    client = browser()
    assert provider.lets_in(client, "22")["location"] == "/sign-in/ended"
    assert who(client) is None


def test_open_redirect_the_way_back_leads_only_here(provider: Directory) -> None:
    person = person_with()
    provider.knows("23", email=person.email, email_verified=True)
    assert provider.lets_in(browser(), "23", next="https://evil.example/")["location"] == "/"
    assert provider.lets_in(browser(), "23", next="/cameras")["location"] == "/cameras"


def test_a_way_back_that_nobody_asked_for_is_refused(provider: Directory) -> None:
    person = person_with()
    provider.knows("24", email=person.email, email_verified=True)
    client = browser()
    answer = client.get("/sign-in/directory/back?code=stolen&state=forged")
    assert "The sign-in did not work" in answer.content.decode()
    assert who(client) is None


def test_who_refuses_at_the_directory_is_led_back(provider: Directory) -> None:
    client = browser()
    answer = provider.lets_in(client, None)
    page = client.get(answer["location"]).content.decode() if answer.status_code == 302 else answer.content.decode()
    assert "The sign-in did not work" in page


def test_going_to_the_directory_needs_a_form_of_ours() -> None:
    assert browser(enforce_csrf_checks=True).post("/sign-in/directory/go").status_code == 403
    page = browser().get("/sign-in/directory/go").content.decode()
    assert "Go on to sign in with Northshire’s directory" in page


def test_a_directory_that_does_not_answer_is_said(settings: Any, control: ControlSettings) -> None:
    assert control.single_sign_on is not None
    told = control.single_sign_on.model_copy(update={"issuer": "http://127.0.0.1:9"})
    apps = single_sign_on(control.model_copy(update={"single_sign_on": told}))
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": apps}}
    answer = browser().post("/sign-in/directory/go")
    assert answer.status_code == 503
    assert "does not answer" in answer.content.decode()


def test_its_secret_stands_on_no_page(control: ControlSettings) -> None:
    assert "a secret of the directory" not in browser().get("/sign-in").content.decode()
    assert "a secret of the directory" not in repr(control)

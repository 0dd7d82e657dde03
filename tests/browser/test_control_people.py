"""Signing in and managing people in Debian's Chromium: every page by its links and buttons, axe on each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, Route, expect

from control_rig import PASSWORD, code_of, person_with, site_in
from directory_rig import directory
from overt.control.configuration import SingleSignOn
from overt.control.people.actions import Action
from overt.control.people.directory import origins, single_sign_on
from overt.control.people.links import setup_link
from overt.control.people.models import Person, SiteGroup
from overt.control.people.setting_up import make_person, make_starting_roles
from page_rig import Screen, chromium, with_authenticator

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def screen(browser: Browser, live_server: Any) -> Iterator[Screen]:
    cache.clear()
    address = live_server.url.replace("127.0.0.1", "localhost")  # passkeys belong to a name
    context = browser.new_context(base_url=address, locale="en-GB", viewport={"width": 1366, "height": 768})
    made = Screen(context)
    yield made
    made.calm()
    context.close()


def test_from_the_setup_link_to_a_colleague_with_a_role(screen: Screen) -> None:
    with_authenticator(screen.page)
    page = screen.page
    link = setup_link()
    page.goto(link.path)
    screen.heading("Make the first account")
    screen.good("setup")
    screen.press("Make the account")
    expect(page.get_by_role("alert")).to_contain_text("There is a problem")
    screen.expected = ("422",)
    screen.good("setup-errors")
    screen.fill("Full name", "Robin Field")
    screen.fill("E-mail address", "robin.field@northshire.example")
    screen.fill("Password", PASSWORD)
    screen.fill("Password, once more", PASSWORD)
    screen.press("Make the account")
    screen.heading("Set up a second step")
    screen.good("second-step")
    page.get_by_role("button", name="Add a passkey").click()
    screen.good("passkey-add")
    screen.fill("What to call it", "Work laptop")
    screen.press("Add a passkey")
    screen.heading("Recovery codes")
    screen.good("recovery-codes")
    screen.press("I have kept them")
    page.goto("/account")
    screen.heading("Your account")
    expect(page.get_by_role("link", name="Remove the passkey Work laptop")).to_be_visible()
    screen.good("account")


def test_a_colleague_is_added_invited_and_arrives(screen: Screen) -> None:
    with_authenticator(screen.page)
    page = screen.page
    screen.expected = ("422",)
    make_starting_roles()
    make_person("robin.field@northshire.example", "Robin Field", PASSWORD, ["Administrator", "CCTV manager"])
    page.goto("/sign-in")
    screen.fill("E-mail address", "robin.field@northshire.example")
    screen.fill("Password", PASSWORD)
    screen.press("Sign in")
    page.get_by_role("button", name="Add a passkey").click()
    screen.press("Add a passkey")
    screen.heading("Recovery codes")
    page.goto("/people")
    screen.good("people-alone")
    page.goto("/people/groups/add")
    screen.good("group-add")
    screen.fill("Name", "Town centre")
    screen.press("Save")
    screen.good("groups")
    page.goto("/people/add")
    screen.good("person-add")
    screen.fill("Full name", "Alex Marsh")
    screen.fill("E-mail address", "alex.marsh@northshire.example")
    page.get_by_label("A contractor").check()
    page.get_by_label("Role").select_option(label="Technician")
    page.get_by_label("At the sites of").select_option(label="Town centre")
    screen.press("Add and invite")
    expect(page.get_by_role("alert")).to_contain_text("must have a last day")
    screen.good("person-add-errors")
    screen.fill("Last day of the account", "2031-03-31")
    screen.press("Add and invite")
    screen.heading("A link for Alex Marsh")
    screen.good("invitation-link")
    address = page.locator(".overt-secret").inner_text()
    page.get_by_role("link", name="Go to the account of Alex Marsh").click()
    screen.good("person")
    screen.press("Sign out")
    screen.heading("Sign in")
    page.goto("/invitation/" + address.rpartition("/")[2])
    screen.heading("Choose your password")
    screen.good("invitation")
    screen.fill("Password", "seven odd ladders")
    screen.fill("Password, once more", "seven odd ladders")
    screen.press("Save and go on")
    screen.heading("Set up a second step")
    assert Person.objects.get(name="Alex Marsh").has_arrived
    screen.press("Sign out")
    screen.good("sign-in")
    page.goto("/sign-in?next=/account")
    screen.press("Sign in with a passkey")
    screen.heading("Your account")
    expect(page.get_by_text("Signed in as Robin Field")).to_be_visible()


def test_a_wrong_password_and_the_other_pages(screen: Screen) -> None:
    make_starting_roles()
    manager = make_person("robin.field@northshire.example", "Robin Field", PASSWORD, ["Administrator", "CCTV manager"])
    site_in()
    group = SiteGroup.objects.get()
    make_person("alex.marsh@northshire.example", "Alex Marsh", PASSWORD, ["Operator"], group=group)
    person_with(Action.LIVE, name="Sam Hill")
    page = screen.page
    page.goto("/people")
    screen.fill("E-mail address", manager.email)
    screen.fill("Password", "not the password")
    screen.press("Sign in")
    expect(page.get_by_role("alert").first).to_contain_text("the password is wrong")
    screen.good("sign-in-errors")
    screen.fill("Password", PASSWORD)
    screen.press("Sign in")
    screen.heading("Set up a second step")
    page.get_by_role("button", name="Set up an app").click()
    screen.heading("Set up an authenticator app")
    screen.good("app-add")
    screen.fill("Code", code_of(page.locator("code").inner_text()))
    screen.press("Continue")
    screen.heading("Recovery codes")
    for name, path in {
        "people": "/people",
        "roles": "/people/roles",
        "role-add": "/people/roles/add",
        "role-change": f"/people/roles/{manager.appointments.first().role_id}",
        "group-change": f"/people/groups/{group.pk}",
        "person-change": f"/people/{Person.objects.get(name='Alex Marsh').pk}/change",
        "person-remove": f"/people/{Person.objects.get(name='Alex Marsh').pk}/remove",
        "token-add": "/account/tokens/add",
        "password-change": "/account/password",
        "codes-new": "/account/recovery-codes/new",
        "codes-seen": "/account/recovery-codes",
        "app-remove": "/account/app/remove",
        "sign-out": "/sign-out",
    }.items():
        page.goto(path)
        screen.good(name)
    page.goto("/account/tokens/add")
    screen.fill("What it is for", "Nightly export")
    page.get_by_label("Watch live").check()
    screen.fill("Last day", page.evaluate("new Date(Date.now() + 9 * 86400e3).toISOString().slice(0, 10)"))
    screen.press("Make a token")
    screen.heading("Your new token")
    screen.good("token")
    page.goto("/account")
    screen.good("account-full")
    screen.press("Sign out")
    screen.fill("E-mail address", manager.email)
    screen.fill("Password", PASSWORD)
    screen.press("Sign in")
    screen.heading("Second step")
    screen.good("second-step-code")


def test_signing_in_by_keyboard_alone(screen: Screen) -> None:
    person = person_with(Action.MANAGE_PEOPLE)
    page = screen.page
    page.goto("/sign-in")
    page.get_by_label("E-mail address").focus()
    page.keyboard.type(person.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    screen.heading("Set up a second step")


def refuse(route: Route) -> None:
    """Let a request fail."""
    route.abort()


def test_the_directory_is_reached_and_left_under_the_content_security_policy(screen: Screen, settings: Any) -> None:
    with directory() as provider, tempfile.NamedTemporaryFile("w") as secret:
        Path(secret.name).write_text("a secret")
        told = SingleSignOn(
            name="Northshire account", issuer=provider.issuer, client_id="cctv", client_secret_file=Path(secret.name)
        )
        control = settings.CONTROL.model_copy(update={"single_sign_on": told})
        settings.CONTROL = control
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": single_sign_on(control)}}
        policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
        forms = {"form-action": [*policy["form-action"], *origins(control)]}
        settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {**policy, **forms}}
        person = person_with(Action.LIVE)
        provider.knows("17", email=person.email, email_verified=True)
        page = screen.page
        # The provider's own page asks the internet for its looks.
        page.context.route(lambda url: not url.startswith(("http://localhost", provider.issuer)), refuse)
        screen.expected = ("ERR_FAILED",)
        page.goto("/sign-in?next=/account")
        screen.good("sign-in-directory")
        screen.press("Sign in with Northshire account")
        page.locator("input[name=sub]").fill("17")
        screen.press("Authorize")
        screen.heading("Your account")

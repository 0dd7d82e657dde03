"""What a manager does on the light pages, by keyboard alone: no pointer, and no focus that a script has set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, expect
from pytest_django import Settings

from control_rig import PASSWORD, code_of, person_with, signed_in, site_in
from keyboard import Keyboard
from overt.control.estate.models import Camera, Installation
from overt.control.health.models import AlertRule
from overt.control.people.actions import Action
from overt.control.people.models import Appointment
from overt.control.people.setting_up import make_person, make_starting_roles
from page_rig import Screen, chromium
from probe_rig import keyframe, onvif, probe_server, small, stream

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
HOST = "192.0.2.7"


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def screen(browser: Browser, live_server: Any) -> Iterator[Screen]:
    cache.clear()
    context = browser.new_context(base_url=live_server.url, locale="en-GB", viewport={"width": 1366, "height": 768})
    made = Screen(context)
    yield made
    made.calm()
    context.close()


@pytest.fixture
def keys(screen: Screen) -> Iterator[Keyboard]:
    made = Keyboard(screen.page)
    yield made
    made.check()


def test_signing_in_a_second_step_a_colleague_a_role_a_token(screen: Screen, keys: Keyboard) -> None:
    make_starting_roles()
    make_person("robin.field@northshire.example", "Robin Field", PASSWORD, ["Administrator", "CCTV manager"])
    site_in()
    page = screen.page
    page.goto("/people")
    screen.heading("Sign in")
    keys.fill("E-mail address", "robin.field@northshire.example")
    keys.fill("Password", PASSWORD)
    keys.press("Enter")
    screen.heading("Set up a second step")
    keys.press_on("Set up an app")
    screen.heading("Set up an authenticator app")
    keys.fill("Code", code_of(page.locator("code").inner_text()))
    keys.press("Enter")
    screen.heading("Recovery codes")
    keys.press_on("I have kept them")
    screen.heading("footage key")

    # Past the header in two presses, and on.
    keys.to("Skip to main content")
    keys.press("Enter", "Tab")
    found = keys.at
    assert found is not None
    assert found.name.startswith("Name of the site"), found
    keys.press_on("People")
    invite_a_colleague(screen, keys)
    give_another_role(screen, keys)
    make_a_token(screen, keys)
    keys.press_on("Sign out")
    screen.heading("Sign in")


def invite_a_colleague(screen: Screen, keys: Keyboard) -> None:
    screen.heading("People")
    keys.press_on("Add somebody")
    screen.heading("Add somebody")
    keys.fill("Full name", "Alex Marsh")
    keys.fill("E-mail address", "alex.marsh@northshire.example")
    keys.radio("A contractor")
    keys.date("Last day of the account", dt.date(2031, 3, 3))
    keys.choose("Role", "Tech")
    keys.choose("At the sites of", "Town")
    keys.press_on("Add and invite")
    screen.heading("A link for Alex Marsh")
    keys.press_on("Go to the account of Alex Marsh")
    screen.heading("Alex Marsh")


def give_another_role(screen: Screen, keys: Keyboard) -> None:
    keys.choose("Role", "Oper")
    keys.choose("At the sites of", "Town")
    keys.press_on("Give this role")
    expect(screen.page.get_by_role("button", name="Take away")).to_have_count(2)
    assert {(each.role.name, str(each.group)) for each in Appointment.objects.filter(person__name="Alex Marsh")} == {
        ("Technician", "Town centre"),
        ("Operator", "Town centre"),
    }


def make_a_token(screen: Screen, keys: Keyboard) -> None:
    keys.press_on("Your account")
    screen.heading("Your account")
    keys.press_on("Make a token")
    screen.heading("Make a token")
    keys.fill("What it is for", "Nightly export")
    keys.press_on("Watch live", "Space")
    soon = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)
    keys.date("Last day", next(day for number in range(99) if (day := soon + dt.timedelta(number)).day == day.month))
    keys.press_on("Make a token")
    screen.heading("Your new token")


def test_a_site_a_camera_a_device_a_file_and_an_alert(
    screen: Screen, keys: Keyboard, live_server: Any, tmp_path: Path, settings: Settings
) -> None:
    settings.CONTROL = settings.CONTROL.model_copy(update={"footage": tmp_path / "footage"})
    manager = person_with(*Action)
    cookie = signed_in(manager).cookies["overt_session"]
    screen.page.context.add_cookies([{"name": "overt_session", "value": cookie.value, "url": live_server.url}])
    screen.page.goto("/cameras")
    add_a_site(screen, keys)
    add_a_camera(screen, keys, manager.name)
    with probe_server(tmp_path / "footage" / "recorder.sock") as server:
        streams = [stream(f"rtsp://{HOST}/1", picture=keyframe()), small(f"rtsp://{HOST}/2")]
        server.answer = {"onvif": onvif(), "streams": streams, "errors": []}
        put_up_a_device(screen, keys)
    change_it_and_go_live(screen, keys)
    bring_a_file(screen, keys, tmp_path / "cameras.csv")
    make_a_rule(screen, keys)


def add_a_site(screen: Screen, keys: Keyboard) -> None:
    keys.press_on("Sites")
    screen.heading("Sites")
    keys.press_on("Add a site")
    screen.heading("Add a site")
    keys.fill("Name", "Market Hall")
    keys.fill("Or a new group", "Town centre")
    keys.press_on("Save")
    screen.heading("Sites")


def add_a_camera(screen: Screen, keys: Keyboard, owner: str) -> None:
    keys.press_on("Sites and cameras")
    screen.heading("Cameras")
    keys.press_on("Add a camera")
    screen.heading("Add a camera")
    # Sent too early: the summary has the focus, and leads to what is wrong.
    screen.expected = ("400",)
    keys.press_on("Save")
    expect(screen.page.locator(".govuk-error-summary")).to_be_focused()
    keys.press("Tab", "Enter")
    found = keys.at
    assert found is not None
    assert found.name == "Name", found
    keys.type("High Street, north")
    keys.choose("Site", "Market")
    keys.fill("Purpose", "To keep people safe at night")
    keys.fill("Legal basis", "Public task")
    keys.choose("Owner", owner)
    keys.fill("Next review of the need for it", "31/3/2031")
    keys.fill("Why so long", "Most incidents are reported within a month")
    keys.press_on("Save")
    screen.heading("High Street, north")


def put_up_a_device(screen: Screen, keys: Keyboard) -> None:
    keys.press_on("Add the device")
    screen.heading("device")
    keys.fill("Address", HOST)
    keys.fill("User name", "admin")
    keys.fill("Password", "kestrel over the moor")
    keys.press_on("Look at the device")
    screen.heading(f"What was found at {HOST}")
    keys.press_on("Save the device and these streams")
    screen.heading("High Street, north")
    assert Installation.objects.get().streams.count() == 2


def change_it_and_go_live(screen: Screen, keys: Keyboard) -> None:
    keys.press_on("Change what is written here")
    screen.heading("Change")
    keys.fill("Purpose", "To protect staff")
    keys.press_on("Save")
    screen.heading("High Street, north")
    expect(screen.page.get_by_text("To protect staff").first).to_be_visible()
    keys.press_on("Go live")
    expect(screen.page.get_by_text("goes live")).to_be_visible()


def bring_a_file(screen: Screen, keys: Keyboard, file: Path) -> None:
    file.write_text("key,name,site\n,New door,Market Hall\n", encoding="utf-8")
    keys.press_on("Sites and cameras")
    screen.heading("Cameras")
    keys.press_on("Add many from a file")
    screen.heading("Add cameras from a file")
    keys.bring("File of cameras", file)
    keys.press_on("Check the file")
    screen.heading("What the file does")
    keys.press_on("Do it")
    expect(screen.page.get_by_text("Added: 1. Changed: 0.")).to_be_visible()
    assert Camera.objects.filter(name="New door").exists()


def make_a_rule(screen: Screen, keys: Keyboard) -> None:
    keys.press_on("Health")
    screen.heading("Health")
    keys.press_on("Alerts", whole=False)
    screen.heading("Alerts: who is told")
    keys.press_on("Add a rule")
    screen.heading("Add an alert rule")
    keys.fill("Name", "Duty technician")
    keys.radio("E-mail")
    keys.fill("Address", "duty@northshire.example")
    keys.press_on("Camera lost", "Space", whole=False)
    keys.press_on("Save")
    screen.heading("Alerts: who is told")
    assert AlertRule.objects.get().channel == "email"

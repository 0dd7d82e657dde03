"""Health in Debian's Chromium: every page by its links and buttons, axe on each; updates leave focus where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Browser, expect

from control_rig import person_with, signed_in
from health_rig import council, wrong
from overt.control.health.models import Condition
from overt.control.people.actions import Action
from page_rig import Screen, chromium

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def screen(browser: Browser, live_server: Any) -> Iterator[Screen]:
    cache.clear()
    context = browser.new_context(
        base_url=live_server.url, locale="en-GB", viewport={"width": 1366, "height": 768}, timezone_id="Europe/London"
    )
    cookie = signed_in(person_with(*Action)).cookies["overt_session"]
    context.add_cookies([{"name": "overt_session", "value": cookie.value, "url": live_server.url}])
    made = Screen(context)
    yield made
    made.calm()
    context.close()


def test_what_is_wrong_is_seen_and_followed_to_its_camera(screen: Screen) -> None:
    cameras, page = council(), screen.page
    page.goto("/health")
    screen.heading("Health")
    expect(page.locator("[data-headline]")).to_contain_text("All is well: 5 cameras are to be recorded")
    screen.good("health-well")
    lost = "It cannot be reached, and is not recorded. The recorder says: 192.0.2.7 refused the connection."
    wrong(cameras[0], "camera-lost", "urgent", "is lost", lost)
    wrong(cameras[3], "camera-clock", "warning", "has a clock that is slow", "Its clock is more than 2 seconds slow.")
    wrong(cameras[4], "review-overdue", "notice", "is due for review", "It was to be reviewed by 1 November 2026.")
    page.reload()
    expect(page.get_by_role("heading", name="Market Hall")).to_be_visible()
    screen.good("health-wrong")
    page.get_by_role("link", name="Market entrance is lost").click()
    screen.heading("Health of Market entrance")
    screen.good("health-camera")


def test_the_page_updates_itself_leaves_focus_and_can_be_paused(screen: Screen) -> None:
    cameras, page = council(), screen.page
    first = wrong(cameras[0], "camera-lost", "urgent", "is lost", "It cannot be reached.")
    page.clock.install()
    page.goto("/health")
    expect(page.get_by_text("This page keeps itself up to date.")).to_be_visible()
    link = page.get_by_role("link", name="Market entrance is lost")
    link.focus()
    wrong(cameras[1], "no-frames", "urgent", "sends no pictures", "It is connected.")
    page.clock.run_for(10_000)
    expect(page.get_by_role("link", name="Car park, lower deck sends no pictures")).to_be_visible()
    expect(link).to_be_focused()
    expect(page.locator("overt-refreshing [role=status]")).to_contain_text("2 things are wrong")
    screen.press("Pause updates")
    expect(page.get_by_text("Updates are paused.")).to_be_visible()
    screen.good("health-paused")
    Condition.objects.filter(pk=first.pk).update(until=timezone.now())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert asked == []
    screen.press("Update by itself again")
    expect(link).to_have_count(0)


def test_uptime_of_a_month_and_its_print(screen: Screen) -> None:
    council()
    page = screen.page
    page.goto("/health")
    page.get_by_role("link", name="Uptime in days").click()
    screen.heading("Uptime in")
    screen.good("uptime")
    page.get_by_label("Site", exact=True).select_option(label="Central Library")
    screen.press("Show")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Show")).to_have_count(0)
    with page.expect_download() as download:
        page.emulate_media(media="screen")
        page.get_by_role("link", name="Save as CSV").click()
    assert download.value.suggested_filename.startswith("uptime-")


def test_a_rule_is_made_by_keyboard_and_tried(screen: Screen) -> None:
    council()
    page = screen.page
    screen.expected = ("422",)
    page.goto("/health/alerts")
    screen.heading("Alerts: who is told")
    screen.good("alerts-none")
    page.get_by_role("button", name="Add a rule").press("Enter")
    screen.heading("Add an alert rule")
    screen.good("alert-new")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("There is a problem")
    screen.good("alert-errors")
    page.get_by_role("link", name="Enter a name.").press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Duty technician")
    page.get_by_role("radio", name="E-mail", exact=True).press("Space")
    page.get_by_label("Address", exact=True).fill("duty@northshire.example")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("was saved")
    page.get_by_role("button", name="Send a test message").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("was sent to duty@northshire.example")
    screen.good("alerts")
    page.get_by_role("link", name="Duty technician", exact=True).press("Enter")
    screen.heading("Change the rule")
    screen.good("alert-change")
    page.get_by_role("link", name="Delete this rule").press("Enter")
    screen.heading("Delete the rule")
    screen.good("alert-delete")
    screen.press("Delete")
    screen.heading("Alerts: who is told")
    expect(page.get_by_text("Nobody is told of anything yet")).to_be_visible()

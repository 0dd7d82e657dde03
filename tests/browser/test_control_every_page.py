"""Every page that the control room has, as its table of addresses names them.

Axe finds nothing, also where a form is sent empty; nothing has to be scrolled sideways on a screen of 320 pixels
(WCAG 2.2, 1.4.10).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser
from pytest_django import Settings

from address_table import TABLES, pages, rows
from axe import AXE, violations
from page_rig import Screen, chromium
from probe_rig import probe_server
from scenes import Council

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]
ELSEWHERE: Final = {
    "people:setup": "test_control_people: there is one while nobody has an account",
    "openid_connect_login": "test_control_people: there is one where a directory is named",
    "openid_connect_callback": "test_control_people: there is one where a directory is named",
    "health:parts": "a part of health:now",
    "custody:waiting": "a part of custody:keys",
    "audit:ledger-file": "a file for witnesses, served where a setting says so",
}
LEADS_ON: Final = {"first", "mfa_login_webauthn"}
"""Send everybody to another page, but scripts of ours."""
STATUS: Final = {"account_set_password": 409}
"""Of pages that do no more than say that something is not done here."""
SATISFIED: Final = {"viewing:change-plan"}
"""Pages with a form that may be sent empty."""
FORMS: Final = """
  [...document.querySelectorAll("main form")].filter((each) => each.method === "post"
    && !each.hasAttribute("data-passkey") && each.querySelector("input:not([type=hidden]), select, textarea"))
"""
EMPTIED: Final = f"""(number) => {{
  const form = {FORMS}[number];
  for (const each of form.elements) {{
    if (each.type === "checkbox" || each.type === "radio") each.checked = false;
    else if (each.localName === "select") each.selectedIndex = 0;
    else if (each.type !== "hidden" && each.type !== "submit") each.value = "";
  }}
  form.noValidate = true;
  form.querySelector("button:not([type=button])").click();
}}"""
LOST: Final = """() => [...document.querySelectorAll(".govuk-error-summary a")].filter((link) => {
  const field = document.getElementById(decodeURIComponent(new URL(link.href).hash.slice(1)));
  return !field?.matches("input:not([type=hidden]), select, textarea");
}).map((link) => `${link.textContent} leads nowhere: ${link.getAttribute("href")}`)"""
TOO_WIDE: Final = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const out = (each) => each.getBoundingClientRect().right > width + 1 && !each.parentElement.closest("overt-scroll");
  const found = [...document.querySelectorAll("main *, header *")].filter(out);
  return found.filter((each) => ![...each.children].some(out)).slice(0, 3)
    .map((each) => `wider than ${width} pixels: ${each.outerHTML.slice(0, 150)}`);
}"""


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def screen(browser: Browser, live_server: Any) -> Iterator[Screen]:
    cache.clear()
    context = browser.new_context(base_url=live_server.url, locale="en-GB", viewport={"width": 1366, "height": 768})
    context.add_init_script(AXE.read_text())
    made = Screen(context)
    made.expected = ("status of 4", "status of 503")
    """Forms that were sent empty; and there is no recorder."""
    yield made
    made.calm()
    context.close()


@pytest.fixture
def council(
    screen: Screen, live_server: Any, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Council]:
    settings.CONTROL = settings.CONTROL.model_copy(update={"footage": tmp_path / "footage"})
    with probe_server(tmp_path / "footage" / "recorder.sock") as server:
        yield Council(screen.page, live_server.url, server, monkeypatch)


class Walk:
    """Goes to pages, and gathers what is wrong with them."""

    def __init__(self, screen: Screen, council: Council, address: str) -> None:
        self.screen, self.council, self.address = screen, council, address
        self.page = screen.page
        self.faults: list[str] = []
        self.seen: list[str] = []

    def as_(self, client: Client) -> None:
        """Be who has signed in there."""
        self.page.context.clear_cookies()
        cookies = [
            {"name": name, "value": each.value, "url": self.address}
            for name, each in client.cookies.items()
            if each.value
        ]
        self.page.context.add_cookies(cookies)  # type: ignore[arg-type]  # TypedDict

    def all_of(self, name: str) -> None:
        """Go to a page in all its states."""
        person, client = self.council.somebody()
        for path in self.council.paths(name, person, client):
            self.as_(client)
            if self.is_page(name, path):
                self.one(name, path)

    def is_page(self, name: str, path: str) -> bool:
        """Whether an address is that of a page; what is none answers with something else than HTML."""
        answer = self.page.context.request.get(path, max_redirects=0)
        if answer.status == 405 or (answer.ok and "text/html" not in answer.headers["content-type"]):
            return False
        if answer.status == 302 and name in LEADS_ON:
            return False
        right = answer.status == STATUS.get(name, 200)
        if not right:
            self.faults.append(
                f"{name}: {path} answered {answer.status} {answer.headers.get('location', '')}; "
                "tests/rigs/scenes.py is to put something behind it"
            )
        return right

    def one(self, name: str, path: str) -> None:
        """Look at a page as it is, narrow, and with each of its forms sent empty."""
        self.page.goto(path)
        self.look(f"{name} at {path}")
        self.page.set_viewport_size({"width": 320, "height": 640})
        self.faults += [f"{name} at {path}: {each}" for each in self.page.evaluate(TOO_WIDE)]
        self.page.set_viewport_size({"width": 1366, "height": 768})
        for number in range(self.page.evaluate(f"() => {FORMS}.length")):
            if number > 0:
                self.page.goto(path)
            with self.page.expect_navigation():
                self.page.evaluate(EMPTIED, number)
            if self.page.locator(".govuk-error-summary").count() == 0:
                if name not in SATISFIED:
                    self.faults.append(
                        f"{name} at {path}: form {number} was sent empty, and nothing said what is wrong"
                    )
                continue
            if not self.page.title().startswith("Error: "):
                self.faults.append(f"{name} at {path}, form {number}: the title does not begin with Error")
            self.faults += [f"{name} at {path}, form {number}: {each}" for each in self.page.evaluate(LOST)]
            self.look(f"{name} at {path}, form {number} sent empty")

    def look(self, what: str) -> None:
        """Have axe look at what is on the screen."""
        self.seen.append(what)
        self.faults += [f"{what}: {each}" for each in violations(self.page)]


def test_every_address_of_the_control_room_is_walked_to() -> None:
    assert set(pages()) == {name for name in rows() if " " not in name}
    assert {*ELSEWHERE, *LEADS_ON, *STATUS, *SATISFIED} <= set(pages())


@pytest.mark.parametrize("app", TABLES)
def test_every_page(screen: Screen, council: Council, live_server: Any, app: str) -> None:
    walk = Walk(screen, council, live_server.url)
    for name in TABLES[app]:
        if " " not in name and name not in ELSEWHERE:
            walk.all_of(name)
    assert not walk.faults, "\n".join(walk.faults)

"""A light page of the control room in Debian's Chromium: what the browser complains about, and what axe finds."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from axe import violations

PICTURES: Final = os.environ.get("OVERT_TEST_PICTURES")
"""Directory for a picture of each page, for people to look at."""
PATIENCE_MS: Final = 20_000
CSP: Final = (
    "addEventListener('securitypolicyviolation', (event) =>"
    " console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));"
)
"""Has the browser complain of what a policy forbade: of workers and of styles it does not always."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium. Playwright runs an event loop in this thread, which Django takes for a sign that it must not ask
    the database; here it may."""
    found = shutil.which("chromium")
    assert found, "chromium is not installed: apt-get install chromium"
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def with_authenticator(page: Page) -> None:
    """Give a page something that keeps passkeys and says that its owner is there."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


class Screen:
    """One page, by what people read on it."""

    def __init__(self, context: BrowserContext) -> None:
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Parts of complaints that belong to what the test does."""
        context.set_default_timeout(PATIENCE_MS)
        self.page: Page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.add_init_script(CSP)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def press(self, name: str) -> None:
        """Press a button by its whole name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def fill(self, label: str, words: str) -> None:
        """Fill in a field by its whole label."""
        self.page.get_by_label(label, exact=True).fill(words)

    def heading(self, words: str) -> None:
        """Wait until the page's heading says something."""
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(words, timeout=PATIENCE_MS)

    def good(self, name: str) -> None:
        """Axe finds nothing; a picture is kept if somebody wants to look."""
        if PICTURES:
            self.page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
        found = violations(self.page)
        assert not found, "\n".join([name, *found])

    def calm(self) -> None:
        """The browser complained about nothing but what is expected."""
        left = [each for each in self.complaints if not any(part in each for part in self.expected)]
        assert not left, left

"""The first day: from the link that `overt serve` prints to a camera that is watched and looked back at."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Page, Playwright, expect

from browser_rig import launch
from overt.simulator.persona import demo_persona
from overt.simulator.simulator import Simulator
from page_rig import Screen, with_authenticator
from serve_rig import Served, eventually, serving, status

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PASSWORD = "seven cats on a warm wall"
PASSPHRASE = "a long passphrase of the custodian"
CONFIGURATION = """
[control]
camera_ranges = ["127.0.0.0/8"]
organisation = "Northshire Council"

[recorder]
workers = 1
listen = "off"
"""
SLOW_MS = 60_000
"""Passphrases are slow on purpose, and so are cameras that are asked what they offer."""


def key_of(served: Served) -> str:
    """Wait until the pages are served; return the SHA-256 of their certificate’s public key, as Chromium takes it."""
    context = ssl.create_default_context(cafile=served.told("authority"))
    eventually(lambda: status(f"{served.address}/sign-in", context) == 200)
    certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate(("localhost", served.port)).encode())
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


@contextlib.contextmanager
def trusting(playwright: Playwright, served: Served) -> Iterator[Screen]:
    """Start a browser that trusts the certificate of this system and no other, and has a passkey device of its own."""
    browser = launch(playwright, f"--ignore-certificate-errors-spki-list={key_of(served)}")
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
    screen = Screen(context)
    screen.page.set_default_timeout(SLOW_MS)
    with_authenticator(screen.page)
    yield screen
    browser.close()


def test_from_the_setup_link_to_looking_back(playwright: Playwright, tmp_path: Path) -> None:
    config = tmp_path / "first-day.toml"
    config.write_text(CONFIGURATION)
    with (
        Simulator(demo_persona()) as simulator,
        serving(tmp_path / "data", plain=False, config=config) as served,
        trusting(playwright, served) as screen,
    ):
        page = screen.page
        addresses: list[str] = []
        page.on("request", lambda request: addresses.append(request.url))
        page.on("websocket", lambda socket: addresses.append(socket.url))
        page.goto(served.told("setup_link"))
        first_account(screen)
        site_key(screen)
        a_site(screen, served.address)
        camera = next(each for each in simulator if each.path == "library-foyer")
        a_camera(screen, served.address, simulator.url(camera.path, credentials=True), camera.onvif_port)

        page.goto(f"{served.address}/wall")
        tile = page.locator("overt-player").filter(has_text="Library foyer")
        expect(tile).to_have_attribute("state", "live", timeout=SLOW_MS)
        # Selected, it is decoded in a worker, with a connection of the worker's own.
        page.keyboard.press("1")
        expect(tile).to_have_attribute("engine", "webcodecs", timeout=SLOW_MS)
        page.keyboard.press("r")
        page.wait_for_url(re.compile("/review"))
        asked = page.get_by_role("dialog", name="For what purpose do you look back?")
        asked.get_by_label("Incident number").fill("INC-1")
        asked.get_by_role("button", name="Look back").click()
        looks_back(page)
        assert screen.complaints == [], "nothing that the policy forbids, nothing unencrypted"
        media = (f"https://localhost:{served.media_port}/", f"wss://localhost:{served.media_port}/")
        pages = f"https://localhost:{served.port}/"
        assert [each for each in addresses if not each.startswith((pages, *media, "blob:https:", "data:"))] == []
        assert any(each.startswith(media[1]) for each in addresses)
        assert served.stop() == 0
        assert "Traceback" not in served.errors()


def first_account(screen: Screen) -> None:
    screen.heading("Make the first account")
    screen.fill("Full name", "Ada Field")
    screen.fill("E-mail address", "ada@northshire.example")
    screen.fill("Password", PASSWORD)
    screen.fill("Password, once more", PASSWORD)
    screen.press("Make the account")
    screen.heading("Set up a second step")
    follow(screen.page, "Add a passkey")
    screen.fill("What to call it", "Work laptop")
    screen.press("Add a passkey")
    screen.heading("Recovery codes")
    follow(screen.page, "I have kept them")


def site_key(screen: Screen) -> None:
    screen.page.goto(urlsplit(screen.page.url)._replace(path="/").geturl())
    screen.heading("Make the footage key")
    screen.fill("Name of the site, or of all that this key is for", "Northshire")
    screen.fill("Passphrase", PASSPHRASE)
    screen.fill("Passphrase, once more", PASSPHRASE)
    screen.press("Make the key")
    expect(screen.page.get_by_role("heading", level=1)).to_contain_text("The footage key was made", timeout=SLOW_MS)
    assert re.search(r"(?:[0-9A-Z]{4}-){7}[0-9A-Z]{4}", screen.page.locator("main").inner_text())


def a_site(screen: Screen, address: str) -> None:
    screen.page.goto(f"{address}/sites")
    follow(screen.page, "Add a site")
    screen.fill("Name", "Central Library")
    screen.fill("Or a new group", "Libraries")
    screen.press("Save")
    expect(screen.page.locator("main")).to_contain_text("Central Library")


def a_camera(screen: Screen, address: str, url: str, onvif_port: int | None) -> None:
    page = screen.page
    page.goto(f"{address}/cameras")
    follow(page, "Add a camera")
    screen.fill("Name", "Library foyer")
    page.get_by_label("Site", exact=True).select_option(label="Central Library")
    screen.fill("Purpose", "Safety of staff at the issue desk")
    screen.fill("Legal basis", "Public task")
    page.get_by_label("Owner", exact=True).select_option(label="Ada Field")
    screen.fill("Next review of the need for it", "2099-05-01")
    screen.fill("Why so long", "Incidents are reported within a month.")
    page.locator("main form button").last.click()
    screen.heading("Library foyer")
    follow(page, "Add the device")
    parts = urlsplit(url)
    screen.fill("Address", "127.0.0.1")
    screen.fill("RTSP port", str(parts.port))
    screen.fill("User name", parts.username or "")
    screen.fill("Password", parts.password or "")
    screen.fill("ONVIF port (optional)", str(onvif_port))
    screen.press("Look at the device")
    expect(page.get_by_role("heading", level=1)).to_contain_text("What was found", timeout=SLOW_MS)
    expect(page.locator("main")).to_contain_text("The main stream is H.265")
    screen.press("Save the device and these streams")
    screen.press("Go live")
    expect(page.locator("main")).to_contain_text("Library foyer goes live")


def looks_back(page: Page) -> None:
    """Wait until a picture of what was is on the screen, and moves."""
    playback = "document.querySelector('overt-review')?.playback"
    page.wait_for_function(f"() => {playback}?.clock.playing")
    before = page.evaluate(f"() => {playback}.clock.time")
    page.wait_for_function(f"(before) => {playback}.clock.time > before + 1", arg=before)
    expect(page.locator("overt-review")).to_contain_text("Library foyer")


def follow(page: Page, name: str) -> None:
    """Follow a link, or press a button, by its whole name."""
    page.get_by_role("link", name=name, exact=True).or_(page.get_by_role("button", name=name, exact=True)).click()

"""Sites and cameras in Debian's Chromium: from a site to a camera that a real recorder records; axe on every page."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, expect
from pytest_django import Settings

from control_rig import camera_at, person_with, signed_in, site_in
from overt.control.estate import assigning, changes
from overt.control.estate.models import Camera, Device, Installation, RecorderAssignment
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator
from page_rig import Screen, chromium
from recorder_rig import Recorder, make_site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CLIPS = Path(__file__).parents[2] / "src" / "overt" / "simulator" / "footage"
SECRET = "kestrel over the moor"


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def manager(db: None) -> Person:
    return person_with(Action.CHANGE_CAMERAS, Action.LIVE)


@pytest.fixture
def screen(browser: Browser, live_server: Any, manager: Person) -> Iterator[Screen]:
    cache.clear()
    context = browser.new_context(base_url=live_server.url, locale="en-GB", viewport={"width": 1366, "height": 768})
    cookie = signed_in(manager).cookies["overt_session"]
    context.add_cookies([{"name": "overt_session", "value": cookie.value, "url": live_server.url}])
    made = Screen(context)
    yield made
    made.calm()
    context.close()


@pytest.fixture
def recorder(tmp_path: Path, settings: Settings) -> Iterator[Recorder]:
    """A real recorder that waits for its control room, and the thread that tells it."""
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    update = {"footage": tmp_path / "footage", "camera_ranges": loopback}
    settings.CONTROL = settings.CONTROL.model_copy(update=update)
    site = make_site(tmp_path)
    (tmp_path / "overt.toml").write_text("[recorder]\n")
    with Recorder(site, tmp_path / "overt.toml", workers=1) as running:
        running.wait_health(lambda health: True)
        assigning.start()
        yield running
        assigning.stop()


def two_streams() -> Simulator:
    """A device that asks for a password, with a main stream and a substream."""
    locked = {"user": "admin", "password": SECRET, "auth": "digest"}
    rows = [
        {"path": "main", "source": str(CLIPS / "dusk_h264.mp4"), **locked},
        {"path": "sub", "source": str(CLIPS / "dusk_sub_h264.mp4"), **locked},
    ]
    return Simulator(Persona.model_validate({"cameras": rows}))


def add_site(screen: Screen) -> None:
    """Add the first site, and its group."""
    page = screen.page
    page.goto("/cameras")
    screen.heading("Cameras")
    screen.good("register-empty")
    page.get_by_role("link", name="Sites", exact=True).click()
    screen.good("sites-empty")
    page.get_by_role("button", name="Add a site").click()
    screen.good("site-form")
    screen.fill("Name", "Market Hall")
    screen.fill("Or a new group", "Town centre")
    screen.press("Save")
    screen.good("sites")


def test_from_a_site_to_a_camera_that_is_recorded(screen: Screen, recorder: Recorder, manager: Person) -> None:
    page = screen.page
    with two_streams() as simulator:
        add_site(screen)
        page.goto("/cameras/add")
        screen.expected = ("400", "503")
        screen.press("Save")
        expect(page.get_by_role("alert")).to_contain_text("There is a problem")
        screen.good("camera-form-errors")
        screen.fill("Name", "High Street, north")
        page.get_by_label("Site", exact=True).select_option(label="Market Hall")
        screen.fill("Purpose", "To keep people safe at night")
        screen.fill("Legal basis", "Public task")
        page.get_by_label("Owner").select_option(label=manager.name)
        screen.fill("Next review of the need for it", "31/3/2031")
        screen.fill("Why so long", "Most incidents are reported within a month")
        screen.press("Save")
        screen.heading("High Street, north")
        expect(page.get_by_text("Before it can go live")).to_be_visible()
        screen.good("camera-draft")

        page.get_by_role("button", name="Add the device").click()
        screen.good("device-form")
        screen.fill("Address", "127.0.0.1")
        screen.fill("RTSP port", str(simulator.camera("main").port))
        screen.fill("User name", "admin")
        screen.fill("Password", SECRET)
        screen.fill("Address of the main stream (optional)", simulator.url("main"))
        screen.fill("Address of the substream (optional)", simulator.url("sub"))
        screen.press("Look at the device")
        screen.heading("What was found at 127.0.0.1")
        # The browser has decoded the keyframe that the recorder fetched.
        for number in (1, 2):
            video = page.get_by_label(f"Picture of stream {number}")
            expect(video).to_be_visible()
            video.evaluate(
                "(each) => each.readyState >= 2 || new Promise((done) => each.addEventListener('loadeddata', done))"
            )
            assert video.evaluate("(each) => each.videoWidth") > 0
        assert SECRET not in page.content()
        screen.good("look")
        screen.press("Save the device and these streams")
        screen.heading("High Street, north")
        screen.press("Go live")
        expect(page.get_by_text("goes live")).to_be_visible()
        key = Camera.objects.get().key
        recorder.wait_recording(key)
        page.reload()
        expect(page.get_by_text("not yet with the recorder")).to_have_count(0)
        screen.good("camera-live")
        assert [each.kind for each in Installation.objects.get().streams.all()] == ["main", "sub"]
        assert RecorderAssignment.objects.get().left_out == {}
        screen.press("Switch off")
        expect(page.get_by_text("is switched off")).to_be_visible()
        recorder.wait_health(lambda health: health["streams"] == [])


def test_every_page_of_a_full_register(screen: Screen, manager: Person, tmp_path: Path) -> None:
    page = screen.page
    sites = [site_in("Town centre", "Market Hall"), site_in("Leisure", "Swimming Pool")]
    for number in range(120):
        camera_at(sites[number % 2], f"camera-{number}", name=f"Camera {number}", owner=manager if number % 3 else None)
    camera = Camera.objects.get(key="camera-7")
    device = Device.objects.create(host="192.0.2.7", maker="Acme", model="Dome 4")
    Installation.objects.create(camera=camera, device=device)
    page.goto("/cameras")
    screen.good("register")
    page.get_by_label("Needs attention").select_option(label="No owner")
    screen.press("Show")
    expect(page.get_by_text("40 cameras")).to_be_visible()
    page.get_by_label("Search").fill("no such words")
    screen.press("Show")
    expect(page.get_by_text("No camera is like that")).to_be_visible()
    screen.good("register-nothing")
    page.goto("/cameras?page=2")
    expect(page.get_by_text("51 to 100 shown")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("search")).to_be_hidden()
    page.emulate_media(media="screen")
    for path, name in (
        ("", "camera"),
        ("/change", "camera-change"),
        ("/device/replace", "replace"),
        ("/retire", "retire"),
    ):
        page.goto(f"/cameras/{camera.pk}{path}")
        screen.good(name)

    page.goto("/cameras/import")
    screen.good("import")
    bad = tmp_path / "bad.csv"
    bad.write_text("name,site,audio\nA,Nowhere,perhaps\n", encoding="utf-8")
    screen.expected = ("400", "409")
    page.get_by_label("File of cameras").set_input_files(bad)
    screen.press("Check the file")
    expect(page.get_by_text("There is no such site")).to_be_visible()
    screen.good("import-faults")
    good = tmp_path / "good.csv"
    good.write_text("key,name,site\n,New door,Market Hall\ncamera-3,Renamed,\n", encoding="utf-8")
    page.get_by_label("File of cameras").set_input_files(good)
    screen.press("Check the file")
    screen.heading("What the file does")
    screen.good("import-shown")
    screen.press("Do it")
    expect(page.get_by_text("Added: 1. Changed: 1.")).to_be_visible()

    # Somebody else saves the form that is open here.
    page.goto(f"/cameras/{camera.pk}/change")
    screen.fill("Purpose", "To protect staff")
    other = person_with(Action.CHANGE_CAMERAS, name="Sam Hill")
    changes.change_camera(camera.pk, camera.version, {"name": "Camera seven", "retention_days": 14}, other)
    screen.press("Save")
    expect(page.get_by_text("Somebody else saved this camera first")).to_be_visible()
    expect(page.get_by_label("Purpose")).to_have_value("To protect staff")
    expect(page.get_by_label("Days footage is kept")).to_have_value("14")
    screen.good("camera-meanwhile")
    screen.press("Save")
    screen.heading("Camera seven")


def test_a_camera_is_added_by_keyboard_alone(screen: Screen, manager: Person) -> None:
    site_in()
    page = screen.page
    page.goto("/cameras")

    def to(name: str) -> None:
        """Go on with the tabulator until something of this name has the focus."""
        for _ in range(40):
            page.keyboard.press("Tab")
            found = page.evaluate(
                "() => { const at = document.activeElement; return (at.labels?.[0] ?? at).textContent.trim(); }"
            )
            if found == name:
                return
        raise AssertionError(f"{name} cannot be reached")

    to("Add a camera")
    page.keyboard.press("Enter")
    screen.heading("Add a camera")
    to("Name")
    page.keyboard.type("Yard")
    to("Site")
    page.keyboard.press("ArrowDown")
    to("Save")
    page.keyboard.press("Enter")
    screen.heading("Yard")
    assert Camera.objects.get().name == "Yard"

"""Sites and cameras over the API: the pages' functions and rights, and no password on the way out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from control_rig import camera_at, person_with, signed_in, site_in
from overt.control.estate.credentials import revealed
from overt.control.estate.models import Camera, Device, Site, Stream
from overt.control.people.actions import Action
from overt.control.people.models import Person, SiteGroup
from probe_rig import ProbeServer, onvif, probe_server, small, stream

pytestmark = pytest.mark.django_db
SECRET = "kestrel over the moor"
MAIN = "rtsp://192.0.2.7/main"


@pytest.fixture
def manager() -> Person:
    return person_with(Action.CHANGE_CAMERAS)


@pytest.fixture
def client(manager: Person) -> Client:
    return signed_in(manager)


@pytest.fixture
def site(db: None) -> Site:
    return site_in()


def call(client: Client, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    """Call the API; return the JSON of an answer of this status."""
    more = {} if body is None else {"data": body, "content_type": "application/json"}
    answer = getattr(client, method)(f"/api/v1{path}", **more)
    assert answer.status_code == status, answer.content
    return answer.json()


def fields(at: Site, by: Person | None, **more: Any) -> dict[str, Any]:
    """What is sent about a camera that may go live."""
    return {
        "name": "North door",
        "site": at.pk,
        "owner": str(by.pk) if by else None,
        "purpose": "Safety",
        "legal_basis": "Public task",
        "review_on": "2031-03-31",
        "retention_reason": "Reports come late",
        **more,
    }


def test_a_camera_from_its_site_to_its_end(client: Client, site: Site, manager: Person) -> None:
    made = call(client, "post", "/cameras", fields(site, manager), 201)
    assert (made["key"], made["state"], made["device"], made["needs"]) == ("north-door", "draft", None, [])
    path = f"/cameras/{made['id']}"
    refused = call(client, "post", f"{path}/live", status=400)
    assert "add a device" in refused["error"]["message"]
    device = {
        "version": made["version"],
        "host": "192.0.2.7",
        "username": "admin",
        "password": SECRET,
        "main_url": MAIN,
    }
    told = call(client, "put", f"{path}/device", device)
    assert told["device"]["password_set"] is True
    assert told["device"]["streams"][0]["url"] == MAIN
    assert SECRET not in str(told)
    assert revealed(Device.objects.get().password_sealed).get_secret_value() == SECRET
    assert call(client, "post", f"{path}/live")["state"] == "recording"
    assert call(client, "get", "/recorder")["revision"] == 1
    now = call(client, "get", path)
    changed = call(client, "put", path, fields(site, manager, retention_days=7, version=now["version"]))
    assert changed["retention_days"] == 7
    assert call(client, "post", f"{path}/off")["state"] == "off"
    assert call(client, "post", f"{path}/retire")["state"] == "retired"
    call(client, "post", f"{path}/live", status=409)


def test_cameras_are_filtered_and_paged(client: Client, site: Site, manager: Person) -> None:
    for number in range(7):
        camera_at(site, f"camera-{number}")
    page = call(client, "get", "/cameras?limit=3&offset=3&sort=name&q=camera")
    assert page["total"] == 7
    assert [each["key"] for each in page["items"]] == ["camera-3", "camera-4", "camera-5"]
    call(client, "get", "/cameras?limit=100000", status=400)
    call(client, "get", "/cameras?attention=nothing", status=400)


def test_who_saves_an_old_version_is_told(client: Client, site: Site, manager: Person) -> None:
    made = call(client, "post", "/cameras", fields(site, manager), 201)
    path = f"/cameras/{made['id']}"
    call(client, "put", path, fields(site, manager, purpose="To deter", version=made["version"]))
    told = call(client, "put", path, fields(site, manager, version=made["version"]), 409)
    assert "Robin Field" in told["error"]["message"]
    assert "Purpose" in told["error"]["message"]
    call(client, "put", f"{path}/device", {"version": 99, "host": "192.0.2.7"}, 409)
    changed = call(client, "put", f"/sites/{site.pk}", {"name": "Hall", "group": site.group_id, "version": 0})
    assert changed["version"] == 1
    again = call(client, "put", f"/sites/{site.pk}", {"name": "Pool", "group": site.group_id, "version": 0}, 409)
    assert "It is now Hall" in again["error"]["message"]


@pytest.mark.parametrize(
    "more",
    [
        {"name": ""},
        {"name": "x" * 121},
        {"name": "a\x00b"},
        {"key": "No Good"},
        {"retention_days": 0},
        {"retention_days": 1e9},
        {"review_on": "soon"},
        {"audio": True},
        {"owner": str(uuid.uuid4())},
        {"site": 2**31 - 1},
        {"site": -1},
        {"state": "recording"},
        {"version": 1},
        {"recorder": "x"},
    ],
)
def test_what_is_not_lawful_is_refused(client: Client, site: Site, manager: Person, more: dict[str, Any]) -> None:
    call(client, "post", "/cameras", fields(site, manager, **more), 400)
    assert not Camera.objects.exists()


def test_attack_no_camera_or_site_of_another_group_is_seen_or_changed(site: Site, manager: Person) -> None:
    theirs = site_in("Leisure", "Swimming Pool")
    hidden = camera_at(theirs, "cash-desk")
    client = signed_in(person_with(Action.CHANGE_CAMERAS, name="Sam Hill", group=site.group))
    path = f"/cameras/{hidden.pk}"
    assert call(client, "get", "/cameras")["total"] == 0
    assert [each["name"] for each in call(client, "get", "/sites")] == [site.name]
    for method, where, body in (
        ("get", path, None),
        ("put", path, fields(site, manager, version=0)),
        ("post", f"{path}/live", None),
        ("post", f"{path}/off", None),
        ("post", f"{path}/retire", None),
        ("put", f"{path}/device", {"version": 0, "host": "192.0.2.7"}),
        ("post", f"{path}/probe", {"host": "192.0.2.7"}),
        ("get", f"/sites/{theirs.pk}", None),
        ("put", f"/sites/{theirs.pk}", {"name": "x", "group": site.group_id, "version": 0}),
        ("post", "/sites", {"name": "x", "group": theirs.group_id}),
        ("get", f"/sites/{2**70}", None),
    ):
        call(client, method, where, body, 404)
    call(client, "post", "/cameras", fields(theirs, manager), 400)
    own = camera_at(site, "door")
    call(client, "put", f"/cameras/{own.pk}", fields(theirs, manager, version=0), 400)
    hidden.refresh_from_db()
    assert (hidden.version, hidden.state) == (0, Camera.State.DRAFT)


def test_who_may_look_may_not_change_and_sees_no_addresses(site: Site, client: Client, manager: Person) -> None:
    made = call(client, "post", "/cameras", fields(site, manager), 201)
    path = f"/cameras/{made['id']}"
    device = {
        "version": made["version"],
        "host": "192.0.2.7",
        "username": "admin",
        "password": SECRET,
        "main_url": MAIN,
    }
    call(client, "put", f"{path}/device", device)
    watcher = signed_in(person_with(Action.LIVE, name="Sam Hill", group=site.group))
    told = call(watcher, "get", path)
    assert "192.0.2.7" not in str(told)
    assert "admin" not in str(told["device"])
    call(watcher, "post", f"{path}/off", status=403)
    other = SiteGroup.objects.create(name="Leisure")
    elsewhere = person_with(Action.CHANGE_CAMERAS, name="Jo Moor", group=other)
    elsewhere.appointments.create(role=Person.objects.get(name="Sam Hill").appointments.get().role, group=site.group)
    call(signed_in(elsewhere), "put", path, fields(site, manager, version=2), 403)


@pytest.mark.parametrize(
    "more",
    [
        {"host": "169.254.169.254"},
        {"host": "127.0.0.1"},
        {"host": "\x00"},
        {"port": 99999},
        {"main_url": "rtsp://198.51.100.9/x"},
        {"main_url": f"rtsp://other:{SECRET}@192.0.2.7/x"},
        {"main_url": f"http://{SECRET}/"},
        {"main_url": "", "sub_url": f"rtsp://192.0.2.7/{SECRET}"},
        {"password": [SECRET]},
        {"password": SECRET * 20},
    ],
)
def test_attack_a_refused_device_repeats_no_password_and_is_not_kept(
    client: Client, site: Site, manager: Person, more: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    made = call(client, "post", "/cameras", fields(site, manager), 201)
    body = {"version": made["version"], "host": "192.0.2.7", "username": "admin", "password": SECRET, **more}
    told = call(client, "put", f"/cameras/{made['id']}/device", body, 400)
    assert SECRET not in str(told)
    assert SECRET not in caplog.text
    assert not Device.objects.exists()


def test_an_address_whose_secret_is_in_its_query_is_masked_and_kept_whole(
    client: Client, site: Site, manager: Person
) -> None:
    made = call(client, "post", "/cameras", fields(site, manager), 201)
    path = f"/cameras/{made['id']}"
    url = "rtsp://192.0.2.7/user=admin&password=hunter2&channel=1"
    told = call(client, "put", f"{path}/device", {"version": made["version"], "host": "192.0.2.7", "main_url": url})
    shown = told["device"]["streams"][0]["url"]
    assert "hunter2" not in str(told)
    assert "***" in shown
    pages = client.get(f"/cameras/{made['id']}/device").content + client.get(f"/cameras/{made['id']}").content
    assert b"hunter2" not in pages
    assert "hunter2" not in str(Stream.objects.values())
    # What comes back as it was shown is what was kept; what looks like it and is not, is refused.
    again = {"version": told["version"], "host": "192.0.2.7", "main_url": shown, "sub_url": "rtsp://192.0.2.7/2"}
    told = call(client, "put", f"{path}/device", again)
    assert revealed(Stream.objects.get(kind="main").url_sealed).get_secret_value() == url
    other = {"version": told["version"], "host": "192.0.2.7", "main_url": f"{shown}&x=1"}
    assert "type the whole address" in call(client, "put", f"{path}/device", other, 400)["error"]["message"]
    call(client, "put", f"{path}/device", {**again, "version": told["version"], "replace": True}, 400)


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[ProbeServer]:
    settings.CONTROL = settings.CONTROL.model_copy(update={"footage": tmp_path / "footage"})
    with probe_server(tmp_path / "footage" / "recorder.sock") as served:
        yield served


def test_a_device_is_looked_at(server: ProbeServer, client: Client, site: Site) -> None:
    camera = camera_at(site, "door")
    server.answer = {
        "onvif": onvif(),
        "streams": [
            stream(f"{MAIN}?password={SECRET.replace(' ', '+')}", picture="AAAA"),
            small("rtsp://192.0.2.7/sub", codec="H.265"),
        ],
        "errors": [f"said {SECRET}"],
    }
    told = call(
        client, "post", f"/cameras/{camera.pk}/probe", {"host": "192.0.2.7", "username": "a", "password": SECRET}
    )
    assert (told["maker"], told["main"], told["sub"]) == ("Acme", 0, 1)
    assert {each["kind"] for each in told["advice"]} == {"sub-h265"}
    assert told["streams"][0]["picture"] == "AAAA"
    assert "kestrel" not in str(told)
    assert not Device.objects.exists()


def test_a_recorder_that_is_away_is_said_to_be(client: Client, site: Site, tmp_path: Path, settings: Settings) -> None:
    settings.CONTROL = settings.CONTROL.model_copy(update={"footage": tmp_path})
    camera = camera_at(site, "door")
    told = call(client, "post", f"/cameras/{camera.pk}/probe", {"host": "192.0.2.7"}, 503)
    assert "no recorder answers" in told["error"]["message"]

"""From the pages to a real recorder: what is added is recorded, what is changed is applied, what is off stops."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from pytest_django import Settings

from control_rig import camera_at, person_with, signed_in, site_in
from estate_rig import add_camera, camera_form, device_form, eventually, faults, text_of
from overt.contract.assignment import MAX_CAMERAS, Assignment
from overt.control.estate import assigning, revisions
from overt.control.estate.models import Camera, RecorderAssignment
from overt.control.estate.recorded import Recorded, assignment_of, checker
from overt.control.people.actions import Action
from overt.errors import MissingError
from overt.simulator.simulator import Simulator
from recorder_rig import Recorder, cameras, make_site

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
PASSWORD = "kestrel over the moor"


# --- the message, without a database ----------------------------------------------------------------------------------


def row(key: str = "door", **fields: Any) -> Recorded:
    """A camera that is recorded."""
    values: dict[str, Any] = {
        "retention_days": 31,
        "audio": False,
        "username": "admin",
        "password": SecretStr("hunter2"),
        "streams": (("main", "rtsp://192.0.2.7/1", "auto"),),
    }
    return Recorded(key=key, **{**values, **fields})


def fine(url: str) -> str | None:
    return None


def test_the_message_says_what_the_register_says() -> None:
    streams = (("main", "rtsp://192.0.2.7/1", "tcp"), ("sub", "rtsp://192.0.2.7/2", "auto"))
    made, left_out = assignment_of(7, [row(retention_days=14, audio=True, streams=streams)], fine)
    assert left_out == {}
    back = Assignment.from_wire(made.to_wire())
    (camera,) = back.cameras
    assert (back.revision, camera.name, camera.retention.days, camera.audio) == (7, "door", 14, True)
    assert [(each.name, each.urls, each.transport) for each in camera.streams] == [
        ("main", ("rtsp://192.0.2.7/1",), "tcp"),
        ("sub", ("rtsp://192.0.2.7/2",), "auto"),
    ]
    assert (camera.username, camera.password and camera.password.get_secret_value()) == ("admin", "hunter2")


def test_the_password_is_in_the_message_alone() -> None:
    made, _ = assignment_of(1, [row()], fine)
    assert "hunter2" not in repr(row()) + repr(made) + made.model_dump_json()
    assert b"hunter2" in made.to_wire()


@given(st.lists(st.booleans(), max_size=8))
def test_one_camera_that_cannot_be_told_keeps_no_other_from_being_recorded(good: list[bool]) -> None:
    rows = [
        row(f"camera-{number}", streams=(("main", f"rtsp://{'192.0.2.7' if each else '169.254.169.254'}/", "auto"),))
        for number, each in enumerate(good)
    ]
    made, left_out = assignment_of(1, rows, checker((), lambda name: ()))
    assert [each.name for each in made.cameras] == [f"camera-{number}" for number, each in enumerate(good) if each]
    assert set(left_out) == {f"camera-{number}" for number, each in enumerate(good) if not each}


def test_attack_a_name_that_moved_to_the_metadata_address_is_left_out() -> None:
    addresses = {"cam.example": ["192.0.2.7"]}
    streams = (("main", "rtsp://cam.example/1", "auto"),)
    assert assignment_of(1, [row(streams=streams)], checker((), addresses.__getitem__))[1] == {}
    addresses["cam.example"] = ["192.0.2.7", "169.254.169.254"]
    made, left_out = assignment_of(2, [row(streams=streams)], checker((), addresses.__getitem__))
    assert made.cameras == ()
    assert "169.254.169.254" in left_out["door"]


def test_a_dns_that_is_away_ends_no_recording() -> None:
    def away(name: str) -> list[str]:
        raise MissingError(name)

    made, left_out = assignment_of(1, [row(streams=(("main", "rtsp://cam.example/1", "auto"),))], checker((), away))
    assert left_out == {}
    assert len(made.cameras) == 1


# --- with a recorder --------------------------------------------------------------------------------------------------


@pytest.fixture
def footage(tmp_path: Path, settings: Settings) -> Path:
    """The recorder's footage directory, as the control room is told of it."""
    control = settings.CONTROL.model_copy(update={"footage": tmp_path / "footage", "camera_ranges": LOOPBACK})
    settings.CONTROL = control
    return tmp_path / "footage"


@pytest.fixture
def assigner(footage: Path, transactional_db: None) -> Iterator[None]:
    """The thread that puts assignments to the recorder."""
    assigning.start()
    yield
    assigning.stop()
    assert not [each for each in threading.enumerate() if each.name == "assignments"]


def waiting_recorder(folder: Path) -> Recorder:
    """A recorder that knows of no camera: it waits for its control room."""
    site = make_site(folder)
    (folder / "overt.toml").write_text("[recorder]\n")
    return Recorder(site, folder / "overt.toml", workers=1)


def live_camera(client: Client, simulator: Simulator, path: str, **device: Any) -> Camera:
    """Add a camera by the pages, with a simulated device, and have it go live."""
    manager = client.get("/cameras").wsgi_request.user
    site = site_in(name=f"Site of {path}")
    camera = add_camera(client, camera_form(site, manager, path.title(), key=path))
    form = device_form(camera.version, port=str(simulator.camera(path).port), main_url=simulator.url(path), **device)
    answer = client.post(f"/cameras/{camera.pk}/device", form)
    assert answer.status_code == 302, faults(answer)
    assert "goes live" in text_of(client.post(f"/cameras/{camera.pk}/live", follow=True))
    return Camera.objects.get(pk=camera.pk)


def test_what_the_pages_say_is_what_a_real_recorder_does(tmp_path: Path, footage: Path, assigner: None) -> None:
    manager = person_with(Action.CHANGE_CAMERAS)
    client = signed_in(manager)
    locked: dict[str, Any] = {"path": "yard", "user": "admin", "password": PASSWORD, "auth": "digest"}
    with cameras("door", locked) as simulator, waiting_recorder(tmp_path) as recorder:
        door = live_camera(client, simulator, "door")
        recorder.wait_recording("door")
        eventually(lambda: RecorderAssignment.objects.get().waiting_since is None)
        assert "not yet with the recorder" not in text_of(client.get(f"/cameras/{door.pk}"))

        # A wrong password, then the right one: it connects.
        yard = live_camera(client, simulator, "yard", username="admin", password="wrong")
        recorder.wait_health(lambda health: any("yard" in each["camera"] for each in health["streams"]))
        urls = {"port": str(simulator.camera("yard").port), "main_url": simulator.url("yard")}
        form = device_form(yard.version, username="admin", password=PASSWORD, **urls)
        assert client.post(f"/cameras/{yard.pk}/device", form).status_code == 302
        recorder.wait_recording("door", "yard")

        # Retention is applied and interrupts nothing.
        sessions = simulator.camera("door").statistics().sessions
        form = camera_form(door.site, manager, "Door", retention_days="3", version=str(door.version))
        assert client.post(f"/cameras/{door.pk}/change", form).status_code == 302

        def kept() -> float | None:
            told = Assignment.from_wire((footage / "assignment.json").read_bytes()).camera("door")
            return told.retention.days if told else None

        eventually(lambda: kept() == 3)
        assert simulator.camera("door").statistics().sessions == sessions

        # Switched off, it is recorded no more; the other goes on.
        client.post(f"/cameras/{door.pk}/off")
        recorder.wait_health(lambda health: {each["camera"] for each in health["streams"]} == {"yard"})
        assert PASSWORD not in recorder.errors()


def test_a_device_that_speaks_onvif_is_found_by_its_address_alone(
    tmp_path: Path, footage: Path, transactional_db: None
) -> None:
    manager = person_with(Action.CHANGE_CAMERAS)
    client = signed_in(manager)
    locked = {"user": "admin", "password": PASSWORD, "auth": "digest"}
    told = {"maker": "Acme", "model": "Dome 4", "firmware": "2.1", "serial_number": "A-77", "profiles": ("main", "sub")}
    main: dict[str, Any] = {"path": "main", "onvif": told, **locked}
    with cameras(main, {"path": "sub", **locked}) as simulator, waiting_recorder(tmp_path) as recorder:
        recorder.wait_health(lambda health: True)
        camera = add_camera(client, camera_form(site_in(), manager))
        port = str(simulator.camera("main").onvif_port)
        form = device_form(camera.version, username="admin", password=PASSWORD, onvif_port=port, act="look")
        answer = client.post(f"/cameras/{camera.pk}/device", form, follow=True)
        page = text_of(answer)
        assert "Acme Dome 4" in page, faults(answer)
        assert PASSWORD not in page
        here = answer.redirect_chain[-1][0]
        assert client.get(f"{here}/0.mp4").content[4:8] == b"ftyp"
        choice = {"act": "save", "version": str(camera.version), "main": "0", "sub": "1"}
        assert "saved with its streams" in text_of(client.post(here, choice, follow=True))
        streams = camera.installations.get().streams.all()
        assert [each.url for each in streams] == [simulator.url("main"), simulator.url("sub")]
        assert str(camera.installations.get().device) == "Acme Dome 4"


def test_a_recorder_that_was_away_gets_what_changed_meanwhile(tmp_path: Path, footage: Path, assigner: None) -> None:
    client = signed_in(person_with(Action.CHANGE_CAMERAS))
    with cameras("door") as simulator:
        door = live_camera(client, simulator, "door")
        eventually(lambda: RecorderAssignment.objects.get().problem)
        page = text_of(client.get(f"/cameras/{door.pk}"))
        assert "not yet with the recorder, since" in page
        assert "no recorder answers" in page
        with waiting_recorder(tmp_path) as recorder:
            recorder.wait_recording("door")
            eventually(lambda: RecorderAssignment.objects.get().waiting_since is None)
            assert RecorderAssignment.objects.get().problem == ""


# --- with a recorder that is a small server ---------------------------------------------------------------------------


class Told:
    """Stands for the recorder's socket: has a revision, takes or refuses assignments as the recorder does."""

    def __init__(self, revision: int, cameras: list[Any] | None = None) -> None:
        self.revision, self.cameras = revision, cameras
        self.puts: list[dict[str, Any]] = []

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None, *, timeout_s: float = 5) -> Any:
        if method == "GET":
            return {"revision": self.revision}
        same = body["revision"] == self.revision and body["cameras"] == self.cameras
        if body["revision"] <= self.revision and not same:
            raise assigning.ConflictError("not newer")
        self.puts.append(body)
        self.revision, self.cameras = body["revision"], body["cameras"]
        return {"revision": self.revision}


def with_client(told: Told) -> assigning.Assigner:
    assigner = assigning.Assigner(Path("/nowhere"), LOOPBACK)
    assigner._client = told  # type: ignore[assignment]
    return assigner


@pytest.mark.django_db
def test_a_database_that_was_restored_goes_past_the_recorder() -> None:
    told = Told(41)
    assigner = with_client(told)
    assigner.bring_up_to_date()
    assert told.revision == 42
    assert revisions.in_step(revisions.state_of())
    assigner.bring_up_to_date()
    assert len(told.puts) == 1


@pytest.mark.django_db
def test_another_assignment_under_our_number_is_replaced() -> None:
    revisions.changed()
    told = Told(1, cameras=["another"])
    with_client(told).bring_up_to_date()
    assert (told.revision, told.cameras) == (2, [])


@pytest.mark.django_db
def test_a_recorder_that_takes_its_cameras_from_a_file_is_not_raced() -> None:
    class FromFile(Told):
        def ask(self, method: str, path: str, body: Any = None, *, timeout_s: float = 5) -> Any:
            if method == "GET":
                return {"revision": self.revision}
            raise assigning.ConflictError("the cameras of this recorder are named in x.toml")

    assigner = with_client(FromFile(1))
    for _ in range(3):
        with pytest.raises(assigning.ConflictError, match="named in"):
            assigner.bring_up_to_date()
    assert revisions.state_of().revision == 2


@pytest.mark.django_db
def test_a_change_during_the_putting_is_put_next() -> None:
    class Slow(Told):
        def ask(self, method: str, path: str, body: Any = None, *, timeout_s: float = 5) -> Any:
            if method == "PUT" and not self.puts:
                revisions.changed()
            return super().ask(method, path, body)

    told = Slow(0)
    assigner = with_client(told)
    revisions.changed()
    assigner.bring_up_to_date()
    assert not revisions.in_step(revisions.state_of())
    assigner.bring_up_to_date()
    assert revisions.in_step(revisions.state_of())
    assert [each["revision"] for each in told.puts] == [1, 2]


@pytest.mark.django_db
def test_a_defect_of_ours_ends_no_thread_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(0)
    assigner = with_client(told)
    revisions.changed()
    with monkeypatch.context() as broken:
        broken.setattr(assigning, "recorded_by", lambda recorder: 1 // 0)
        assert 0 < assigner.round() < assigning.LOOK_S
    assert "log says why" in revisions.state_of().problem
    assert assigner.round() == assigning.LOOK_S
    assert revisions.in_step(revisions.state_of())


def test_more_cameras_than_a_recorder_takes_are_left_out_and_said() -> None:
    rows = [row(f"camera-{number}") for number in range(MAX_CAMERAS + 2)]
    made, left_out = assignment_of(1, rows, fine)
    assert len(made.cameras) == MAX_CAMERAS
    assert len(left_out) == 2


@pytest.mark.django_db
def test_a_camera_that_is_left_out_says_so_on_its_page() -> None:
    site = site_in()
    camera = camera_at(site, "door", state=Camera.State.RECORDING)
    with_client(Told(0)).bring_up_to_date()
    page = text_of(signed_in(person_with(Action.LIVE)).get(f"/cameras/{camera.pk}"))
    assert "no device hangs there" in page
    assert json.dumps(revisions.state_of().left_out) == '{"door": "no device hangs there"}'

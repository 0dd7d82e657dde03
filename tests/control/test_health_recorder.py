"""A real recorder on simulated cameras, read as the control room reads it: what happens there is said here."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.utils import timezone

from control_rig import camera_at, person_with, signed_in, site_in
from health_rig import read_until, standing
from mounts import mounted
from overt.contract.socket_client import SocketClient
from overt.control.estate.models import Camera
from overt.control.health import conditions
from overt.control.health.alerting import speak
from overt.control.health.models import AlertRule, Assigned, Condition, Event, Gap, Message, Recorder, StreamNow
from overt.control.health.overview import uptimes
from overt.control.health.reading import Reading
from overt.control.health.rules import save_rule
from overt.control.people.actions import Action
from overt.control.people.rights import Rights
from overt.simulator.simulator import Simulator
from recorder_rig import Recorder as RunningRecorder
from recorder_rig import addresses, cameras, make_site, toml_of

NAMES = ("market", "street", "library", "stairs")
pytestmark = pytest.mark.django_db


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory with a short name: the path of a Unix socket in it is limited."""
    with TemporaryDirectory(prefix="ov") as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "LOST_AFTER_S", 1.0)  # or each loss takes a quarter of a minute here
    site = site_in()
    for name in NAMES:
        camera_at(site, name)


def kinds() -> set[tuple[str, str]]:
    return set(standing())


def a_switch_dies(simulator: Simulator, recorder: RunningRecorder) -> None:
    """All cameras are gone at once, and come back: one alert each."""
    rule = AlertRule(name="Duty", channel="email", delay_s=0)
    save_rule(rule, Rights(frozenset({Action.CHANGE_CAMERAS})), address="duty@northshire.example", secret=None)
    for camera in simulator:
        camera.stop_listening()
        camera.kill_sessions()
    read_until(recorder, lambda: kinds() == {("camera-lost", f"camera:{name}") for name in NAMES})
    assert speak(timezone.now()) == 1
    assert speak(timezone.now()) == 0
    assert Message.objects.get().subject == "4 cameras lost at Market Hall"
    for camera in simulator:
        camera.listen_again()
    read_until(recorder, lambda: not kinds())
    assert speak(timezone.now()) == 1
    assert Message.objects.latest("pk").subject == "All 4 cameras back at Market Hall"


def test_what_happens_to_a_recorder_is_said_and_said_to_be_over(folder: Path) -> None:
    site = make_site(folder)
    with cameras(*NAMES) as simulator:
        with RunningRecorder(site, addresses(simulator)) as recorder:
            recorder.wait_recording()
            read_until(recorder, lambda: Assigned.objects.filter(until=None).count() == len(NAMES) and not kinds())
            row = Recorder.objects.get()
            assert (row.away_since, row.summary["recorded"], row.summary["cameras"]) == (None, 4, 4)
            assert row.cursor > 0

            simulator.camera("market").fault("stall")
            gap = Gap.objects.filter(camera="market", stream="main", end=None)
            read_until(recorder, lambda: ("no-frames", "camera:market") in kinds() and gap.exists())
            said = standing()["no-frames", "camera:market"]
            assert said.title == "Market sends no pictures"
            assert said.words.startswith(
                "It is connected and sends no pictures. It is not recorded. The recorder says:"
            )
            assert gap.get().cause == "camera"
            page = signed_in(person_with(Action.LIVE)).get("/health", secure=True).content.decode()
            assert "Market sends no pictures" in page
            assert "Restart the camera" in page

            simulator.camera("market").clear()
            read_until(recorder, lambda: not kinds() and not Gap.objects.filter(end=None).exists())
            ended = Condition.objects.get(kind="no-frames")
            assert ended.until is not None
            assert ended.until > ended.since

            a_switch_dies(simulator, recorder)

            os.kill(next(iter(recorder.workers().values())), signal.SIGKILL)
            read_until(recorder, lambda: any(kind == "worker-restarted" for kind, _ in kinds()))
            recorder.wait_recording()
            read_until(recorder, lambda: {kind for kind, _ in kinds()} == {"worker-restarted"})
            said = next(iter(standing().values()))
            assert said.words.startswith("It ended unasked once within an hour, and was started again.")
            Event.objects.all().delete()  # as an hour later
            read_until(recorder, lambda: not kinds())

        reading = Reading(SocketClient(recorder.socket_path))
        reading.round()
        away = Recorder.objects.get().away_since
        assert away is not None
        Recorder.objects.update(away_since=away - dt.timedelta(minutes=1))
        reading.round()
        assert kinds() == {("recorder-away", "recorder:local")}
        page = signed_in(person_with(Action.INSPECT, name="Sam Hill")).get("/health", secure=True).content.decode()
        assert "The recorder has not answered since" in page

        with RunningRecorder(site, addresses(simulator)) as again:
            again.wait_recording()
            read_until(again, lambda: not kinds() and Gap.objects.filter(cause="stopped", end__gt=away).count() == 4)
            camera = Camera.objects.get(key="stairs")
            found = uptimes([camera], timezone.localdate(), 1, timezone.now())["stairs"]
            assert 0 < found.missing_s < found.wanted_s
            assert StreamNow.objects.get(camera="stairs", stream="main").state == "recording"


@pytest.mark.peer
def test_a_disk_that_is_full_is_said_and_said_to_be_over(folder: Path) -> None:
    with mounted(folder / "disk", "40m") as disk, cameras("market") as simulator:
        inside = make_site(folder, footage=disk.path / "f")
        config = folder / "overt.toml"
        config.write_text(toml_of(addresses(simulator), recorder=f"min_free = {8 << 20}"))
        socket = disk.seen(inside.footage) / "recorder.sock"
        with RunningRecorder(inside, config, prefix=disk.prefix, socket_path=socket, workers=1) as recorder:
            recorder.wait_recording()
            ballast = disk.fill(leaving=4 << 20)
            read_until(recorder, lambda: {kind for kind, _ in kinds()} == {"disk-full", "recording-gap"}, 60)
            said = {kind: row for (kind, _), row in standing().items()}
            assert said["disk-full"].title.endswith(" is full")
            assert "cause: disk" in said["recording-gap"].words
            told = signed_in(person_with(Action.LIVE)).get("/health", secure=True).content.decode()
            assert "Make room, add a storage location, or shorten retention." in told
            assert "It is full" in told
            ballast.unlink()
            read_until(recorder, lambda: not kinds())

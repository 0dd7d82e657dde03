"""The media process: started, watched, replaced when it dies, told to stop; and what the program says of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from media_rig import PERIOD, ROOT, ControlRoom, end_of, may, records_of
from overt.contract.assignment import Assignment
from overt.contract.fact import Fact
from overt.contract.grant import to_text
from overt.errors import InvalidError, UnavailableError
from overt.footage.options import StoreOptions
from overt.footage.store import FootageStore
from overt.media.initialisation import initialisation_segment
from overt.media.records import MEDIA_TYPE, RecordKind, RecordParser
from overt.recorder.configuration import Configuration, ConfigurationSource, RecorderSettings
from overt.recorder.health import MediaHealth, RecorderHealth
from overt.recorder.media_plane.host import MediaHost
from overt.recorder.media_plane.live_socket import PROTOCOL, TOKEN_PREFIX
from overt.recorder.media_plane.process import CONTROL_SOCKET, LIVE_SOCKET
from overt.recorder.preparation import prepare
from overt.recorder.program import RecorderProgram
from overt.recorder.status import assess
from overt.recorder.time_zone import system_time_zone
from overt.sealing.recipients_file import read_recipients
from overt.sealing.roles import Recipients
from recorder_rig import Recorder, Site, addresses, cameras, make_site, toml_of

LIMIT_S = 60.0


@pytest.fixture(name="site")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(tmp_path_factory.mktemp("m"))


@pytest.fixture(name="room")
def _room(site: Site) -> ControlRoom:
    return ControlRoom(read_recipients(site.recipients).site_id)


def settings_of(site: Site, room: ControlRoom, **more: Any) -> RecorderSettings:
    settings = RecorderSettings(
        footage=site.footage,
        recipients=site.recipients,
        listen="off",
        media_listen="127.0.0.1:0",
        grant_keys=(room.public_key,),
        **more,
    )
    return prepare(settings)


@pytest.fixture(name="host")
def _host(site: Site, room: ControlRoom) -> Iterator[MediaHost]:
    settings = settings_of(site, room, time_zone="Europe/London")
    options = StoreOptions(min_free_bytes=0, compare_at_start=False)
    store = FootageStore(
        site.footage, read_recipients(site.recipients), initialisation=initialisation_segment, options=options
    )
    host = MediaHost(settings)
    host.start()
    wait(host, lambda health: health.state == "running")
    yield host
    host.stop(10)
    store.close(5)


def wait(host: MediaHost, condition: Callable[[MediaHealth], bool]) -> MediaHealth:
    deadline = time.monotonic() + LIMIT_S
    while not condition(health := host.health()):
        assert time.monotonic() < deadline, health
        time.sleep(0.02)
    return health


def over_socket(site: Site, method: str, path: str, **more: Any) -> httpx.Response:
    transport = httpx.HTTPTransport(uds=str(site.footage / CONTROL_SOCKET))
    with httpx.Client(transport=transport, base_url="http://media", timeout=60) as client:
        return client.request(method, path, **more)


def asked(host: MediaHost, method: str, path: str, **more: Any) -> httpx.Response:
    with httpx.Client(timeout=60) as client:
        return client.request(method, f"http://{host.listening}{path}", **more)


def test_it_serves_and_survives_its_death(site: Site, room: ControlRoom, host: MediaHost) -> None:
    ticket, first, second = (os.urandom(32) for _ in range(3))
    grant = room.grant(may("front"), ticket=ticket)
    body = {"grant": grant.to_token(room.key), "periods": [{"period": str(PERIOD), "root": to_text(ROOT)}]}
    assert over_socket(site, "PUT", f"/grants/{grant.id}", json=body).status_code == 204
    bearer = {"ticket": to_text(ticket), "secret": to_text(first)}
    opened = asked(host, "POST", "/session", json=bearer)
    assert (opened.status_code, opened.json()["time_zone"]) == (201, "Europe/London")
    token = {"authorization": f"Bearer {opened.json()['token']}"}
    assert asked(host, "GET", "/cameras", headers=token).json()["cameras"] == [
        {"camera": "front", "rights": ["live"], "streams": []}
    ]
    assert over_socket(site, "GET", "/status").json()["sessions"] == 1
    wait(host, lambda health: health.sessions == 1)
    for name in (CONTROL_SOCKET, LIVE_SOCKET):
        assert stat.S_IMODE((site.footage / name).stat().st_mode) == 0o600

    before = host.health()
    os.kill(before.pid, signal.SIGKILL)
    after = wait(host, lambda health: health.state == "running" and health.restarts == 1)
    assert (after.listening, after.pid != before.pid) == (before.listening, True)
    assert asked(host, "GET", "/session", headers=token).status_code == 401
    assert asked(host, "POST", "/session", json=bearer).status_code == 503, "until the control room has come"
    assert over_socket(site, "PUT", f"/grants/{grant.id}", json=body).status_code == 204
    other = bearer | {"secret": to_text(second)}
    assert asked(host, "POST", "/session", json=other).status_code == 403
    assert asked(host, "POST", "/session", json=bearer).status_code == 201

    environment = Path(f"/proc/{after.pid}/cmdline").read_bytes()
    assert room.public_key.encode() not in environment


def test_it_stops_when_it_is_told(site: Site, room: ControlRoom) -> None:
    settings = settings_of(site, room)
    host = MediaHost(settings)
    host.start()
    running = wait(host, lambda health: health.state == "running")
    began = time.monotonic()
    host.stop(60)
    assert time.monotonic() - began < 55, "it was killed"
    assert host.health().state == "stopped"
    assert not Path(f"/proc/{running.pid}").exists()
    assert not (site.footage / CONTROL_SOCKET).exists()
    with pytest.raises(httpx.ConnectError):
        asked(host, "GET", "/health")


def test_it_ends_with_the_program_that_started_it(site: Site, room: ControlRoom, host: MediaHost) -> None:
    process = host._process
    assert process is not None
    # As the end of this program would: here, who watches the process still holds the other direction.
    with socket.fromfd(process.pipe.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as ours:
        ours.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + LIMIT_S
    while process._process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process._process.returncode == 0


def test_one_that_hangs_is_said_to_be_silent_and_recording_is_not(host: MediaHost) -> None:
    os.kill(host.health().pid, signal.SIGSTOP)
    silent = wait(host, lambda health: health.state == "silent")
    health = assess(RecorderHealth(time_ns=1, started_ns=1, revision=1, media=silent))
    assert (health.level, health.sentences) == (
        "degraded",
        ["The media process is silent: nobody can watch for now; recording is not affected."],
    )
    os.kill(silent.pid, signal.SIGCONT)
    wait(host, lambda health: health.state == "running")


class NoCapture:
    """A capture of nothing."""

    def start(self) -> None:
        pass

    def apply(self, assignment: Assignment) -> None:
        pass

    def seal_to(self, recipients: Recipients) -> None:
        pass

    def health(self) -> RecorderHealth:
        return RecorderHealth(time_ns=1, started_ns=1, revision=1)

    def stop(self, timeout_s: float) -> None:
        pass

    def on_fact(self, callback: Callable[[Fact], None]) -> None:
        pass


def program(settings: RecorderSettings) -> RecorderProgram:
    source = ConfigurationSource(overrides=tuple((name, getattr(settings, name)) for name in settings.model_fields_set))
    return RecorderProgram(source, Configuration(settings, Assignment(revision=1)), lambda _: NoCapture())


def test_the_program_runs_it_and_says_how_it_fares(site: Site, room: ControlRoom) -> None:
    running = program(settings_of(site, room))
    running.start()
    try:
        deadline = time.monotonic() + LIMIT_S
        while (media := running.health().media).state != "running":
            assert time.monotonic() < deadline, media
            time.sleep(0.02)
        assert media.listening == running.media_listening
        assert httpx.get(f"http://{running.media_listening}/health").status_code == 200
        again = program(settings_of(site, room).model_copy(update={"media_listen": running.media_listening}))
        with pytest.raises(UnavailableError, match="another"):
            again.start()
        again.stop()
    finally:
        running.stop()
    assert running.health().media.state == "stopped"


@pytest.mark.parametrize("off", [{"grant_keys": ()}, {"media_listen": ""}])
def test_without_keys_or_address_there_is_none(site: Site, room: ControlRoom, off: dict[str, Any]) -> None:
    running = program(settings_of(site, room).model_copy(update=off))
    running.start()
    try:
        assert (running.health().media.state, running.media_listening) == ("off", "")
        assert not (site.footage / CONTROL_SOCKET).exists()
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("media_listen", "9471", "HOST:PORT"),
        ("media_listen", "off", "HOST:PORT"),
        ("grant_keys", ["AAAA"], "32 bytes"),
        ("grant_keys", "x" * 43, "tuple"),
        ("media_origins", ["https://cctv.example.org/path"], "origins"),
        ("media_origins", ["*"], "origins"),
        ("media_origins", ["https://user@cctv.example.org"], "origins"),
        ("ring_s", 5, "10"),
        ("ring_s", float("nan"), "number"),
        ("time_zone", "Mars/Olympus", "IANA"),
        ("time_zone", "../../etc/passwd", "IANA"),
    ],
)
def test_settings_that_would_not_do(tmp_path: Path, key: str, value: object, says: str) -> None:
    source = ConfigurationSource(overrides=(("footage", tmp_path), (key, value)))
    with pytest.raises(InvalidError, match=says) as refusal:
        source.load()
    assert key in str(refusal.value)


def test_the_machines_time_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    link = tmp_path / "localtime"
    assert system_time_zone(link) == "Europe/London"
    for target, zone in (
        ("/usr/share/zoneinfo/Europe/Paris", "Europe/Paris"),
        ("../usr/share/zoneinfo/Etc/UTC", "Etc/UTC"),
        ("/usr/share/zoneinfo/No/Where", "Europe/London"),
        ("/etc/somewhere", "Europe/London"),
    ):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert system_time_zone(link) == zone
    monkeypatch.setenv("TZ", ":America/New_York")
    assert system_time_zone(link) == "America/New_York"


def test_a_camera_is_watched_and_replayed_through_the_whole_recorder(site: Site, room: ControlRoom) -> None:
    with cameras("front") as simulator:
        urls = addresses(simulator)
        file = site.folder / "overt.toml"
        more = f'media_listen = "127.0.0.1:0"\ngrant_keys = ["{room.public_key}"]'
        file.write_text(toml_of(urls, recorder=more))
        with Recorder(site, file, workers=1) as recorder:
            recorder.wait_recording()
            health = recorder.wait_health(lambda health: health["media"]["state"] == "running")
            asyncio.run(watched_and_replayed(site, room, health["media"]["listening"]))
            assert recorder.stop() == 0
        assert "Traceback" not in recorder.errors()


async def watched_and_replayed(site: Site, room: ControlRoom, listening: str) -> None:
    secret = os.urandom(32)
    grant = room.grant(may("front"), secret=secret)
    body = {"grant": grant.to_token(room.key), "secret": to_text(secret)}
    async with httpx.AsyncClient(base_url=f"http://{listening}", timeout=60) as client:
        token = (await client.post("/session", json=body)).json()["token"]
        headers = {"authorization": f"Bearer {token}"}
        async with asyncio.timeout(LIMIT_S):
            while not (await client.get("/cameras", headers=headers)).json()["cameras"][0]["streams"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        protocols = [Subprotocol(PROTOCOL), Subprotocol(f"{TOKEN_PREFIX}{token}")]
        address, parser, kinds = f"ws://{listening}/cameras/front/main/live", RecordParser(), list[int]()
        async with asyncio.timeout(LIMIT_S), connect(address, subprotocols=protocols, proxy=None) as live:
            while kinds.count(RecordKind.FRAGMENT) < 5:
                kinds += [each.kind for each in parser.feed(await live.recv())]
            configuration, fragment = kinds.index(RecordKind.CONFIGURATION), kinds.index(RecordKind.FRAGMENT)
            assert configuration < fragment
            (camera,) = (await client.get("/cameras", headers=headers)).json()["cameras"]
            assert camera["streams"][0]["state"] == "recording"
            now = (await client.get("/session", headers=headers)).json()["now_us"] * 1000
            span = {"from": now - 2_000_000_000, "to": now}
            answer = await client.get("/cameras/front/main/fragments", headers=headers, params=span)
            assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPE), answer.text
            found = records_of(answer.content)
            assert found.count(RecordKind.FRAGMENT) >= 2, "the ring opens what was recorded a moment ago"
            assert found[-1] == RecordKind.END
            transport = httpx.AsyncHTTPTransport(uds=str(site.footage / CONTROL_SOCKET))
            async with httpx.AsyncClient(transport=transport, base_url="http://media") as control:
                assert (await control.get("/status")).json()["streams_watched"] == 1
                assert (await control.delete(f"/grants/{grant.id}")).status_code == 204
            assert (await end_of(live))[0] == 4403

"""POST /probes on real sockets: simulated cameras are found, and what does not suit is told."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import av
import httpx
import pytest

from overt.contract.socket_client import PROBE_TIMEOUT_S, SocketClient
from overt.errors import InvalidError, UnavailableError
from overt.recorder.http import application
from overt.recorder.probing import prober, process
from overt.recorder.probing.prober import AT_ONCE, Prober, ProbesBusyError
from overt.recorder.probing.process import WHOLE_S, probe
from overt.recorder.probing.request import ProbeRequest
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator
from ports import free_port
from recorder_rig import Recorder, make_site

FOOTAGE = Path(__file__).parents[1] / "footage"
SECRET = "hush-hush"
H264, H265 = "axis_test_h264.mp4", "axis_test_h265.mp4"


def camera(path: str, source: str = H264, **more: Any) -> dict[str, Any]:
    clock = {"interval_s": 0.5} | more.pop("clock", {})
    login = {"user": "viewer", "password": SECRET, "auth": "digest-md5"}
    return {"path": path, "source": str(FOOTAGE / source), "clock": clock} | login | more


@contextlib.contextmanager
def simulated(*cameras: dict[str, Any]) -> Iterator[Simulator]:
    with Simulator(Persona.model_validate({"cameras": cameras})) as simulator:
        yield simulator


def request(**fields: Any) -> ProbeRequest:
    login = {"host": "127.0.0.1", "username": "viewer", "password": SECRET}
    return ProbeRequest.from_json(json.dumps(login | fields).encode())


def asked(**fields: Any) -> dict[str, Any]:
    """Probe in this process, which takes less time than to start another."""
    told = probe(request(**fields))
    assert SECRET not in json.dumps(told)
    return told


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_camera_is_found_by_its_onvif_port_alone_and_shows_a_picture() -> None:
    onvif = {"maker": "Harrowby", "model": "HB-1", "firmware": "2", "serial_number": "7", "profiles": ["a", "a/sub"]}
    clock = {"offset_s": -37.0}
    with simulated(camera("a", onvif=onvif, clock=clock), camera("a/sub", H265, clock=clock)) as simulator:
        told = Prober().probe(request(onvif_port=simulator.camera("a").onvif_port))
        assert SECRET not in json.dumps(told)
        urls = [simulator.url("a"), simulator.url("a/sub")]
        unauthorised = [simulator.camera(path).statistics().unauthorised for path in ("a", "a/sub")]
    found = told["onvif"]
    assert {name: found[name] for name in ("maker", "model", "firmware", "serial_number")} == {
        "maker": "Harrowby",
        "model": "HB-1",
        "firmware": "2",
        "serial_number": "7",
    }
    assert found["clock_offset_s"] == pytest.approx(-37, abs=2)
    assert [each["url"] for each in found["profiles"]] == urls
    assert (found["profiles"][0]["gop"], found["profiles"][1]["codec"]) == (51, "h265")
    main, sub = told["streams"]
    assert [main["url"], sub["url"]] == urls
    assert (main["codec"], main["codecs"][:5], main["width"], main["height"]) == ("h264", "avc1.", 480, 640)
    assert (sub["codec"], sub["codecs"][:5]) == ("h265", "hvc1."), "a substream in H.265 is told"
    assert 24.9 < main["fps"] < 28.1, "what any two seconds of the source have, some of whose frames share a moment"
    assert main["gop_s"] == pytest.approx(51 / 25.6, abs=0.7)  # the source has some longer and some shorter
    assert main["gop_is_least"] is False
    assert main["bitrate_bps"] > 100_000
    assert main["clock_offset_s"] == pytest.approx(-37, abs=1)
    assert told["errors"] == []
    assert unauthorised == [1, 1], "the first request of each session, which carries no password"
    for stream in (main, sub):
        with av.open(io.BytesIO(base64.b64decode(stream["picture"]))) as film:
            frames = list(film.decode(video=0))
        assert [(frame.width, frame.height) for frame in frames] == [(stream["width"], stream["height"])]


def test_a_wrong_password_is_told_and_is_not_tried_at_every_address() -> None:
    onvif = {"maker": "Harrowby"}
    with simulated(camera("a", onvif=onvif), camera("b")) as simulator:
        one = simulator.camera("a")
        told = asked(password="wrong-password", onvif_port=one.onvif_port, rtsp_port=one.port)
        assert told["streams"] == []
        assert told["onvif"]["clock_offset_s"] is not None
        assert "refuses the user name or password for ONVIF" in told["errors"][0]
        assert "refused the user name or password" in told["errors"][1]
        assert "wrong-password" not in json.dumps(told)
        assert one.onvif_questions().count("refused") == 1
        # The request without a password, and the one that shows it.
        assert one.statistics().unauthorised == 2

        urls = [simulator.url("a"), simulator.url("b")]
        told = asked(password="wrong-password", onvif_port=one.onvif_port, urls=urls)
        assert "refused the user name or password" in told["streams"][0]["error"]
        assert "not tried" in told["streams"][1]["error"]
        assert simulator.camera("b").statistics().connections == 0


def test_a_silent_port_and_a_closed_one_are_told_and_hold_up_no_other() -> None:
    began = time.monotonic()
    with simulated(camera("a")) as simulator, silent_port() as silent:
        urls = [f"rtsp://127.0.0.1:{silent}/x", f"rtsp://127.0.0.1:{free_port()}/x", simulator.url("a")]
        told = asked(onvif_port=silent, urls=urls)
    assert time.monotonic() - began < WHOLE_S + 1
    quiet, closed, good = told["streams"]
    assert "does not answer" in quiet["error"]
    assert "refused the connection" in closed["error"]
    assert (good["error"], good["picture"] is None, good["audio"]) == (None, False, None)
    assert "ONVIF" in told["errors"][0]
    assert told["onvif"] is None


def test_a_long_distance_of_keyframes_is_told_as_at_least_what_was_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WHOLE_S", 7.0)
    with simulated(camera("a", speed=0.15, audio="pcma")) as simulator:
        told = asked(onvif_port=free_port(), urls=[simulator.url("a")])
    (stream,) = told["streams"]
    assert stream["gop_is_least"] is True
    assert stream["gop_s"] > 3
    assert 3.7 < stream["fps"] < 8, "as slow as it is sent"
    assert stream["audio"] == "PCMA"
    assert stream["picture"] is not None


def test_well_known_addresses_are_tried_where_nothing_names_one() -> None:
    path = "cam/realmonitor?channel=1&subtype=0"
    with simulated(camera(path)) as simulator:
        port = simulator.camera(path).port
        told = asked(onvif_port=free_port(), rtsp_port=port)
        connections = simulator.camera(path).statistics().connections
    assert [each["url"] for each in told["streams"]] == [f"rtsp://127.0.0.1:{port}/{path}"]
    assert told["streams"][0]["picture"] is not None
    assert connections <= 8, "other makers' are left out once one shows a picture"


def test_where_nobody_listens_well_known_addresses_are_not_all_tried() -> None:
    told = asked(onvif_port=free_port(), rtsp_port=free_port())
    assert told["streams"] == []
    assert "none of the well-known addresses" in told["errors"][1]
    assert "refused the connection" in told["errors"][1]


def test_a_camera_that_sends_by_udp_alone_is_found() -> None:
    with simulated(camera("a", transport=["udp"])) as simulator:
        told = asked(onvif_port=free_port(), urls=[simulator.url("a")])
    (stream,) = told["streams"]
    assert (stream["error"], stream["codec"], stream["picture"] is None) == (None, "h264", False)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "html"}, ""),
        ({"kind": "endless_headers"}, ""),
        ({"kind": "redirect", "to": "rtsp://169.254.169.254/x"}, "redirects"),
        ({"kind": "answer", "method": "DESCRIBE", "status": 503}, "503"),
        ({"kind": "die"}, ""),
        ({"kind": "stall"}, "sends no frames"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_cameras_that_misbehave_are_errors_in_words(fault: dict[str, Any], says: str) -> None:
    repeated = fault | ({"every_s": 0.2, "at_s": 0.1} if fault["kind"] == "die" else {})
    with simulated(camera("a", faults=[repeated])) as simulator:
        told = asked(onvif_port=free_port(), urls=[simulator.url("a")])
    (stream,) = told["streams"]
    assert isinstance(stream["error"], str)
    assert says in stream["error"]
    assert "Traceback" not in stream["error"]


def test_no_more_than_two_at_once_and_a_stopping_recorder_ends_them() -> None:
    running = Prober()
    with silent_port() as silent, ThreadPoolExecutor(AT_ONCE) as pool:
        fields = {"onvif_port": silent, "urls": [f"rtsp://127.0.0.1:{silent}/x"]}
        futures = [pool.submit(running.probe, request(**fields)) for _ in range(AT_ONCE)]
        deadline = time.monotonic() + 60
        while len(running._running) < AT_ONCE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for child in list(running._running):
            assert SECRET.encode() not in Path(f"/proc/{child.pid}/cmdline").read_bytes()
            assert SECRET.encode() not in Path(f"/proc/{child.pid}/environ").read_bytes()
        with pytest.raises(ProbesBusyError, match="already") as refusal:
            running.probe(request())
        assert refusal.value.http_status == 429
        running.close()
        for future in futures:
            with pytest.raises(UnavailableError, match="without an answer"):
                future.result(60)
    with pytest.raises(UnavailableError, match="stopping"):
        running.probe(request())
    assert running._places == AT_ONCE


def test_a_probe_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "TIMEOUT_S", 0.2)
    with pytest.raises(UnavailableError, match="did not end within"):
        Prober().probe(request())


def test_the_http_says_what_is_refused_and_that_others_run() -> None:
    class Busy:
        def probe(self, request: ProbeRequest) -> dict[str, Any]:
            raise ProbesBusyError("2 cameras are being probed already")

    app = application(None, None, writable=True, probes=Busy())  # type: ignore[arg-type]
    answers: list[httpx.Response] = []

    def ask(body: bytes) -> None:
        async def scene() -> None:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://recorder") as client:
                answers.append(await client.post("/probes", content=body))

        anyio.run(scene)

    ask(json.dumps({"host": "192.0.2.7"}).encode())
    ask(json.dumps({"host": "192.0.2.7", "username": "u", "password": SECRET, "oops": 1}).encode())
    ask(b"x" * 100_000)
    assert [answer.status_code for answer in answers] == [429, 400, 400]
    assert SECRET not in answers[1].text


def test_probing_a_camera_does_not_disturb_its_recording(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with simulated(camera("a", onvif={"maker": "Harrowby"})) as simulator:
        url = simulator.url("a", credentials=True)
        with Recorder(site, {"a": url}, workers=1) as recorder:
            before = recorder.wait_recording("a")["streams"][0]
            client = SocketClient(recorder.socket_path)
            body = {"host": "127.0.0.1", "username": "viewer", "password": SECRET, "rtsp_port": 554, "urls": []}
            body |= {"onvif_port": simulator.camera("a").onvif_port}
            told: list[Any] = []
            threads = [
                threading.Thread(
                    target=lambda: told.append(client.ask("POST", "/probes", body, timeout_s=PROBE_TIMEOUT_S))
                )
                for _ in range(AT_ONCE)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert [each["streams"][0]["error"] for each in told] == [None, None]
            with pytest.raises(InvalidError):
                client.ask("POST", "/probes", body | {"host": "not a host"})
            after = recorder.stream("a")
            assert after["state"] == "recording"
            assert after["frames"] > before["frames"]
            assert (after["reconnects"], after["lost_packets"], after["gaps"]) == (0, 0, {})
            assert recorder.stop() == 0
        assert SECRET not in recorder.errors()

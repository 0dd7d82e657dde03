"""Asking a device: simulated ones of every kind, scripted ones that misbehave."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from overt.devices import onvif
from overt.devices.onvif import DEVICE_PATH, MEDIA1, MEDIA2, DeviceInformation, OnvifDevice, Place, Profile
from overt.devices.soap import MAX_ANSWER, NotAnsweredError
from overt.errors import ForbiddenError, InvalidError, UnavailableError
from overt.media.rtsp.auth import Credentials
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator
from ports import free_port

REPLIES = Path(__file__).parents[1] / "transcripts" / "onvif"
FOOTAGE = Path(__file__).parents[1] / "footage"
LOGIN = Credentials("viewer", "hush-hush")
WRONG = Credentials("viewer", "wrong-password")


def device(port: int, credentials: Credentials | None = LOGIN, *, seconds: float = 10, **more: Any) -> OnvifDevice:
    return OnvifDevice(Place("127.0.0.1", port), credentials, deadline_s=time.monotonic() + seconds, **more)


@contextlib.contextmanager
def simulated(**onvif_fields: Any) -> Iterator[Simulator]:
    clock = onvif_fields.pop("clock", {})
    main = {
        "path": "front",
        "title": "Front door",
        "source": str(FOOTAGE / "axis_test_h264.mp4"),
        "user": "viewer",
        "password": "hush-hush",
        "auth": "digest-md5",
        "clock": clock,
        "onvif": {"maker": "Harrowby", "model": "HB-1", "firmware": "2.1", "serial_number": "77"} | onvif_fields,
    }
    sub = main | {"path": "front/sub", "title": "Sub", "source": str(FOOTAGE / "axis_test_h265.mp4"), "onvif": None}
    with Simulator(Persona.model_validate({"cameras": [main, sub]})) as simulator:
        yield simulator


def port_of(simulator: Simulator) -> int:
    port = simulator.camera("front").onvif_port
    assert port is not None
    return port


# --- simulated devices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["token", "digest"])
@pytest.mark.parametrize("media", [["media1", "media2"], ["media1"], ["media2"]])
def test_a_device_says_what_it_is_and_where_its_streams_are(auth: str, media: list[str]) -> None:
    with simulated(auth=auth, media=media, profiles=["front", "front/sub"]) as simulator:
        with device(port_of(simulator)) as asked:
            offset = asked.clock_offset_s()
            assert offset is not None
            assert abs(offset) < 2
            assert asked.information() == DeviceInformation("Harrowby", "HB-1", "2.1", "77")
            paths = asked.media_paths()
            namespace, profiles = asked.profiles(paths)
            assert namespace == (MEDIA2 if "media2" in media else MEDIA1)
            urls = [asked.stream_url(namespace, paths[namespace], each) for each in profiles]
        expected = ["front", "front/sub"] if "media2" in media else ["front"]
        assert urls == [simulator.url(path) for path in expected]
        assert profiles[0] == Profile("p0", "Front door", 480, 640, "h264", 26, 51)
        assert [each.codec for each in profiles] == ["h264", "h265"][: len(profiles)]
        assert "refused" not in simulator.camera("front").onvif_questions()[-2:]


@pytest.mark.parametrize("auth", ["token", "digest"])
def test_a_wrong_password_is_told_and_shown_once(auth: str) -> None:
    with simulated(auth=auth) as simulator, device(port_of(simulator), WRONG) as asked:
        asked.clock_offset_s()
        with pytest.raises(ForbiddenError, match="refuses the user name or password") as refusal:
            asked.information()
        assert "wrong-password" not in str(refusal.value) + repr(asked)
        # HTTP Digest begins with a request that carries no proof.
        assert simulator.camera("front").onvif_questions().count("refused") == (1 if auth == "token" else 3)


def test_without_a_password_a_device_that_wants_one_says_so() -> None:
    refused = pytest.raises(ForbiddenError, match="wants a user name and password")
    with simulated(auth="digest") as simulator, device(port_of(simulator), None) as asked, refused:
        asked.information()


@pytest.mark.parametrize("offset_s", [-86_400 * 365.0, -37.0, 3600.0])
def test_a_device_whose_clock_is_off_is_signed_for_at_its_own_time(offset_s: float) -> None:
    with simulated(clock={"offset_s": offset_s}) as simulator:
        with device(port_of(simulator)) as asked:
            told = asked.clock_offset_s()
            assert told == pytest.approx(offset_s, abs=2)
            assert asked.information().maker == "Harrowby"
        with device(port_of(simulator)) as hasty, pytest.raises(ForbiddenError):
            hasty.information()


# --- real replies ----------------------------------------------------------------------------------------------------


def replying(replies: dict[str, bytes | tuple[int, bytes]], seen: list[httpx.Request] | None = None) -> Any:
    """A transport that answers each question with a reply."""

    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        name = next((name for name in replies if f"{name} " in request.content.decode().replace("/>", " />")), None)
        name = name or next((each for each in replies if f":{each}>" in request.content.decode()), None)
        found = replies.get(name or "", b"")
        status, data = found if isinstance(found, tuple) else (200, found)
        return httpx.Response(status, content=iter([data]))

    return httpx.MockTransport(answer)


def test_real_replies_lead_to_streams_at_the_host_that_was_asked() -> None:
    names = ("GetSystemDateAndTime", "GetDeviceInformation", "GetServices", "GetProfiles", "GetStreamUri")
    seen: list[httpx.Request] = []
    transport = replying({name: (REPLIES / f"{name}.xml").read_bytes() for name in names}, seen)
    with device(8080, transport=transport) as asked:
        offset = asked.clock_offset_s()
        assert offset is not None
        assert offset < -3e8, "the clock of this device stood in 2014"
        assert asked.information() == DeviceInformation(
            "Mockup Manufacturer", "Mockup Model", "Mockup_15_14_13", "00000000"
        )
        paths = asked.media_paths()
        assert paths == {MEDIA1: "/onvif/services"}
        namespace, profiles = asked.profiles(paths)
        first = profiles[0]
        assert (first.name, first.width, first.height, first.codec, first.fps, first.gop) == (
            *("main", 1920, 1080, "h264"),
            *(5, 30),
        )
        assert asked.stream_url(namespace, paths[namespace], first) == "rtsp://127.0.0.1/h264main"
    assert {request.url.host for request in seen} == {"127.0.0.1"}


def test_a_device_without_get_services_is_asked_for_its_capabilities() -> None:
    unknown = (
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Receiver'
        b"</s:Value><s:Subcode><s:Value>ter:ActionNotSupported</s:Value></s:Subcode></s:Code></s:Fault></s:Body>"
        b"</s:Envelope>"
    )
    replies: dict[str, bytes | tuple[int, bytes]] = {
        "GetServices": (400, unknown),
        "GetCapabilities": (REPLIES / "GetCapabilities.xml").read_bytes(),
    }
    with device(80, transport=replying(replies)) as asked:
        assert asked.media_paths() == {MEDIA1: "/onvif/services"}


def test_a_device_that_names_no_profile() -> None:
    empty = (
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><GetProfilesResponse/></s:Body>'
        b"</s:Envelope>"
    )
    refused = pytest.raises(NotAnsweredError, match="no media profile")
    with device(80, transport=replying({"GetProfiles": empty})) as asked, refused:
        asked.profiles({MEDIA1: "/m1", MEDIA2: "/m2"})


@pytest.mark.parametrize(
    "moment",
    [
        "<Date><Year>2026</Year><Month>13</Month><Day>1</Day></Date>",
        "<Date><Year>0</Year><Month>1</Month><Day>1</Day></Date>",
        "<Date><Year>x</Year></Date>",
        "",
    ],
)
def test_a_nonsensical_time_is_no_time(moment: str) -> None:
    time_of_day = "<Time><Hour>1</Hour><Minute>2</Minute><Second>60</Second></Time>"
    reply = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><GetSystemDateAndTimeResponse>'
        f"<SystemDateAndTime><UTCDateTime>{time_of_day}{moment}</UTCDateTime></SystemDateAndTime>"
        "</GetSystemDateAndTimeResponse></s:Body></s:Envelope>"
    )
    with device(80, transport=replying({"GetSystemDateAndTime": reply.encode()})) as asked:
        assert asked.clock_offset_s() is None


# --- devices that misbehave ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port at which each connection is dealt with by `talk`."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(60)
            talk(connection)

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)


def answering(data: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return talk


def head(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def drip(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"<")
        time.sleep(0.05)


def endless(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def test_a_silent_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onvif, "STEP_S", 0.3)
    with served(silent) as port, device(port) as asked, pytest.raises(UnavailableError, match="ONVIF port"):
        asked.clock_offset_s()


def test_a_closed_port_is_told() -> None:
    with device(free_port()) as asked, pytest.raises(UnavailableError, match="cannot be asked"):
        asked.clock_offset_s()


def test_an_answer_that_drips_ends_with_the_time_that_was_given() -> None:
    with served(drip) as port, device(port, seconds=0.5) as asked, pytest.raises(UnavailableError, match="too long"):
        asked.clock_offset_s()


def test_an_answer_that_does_not_end_is_cut_off() -> None:
    with served(endless) as port, device(port) as asked, pytest.raises(InvalidError, match=str(MAX_ANSWER)):
        asked.clock_offset_s()


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:1/x",
        "//evil.example/x",
        "ftp://127.0.0.1/x",
        "http://127.0.0.1:99999/",
        "http://[",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_to_another_host_is_not_followed(location: str) -> None:
    reply = head("302 Found", f"Location: {location}")
    refused = pytest.raises(InvalidError, match=r"redirects to another|no HTTP")
    with served(answering(reply)) as port, device(port) as asked, refused:
        asked.information()


def test_a_redirect_on_the_same_host_is_followed_and_a_circle_is_not() -> None:
    refused = pytest.raises(InvalidError, match="more than")
    with served(answering(head("302 Found", "Location: /elsewhere"))) as port, device(port) as asked, refused:
        asked.information()
    seen: list[str] = []

    def once(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        if request.url.path == DEVICE_PATH:
            return httpx.Response(307, headers={"location": "http://127.0.0.1:81/moved"})
        return httpx.Response(200, content=iter([(REPLIES / "GetDeviceInformation.xml").read_bytes()]))

    with device(80, transport=httpx.MockTransport(once)) as asked:
        assert asked.information().model == "Mockup Model"
    assert seen == [DEVICE_PATH, "/moved"]


def test_basic_authentication_is_not_spoken() -> None:
    requests: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        requests.append(connection.recv(65536))
        connection.sendall(head("401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"'))

    with served(talk) as port, device(port) as asked, pytest.raises(ForbiddenError, match="show the password"):
        asked.information()
    assert len(requests) == 1
    assert b"hush-hush" not in b"".join(requests)
    assert b"authorization" not in b"".join(requests).lower()


@pytest.mark.parametrize(
    "reply",
    [
        head("200 OK", body=b"<html>hello</html>"),
        head("404 Not Found", body=b"no"),
        b"RTSP/1.0 200 OK\r\n\r\n",
        b"\x00\x01\x02",
        head("401 Unauthorized", 'WWW-Authenticate: Digest realm="x", nonce="n", algorithm=UNKNOWN'),
        head("401 Unauthorized", 'WWW-Authenticate: Digest realm="x", nonce="n", qop="auth-int"'),
        head("401 Unauthorized", "WWW-Authenticate: Digest ,,,="),
    ],
)
def test_what_is_no_onvif_is_an_error_in_words(reply: bytes) -> None:
    told = pytest.raises((InvalidError, UnavailableError, ForbiddenError))
    with served(answering(reply)) as port, device(port) as asked, told as refusal:
        asked.information()
    assert "hush-hush" not in str(refusal.value)


def test_services_at_other_hosts_are_asked_at_the_devices_own() -> None:
    services = (REPLIES / "GetServices.xml").read_bytes().replace(b"192.168.68.111", b"169.254.169.254")
    seen: list[httpx.Request] = []
    replies = {"GetServices": services, "GetProfiles": (REPLIES / "GetProfiles.xml").read_bytes()}
    with device(80, transport=replying(replies, seen)) as asked:
        asked.profiles(asked.media_paths())
    assert {request.url.host for request in seen} == {"127.0.0.1"}

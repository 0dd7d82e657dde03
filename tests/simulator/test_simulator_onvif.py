"""The ONVIF service of simulated cameras, asked by a client that is neither theirs nor Overt's."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from overt.errors import InvalidError, UnavailableError
from overt.simulator import Persona, Simulator
from overt.simulator.onvif import MAX_BODY
from overt.simulator.persona import parse_persona

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
LOGIN = {"user": "viewer", "password": "hush-hush", "auth": "digest-md5"}
GOOD = """cameras:
  - path: a
    source: package:dusk_h264.mp4
    onvif: {maker: Harrowby}
"""


def token(password: str = "hush-hush", *, off_s: float = 0.0, nonce: bytes = b"") -> str:
    """A UsernameToken, made as the profile says."""
    nonce = nonce or os.urandom(16)
    created = (datetime.now(UTC) + timedelta(seconds=off_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    proof = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
    return (
        f"<UsernameToken><Username>viewer</Username><Password>{proof}</Password>"
        f"<Nonce>{base64.b64encode(nonce).decode()}</Nonce><Created>{created}</Created></UsernameToken>"
    )


def asked(name: str, namespace: str = DEVICE, head: str = "", content: str = "") -> str:
    header = f"<s:Header>{head}</s:Header>" if head else ""
    body = f'<s:Body><x:{name} xmlns:x="{namespace}">{content}</x:{name}></s:Body>'
    return f'<s:Envelope xmlns:s="{ENVELOPE}">{header}{body}</s:Envelope>'


def post(simulator: Simulator, body: str | bytes, path: str = "", **more: Any) -> httpx.Response:
    url = simulator.onvif_url("hall")
    assert url is not None
    return httpx.post(url.replace("/onvif/device_service", path) if path else url, content=body, timeout=60, **more)


def words(answer: httpx.Response) -> list[str]:
    """Texts of the answer, in order."""
    return [each.text for each in ET.fromstring(answer.content).iter() if each.text and each.text.strip()]


def test_everybody_is_told_the_time_and_who_knows_the_password_the_rest(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(**LOGIN, onvif={"maker": "Harrowby", "model": "<&>"}, clock={"offset_s": -86400.0})
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert str(yesterday.year) in words(post(simulator, asked("GetSystemDateAndTime")))
    refused = post(simulator, asked("GetDeviceInformation"))
    assert (refused.status_code, "ter:NotAuthorized" in words(refused)) == (400, True)
    told = post(simulator, asked("GetDeviceInformation", head=token(off_s=-86400)))
    assert words(told)[:2] == ["Harrowby", "<&>"]
    for wrong in (token("wrong", off_s=-86400), token(), "<UsernameToken><Created>soon</Created></UsernameToken>"):
        assert post(simulator, asked("GetDeviceInformation", head=wrong)).status_code == 400
    assert simulator.camera("hall").onvif_questions().count("refused") == 4


def test_http_digest_where_the_persona_says_so(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(**LOGIN, onvif={"auth": "digest"})
    refused = post(simulator, asked("GetDeviceInformation", head=token()))
    assert (refused.status_code, "Digest" in refused.headers["www-authenticate"]) == (401, True)
    right = httpx.DigestAuth("viewer", "hush-hush")
    assert post(simulator, asked("GetDeviceInformation"), auth=right).status_code == 200
    wrong = httpx.DigestAuth("viewer", "wrong")
    assert post(simulator, asked("GetDeviceInformation"), auth=wrong).status_code == 401


def test_a_stream_is_where_the_simulator_says_it_is(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(title="Hall", onvif={})
    profiles = post(simulator, asked("GetProfiles", MEDIA2), "/onvif/media2_service")
    assert words(profiles) == ["Hall", "H264", "96", "64", "25"]
    uri = asked("GetStreamUri", MEDIA2, content="<x:ProfileToken>p0</x:ProfileToken>")
    assert words(post(simulator, uri, "/onvif/media2_service")) == [simulator.url("hall")]
    unknown = asked("GetStreamUri", MEDIA2, content="<x:ProfileToken>p9</x:ProfileToken>")
    assert "ter:NoProfile" in words(post(simulator, unknown, "/onvif/media2_service"))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no XML",
        "<a/>",
        asked("SystemReboot"),
        asked("GetProfiles", MEDIA2),
        f'<!DOCTYPE a [<!ENTITY a "b">]>{asked("GetDeviceInformation")}',
        asked("GetDeviceInformation", head="<a>" * 2000 + "</a>" * 2000),
    ],
    ids=["empty", "words", "no envelope", "reboot", "other path", "entity", "deep"],
)
def test_what_is_no_question_is_a_fault(simulate: Callable[..., Simulator], body: str) -> None:
    answer = post(simulate(onvif={}), body)
    assert answer.status_code in {200, 400}
    assert ("Fault" in answer.text) is (answer.status_code == 400)


def test_what_is_too_long_or_no_post_is_not_answered(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(onvif={})
    with pytest.raises(httpx.TransportError):
        post(simulator, b"x" * (MAX_BODY * 20))
    url = simulator.onvif_url("hall")
    assert url is not None
    assert httpx.get(url).status_code == 405
    assert post(simulator, asked("GetSystemDateAndTime")).status_code == 200


def test_a_camera_without_the_table_has_no_service(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate()
    assert (simulator.onvif_url("hall"), simulator.camera("hall").onvif_port) == (None, None)
    assert simulator.camera("hall").onvif_questions() == []


def test_a_port_that_is_taken_is_named(clips: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        camera = {"path": "a", "source": clips.h264, "onvif": {"port": taken.getsockname()[1]}}
        simulator = Simulator(Persona.model_validate({"cameras": [camera]}))
        with pytest.raises(UnavailableError, match="its ONVIF service cannot listen"):
            simulator.start()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("maker: Harrowby", "colour: red", "colour"),
        ("maker: Harrowby", "media: []", "media"),
        ("maker: Harrowby", "auth: basic", "auth"),
        ("maker: Harrowby", "profiles: [b]", "no camera has the path 'b'"),
        ("{maker: Harrowby}", "{port: 8080}\n    count: 2", "cannot share one port"),
    ],
)
def test_personas_that_would_not_do(old: str, new: str, says: str) -> None:
    parse_persona(GOOD, "test.yaml", Path())
    with pytest.raises(InvalidError, match=says):
        parse_persona(GOOD.replace(old, new), "test.yaml", Path())

"""Probes as plain values: what a request may say, what an answer never says, what frames mean."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media.rtsp.urls import parse_camera_url
from overt.recorder.probing.onvif import OnvifAnswer
from overt.recorder.probing.paths import WELL_KNOWN
from overt.recorder.probing.process import _told, well_known
from overt.recorder.probing.request import MAX_URLS, OnvifFound, ProbeRequest, ProfileFound, StreamFound
from overt.recorder.probing.stream import keyframe_distance

SECRET = "hush/hush@1"


def request(**fields: Any) -> ProbeRequest:
    return ProbeRequest.from_json(json.dumps({"host": "192.0.2.7"} | fields).encode())


def test_a_request_is_read_and_shows_no_password() -> None:
    asked = request(username="viewer", password=SECRET, onvif_port=None, rtsp_port=8554, urls=["rtsp://192.0.2.7/1"])
    assert asked.credentials is not None
    assert (asked.credentials.username, asked.credentials.password) == ("viewer", SECRET)
    assert (asked.rtsp_port, asked.onvif_port, asked.urls) == (8554, None, ("rtsp://192.0.2.7/1",))
    assert SECRET not in repr(asked)
    assert pickle.loads(pickle.dumps(asked)) == asked
    assert request(username="", password="").credentials is None
    assert request(host="FD00::1").host == "fd00::1"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"host": ""}, "'host'"),
        ({"host": "cam/../x"}, "'host'"),
        ({"host": "u:p@cam"}, "'host'"),
        ({"host": "cam:80"}, "'host'"),
        ({"host": "cam\r\nX: y"}, "'host'"),
        ({"rtsp_port": 0}, "'rtsp_port'"),
        ({"onvif_port": 70000}, "'onvif_port'"),
        ({"onvif_port": "80"}, "'onvif_port'"),
        ({"urls": ["http://192.0.2.7/"]}, "rtsp://"),
        ({"urls": ["rtsp://192.0.2.7/1"] * (MAX_URLS + 1)}, "'urls'"),
        ({"urls": "rtsp://192.0.2.7/1"}, "'urls'"),
        ({"password": SECRET}, "no 'username'"),
        ({"username": "a\r\nb", "password": SECRET}, "control character"),
        ({"passwort": SECRET}, "'passwort'"),
    ],
)
def test_what_is_refused_names_the_field_and_no_value(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        request(**fields)
    assert says in str(refusal.value)
    assert SECRET not in str(refusal.value)


@given(st.binary(max_size=80))
def test_any_body_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(InvalidError, match="the probe is refused"):
        ProbeRequest.from_json(body)


def test_well_known_addresses_hold_no_password_and_can_be_asked() -> None:
    for host in ("192.0.2.7", "fd00::7", "cam.lan"):
        candidates = well_known(request(host=host, rtsp_port=8554))
        places = [parse_camera_url(each.url) for each in candidates]
        assert {(place.host, place.port, found) for place, found in places} == {(host, 8554, None)}
        assert len({each.url for each in candidates}) == len(candidates)
    assert not any("pass" in path.lower() for each in WELL_KNOWN for path in (each.main, each.sub or ""))
    assert [each.family for each in candidates[: len(WELL_KNOWN)]] == [each.family for each in WELL_KNOWN]


@pytest.mark.parametrize("written", [SECRET, "hush%2Fhush%401", "hush/hush%401"])
def test_an_answer_holds_nothing_of_the_password_wherever_a_camera_puts_it(written: str) -> None:
    found = OnvifFound(maker=f"M {written}", profiles=[ProfileFound(written, f"rtsp://c/{written}/1", *[None] * 5)])
    stream = StreamFound(f"rtsp://c/x?token={written}", audio=written, error=f"said {written}", picture=b"\x00" * 9)
    answer = OnvifAnswer(found, [f"fault: {written}"])
    told = _told(request(username="viewer", password=SECRET), answer, [stream], [written])
    text = json.dumps(told)
    assert written not in text
    assert "hush" not in text
    assert told["streams"][0]["url"] == "rtsp://c/x?token=***"
    assert told["errors"][-1].startswith("an address of this camera holds a password")
    assert told["streams"][0]["picture"] == "AAAAAAAAAAAA"


def test_an_answer_without_secrets_stays_as_it_is() -> None:
    stream = StreamFound("rtsp://c/cam/realmonitor?channel=1&subtype=0", codec="h264", fps=25.0)
    told = _told(request(username="viewer", password=SECRET), OnvifAnswer(), [stream], [])
    assert told == {"onvif": None, "streams": [stream.to_dict()], "errors": []}
    assert told["streams"][0]["url"] == stream.url


@pytest.mark.parametrize(
    ("keyframes_s", "end_s", "expected"),
    [
        ([], 5, (None, False)),
        ([0, 2, 4], 5, (2.0, False)),
        # A keyframe that was made for the session comes early; the distance is the longer one.
        ([0, 0.5, 2.5], 3, (2.0, False)),
        ([0], 7, (7.0, True)),
        ([0, 0.5], 7, (6.5, True)),
    ],
)
def test_the_distance_of_keyframes(keyframes_s: list[float], end_s: float, expected: tuple[float | None, bool]) -> None:
    assert keyframe_distance([int(each * 1e9) for each in keyframes_s], int(end_s * 1e9)) == expected

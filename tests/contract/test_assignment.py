"""Assignments: lawful ones travel unchanged, others are refused in words, and no secret is ever shown."""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from overt.contract.assignment import (
    MAX_MESSAGE,
    Assignment,
    CameraAssignment,
    Retention,
    problems,
    shown_url,
    split_credentials,
)
from overt.errors import InvalidError

URL = "rtsp://192.0.2.7/stream1"
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=24).map("hush".__add__)


def camera(**changes: Any) -> dict[str, Any]:
    return {"name": "door", "streams": [{"urls": [URL]}], **changes}


def wire(*cameras: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({"revision": 1, "cameras": list(cameras), **changes}).encode()


def test_defaults_are_those_of_the_design() -> None:
    door = Assignment.from_wire(wire(camera())).cameras[0]
    assert (door.stall_timeout_s, door.target_fragment_ms, door.audio) == (4.0, 400, False)
    assert door.streams[0].transport == door.streams[0].engine == "auto"
    assert door.retention == Retention(days=31, bytes=None)
    assert [str(key) for key in door.keys] == ["door/main"]


@given(
    user=st.sampled_from(["admin", "o'brien", "üser"]),
    password=SECRETS,
    audio=st.booleans(),
    days=st.floats(0.01, 3650),
)
@settings(max_examples=50)
def test_an_assignment_travels_whole_and_shows_no_secret(user: str, password: str, audio: bool, days: float) -> None:
    url = f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@192.0.2.7/s?pwd={quote(password, safe='')}"
    hold = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00+01:00", "reason": "incident 7"}
    given_camera = camera(streams=[{"urls": url}], audio=audio, retention={"days": days}, holds=[hold])
    assignment = Assignment.from_wire(wire(given_camera))
    assert Assignment.from_wire(assignment.to_wire()) == assignment
    assert pickle.loads(pickle.dumps(assignment)) == assignment
    door = assignment.cameras[0]
    assert door.username == user
    assert door.password is not None
    assert door.password.get_secret_value() == password
    shown = [repr(assignment), str(assignment), assignment.model_dump_json(), repr(assignment.model_dump())]
    shown += door.streams[0].shown_urls
    for text in shown:
        assert password not in text
        assert quote(password, safe="") not in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"streams": [{"urls": [URL], "transport": "sctp"}]}, "must be 'auto', 'tcp' or 'udp'"),
        ({"streams": [{"urls": [URL], "engine": "gpu"}]}, "must be 'auto', 'native' or 'pyav'"),
        ({"streams": [{"urls": ["http://192.0.2.7/"]}]}, "begins with rtsp:// or rtsps://"),
        ({"streams": [{"urls": ["rtsp:///x"]}]}, "names a host"),
        ({"streams": [{"urls": ["rtsp://h:99999/x"]}]}, "host and port"),
        ({"streams": [{"urls": ["rtsp://h/x\ny"]}]}, "blanks"),
        ({"streams": [{"urls": []}]}, "at least 1 item"),
        ({"streams": [{"urls": [URL] * 9}]}, "at most 8"),
        ({"streams": []}, "at least 1 item"),
        ({"streams": [{"urls": [URL]}] * 2}, "two streams of one name"),
        ({"streams": [{"name": "sub", "urls": [URL]}]}, "no stream 'main'"),
        ({"name": "Front Door"}, "not a usable name"),
        ({"nmae": 1}, "did you mean 'name'"),
        ({"password": "x"}, "no 'username'"),
        ({"retention": {"days": 0}}, "'cameras.1.retention.days' must be greater than 0"),
        ({"retention": {"bytes": "1 kB"}}, "at least 10MB"),
        ({"retention": {"weeks": 1}}, "the keys here are days, bytes"),
        ({"holds": [{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}]}, "later than"),
        ({"holds": [{"from": "2026-01-02T00:00:00", "to": "2026-01-03T00:00:00Z"}]}, "offset"),
        ({"holds": [{"from": 5, "to": "2026-01-03T00:00:00Z"}]}, "must be a moment"),
        ({"tls": {"fingerprint_sha256": "abc"}}, "64 hexadecimal digits"),
        ({"tls": {"fingerprint_sha256": "a" * 64, "ca_file": "ca.pem"}}, "not both"),
        ({"stall_timeout_s": float("1e9")}, "less than or equal to 120"),
        ({"target_fragment_ms": 501}, "less than or equal to 500"),
        ({"streams": [{"urls": ["rtsp://a:b@h/1"]}], "username": "c"}, "contradict"),
        ({"streams": [{"urls": ["rtsp://a:b@h/1", "rtsp://c:d@h/1"]}]}, "different users"),
    ],
)
def test_a_refusal_names_place_and_lawful_values(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        Assignment.from_wire(wire(camera(**changes)))


def test_two_cameras_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidError, match="'door' stands twice"):
        Assignment.from_wire(wire(camera(), camera()))


@given(secret=SECRETS, key=st.sampled_from(["password", "audio", "stall_timeout_s", "tls", "streams", "holds", "name"]))
@settings(max_examples=50)
def test_a_refusal_never_repeats_a_value(secret: str, key: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Assignment.from_wire(wire(camera(**{key: [secret] if key == "password" else {"x": secret}}), revision=secret))
    assert secret not in str(caught.value)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["revision", "cameras", "name"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_message_is_read_or_refused(message: bytes) -> None:
    with suppress(InvalidError):
        Assignment.from_wire(message)


def test_an_endless_message_is_refused_unread() -> None:
    with pytest.raises(InvalidError, match="longer than"):
        Assignment.from_wire(b" " * (MAX_MESSAGE + 1))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://h/s", ("rtsp://h/s", None, None)),
        ("rtsp://admin@h/s", ("rtsp://h/s", "admin", "")),
        ("rtsp://admin:p%40ss@h:554/s", ("rtsp://h:554/s", "admin", "p@ss")),
        ("rtsp://admin:p@ss@h/s", ("rtsp://h/s", "admin", "p@ss")),
        ("rtsp://admin:a:b@[2001:db8::1]:554/s@x", ("rtsp://[2001:db8::1]:554/s@x", "admin", "a:b")),
    ],
)
def test_credentials_leave_the_address(url: str, expected: tuple[str, str | None, str | None]) -> None:
    assert split_credentials(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://u:p@h/s?channel=1", "rtsp://h/s?channel=1"),
        ("rtsp://h/user=admin&password=x&channel=1", "rtsp://h/user=***&password=***&channel=1"),
        (
            "rtsp://h/user=admin_password=tl_6_channel=1_stream=0.sdp",
            "rtsp://h/user=***_password=***_channel=1_stream=0.sdp",
        ),
        ("rtsp://h/a?token=a_b/c&x=1", "rtsp://h/a?token=***/c&x=1"),
        ("what", "***"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, expected: str) -> None:
    assert shown_url(url) == expected


def test_retention_and_holds_do_not_interrupt_capture() -> None:
    one = CameraAssignment.model_validate(camera())
    assert one.captured_like(CameraAssignment.model_validate(camera(retention={"days": 3})))
    assert not one.captured_like(CameraAssignment.model_validate(camera(audio=True)))


def test_at_most_twenty_problems_are_listed() -> None:
    with pytest.raises(ValidationError) as caught:
        Assignment.model_validate({"revision": 1, "cameras": [{"name": "A"}] * 30})
    assert problems(caught.value, Assignment)[-1] == "and 40 more"

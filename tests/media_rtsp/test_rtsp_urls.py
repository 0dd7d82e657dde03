"""Camera URLs, redaction and control URLs of every form seen in the field."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError, OvertError
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.messages import Headers, Request
from overt.media.rtsp.urls import (
    base_url,
    control_candidates,
    locate,
    may_share_credentials,
    parse_camera_url,
    redact,
    resolve_control,
)

PLAIN = "rtsp://10.0.0.9/live"


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "request_url", "credentials"),
    [
        ("rtsp://10.0.0.9", "rtsp", "10.0.0.9", 554, "rtsp://10.0.0.9", None),
        (
            "RTSP://Cam-Hall.Example/a b?x=1#frag",
            "rtsp",
            "cam-hall.example",
            554,
            "rtsp://cam-hall.example/a%20b?x=1",
            None,
        ),
        ("rtsps://c/x", "rtsps", "c", 322, "rtsps://c/x", None),
        ("rtsp://u:p@c:8554/x", "rtsp", "c", 8554, "rtsp://c:8554/x", ("u", "p")),
        ("rtsp://u:p%40%2F%3a@c/x", "rtsp", "c", 554, "rtsp://c/x", ("u", "p@/:")),
        ("rtsp://u:p@ss:w@c/x", "rtsp", "c", 554, "rtsp://c/x", ("u", "p@ss:w")),
        ("rtsp://u@c/x", "rtsp", "c", 554, "rtsp://c/x", ("u", "")),
        ("rtsp://:@c/x", "rtsp", "c", 554, "rtsp://c/x", None),
        ("rtsp://c:/x", "rtsp", "c", 554, "rtsp://c/x", None),
        (
            "rtsp://u:p@[fe80::1%25eth0]:1554/x",
            "rtsp",
            "fe80::1%eth0",
            1554,
            "rtsp://[fe80::1%eth0]:1554/x",
            ("u", "p"),
        ),
        ("rtsp://[2001:DB8::1]/x", "rtsp", "2001:db8::1", 554, "rtsp://[2001:db8::1]/x", None),
        ("rtsp://c/caf\u00e9@x", "rtsp", "c", 554, "rtsp://c/caf%C3%A9@x", None),
        ("rtsp://c/%20%zz?a=b&c=1/", "rtsp", "c", 554, "rtsp://c/%20%zz?a=b&c=1/", None),
        ("rtsp://k\u00f6ln/x", "rtsp", "xn--kln-sna", 554, "rtsp://xn--kln-sna/x", None),
        ("rtsp://c?channel=1", "rtsp", "c", 554, "rtsp://c?channel=1", None),
    ],
)
def test_camera_urls(
    *, text: str, scheme: str, host: str, port: int, request_url: str, credentials: tuple[str, str] | None
) -> None:
    url, found = parse_camera_url(text)
    assert (url.scheme, url.host, url.port, url.request_url) == (scheme, host, port, request_url)
    assert found == (Credentials(*credentials) if credentials else None)
    assert url.tls == (scheme == "rtsps")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://10.0.0.9/x",
        "10.0.0.9/x",
        "rtsp:///x",
        "rtsp://u:pw-s3cret@/x",
        "rtsp://u:s3cret/x@c/x",
        "rtsp://c:0/x",
        "rtsp://c:65536/x",
        "rtsp://c:s3cret/x",
        "rtsp://[::1/x",
        "rtsp://[s3cret]/x",
        "rtsp://fe80::1/x",
        "rtsp://c\r\n/x",
        "rtsp://u:s3cret%ff@c/x",
        "rtsp://u:s3cret%0d%0a@c/x",
        "rtsp://c/" + "s3cret" * 1000,
    ],
)
def test_bad_urls_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_camera_url(text)
    assert "s3cret" not in str(caught.value)


@settings(max_examples=200)
@given(st.text(max_size=60), st.sampled_from(["", "rtsp://", "rtsps://u:p@", "rtsp://c/"]))
def test_any_text_gives_a_url_or_an_overt_error(text: str, start: str) -> None:
    try:
        url, _ = parse_camera_url(start + text)
    except OvertError:
        return
    assert "@" not in url.request_url.partition("://")[2].partition("/")[0].partition("?")[0]
    Request("OPTIONS", url.request_url).to_bytes()
    assert " " not in url.request_url
    assert parse_camera_url(url.request_url) == (url, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at rtsp://u:p@c/x now", "at rtsp://***@c/x now"),
        ("rtsp://u:p/a@b@c/x", "rtsp://***@c/x"),
        (
            "rtsp://c/user=admin&password=s3cret&channel=1?pwd=s3cret&subtype=0",
            "rtsp://c/user=***&password=***&channel=1?pwd=***&subtype=0",
        ),
        ("rtsp://c/user=admin_password=s3cret_channel=1.sdp", "rtsp://c/user=***"),
        ("rtsp://c/Streaming/Channels/101", "rtsp://c/Streaming/Channels/101"),
    ],
)
def test_redaction(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_password_in_the_path_is_hidden_in_representations() -> None:
    url, _ = parse_camera_url("rtsp://c/x?password=s3cret")
    assert "s3cret" not in repr(url) + url.redacted
    assert "s3cret" in url.request_url


@pytest.mark.parametrize(
    ("base", "control", "expected"),
    [
        (PLAIN, None, PLAIN),
        (PLAIN, "*", PLAIN),
        (PLAIN, "", PLAIN),
        (PLAIN, " trackID=1 ", f"{PLAIN}/trackID=1"),
        (PLAIN + "/", "track 1", f"{PLAIN}/track%201"),
        (PLAIN + "?channel=1&subtype=0/", "trackID=0", f"{PLAIN}?channel=1&subtype=0/trackID=0"),
        (PLAIN + "?channel=1", "video", f"{PLAIN}?channel=1/video"),
        (PLAIN, "rtsp://192.168.0.2:554/other/track1", "rtsp://192.168.0.2:554/other/track1"),
        (PLAIN, "RTSP://u:p@192.168.0.2/t", "RTSP://192.168.0.2/t"),
        (PLAIN, "rtsp:///track1", f"{PLAIN}/track1"),
        (PLAIN, "?ctype=video", f"{PLAIN}?ctype=video"),
        (PLAIN, "/track1", f"{PLAIN}/track1"),
        (PLAIN, "/live/track1", f"{PLAIN}/track1"),
        (PLAIN, "/lively/track1", f"{PLAIN}/lively/track1"),
        ("rtsp://10.0.0.9", "track1", "rtsp://10.0.0.9/track1"),
        ("rtsp://10.0.0.9/", "/track1", "rtsp://10.0.0.9/track1"),
        (PLAIN, "http-ish:track", f"{PLAIN}/http-ish:track"),
    ],
)
def test_control(base: str, control: str | None, expected: str) -> None:
    assert resolve_control(base, control) == expected


def test_alternative_readings_of_a_control() -> None:
    assert control_candidates("rtsp://c/H264?channel=1", "video") == (
        "rtsp://c/H264?channel=1/video",
        "rtsp://c/H264/video?channel=1",
        "rtsp://c/video",
    )
    assert control_candidates(PLAIN + "/", "t1") == (f"{PLAIN}/t1",)
    assert control_candidates(PLAIN, "rtsp://x/y") == ("rtsp://x/y",)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], PLAIN),
        ([("Content-Base", "rtsp://192.168.1.1:554/s/")], "rtsp://192.168.1.1:554/s/"),
        ([("Content-Location", "rtsp://c/l"), ("content-base", "rtsp://c/b/")], "rtsp://c/b/"),
        ([("Content-Location", "rtsp://c/l")], "rtsp://c/l"),
        ([("Content-Base", "192.168.1.10:554/stream0/")], "rtsp://192.168.1.10:554/stream0/"),
        ([("Content-Base", "192.168.1.10/stream0/")], "rtsp://192.168.1.10/stream0/"),
        ([("Content-Base", "camera.local:8554/s")], "rtsp://camera.local:8554/s"),
        ([("Content-Base", "/stream0/")], "rtsp://10.0.0.9/stream0/"),
        ([("Content-Base", "rtsp:///stream0/")], "rtsp://10.0.0.9/stream0/"),
        ([("Content-Base", '"rtsp://c/b/"')], "rtsp://c/b/"),
        ([("Content-Base", "rtsp://u:p@c/b/")], "rtsp://c/b/"),
        ([("Content-Base", "u:p@192.168.1.10:554/b/")], "rtsp://192.168.1.10:554/b/"),
        ([("Content-Base", "")], PLAIN),
        ([("Content-Base", "(null)")], PLAIN),
        ([("Content-Base", "http://c/x")], PLAIN),
        ([("Content-Base", "rtsp://c/\x01"), ("Content-Location", "rtsp://c/l")], "rtsp://c/l"),
        ([("Content-Base", "rtsp://c/caf\u00c3\u00a9/")], "rtsp://c/caf%C3%A9/"),
    ],
)
def test_base(headers: list[tuple[str, str]], expected: str) -> None:
    assert base_url(Headers(tuple(headers)), PLAIN) == expected


@settings(max_examples=200)
@given(
    st.text(max_size=40) | st.text("/?:@rtsp=*1.", max_size=40),
    st.text(max_size=40) | st.text("/?:@rtsp=*", max_size=40),
)
def test_any_base_and_control_can_stand_on_a_request_line(base: str, control: str) -> None:
    try:
        candidates = control_candidates(base_url(Headers((("Content-Base", base),)), PLAIN), control)
    except InvalidError:
        return
    assert 1 <= len(candidates) <= 4
    for url in candidates:
        assert " " not in url
        Request("SETUP", url).to_bytes()


def test_redirects() -> None:
    here, _ = parse_camera_url("rtsps://a:555/x")
    assert locate("/y", here)[0].request_url == "rtsps://a:555/y"
    same, other, plain = (locate(text, here)[0] for text in ("rtsps://A/y", "rtsps://b/y", "rtsp://a/y"))
    assert may_share_credentials(here, same)
    assert not may_share_credentials(here, other)
    assert not may_share_credentials(here, plain)
    with pytest.raises(InvalidError):
        locate("http://a/y", here)

"""The dialogue against scripted servers: what is asked, in which order, and what becomes of each answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.dialogue import MAX_REDIRECTS, RtspDialogue
from overt.media.rtsp.keepalive import keepalive_interval_s
from overt.media.rtsp.messages import Headers, Response, ServerParser, ServerRequest
from overt.media.rtsp.requests import Phase
from overt.media.rtsp.sdp import NoRecordableVideoError
from overt.media.rtsp.tracks import granted_channels
from overt.media.rtsp.transport import UnsupportedTransportError
from overt.media.rtsp.urls import parse_camera_url

URL = "rtsp://10.0.0.9/live"
SDP = (
    "v=0\r\ns=t\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t1\r\n"
    "m=audio 0 RTP/AVP 8\r\na=control:t2\r\n"
)
Reply = tuple[int, list[tuple[str, str]], str]


@dataclass
class Asked:
    method: str
    url: str
    headers: dict[str, str]


def asked(data: bytes) -> Asked:
    """Read a request independently of the parser under test."""
    head, _, body = data.decode("latin-1").partition("\r\n\r\n")
    assert body == ""
    first, *lines = head.split("\r\n")
    method, url, version = first.split(" ")
    assert version == "RTSP/1.0"
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs)
    return Asked(method, url, headers)


@dataclass
class Server:
    """Answers as a well-behaved camera; `changes` replaces the answer to a method, once for each entry."""

    sdp: str = SDP
    changes: list[tuple[str, Reply]] = field(default_factory=list)
    check: Callable[[Asked], Reply | None] = lambda _: None
    log: list[Asked] = field(default_factory=list)

    def answer(self, data: bytes) -> Response:
        request = asked(data)
        self.log.append(request)
        status, headers, body = self.reply(request)
        length = f"Content-Length: {len(body)}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        raw = f"RTSP/1.0 {status} Because\r\nCSeq: {request.headers['cseq']}\r\n{lines}{length}\r\n{body}"
        (message,), _ = ServerParser().feed(raw.encode("latin-1"))
        assert isinstance(message, Response)
        return message

    def reply(self, request: Asked) -> Reply:
        for index, (method, reply) in enumerate(self.changes):
            if method == request.method:
                del self.changes[index]
                return reply
        checked = self.check(request)
        if checked is not None:
            return checked
        if request.method == "OPTIONS":
            return 200, [("Public", "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")], ""
        if request.method == "DESCRIBE":
            return 200, [("Content-Type", "application/sdp"), ("Content-Base", URL + "/")], self.sdp
        if request.method == "SETUP":
            return 200, [("Transport", request.headers["transport"]), ("Session", "abc;timeout=40")], ""
        return 200, [("Session", "abc")], ""

    def run(self, dialogue: RtspDialogue, data: bytes | None = None) -> RtspDialogue:
        """Answer until the dialogue has nothing more to say."""
        data = dialogue.start() if data is None else data
        for _ in range(40):
            if not data:
                return dialogue
            data = dialogue.on_message(self.answer(data))
        pytest.fail("the dialogue never ends")

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.log]


def dialogue(text: str = URL, **options: Any) -> RtspDialogue:
    url, credentials = parse_camera_url(text)
    return RtspDialogue(url, credentials, **options)


def playing(server: Server | None = None, **options: bool) -> tuple[RtspDialogue, Server]:
    server = server or Server()
    found = server.run(dialogue(**options))
    assert found.phase is Phase.PLAYING
    return found, server


def test_from_options_to_teardown() -> None:
    info = "url=t2;seq=7;rtptime=8;ssrc=0a,url=rtsp://10.0.0.9/live/t1;seq=5;rtptime=6"
    server = Server(changes=[("PLAY", (200, [("Session", "abc;timeout=120"), ("RTP-Info", info)], ""))])
    d = dialogue(want_audio=True)
    assert d.phase is Phase.IDLE
    server.run(d)
    assert d.phase is Phase.PLAYING
    assert [(r.method, r.url) for r in server.log] == [
        ("OPTIONS", URL),
        ("DESCRIBE", URL),
        ("SETUP", URL + "/t1"),
        ("SETUP", URL + "/t2"),
        ("PLAY", URL + "/"),
    ]
    assert [r.headers["cseq"] for r in server.log] == ["1", "2", "3", "4", "5"]
    assert [r.headers.get("session") for r in server.log] == [None, None, None, "abc", "abc"]
    assert server.log[1].headers["accept"] == "application/sdp"
    video, audio = d.tracks
    assert (video.offer.codec, video.rtp_channel, video.rtcp_channel) == ("h264", 0, 1)
    assert (audio.offer.codec, audio.rtp_channel, audio.rtcp_channel) == ("pcma", 2, 3)
    assert (video.sequence, video.rtp_time, video.ssrc) == (5, 6, None)
    assert (audio.sequence, audio.rtp_time, audio.ssrc) == (7, 8, 10)
    assert granted_channels(d.tracks) == {0, 1, 2, 3}
    assert d.authentication == "none"
    assert d.keepalive_interval_s == pytest.approx(18)
    server.run(d, d.teardown())
    assert d.phase is Phase.CLOSED
    assert (server.log[-1].method, server.log[-1].url, server.log[-1].headers["session"]) == (
        "TEARDOWN",
        URL + "/",
        "abc",
    )
    assert d.teardown() == b""


def test_audio_is_left_alone_unless_wanted() -> None:
    d, server = playing()
    assert len(d.tracks) == 1
    assert server.methods.count("SETUP") == 1


def test_udp() -> None:
    server = Server()
    d = server.run(dialogue(transport="udp", udp_ports=[(5000, 5001), (5002, 5003)], want_audio=True))
    assert d.phase is Phase.PLAYING
    assert [r.headers["transport"] for r in server.log if r.method == "SETUP"] == [
        "RTP/AVP;unicast;client_port=5000-5001",
        "RTP/AVP;unicast;client_port=5002-5003",
    ]
    assert granted_channels(d.tracks) == set()
    assert d.tracks[1].transport is not None
    assert d.tracks[1].transport.client_ports == (5002, 5003)


# Authentication


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class Guard:
    """A server's side of Digest MD5 with qop, written from the RFC alone; counts wrong passwords."""

    def __init__(self, password: str = "s3cret", free: tuple[str, ...] = ("OPTIONS",)) -> None:
        self.password, self.free, self.wrong, self.nonce, self.stale_for = password, free, 0, 1, ""
        self.always_stale = False

    def __call__(self, request: Asked) -> Reply | None:
        if request.method in self.free:
            return None
        header = request.headers.get("authorization")
        if header is None:
            return self.challenge()
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', header))
        assert fields["uri"] == request.url
        ha1 = md5(f"admin:cam:{self.password}")
        ha2 = md5(f"{request.method}:{request.url}")
        middle = f"{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:auth"
        if fields["response"] != md5(f"{ha1}:{middle}:{ha2}"):
            self.wrong += 1
            self.nonce += 1
            return self.challenge("true" if self.always_stale else "false")
        if fields["nonce"] != f"n{self.nonce}":
            return self.challenge(self.stale_for)
        return None

    def challenge(self, stale: str = "") -> Reply:
        extra = f", stale={stale}" if stale else ""
        digest = f'Digest realm="cam", nonce="n{self.nonce}", qop="auth"{extra}'
        return 401, [("WWW-Authenticate", 'Basic realm="cam"'), ("WWW-Authenticate", digest)], ""


SECRET_URL = "rtsp://admin:s3cret@10.0.0.9/live"


@pytest.mark.parametrize("free", [("OPTIONS",), (), ("OPTIONS", "DESCRIBE")])
def test_digest(free: tuple[str, ...]) -> None:
    guard = Guard(free=free)
    server = Server(check=guard)
    d = server.run(dialogue(SECRET_URL, want_audio=True))
    assert d.phase is Phase.PLAYING
    assert d.authentication == "Digest MD5"
    assert guard.wrong == 0
    assert server.methods.count("OPTIONS") == 1
    assert len(server.log) == 5 + (0 if free == () else 1)
    assert all("s3cret" not in str(r) and "admin@" not in r.url for r in server.log)


@pytest.mark.parametrize("free", [("OPTIONS",), ()])
def test_a_wrong_password_is_shown_once(free: tuple[str, ...]) -> None:
    guard = Guard(password="other", free=free)
    d = dialogue(SECRET_URL)
    with pytest.raises(ForbiddenError, match=r"DESCRIBE rtsp://10\.0\.0\.9/live: .*refused") as caught:
        Server(check=guard).run(d)
    assert guard.wrong == 1
    assert d.phase is Phase.CLOSED
    assert "s3cret" not in str(caught.value) + repr(d)
    assert "admin" not in str(caught.value) + repr(d)


def test_a_server_that_calls_every_nonce_stale_gets_one_more() -> None:
    guard = Guard(password="other")
    guard.always_stale = True
    with pytest.raises(ForbiddenError):
        Server(check=guard).run(dialogue(SECRET_URL))
    assert guard.wrong == 2


@pytest.mark.parametrize("stale", ["true", "", "FALSE"])
def test_an_expired_nonce_is_replaced(stale: str) -> None:
    guard = Guard()
    guard.stale_for = stale
    server = Server(check=guard)
    d = dialogue(SECRET_URL)
    data = d.start()
    while d.phase is not Phase.PLAYING:
        response = server.answer(data)
        if response.status == 200 and server.log[-1].method in {"DESCRIBE", "SETUP"}:
            guard.nonce += 1
        data = d.on_message(response)
    assert server.methods == ["OPTIONS", "DESCRIBE", "DESCRIBE", "SETUP", "SETUP", "PLAY", "PLAY"]
    guard.nonce += 1
    server.run(d, d.keepalive())
    assert server.methods[-2:] == ["GET_PARAMETER", "GET_PARAMETER"]
    assert d.keepalives_refused == 0
    guard.nonce += 1
    server.run(d, d.teardown())
    assert server.methods[-2:] == ["TEARDOWN", "TEARDOWN"]
    assert d.phase is Phase.CLOSED
    assert guard.wrong == 0


def test_no_password_configured() -> None:
    with pytest.raises(ForbiddenError, match="none is configured"):
        Server(check=Guard()).run(dialogue())


def test_basic_where_nothing_else_is_offered() -> None:
    def check(request: Asked) -> Reply | None:
        wanted = "Basic YWRtaW46czNjcmV0"
        return None if request.headers.get("authorization") == wanted else (401, [("WWW-Authenticate", "Basic")], "")

    d = Server(check=check).run(dialogue(SECRET_URL))
    assert (d.phase, d.authentication) == (Phase.PLAYING, "Basic")


# OPTIONS


@pytest.mark.parametrize("status", [400, 401, 404, 405, 454, 501, 551, 302])
def test_failing_options_is_not_fatal(status: int) -> None:
    d, server = playing(Server(changes=[("OPTIONS", (status, [], ""))]))
    assert d.public == frozenset()
    assert asked(d.keepalive()).method == "GET_PARAMETER"
    assert server.methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]


def test_skipped_options() -> None:
    server = Server()
    server.run(dialogue(options_first=False))
    assert server.methods == ["DESCRIBE", "SETUP", "PLAY"]


def test_a_late_reply_is_not_taken_for_that_to_teardown() -> None:
    d, server = playing()
    late = server.answer(d.keepalive())
    goodbye = d.teardown()
    assert d.on_message(late) == b""
    assert (d.phase, d.unexpected_replies) == (Phase.TEARDOWN, 1)
    server.run(d, goodbye)
    assert d.phase is Phase.CLOSED


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 305])
def test_redirect_to_the_same_host_keeps_the_password(status: int) -> None:
    server = Server(changes=[("DESCRIBE", (status, [("Location", "rtsp://10.0.0.9:8554/other")], ""))])
    first = server.run(dialogue(SECRET_URL))
    assert first.phase is Phase.REDIRECTED
    assert first.redirect_to is not None
    assert (first.redirect_to.host, first.redirect_to.port) == ("10.0.0.9", 8554)
    second = Server(check=Guard()).run(first.redirected())
    assert second.phase is Phase.PLAYING


@pytest.mark.parametrize("location", ["rtsp://evil/live", "rtsp://10.0.0.90/live"])
def test_redirect_to_another_host_never_gets_the_password(location: str) -> None:
    first = Server(changes=[("DESCRIBE", (302, [("Location", location)], ""))]).run(dialogue(SECRET_URL))
    server = Server(changes=[("DESCRIBE", (401, [("WWW-Authenticate", "Basic realm=x")], ""))])
    with pytest.raises(ForbiddenError, match="credentials do not follow"):
        server.run(first.redirected())
    assert all("authorization" not in request.headers for request in server.log)


def test_redirect_from_tls_to_plain_never_gets_the_password() -> None:
    first = Server(changes=[("DESCRIBE", (302, [("Location", "rtsp://10.0.0.9/live")], ""))])
    second = first.run(dialogue(SECRET_URL.replace("rtsp:", "rtsps:"))).redirected()
    with pytest.raises(ForbiddenError):
        Server(check=Guard()).run(second)


def test_redirects_are_bounded() -> None:
    def follow(d: RtspDialogue) -> RtspDialogue:
        return Server(changes=[("DESCRIBE", (302, [("Location", URL)], ""))]).run(d).redirected()

    d = dialogue()
    for _ in range(MAX_REDIRECTS):
        d = follow(d)
    with pytest.raises(InvalidError, match="more than 5 redirects"):
        follow(d)


@pytest.mark.parametrize("headers", [[], [("Location", "")], [("Location", "http://10.0.0.9/")]])
def test_redirect_to_nowhere(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidError, match="redirects"):
        Server(changes=[("DESCRIBE", (302, headers, ""))]).run(dialogue())
    with pytest.raises(InvalidError, match="not redirected"):
        dialogue().redirected()


# Refusals


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidError),
        (403, ForbiddenError),
        (404, MissingError),
        (418, InvalidError),
        (453, UnavailableError),
        (454, UnavailableError),
        (461, UnsupportedTransportError),
        (500, UnavailableError),
        (503, UnavailableError),
        (599, UnavailableError),
    ],
)
@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
def test_refusals(method: str, status: int, kind: type[OvertError]) -> None:
    d = dialogue("rtsp://u:s3cret@10.0.0.9/live?password=s3cret")
    with pytest.raises(kind, match=f"{method} rtsp://10.0.0.9/.*{status} Because") as caught:
        Server(changes=[(method, (status, [], ""))] * 5).run(d)
    assert type(caught.value) is kind
    assert "s3cret" not in str(caught.value)
    assert d.phase is Phase.CLOSED
    held = asked(d.teardown()).method if method == "PLAY" else d.teardown().decode()
    assert held == ("TEARDOWN" if method == "PLAY" else "")


def test_udp_granted_where_tcp_was_asked() -> None:
    granted = [("Transport", "RTP/AVP;unicast;client_port=1-2;server_port=3-4"), ("Session", "abc")]
    d = dialogue()
    with pytest.raises(UnsupportedTransportError, match="over TCP"):
        Server(changes=[("SETUP", (200, granted, ""))]).run(d)
    assert asked(d.teardown()).headers["session"] == "abc"


@pytest.mark.parametrize(
    ("sdp", "kind", "words"),
    [
        ("", UnavailableError, "without a description"),
        ("<html></html>", InvalidError, "not SDP"),
        ("v=0\r\nm=audio 0 RTP/AVP 0\r\n", NoRecordableVideoError, "audio PCMU"),
        ("v=0\r\nm=video 0 RTP/AVP 26\r\na=control:\x01\r\n", InvalidError, "control"),
    ],
)
def test_descriptions_that_cannot_be_used(sdp: str, kind: type[OvertError], words: str) -> None:
    with pytest.raises(kind, match=words):
        Server(sdp=sdp).run(dialogue())


# SETUP and PLAY


def test_the_server_renumbers_channels() -> None:
    granted = [("Transport", "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=AB"), ("Session", "abc")]
    d, server = playing(Server(changes=[("SETUP", (200, granted, ""))]), want_audio=True)
    assert [(t.rtp_channel, t.rtcp_channel) for t in d.tracks] == [(2, 3), (0, 1)]
    assert d.tracks[0].ssrc == 0xAB
    assert server.log[3].headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=0-1"


@pytest.mark.parametrize("value", ["RTP/AVP/TCP;interleaved=0-1", "RTP/AVP/TCP;interleaved=1-2"])
def test_one_channel_for_two_tracks_is_an_error(value: str) -> None:
    d = dialogue(want_audio=True)
    same = ("SETUP", (200, [("Transport", "RTP/AVP/TCP;interleaved=0-1")], ""))
    with pytest.raises(InvalidError, match="two tracks"):
        Server(changes=[same, ("SETUP", (200, [("Transport", value)], ""))]).run(d)
    assert d.audio_at_fault


def test_single_channels_and_missing_transport_headers() -> None:
    singles = [("SETUP", (200, [("Transport", f"RTP/AVP/TCP;interleaved={n}")], "")) for n in (0, 1)]
    d, _ = playing(Server(changes=singles), want_audio=True)
    assert [(t.rtp_channel, t.rtcp_channel) for t in d.tracks] == [(0, None), (1, 2)]
    d, server = playing(Server(changes=[("SETUP", (200, [], ""))] * 2), want_audio=True)
    assert [(t.rtp_channel, t.rtcp_channel) for t in d.tracks] == [(0, 1), (2, 3)]
    assert d.session is None or d.session.identifier == "abc"
    assert "session" not in server.log[-1].headers
    assert any("Transport" in note for note in d.notes)


def test_refused_audio_does_not_cost_the_video() -> None:
    ok = ("SETUP", (200, [("Transport", "RTP/AVP/TCP;interleaved=0-1"), ("Session", "abc")], ""))
    d, server = playing(Server(changes=[ok, ("SETUP", (500, [], ""))]), want_audio=True)
    assert len(d.tracks) == 1
    assert any("without audio" in note for note in d.notes)
    assert server.methods[-1] == "PLAY"
    d, _ = playing(Server(sdp=SDP.replace("AVP 8", "AVP 18")), want_audio=True)
    assert any("G729" in note for note in d.notes)


def test_other_readings_of_the_control_url_are_tried() -> None:
    sdp = SDP.replace("t1", "video")

    def check(request: Asked) -> Reply | None:
        if request.method == "DESCRIBE":
            return 200, [("Content-Base", "rtsp://10.0.0.9/H264?channel=1")], sdp
        return (404, [], "") if request.url == "rtsp://10.0.0.9/H264?channel=1/video" else None

    _, server = playing(Server(check=check))
    assert [r.url for r in server.log if r.method == "SETUP"] == [
        "rtsp://10.0.0.9/H264?channel=1/video",
        "rtsp://10.0.0.9/H264/video?channel=1",
    ]


def test_play_without_range_and_at_another_url() -> None:
    d, server = playing(Server(changes=[("PLAY", (457, [], "")), ("PLAY", (404, [], ""))]))
    plays = [(r.url, r.headers.get("range")) for r in server.log if r.method == "PLAY"]
    assert plays == [(URL + "/", "npt=0.000-"), (URL + "/", None), (URL, None)]
    assert asked(d.keepalive()).url == URL


def test_session_identifier_of_the_first_setup_is_kept() -> None:
    one, two = (
        [("Transport", f"RTP/AVP/TCP;interleaved={n}"), ("Session", s)] for n, s in (("0-1", "a"), ("2-3", "b"))
    )
    d, server = playing(Server(changes=[("SETUP", (200, one, "")), ("SETUP", (200, two, ""))]), want_audio=True)
    assert server.log[-1].headers["session"] == "a"
    assert any("session identifier" in note for note in d.notes)


# Keepalive


@pytest.mark.parametrize(
    ("timeout", "interval"), [(60, 27), (65, 29.25), (600, 30), (40, 18), (12, 5.4), (10, 4.5), (2, 0.9)]
)
def test_keepalive_interval(timeout: int, interval: float) -> None:
    assert keepalive_interval_s(timeout) == pytest.approx(interval)
    assert interval < timeout / 2


@pytest.mark.parametrize(
    ("public", "first"),
    [("OPTIONS, GET_PARAMETER", "GET_PARAMETER"), ("options, describe", "OPTIONS"), ("", "GET_PARAMETER")],
)
def test_keepalive_form(public: str, first: str) -> None:
    d, _ = playing(Server(changes=[("OPTIONS", (200, [("Public", public)], ""))]))
    request = asked(d.keepalive())
    assert (request.method, request.url, request.headers["session"]) == (first, URL + "/", "abc")


@pytest.mark.parametrize("status", [405, 501, 454, 551, 400, 302])
def test_refused_keepalives_try_the_next_form_and_never_end_the_session(status: int) -> None:
    d, server = playing()
    server.check = lambda _: (status, [], "")
    server.log.clear()
    server.run(d, d.keepalive())
    assert server.methods == ["GET_PARAMETER", "OPTIONS", "SET_PARAMETER"]
    server.run(d, d.keepalive())
    server.run(d, d.keepalive())
    assert server.methods[3:] == ["OPTIONS", "OPTIONS"]
    assert (d.phase, d.keepalives_refused) == (Phase.PLAYING, 5)


def test_one_accepted_form_stays() -> None:
    d, server = playing()
    server.changes = [("GET_PARAMETER", (501, [], ""))]
    server.run(d, d.keepalive())
    assert asked(d.keepalive()).method == "OPTIONS"


def test_a_password_changed_meanwhile_is_not_shown_again_and_again() -> None:
    guard = Guard()
    server = Server(check=guard)
    d = server.run(dialogue(SECRET_URL))
    guard.password = "other"
    guard.nonce += 1
    for _ in range(10):
        server.run(d, d.keepalive())
    assert d.phase is Phase.PLAYING
    assert guard.wrong <= 2
    assert "authorization" not in server.log[-1].headers


def test_unanswered_keepalives_do_not_pile_up() -> None:
    d, server = playing()
    for _ in range(100):
        d.keepalive()
    server.run(d, d.keepalive())
    assert d.unexpected_replies == 0
    assert dialogue().keepalive() == b""


# Odd replies, requests of the server


def test_replies_with_wrong_or_missing_cseq_count_for_the_oldest_request() -> None:
    server, d = Server(), dialogue()
    data = d.start()
    for cseq in ("0", None, "77", "x", "1", "1"):
        if data:
            response = server.answer(data)
            kept = tuple((n, v) for n, v in response.headers if n != "CSeq")
            headers = Headers(kept if cseq is None else (*kept, ("CSeq", cseq)))
            data = d.on_message(Response(response.status, "OK", headers, response.body))
    assert d.phase is Phase.PLAYING
    assert d.on_message(Response(200, "OK", Headers())) == b""
    assert d.unexpected_replies == 1


def test_provisional_replies_are_waited_out() -> None:
    server, d = Server(), dialogue()
    data = d.start()
    assert d.on_message(Response(100, "Continue", Headers((("CSeq", "1"),)))) == b""
    server.run(d, data)
    assert d.phase is Phase.PLAYING


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("OPTIONS", b"", 200),
        ("GET_PARAMETER", b"", 200),
        ("SET_PARAMETER", b"x: y", 451),
        ("ANNOUNCE", b"v=0", 200),
        ("PLAY_NOTIFY", b"", 501),
    ],
)
def test_requests_of_the_server_are_answered(method: str, body: bytes, status: int) -> None:
    d, _ = playing()
    request = ServerRequest(method, URL, Headers((("CSeq", "31"), ("Session", "abc"))), body)
    (reply,), _ = ServerParser().feed(d.on_message(request))
    assert isinstance(reply, Response)
    assert (reply.status, reply.cseq, reply.headers.get("Session")) == (status, 31, "abc")
    assert d.phase is Phase.PLAYING


def test_a_redirect_request_of_the_server() -> None:
    for headers, path in (((("Location", "rtsp://10.0.0.9/b"),), "/b"), ((), "/live")):
        d, _ = playing()
        answer = d.on_message(ServerRequest("REDIRECT", URL, Headers((("CSeq", "1"), *headers))))
        assert answer.startswith(b"RTSP/1.0 200 OK\r\n")
        assert d.phase is Phase.REDIRECTED
        assert asked(d.teardown()).method == "TEARDOWN"
        assert asked(d.redirected().start()).url.endswith(path)


def test_started_once() -> None:
    d = dialogue()
    d.start()
    with pytest.raises(InvalidError, match="twice"):
        d.start()


TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=20)
NAMES = st.sampled_from(
    ["Session", "Transport", "WWW-Authenticate", "Location", "RTP-Info", "Public", "Content-Base", "CSeq"]
)
VALUES = TEXT | st.sampled_from(
    [
        "abc;timeout=9",
        "RTP/AVP/TCP;interleaved=0-1",
        "RTP/AVP/TCP;interleaved=2",
        'Digest realm="a", nonce="b"',
        'Digest realm="a", nonce="c", stale=true, algorithm=MD5-sess',
        "Basic realm=x",
        "rtsp://elsewhere/x",
        "url=t1;seq=1",
    ]
)
REPLIES = st.tuples(
    st.sampled_from([100, 200, 200, 200, 302, 401, 401, 404, 457, 461, 500]),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.sampled_from([b"", SDP.encode(), b"junk"]) | st.binary(max_size=20),
)


@settings(max_examples=150)
@given(st.lists(REPLIES, max_size=12), st.booleans())
def test_any_replies_raise_nothing_else_and_show_no_password(
    replies: list[tuple[int, list[tuple[str, str]], bytes]], want_audio: bool
) -> None:
    url, _ = parse_camera_url(URL)
    d = RtspDialogue(url, Credentials("Xadmin", "Xs3cret"), want_audio=want_audio)
    d.start()
    shown = ""
    try:
        for status, headers, body in replies:
            d.on_message(Response(status, "x", Headers(tuple(headers)), body))
            d.keepalive()
    except OvertError as error:
        shown = str(error)
    shown += repr(d) + " ".join(d.notes)
    assert shown.isprintable()
    assert "Xs3cret" not in shown
    assert "Xadmin" not in shown
    assert len(d.notes) <= 32

"""One session with a camera that follows a script: what servers do wrong, and when they are left in the middle."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from certificates import self_signed
from overt.clock import SECOND, RecorderClock, SystemClock
from overt.errors import ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.media import feed as feed_module
from overt.media import link as link_module
from overt.media.feed import CameraAddress, Feed, FeedOptions, RedirectedError, SilentError
from overt.media.interleaved import MAX_DESYNCS
from overt.media.link import Endpoint, LinkError, TlsTrust
from overt.media.resolve import Resolver
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.transport import Lower
from overt.media.rtsp.urls import parse_camera_url
from scripted_camera import (
    AUDIO,
    QUICK,
    VIDEO,
    GoneError,
    Playback,
    Wire,
    begin_feed,
    interleaved,
    on_reactor,
    played,
    rtp,
    sdp,
    sender_report,
)

IMPATIENT = replace(QUICK, stall_timeout_ns=SECOND, reply_timeout_ns=SECOND // 2)
WITH_AUDIO = replace(QUICK, audio=True)
UDP = replace(IMPATIENT, transport="udp")


class Saw:
    """What a script wants its test to know."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.reached = threading.Event()

    def wait(self) -> None:
        assert self.reached.wait(60), "the script did not get there"


def test_stopped_while_connecting() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        # The queue of the listener is full: further connections get no answer at all.
        with socket.create_connection(("127.0.0.1", port)), on_reactor() as playback:
            begin_feed(playback, f"rtsp://127.0.0.1:{port}/cam")
            assert playback.close_feed() < 0.4
            assert playback.endings == []


def test_a_connection_that_gets_no_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "CONNECT_TIMEOUT_NS", SECOND // 2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), on_reactor() as playback:
            begin_feed(playback, f"rtsp://127.0.0.1:{port}/cam")
            assert "no connection within 0.5 s" in str(playback.wait_end())


def test_stopped_in_setup_without_a_session_says_nothing_more() -> None:
    saw = Saw()

    def script(wire: Wire) -> None:
        wire.described()
        wire.asked("SETUP")
        saw.reached.set()
        with pytest.raises(GoneError):
            wire.asked()
        saw.words.append("gone")

    with played(script) as playback:
        saw.wait()
        assert playback.close_feed() < 0.4
    assert saw.words == ["gone"]
    assert playback.fragments == []


def test_stopped_in_setup_with_a_session_says_teardown() -> None:
    saw = Saw()

    def script(wire: Wire) -> None:
        wire.described(VIDEO, AUDIO)
        wire.set_up()
        wire.asked("SETUP")
        saw.reached.set()
        teardown = wire.asked("TEARDOWN")
        saw.words.append(teardown.headers["session"])
        wire.reply(teardown)

    with played(script, options=WITH_AUDIO) as playback:
        saw.wait()
        playback.close_feed()
    assert saw.words == ["abc"]


def test_a_server_that_never_answers_teardown_is_left_after_half_a_second() -> None:
    def script(wire: Wire) -> None:
        wire.playing()
        wire.pictures(5)
        wire.asked("TEARDOWN")
        while True:
            wire.picture()
            time.sleep(0.02)

    with played(script) as playback:
        playback.wait(lambda: playback.feed.playing_since_ns > 0, "not playing")
        assert 0.4 < playback.close_feed() < 1.5
        assert playback.frames >= 5, "what came before the goodbye is not delivered"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"RTSP",
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Ty",
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 900\r\n\r\nv=0",
    ],
)
def test_a_server_that_closes_in_the_middle_of_its_reply(reply: bytes) -> None:
    def script(wire: Wire) -> None:
        wire.reply(wire.asked("OPTIONS"))
        wire.asked("DESCRIBE")
        wire.send(reply)

    with played(script) as playback:
        error = playback.wait_end()
    assert isinstance(error, UnavailableError)
    assert "closed the connection in answer to DESCRIBE" in str(error)


def test_frames_ahead_of_the_reply_to_play_are_kept() -> None:
    def script(wire: Wire) -> None:
        wire.described()
        wire.set_up()
        asked = wire.asked("PLAY")
        wire.picture(keyframe=True)
        wire.picture()
        wire.reply(asked, Session="abc")
        wire.pictures(1)
        wire.gone()

    with played(script) as playback:
        playback.wait_frames(3)
        assert playback.fragments[0].keyframe
        assert playback.feed.counters.desyncs == 0


def test_two_tracks_on_one_channel_are_audios_fault_and_the_session_is_given_back() -> None:
    saw = Saw()

    def script(wire: Wire) -> None:
        wire.described(VIDEO, AUDIO)
        wire.set_up("RTP/AVP/TCP;unicast;interleaved=0-1")
        wire.set_up("RTP/AVP/TCP;unicast;interleaved=0-1")
        saw.words += wire.gone()

    with played(script, options=WITH_AUDIO) as playback:
        error = playback.wait_end()
        assert isinstance(error, InvalidError)
        assert "two tracks" in str(error)
        assert playback.feed.audio_at_fault
    assert saw.words == ["TEARDOWN"]


def test_audio_that_cannot_be_understood_is_audios_fault() -> None:
    strange = (
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000\r\n"
        "a=fmtp:97 mode=AAC-hbr;config=ffff;sizelength=13;indexlength=3;indexdeltalength=3\r\na=control:audio\r\n"
    )

    def script(wire: Wire) -> None:
        wire.described(VIDEO, strange)
        wire.set_up()
        wire.set_up()
        wire.gone()

    with played(script, options=WITH_AUDIO) as playback:
        assert isinstance(playback.wait_end(), InvalidError)
        assert playback.feed.audio_at_fault


def test_a_refused_video_is_not_audios_fault() -> None:
    def script(wire: Wire) -> None:
        wire.described(VIDEO, AUDIO)
        wire.reply(wire.asked("SETUP"), "500 Internal Server Error")
        wire.gone()

    with played(script, options=WITH_AUDIO) as playback:
        playback.wait_end()
        assert not playback.feed.audio_at_fault


def test_frames_of_a_channel_that_was_never_granted_are_counted_and_passed_over() -> None:
    def script(wire: Wire) -> None:
        wire.playing()
        for number in range(30):
            wire.picture(keyframe=number == 0)
            wire.send(interleaved(6, rtp(number, 0, keyframe=False)))
            time.sleep(0.01)
        wire.gone()

    with played(script) as playback:
        playback.wait_frames(20)
        counters = playback.feed.counters
        playback.wait(lambda: counters.foreign_frames >= 20, "foreign frames are not counted")
        assert counters.desyncs == 0
        assert not any(fragment.lost_packets or fragment.damaged_samples for fragment in playback.fragments)


def test_requests_of_the_server_in_the_middle_of_playing_are_answered() -> None:
    saw = Saw()

    def script(wire: Wire) -> None:
        wire.playing()
        wire.pictures(5)
        for number, method in enumerate(("OPTIONS", "GET_PARAMETER", "ANNOUNCE", "PAUSE")):
            wire.send(f"{method} rtsp://client RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode())
            wire.pictures(5)
            saw.words.append(wire.answered())
        saw.reached.set()
        wire.gone()

    with played(script) as playback:
        saw.wait()
        playback.wait_frames(20)
        assert playback.feed.counters.desyncs == 0
    assert saw.words == ["200 0", "200 1", "200 2", "501 3"]


def test_a_redirect_in_the_middle_of_playing_delivers_what_came_and_says_where_to() -> None:
    saw = Saw()

    def script(wire: Wire) -> None:
        wire.playing()
        wire.pictures(5)
        wire.send(b"REDIRECT rtsp://client RTSP/1.0\r\nCSeq: 9\r\nLocation: rtsp://192.0.2.1/other\r\n\r\n")
        saw.words += [wire.answered(), *wire.gone()]

    with played(script) as playback:
        error = playback.wait_end()
        assert isinstance(error, RedirectedError)
        assert error.dialogue.redirected().url.request_url == "rtsp://192.0.2.1/other"
        assert playback.frames == 5
    assert saw.words == ["200 9", "TEARDOWN"]


def test_a_keepalive_that_meets_a_new_nonce_is_said_again_with_it() -> None:
    saw = Saw()

    def challenge(nonce: str, *, stale: bool = False) -> str:
        return f'Digest realm="cam", nonce="{nonce}"' + (", stale=true" if stale else "")

    def script(wire: Wire) -> None:
        wire.reply(wire.asked("OPTIONS"), Public="OPTIONS, GET_PARAMETER")
        wire.reply(wire.asked("DESCRIBE"), "401 Unauthorized", WWW_Authenticate=challenge("one"))
        wire.reply(wire.asked("DESCRIBE"), body=sdp(), Content_Type="application/sdp")
        wire.set_up(session="abc;timeout=1")
        wire.reply(wire.asked("PLAY"), Session="abc")
        wire.picture(keyframe=True)
        keepalive = wire.asked("GET_PARAMETER")
        assert 'nonce="one"' in keepalive.headers["authorization"]
        wire.reply(keepalive, "401 Unauthorized", WWW_Authenticate=challenge("two", stale=True))
        again = wire.asked("GET_PARAMETER")
        assert 'nonce="two"' in again.headers["authorization"]
        wire.reply(again)
        wire.picture()
        third = wire.asked("GET_PARAMETER")
        assert 'nonce="two"' in third.headers["authorization"]
        wire.reply(third)
        saw.reached.set()
        wire.gone()

    with played(script, credentials=Credentials("viewer", "secret")) as playback:
        saw.wait()
        assert playback.endings == []
        assert playback.feed.dialogue.keepalives_refused == 0


@pytest.mark.parametrize(
    "text",
    [
        b"RTSP/1.0 200 OK\r\nX: " + b"a" * 200_000,
        b"RTSP/1.0 200 OK\r\n" + b"X: a\r\n" * 3_000,
        b"z" * 200_000,
        b"<html>" * 5_000,
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
    ids=["long line", "many lines", "letters", "markup", "huge body", "no number"],
)
def test_text_without_end_in_the_middle_of_playing_is_survived(text: bytes) -> None:
    def script(wire: Wire) -> None:
        wire.playing()
        wire.pictures(10)
        wire.send(text)
        for _ in range(8):
            wire.pictures(10)
        wire.gone()

    with played(script) as playback:
        playback.wait_frames(60)
        assert playback.endings == []
        assert playback.feed.counters.desyncs >= 1


def test_a_stream_whose_frames_come_one_by_one_finds_its_structure_again() -> None:
    """Each read then holds one frame alone: a place that was found must be kept until the next read confirms it."""

    def script(wire: Wire) -> None:
        wire.playing()
        wire.pictures(5)
        wire.send(b"$\x00\x00\x05garbage")
        for _ in range(20):
            time.sleep(0.03)
            wire.picture()
        wire.gone()

    with played(script) as playback:
        playback.wait_frames(20)
        assert playback.feed.counters.desyncs == 1


@pytest.mark.parametrize("times", [150, 250])
def test_structure_lost_again_and_again_in_one_read_ends_the_session_at_its_bound(times: int) -> None:
    """Each time it is found again first, so that the losses lie within one another."""

    def script(wire: Wire) -> None:
        wire.playing()
        wire.pictures(2)
        lost = b"$\x00\x00\x05lost!"
        wire.send(b"".join(wire.both() + lost for _ in range(times)) + wire.both())
        wire.pictures(10)
        wire.gone()

    with played(script) as playback:
        if times > MAX_DESYNCS:
            assert "lost the structure of its stream 200 times" in str(playback.wait_end())
        else:
            playback.wait(lambda: seen(playback) >= 2 * times, "frames between the losses are missing")
            assert playback.feed.counters.desyncs == times
            assert playback.endings == []


def test_an_rtcp_channel_that_setup_left_out_is_the_next_one() -> None:
    def script(wire: Wire) -> None:
        wire.described()
        wire.set_up("RTP/AVP/TCP;unicast;interleaved=0")
        wire.reply(wire.asked("PLAY"), Session="abc")
        wire.pictures(3)
        wire.send(interleaved(1, sender_report(7200, time.time_ns() + 2 * SECOND)))
        wire.pictures(3)
        wire.gone()

    with played(script) as playback:
        playback.wait(lambda: offset(playback) is not None, "the sender report was not taken", 3)
        assert (offset(playback) or 0) / SECOND == pytest.approx(2, abs=0.5)


def seen(playback: Playback) -> int:
    reception = playback.feed.reception
    return 0 if reception is None else reception.counters.frames


def offset(playback: Playback) -> int | None:
    reception = playback.feed.reception
    return None if reception is None else reception.camera_offset_ns


def test_what_tls_has_decrypted_does_not_wait_for_the_next_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that ends in the middle of a TLS record leaves bytes of which the kernel knows nothing."""
    monkeypatch.setattr(feed_module, "READ_LIMIT", 20_000)
    pem, key, fingerprint = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)

    def script(wire: Wire) -> None:
        wire.playing()
        wire.send(b"".join(interleaved(0, wire.packet(keyframe=n == 0, size=1400)) for n in range(100)))
        wire.gone()

    options = FeedOptions(trust=TlsTrust(fingerprint_sha256=fingerprint), stall_timeout_ns=30 * SECOND)
    with played(script, options=options, tls=context) as playback:
        playback.wait(lambda: seen(playback) == 100, "frames stay within TLS", 5)


def test_a_tls_handshake_that_never_ends_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "CONNECT_TIMEOUT_NS", SECOND // 4)
    with socket.create_server(("127.0.0.1", 0)) as listener, on_reactor() as playback:
        begin_feed(playback, f"rtsps://127.0.0.1:{listener.getsockname()[1]}/cam", IMPATIENT)
        error = playback.wait_end()
        assert "did not complete the TLS handshake" in str(error)
        assert not isinstance(error, ForbiddenError)


def test_a_camera_that_goes_away_before_the_handshake_is_a_broken_link(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        def wrap_socket(self, *_: object, **__: object) -> None:
            raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(TlsTrust, "context", lambda self: Context())
    with socket.create_server(("127.0.0.1", 0)) as listener, on_reactor() as playback:
        begin_feed(playback, f"rtsps://127.0.0.1:{listener.getsockname()[1]}/cam")
        error = playback.wait_end()
        assert isinstance(error, LinkError)
        assert "reset the connection" in str(error)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_when_no_descriptor_is_left_that_is_said(monkeypatch: pytest.MonkeyPatch, transport: Lower) -> None:
    limit = 0 if transport == "tcp" else 2
    made: list[socket.socket] = []

    class Scarce(socket.socket):
        def __init__(self, *given: int) -> None:
            if len(made) >= limit:
                raise OSError(24, "Too many open files")
            super().__init__(*given)
            made.append(self)

    with on_reactor() as playback, socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(link_module.socket, "socket", Scarce)
        began = len(playback.made)
        failures: list[BaseException] = []
        place, _ = parse_camera_url(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/cam")
        address = CameraAddress(Endpoint(socket.AF_INET, ("127.0.0.1", place.port), "127.0.0.1"), place, None)

        def begin() -> None:
            with pytest.raises(UnavailableError, match="Too many open files") as caught:
                Feed(
                    playback.reactor,
                    RecorderClock(SystemClock()),
                    address,
                    replace(QUICK, transport=transport),
                    not_before_ns=0,
                    deliver=playback.deliver,
                    ended=playback.ended,
                )
            failures.append(caught.value)

        playback.on_reactor(begin)
        assert len(failures) == 1
        assert all(each.fileno() == -1 for each in made), "sockets are left open"
        assert len(playback.made) == began


def test_a_link_local_address_keeps_its_interface() -> None:
    resolver = Resolver()
    (found,) = resolver.resolve("fe80::1%lo", 554).result(0)
    assert found.address == ("fe80::1", 554, 0, socket.if_nametoindex("lo"))
    assert found.host == "fe80::1%lo"
    with pytest.raises(MissingError, match="cannot be resolved"):
        resolver.resolve("fe80::1%nosuch", 554).result(0)
    resolver.close()


def test_a_camera_that_falls_silent_is_given_up_and_told_so() -> None:
    saw = Saw()

    def script(wire: Wire) -> None:
        wire.playing()
        wire.pictures(5)
        saw.words += wire.gone()

    with played(script, options=IMPATIENT) as playback:
        error = playback.wait_end()
        assert isinstance(error, SilentError)
        assert "sends no frames since 1." in str(error)
        assert playback.frames == 5
    assert saw.words == ["TEARDOWN"]


class UdpCamera:
    """The media side of a camera over UDP; it may send from another address than the one it is reached at."""

    def __init__(self, host: str, source: str = "") -> None:
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.media = socket.socket(self.family, socket.SOCK_DGRAM)
        self.media.bind((host, 0))
        self.control = socket.socket(self.family, socket.SOCK_DGRAM)
        self.control.bind((host, 0))
        self.control.settimeout(60)
        self.source = source
        self.client: tuple[str, int] = ("", 0)

    def set_up(self, wire: Wire) -> None:
        asked = wire.asked("SETUP")
        client = asked.headers["transport"].partition("client_port=")[2]
        port = int(client.partition("-")[0])
        self.client = ("::1" if self.family == socket.AF_INET6 else "127.0.0.1", port)
        server = f"{self.media.getsockname()[1]}-{self.control.getsockname()[1]}"
        transport = f"RTP/AVP;unicast;client_port={client};server_port={server}"
        wire.reply(asked, Transport=transport + (f";source={self.source}" if self.source else ""), Session="abc")

    def heard(self) -> bytes:
        """The next RTCP packet of the client."""
        return self.control.recv(2000)

    def script(self, wire: Wire) -> None:
        wire.described()
        self.set_up(wire)
        wire.reply(wire.asked("PLAY"), Session="abc")
        for number in range(30):
            self.media.sendto(wire.packet(keyframe=number == 0), self.client)
            time.sleep(0.005)
        wire.gone()

    def close(self) -> None:
        self.media.close()
        self.control.close()


@pytest.mark.parametrize(("host", "source"), [("127.0.0.1", ""), ("127.0.0.1", "10.0.0.9"), ("::1", "")])
def test_udp_from_the_address_that_was_connected_to(host: str, source: str) -> None:
    """A camera behind address translation calls its source by its inner address."""
    with closing(UdpCamera(host, source)) as camera, played(camera.script, options=UDP, host=host) as playback:
        playback.wait_frames(30)
        assert not any(fragment.lost_packets for fragment in playback.fragments)
        # The empty receiver report that opens a firewall's way.
        assert camera.heard()[:2] == b"\x80\xc9"


@pytest.mark.parametrize("source", ["", "127.0.0.9"])
def test_udp_from_another_address_only_where_the_camera_says_so(source: str) -> None:
    with closing(UdpCamera("127.0.0.9", source)) as camera, played(camera.script, options=UDP) as playback:
        if source:
            playback.wait_frames(30)
        else:
            error = playback.wait_end()
            assert isinstance(error, SilentError)
            assert "30 datagrams came from another address" in str(error)
            assert playback.fragments == []

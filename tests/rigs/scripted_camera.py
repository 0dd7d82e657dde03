"""A camera that does what a test tells it to, byte by byte, and a feed that is played from it by a real reactor."""

from __future__ import annotations

import base64
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

from overt.clock import RecorderClock, SystemClock
from overt.errors import OvertError
from overt.media import reactor
from overt.media.feed import CameraAddress, Feed, FeedOptions
from overt.media.link import Endpoint
from overt.media.reactor import Reactor
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.urls import parse_camera_url
from overt.media.samples import Fragment

SPS = bytes.fromhex("6742000af841a2")
PPS = bytes.fromhex("68ce3880")
SETS = ",".join(base64.b64encode(each).decode() for each in (SPS, PPS))
VIDEO = (
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={SETS}\r\na=control:video\r\n"
)
AUDIO = "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:audio\r\n"
SSRC = 0x0BADCAFE
FRAME_TICKS = 3600
TICK_NS = 2_000_000
QUICK = FeedOptions(target_ns=100_000_000, stall_timeout_ns=2_000_000_000)


def sdp(*media: str) -> bytes:
    return ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=scripted\r\nt=0 0\r\n" + "".join(media or (VIDEO,))).encode()


class GoneError(Exception):
    """The client has closed the connection."""


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    url: str
    headers: dict[str, str]


class Wire:
    """The camera's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = bytearray()
        self._sequence = 0
        self._time = 0
        connection.settimeout(60)

    def _message(self) -> tuple[str, dict[str, str]]:
        """Return the first line and the headers of what the client says next; RTCP is passed over."""
        while True:
            if self._received[:1] == b"$" and len(self._received) >= 4:
                size = 4 + int.from_bytes(self._received[2:4], "big")
                if len(self._received) >= size:
                    del self._received[:size]
                    continue
            elif self._received and b"\r\n\r\n" in self._received:
                break
            try:
                data = self._connection.recv(65536)
            except ConnectionError as error:
                raise GoneError from error
            if not data:
                raise GoneError
            self._received += data
        text, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        self._received = bytearray(rest)
        first, *lines = text.decode("latin-1").split("\r\n")
        return first, {
            name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)
        }

    def asked(self, method: str = "") -> Asked:
        """Return the next request, which must be of this method if one is named."""
        first, headers = self._message()
        asked = Asked(*first.split(" ")[:2], headers)
        assert asked.method == method or not method, f"{first} came where {method} should"
        return asked

    def answered(self) -> str:
        """Return the status and CSeq with which the client answers a request of ours."""
        first, headers = self._message()
        assert first.startswith("RTSP/1.0 "), first
        return f"{first.split(' ')[1]} {headers['cseq']}"

    def reply(self, asked: Asked, status: str = "200 OK", body: bytes = b"", **headers: str) -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {asked.headers['cseq']}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except ConnectionError as error:
            raise GoneError from error

    def described(self, *media: str) -> None:
        """Answer OPTIONS and DESCRIBE."""
        self.reply(self.asked("OPTIONS"), Public="OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
        self.reply(self.asked("DESCRIBE"), body=sdp(*media), Content_Type="application/sdp")

    def set_up(self, transport: str = "", session: str = "abc") -> Asked:
        """Answer SETUP: as it was asked, or with another Transport."""
        asked = self.asked("SETUP")
        self.reply(asked, Transport=transport or asked.headers["transport"], Session=session)
        return asked

    def playing(self, session: str = "abc") -> None:
        """Answer everything up to PLAY."""
        self.described()
        self.set_up(session=session)
        self.reply(self.asked("PLAY"), Session=session.partition(";")[0])

    def picture(self, channel: int = 0, *, keyframe: bool = False, size: int = 200) -> None:
        """Send one frame in one packet."""
        self.send(interleaved(channel, self.packet(keyframe=keyframe, size=size)))

    def both(self) -> bytes:
        """Return the next two frames, interleaved."""
        return interleaved(0, self.packet()) + interleaved(0, self.packet())

    def packet(self, *, keyframe: bool = False, size: int = 200) -> bytes:
        """Return the next frame's packet, single NAL unit (RFC 6184 §5.6)."""
        packet = rtp(self._sequence, self._time, keyframe=keyframe, size=size)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._time += FRAME_TICKS
        return packet

    def pictures(self, count: int, channel: int = 0, *, pause_s: float = 0.005) -> None:
        """Send a group of frames, the first of which is a keyframe."""
        for number in range(count):
            self.picture(channel, keyframe=number == 0)
            time.sleep(pause_s)

    def gone(self) -> list[str]:
        """Answer until the client closes; return the methods that it still asked."""
        methods = []
        try:
            while True:
                asked = self.asked()
                methods.append(asked.method)
                self.reply(asked)
        except GoneError:
            return methods


def rtp(sequence: int, timestamp: int, *, keyframe: bool, size: int = 200) -> bytes:
    header = struct.pack(">BBHII", 0x80, 0x80 | 96, sequence, timestamp & 0xFFFFFFFF, SSRC)
    body = bytes((sequence * 7 + index) % 251 + 1 for index in range(min(size, 64))) * (size // min(size, 64) + 1)
    return header + (b"\x65\x88" if keyframe else b"\x41\x9a") + body[:size]


def sender_report(timestamp: int, utc_ns: int) -> bytes:
    """An RTCP sender report (RFC 3550 §6.4.1) without blocks."""
    seconds, rest = divmod(utc_ns, 1_000_000_000)
    ntp = ((seconds + 2_208_988_800) << 32) + (rest << 32) // 1_000_000_000
    return struct.pack(">BBHIQIII", 0x80, 200, 6, SSRC, ntp, timestamp, 1, 100)


def interleaved(channel: int, packet: bytes) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


Script = Callable[[Wire], None]


class ScriptedCamera:
    """A listener on loopback; its connections go through the scripts one by one, the last of which is repeated."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._scripts = list(scripts)
        self._tls = tls
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._closing = False
        self.failures: list[BaseException] = []
        self.connections = 0
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self._thread.start()

    @property
    def url(self) -> str:
        return f"rtsp{'s' if self._tls else ''}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/cam"

    def close(self) -> None:
        """End, and raise what went wrong in a script."""
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listener.close()
        for failure in self.failures:
            raise failure

    def _serve(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            try:
                secured = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
                with secured:
                    script(Wire(secured))
            except GoneError:
                continue
            except (AssertionError, ValueError, OSError, LookupError) as failure:
                self.failures.append(failure)
            finally:
                connection.close()


@dataclass
class Playback:
    """A feed on a reactor of its own, and what came of it."""

    reactor: Reactor
    fragments: list[Fragment] = field(default_factory=list)
    endings: list[OvertError] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    made: list[Feed] = field(default_factory=list)
    failure: list[BaseException] = field(default_factory=list)

    @property
    def feed(self) -> Feed:
        return self.made[0]

    @property
    def frames(self) -> int:
        return sum(fragment.samples for fragment in self.fragments)

    def deliver(self, fragments: list[Fragment]) -> None:
        with self.changed:
            self.fragments += fragments
            self.changed.notify_all()

    def ended(self, error: OvertError) -> None:
        with self.changed:
            self.endings.append(error)
            self.changed.notify_all()

    def wait(self, predicate: Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        with self.changed:
            while not predicate():
                assert time.monotonic() < deadline, f"{what}: {self.frames} frames, ended {self.endings}"
                self.changed.wait(0.02)

    def wait_frames(self, count: int) -> None:
        self.wait(lambda: self.frames >= count, f"{count} frames did not come")

    def wait_end(self) -> OvertError:
        self.wait(lambda: bool(self.endings), "the session did not end")
        return self.endings[0]

    def on_reactor(self, action: Callable[[], None]) -> None:
        """Run on the reactor's thread and wait for it."""
        done = threading.Event()
        self.reactor.call(lambda: (action(), done.set())[0])
        assert done.wait(60)

    def close_feed(self) -> float:
        """End the session as its owner; return how many seconds that took."""
        done = threading.Event()
        began = time.monotonic()
        self.reactor.call(lambda: self.feed.close(done.set))
        assert done.wait(60), "the feed did not close"
        return time.monotonic() - began


@contextmanager
def on_reactor() -> Iterator[Playback]:
    """A reactor that runs, with nothing on it; it looks at time-outs more often than usual."""
    playback = Playback(Reactor(SystemClock(), lambda: None, TICK_NS))

    def run() -> None:
        try:
            with mock.patch.object(reactor, "HOUSEKEEPING_NS", 10 * TICK_NS):
                playback.reactor.run()
        except Exception as error:
            playback.failure.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield playback
    finally:
        playback.reactor.stop()
        thread.join(60)
        assert not thread.is_alive()
        if playback.failure:
            raise playback.failure[0]


def begin_feed(
    playback: Playback, url: str, options: FeedOptions | None = None, credentials: Credentials | None = None
) -> None:
    """Begin a session on the playback's reactor."""
    place, _ = parse_camera_url(url)
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    address = (place.host, place.port, 0, 0) if family == socket.AF_INET6 else (place.host, place.port)

    def begin() -> None:
        playback.made.append(
            Feed(
                playback.reactor,
                RecorderClock(SystemClock()),
                CameraAddress(Endpoint(family, address, place.host), place, credentials),
                options or QUICK,
                not_before_ns=0,
                deliver=playback.deliver,
                ended=playback.ended,
            )
        )

    playback.on_reactor(begin)


@contextmanager
def played(
    *scripts: Script,
    options: FeedOptions | None = None,
    credentials: Credentials | None = None,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> Iterator[Playback]:
    """Play a scripted camera; whatever is left is closed at the end, and a script's failure raised."""
    camera = ScriptedCamera(*scripts, tls=tls, host=host)
    try:
        with on_reactor() as playback:
            begin_feed(playback, camera.url, options, credentials)
            yield playback
            if not playback.endings:
                playback.reactor.call(lambda: playback.feed.close(lambda: None))
    finally:
        camera.close()

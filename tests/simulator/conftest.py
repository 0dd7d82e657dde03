"""Small sources made on the spot, and an RTSP client that shows every byte."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import av
import pytest

from overt.simulator import CameraPersona, Persona, Simulator

FRAMES = 40


def _picture(index: int, width: int, height: int, pixels: str) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, pixels)
    for number, plane in enumerate(frame.planes):
        plane.update(bytes((at * (3 + number) + index * 5 + at // 64) & 0xFF for at in range(plane.buffer_size)))
    frame.pts = index
    return frame


def _clip(
    path: Path, encoder: str, options: dict[str, str], size: tuple[int, int] = (96, 64), aac: bool = False
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
        if encoder == "mjpeg":
            stream.codec_context.color_range = 2
        sound = container.add_stream("aac", rate=16000) if aac else None
        for index in range(FRAMES):
            for packet in stream.encode(_picture(index, *size, stream.pix_fmt)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
        if sound is not None:
            for index in range(25):
                quiet = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
                for plane in quiet.planes:
                    plane.update(bytes(plane.buffer_size))
                quiet.sample_rate, quiet.pts = 16000, index * 1024
                for packet in sound.encode(quiet):
                    container.mux(packet)
            for packet in sound.encode():
                container.mux(packet)
    return path


_PLAIN = {"g": "10", "bf": "0", "sc_threshold": "0", "preset": "ultrafast"}


@dataclass(frozen=True)
class Clips:
    """One clip of 40 frames at 25 frames/s for each kind of stream."""

    h264: Path
    h264_b: Path
    h264_other: Path
    h264_aac: Path
    h265: Path
    mjpeg: Path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("clips")
    b_frames = {"g": "10", "bf": "2", "sc_threshold": "0", "preset": "medium", "x264-params": "b-adapt=0:open-gop=0"}
    return Clips(
        h264=_clip(folder / "h264.mp4", "libx264", _PLAIN),
        h264_b=_clip(folder / "b.mp4", "libx264", b_frames),
        h264_other=_clip(folder / "other.mp4", "libx264", _PLAIN, (128, 96)),
        h264_aac=_clip(folder / "aac.mp4", "libx264", _PLAIN, aac=True),
        h265=_clip(
            folder / "h265.mp4",
            "libx265",
            {"preset": "ultrafast", "x265-params": "log-level=none:keyint=10:min-keyint=10:bframes=0:pools=none"},
        ),
        mjpeg=_clip(folder / "mjpeg.mp4", "mjpeg", {"huffman": "default"}),
    )


@pytest.fixture
def simulate(clips: Clips) -> Iterator[Callable[..., Simulator]]:
    """Start a simulator with one camera `hall`; all are closed at the end."""
    running: list[Simulator] = []

    def start(log_frames: int = 5000, tls: dict[str, Path] | None = None, **fields: object) -> Simulator:
        camera = CameraPersona.model_validate({"path": "hall", "source": clips.h264, **fields})
        simulator = Simulator(Persona.model_validate({"cameras": [camera], "tls": tls}), log_frames=log_frames)
        running.append(simulator)
        simulator.start()
        return simulator

    yield start
    for simulator in running:
        simulator.close()


@dataclass(frozen=True)
class Reply:
    status: int
    lines: list[str]
    body: str

    def __getitem__(self, name: str) -> str:
        return next(
            line.partition(":")[2].strip() for line in self.lines if line.lower().startswith(name.lower() + ":")
        )

    def all(self, name: str) -> list[str]:
        return [line.partition(":")[2].strip() for line in self.lines if line.lower().startswith(name.lower() + ":")]


class RawClient:
    """Speaks RTSP by hand; interleaved packets that come between replies are kept in `packets`."""

    def __init__(self, url: str, timeout: float = 60, wrap: Callable[[socket.socket], socket.socket] | None = None):
        self.url = url
        _, _, rest = url.partition("://")
        host, _, port = rest.partition("/")[0].rpartition("@")[2].rpartition(":")
        plain = socket.create_connection((host, int(port)), timeout)
        self.socket = wrap(plain) if wrap else plain
        self.packets: list[tuple[int, bytes]] = []
        self.sequence = 0
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def more(self) -> bytes:
        data = self.socket.recv(65536)
        self._buffer += data
        return data

    def _need(self, size: int) -> None:
        while len(self._buffer) < size:
            if not self.more():
                raise EOFError

    def next_packet(self) -> tuple[int, bytes]:
        self._need(4)
        assert self._buffer[:1] == b"$", self._buffer[:40]
        channel, size = struct.unpack(">BH", self._buffer[1:4])
        self._need(4 + size)
        packet, self._buffer = self._buffer[4 : 4 + size], self._buffer[4 + size :]
        self.packets.append((channel, packet))
        return channel, packet

    def send(self, method: str, url: str | None = None, *headers: str) -> None:
        self.sequence += 1
        lines = [f"{method} {url or self.url} RTSP/1.0", f"CSeq: {self.sequence}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())

    def reply(self) -> Reply:
        self._need(1)
        while self._buffer[:1] == b"$":
            self.next_packet()
            self._need(1)
        while b"\r\n\r\n" not in self._buffer:
            if not self.more():
                raise EOFError
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        size = next((int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")), 0)
        self._need(size)
        body, self._buffer = self._buffer[:size].decode(), self._buffer[size:]
        return Reply(int(lines[0].split()[1]), lines[1:], body)

    def ask(self, method: str, url: str | None = None, *headers: str) -> Reply:
        self.send(method, url, *headers)
        return self.reply()

    def set_up(self, token: str = "trackID=1", transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> Reply:
        return self.ask("SETUP", f"{self.url}/{token}", f"Transport: {transport}")

    def play(self) -> tuple[str, Reply]:
        """Set the first track up and play it; return the session and the reply to PLAY."""
        session = self.set_up()["Session"].partition(";")[0]
        return session, self.ask("PLAY", None, f"Session: {session}")

    def frames(self, count: int, channel: int = 0) -> list[list[bytes]]:
        """Read whole frames of RTP packets, as the marker bit ends them."""
        result: list[list[bytes]] = [[]]
        while len(result) <= count:
            got, packet = self.next_packet()
            if got == channel:
                result[-1].append(packet)
                if packet[1] & 0x80:
                    result.append([])
        return result[:count]


@pytest.fixture
def raw() -> Iterator[Callable[..., RawClient]]:
    opened: list[RawClient] = []

    def connect(url: str, **options: object) -> RawClient:
        opened.append(RawClient(url, **options))
        return opened[-1]

    yield connect
    for client in opened:
        client.socket.close()


@pytest.fixture
def units() -> Callable[[bytes], bytes]:
    """Turn an access unit as FFmpeg gives it (four-byte start codes) into the length-prefixed form."""

    def converted(data: bytes) -> bytes:
        parts = data.split(b"\x00\x00\x00\x01")[1:]
        return b"".join(struct.pack(">I", len(part)) + part for part in parts)

    return converted


@pytest.fixture
def watch() -> Callable[..., list[bytes]]:
    """Receive `count` video access units with FFmpeg's own RTSP client (through PyAV)."""

    def watching(url: str, count: int, transport: str = "tcp", **options: str) -> list[bytes]:
        quick = {"rtsp_transport": transport, "probesize": "20000", "analyzeduration": "300000", **options}
        received: list[bytes] = []
        with av.open(url, options=quick, timeout=60) as container:
            for packet in container.demux(container.streams.video[0]):
                received.append(bytes(packet))
                if len(received) == count:
                    break
        return received

    return watching


@pytest.fixture
def digest() -> Callable[..., str]:
    """Compute an Authorization header from a challenge, independently of the simulator."""

    def answer(challenge: str, method: str, uri: str, password: str, *, user: str = "viewer", count: int = 1) -> str:
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
        algorithm = given.get("algorithm", "MD5")

        def hashed(text: str) -> str:
            return hashlib.new("md5" if algorithm == "MD5" else "sha256", text.encode()).hexdigest()

        first = hashed(f"{user}:{given['realm']}:{password}")
        second = hashed(f"{method}:{uri}")
        line = f'Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}"'
        if "qop" in given:
            middle = f"{given['nonce']}:{count:08x}:c0ffee:auth"
            line += f', algorithm={algorithm}, qop=auth, nc={count:08x}, cnonce="c0ffee"'
        else:
            middle = given["nonce"]
        return f'Authorization: {line}, response="{hashed(f"{first}:{middle}:{second}")}"'

    return answer


@pytest.fixture
def basic() -> Callable[[str, str], str]:
    def answer(user: str, password: str) -> str:
        return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    return answer

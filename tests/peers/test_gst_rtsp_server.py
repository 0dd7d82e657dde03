"""Recording from an RTSP server that we did not write: GStreamer's, as Debian packages it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from av.bitstream import BitStreamFilterContext

from capture_rig import FOOTAGE, KeepingEvents, KeepingStore, Kept
from overt.clock import SystemClock
from overt.contract.assignment import CameraAssignment
from overt.contract.fact import StreamState
from overt.recorder.capturing import Capturing

pytestmark = pytest.mark.peer

SERVER = Path(__file__).with_name("gst_cameras.py")
SLICES = {"h264": range(1, 6), "h265": range(32)}
CODECS = ("h264", "h265")
LOGIN = ("viewer", "s3cret!")


@contextmanager
def gst(credentials: tuple[str, str] | None = None) -> Iterator[int]:
    """Serve a file of each codec as the camera of its name; yield the port."""
    environment = dict(os.environ)
    if credentials:
        environment |= {"GST_CAMERA_USER": credentials[0], "GST_CAMERA_PASSWORD": credentials[1]}
    command = ["/usr/bin/python3", str(SERVER), *(f"{codec}={codec}={source(codec)}" for codec in CODECS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline()
            assert port, "gst-rtsp-server did not start; it needs python3-gi, gir1.2-gst-rtsp-server-1.0 and plugins"
            yield int(port)
        finally:
            process.kill()


def source(codec: str) -> Path:
    return FOOTAGE / f"axis_test_{codec}.mp4"


def camera(name: str, port: int, path: str, login: tuple[str, str] | None, transport: str = "tcp") -> CameraAssignment:
    stream = {"urls": f"rtsp://127.0.0.1:{port}/{path}", "transport": transport, "engine": "native"}
    fields = {"username": login[0], "password": login[1]} if login else {}
    return CameraAssignment.model_validate({"name": name, "streams": [stream], **fields})


@contextmanager
def capturing(*cameras: CameraAssignment) -> Iterator[tuple[Capturing, KeepingStore, KeepingEvents]]:
    store, events = KeepingStore(), KeepingEvents()
    made = Capturing(SystemClock(), store, events)
    made.start()
    try:
        made.apply(cameras)
        yield made, store, events
    finally:
        assert made.stop(10)
        if made.failure is not None:
            raise made.failure


def slices(nal_units: list[bytes], codec: str) -> list[bytes]:
    """The coded picture data among NAL units: what no server may add or drop."""
    return [nal for nal in nal_units if (nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63) in SLICES[codec]]


def of_file(file: Path, codec: str) -> list[bytes]:
    found: list[bytes] = []
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        to_annex_b = BitStreamFilterContext("h264_mp4toannexb" if codec == "h264" else "hevc_mp4toannexb", stream)
        for packet in container.demux(stream):
            if packet.size:
                for filtered in to_annex_b.filter(packet):
                    pieces = bytes(filtered).split(b"\x00\x00\x01")
                    found += slices([piece.rstrip(b"\x00") for piece in pieces[1:]], codec)
    return found


def of_samples(samples: list[bytes], codec: str) -> list[bytes]:
    found: list[bytes] = []
    for sample in samples:
        units, position = [], 0
        while position < len(sample):
            length = int.from_bytes(sample[position : position + 4], "big")
            units.append(sample[position + 4 : position + 4 + length].rstrip(b"\x00"))
            position += 4 + length
        found += slices(units, codec)
    return found


@dataclass(frozen=True)
class Case:
    """One way of recording a file."""

    codec: str
    transport: str
    login: tuple[str, str] | None

    @property
    def name(self) -> str:
        return f"{self.codec}-{self.transport}-{'digest' if self.login else 'open'}"


CASES = [Case(codec, transport, login) for codec in CODECS for transport in ("tcp", "udp") for login in (None, LOGIN)]


@pytest.fixture(scope="module")
def recorded() -> dict[str, Kept]:
    """Every case, all at once since gst-rtsp-server sends in real time: what the first session of each gave."""
    with ExitStack() as stack:
        ports = {login: stack.enter_context(gst(login)) for login in (None, LOGIN)}
        cameras = [camera(case.name, ports[case.login], case.codec, case.login, case.transport) for case in CASES]
        _, store, _ = stack.enter_context(capturing(*cameras))
        for case in CASES:
            # The file ends; whatever the server does then, the capture says why nothing comes and begins anew.
            store.wait(case.name, lambda kept: bool(kept.fragments) and bool(kept.interruptions), 60)
    return store.kept


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_is_recorded_whole(recorded: dict[str, Kept], case: Case) -> None:
    kept = recorded[case.name]
    first = [f for f, session in zip(kept.fragments, kept.sessions, strict=True) if session == kept.sessions[0]]
    assert of_samples(Kept(first).samples(), case.codec) == of_file(source(case.codec), case.codec)
    assert not any(fragment.lost_packets or fragment.damaged_samples for fragment in first)
    assert kept.interruptions[0][0] == "camera"


def state(events: KeepingEvents, wanted: StreamState) -> str:
    """Wait for a state; return the reason that was given."""
    deadline = time.monotonic() + 10
    while True:
        for _, state, reason in list(events.states):
            if state == wanted:
                return reason
        assert time.monotonic() < deadline, events.states
        time.sleep(0.02)


def test_a_wrong_password_is_refused_named_and_not_shown_again() -> None:
    with gst(LOGIN) as port, capturing(camera("cam", port, "h264", (LOGIN[0], "wr0ng!"))) as (_, store, events):
        reason = state(events, "refused")
        assert "refused the user name or password" in reason
        assert "wr0ng!" not in reason
        time.sleep(2)
        assert [cause for cause, _ in store.of("cam").interruptions] == ["authentication"], "it was tried again at once"
        assert store.of("cam").fragments == []


def test_a_password_that_is_missing_is_asked_for() -> None:
    with gst(LOGIN) as port, capturing(camera("cam", port, "h264", None)) as (_, store, events):
        assert "none is configured" in state(events, "refused")
        assert store.of("cam").interruptions[0][0] == "authentication"


def test_a_path_that_is_not_there_is_named() -> None:
    with gst() as port, capturing(camera("cam", port, "nothing", None)) as (_, store, events):
        assert "check the path of the URL" in state(events, "refused")
        assert store.of("cam").interruptions[0][0] == "camera"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_session_ends_in_time_and_the_server_takes_the_next(transport: str) -> None:
    with gst(LOGIN) as port:
        for _ in range(2):
            with capturing(camera("cam", port, "h264", LOGIN, transport)) as (made, store, _):
                store.wait("cam", lambda kept: len(kept.fragments) > 2)
                began = time.monotonic()
                assert made.stop(10)
                assert time.monotonic() - began < 1, "TEARDOWN was not answered"
            assert store.of("cam").interruptions == [("stopped", "the recorder was stopped")]

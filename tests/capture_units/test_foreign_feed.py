"""The fallback engine as the recorder sees it: a process that writes records, dies, hangs or lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.clock import SECOND, RecorderClock, SystemClock
from overt.errors import ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.media.feed import SilentError
from overt.media.reception import Reception
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.sdp import PayloadFormat
from overt.media.rtsp.urls import parse_camera_url
from overt.recorder import foreign as foreign_module
from overt.recorder.foreign import ForeignFeed, ForeignSource, start
from overt.recorder.foreign_process import nal_units
from overt.recorder.foreign_records import CORRUPT, END, MAX_RECORD, RECORD, REFUSED, VIDEO
from scripted_camera import FRAME_TICKS, PPS, SPS, Playback, on_reactor

unhurried = settings(max_examples=60)
PLACE, _ = parse_camera_url("rtsp://192.0.2.1/cam")


def record(kind: int, data: bytes, *, flags: int = 0, pts: int = 0, length: int | None = None) -> bytes:
    return RECORD.pack(kind, flags, 0, len(data) if length is None else length, pts) + data


def units(*nals: bytes) -> bytes:
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)


def picture(number: int) -> bytes:
    slice_ = (b"\x65\x88" if number == 0 else b"\x41\x9a") + bytes(100)
    nals = (SPS, PPS, slice_ + b"\x80") if number == 0 else (slice_ + b"\x80",)
    return record(VIDEO, units(*nals), pts=number * FRAME_TICKS)


PICTURES = record(VIDEO, b"h264") + b"".join(picture(number) for number in range(20))


@contextmanager
def fed(monkeypatch: pytest.MonkeyPatch, script: str, stall_s: float = 2) -> Iterator[tuple[Playback, ForeignFeed]]:
    """A foreign feed whose process is a script: `out(bytes)` writes, `order` is what it was told."""
    prelude = "import json, os, sys, time\norder = json.loads(sys.stdin.readline())\n"
    prelude += "def out(data):\n    while data: data = data[os.write(1, data):]\n"

    def started(order: bytes) -> tuple[subprocess.Popen[bytes], FileIO]:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", prelude + script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert process.stdin is not None
        process.stdin.write(order)
        process.stdin.close()
        frames = cast("FileIO", process.stdout)
        os.set_blocking(frames.fileno(), False)
        return process, frames

    monkeypatch.setattr(foreign_module, "start", started)
    with on_reactor() as playback:
        made: list[ForeignFeed] = []

        def begin() -> None:
            made.append(
                ForeignFeed(
                    playback.reactor,
                    RecorderClock(SystemClock()),
                    ForeignSource(PLACE, Credentials("viewer", "p@ss:w/rd"), "tcp"),
                    stall_timeout_ns=int(stall_s * SECOND),
                    target_ns=SECOND // 10,
                    not_before_ns=0,
                    deliver=playback.deliver,
                    ended=playback.ended,
                )
            )

        playback.on_reactor(begin)
        try:
            yield playback, made[0]
        finally:
            if not playback.endings:
                playback.on_reactor(lambda: made[0].close(lambda: None))
            assert made[0]._process.returncode is not None, "the process is left behind"


def test_frames_come_through_and_the_end_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"out({PICTURES!r}); out({record(END, b'the camera ended the stream')!r})"
    with fed(monkeypatch, script) as (playback, _):
        error = playback.wait_end()
        assert type(error) is UnavailableError
        assert str(error) == "192.0.2.1: the camera ended the stream"
        assert playback.frames == 20
        assert playback.fragments[0].keyframe


def test_records_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        f"data = {PICTURES!r}\nfor i in range(0, len(data), 37): out(data[i:i+37]); time.sleep(0.001)\ntime.sleep(9)"
    )
    with fed(monkeypatch, script) as (playback, _):
        playback.wait_frames(20)


def test_a_process_that_dies_is_told_and_what_it_gave_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with fed(monkeypatch, f"out({PICTURES + PICTURES[:9]!r}); os.kill(os.getpid(), 9)") as (playback, _):
        assert "ended without a word" in str(playback.wait_end())
        assert playback.frames == 20


@pytest.mark.parametrize("begun", [False, True])
def test_a_process_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch, begun: bool) -> None:
    monkeypatch.setattr(foreign_module, "START_TIMEOUT_NS", 60 * SECOND if begun else SECOND // 2)
    script = f"out({PICTURES!r})\n" if begun else ""
    with fed(monkeypatch, script + "time.sleep(60)", stall_s=0.5) as (playback, _):
        error = playback.wait_end()
        assert isinstance(error, SilentError) == begun
        assert ("sends no frames since" if begun else "PyAV delivered nothing") in str(error)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (record(VIDEO, b"", length=MAX_RECORD + 1), "a record of"),
        (record(VIDEO, b"h264") + record(VIDEO, b"\0\0\0\x09ab"), "claims to end"),
        (record(VIDEO, b"h264") + record(VIDEO, b"\0\0\0\0"), "claims to end"),
        (record(VIDEO, b"h264") + record(VIDEO, b"ab"), "claims to end"),
        (record(ord("?"), b"what"), "unknown kind 63"),
    ],
    ids=["record", "NAL unit", "empty NAL unit", "half a length", "kind"],
)
def test_a_process_that_lies_is_refused(monkeypatch: pytest.MonkeyPatch, data: bytes, words: str) -> None:
    with fed(monkeypatch, f"out({data!r}); time.sleep(60)") as (playback, _):
        error = playback.wait_end()
        assert isinstance(error, InvalidError)
        assert words in str(error)


def test_memory_stays_bounded_while_a_record_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"out({record(VIDEO, b'', length=1 << 20)!r} + bytes(1 << 19)); time.sleep(60)"
    with fed(monkeypatch, script, stall_s=0.5) as (playback, feed):
        playback.wait(lambda: len(feed._pending) == RECORD.size + (1 << 19), "it was not read")


def test_refused_credentials_are_forbidden_even_where_the_end_is_read_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = f"out({record(END, b'the camera refuses the credentials', flags=REFUSED)!r}); os.kill(os.getpid(), 9)"
    with fed(monkeypatch, script) as (playback, _):
        playback.on_reactor(lambda: time.sleep(0.3))
        assert isinstance(playback.wait_end(), ForbiddenError)


def test_a_damaged_frame_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = record(VIDEO, units(b"\x41\x9a" + bytes(50) + b"\x80"), flags=CORRUPT, pts=20 * FRAME_TICKS)
    with fed(monkeypatch, f"out({PICTURES + bad!r}); time.sleep(60)") as (playback, feed):
        playback.wait(lambda: feed.reception is not None and feed.reception.counters.damaged_frames == 1, "no damage")


def test_the_password_goes_through_standard_input_alone() -> None:
    order = ForeignSource(PLACE, Credentials("viewer", "p@ss:w/rd"), "tcp").order()
    assert json.loads(order)["url"] == "rtsp://viewer:p%40ss%3Aw%2Frd@192.0.2.1/cam"
    process, frames = start(b'{"url": "rtsp://127.0.0.1:1/", "transport": "tcp", "timeout_s": 2}\n' + b" " * 200_000)
    try:
        assert b"127.0.0.1" not in b"".join(_command_line(process.pid))
        told = _everything(process, frames)
    finally:
        process.kill()
        frames.close()
        process.wait()
    kind, _, _, length, _ = RECORD.unpack_from(told)
    assert (kind, length) == (END, len(told) - RECORD.size)
    assert b"onnection refused" in told


def _command_line(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def _everything(process: subprocess.Popen[bytes], frames: FileIO) -> bytes:
    process.wait(60)
    return frames.read() or b""


def test_when_the_system_has_no_process_left_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(order: bytes) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(foreign_module, "start", none_left)
    with on_reactor() as playback:
        failures: list[OvertError] = []

        def begin() -> None:
            with pytest.raises(UnavailableError, match="cannot be started") as caught:
                ForeignFeed(
                    playback.reactor,
                    RecorderClock(SystemClock()),
                    ForeignSource(PLACE, None, "tcp"),
                    stall_timeout_ns=SECOND,
                    target_ns=SECOND // 10,
                    not_before_ns=0,
                    deliver=playback.deliver,
                    ended=playback.ended,
                )
            failures.append(caught.value)

        playback.on_reactor(begin)
        assert len(failures) == 1


@unhurried
@given(st.lists(st.binary(min_size=1, max_size=30).map(lambda b: b.replace(b"\0", b"\1")), max_size=8), st.data())
def test_nal_units_are_found_between_start_codes(nals: list[bytes], data: st.DataObject) -> None:
    codes = st.sampled_from([b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\1"])
    stream = b"".join(data.draw(codes) + nal for nal in nals) + data.draw(st.sampled_from([b"", b"\0", b"\0\0"]))
    assert nal_units(stream) == nals


@unhurried
@given(
    encoding=st.sampled_from(["H264", "H265", "JPEG"]),
    rate=st.integers(1, 999_999_999),
    packets=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2**32 - 1), st.binary(max_size=60)), max_size=40),
    audio=st.sampled_from(["", "PCMA", "MPEG4-GENERIC"]),
    audio_rate=st.integers(1, 999_999_999),
)
def test_no_packet_and_no_clock_rate_makes_reception_raise(
    encoding: str, rate: int, packets: list[tuple[int, int, bytes]], audio: str, audio_rate: int
) -> None:
    """What a session's end delivers must never fail: the capture thread would end with it."""
    aac = {"mode": "AAC-hbr", "config": "1408", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}
    formats = [PayloadFormat(96, encoding, rate)]
    if audio:
        formats.append(PayloadFormat(97, audio, audio_rate, 1, "", aac if audio == "MPEG4-GENERIC" else {}))
    reception = Reception(formats, clock=RecorderClock(SystemClock()), target_ns=SECOND // 2, not_before_ns=0)
    now = time.monotonic_ns()
    for sequence, (step, timestamp, payload) in enumerate(packets):
        now += step * SECOND // 10
        track = sequence % len(formats)
        header = bytes((0x80, 0x80 | 96 + track)) + sequence.to_bytes(2, "big") + timestamp.to_bytes(4, "big") + b"SSRC"
        packet = header + (SPS if sequence == 0 else b"\x65\x88" if sequence % 7 == 1 else b"") + payload
        reception.tracks[track].media(memoryview(packet), 0, len(packet), now)
        reception.gather()
        reception.poll(now)
    reception.finish(now)

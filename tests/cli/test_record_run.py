"""`overt record` and `overt demo` around a capture that is not there: start, lines, signals, stop."""

from __future__ import annotations

import json
import signal
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from overt.cli import demo as demo_command
from overt.cli.demo import DemoPlace, make_keys
from overt.cli.demo_cameras import simulated_cameras
from overt.cli.output import Output
from overt.cli.record import run, signals
from overt.contract.assignment import Assignment
from overt.contract.fact import Fact, GapOpened, SegmentStored, new_fact
from overt.errors import ConflictError
from overt.ids import StreamKey, new_id
from overt.recorder.configuration import Configuration, ConfigurationSource, camera_argument
from overt.recorder.health import RecorderHealth, StreamHealth
from overt.sealing.recipients_file import read_recipients
from overt.sealing.roles import Recipients

Site = Any
"""The fixture of conftest.py, which cannot be imported."""
SECOND = 1_000_000_000


class FakeCapture:
    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.events: list[str] = []
        self.tell: Callable[[Fact], None] = lambda _fact: None

    def start(self) -> None:
        self.events.append("start")
        key = StreamKey("a")
        self.tell(new_fact(SegmentStored(new_id(), 0, 1, 2, 3, 4, 0, 0), 5, key))
        self.tell(new_fact(GapOpened("network", "\x1b[31mno route", 7), 8, key))

    def apply(self, assignment: Assignment) -> None:
        raise ConflictError("not now")

    def seal_to(self, recipients: Recipients) -> None:
        raise ConflictError("not now")

    def health(self) -> RecorderHealth:
        streams = [StreamHealth(camera="a", stream="main", state="recording", recorded_through_ns=20 * SECOND)]
        return RecorderHealth(time_ns=30 * SECOND, started_ns=1, revision=1, streams=streams)

    def stop(self, timeout_s: float) -> None:
        self.events.append("stop")

    def on_fact(self, callback: Callable[[Fact], None]) -> None:
        self.tell = callback


@pytest.fixture(name="source")
def _source(site: Site, tmp_path_factory: pytest.TempPathFactory) -> ConfigurationSource:
    footage = tmp_path_factory.mktemp("r") / "f"
    overrides = (("footage", footage), ("recipients", site.recipients), ("listen", "127.0.0.1:0"))
    return ConfigurationSource(overrides=overrides, cameras=(camera_argument("a=rtsp://u:hush-hush@192.0.2.7/1"),))


def run_it(source: ConfigurationSource, output: Output, seconds: float | None = 0.7) -> FakeCapture:
    made: list[FakeCapture] = []

    def capture(configuration: Configuration) -> FakeCapture:
        made.append(FakeCapture(configuration))
        return made[-1]

    run(source, source.load(), output, seconds, capture)
    assert made[0].events == ["start", "stop"]
    return made[0]


def test_with_json_every_line_is_a_value(source: ConfigurationSource, capsys: pytest.CaptureFixture[str]) -> None:
    run_it(source, Output(as_json=True))
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    kinds = [line["fact"]["kind"] for line in lines if "fact" in line]
    assert kinds == [
        "segment-stored",
        "gap-opened",
        "recorder-started",
        "assignment-applied",
        "recipients-applied",
        "recorder-stopped",
    ]
    assert lines[-1]["stopped"]["level"] == "ok"
    assert "hush" not in captured.out + captured.err


def test_without_a_terminal_a_person_reads_what_matters(
    source: ConfigurationSource, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = run_it(source, Output(as_json=False))
    captured = capsys.readouterr()
    assert "gap-opened: cause network" in captured.out
    assert "segment-stored" not in captured.out
    assert "stopped; ok: 1 of 1 streams recording" in captured.out
    assert "health and metrics at http://127.0.0.1:" in captured.err
    assert "\x1b" not in captured.out + captured.err
    assert "hush" not in captured.out + captured.err
    kept = capture.configuration.settings.recipients
    assert kept is not None
    assert read_recipients(kept).site == "Town Hall"


def test_on_a_terminal_the_table_is_live(source: ConfigurationSource, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.console = Console(force_terminal=True, width=120)
    run_it(source, output)
    assert "Camera" in capsys.readouterr().out


def test_a_directory_that_exists_needs_no_keys_again(source: ConfigurationSource) -> None:
    run_it(source, Output(as_json=True), 0.1)
    again = ConfigurationSource(
        overrides=tuple(pair for pair in source.overrides if pair[0] != "recipients"), cameras=source.cameras
    )
    run_it(again, Output(as_json=True), 0.1)


def test_signals_end_the_run_and_are_given_back() -> None:
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    ended, asked = threading.Event(), threading.Event()
    with signals(ended, asked.set):
        signal.raise_signal(signal.SIGHUP)
        assert asked.wait(60)
        assert not ended.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert ended.wait(60)
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_interrupt_interrupts_at_once() -> None:
    ended = threading.Event()
    with signals(ended, lambda: None):
        signal.raise_signal(signal.SIGINT)
        assert ended.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_systemd_is_told(
    source: ConfigurationSource, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path_factory.mktemp("n") / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        run_it(source, Output(as_json=True))
        told = [manager.recv(4096).decode().splitlines()[0] for _ in range(3)]
    assert told[0] == "READY=1"
    assert "WATCHDOG=1" in told
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent")
    run_it(source, Output(as_json=True), 0.1)


def test_the_demo_makes_its_key_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = DemoPlace(tmp_path / "demo")
    make_keys(place, Output(as_json=False))
    key = place.key.read_bytes()
    assert stat.S_IMODE(place.key.stat().st_mode) == 0o600
    assert demo_command.PASSPHRASE in capsys.readouterr().err
    make_keys(place, Output(as_json=False))
    assert place.key.read_bytes() == key


def test_the_demos_cameras_listen_and_end_with_it() -> None:
    with simulated_cameras() as cameras:
        assert {camera.name: len(camera.streams) for camera in cameras} == {
            "back-stairs": 1,
            "high-street": 2,
            "library-foyer": 2,
            "market-square": 1,
        }
        parts = urlsplit(cameras[0].streams[0].urls[0])
        address = (parts.hostname, parts.port)
        with socket.create_connection(address, 5) as connection:
            connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            assert connection.recv(100).startswith(b"RTSP/1.0 200")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 1).close()

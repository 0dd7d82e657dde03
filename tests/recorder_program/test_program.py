"""The program: parts that start, stop and change together, with a capture that is not there."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from overt.contract.assignment import Assignment
from overt.contract.fact import Fact
from overt.errors import ConflictError, InvalidError, OvertError, UnavailableError
from overt.footage.marker import create_location
from overt.ids import new_id
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.note import VerifierKey
from overt.ledger.reader import LedgerReader
from overt.recorder.configuration import Configuration, ConfigurationSource, camera_argument
from overt.recorder.health import RecorderHealth, StreamHealth
from overt.recorder.program import ASSIGNMENT_FILE, RecorderProgram
from overt.sealing.roles import Recipients

CAMERA = camera_argument("a=rtsp://u:hush-hush@192.0.2.7/1")
NEWER = Assignment(revision=5, cameras=(CAMERA,))


class FakeCapture:
    def __init__(self, configuration: Configuration) -> None:
        self.assignment = configuration.assignment
        self.running = False
        self.refuse = False
        self.applied = threading.Event()

    def start(self) -> None:
        self.running = True

    def apply(self, assignment: Assignment) -> None:
        if self.refuse:
            raise UnavailableError("no worker")
        self.assignment = assignment
        self.applied.set()

    def seal_to(self, recipients: Recipients) -> None:
        self.sealed_to = recipients

    def health(self) -> RecorderHealth:
        streams = [
            StreamHealth(camera=camera.name, stream="main", state="recording") for camera in self.assignment.cameras
        ]
        return RecorderHealth(time_ns=1, started_ns=1, revision=self.assignment.revision, streams=streams)

    def stop(self, timeout_s: float) -> None:
        self.running = False

    def on_fact(self, callback: Callable[[Fact], None]) -> None:
        self.callback = callback


class Running:
    def __init__(self, source: ConfigurationSource) -> None:
        self.facts: list[Fact] = []
        self.captures: list[FakeCapture] = []
        self.program = RecorderProgram(source, source.load(), self.capture)
        self.program.on_fact(self.facts.append)

    def capture(self, configuration: Configuration) -> FakeCapture:
        self.captures.append(FakeCapture(configuration))
        return self.captures[-1]

    def kinds(self) -> list[str]:
        return [fact.kind for fact in self.facts]


@pytest.fixture(name="footage")
def _footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    footage = tmp_path_factory.mktemp("f")
    create_location(footage, new_id())
    return footage


def source(footage: Path, **more: object) -> ConfigurationSource:
    return ConfigurationSource(overrides=(("footage", footage), ("listen", "127.0.0.1:0")), **more)


@pytest.fixture(name="running")
def _running(footage: Path) -> Iterator[Running]:
    running = Running(source(footage))
    running.program.start()
    yield running
    running.program.stop()
    assert not running.captures[0].running


def test_cameras_of_the_command_line_are_recorded_and_not_changed_from_outside(footage: Path) -> None:
    running = Running(source(footage, cameras=(CAMERA,)))
    running.program.start()
    try:
        assert running.captures[0].assignment.cameras == (CAMERA,)
        assert httpx.get(f"http://{running.program.listening}/health").json()["level"] == "ok"
        with pytest.raises(ConflictError, match="the command line"):
            running.program.apply(NEWER)
        assert running.kinds() == ["recorder-started", "assignment-applied"]
    finally:
        running.program.stop()
    assert not (footage / ASSIGNMENT_FILE).exists()


def test_an_assignment_of_the_control_room_is_kept_for_the_next_start(running: Running, footage: Path) -> None:
    transport = httpx.HTTPTransport(uds=str(footage / "recorder.sock"))
    with httpx.Client(transport=transport, base_url="http://recorder") as client:
        assert client.put("/assignments", content=NEWER.to_wire()).json() == {"revision": 5, "cameras": 1}
        assert client.put("/assignments", content=NEWER.to_wire()).status_code == 200, "the same again is no conflict"
        older = NEWER.model_copy(update={"revision": 4})
        assert client.put("/assignments", content=older.to_wire()).status_code == 409
    assert running.captures[0].assignment == NEWER
    assert stat.S_IMODE((footage / ASSIGNMENT_FILE).stat().st_mode) == 0o600
    running.program.stop()
    again = Running(source(footage))
    assert again.captures[0].assignment == NEWER
    again.program.stop()


def test_a_refused_assignment_leaves_the_old_one(running: Running, footage: Path) -> None:
    running.captures[0].refuse = True
    with pytest.raises(UnavailableError):
        running.program.apply(NEWER)
    assert running.kinds() == ["recorder-started", "assignment-applied", "assignment-refused"]
    running.captures[0].refuse = False
    running.program.apply(NEWER)
    assert running.captures[0].assignment == NEWER


def test_facts_reach_the_outbox_and_no_secret_does(running: Running, footage: Path) -> None:
    running.program.apply(NEWER)
    answer = httpx.get(f"http://{running.program.listening}/facts")
    while len(answer.json()["facts"]) < 3:
        answer = httpx.get(f"http://{running.program.listening}/facts")
    assert [fact["data"]["revision"] for fact in answer.json()["facts"][1:]] == [0, 5]
    texts = [answer.text] + [
        httpx.get(f"http://{running.program.listening}/{page}").text for page in ("health", "streams", "metrics")
    ]
    assert "hush" not in "".join(texts) + repr(running.program.health())


def test_a_spoilt_kept_assignment_is_named(footage: Path) -> None:
    (footage / ASSIGNMENT_FILE).write_text("{")
    with pytest.raises(InvalidError, match="assignment"):
        Running(source(footage))


def test_a_second_recorder_on_the_same_footage_is_refused(running: Running, footage: Path) -> None:
    second = Running(source(footage))
    with pytest.raises(UnavailableError, match="another recorder"):
        second.program.start()
    assert not second.captures[0].running
    assert (footage / "recorder.sock").exists()
    second.program.stop()


def test_an_address_in_use_leaves_nothing_running(running: Running, tmp_path: Path) -> None:
    taken = ConfigurationSource(overrides=(("footage", tmp_path), ("listen", running.program.listening)))
    second = Running(taken)
    with pytest.raises(UnavailableError, match="another program"):
        second.program.start()
    assert not (tmp_path / "recorder.sock").exists()
    second.program.stop()


def test_the_file_is_followed(footage: Path, tmp_path: Path) -> None:
    path = tmp_path / "overt.toml"
    path.write_text("[cameras.a]\nurl = 'rtsp://h/1'\n")
    running = Running(source(footage, path=path))
    running.program.start()
    try:
        path.write_text(path.read_text() + "[cameras.b]\nurl = 'rtsp://h/2'\n")
        os.utime(path, (1, 1))
        running.program.reload()
        assert running.captures[0].applied.wait(60)
        assert [camera.name for camera in running.captures[0].assignment.cameras] == ["a", "b"]
    finally:
        running.program.stop()
    applied = [fact.to_dict()["data"] for fact in running.facts if fact.kind == "assignment-applied"]
    assert applied[-1] == {
        "revision": 2,
        "started": ["b"],
        "changed": [],
        "stopped": [],
        "retention": [{"cameras": ["b"], "seconds": 31 * 86_400, "bytes": None}],
    }


def test_stop_is_harmless_before_start_and_twice(footage: Path) -> None:
    running = Running(source(footage))
    running.program.stop()
    running.program.stop()


def test_an_assignment_that_cannot_be_kept_is_refused(running: Running, footage: Path) -> None:
    (footage / ASSIGNMENT_FILE).mkdir()
    with pytest.raises(OvertError, match=ASSIGNMENT_FILE):
        running.program.apply(NEWER)
    assert running.captures[0].assignment.revision == 0


def test_the_ledger_of_the_footage_is_kept_and_served_to_the_control_room_alone(
    running: Running, footage: Path
) -> None:
    transport = httpx.HTTPTransport(uds=str(footage / "recorder.sock"))
    with httpx.Client(transport=transport, base_url="http://recorder") as client:
        running.program.apply(NEWER)
        while running.program.health().ledger.leaves < 3:
            assert not running.program.health().ledger.error
            time.sleep(0.05)
        checkpoint = SignedCheckpoint.parse(client.get("/ledger/checkpoint").content)
        assert checkpoint.size == 3
        key = VerifierKey.parse(client.get("/ledger/ledger.json").json()["key"])
        assert checkpoint.require_log_key([key]).name.startswith("overt/footage/")
        assert str(key) == running.program.health().ledger.key
        assert len(client.get("/ledger/tile/0/000.p/3").content) == 96
        assert b"assignment.applied" in client.get("/ledger/tile/entries/000.p/3").content
        leaf = client.get("/ledger/leaves/2").json()
        assert (leaf["kind"], leaf["body"]["revision"]) == ("assignment.applied", 5)
        assert "hush" not in client.get("/ledger/leaves/2").text
        for path, status in (("leaves/9", 404), ("leaves/x", 400), ("tile/0/../../x", 404), ("tile/0/%2e%2e/x", 400)):
            assert client.get(f"/ledger/{path}").status_code == status, path
        assert client.get("/ledger/../facts.sqlite").status_code == 404
    assert httpx.get(f"http://{running.program.listening}/ledger/checkpoint").status_code == 404
    running.program.stop()
    deadline = time.monotonic() + 60
    while [leaf.kind for leaf in LedgerReader(footage / "ledger").leaves()][-1] != "recorder.stopped":
        assert time.monotonic() < deadline  # on a busy disk the thread ends after the program went on without it
        time.sleep(0.05)

"""A worker and its supervisor: neither waits for the other when it hangs, and neither loses what the other leaves."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from capture_rig import FOOTAGE, assigned
from overt.contract.assignment import Assignment, CameraAssignment
from overt.contract.fact import Fact
from overt.footage.marker import create_location
from overt.footage.options import StoreOptions
from overt.footage.store import FootageStore
from overt.ids import StreamKey, new_id
from overt.media.samples import CodecConfiguration, Fragment
from overt.recorder import child_process
from overt.recorder import supervisor as supervisor_module
from overt.recorder.configuration import RecorderSettings
from overt.recorder.supervisor import Supervisor
from overt.recorder.worker import Apply, Report, Stop, Worker, WorkerOrder
from overt.recorder.worker_process import WorkerProcess
from overt.sealing.recipients_file import read_recipients, write_recipients
from overt.sealing.roles import Recipients, RoleKey
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator
from recorder_rig import Site, stored, unstored
from stopwatch import Stopwatch

OPTIONS = StoreOptions(min_free_bytes=0, compare_at_start=False)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A footage directory whose key is under no passphrase, since those are slow on purpose."""
    site_id = new_id()
    role = RoleKey(site_id, "Town Hall", "custodian", datetime(2026, 1, 1, tzinfo=UTC), X25519PrivateKey.generate())
    made = Site(tmp_path, role, tmp_path / "footage")
    write_recipients(made.recipients, Recipients(site_id, "Town Hall", (role.recipient,)))
    create_location(made.footage, site_id)
    return made


def order(site: Site, *cameras: CameraAssignment) -> WorkerOrder:
    return WorkerOrder(1, site.footage, read_recipients(site.recipients), (), OPTIONS, cameras)


def camera(name: str, **more: Any) -> CameraAssignment:
    return CameraAssignment.model_validate({"name": name, "streams": [{"urls": "rtsp://127.0.0.1:1/cam"}], **more})


def fragment(start_ns: int) -> Fragment:
    video = CodecConfiguration("video", "h264", "avc1.42000a", 90000, b"entry", 128, 96)
    return Fragment((video,), b"moof", start_ns, 500_000_000, 12, True, True, 0, 0, None, 0)


# The worker


@pytest.mark.parametrize("unread", [True, False])
def test_a_worker_whose_supervisor_vanishes_stores_what_it_has_in_hand(site: Site, unread: bool) -> None:
    """A supervisor that dies with reports unread resets the connection, instead of closing it."""
    rows = [{"path": "cam", "source": str(FOOTAGE / "axis_test_h264.mp4")}]
    recipients = read_recipients(site.recipients)
    with (
        Simulator(Persona.model_validate({"cameras": rows}), log_frames=1000) as simulator,
        FootageStore(site.footage, recipients, options=OPTIONS),
    ):
        ours, theirs = Pipe()
        worker = Worker(order(site, assigned(simulator, {"path": "cam"})), theirs)
        thread = threading.Thread(target=worker.run)
        thread.start()
        simulator.camera("cam").wait_until(lambda counters: counters.frames_sent >= 30, 15)
        while not unread and ours.poll(0):
            ours.recv()
        ours.close()
        gone_ns = time.monotonic_ns()
        thread.join(60)
        assert not thread.is_alive(), "the worker goes on without a supervisor"
        sent = simulator.camera("cam").frames()
        theirs.close()
    found = stored(site, "cam")
    assert len(found.numbers) >= 25
    assert unstored(found, sent, gone_ns - 200_000_000) == []


# The process


def test_orders_to_a_worker_that_hangs_never_wait(site: Site) -> None:
    process = WorkerProcess(order(site))
    os.kill(process.pid, signal.SIGSTOP)
    many = Apply(tuple(camera(f"cam-{number}") for number in range(200)))
    watch = Stopwatch()
    for _ in range(50):
        process.tell(many)
    assert watch.within(1)
    process.kill()
    assert process.close() == -signal.SIGKILL
    assert process.pipe.closed


def test_a_worker_that_hangs_in_the_middle_of_a_report_does_not_hold_its_supervisor(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "half"
    script.write_text(
        f"#!{sys.executable} -S\nimport os, sys, time\nos.write(int(sys.argv[-1]), bytes((0, 0, 9, 0)) + b'half')\n"
        "time.sleep(60)\n"
    )
    script.chmod(0o700)
    monkeypatch.setattr(child_process, "HALF_MESSAGE_S", 1)
    monkeypatch.setattr(child_process, "sys", SimpleNamespace(executable=str(script)))
    process = WorkerProcess(order(site))
    assert process.pipe.poll(60)
    watch = Stopwatch()
    with pytest.raises(BlockingIOError):
        process.pipe.recv()
    assert watch.within(8)
    assert process.close(0.1) == -signal.SIGKILL


# The supervisor


class FakeProcess:
    """A worker that is not there: the test holds its end of the pipe."""

    made: ClassVar[list[FakeProcess]] = []
    refuse: ClassVar[int] = 0

    def __init__(self, order: WorkerOrder) -> None:
        if FakeProcess.refuse:
            FakeProcess.refuse -= 1
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self.order, self.told, self.pid, self.killed = order, [], 4_000_000 + len(self.made), 0
        self.pipe, self.theirs = Pipe()
        self.told: list[Apply | Stop]
        self.obedient = True
        self.made.append(self)

    def tell(self, order: Apply | Stop) -> None:
        self.told.append(order)
        if isinstance(order, Stop) and self.obedient:
            self.theirs.close()

    def kill(self) -> None:
        self.killed += 1
        if not self.theirs.closed:
            self.theirs.close()

    def close(self, timeout_s: float = 0) -> int:
        self.pipe.close()
        return -9 if self.killed else 3

    def say(self, **report: Any) -> None:
        self.theirs.send(Report(self.order.number, **report))

    @property
    def cameras(self) -> list[str]:
        last = next((each for each in reversed(self.told) if isinstance(each, Apply)), self.order)
        return [each.name for each in last.cameras]


@contextmanager
def supervised(
    site: Site, monkeypatch: pytest.MonkeyPatch, *names: str, workers: int = 2
) -> Iterator[tuple[Supervisor, list[Fact]]]:
    FakeProcess.made, FakeProcess.refuse = [], FakeProcess.refuse
    monkeypatch.setattr(supervisor_module, "WorkerProcess", FakeProcess)
    monkeypatch.setattr(supervisor_module, "LOOK_S", 0.01)
    monkeypatch.setattr(supervisor_module, "RESTART_DELAYS_S", (0.02, 0.02))
    settings = RecorderSettings(footage=site.footage, recipients=site.recipients, workers=workers, min_free=0)
    made = Supervisor(settings, assignment(1, *names))
    facts: list[Fact] = []
    made.on_fact(facts.append)
    made.start()
    try:
        yield made, facts
    finally:
        made.stop(0.5)
        for each in FakeProcess.made:
            each.kill()


def assignment(revision: int, *names: str) -> Assignment:
    return Assignment(revision=revision, cameras=tuple(camera(name) for name in names))


def until(predicate: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.005)


def test_a_worker_that_ends_is_replaced_with_its_cameras(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with supervised(site, monkeypatch, "a", "b") as (_, facts):
        first, second = FakeProcess.made
        assert (first.cameras, second.cameras) == (["a"], ["b"])
        first.say()
        first.theirs.close()
        until(lambda: len(FakeProcess.made) == 3)
        assert (FakeProcess.made[2].order.number, FakeProcess.made[2].cameras) == (1, ["a"])
        (restarted,) = [fact for fact in facts if fact.kind == "worker-restarted"]
        assert restarted.to_dict()["data"] == {"worker": 1, "reason": "exit code 3", "restarts": 1}
        assert second.told == []


def test_a_worker_that_says_nothing_is_killed_and_replaced(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "HUNG_S", 0.3)
    with supervised(site, monkeypatch, "a", workers=1) as (made, facts):
        until(lambda: len(FakeProcess.made) == 2)
        assert FakeProcess.made[0].killed == 1
        until(lambda: any(fact.kind == "worker-restarted" for fact in facts))
        assert made.health().workers[0].restarts == 1


def test_a_worker_that_cannot_be_started_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeProcess.refuse = 3
    with supervised(site, monkeypatch, "a", workers=1) as (made, _):
        assert [worker.state for worker in made.health().workers] == ["restarting"]
        until(lambda: len(FakeProcess.made) == 1)
        assert FakeProcess.made[0].cameras == ["a"]


def test_a_camera_that_comes_back_finds_its_worker_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """That worker's store has its footage open; in another's hands it would be refused."""
    with supervised(site, monkeypatch, "a", "b", "c", "d") as (made, _):
        first, second = FakeProcess.made
        assert (first.cameras, second.cameras) == (["a", "c"], ["b", "d"])
        made.apply(assignment(2, "c", "d"))
        assert (first.cameras, second.cameras) == (["c"], ["d"])
        made.apply(assignment(3, "b", "c", "d"))
        made.apply(assignment(4, "b", "c", "d", "a"))
        assert (first.cameras, second.cameras) == (["c", "a"], ["b", "d"])


def test_footage_of_a_camera_that_was_taken_out_is_in_health_with_its_retention(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_ns = time.time_ns() - 60 * 10**9
    with FootageStore(site.footage, read_recipients(site.recipients), options=OPTIONS) as store:
        store.append(StreamKey("a"), new_id(), fragment(start_ns))
        assert store.flush()
    with supervised(site, monkeypatch, "a", "b") as (supervisor, _):
        store = supervisor._store
        assert store is not None
        retention = store._retention
        assert retention is not None
        until(lambda: retention.rounds > 0)
        assert supervisor.health().unassigned == []
        supervisor.apply(assignment(2, "b"))
        until(lambda: bool(supervisor.health().unassigned))
        (left,) = supervisor.health().unassigned
        assert (left.camera, left.retention_days, left.start_ns) == ("a", 31, start_ns)
        assert left.bytes > 0
        assert supervisor.health().to_public()["unassigned"][0]["start"] is not None


def test_holds_are_in_force_before_the_retention_that_would_overtake_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("set_holds", "set_retention"):
        original = getattr(FootageStore, name)

        def noted(store: FootageStore, *arguments: Any, name: str = name, original: Any = original) -> None:
            calls.append(name)
            original(store, *arguments)

        monkeypatch.setattr(FootageStore, name, noted)
    with supervised(site, monkeypatch, "a"):
        assert calls == ["set_holds", "set_retention"]


def test_a_listener_that_fails_does_not_end_supervision(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fact: Fact) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with supervised(site, monkeypatch, "a", workers=1) as (made, _):
        made.on_fact(broken)
        for restarts in (1, 2):
            FakeProcess.made[-1].theirs.close()
            until(lambda restarts=restarts: len(FakeProcess.made) == restarts + 1)  # type: ignore[misc]


@pytest.mark.parametrize("obedient", [True, False])
def test_stopping_tells_every_worker_and_kills_those_that_do_not_end(
    site: Site, monkeypatch: pytest.MonkeyPatch, obedient: bool
) -> None:
    with supervised(site, monkeypatch, "a", "b") as (made, facts):
        for each in FakeProcess.made:
            each.obedient = obedient
        watch = Stopwatch()
        made.stop(0.5)
        assert watch.within(3)
        assert [each.told for each in FakeProcess.made] == [[Stop()]] * 2
        assert [each.killed for each in FakeProcess.made] == ([0, 0] if obedient else [1, 1])
        assert all(each.pipe.closed for each in FakeProcess.made)
        made.apply(assignment(2, "a", "b", "c"))
        assert len(FakeProcess.made) == 2
        assert not [fact for fact in facts if fact.kind == "worker-restarted"]

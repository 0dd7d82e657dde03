"""Workers that die or hang, recorders that are stopped, doubled or told something else: what goes on, what is said."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from overt.footage.segment_walk import walk
from overt.simulator.simulator import Simulator
from recorder_rig import (
    BUSY_S,
    Recorder,
    Site,
    addresses,
    cameras,
    faithful,
    gaps_of,
    holes,
    make_site,
    overt,
    parts_of,
    reconciled,
    stored,
    toml_of,
    unstored,
)

MOST_LOST_S = 1.0
"""What the death of a worker may take."""
BOUND_S = 0.25


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "s")


def unbroken(site: Site, simulator: Simulator, name: str, until_ns: int) -> None:
    """Everything that was sent from the first stored frame until a moment is stored, and no gap is claimed."""
    found = stored(site, name)
    sent = simulator.camera(name).frames()
    faithful(found, sent)
    assert unstored(found, sent, until_ns) == []
    assert gaps_of(site, name) == []


def test_a_killed_worker_is_replaced_and_the_other_does_not_notice(site: Site) -> None:
    with cameras("a", "b", "c", "d") as simulator, Recorder(site, addresses(simulator)) as recorder:
        health = recorder.wait_recording()
        mine = [stream["camera"] for stream in health["streams"] if stream["worker"] == 1]
        others = [stream["camera"] for stream in health["streams"] if stream["worker"] == 2]
        assert (len(mine), len(others)) == (2, 2)
        time.sleep(0.3)
        os.kill(recorder.workers()[1], signal.SIGKILL)
        killed_ns = time.monotonic_ns()
        fact = recorder.wait_fact("worker-restarted")
        assert fact["data"] == {"worker": 1, "reason": "signal 9", "restarts": 1}
        failing = recorder.wait_health(lambda health: health["level"] == "failing")
        assert any("worker 1" in sentence for sentence in failing["sentences"])
        before = {name: simulator.camera(name).statistics().sessions for name in mine}
        recorder.wait_sessions(simulator, before)
        recorder.wait_recording()
        told_ns = time.monotonic_ns()
        assert recorder.stop() == 0
        for name in others:
            unbroken(site, simulator, name, told_ns)
        for name in mine:
            found, sent = stored(site, name), simulator.camera(name).frames()
            faithful(found, sent)
            (hole,) = holes(sent, found.numbers)
            lost = [frame for frame in sent if hole.before.number < frame.number and frame.monotonic_ns <= killed_ns]
            assert len(lost) / 25 <= MOST_LOST_S + BUSY_S
            (gap,) = gaps_of(site, name)
            assert gap.cause == "stopped"
            assert abs(gap.start_ns - hole.start_ns) / 1e9 < BOUND_S + BUSY_S
            assert abs(gap.end_ns - hole.end_ns) / 1e9 < BOUND_S + BUSY_S
    reconciled(site)


def test_when_the_supervisor_is_killed_its_workers_lose_nothing_and_make_room(site: Site) -> None:
    with cameras("a", "b") as simulator:
        with Recorder(site, addresses(simulator)) as recorder:
            recorder.wait_recording()
            workers = recorder.workers()
            recorder.process.kill()
            killed_ns = time.monotonic_ns()
            recorder.process.wait()
            deadline = time.monotonic() + 60
            while any(Path(f"/proc/{pid}").exists() and not _zombie(pid) for pid in workers.values()):
                assert time.monotonic() < deadline, "the workers did not end"
                time.sleep(0.02)
        for name in ("a", "b"):
            unbroken(site, simulator, name, killed_ns)
        assert not [path for path in site.files() if walk(path).findings]
        with Recorder(site, addresses(simulator)) as recorder:
            recorder.wait_recording()
            assert recorder.stop() == 0
        assert [gap.cause for gap in gaps_of(site, "a")] == ["stopped"]
    reconciled(site)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_sigterm_stores_the_last_frame_and_a_second_recorder_is_refused_meanwhile(site: Site) -> None:
    with cameras("a", "b") as simulator, Recorder(site, addresses(simulator)) as recorder:
        recorder.wait_recording()
        second = Recorder(site, addresses(simulator))
        try:
            assert second.process.wait(60) in {5, 6}
        finally:
            second.stop()
        assert "another recorder" in second.errors()
        told_ns = time.monotonic_ns()
        assert recorder.stop() == 0
        assert recorder.stopped is not None
        for name in ("a", "b"):
            unbroken(site, simulator, name, told_ns)
            assert simulator.camera(name).statistics().requests["TEARDOWN"] == 1
            last = parts_of(site, name)[-1]
            assert (last.what, last.cause, last.detail) == ("gap", "stopped", "the recorder was stopped")
        assert not [path for path in site.files() if walk(path).findings], "a file without its end record"
    reconciled(site)


def test_cameras_are_added_changed_and_removed_while_the_others_go_on(site: Site) -> None:
    file = site.folder / "overt.toml"
    with cameras("a", "b", "c", "d") as simulator:
        urls = addresses(simulator)
        first = {name: urls[name] for name in ("a", "b", "c")}
        file.write_text(toml_of(first))
        with Recorder(site, file) as recorder:
            recorder.wait_recording("a", "b", "c")

            file.write_text(toml_of(urls))
            recorder.wait_fact("assignment-applied", lambda data: data["started"] == ["d"])
            recorder.wait_recording("d")

            file.write_text(toml_of(urls) + "colour = 'red'\n")
            refused = recorder.wait_fact("assignment-refused")
            assert "colour" in refused["data"]["reason"]

            left = {name: urls[name] for name in ("a", "b", "d")}
            file.write_text(toml_of(left) + "[cameras.a.retention]\ndays = 3\n" + "[cameras.d]\n")
            recorder.process.send_signal(signal.SIGHUP)
            recorder.wait_fact("assignment-refused", lambda data: "colour" not in data["reason"])

            changed = toml_of(left).replace("[cameras.b]", "[cameras.b]\ntarget_fragment_ms = 200")
            file.write_text(changed + "retention = { days = 3 }\n")
            recorder.process.send_signal(signal.SIGHUP)
            applied = recorder.wait_fact("assignment-applied", lambda data: data["stopped"] == ["c"])
            assert sorted(applied["data"]["changed"]) == ["b", "d"]
            sessions = simulator.camera("b").statistics().sessions
            simulator.camera("b").wait_until(lambda counters: counters.sessions >= max(2, sessions), 60)
            recorder.wait_recording("a", "b", "d")
            told_ns = time.monotonic_ns()
            assert recorder.stop() == 0
        unbroken(site, simulator, "a", told_ns)
        unbroken(site, simulator, "d", told_ns)
        found = stored(site, "b")
        faithful(found, simulator.camera("b").frames())
        assert [gap.detail for gap in gaps_of(site, "b")] == ["its assignment was changed"]
        assert sum(gap.seconds for gap in gaps_of(site, "b")) < 2 + BUSY_S
        last = parts_of(site, "c")[-1]
        assert (last.what, last.cause, last.detail) == ("gap", "stopped", "no longer assigned to be recorded")
        faithful(stored(site, "c"), simulator.camera("c").frames())
    reconciled(site)


def test_only_the_sites_key_and_its_passphrase_give_footage_back(site: Site, tmp_path: Path) -> None:
    other = make_site(tmp_path / "other", "Library")
    with cameras("a") as simulator:
        with Recorder(site, addresses(simulator), workers=1) as recorder:
            recorder.wait_recording()
            assert recorder.stop() == 0
        out = tmp_path / "clip.mp4"
        ask = (
            "export",
            site.footage,
            "--camera",
            "a",
            "--from",
            "-5m",
            "--to",
            "now",
            "--out",
            out,
            "--purpose",
            "A test",
        )
        wrong = overt(*ask, "--key", site.key, passphrase="not the one")
        assert (wrong.code, "passphrase" in wrong.err, list(tmp_path.glob("clip*"))) == (3, True, [])
        foreign = overt(*ask, "--key", other.key)
        assert (foreign.code, "site" in foreign.err, list(tmp_path.glob("*clip*"))) == (3, True, [])
        right = overt(*ask, "--key", site.key)
        assert (right.code, out.stat().st_size > 10_000) == (0, True), right

        keys = (site.folder / "recipients.json").read_bytes()
        site.recipients.write_bytes(other.recipients.read_bytes())
        with Recorder(site, addresses(simulator), workers=1) as recorder:
            assert recorder.process.wait(60) == 3
            assert "another site" in recorder.errors()
        site.recipients.write_bytes(keys)
    reconciled(site)


@pytest.mark.peer
def test_a_worker_that_hangs_is_killed_and_replaced(site: Site) -> None:
    """Not of a Debian package, but of half a minute, which is why it is left to the longer run."""
    with cameras("a", "b") as simulator, Recorder(site, addresses(simulator)) as recorder:
        recorder.wait_recording()
        hung = recorder.workers()[1]
        os.kill(hung, signal.SIGSTOP)
        recorder.wait_health(lambda health: "silent" in {each["state"] for each in health["workers"]})
        fact = recorder.wait_fact("worker-restarted", seconds=90)
        assert fact["data"]["worker"] == 1
        recorder.wait_recording()
        told_ns = time.monotonic_ns()
        assert recorder.stop() == 0
        unbroken(site, simulator, "b", told_ns)
        assert {gap.cause for gap in gaps_of(site, "a")} == {"stopped"}
    reconciled(site)

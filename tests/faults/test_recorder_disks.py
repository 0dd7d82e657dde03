"""Disks that are full, read-only, gone or hang under the whole recorder: said, bounded, nothing older touched, resumed.

What needs a disk of its own mounts a small tmpfs in a namespace; that is not allowed to everybody everywhere, so those
tests are run by .ci/run, where it must work.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mounts import mounted
from overt.footage.marker import create_location
from overt.simulator.simulator import Simulator
from recorder_rig import (
    BUSY_S,
    Part,
    Recorder,
    Site,
    addresses,
    bound_errors_s,
    cameras,
    faithful,
    gaps_of,
    holes,
    make_site,
    reconciled,
    stored,
    toml_of,
    unstored,
)

RESUMED_S = 1.0 + BUSY_S
BOUND_S = 0.1 + BUSY_S
MIB = 1 << 20
SLOW_DISK = Path(__file__).parents[1] / "rigs" / "slow_disk"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory with a short name: the path of a Unix socket in it is limited."""
    with TemporaryDirectory(prefix="ov") as name:
        yield Path(name)


def digests(site: Site) -> dict[str, bytes]:
    return {path.name: hashlib.sha256(path.read_bytes()).digest() for path in site.files()}


def gaps_named(site: Site, simulator: Simulator, name: str) -> tuple[list[Part], float]:
    """The gaps of a camera, each where frames are missing and nowhere else, and the largest error of their bounds."""
    found, sent = stored(site, name), simulator.camera(name).frames()
    faithful(found, sent)
    gaps = gaps_of(site, name)
    assert {gap.cause for gap in gaps} == {"disk"}, gaps
    error_s = max(bound_errors_s(gaps, holes(sent, found.numbers)))
    assert error_s <= BOUND_S
    return gaps, error_s


def say(**measured: object) -> None:
    sys.stdout.write(json.dumps(measured) + "\n")


@pytest.mark.peer
@pytest.mark.parametrize("reserve", [8 * MIB, 0], ids=["reserve", "to-the-last-byte"])
def test_a_full_disk_is_said_touches_nothing_and_is_used_again_at_once(folder: Path, reserve: int) -> None:
    with mounted(folder / "disk", "40m") as disk, cameras("a", "b") as simulator:
        inside = make_site(folder, footage=disk.path / "f")
        seen = Site(folder, inside.role, disk.seen(inside.footage))
        config = folder / "overt.toml"
        config.write_text(toml_of(addresses(simulator), recorder=f"min_free = {reserve}"))
        socket = seen.footage / "recorder.sock"
        with Recorder(inside, config, prefix=disk.prefix, socket_path=socket, workers=1) as recorder:
            recorder.wait_recording()
            time.sleep(1)
            filled_ns = time.time_ns()
            ballast = disk.fill(leaving=reserve // 2)
            change = recorder.wait_fact("disk-state-changed", lambda data: data["state"] == "full")
            for name in ("a", "b"):
                assert recorder.wait_fact("gap-opened", camera=name)["data"]["cause"] == "disk"
            health = recorder.wait_health(lambda health: health["level"] == "failing")
            assert "is full" in health["sentences"][0]
            older = digests(seen)
            time.sleep(3)
            assert digests(seen) == older
            ballast.unlink()
            freed_ns = time.time_ns()
            recorder.wait_fact("disk-state-changed", lambda data: data["state"] == "ok")
            recorder.wait_health(lambda health: health["level"] == "ok")
            time.sleep(1)
            assert recorder.stop() == 0
        site = brought_out(seen)
        assert older.items() <= digests(site).items()
        for name in ("a", "b"):
            gaps, error_s = gaps_named(site, simulator, name)
            resumed_s = (gaps[-1].end_ns - freed_ns) / 1e9
            assert gaps[0].start_ns - filled_ns < (2 + BUSY_S) * 1e9
            assert resumed_s <= RESUMED_S
            say(reason=change["data"]["reason"], resumed_s=resumed_s, bound_error_s=error_s)
        reconciled(site)


def brought_out(seen: Site) -> Site:
    """A copy of footage that lies in a namespace: SQLite does not open files there from outside."""
    copy = seen.folder / "copy"
    ignored = shutil.ignore_patterns("*.sock")
    return replace(seen, footage=Path(shutil.copytree(seen.footage, copy, ignore=ignored)))


@pytest.mark.peer
def test_a_disk_that_was_mounted_read_only_is_said_and_used_again_at_once(folder: Path) -> None:
    """The kernel refuses to remount under an open file, so the camera is away while the disk turns read-only."""
    site = make_site(folder)
    create_location(site.footage, site.role.site_id)
    with mounted(site.footage / "segments", "40m") as disk, cameras("a") as simulator:
        camera = simulator.camera("a")
        with Recorder(site, addresses(simulator), prefix=disk.prefix, workers=1) as recorder:
            recorder.wait_recording()
            camera.stop_listening()
            camera.kill_sessions()
            recorder.wait_fact("gap-opened", lambda data: data["cause"] in {"network", "camera"})
            time.sleep(0.5)
            disk.remount("ro")
            camera.listen_again()
            change = recorder.wait_fact("disk-state-changed", lambda data: data["state"] == "read-only")
            recorder.wait_fact("gap-opened", lambda data: data["cause"] == "disk")
            health = recorder.wait_health(lambda health: health["level"] == "failing")
            assert "read-only" in health["sentences"][0]
            time.sleep(1)
            disk.remount("rw")
            writable_ns = time.time_ns()
            recorder.wait_fact("disk-state-changed", lambda data: data["state"] == "ok")
            time.sleep(1.5)
            assert recorder.stop() == 0
        seen = brought_out(replace(site, footage=disk.seen(site.footage)))
        gaps = gaps_of(seen, "a")
        found = stored(seen, "a")
        faithful(found, camera.frames())
        error_s = max(bound_errors_s(gaps, holes(camera.frames(), found.numbers)))
        resumed_s = (gaps[-1].end_ns - writable_ns) / 1e9
        say(reason=change["data"]["reason"], resumed_s=resumed_s, causes=[gap.cause for gap in gaps], error_s=error_s)
        assert gaps[-1].cause == "disk"
        assert resumed_s <= RESUMED_S
        assert error_s <= BOUND_S
        reconciled(seen)


def test_a_directory_that_goes_and_comes_back_is_said_and_nothing_is_written_in_its_place(folder: Path) -> None:
    site = make_site(folder)
    away = folder / "away"
    with cameras("a", "b") as simulator:
        with Recorder(site, addresses(simulator), workers=1) as recorder:
            recorder.wait_recording()
            time.sleep(0.5)
            site.footage.rename(away)
            gone_ns = time.time_ns()
            site.footage.mkdir()  # the mount point, empty
            recorder.wait_fact("disk-state-changed", lambda data: data["state"] == "missing")
            for name in ("a", "b"):
                assert recorder.wait_fact("gap-opened", camera=name)["data"]["cause"] == "disk"
            time.sleep(2)
            assert list(site.footage.iterdir()) == []
            site.footage.rmdir()
            away.rename(site.footage)
            back_ns = time.time_ns()
            recorder.wait_fact("disk-state-changed", lambda data: data["state"] == "ok")
            recorder.wait_health(lambda health: health["level"] == "ok")
            time.sleep(1)
            assert recorder.stop() == 0
        for name in ("a", "b"):
            gaps, error_s = gaps_named(site, simulator, name)
            resumed_s = (gaps[-1].end_ns - back_ns) / 1e9
            assert (gaps[0].start_ns - gone_ns) / 1e9 < 2 + BUSY_S
            assert resumed_s <= RESUMED_S
            say(resumed_s=resumed_s, bound_error_s=error_s)
    reconciled(site)


def memory(pid: int) -> int:
    """Bytes of a process in RAM."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("VmRSS"))


@pytest.mark.parametrize("queue", [None, 300_000], ids=["three-seconds", "longer-than-the-queue"])
def test_a_disk_that_hangs_costs_nothing_until_the_queue_is_full(folder: Path, queue: int | None) -> None:
    site, stall = make_site(folder), folder / "stall"
    environment = {"PYTHONPATH": str(SLOW_DISK), "OVERT_TEST_STALL": str(stall)}
    if queue is not None:
        environment["OVERT_TEST_QUEUE"] = str(queue)
    with cameras("a", "b", "c", "d") as simulator:
        with Recorder(site, addresses(simulator), environment=environment, workers=1) as recorder:
            recorder.wait_recording()
            worker = recorder.workers()[1]
            before = memory(worker)
            stall.touch()
            hung_ns = time.time_ns()
            recorder.wait_fact("disk-state-changed", lambda data: data["state"] == "slow")
            assert recorder.wait_health(lambda health: health["level"] == "degraded")["sentences"]
            if queue is not None:
                time.sleep(6)
            grown = memory(worker) - before
            stall.unlink()
            recorder.wait_fact("disk-state-changed", lambda data: data["state"] == "ok")
            recorder.wait_health(lambda health: health["level"] == "ok")
            time.sleep(1)
            told_ns = time.monotonic_ns()
            assert recorder.stop() == 0
        say(grown_mib=grown / MIB)
        assert grown < 64 * MIB
        for name in "abcd":
            if queue is None:
                found, sent = stored(site, name), simulator.camera(name).frames()
                faithful(found, sent)
                assert unstored(found, sent, told_ns) == []
                assert gaps_of(site, name) == []
            else:
                gaps, _ = gaps_named(site, simulator, name)
                assert {gap.detail for gap in gaps} == {"the disk is too slow: the queue before it is full"}
                assert gaps[0].start_ns > hung_ns
    reconciled(site)

"""A machine with no time to spare: a thread that hogs the interpreter of a worker, and burners on every core.

`OVERT_LOAD_S` says for how long eight cameras are recorded so (6 s unless set; 20 s in docs/explanation/faults.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recorder_rig import Recorder, addresses, cameras, faithful, gaps_of, make_site, reconciled, stored, unstored

LOAD_S = float(os.environ.get("OVERT_LOAD_S", "6"))
BUSY_THREAD = Path(__file__).parents[1] / "rigs" / "busy_thread"
NAMES = tuple(f"cam-{number}" for number in range(1, 9))


@contextmanager
def burners(count: int) -> Iterator[None]:
    """Processes that do nothing but compute."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    "busy", [pytest.param("thread", marks=pytest.mark.peer), pytest.param("cores", marks=pytest.mark.peer), "both"]
)
def test_nothing_is_lost_on_a_busy_machine(tmp_path: Path, busy: str) -> None:
    site = make_site(tmp_path / "s")
    environment = {} if busy == "cores" else {"PYTHONPATH": str(BUSY_THREAD)}
    with cameras(*NAMES) as simulator, Recorder(site, addresses(simulator), environment=environment) as recorder:
        recorder.wait_recording(seconds=90)
        with burners(0 if busy == "thread" else os.cpu_count() or 1):
            time.sleep(LOAD_S)
            tick_s = max(worker["tick_s"] for worker in recorder.health()["workers"])
            told_ns = time.monotonic_ns()
            assert recorder.stop(60) == 0
        frames = 0
        for name in NAMES:
            found, sent = stored(site, name), simulator.camera(name).frames()
            faithful(found, sent)
            assert unstored(found, sent, told_ns) == []
            assert gaps_of(site, name) == []
            frames += len(found.numbers)
    sys.stdout.write(json.dumps({"busy": busy, "frames": frames, "lost": 0, "longest_tick_s": tick_s}) + "\n")
    reconciled(site)

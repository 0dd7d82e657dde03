"""Cameras that fall silent, vanish, die or hang up, through the whole program: noticed, met again, nothing lost, said.

`OVERT_SILENCE_S` says how long they fail (10 s unless set; docs/explanation/faults.md tells what 60 s gave).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from overt.contract.instant import from_iso
from overt.simulator.simulator import CameraControl
from recorder_rig import (
    BUSY_S,
    Recorder,
    addresses,
    cameras,
    faithful,
    gaps_of,
    holes,
    make_site,
    reconciled,
    stored,
    unstored,
)

NOTICED_S = 5.0 + BUSY_S
RETRIED_S = 10.5 + BUSY_S
"""Between two attempts at a camera that never answers."""
BACK_S = 3.0 + BUSY_S
LASTS_S = float(os.environ.get("OVERT_SILENCE_S", "10"))
BOUND_S = 0.1 + BUSY_S

STRIKES: dict[str, Callable[[CameraControl], Any]] = {
    "silent": lambda camera: camera.fault("stall"),
    "hole": lambda camera: camera.fault("black_hole"),
    "dead": lambda camera: (camera.stop_listening(), camera.kill_sessions()),
    "hangs-up": lambda camera: camera.kill_sessions(),
}


class Attempts:
    """Notes when a camera is connected to."""

    def __init__(self, camera: CameraControl) -> None:
        self._camera = camera
        self._ended = threading.Event()
        self.at_s = [time.monotonic()]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        count = self._camera.statistics().connections
        while not self._ended.wait(0.02):
            now = self._camera.statistics().connections
            if now > count:
                count = now
                self.at_s.append(time.monotonic())

    def longest_s(self) -> float:
        self._ended.set()
        self._thread.join()
        return max(after - before for before, after in pairwise([*self.at_s, time.monotonic()]))


def test_cameras_that_fail_are_noticed_met_again_and_lose_nothing(tmp_path: Path) -> None:
    site, measured = make_site(tmp_path / "s"), {}
    with cameras(*STRIKES, "good") as simulator, Recorder(site, addresses(simulator)) as recorder:
        recorder.wait_recording()
        struck_ns, strike_ns = time.time_ns(), time.monotonic_ns()
        for name, strike in STRIKES.items():
            strike(simulator.camera(name))
        attempts = Attempts(simulator.camera("hole"))
        for name in ("silent", "hole", "dead"):
            fact = recorder.wait_fact("gap-opened", camera=name)
            noticed_s = (from_iso(fact["time"]) - struck_ns) / 1e9
            assert noticed_s <= NOTICED_S, name
            measured[name] = {"noticed_s": round(noticed_s, 2), "heard_s": round(fact["heard_s"] - attempts.at_s[0], 2)}
        health = recorder.wait_health(
            lambda health: (
                {each["camera"] for each in health["streams"] if each["state"] == "recording"} == {"good", "hangs-up"}
            )
        )
        assert health["level"] == "degraded"
        for name in ("silent", "hole", "dead"):
            assert any(sentence.startswith(f"{name}/main is not recorded") for sentence in health["sentences"])
        time.sleep(max(0.0, LASTS_S - (time.time_ns() - struck_ns) / 1e9))
        longest_s = attempts.longest_s()
        assert longest_s <= RETRIED_S
        measured["hole"]["longest_between_attempts_s"] = round(longest_s, 2)

        cleared_ns = time.time_ns()
        for name in STRIKES:
            simulator.camera(name).clear()
        recorder.wait_recording()
        time.sleep(1)
        told_ns = time.monotonic_ns()
        assert recorder.stop() == 0

        for name in (*STRIKES, "good"):
            found, sent = stored(site, name), simulator.camera(name).frames()
            faithful(found, sent)
            # A frame may be noted as sent in the moment in which its connection is being closed.
            cut_off = {
                each.number for each in sent if each.session == sent[0].session and each.monotonic_ns > strike_ns
            }
            missing = set(unstored(found, sent, told_ns)) - (cut_off if name in {"dead", "hangs-up"} else set())
            assert missing == set(), f"{name}: sent and not stored"
            gaps, there = gaps_of(site, name), holes(sent, found.numbers)
            if name == "good":
                assert (gaps, there) == ([], [])
                continue
            (hole,) = there
            back_ns = struck_ns if name == "hangs-up" else cleared_ns
            measured.setdefault(name, {})["back_s"] = round((hole.after.wall_ns - back_ns) / 1e9, 2)
            errors = (gaps[0].start_ns - hole.start_ns) / 1e9, (gaps[-1].end_ns - hole.end_ns) / 1e9
            measured[name]["gap_bound_errors_ms"] = [round(error * 1000, 1) for error in errors]
            measured[name]["causes"] = [gap.cause for gap in gaps]
            assert measured[name]["back_s"] <= BACK_S
            assert max(map(abs, errors)) <= BOUND_S, f"{name}: {gaps}, {hole}"
            assert all(one.end_ns == other.start_ns for one, other in pairwise(gaps))
            assert set(measured[name]["causes"]) <= {"camera", "network"}
    sys.stdout.write(json.dumps(measured) + "\n")
    assert measured["silent"]["causes"][0] == "camera"
    assert measured["dead"]["causes"][-1] == "network"
    reconciled(site)

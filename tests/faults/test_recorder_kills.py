"""Kill -9 of the whole recorder at random moments, over and over on the same footage directory.

`OVERT_KILLS` says how often for each seed (3 unless set), `OVERT_SEED` at which moments, `OVERT_REPORT` where each loss
is written, `OVERT_CALM` that the machine does nothing else; `docs/explanation/faults.md` tells what a campaign of 200
found.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from overt.footage.segment_walk import walk
from overt.simulator.simulator import Simulator
from recorder_rig import (
    BUSY_S,
    Recorder,
    Site,
    Stored,
    addresses,
    cameras,
    faithful,
    gaps_of,
    holes,
    make_site,
    reconciled,
    stored,
)

KILLS = int(os.environ.get("OVERT_KILLS", "3"))
SEEDS = [int(each) for each in os.environ.get("OVERT_SEED", "20261123 20261124").split()]
NAMES = ("a", "b", "c", "d")
MOST_LOST_S = 0.6
"""Half a second is being gathered; the rest is two ticks and one frame."""
SLACK_S = 0.4
"""Of one kill, on top of it."""
GAP_ERROR_MS = 250


@dataclass(frozen=True)
class Life:
    """One run of the recorder, on the monotonic clock."""

    begin_ns: int
    killed_ns: int
    acknowledged: dict[str, int] = field(default_factory=dict)
    """By camera, through when the recorder had said that footage is on disk."""


def one_life(site: Site, simulator: Simulator, chance: random.Random) -> Life:
    """Start a recorder, kill it: mostly while it records, sometimes while it starts."""
    begin = time.monotonic_ns()
    acknowledged: dict[str, int] = {}
    sessions = {camera.path: camera.statistics().sessions for camera in simulator}
    with Recorder(site, addresses(simulator)) as recorder:
        if chance.random() < 0.15:
            time.sleep(chance.uniform(0.5, 4))
        else:
            recorder.wait_sessions(simulator, sessions)
            time.sleep(chance.uniform(0, 3.5))
            acknowledged = {stream["camera"]: stream["recorded_through"] for stream in recorder.health()["streams"]}
        killed = recorder.kill()
    return Life(begin, killed, acknowledged)


def new_files_are_walkable(site: Site, since_s: float) -> None:
    """No file that the killed run wrote holds anything but whole records and one torn end."""
    for path in site.files():
        status = path.stat()
        if status.st_mtime >= since_s and status.st_size:
            assert {finding.kind for finding in walk(path).findings} <= {"torn", "unended"}, path


@dataclass
class Losses:
    """What kills cost, each kill counted for each camera that was being recorded."""

    seconds: list[float] = field(default_factory=list)
    elsewhere: list[tuple[str, int, str]] = field(default_factory=list)
    """Frames that were sent and are not readable, although frames that were sent later in the same run are."""
    gap_errors_s: list[float] = field(default_factory=list)
    told: list[tuple[str, float, float]] = field(default_factory=list)
    """Camera, seconds lost, for how many seconds it had been recorded."""

    def summary(self, kills: int) -> dict[str, float]:
        return {
            "kills": kills,
            "counted": len(self.seconds),
            "lost_s_min": min(self.seconds),
            "lost_s_median": round(statistics.median(self.seconds), 3),
            "lost_s_max": max(self.seconds),
            "frames_lost_elsewhere": len(self.elsewhere),
            "gap_bound_error_ms_max": round(max(self.gap_errors_s) * 1000, 1),
        }


def count(name: str, simulator: Simulator, found: Stored, lives: list[Life], losses: Losses) -> None:
    """Hold what is readable of a camera against what it sent in each life, until the moment of the kill.

    A frame may still be sent to a session whose recorder has been killed; it belongs to that life, and came too late.
    """
    sent = simulator.camera(name).frames()
    begun: dict[str, int] = {}
    for frame in sent:
        begun.setdefault(frame.session, frame.monotonic_ns)
    for life in lives:
        own = {session for session, first_ns in begun.items() if life.begin_ns < first_ns <= life.killed_ns}
        frames = [frame for frame in sent if frame.session in own and frame.monotonic_ns <= life.killed_ns]
        if not frames:
            continue
        kept = [frame.monotonic_ns for frame in frames if frame.number in found.numbers]
        last_ns = kept[-1] if kept else 0
        lost = [frame for frame in frames if frame.number not in found.numbers]
        tail = [frame for frame in lost if frame.monotonic_ns > last_ns]
        losses.elsewhere += [(name, frame.number, frame.session) for frame in lost if frame.monotonic_ns <= last_ns]
        lost_s = (tail[-1].wall_ns - tail[0].wall_ns) / 1e9 + 0.04 if tail else 0.0
        losses.seconds.append(round(lost_s, 2))
        losses.told.append((name, round(lost_s, 2), round((life.killed_ns - frames[0].monotonic_ns) / 1e9, 2)))


def gaps_are_right(site: Site, name: str, simulator: Simulator, found: Stored, losses: Losses) -> None:
    """Every hole between stored frames is one gap, which says that the recorder was not running."""
    missing, gaps = holes(simulator.camera(name).frames(), found.numbers), gaps_of(site, name)
    assert len(gaps) == len(missing)
    for gap, hole in zip(gaps, missing, strict=True):
        assert gap.cause == "stopped", gap
        losses.gap_errors_s += [abs(gap.start_ns - hole.start_ns) / 1e9, abs(gap.end_ns - hole.end_ns) / 1e9]


@pytest.mark.timeout(300 + 20 * KILLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_kills_of_the_whole_recorder(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    site, lives, losses = make_site(tmp_path / "s"), [], Losses()
    with cameras(*NAMES) as simulator:
        for _ in range(KILLS):
            since_s = time.time()
            lives.append(one_life(site, simulator, chance))
            new_files_are_walkable(site, since_s)
        with Recorder(site, addresses(simulator)) as recorder:
            recorder.wait_recording()
            assert recorder.stop() == 0
        reconciled(site)
        for name in NAMES:
            found = stored(site, name)
            faithful(found, simulator.camera(name).frames())
            count(name, simulator, found, lives, losses)
            gaps_are_right(site, name, simulator, found, losses)
    summary = losses.summary(KILLS)
    if report := os.environ.get("OVERT_REPORT"):
        Path(report).write_text(json.dumps({**summary, **vars(losses)}))
    sys.stdout.write(json.dumps({**summary, "worst": sorted(losses.told, key=lambda row: -row[1])[:10]}) + "\n")
    assert losses.elsewhere == []
    assert summary["lost_s_median"] <= MOST_LOST_S + BUSY_S
    assert summary["lost_s_max"] <= MOST_LOST_S + SLACK_S + BUSY_S
    assert summary["gap_bound_error_ms_max"] <= GAP_ERROR_MS + BUSY_S * 1000

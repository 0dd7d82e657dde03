"""Kill -9 at random moments: what was acknowledged is there, every file can be walked, and the index does not lie.

OVERT_KILLS says how many (12 unless set).
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from overt.footage.gaps import Gap, GapCause
from overt.footage.index import Index
from overt.footage.opening import OpenedFragment
from overt.footage.reconcile import reconcile
from overt.footage.rows import SegmentState
from overt.footage.segment_walk import walk
from overt.footage.spans import Span
from overt.ids import StreamKey

KILLS = int(os.environ.get("OVERT_KILLS", "12"))
KEYS = [StreamKey("front-door"), StreamKey("yard")]


def one_life(site: Any, begin: int, moment: float) -> list[tuple[str, int]]:
    """Run a writer, kill it `moment` seconds after its first acknowledgement; returns what it acknowledged."""
    script = Path(__file__).with_name("writer_to_kill.py")
    public = site.key.public_key.hex()
    arguments = [sys.executable, str(script), str(site.directory), str(site.key.site_id), public, str(begin)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
    lines = (first + rest).decode().splitlines(keepends=True)
    return [(camera, int(start)) for camera, start in (line.split() for line in lines if line.endswith("\n"))]


def test_kills(site: Any, lab: Any) -> None:
    dice = random.Random(20261123)
    acknowledged: list[tuple[str, int]] = []
    for life in range(KILLS):
        moment = dice.choice([0, 0, dice.uniform(0, 0.02), dice.uniform(0, 0.15)])
        acknowledged += one_life(site, lab.T0, moment)
        if life % 8 and life != KILLS - 1:
            continue
        for path in site.files():
            if path.stat().st_size:  # else it was killed between creating the file and writing its header
                kinds = {finding.kind for finding in walk(path).findings}
                assert kinds <= {"torn", "unended"}, path
    site.clock.utc = time.time_ns()
    with site.open() as store:
        store.attach(KEYS)
        assert store.flush()
    comparison = reconcile(site.directory, deep=True)
    # A period that was made ready by a killed run sealed nothing, and the journal of gaps is written before the index:
    # both are named, and a full comparison repairs them.
    kinds = {each.kind for each in comparison.differences}
    assert kinds <= {"orphan-key", "file-without-row", "row"}, comparison
    assert all("journal" in each.detail for each in comparison.differences if each.kind == "row"), comparison
    reconcile(site.directory, repair=True)
    assert reconcile(site.directory, deep=True).differences == []
    with Index(site.directory / "index.sqlite", write=False) as index:
        states = [row.state for key in KEYS for row in index.segments(key, 0, 2**62)]
    assert set(states) <= {SegmentState.CLOSED, SegmentState.RECOVERED}
    with site.reader() as reader:
        for key in KEYS:
            found: dict[int, bytes] = {}
            for item in reader.fragments(key, 0, 2**62, site.open_period):
                assert isinstance(item, OpenedFragment), item
                assert item.info.start_ns not in found
                found[item.info.start_ns] = item.payload
            for camera, start in acknowledged:
                if camera == key.camera:
                    assert found[start] == f"{camera} {start} ".encode() * 400
            parts = reader.spans(key, 0, 2**62, now_ns=site.clock.utc)
            spans = [part for part in parts if isinstance(part, Span)]
            gaps = [part for part in parts if isinstance(part, Gap)]
            assert all(a.end_ns == b.start_ns for a, b in itertools.pairwise(parts))
            assert sum(span.end_ns - span.start_ns for span in spans) == len(found) * lab.SECOND // 2
            assert {gap.cause for gap in gaps} <= {GapCause.RECORDER}

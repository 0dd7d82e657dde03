"""`overt bench`: tiny runs of the commands, and the counting and reckoning behind them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.cli.bench.cameras import Filmed
from overt.cli.bench.latency import added, quantile_s
from overt.cli.bench.process_tree import cost, descendants
from overt.cli.bench.stored_frames import StoredFrames, stored_frames
from overt.cli.main import main
from overt.errors import InvalidError
from overt.footage.marker import create_location
from overt.footage.opening import StoredPeriods
from overt.footage.options import StoreOptions
from overt.footage.reading import FootageReader
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.boxes import NON_SYNC_SAMPLE, SYNC_SAMPLE, TrackRun, box, fragment_header
from overt.media.samples import CodecConfiguration, Fragment
from overt.recorder.health import LATENCY_BOUNDS_S, LatencyHealth
from overt.sealing.roles import Recipients, RoleKey
from overt.simulator.marks import FrameMark, mark_digits, mark_nal_unit

SECOND = 1_000_000_000
START = 1_774_746_000 * SECOND
TRACK = CodecConfiguration("video", "h264", "avc1.4d002a", 90_000, box(b"avc1", bytes(78)), 1920, 1080)


def test_capture_measures_and_loses_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = ["bench", "capture", "--cameras", "2", "--seconds", "3", "--warm-up", "0", "--workers", "1"]
    assert main([*command, "--json", "--directory", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cameras"] == 2
    assert found["frames_lost"] == found["frames_doubled"] == found["frames_disordered"] == 0
    assert found["fragments_unreadable"] == 0
    assert found["frames_stored"] == found["frames_sent"] >= 2 * 3 * 25
    assert 3 < found["mbit_per_camera"] < 6
    assert found["cpu_s_per_camera_minute"] > 0
    assert found["pss_mb_per_camera"] == pytest.approx(found["pss_mb"] / 2, abs=0.01)
    assert 0 <= found["latency_p50_ms"] <= found["latency_p95_ms"] <= found["latency_longest_ms"]
    assert found["late_ticks"] <= found["ticks"]
    assert list(tmp_path.iterdir()) == [], "what was recorded is removed again"


def test_disk_measures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = ["bench", "disk", "--cameras", "2", "--seconds", "0.3", "--directory", str(tmp_path)]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] > 0
    assert found["refused"] == 0
    assert found["stored_mb_s"] == pytest.approx(found["bytes"] / found["seconds"] / 1e6, rel=0.01)
    assert min(found["plain_mb_s"], found["seal_mb_s"], found["hash_mb_s"], found["cpu_s_per_gb"]) > 0
    assert list(tmp_path.iterdir()) == []
    assert main(command) == 0
    assert "MB/s" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["capture", "disk"])
def test_a_directory_that_is_not_there_is_named(kind: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert main(["bench", kind, "--directory", str(missing)]) == InvalidError.exit_code
    assert str(missing) in capsys.readouterr().err


def fragment(at: int, numbers: Sequence[int | None]) -> Fragment:
    """Half a second in which each frame has a number, or none."""
    frames = []
    for number in numbers:
        unit = mark_nal_unit("h264", mark_digits(FrameMark(1, number))) if number is not None else b"\x06\x05\x00\x80"
        frames.append(b"".join(len(nal).to_bytes(4) + nal for nal in (unit, b"\x65picture")))
    start_ns = START + at * SECOND // 2
    run = TrackRun(
        1, start_ns * 9 // 100_000, [900] * len(frames), [*map(len, frames)], None, NON_SYNC_SAMPLE, SYNC_SAMPLE
    )
    payload = fragment_header(at + 1, [run]) + b"".join(frames)
    return Fragment((TRACK,), payload, start_ns, SECOND // 2, len(frames), True, at == 0, 0, 0, None, 0)


def count(folder: Path, fragments: Sequence[Sequence[int | None]]) -> StoredFrames:
    """Store fragments with these numbers, and count what is there."""
    site, private, key = uuid4(), X25519PrivateKey.generate(), StreamKey("door")
    role = RoleKey(site, "Town Hall", "custodian", datetime(2026, 1, 1, tzinfo=UTC), private)
    create_location(folder, site)
    store = FootageStore(
        folder, Recipients(site, "Town Hall", (role.recipient,)), options=StoreOptions(min_free_bytes=0)
    )
    session = uuid4()
    for at, numbers in enumerate(fragments):
        assert store.append(key, session, fragment(at, numbers))
    assert store.flush(20)
    assert store.close()
    with FootageReader(folder) as reader:
        return stored_frames(reader, key, StoredPeriods(folder, [role]))


def test_frames_are_counted_by_their_numbers(tmp_path: Path) -> None:
    found = count(tmp_path / "footage", [[10, 11, 12], [13, 13, None], [17, 16, 20]])
    assert (found.first, found.last, found.frames, found.fragments) == (10, 20, 9, 3)
    assert (found.doubled, found.disordered, found.unnumbered) == (1, 1, 1)
    assert found.missing == ((14, 15), (18, 19))
    assert found.missing_inside == 4
    assert found.seconds == pytest.approx(1.5)
    assert 0 < found.media_bytes < found.payload_bytes
    assert found.unreadable == ()


def filmed(**changed: int) -> Filmed:
    values = {"frames_filmed": 21, "frames_sent": 11, "frames_skipped": 0, "sessions": 1, **changed}
    return Filmed(name="door", connections_open=0, bytes_sent=0, late_s=0.0, **values)


def frames(first: int | None, last: int | None, missing: int = 0, doubled: int = 0) -> StoredFrames:
    stored = 0 if first is None or last is None else last - first + 1 - missing + doubled
    return StoredFrames("door", stored, 1, first, last, doubled, 0, 0, missing, (), (), 0, 0, 0.0)


@pytest.mark.parametrize(
    ("camera", "stored", "lost"),
    [
        (filmed(), frames(10, 20), 0),
        (filmed(), frames(12, 20), 2),
        (filmed(), frames(10, 18), 2),
        (filmed(), frames(10, 20, missing=3), 3),
        (filmed(), frames(10, 20, missing=1, doubled=1), 1),
        (filmed(), frames(None, None), 11),
        (filmed(frames_sent=10, frames_skipped=1), frames(10, 20, missing=1), 1),
        # Between two sessions the camera films, and nobody gets it.
        (filmed(frames_sent=8, sessions=2), frames(10, 20, missing=3), 3),
    ],
)
def test_what_is_lost(camera: Filmed, stored: StoredFrames, lost: int) -> None:
    assert stored.lost(camera) == lost


@settings(max_examples=60)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0.01, 1))
def test_quantiles_of_classes_lie_in_the_class_of_the_true_one(seconds: list[float], share: float) -> None:
    latency = LatencyHealth()
    for each in seconds:
        latency.observe(each)
    assert sum(latency.counts) == len(seconds)
    found = quantile_s(latency.counts, share, latency.longest_s)
    assert found is not None
    rank = next(n for n in range(1, len(seconds) + 1) if n >= share * len(seconds) - 1e-9)
    true = sorted(seconds)[rank - 1]
    bounds = [0.0, *LATENCY_BOUNDS_S, 100.0]
    below, above = next((low, high) for low, high in pairwise(bounds) if true <= high)
    assert below - 1e-9 <= found <= above + 1e-9
    assert found <= latency.longest_s + 1e-9


def test_classes_of_several_workers_are_added() -> None:
    assert added([[1, 2], [3, 4]]) == [4, 6]
    assert quantile_s([0] * (len(LATENCY_BOUNDS_S) + 1), 0.5, 0.0) is None


def test_a_process_costs_something() -> None:
    here = os.getpid()
    assert here in descendants(here)
    spent = cost([here])
    assert spent.cpu_s > 0
    assert spent.pss_bytes > 1_000_000
    assert spent.processes >= 1

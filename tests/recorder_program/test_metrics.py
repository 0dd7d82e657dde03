"""Metrics: well-formed, true to the snapshot, and every one documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from overt.clock import SECOND
from overt.recorder.health import DiskHealth, RecorderHealth, StreamHealth, WorkerHealth
from overt.recorder.metrics import exposition

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


@pytest.fixture(name="text")
def _text() -> str:
    door = StreamHealth(
        camera="door",
        stream="main",
        state="stalled",
        bytes=7,
        frames=5,
        damaged_frames=1,
        lost_packets=3,
        reconnects=2,
        bit_rate=3e6,
        last_frame_age_s=4.5,
        gaps={"network": 2},
        recorded_through_ns=1_800_000_000 * SECOND,
    )
    return exposition(
        lambda: RecorderHealth(
            time_ns=1,
            started_ns=2 * SECOND,
            revision=3,
            level="degraded",
            streams=[door],
            disks=[DiskHealth(location='/f "x"\n', state="full", free_bytes=1, total_bytes=10)],
            workers=[WorkerHealth(worker=0, restarts=4)],
        )
    ).decode()


def test_the_numbers_are_those_of_the_snapshot(text: str) -> None:
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    door = (("camera", "door"), ("stream", "main"))
    assert samples["overt_stream_received_bytes_total", *door] == 7
    assert samples["overt_stream_lost_packets_total", *door] == 3
    assert samples["overt_stream_last_frame_age_seconds", *door] == 4.5
    assert samples["overt_stream_gaps_total", ("camera", "door"), ("cause", "network"), ("stream", "main")] == 2
    assert samples["overt_stream_gaps_total", ("camera", "door"), ("cause", "disk"), ("stream", "main")] == 0
    assert samples["overt_stream_state", ("camera", "door"), ("state", "stalled"), ("stream", "main")] == 1
    assert samples["overt_stream_state", ("camera", "door"), ("state", "recording"), ("stream", "main")] == 0
    assert samples["overt_disk_used_bytes", ("location", '/f "x"\n')] == 9
    assert samples["overt_recorder_health", ("level", "degraded")] == 1
    assert ("overt_stream_clock_offset_seconds", *door) not in samples, "an unknown offset is absent, not 0"


def test_every_metric_is_documented_and_no_other(text: str) -> None:
    exposed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    documented = set(re.findall(r"^\| `(overt_\w+)`", DOCUMENT.read_text(), re.MULTILINE))
    assert documented == exposed


def test_names_follow_the_conventions(text: str) -> None:
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            assert name.startswith("overt_")
            assert name.endswith("_total") == (kind == "counter")

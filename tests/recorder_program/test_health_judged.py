"""Health: snapshots travel whole, and are judged in words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.clock import SECOND
from overt.recorder.health import (
    ClockHealth,
    DiskHealth,
    FactsHealth,
    RecorderHealth,
    StreamHealth,
    WorkerHealth,
)
from overt.recorder.status import assess

NOW = 1_800_000_000 * SECOND


def stream(**changes: Any) -> StreamHealth:
    values = {"camera": "door", "stream": "main", "state": "recording", "since_ns": NOW - 60 * SECOND}
    return StreamHealth(**{**values, **changes})


def health(**changes: Any) -> RecorderHealth:
    return RecorderHealth(time_ns=NOW, started_ns=NOW - 100 * SECOND, revision=1, **changes)


@given(
    st.builds(
        StreamHealth,
        camera=st.just("a"),
        stream=st.just("sub"),
        bit_rate=st.floats(0, 1e9),
        frame_rate=st.floats(0, 1e3),
        last_frame_age_s=st.none() | st.floats(0, 1e6),
        camera_offset_s=st.none() | st.floats(-1e9, 1e9),
        queue_share=st.floats(0, 1),
        recorded_s=st.floats(0, 1e9),
    )
)
@settings(max_examples=50)
def test_a_snapshot_travels_as_json(snapshot: StreamHealth) -> None:
    assert StreamHealth.from_dict(json.loads(json.dumps(snapshot.to_dict()))) == snapshot


def test_a_recorder_snapshot_travels_as_json() -> None:
    whole = health(
        streams=[stream(gaps={"network": 2})], disks=[DiskHealth(location="/f")], workers=[WorkerHealth(worker=0)]
    )
    assert RecorderHealth.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


@pytest.mark.parametrize("value", [{}, {"camera": "a"}, {"camera": "a", "stream": "main", "state": "asleep"}])
def test_what_is_no_snapshot_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        StreamHealth.from_dict(value)


def test_the_public_form_has_moments_as_text() -> None:
    public = health(streams=[stream(recorded_through_ns=0)]).to_public()
    assert public["time"] == "2027-01-15T08:00:00.000000000+00:00"
    assert public["streams"][0]["recorded_through"] is None
    assert "time_ns" not in public


@pytest.mark.parametrize(
    ("changes", "level", "says"),
    [
        ({}, "ok", ""),
        ({"streams": [stream()]}, "ok", ""),
        ({"streams": [stream(state="stopped")]}, "ok", ""),
        ({"streams": [stream(state="connecting", since_ns=NOW - SECOND)]}, "ok", ""),
        ({"streams": [stream(state="connecting")]}, "degraded", "door/main is not recorded: connecting for 60 s"),
        ({"streams": [stream(), stream(state="refused", reason="401.")]}, "degraded", "refused for 60 s (401)."),
        ({"streams": [stream(state="stalled"), stream(state="unreachable")]}, "failing", "None of the 2 streams"),
        ({"streams": [stream(), stream(state="failed", reason="bug")]}, "failing", "failed for 60 s (bug)"),
        ({"streams": [stream(queue_share=0.8)]}, "degraded", "80 % of its write queue"),
        ({"streams": [stream(frames=1000, damaged_frames=20)]}, "degraded", "20 of 1000 frames"),
        ({"streams": [stream(camera_offset_s=-3600.0)]}, "degraded", "off by -3600.0 s"),
        ({"streams": [stream(defects=3, last_defect_ns=NOW - SECOND)]}, "degraded", "has ended 3 of its sessions"),
        ({"streams": [stream(defects=3, last_defect_ns=NOW - 7200 * SECOND)]}, "ok", ""),
        ({"disks": [DiskHealth(location="/f", state="full", reason="no space left")]}, "failing", "Storage /f is full"),
        ({"disks": [DiskHealth(location="/f", state="slow", reason="3 s")]}, "degraded", "Storage /f is slow: 3 s."),
        ({"workers": [WorkerHealth(worker=1, state="silent", streams=9)]}, "failing", "its 9 streams"),
        ({"clock": ClockHealth(offset_s=-70.0)}, "degraded", "by -70.0 s: check NTP"),
        ({"facts": FactsHealth(error="disk full", waiting=3)}, "degraded", "(disk full); 3 wait"),
    ],
)
def test_judgement(changes: dict[str, Any], level: str, says: str) -> None:
    judged = assess(health(**changes))
    assert judged.level == level
    assert says in " ".join(judged.sentences)
    assert bool(judged.sentences) == (level != "ok")


def test_the_worst_comes_first_and_sentences_are_bounded() -> None:
    streams = [replace(stream(state="refused"), camera=f"c{number}") for number in range(500)]
    judged = assess(health(streams=[*streams, stream()], disks=[DiskHealth(location="/f", state="missing")]))
    assert judged.level == "failing"
    assert "Storage" in judged.sentences[0]
    assert judged.sentences[-1] == "And 301 more."

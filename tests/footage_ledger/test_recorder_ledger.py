"""The ledger of a whole recorder: killed at any moment, and with a full disk under its ledger alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mounts import mounted
from overt.footage.marker import create_location
from overt.ledger.reader import LedgerReader
from overt.simulator.simulator import Simulator
from recorder_rig import Recorder, Site, addresses, cameras, make_site, overt_json

CUT_OFF = "the footage ledger did not end within"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory with a short name: the path of a Unix socket in it is limited."""
    with TemporaryDirectory(prefix="ov") as name:
        yield Path(name)


def told(place: Path, *kinds: str) -> list[dict[str, Any]]:
    """Return what leaves say."""
    reader = LedgerReader(place)
    return [body.value() for _, body in reader.read_bodies(reader.leaves(kinds=kinds)) if body is not None]


def sound(site: Site) -> dict[str, Any]:
    """Hold the ledger against itself, and the footage against it; return what was counted."""
    assert overt_json("ledger", "verify", site.footage / "ledger")["sound"]
    found: dict[str, Any] = overt_json("ledger", "footage", site.footage)
    assert found["sound"]
    return found


def ended_well(site: Site, simulator: Simulator) -> bool:
    """Record a while, and stop; False if the ledger did not end in time."""
    with Recorder(site, addresses(simulator)) as recorder:
        before = recorder.errors().count(CUT_OFF)
        recorder.wait_recording()
        recorder.wait_fact("footage-compared")
        assert recorder.stop() == 0
        return recorder.errors().count(CUT_OFF) == before


def test_a_killed_recorder_has_each_leaf_once(folder: Path) -> None:
    site = make_site(folder)
    with cameras("front") as simulator:
        for _ in range(3):
            with Recorder(site, addresses(simulator)) as recorder:
                recorder.wait_recording()
                recorder.wait_fact("recorder-started")
                recorder.kill()
        while not ended_well(site, simulator):
            pass  # so much else to do that the ledger was cut off at the end: the next run catches up
    found = sound(site)
    assert found["files"] == len(site.files()) == found["segments"]
    stored = Counter(each["segment"] for each in told(site.footage / "ledger", "segment.stored"))
    assert set(stored.values()) == {1}
    gaps = Counter(each["gap"] for each in told(site.footage / "ledger", "gap.closed"))
    assert set(gaps.values()) <= {1}
    starts = [each["before"] for each in told(site.footage / "ledger", "recorder.started")]
    assert starts[:4] == ["nothing", "killed", "killed", "killed"]
    assert told(site.footage / "ledger", "recorder.stopped")


@pytest.mark.peer
def test_a_full_disk_under_the_ledger_stops_no_recording(folder: Path) -> None:
    site = make_site(folder)
    create_location(site.footage, site.role.site_id)
    with mounted(site.footage / "ledger", "1m") as small, cameras("front") as simulator:
        with Recorder(site, addresses(simulator), prefix=small.prefix) as recorder:
            recorder.wait_recording()
            recorder.wait_health(lambda health: health["ledger"]["leaves"] > 0)
            ballast = small.fill()
            camera = simulator.camera("front")
            before = camera.statistics().sessions
            camera.kill_sessions(reset=True)
            recorder.wait_sessions(simulator, {"front": before})
            health = recorder.wait_health(lambda health: health["ledger"]["state"] == "failing")
            assert "No space left" in health["ledger"]["error"]
            assert any("recording is not affected" in each for each in health["sentences"])
            frames = recorder.wait_recording()["streams"][0]["frames"]
            recorder.wait_health(lambda health: health["streams"][0]["frames"] > frames + 10)
            ballast.unlink()
            recorder.wait_health(lambda health: health["ledger"]["state"] == "running")
            assert recorder.stop() == 0
        place = small.seen(site.footage / "ledger")
        stored = [each["file"] for each in told(place, "segment.stored")]
        assert len(stored) == len(set(stored))
        assert site.files()[0].name in stored, "what ended while the disk was full"
        assert told(place, "gap.closed")

"""What recording costs here: `overt record` on numbered cameras, its processor time, memory, latency and losses."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from overt.cli.bench.cameras import Filmed, NumberedCameras, numbered_cameras
from overt.cli.bench.latency import added, quantile_s
from overt.cli.bench.process_tree import Cost, cost
from overt.cli.bench.recorder_process import Bench, RecorderProcess, make_bench, recorder_running
from overt.cli.bench.stored_frames import StoredFrames, stored_frames
from overt.errors import InvalidError
from overt.footage.reading import FootageReader

DRAIN_S: Final = 1.0
"""What the cameras sent last is given so long to arrive before the recorder is stopped."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

    cameras: int
    seconds: float
    """Of the window in which cost is measured."""
    warm_up_s: float
    source: Path
    directory: Path | None
    """On the disk to be measured; None: the directory for temporary files."""
    workers: int = 0
    """Capture processes; 0: as many as `overt record` chooses."""


@dataclass(frozen=True, slots=True)
class CaptureCost:
    """What was measured. Costs are of the recorder's whole process tree, the cameras' own left out."""

    cameras: int
    seconds: float
    cpu_s_per_camera_minute: float
    pss_mb_per_camera: float
    pss_mb: float
    mbit_per_camera: float
    """Media received, a second."""
    frames_sent: int
    frames_stored: int
    frames_lost: int
    frames_doubled: int
    frames_disordered: int
    fragments_unreadable: int
    latency_p50_ms: float | None
    """From the arrival of a fragment's last packet until the operating system had the fragment on its disk."""
    latency_p95_ms: float | None
    latency_longest_ms: float
    """Since the recorder started."""
    ticks: int
    late_ticks: int
    camera_late_ms: float
    """The longest that a simulated camera was late with a frame: how much the measuring itself disturbed."""
    load: float
    """Of the machine over the last minute, all programs together (the first of `os.getloadavg`)."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class _Moment:
    """The recorder at one moment."""

    monotonic_s: float
    cost: Cost
    health: dict[str, Any]
    sent_bytes: int


def measure_capture(plan: Plan) -> CaptureCost:
    """Record, measure, then read everything back and count it.

    Raises:
        OvertError: cameras or recorder do not start, or something stored is not what it should be.
    """
    if plan.directory is not None and not plan.directory.is_dir():
        msg = f"--directory {plan.directory}: there is no such directory"
        raise InvalidError(msg)
    with tempfile.TemporaryDirectory(prefix="overt-bench-", dir=plan.directory) as folder:
        bench = make_bench(Path(folder))
        with numbered_cameras(plan.cameras, (plan.source,)) as cameras:
            settings = (f"workers = {plan.workers}",)
            with recorder_running(bench, cameras.addresses, settings) as recorder:
                recorder.wait_until_recording()
                time.sleep(plan.warm_up_s)
                before = _look(recorder, cameras)
                time.sleep(plan.seconds)
                after = _look(recorder, cameras)
                filmed = cameras.end()
                time.sleep(DRAIN_S)
                recorder.stop()
            return _cost(plan, before, after, _counted(bench, filmed))


def _look(recorder: RecorderProcess, cameras: NumberedCameras) -> _Moment:
    sent = sum(each.bytes_sent for each in cameras.statistics())
    return _Moment(time.monotonic(), cost([recorder.pid]), recorder.health(), sent)


def _counted(bench: Bench, filmed: list[Filmed]) -> list[tuple[Filmed, StoredFrames]]:
    by_name = {each.name: each for each in filmed}
    with FootageReader(bench.footage) as reader:
        return [(by_name[key.camera], stored_frames(reader, key, bench.open_period)) for key in reader.streams()]


def _cost(plan: Plan, before: _Moment, after: _Moment, pairs: list[tuple[Filmed, StoredFrames]]) -> CaptureCost:
    elapsed = after.monotonic_s - before.monotonic_s
    old, new = before.health["workers"], after.health["workers"]
    earlier = added(worker["stored"]["counts"] for worker in old)
    counts = [late - soon for soon, late in zip(earlier, added(w["stored"]["counts"] for w in new), strict=True)]
    longest = max(worker["stored"]["longest_s"] for worker in new)
    half, most = quantile_s(counts, 0.5, longest), quantile_s(counts, 0.95, longest)
    return CaptureCost(
        cameras=plan.cameras,
        seconds=elapsed,
        cpu_s_per_camera_minute=(after.cost.cpu_s - before.cost.cpu_s) / plan.cameras / (elapsed / 60),
        pss_mb_per_camera=after.cost.pss_bytes / plan.cameras / 1e6,
        pss_mb=after.cost.pss_bytes / 1e6,
        mbit_per_camera=(after.sent_bytes - before.sent_bytes) * 8 / elapsed / plan.cameras / 1e6,
        frames_sent=sum(filmed.frames_sent for filmed, _ in pairs),
        frames_stored=sum(found.frames for _, found in pairs),
        frames_lost=sum(found.lost(filmed) for filmed, found in pairs),
        frames_doubled=sum(found.doubled for _, found in pairs),
        frames_disordered=sum(found.disordered for _, found in pairs),
        fragments_unreadable=sum(len(found.unreadable) for _, found in pairs),
        latency_p50_ms=None if half is None else half * 1e3,
        latency_p95_ms=None if most is None else most * 1e3,
        latency_longest_ms=longest * 1e3,
        ticks=sum(w["ticks"] for w in new) - sum(w["ticks"] for w in old),
        late_ticks=sum(w["late_ticks"] for w in new) - sum(w["late_ticks"] for w in old),
        camera_late_ms=max((filmed.late_s for filmed, _ in pairs), default=0.0) * 1e3,
        load=os.getloadavg()[0],
    )

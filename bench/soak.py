"""Does it lose a frame, does it grow? The recorder on numbered cameras for as long as you like, watched all the while.

Every ten seconds: memory (PSS, and what of it is private) and processor time of the recorder's whole process tree, late
ticks of its capture loops, and the machine's load. At the end every stored frame is opened, verified and counted by its
number against what the cameras filmed. Nothing fails: a table says what was found.

    python bench/soak.py --source main.mp4 --cameras 16 --minutes 60 --work /srv/soak
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from overt.cli.bench.cameras import DEFAULT_SOURCE, Filmed, numbered_cameras
from overt.cli.bench.latency import added, quantile_s
from overt.cli.bench.process_tree import cost
from overt.cli.bench.recorder_process import Bench, RecorderProcess, make_bench, recorder_running
from overt.cli.bench.stored_frames import StoredFrames, stored_frames
from overt.errors import OvertError
from overt.footage.reading import FootageReader

DRAIN_S = 3.0
"""What the cameras sent last is given so long to arrive before the recorder is stopped."""


@dataclass(frozen=True)
class Look:
    """One look at the recorder."""

    seconds: float
    cpu_s: float
    pss_bytes: int
    private_bytes: int
    load: float
    streams_recording: int
    gaps: int
    lost_packets: int
    ticks: int
    late_ticks: int
    longest_tick_s: float
    stored_counts: list[int]
    longest_stored_s: float
    free_bytes: int


def look(recorder: RecorderProcess, began: float, work: Path) -> Look:
    """Take one look."""
    health = recorder.health()
    spent = cost([recorder.pid])
    workers = health["workers"]
    return Look(
        time.monotonic() - began,
        spent.cpu_s,
        spent.pss_bytes,
        spent.private_bytes,
        os.getloadavg()[0],
        sum(stream["state"] == "recording" for stream in health["streams"]),
        sum(sum(stream["gaps"].values()) for stream in health["streams"]),
        sum(stream["lost_packets"] for stream in health["streams"]),
        sum(worker["ticks"] for worker in workers),
        sum(worker["late_ticks"] for worker in workers),
        max(worker["tick_s"] for worker in workers),
        added(worker["stored"]["counts"] for worker in workers),
        max(worker["stored"]["longest_s"] for worker in workers),
        shutil.disk_usage(work).free,
    )


def slope(looks: list[Look]) -> float:
    """Return how many bytes of memory that nobody shares are gained a second (least squares)."""
    n = len(looks)
    if n < 2:
        return 0.0
    mean_t = sum(each.seconds for each in looks) / n
    mean_b = sum(each.private_bytes for each in looks) / n
    spread = sum((each.seconds - mean_t) ** 2 for each in looks)
    return sum((each.seconds - mean_t) * (each.private_bytes - mean_b) for each in looks) / spread if spread else 0.0


def watch(recorder: RecorderProcess, args: argparse.Namespace, stop: threading.Event, log: Path) -> list[Look]:
    """Look every ten seconds until the time is over, the disk is nearly full, or somebody says stop."""
    looks: list[Look] = []
    began = time.monotonic()
    with log.open("w") as file:
        while True:
            try:
                looks.append(look(recorder, began, args.work))
            except OvertError as error:
                print(f"{time.monotonic() - began:6.0f} s: {error}", file=sys.stderr)
            else:
                file.write(json.dumps(asdict(looks[-1])) + "\n")
                file.flush()
            if looks and looks[-1].free_bytes < args.keep_free:
                print("stopped early: the disk is filling", file=sys.stderr)
                return looks
            left = args.minutes * 60 - (time.monotonic() - began)
            if left <= 0 or stop.wait(min(args.every, left)):
                return looks


def counted(bench: Bench, filmed: list[Filmed]) -> list[tuple[Filmed, StoredFrames]]:
    """Open and count everything that is stored."""
    with FootageReader(bench.footage) as reader:
        keys = {key.camera: key for key in reader.streams()}
        return [
            (each, stored_frames(reader, keys[each.name], bench.open_period)) for each in filmed if each.name in keys
        ]


def verdict(
    looks: list[Look], pairs: list[tuple[Filmed, StoredFrames]], cameras: int, warm_up: float
) -> dict[str, Any]:
    """Reduce everything to one table."""
    steady = [each for each in looks if each.seconds >= warm_up] or looks
    first, last = steady[0], steady[-1]
    seconds = max(1e-9, last.seconds - first.seconds)
    counts = [after - before for before, after in zip(first.stored_counts, last.stored_counts, strict=True)]
    stored = sum(each.frames for _, each in pairs)
    return {
        "cameras": cameras,
        "cameras with footage": len(pairs),
        "minutes": round(looks[-1].seconds / 60, 1),
        "frames filmed since the first session": sum(each.frames_filmed - (found.first or 0) for each, found in pairs),
        "frames sent": sum(each.frames_sent for each, _ in pairs),
        "frames skipped by the cameras": sum(each.frames_skipped for each, _ in pairs),
        "frames stored": stored,
        "frames lost": sum(found.lost(each) for each, found in pairs),
        "frames doubled": sum(found.doubled for _, found in pairs),
        "frames out of order": sum(found.disordered for _, found in pairs),
        "frames without number": sum(found.unnumbered for _, found in pairs),
        "fragments unreadable": sum(len(found.unreadable) for _, found in pairs),
        "sessions": sum(each.sessions for each, _ in pairs),
        "gaps opened": last.gaps,
        "packets lost": last.lost_packets,
        "Mb/s a camera": round(
            sum(found.media_bytes for _, found in pairs) * 8e-6 / max(1, sum(found.seconds for _, found in pairs)), 3
        ),
        "CPU-s per camera-minute": round((last.cpu_s - first.cpu_s) / cameras / seconds * 60, 4),
        "PSS at the start, MB": round(first.pss_bytes / 1e6, 1),
        "PSS at the end, MB": round(last.pss_bytes / 1e6, 1),
        "PSS highest, MB": round(max(each.pss_bytes for each in steady) / 1e6, 1),
        "private memory at the start, MB": round(first.private_bytes / 1e6, 1),
        "private memory at the end, MB": round(last.private_bytes / 1e6, 1),
        "private memory, slope, kB a minute": round(slope(steady) * 60 / 1e3, 1),
        "private memory, slope of the second half": round(slope(steady[len(steady) // 2 :]) * 60 / 1e3, 1),
        "ticks": last.ticks - first.ticks,
        "late ticks": last.late_ticks - first.late_ticks,
        "longest tick seen, ms": round(max(each.longest_tick_s for each in steady) * 1e3),
        "last packet to disk, ms (p50, p95, p99, longest)": [
            *(round((quantile_s(counts, share, last.longest_stored_s) or 0) * 1e3, 1) for share in (0.5, 0.95, 0.99)),
            round(last.longest_stored_s * 1e3, 1),
        ],
        "latest frame of a simulated camera, s": round(max((each.late_s for each, _ in pairs), default=0), 3),
        "load (mean, highest)": [
            round(sum(each.load for each in steady) / len(steady), 1),
            round(max(each.load for each in steady), 1),
        ],
    }


def main() -> None:
    """Soak, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, nargs="+", default=[DEFAULT_SOURCE], help="MP4 files, used in turn")
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=10, help="seconds between looks")
    parser.add_argument("--warm-up", type=float, default=60, help="seconds left out of the figures on cost")
    parser.add_argument("--keep-free", type=float, default=20e9, help="stop when the disk has less than so many bytes")
    parser.add_argument("--retention-bytes", help='per camera, such as "2GB"; frames deleted by it count as lost')
    parser.add_argument("--work", type=Path, required=True, help="new directory on the disk to measure")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    bench = make_bench(args.work)
    defaults = [f'retention = {{ days = 31, bytes = "{args.retention_bytes}" }}'] if args.retention_bytes else []
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with (
        numbered_cameras(args.cameras, args.source) as cameras,
        recorder_running(bench, cameras.addresses, defaults=defaults) as recorder,
    ):
        recorder.wait_until_recording()
        looks = watch(recorder, args, stop, args.work / "looks.jsonl")
        filmed = cameras.end()
        time.sleep(DRAIN_S)
        recorder.stop()
    (args.work / "filmed.json").write_text(json.dumps([asdict(each) for each in filmed], indent=1))
    pairs = counted(bench, filmed)
    table = verdict(looks, pairs, args.cameras, args.warm_up)
    (args.work / "verdict.json").write_text(json.dumps(table, indent=1))
    if args.json:
        print(json.dumps(table, indent=1))
    else:
        for name, value in table.items():
            print(f"{name:52s} {value}")
    for each, found in pairs:
        if found.lost(each) or found.doubled or found.unreadable or found.disordered:
            print(each, found, file=sys.stderr)


if __name__ == "__main__":
    main()

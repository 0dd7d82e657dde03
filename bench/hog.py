"""Is anything lost when the recorder gets no peace? Many cameras, every core burning, and in the recorder's own process
a thread that never lets go of the interpreter by itself.

One process captures and stores all cameras (the product would share them out among one process a core), with the hogs
as further threads in it; the burners and the cameras are processes of their own. Frames are counted by their numbers.

    python bench/hog.py --source main.mp4 --cameras 64 --seconds 60 --work /srv/hog
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from overt.cli.bench.cameras import DEFAULT_SOURCE, numbered_cameras
from overt.cli.bench.latency import quantile_s
from overt.cli.bench.process_tree import cost
from overt.cli.bench.recorder_process import make_bench
from overt.cli.bench.stored_frames import stored_frames
from overt.clock import SECOND, SystemClock
from overt.footage.reading import FootageReader
from overt.ids import StreamKey
from overt.media.samples import Fragment
from overt.recorder.health import LatencyHealth
from recorder_inside import READY_S, InsideRecorder

DRAIN_S = 3
"""What the recorder has read by then from the cameras is given so long to be handed to the store."""


def record(pipe: Connection, folder: Path, addresses: Sequence[tuple[str, str]], args: argparse.Namespace) -> None:
    """Capture and store until told to stop (the process of its own), beside threads that only compute."""
    if args.switch_interval is not None:
        sys.setswitchinterval(args.switch_interval)
    latency, clock = LatencyHealth(), SystemClock()

    def stored(_key: StreamKey, fragment: Fragment) -> None:
        latency.observe((clock.monotonic_ns() - fragment.received_ns) / SECOND)

    recorder = InsideRecorder(folder, addresses, stored)
    stop = threading.Event()
    for number in range(args.hogs):
        threading.Thread(target=_hog, args=(stop,), name=f"hog-{number}", daemon=True).start()
    pipe.send("recording")
    statistics = recorder.statistics
    with suppress(EOFError):
        while pipe.recv() == "look":
            interruptions = list(recorder.door.interruptions)
            pipe.send((statistics.ticks, statistics.late_ticks, list(latency.counts), interruptions))
    clean = recorder.stop()
    stop.set()
    pipe.send(
        {
            "clean": clean,
            "refused": recorder.door.refused,
            "longest_tick_s": statistics.longest_tick_ns / SECOND,
            "longest_stored_s": latency.longest_s,
        }
    )


def _hog(stop: threading.Event) -> None:
    """Compute in pure Python: the interpreter is only given up when another thread's request times out."""
    while not stop.is_set():
        total = 0
        for number in range(1_000_000):
            total += number & 7


@contextmanager
def burning(count: int) -> Iterator[None]:
    """Keep so many cores busy."""
    stop = multiprocessing.get_context("spawn").Event()
    processes = [multiprocessing.get_context("spawn").Process(target=_burn, args=(stop,)) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        stop.set()
        for process in processes:
            process.join()


def _burn(stop: Any) -> None:  # any: multiprocessing's Event has no class of its own
    while not stop.is_set():
        sum(number & 7 for number in range(100_000))


def run(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Record under strain, then count."""
    bench = make_bench(folder)
    spawn = multiprocessing.get_context("spawn")
    with numbered_cameras(args.cameras, args.source) as cameras:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=record, args=(theirs, folder, cameras.addresses, args), daemon=True)
        process.start()
        theirs.close()
        if not ours.poll(READY_S) or ours.recv() != "recording":
            sys.exit("the recorder did not get all cameras recording")
        with burning(args.burners):
            time.sleep(args.warm_up)
            ours.send("look")
            before = ours.recv()
            first, began = cost([process.pid or 0]), time.monotonic()
            time.sleep(args.seconds)
            ours.send("look")
            after = ours.recv()
            last, elapsed = cost([process.pid or 0]), time.monotonic() - began
            load = os.getloadavg()[0]
            filmed = cameras.end()
            time.sleep(DRAIN_S)
            ours.send("stop")
            told = ours.recv()
        process.join()
    by_name = {each.name: each for each in filmed}
    with FootageReader(bench.footage) as reader:
        found = [stored_frames(reader, key, bench.open_period) for key in reader.streams()]
    counts = [late - soon for soon, late in zip(before[2], after[2], strict=True)]
    return {
        "cameras": args.cameras,
        "burners": args.burners,
        "hogs": args.hogs,
        "seconds": round(elapsed, 1),
        "frames filmed": sum(by_name[each.camera].frames_filmed - (each.first or 0) for each in found),
        "frames stored": sum(each.frames for each in found),
        "frames lost": sum(each.lost(by_name[each.camera]) for each in found),
        "frames doubled": sum(each.doubled for each in found),
        "frames skipped by the cameras": sum(each.frames_skipped for each in filmed),
        "cameras without footage": args.cameras - len(found),
        "fragments refused by the store": told["refused"],
        "interruptions": after[3],
        "stopped cleanly": told["clean"],
        "ticks": after[0] - before[0],
        "late ticks": after[1] - before[1],
        "longest tick, ms": round(told["longest_tick_s"] * 1e3),
        "last packet to disk, ms (p50, p95, longest)": [
            round((quantile_s(counts, share, told["longest_stored_s"]) or 0) * 1e3) for share in (0.5, 0.95, 1)
        ],
        "CPU-s per camera-minute, hogs included": round((last.cpu_s - first.cpu_s) / args.cameras / elapsed * 60, 3),
        "latest frame of a simulated camera, s": round(max(each.late_s for each in filmed), 2),
        "load": round(load, 1),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, nargs="+", default=[DEFAULT_SOURCE])
    parser.add_argument("--cameras", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=5)
    parser.add_argument("--burners", type=int, default=os.cpu_count() or 1, help="processes that only compute")
    parser.add_argument("--hogs", type=int, default=1, help="threads in the recorder's process that only compute")
    parser.add_argument("--switch-interval", type=float, help="sys.setswitchinterval of that process, seconds")
    parser.add_argument("--work", type=Path, help="directory on the disk to use; default: that of temporary files")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overt-bench-", dir=args.work) as folder:
        found = run(args, Path(folder))
    if args.json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        print(f"{name:52s} {value}")


if __name__ == "__main__":
    main()

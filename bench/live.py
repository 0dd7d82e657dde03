"""How long a frame takes from the camera's last packet to a viewer's queue, and what live viewing costs a worker.

    python bench/live.py [--cameras 4] [--viewers 4] [--seconds 20]

Cameras (the simulator), the capture worker and the hub each have a process of their own, as in a recorder; the viewers
are tasks beside the hub. Prints, for fragments and for samples, the time from the moment in which the camera sent the
last packet of a frame to the moment in which a viewer had the whole record, and the worker's CPU time without any
viewer, with the hub there and with it away.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parents[1] / "tests" / "rigs")]

from capture_rig import FOOTAGE, assigned
from live_rig import Seen, Watcher, hub_at, recording
from overt.contract.assignment import CameraAssignment
from overt.footage.marker import create_location
from overt.footage.options import StoreOptions
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.recorder.live_wire import Mode
from overt.recorder.worker import Stop, WorkerOrder
from overt.recorder.worker_process import WorkerProcess
from overt.sealing.roles import Recipients
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator
from recorder_rig import make_site


def simulate(count: int, pipe: Connection) -> None:
    """Be the cameras: tell their assignments, then what they sent when asked."""
    described: list[dict[str, Any]] = [
        {"path": f"cam-{number}", "source": str(FOOTAGE / "axis_test_h264.mp4")} for number in range(count)
    ]
    with Simulator(Persona.model_validate({"cameras": described}), log_frames=100_000) as simulator:
        pipe.send([assigned(simulator, each).model_dump(mode="json") for each in described])
        pipe.recv()
        pipe.send(
            {each.path: {sent.number: sent.monotonic_ns for sent in each.frames()} for each in simulator},
        )


def delays(seen: Seen, sent: dict[int, int]) -> list[float]:
    """Return milliseconds from the last packet of each record's last frame to its arrival; without the lead."""
    found = []
    for each, arrived in zip(seen.records, seen.arrivals, strict=True):
        if each.kind in (2, 3) and arrived - seen.arrivals[0] > 2:
            numbers = [number for number in Seen([each]).frames() if number in sent]
            if numbers:
                found.append(arrived * 1e3 - sent[numbers[-1]] / 1e6)
    return found


def cpu_of(worker: WorkerProcess, seconds: float) -> float:
    """Return CPU seconds a minute that the worker uses, from its own reports."""
    reports = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        report = worker.pipe.recv()
        reports.append((time.monotonic(), report.cpu_s))
    (begin, first), (end, last) = reports[1], reports[-1]
    return float((last - first) / (end - begin) * 60)


async def watch(footage: Path, keys: list[StreamKey], mode: Mode, viewers: int, seconds: float) -> list[Watcher]:
    """Watch all streams for some time."""
    async with hub_at(footage) as hub:
        for key in keys:
            await recording(hub, key)
        watchers = [Watcher(await hub.subscribe(key, mode), key) for key in keys for _ in range(viewers)]
        await asyncio.sleep(seconds)
        for each in watchers:
            await each.close()
        return watchers


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--viewers", type=int, default=4, help="for each camera")
    parser.add_argument("--seconds", type=float, default=20)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    cameras = context.Process(target=simulate, args=(asked.cameras, theirs))
    cameras.start()
    with tempfile.TemporaryDirectory() as folder:
        assignments = tuple(CameraAssignment.model_validate(each) for each in ours.recv())
        keys = [StreamKey(each.name) for each in assignments]
        site = make_site(Path(folder))
        create_location(site.footage, site.role.site_id)
        recipients = Recipients(site.role.site_id, site.role.site, (site.role.recipient,))
        options = StoreOptions(compare_at_start=False)
        with FootageStore(site.footage, recipients, options=options):
            worker = WorkerProcess(WorkerOrder(1, site.footage, recipients, (), options, assignments))
            try:
                measure(worker, site.footage, keys, asked, ours)
            finally:
                worker.tell(Stop())
                worker.close(20)
    cameras.join(10)


def measure(
    worker: WorkerProcess, footage: Path, keys: list[StreamKey], asked: argparse.Namespace, cameras: Connection
) -> None:
    """Let the worker run: alone, beside an idle hub, watched in both forms."""
    time.sleep(3)
    print(f"{len(keys)} cameras, nobody listens:          {cpu_of(worker, asked.seconds):.2f} CPU-s a minute")

    async def idle() -> float:
        async with hub_at(footage):
            return await asyncio.to_thread(cpu_of, worker, asked.seconds)

    print(f"{len(keys)} cameras, a hub, nobody watches:   {asyncio.run(idle()):.2f} CPU-s a minute")
    seen: dict[Mode, list[Watcher]] = {}
    for mode in ("fragments", "samples"):

        async def watched(mode: Mode = mode) -> float:
            cpu, seen[mode] = await asyncio.gather(
                asyncio.to_thread(cpu_of, worker, asked.seconds),
                watch(footage, keys, mode, asked.viewers, asked.seconds),
            )
            return cpu

        print(f"{len(keys)} cameras, all watched as {mode}: {asyncio.run(watched()):.2f} CPU-s a minute")
    cameras.send("sent?")
    sent = cameras.recv()
    for mode, watchers in seen.items():
        found = [
            delay
            for each in watchers
            for key in keys
            if each.key == key
            for delay in delays(each.seen, sent[key.camera])
        ]
        p50, p95 = statistics.median(found), statistics.quantiles(found, n=20)[-1]
        first = [each.seen.arrivals[each.seen.records.index(each.seen.media[0])] - each.began for each in watchers]
        print(f"{mode}: first picture p50 {statistics.median(first) * 1e3:.0f} ms, longest {max(first) * 1e3:.0f} ms")
        print(f"{mode}: last packet to viewer p50 {p50:.1f} ms, p95 {p95:.1f} ms, {len(found)} records")


if __name__ == "__main__":
    main()

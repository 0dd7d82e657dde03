"""How long after a camera has sent a frame is it on disk? Per frame, by its number, on one clock.

Cameras note when the last packet of each frame went into their socket; the recorder, here in the measuring process,
when the operating system had the fragment with that frame. So everything is in it: the network stack, the wait for the
next tick, the gathering of half a second, the queue, sealing and writing. The flush to the device is not.

    python bench/latency.py --source main.mp4 --cameras 16 --seconds 60 --work /srv/latency
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from overt.cli.bench.cameras import DEFAULT_SOURCE, numbered_cameras
from overt.cli.bench.recorder_process import make_bench
from overt.clock import SECOND, SystemClock
from overt.ids import StreamKey
from overt.media.boxes import read_fragment
from overt.media.samples import Fragment
from overt.simulator.marks import frame_number
from recorder_inside import InsideRecorder

MOST_FRAMES_A_SECOND = 60


class Noting:
    """Notes when what was stored. Called by the store's writer thread."""

    def __init__(self) -> None:
        """Begin with nothing noted."""
        self.clock = SystemClock()
        self.stored: list[tuple[str, list[int], int, int]] = []
        """Camera, numbers of the frames of a fragment, when its last packet was read, when it was stored."""

    def __call__(self, key: StreamKey, fragment: Fragment) -> None:
        """Note a fragment."""
        now = self.clock.monotonic_ns()
        track = read_fragment(fragment.payload).track(1)
        view = memoryview(fragment.payload)
        rows = track.samples if track is not None else ()
        found = (frame_number(view[row.offset : row.offset + row.size], fragment.tracks[0].codec) for row in rows)
        self.stored.append((key.camera, [n for n in found if n is not None], fragment.received_ns, now))


def spread(name: str, nanoseconds: Sequence[int]) -> str:
    """Return the quantiles of one kind of latency as a line."""
    ordered = sorted(nanoseconds)
    at = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] / SECOND * 1e3 for share in (0.5, 0.95, 0.99, 1))
    return f"{name:66s} p50 {next(at):6.1f}  p95 {next(at):6.1f}  p99 {next(at):6.1f}  longest {next(at):6.1f} ms"


def main() -> None:
    """Record, compare the two lists, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, nargs="+", default=[DEFAULT_SOURCE])
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--work", type=Path, help="directory on the disk to measure; default: that of temporary files")
    args = parser.parse_args()
    noting = Noting()
    log = int((args.seconds + 30) * MOST_FRAMES_A_SECOND)
    with (
        tempfile.TemporaryDirectory(prefix="overt-bench-", dir=args.work) as work,
        numbered_cameras(args.cameras, args.source, log_frames=log) as cameras,
    ):
        bench = make_bench(Path(work))
        recorder = InsideRecorder(bench.folder, cameras.addresses, noting)
        time.sleep(2)
        noting.stored.clear()
        time.sleep(args.seconds)
        stored, load = list(noting.stored), os.getloadavg()[0]
        sent = {(frame.name, frame.number): frame.monotonic_ns for frame in cameras.frames()}
        recorder.stop()
    of_fragments = [at - read for _, _, read, at in stored]
    last = [at - sent[camera, numbers[-1]] for camera, numbers, _, at in stored if numbers]
    every = [at - sent[camera, number] for camera, numbers, _, at in stored for number in numbers]
    print(f"{args.cameras} cameras, {len(every)} frames in {len(stored)} fragments, load {load:.1f}")
    print(spread("last packet of a fragment read by the recorder -> on disk", of_fragments))
    print(spread("last packet of a fragment sent by the camera -> on disk", last))
    print(spread("last packet of any frame sent by the camera -> on disk", every))


if __name__ == "__main__":
    main()

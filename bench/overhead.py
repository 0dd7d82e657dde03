"""What storing adds to a stream: container, seals and tables, index and keys, in bytes beside those of the frames.

Records cameras that film each source for a while, opens what was stored, and adds up. The elementary stream is counted
as the camera sent it, every NAL unit with the four bytes before it (a start code there, a length here).

    python bench/overhead.py --source main.mp4 sub.mp4 --minutes 10 --work /srv/overhead
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from overt.cli.bench.cameras import DEFAULT_SOURCE, numbered_cameras
from overt.cli.bench.recorder_process import Bench, make_bench, recorder_running
from overt.cli.bench.stored_frames import StoredFrames, stored_frames
from overt.footage.index import Index
from overt.footage.keystore import KeyStore
from overt.footage.layout import INDEX, KEYS
from overt.footage.reading import FootageReader

DRAIN_S = 1.0


@dataclass(frozen=True)
class Overhead:
    """Of the cameras of one source. Shares are percent of the bytes of the frames."""

    source: str
    cameras: int
    minutes: float
    frames_per_second: float
    mbit: float
    media_bytes: int
    container_percent: float
    """`moof` and `mdat` headers."""
    seal_percent: float
    """Record headers, tags, hashes, the codec configuration, the table at the end of each file."""
    index_percent: float
    """Rows of index.sqlite and keys.sqlite beyond what those files have when they are empty."""
    total_percent: float
    bytes_per_frame: float
    """All three, divided by the frames."""


def databases(folder: Path) -> int:
    """Return the bytes of index and keys, their logs included."""
    return sum(path.stat().st_size for name in (INDEX, KEYS) for path in folder.glob(f"{name}*"))


def empty_databases() -> int:
    """Return the same of a footage directory in which nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        Index(Path(folder, INDEX)).close()
        KeyStore(Path(folder, KEYS)).close()
        return databases(Path(folder))


def files_of(bench: Bench, camera: str) -> int:
    """Return the bytes of a camera's segment files."""
    return sum(path.stat().st_size for path in (bench.footage / "segments" / camera).rglob("*.ovs"))


def overhead(source: Path, cameras: int, minutes: float, folder: Path) -> Overhead:
    """Record one source and add up."""
    bench = make_bench(folder)
    with (
        numbered_cameras(cameras, (source,)) as running,
        recorder_running(bench, running.addresses) as recorder,
    ):
        recorder.wait_until_recording()
        time.sleep(minutes * 60)
        running.end()
        time.sleep(DRAIN_S)
        recorder.stop()
    with FootageReader(bench.footage) as reader:
        found = [stored_frames(reader, key, bench.open_period) for key in reader.streams()]
    return reckoned(source.name, bench, found)


def reckoned(source: str, bench: Bench, found: list[StoredFrames]) -> Overhead:
    """Put the sums together."""
    media = sum(each.media_bytes for each in found)
    payload = sum(each.payload_bytes for each in found)
    files = sum(files_of(bench, each.camera) for each in found)
    rows = databases(bench.footage) - empty_databases()
    frames, seconds = sum(each.frames for each in found), sum(each.seconds for each in found)
    return Overhead(
        source=source,
        cameras=len(found),
        minutes=seconds / 60 / len(found),
        frames_per_second=frames / seconds,
        mbit=media * 8e-6 / seconds,
        media_bytes=media,
        container_percent=(payload - media) / media * 100,
        seal_percent=(files - payload) / media * 100,
        index_percent=rows / media * 100,
        total_percent=(files + rows - media) / media * 100,
        bytes_per_frame=(files + rows - media) / frames,
    )


def main() -> None:
    """Measure each source in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, nargs="+", default=[DEFAULT_SOURCE])
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--work", type=Path, help="directory on the disk to use; default: that of temporary files")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for source in args.source:
        with tempfile.TemporaryDirectory(prefix="overt-bench-", dir=args.work) as folder:
            rows.append(overhead(source, args.cameras, args.minutes, Path(folder)))
        print(f"{source.name}: done, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    for row in rows:
        print(
            f"{row.source}: {row.cameras} cameras for {row.minutes:.1f} min, {row.frames_per_second:.1f} frames/s, "
            f"{row.mbit:.3f} Mb/s: container {row.container_percent:.3f} %, seal and table {row.seal_percent:.3f} %, "
            f"index and keys {row.index_percent:.3f} %, together {row.total_percent:.3f} % "
            f"({row.bytes_per_frame:.0f} bytes a frame)"
        )


if __name__ == "__main__":
    main()

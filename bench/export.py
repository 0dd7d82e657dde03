"""How fast footage is handed over: `overt export` against `cp` of the same span's files, onto the same disk.

Stores one camera's footage (faster than time passes; noise in place of pictures, everything else real), then exports
and copies it in turn, each time with both source and target out of the kernel's memory and the result flushed.

    python bench/export.py --minutes 60 --work /srv/export
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from overt.cli.bench.process_tree import cost
from overt.clock import SystemClock
from overt.contract.instant import to_iso
from overt.sealing.custody import create_key_file
from overt.sealing.roles import Recipients
from overt_command import overt_command, start_s
from synthetic_footage import MINUTE, Rate, full_footage

CAMERA = "camera-0001"
PASSPHRASE = "measured, not guessed"


def forget(paths: Iterable[Path]) -> None:
    """Let the kernel forget what these files hold."""
    for path in paths:
        with path.open("rb") as file:
            os.fdatasync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds and CPU-s of something that runs child processes."""
    began, before = time.perf_counter(), cost([os.getpid()]).cpu_s
    work()
    return time.perf_counter() - began, cost([os.getpid()]).cpu_s - before


def export(footage: Path, clip: Path, options: list[str]) -> None:
    """Run `overt export`."""
    run = overt_command(
        "export", str(footage), "--camera", CAMERA, "--out", str(clip), "--purpose", "A measurement", *options
    )
    if run.returncode:
        sys.exit(f"overt export ended with {run.returncode}: {run.stderr}")


def copy(files: list[Path], target: Path) -> None:
    """Run `cp`, and `sync` of what it wrote."""
    subprocess.run(["cp", *map(str, files), str(target)], check=True)
    subprocess.run(["sync", *map(str, target.iterdir())], check=True)


def main() -> None:
    """Fill, export, copy, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--mbit", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="directory on the disk to measure; default: that of temporary files")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overt-bench-", dir=args.work) as work:
        folder = Path(work)
        key_file = create_key_file(folder / "custodian.key", "Overt bench", PASSPHRASE).key_file
        passphrase = folder / "passphrase"
        passphrase.write_text(PASSPHRASE)
        recipients = Recipients(key_file.site_id, key_file.site, (key_file.recipient,))
        start_ns = (SystemClock().utc_ns() // MINUTE - args.minutes - 1) * MINUTE
        rate = Rate(bits_per_second=int(args.mbit * 1e6))
        full_footage(folder / "footage", recipients, CAMERA, start_ns, args.minutes * 60, rate)
        files = sorted((folder / "footage" / "segments").rglob("*.ovs"))
        size = sum(path.stat().st_size for path in files)
        print(f"start of the command alone: {start_s():.2f} s")
        exports: list[tuple[float, float]] = []
        copies: list[tuple[float, float]] = []
        for number in range(args.rounds):
            clip, copied = folder / f"{number}.mp4", folder / f"{number}.copy"
            span = ["--from", to_iso(start_ns), "--to", to_iso(start_ns + args.minutes * MINUTE)]
            key = ["--key", str(folder / "custodian.key"), "--passphrase-file", str(passphrase)]
            forget(files)
            exports.append(timed(partial(export, folder / "footage", clip, [*span, *key])))
            copied.mkdir()
            forget(files)
            copies.append(timed(partial(copy, files, copied)))
            written = clip.stat().st_size
            for path in (clip, clip.with_suffix(".manifest.json"), *copied.iterdir()):
                path.unlink()
            print(
                f"round {number + 1}: export {exports[-1][0]:.1f} s ({exports[-1][1]:.1f} CPU-s), cp and sync "
                f"{copies[-1][0]:.1f} s ({copies[-1][1]:.1f} CPU-s), load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        export_s = statistics.median(seconds for seconds, _ in exports)
        copy_s = statistics.median(seconds for seconds, _ in copies)
        print(
            f"{args.minutes} min, {len(files)} files, {size / 1e6:.0f} MB stored, clip of {written / 1e6:.0f} MB: "
            f"export {export_s:.1f} s ({size / export_s / 1e6:.0f} MB/s), cp {copy_s:.1f} s "
            f"({size / copy_s / 1e6:.0f} MB/s): {export_s / copy_s:.2f} x as long (medians)"
        )


if __name__ == "__main__":
    main()

"""How long index and files take to be held against each other: at every start, by `overt reconcile`, and from nothing.

Makes a store of so many days and cameras, a segment file and an index row a minute. The files are real but small (one
fragment each): all that is measured reads names, sizes, rows and, for the rebuilding, both ends of every file.

    python bench/reconcile.py --days 30 --cameras 16 --work /srv/reconcile
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from overt.cli.bench.process_tree import cost
from overt.clock import SystemClock
from overt.errors import CorruptError
from overt.footage.layout import INDEX
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.sealing.roles import Recipients
from overt_command import overt_command, start_s
from synthetic_footage import MINUTE, recipients_of_nobody, small_segments

DROP_CACHES = Path("/proc/sys/vm/drop_caches")


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 2)


def command(folder: Path, *options: str) -> dict[str, object]:
    """Run `overt reconcile`; return what it found."""
    run = overt_command("reconcile", str(folder), "--json", *options)
    if run.returncode not in (0, CorruptError.exit_code):
        sys.exit(f"overt reconcile ended with {run.returncode}: {run.stderr}")
    found: dict[str, object] = json.loads(run.stdout)
    kinds = Counter(each["kind"] for each in found.pop("differences"))  # type: ignore[attr-defined]  # JSON
    return {**found, "kinds": dict(kinds)}


def forget_files() -> None:
    """Let the kernel forget files and directories it has in memory (needs root; slows the whole machine down)."""
    os.sync()
    DROP_CACHES.write_text("3")


def start(folder: Path, recipients: Recipients, cameras: int) -> dict[str, float]:
    """Open the store as a recorder does; time until it takes footage, and until the comparison is through."""
    began = time.perf_counter()
    store = FootageStore(folder, recipients)
    store.attach([StreamKey(f"camera-{number:04d}") for number in range(1, cameras + 1)])
    ready = time.perf_counter() - began
    spent = cost([os.getpid()]).cpu_s
    for thread in threading.enumerate():
        if thread.name == "footage-compare":
            thread.join()
    compared = time.perf_counter() - began
    used = cost([os.getpid()]).cpu_s - spent
    store.close()
    return {"until it takes footage": round(ready, 2), "until compared": round(compared, 2), "CPU-s": round(used, 2)}


def main() -> None:
    """Make the store, then time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--cold", action="store_true", help="also with nothing in memory (drops the kernel's caches)")
    parser.add_argument("--rebuild", action="store_true", help="also with the index deleted")
    parser.add_argument("--work", type=Path, help="directory on the disk to measure; default: that of temporary files")
    args = parser.parse_args()
    minutes = int(args.days * 24 * 60)
    with tempfile.TemporaryDirectory(prefix="overt-bench-", dir=args.work) as work:
        folder = Path(work, "footage")
        recipients = recipients_of_nobody()
        start_ns = (SystemClock().utc_ns() // MINUTE - minutes - 60) * MINUTE
        began = time.perf_counter()
        for made in small_segments(folder, recipients, args.cameras, minutes, start_ns):
            print(f"{made} segments after {time.perf_counter() - began:.0f} s", file=sys.stderr)
        print(f"start of the command alone: {start_s():.2f} s, {load()}")
        print(f"index: {(folder / INDEX).stat().st_size / 1e6:.0f} MB")
        if args.cold:
            forget_files()
            report("overt reconcile, cold", timed(lambda: print(command(folder))))
        report("overt reconcile", timed(lambda: print(command(folder))))
        print("start of the recorder's store:", start(folder, recipients, args.cameras), load())
        if args.rebuild:
            (folder / INDEX).unlink()
            report("overt reconcile --repair without index", timed(lambda: print(command(folder, "--repair"))))
        print("removing what was made", file=sys.stderr)


def report(what: str, seconds: float) -> None:
    """Print one figure."""
    print(f"{what}: {seconds} s, {load()}", flush=True)


def load() -> str:
    """Return the machine's load."""
    return f"load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()

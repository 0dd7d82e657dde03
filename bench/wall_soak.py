"""A wall of 16 live tiles in Chromium for a long time: does its delay drift, does anything grow?

Every picture says which frame it is (`page_live`). Now and then each of four tiles is watched for a few seconds, and
the memory of the browser's processes, of the page's scripts and of the recorder is read.

    python bench/wall_soak.py --tiles 16 --minutes 30 --work DIR
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from barcode import film
from overt.cli.bench.process_tree import cost, descendants
from page_live import WATCH, latency, open_page
from page_site import Cameras, filming, launch, served

WATCHED = 4
SECONDS = 4.0
LIVE = """() => [...document.querySelector('overt-wall').renderRoot.querySelectorAll('overt-player')]
  .filter((each) => each.getAttribute('state') === 'live').length"""
HEAP = "() => performance.memory.usedJSHeapSize"


def browser_pid() -> int:
    """Return the browser's first process, somewhere below this one."""
    for pid in descendants(os.getpid()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"chromium" in words and b"--type=" not in words:
            return pid
    msg = "the browser's process was not found"
    raise RuntimeError(msg)


def look(page: Page, cameras: Cameras, names: list[str]) -> tuple[list[float], float]:
    """Watch some tiles one after the other; return their delays in milliseconds, and pictures a second of a tile."""
    found: list[float] = []
    for camera in names:
        watched = page.evaluate(WATCH, [camera, SECONDS])
        found += latency(watched, cameras.sent_ms(f"{camera}-sub"))
    return found, len(found) / (SECONDS * len(names))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=120, help="seconds between looks")
    parser.add_argument("--rate", type=int, default=12, help="pictures a second of the substreams")
    parser.add_argument("--work", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        clip = Path(folder) / "sub.mp4"
        film(clip, 640, 360, 500_000, asked.rate)
        names = [f"camera-{number:02d}" for number in range(1, asked.tiles + 1)]
        with (
            filming(names, clip, clip) as cameras,
            served(Path(folder), cameras) as (site, recorder, _),
            sync_playwright() as playwright,
        ):
            browser = launch(playwright, "--enable-precise-memory-info")
            page, _, _ = open_page(browser, site, names, int(asked.minutes * 60) + 600)
            pid, begun = browser_pid(), time.monotonic()
            print(f"{asked.tiles} tiles of 640x360 at {asked.rate} pictures a second, {asked.minutes:g} minutes")
            print("minute  delay p50/p95 ms  pictures/s  live tiles  scripts MB  browser MB  recorder MB  browser CPU")
            spent = cost([pid]).cpu_s
            while True:
                since = time.monotonic()
                delays, rate = look(page, cameras, names[:WATCHED])
                live = page.evaluate(LIVE)
                browsing, recording = cost([pid]), cost([recorder.process.pid])
                share = (browsing.cpu_s - spent) / max(1.0, time.monotonic() - begun)
                print(
                    f"{(since - begun) / 60:6.1f}  {statistics.median(delays):7.0f} / "
                    f"{statistics.quantiles(delays, n=20)[-1]:.0f}  {rate:10.1f}  {live:10d}  "
                    f"{page.evaluate(HEAP) / 1e6:10.1f}  {browsing.private_bytes / 1e6:10.0f}  "
                    f"{recording.private_bytes / 1e6:11.0f}  {share:11.2f}",
                    flush=True,
                )
                if since - begun >= asked.minutes * 60:
                    break
                page.wait_for_timeout(max(0.0, asked.every - (time.monotonic() - since)) * 1000)
            browser.close()


if __name__ == "__main__":
    main()

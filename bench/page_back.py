"""Looking back in Chromium, in a day of four cameras: seeking, scrubbing, 16 times both ways, cameras in step.

The footage is a clip stored over and over under the hours of yesterday, sealed and indexed as any; the whole recorder
serves it. Measured in the page: from the call that seeks to the presentation of the right frame in every tile.

    python bench/page_back.py --hours 24 --seeks 200 --work DIR
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, sync_playwright

from barcode import film
from page_site import archive, filmed, launch, make_site, may, shown, store

RATE = 12
NAMES = [f"camera-{number}" for number in range(1, 5)]
ZONE = ZoneInfo("Europe/London")
SECOND = 1_000_000_000
REVIEW = """
  const review = document.querySelector("overt-review");
  const playback = review.playback;
  const players = review.players;
  const frame = () => new Promise(requestAnimationFrame);
"""
SEEK = (
    "async ([moments, rate]) => {"
    + REVIEW
    + """
  const took = [];
  for (const at of moments) {
    const begun = performance.now();
    playback.seek(at);
    const right = (player) => {
      const painted = player.painted;
      return painted && painted.at >= begun && painted.moment > at - 1 / rate - 0.002 && painted.moment <= at + 0.002;
    };
    while (!players.every(right) && performance.now() - begun < 5000) await frame();
    took.push(players.every(right) ? Math.max(...players.map((player) => player.painted.at)) - begun : 5000);
    await new Promise((done) => setTimeout(done, 100));
  }
  return took;
}"""
)
SCRUB = (
    "async ([from, seconds]) => {"
    + REVIEW
    + """
  const before = players.map((player) => player.painting.count);
  const begun = performance.now();
  while (performance.now() - begun < seconds * 1000) {
    playback.scrub(from + (performance.now() - begun) * 0.6);
    await frame();
  }
  const counts = players.map((player, i) => (player.painting.count - before[i]) / seconds);
  playback.seek(from);
  return counts;
}"""
)
FAST = (
    "async ([from, rate, seconds]) => {"
    + REVIEW
    + """
  playback.seek(from);
  playback.play(rate);
  await new Promise((done) => setTimeout(done, 1500));
  const before = players.map((player) => player.painting.count);
  const at = playback.clock.time;
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const counts = players.map((player, i) => (player.painting.count - before[i]) / seconds);
  const speed = (playback.clock.time - at) / seconds;
  playback.pause();
  playback.play(1);
  playback.pause();
  return { counts, speed };
}"""
)
SKEW = (
    "async ([from, seconds]) => {"
    + REVIEW
    + """
  playback.seek(from);
  playback.play(1);
  await new Promise((done) => setTimeout(done, 3000));
  const skews = [];
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    await frame();
    const at = players.map((player) => player.painted?.moment);
    if (at.every((moment) => moment !== undefined)) skews.push((Math.max(...at) - Math.min(...at)) * 1000);
  }
  playback.pause();
  return skews;
}"""
)


def made(folder: Path, hours: float) -> tuple[Any, int]:
    """Store a day of all cameras; return the site and the UTC nanoseconds of that day's midnight."""
    clip = folder / "clip.mp4"
    film(clip, 320, 176, 60_000, rate=RATE)
    site = make_site(folder)
    today = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    midnight_ns = int(today.timestamp() - 86_400) * SECOND
    began = time.monotonic()
    for hour in range(int(hours)):
        start_ns = midnight_ns + hour * 3600 * SECOND
        store(site, {name: [filmed(str(clip), start_ns, 3600)] for name in NAMES})
    print(f"made {hours:g} h of {len(NAMES)} cameras in {time.monotonic() - began:.0f} s")
    return site, midnight_ns


def look_back(page: Page, cameras: int, at_us: int) -> None:
    """Open the screen on some cameras, on the day of the footage."""
    page.keyboard.press("b")
    page.wait_for_function("() => document.querySelector('overt-review')?.playback !== undefined")
    page.evaluate("(at) => document.querySelector('overt-review').open('camera-1', at)", at_us)
    page.wait_for_function("() => document.querySelector('overt-review').players.length === 1")
    if cameras > 1:
        page.evaluate(
            "(count) => [...document.querySelector('overt-review').renderRoot.querySelectorAll('button')]"
            ".findLast((each) => each.textContent.trim() === String(count)).click()",
            cameras,
        )
        page.wait_for_function(
            "(count) => document.querySelector('overt-review').players.length === count", arg=cameras
        )
    page.evaluate("() => document.querySelector('overt-review').playback.pause()")
    page.wait_for_timeout(1500)


def measure(page: Page, cameras: int, midnight_ns: int, hours: float, seeks: int) -> None:
    """Measure with so many cameras on the screen."""
    look_back(page, cameras, midnight_ns // 1000 + 3600_000_000)
    span = int(hours * 3600) - 120
    moments = [60 + (number * 7919 * 31) % span + 0.37 for number in range(seeks)]
    words = f"{cameras} camera{'s' if cameras > 1 else ' '}"
    print(f"{words}  seek to painted frame    {shown(page.evaluate(SEEK, [moments, RATE]))}")
    near = [3700 + number * 1.73 for number in range(seeks // 2)]
    print(f"{words}  … a few seconds further  {shown(page.evaluate(SEEK, [near, RATE]))}")
    counts = page.evaluate(SCRUB, [7200, 5])
    print(f"{words}  scrubbing, pictures/s    {', '.join(f'{count:.1f}' for count in counts)}")
    for rate in (16, -16):
        told = page.evaluate(FAST, [9000, rate, 6])
        words_ = ", ".join(f"{count:.1f}" for count in told["counts"])
        print(f"{words}  {rate:+d}x, pictures/s        {words_} (clock at {told['speed']:.1f}x)")
    if cameras > 1:
        print(f"{words}  apart while playing      {shown(page.evaluate(SKEW, [10_000, 15]))}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24, help="at least 4")
    parser.add_argument("--seeks", type=int, default=200)
    parser.add_argument("--work", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        site, midnight_ns = made(Path(folder), asked.hours)
        with archive(site, NAMES) as served, sync_playwright() as playwright:
            browser = launch(playwright)
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(served.link(may(*NAMES, rights=("live", "recorded"))).url)
            page.wait_for_selector("overt-wall")
            for cameras in (1, 4):
                measure(page, cameras, midnight_ns, asked.hours, asked.seeks)
            browser.close()


if __name__ == "__main__":
    main()

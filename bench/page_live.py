"""The live page in Chromium: glass to glass, time to the first picture, pictures shown, page weight.

Every picture says which frame it is; the simulated camera knows when it sent the last packet of that frame; the page
says when the browser presented it. Both read the clock of one machine.

    python bench/page_live.py --tiles 1 4 9 16 --seconds 20 --work DIR
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from barcode import FRAMES, READ, clips
from page_site import NUMBERS, Cameras, ServedSite, filming, launch, may, served, shown

TILE = (
    "[...document.querySelector('overt-wall').renderRoot.querySelectorAll('overt-player')]"
    ".find((each) => each.camera === camera)"
)
WATCH = (
    """([camera, seconds]) => new Promise((done) => {
  const read = """
    + READ
    + """;
  const picture = """
    + TILE
    + """.renderRoot.querySelector(".picture > .shown");
  const pen = new OffscreenCanvas(64, 1).getContext("2d", { willReadFrequently: true });
  const seen = [];
  let last = -1;
  const look = () => {
    const number = read(picture, pen);
    if (number !== last && number >= 0) seen.push([number, """
    + NUMBERS
    + """]);
    last = number;
  };
  const until = performance.now() + seconds * 1000;
  const video = picture instanceof HTMLVideoElement;
  const next = () => video ? picture.requestVideoFrameCallback(each) : requestAnimationFrame(each);
  const each = () => {
    look();
    if (performance.now() < until) next();
    else done({ kind: video ? "mse" : "webcodecs", seen });
  };
  next();
})"""
)
FIRST = (
    """() => {
  globalThis.first = {};
  document.addEventListener("overt-state", (event) => {
    const { camera, phase } = event.detail;
    if ((phase === "live" || phase === "unrecorded") && !(camera in first)) first[camera] = """
    + NUMBERS
    + """;
  });
}"""
)


def latency(watched: dict[str, Any], sent: dict[int, float]) -> list[float]:
    """Return milliseconds from the last packet of each frame that was shown to its presentation."""
    by_index: dict[int, list[float]] = {}
    for number, at in sent.items():
        by_index.setdefault(number % FRAMES, []).append(at)
    found = []
    for index, at in watched["seen"]:
        before = [each for each in by_index.get(index, []) if each <= at]
        if before:
            found.append(at - max(before))
    return found


def open_page(
    browser: Browser, site: ServedSite, names: list[str], lifetime_s: int = 900
) -> tuple[Page, float, list[float]]:
    """Open the page; return it, its weight in kB, and how long after the page was asked for each tile had a picture."""
    page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
    weight: list[int] = []
    page.on("response", lambda answer: weight.append(len(answer.body())) if "/assets/" in answer.url else None)
    page.add_init_script(f"({FIRST})()")
    link = site.link(may(*names, rights=("live",)), lifetime_s=lifetime_s)
    page.goto(link.url)
    asked = page.evaluate("performance.timeOrigin")
    page.wait_for_function("(count) => Object.keys(first).length >= count", arg=len(names), timeout=60_000)
    first: dict[str, float] = page.evaluate("first")
    return page, sum(weight) / 1000, [at - asked for at in first.values()]


def measure(browser: Browser, site: ServedSite, cameras: Cameras, tiles: int, seconds: float) -> None:
    """Measure a wall of so many tiles, then the same with one tile selected."""
    names = cameras.names[:tiles]
    firsts: list[float] = []
    for _ in range(5):
        page, weight, first = open_page(browser, site, names)
        firsts += first
        page.context.close()
    page, weight, _ = open_page(browser, site, names)
    print(f"{tiles:2d} tiles  page weight {weight:.0f} kB (scripts and styles, not compressed)")
    print(f"{tiles:2d} tiles  page asked for to first picture   {shown(firsts)}")
    camera = names[0]
    for kind in ["selected"] if tiles == 1 else ["wall", "selected"]:
        if kind == "selected" and tiles > 1:
            page.keyboard.press("1")
            page.wait_for_function(f"(camera) => {TILE}.getAttribute('engine') === 'webcodecs'", arg=camera)
        page.wait_for_timeout(3000)
        watched = page.evaluate(WATCH, [camera, seconds])
        stream = page.evaluate(f"(camera) => {TILE}.getAttribute('showing')", camera)
        found = latency(watched, cameras.sent_ms(camera if stream == "main" else f"{camera}-sub"))
        what = f"{watched['kind']:9s} {stream:4s} glass to glass"
        print(f"{tiles:2d} tiles  {what}    {shown(found)}, {len(found) / seconds:.1f} pictures/s")
    page.context.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, nargs="+", default=[1, 4, 9, 16])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--work", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        main_clip, sub_clip = clips(Path(folder))
        names = [f"camera-{number:02d}" for number in range(1, max(asked.tiles) + 1)]
        with (
            filming(names, main_clip, sub_clip) as cameras,
            served(Path(folder), cameras) as (site, _, _),
            sync_playwright() as playwright,
        ):
            browser = launch(playwright)
            for tiles in asked.tiles:
                measure(browser, site, cameras, tiles, asked.seconds)
            browser.close()


if __name__ == "__main__":
    main()

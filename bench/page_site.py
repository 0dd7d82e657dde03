"""What the benchmarks of the page share: cameras in a process of their own, the whole recorder, Debian's Chromium."""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parents[1] / "tests" / "rigs")]

from archive_rig import archive, filmed, store
from browser_rig import ServedSite, launch
from media_rig import ControlRoom, may
from overt.sealing.recipients_file import read_recipients
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator
from recorder_rig import Recorder, Site, make_site, stored

__all__ = [
    "NUMBERS",
    "Cameras",
    "Recorder",
    "ServedSite",
    "Site",
    "archive",
    "filmed",
    "filming",
    "launch",
    "make_site",
    "may",
    "served",
    "shown",
    "store",
    "stored",
]
LOG_FRAMES = 100_000
NUMBERS: str = "globalThis.performance.timeOrigin + performance.now()"
"""JavaScript: now, in milliseconds since the Unix epoch, to a fraction of one."""


def simulate(rows: list[dict[str, Any]], pipe: Connection) -> None:
    """Be the cameras: tell their addresses, then, as often as asked, what each has sent."""
    with Simulator(Persona.model_validate({"cameras": rows}), log_frames=LOG_FRAMES) as simulator:
        pipe.send({each.path: simulator.url(each.path) for each in simulator})
        with suppress(EOFError):
            while pipe.recv() == "sent?":
                pipe.send({each.path: {sent.number: sent.monotonic_ns for sent in each.frames()} for each in simulator})


class Cameras:
    """Running cameras, each with a main stream and a substream."""

    def __init__(self, urls: dict[str, str], pipe: Connection) -> None:
        """Know their addresses, ask them over the pipe."""
        self.urls, self._pipe = urls, pipe

    @property
    def names(self) -> list[str]:
        """Their names, without substreams."""
        return [name for name in self.urls if not name.endswith("-sub")]

    def sent_ms(self, stream: str) -> dict[int, float]:
        """When the last packet of each frame was sent: milliseconds since the Unix epoch."""
        self._pipe.send("sent?")
        told = self._pipe.recv()[stream]
        epoch_ms = time.time() * 1e3 - time.monotonic_ns() / 1e6
        return {number: at / 1e6 + epoch_ms for number, at in told.items()}


@contextmanager
def filming(names: Sequence[str], main: Path, sub: Path) -> Iterator[Cameras]:
    """Run cameras that film these clips; a new session begins with whatever frame is next, so numbers stay those of
    the clip.
    """
    rows = [
        {"path": name + part, "source": str(source), "join": "any"}
        for name in names
        for part, source in (("", main), ("-sub", sub))
    ]
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=simulate, args=(rows, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Cameras(ours.recv(), ours)
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.kill()


@contextmanager
def served(folder: Path, cameras: Cameras) -> Iterator[tuple[ServedSite, Recorder, Site]]:
    """Record them with the whole program, media plane and all."""
    site = make_site(folder)
    room = ControlRoom(read_recipients(site.recipients).site_id)
    tables = "".join(
        f'[cameras.{name}]\nurl = "{cameras.urls[name]}"\nsub_url = "{cameras.urls[f"{name}-sub"]}"\n'
        for name in cameras.names
    )
    file = folder / "overt.toml"
    file.write_text(f'[recorder]\nmedia_listen = "127.0.0.1:0"\ngrant_keys = ["{room.public_key}"]\n{tables}')
    with Recorder(site, file, workers=0) as recorder:
        recorder.wait_recording(seconds=120)
        health = recorder.wait_health(lambda health: health["media"]["state"] == "running", 60)
        yield ServedSite(site, room, health["media"]["listening"]), recorder, site
        recorder.stop(60)


def shown(values: Sequence[float], unit: str = "ms") -> str:
    """Write a distribution."""
    if len(values) < 2:
        return f"{len(values)} values"
    p95 = statistics.quantiles(values, n=20)[-1]
    return f"p50 {statistics.median(values):6.1f}  p95 {p95:6.1f}  max {max(values):6.1f} {unit}  ({len(values)})"

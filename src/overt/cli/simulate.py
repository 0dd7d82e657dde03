"""`overt simulate`: serve the cameras of a persona file, until told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from overt.cli.options import JsonOption
from overt.cli.output import Output
from overt.simulator.simulator import CameraControl, Simulator


def simulate(
    persona: Annotated[Path, typer.Argument(metavar="PERSONA.yaml", help="File that describes the cameras.")],
    *,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many seconds. (until Ctrl-C if not given)")
    ] = None,
    show_passwords: Annotated[
        bool, typer.Option("--show-passwords", help="Print URLs with user and password.")
    ] = False,
    allow_public: Annotated[
        bool, typer.Option("--allow-public", help="Allow a persona to listen where other machines can connect.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve simulated RTSP cameras from a persona file."""
    output = Output(as_json=as_json)
    simulator = Simulator(persona, allow_public=allow_public)
    with _told_to_stop() as stop, simulator:
        for camera in simulator:
            url = simulator.url(camera.path, credentials=show_passwords)
            facts = {"path": camera.path, "title": camera.title, "url": url}
            facts |= {"codec": camera.codec, "maker": camera.maker}
            onvif = simulator.onvif_url(camera.path)
            facts |= {"onvif": onvif} if onvif is not None else {}
            where = f"; ONVIF at {onvif}" if onvif is not None else ""
            output.line(facts, Text(f"{url}  {camera.title} ({camera.codec}, as {camera.maker}{where})"))
        stop.wait(seconds)
        cameras = list(simulator)
    output.line({"stopped": {camera.path: _summary(camera) for camera in cameras}}, _closing_words(cameras))


def _summary(camera: CameraControl) -> dict[str, int]:
    """Return what a program may want to know at the end."""
    counters = camera.statistics()
    return {
        "frames_sent": counters.frames_sent,
        "frames_skipped": counters.frames_skipped,
        "packets_lost": counters.packets_lost,
        "sessions": counters.sessions,
    }


def _closing_words(cameras: list[CameraControl]) -> Text:
    counters = [camera.statistics() for camera in cameras]
    frames = sum(each.frames_sent for each in counters)
    sessions = sum(each.sessions for each in counters)
    return Text(f"stopped; {frames} frames sent in {sessions} sessions")


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

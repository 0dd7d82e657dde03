"""`overt record`: run the recorder until it is told to stop."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer
from rich.logging import RichHandler
from rich.text import Text

from overt.cli import status_view
from overt.cli.moments import shown
from overt.cli.options import JsonOption
from overt.cli.output import Output, plain
from overt.contract.fact import Fact
from overt.errors import InvalidError
from overt.recorder.configuration import Configuration, ConfigurationSource, camera_argument
from overt.recorder.health import RecorderHealth
from overt.recorder.preparation import prepare
from overt.recorder.program import Capture, RecorderProgram
from overt.recorder.supervisor import Supervisor
from overt.recorder.systemd import notify

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def record(
    *,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RTSP_URL",
            help="A camera to record; may be given many times. A password in it is seen in the process list: "
            "prefer --config.",
        ),
    ] = None,
    footage: Annotated[Path | None, typer.Option(metavar="DIR", help="Footage directory.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file with cameras and settings; watched for changes.")
    ] = None,
    location: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A further storage location; may be given many times.")
    ] = None,
    recipients: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The site's public keys; needed when the footage directory is new."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so many seconds.")] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Address of /health, /streams, /metrics and /facts, or 'off'. (127.0.0.1:9470 if not given)",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=0, max=256, help="Capture processes; 0: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Record cameras, sealed, until stopped (SIGTERM, Ctrl-C) or for --seconds."""
    output = Output(as_json=as_json)
    if not camera and config is None:
        msg = "there is nothing to record: give --camera NAME=RTSP_URL, or --config FILE"
        raise InvalidError(msg)
    given: dict[str, object] = {
        "footage": footage,
        "locations": tuple(location) if location else None,
        "recipients": recipients,
        "listen": listen,
        "workers": workers,
    }
    source = ConfigurationSource(
        path=config,
        overrides=tuple((key, value) for key, value in given.items() if value is not None),
        cameras=tuple(camera_argument(text) for text in camera or ()),
    )
    guard_process()
    with logging_shown(output):
        run(source, source.load(), output, seconds, supervised)


def guard_process() -> None:
    """Let nobody else read what is written from here on, and leave no core file with footage and keys in it.

    Workers inherit both.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def supervised(configuration: Configuration) -> Capture:
    """Return the capture of a configuration: worker processes under a supervisor."""
    return Supervisor(configuration.settings, configuration.assignment)


def run(
    source: ConfigurationSource,
    configuration: Configuration,
    output: Output,
    seconds: float | None,
    capture: Callable[[Configuration], Capture],
    beside: Callable[[RecorderProgram], AbstractContextManager[object]] | None = None,
) -> RecorderHealth:
    """Run a recorder until a signal or the end of `seconds`; return its last health.

    `beside`, given the program once it runs, is entered then and left before it stops.

    Raises:
        OvertError: as `prepare`, the program and its capture refuse to start.
    """
    given = configuration.settings.recipients
    configuration = replace(configuration, settings=prepare(configuration.settings))
    program = RecorderProgram(source, configuration, capture, recipients=given)
    if output.as_json:
        program.on_fact(lambda fact: output.line({"fact": fact.to_dict()}, ""))
    elif not output.console.is_terminal:
        program.on_fact(lambda fact: _say(output, fact))
    ended = threading.Event()
    with signals(ended, program.reload):
        program.start()
        try:
            notify("READY=1", f"STATUS={len(configuration.assignment.cameras)} cameras assigned")
            where = f"; health and metrics at http://{program.listening}/" if program.listening else ""
            output.note(f"recording to {configuration.settings.footage}{where}")
            if seconds is not None:
                timer = threading.Timer(seconds, ended.set)
                timer.daemon = True
                timer.start()
            with beside(program) if beside is not None else nullcontext():
                status_view.watch(output, program.health, ended, _alive)
            health = program.health()
        finally:
            notify("STOPPING=1")
            program.stop()
    output.line({"stopped": health.to_public()}, Text(f"stopped; {status_view.summary(health)}"))
    return health


@contextmanager
def signals(ended: threading.Event, reload: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGINT end the run, and SIGHUP read the configuration; a second SIGINT interrupts at once."""

    def end(number: int, _frame: FrameType | None) -> None:
        ended.set()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_IGN)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, lambda _number, _frame: reload())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def logging_shown(output: Output) -> Iterator[None]:
    """Show the log while the command runs: on standard error, or above the live view on a terminal."""
    handler: logging.Handler
    if output.console.is_terminal and not output.as_json:
        # Through the console of the live view, which keeps its table below what is logged.
        handler = RichHandler(console=output.console, show_path=False, markup=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger("overt")
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _alive(health: RecorderHealth) -> None:
    """Tell the service manager that the recorder is alive and how it fares."""
    notify("WATCHDOG=1", f"STATUS={status_view.summary(health)}")


def _say(output: Output, fact: Fact) -> None:
    """Print a fact that a person wants to see; segments stored are the normal case and too many."""
    if fact.kind != "segment-stored":
        where = f" {fact.stream}" if fact.stream else ""
        data = ", ".join(
            f"{key} {value}" for key, value in fact.to_dict()["data"].items() if value not in ("", [], None)
        )
        output.line(None, Text(plain(f"{shown(fact.time_ns)}{where} {fact.kind}: {data}")))

"""The cameras of `overt demo`: simulated, on real sockets, in a process that knows nothing of the recorder."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Final

from overt.contract.assignment import CameraAssignment
from overt.errors import OvertError, UnavailableError
from overt.ids import MAIN
from overt.simulator.persona import demo_persona
from overt.simulator.simulator import Simulator

START_TIMEOUT_S: Final = 60.0


@contextmanager
def simulated_cameras() -> Iterator[tuple[CameraAssignment, ...]]:
    """Run the demo's cameras in a process of its own; yield how they are recorded.

    Raises:
        UnavailableError: if the process does not get its cameras to listen.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=film, args=(theirs,), name="overt-demo-cameras", daemon=True)
    process.start()
    theirs.close()
    try:
        yield _assigned(_announced(ours))
    finally:
        # The other end reads the end of the pipe, and closes its cameras.
        ours.close()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


def _announced(pipe: Connection) -> list[tuple[str, str]]:
    """Return paths and addresses of the streams, credentials included, as their process tells them."""
    told: object = None
    if pipe.poll(START_TIMEOUT_S):
        with suppress(EOFError):
            told = pipe.recv()
    if not isinstance(told, list):
        msg = f"the simulated cameras did not start: {told or 'their process ended'}"
        raise UnavailableError(msg)
    return told


def _assigned(announced: list[tuple[str, str]]) -> tuple[CameraAssignment, ...]:
    """Return cameras of the paths and addresses of their streams: what is found at `NAME/sub` is NAME's substream."""
    streams: dict[str, list[dict[str, str]]] = {}
    for path, url in announced:
        name, _, stream = path.partition("/")
        streams.setdefault(name, []).append({"name": stream or MAIN, "urls": url})
    return tuple(
        CameraAssignment.model_validate({"name": name, "streams": each}) for name, each in sorted(streams.items())
    )


def film(pipe: Connection) -> None:
    """Run the demo's cameras until the other end of the pipe is closed (the process of its own)."""
    # Ctrl-C goes to every process of the terminal; the cameras must outlive the recorder's clean stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Simulator(demo_persona()) as simulator:
            pipe.send([(each.path, simulator.url(each.path, credentials=True)) for each in simulator])
            with suppress(EOFError):
                pipe.recv()
    except OvertError as error:
        pipe.send(str(error))

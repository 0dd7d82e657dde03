"""Numbered cameras to measure with: simulated, in processes of their own, each frame with its number in it.

Their processor time is not the recorder's: the processes are children of the measuring program, not of the recorder.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Literal

from overt.errors import OvertError, UnavailableError
from overt.simulator.paths import packaged
from overt.simulator.persona import Persona
from overt.simulator.simulator import CameraControl, Simulator

START_TIMEOUT_S: Final = 120.0
ANSWER_TIMEOUT_S: Final = 60.0
DELIVERY_S: Final = 60.0
CAMERAS_A_PROCESS: Final = 64
"""More than these, and one process of simulated cameras would be late with its frames."""
DEFAULT_SOURCE: Final = packaged("footage", "dusk_h264.mp4")
"""640x480, 25 frames a second, 4 Mb/s."""
Order = Literal["statistics", "frames", "end"]


@dataclass(frozen=True, slots=True)
class Filmed:
    """What one camera has done so far."""

    name: str
    frames_filmed: int
    """Number of its next frame: frames are counted from 0 since the camera was switched on."""
    frames_sent: int
    frames_skipped: int
    """Frames that a client missed because it had not read 4 MiB before them."""
    sessions: int
    connections_open: int
    bytes_sent: int
    late_s: float
    """The longest that a frame was sent after it was due: how much the simulator itself was held up."""


@dataclass(frozen=True, slots=True)
class SentAt:
    """When a camera handed the last packet of a frame to its socket."""

    name: str
    number: int
    monotonic_ns: int
    """On the clock that all processes of the machine share."""


class NumberedCameras:
    """Running cameras, in the order of their names."""

    def __init__(self, pipes: Sequence[Connection], addresses: Sequence[tuple[str, str]], pids: Sequence[int]) -> None:
        """Speak to the processes at the other end of the pipes."""
        self.addresses: Final = tuple(addresses)
        """(name, URL) of each."""
        self.pids: Final = tuple(pids)
        self._pipes = pipes

    def statistics(self) -> list[Filmed]:
        """Return what each has done so far."""
        return self._ask("statistics")

    def frames(self) -> list[SentAt]:
        """Return the latest frames of every camera, as many as `log_frames` of them each."""
        return self._ask("frames")

    def end(self) -> list[Filmed]:
        """Let every camera stop filming, deliver what it has sent, hang up, and take no more calls.

        Returns what each has done, once every client has read all of it, or `DELIVERY_S` later.
        """
        filmed: list[Filmed] = self._ask("end")
        deadline = time.monotonic() + DELIVERY_S
        while any(each.connections_open for each in self.statistics()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return filmed

    def _ask(self, order: Order) -> list[Any]:  # any: what `film` answers to that order
        for pipe in self._pipes:
            pipe.send(order)
        return [each for pipe in self._pipes for each in _answer(pipe, ANSWER_TIMEOUT_S)]


@contextmanager
def numbered_cameras(
    count: int, sources: Sequence[Path] = (DEFAULT_SOURCE,), *, log_frames: int = 0
) -> Iterator[NumberedCameras]:
    """Run `count` cameras, `camera-0001` and so on, which film the sources in turn and remember `log_frames` frames.

    Raises:
        OvertError: a source cannot be served, or a process does not get its cameras to listen.
    """
    context = multiprocessing.get_context("spawn")
    names = [f"camera-{number:04d}" for number in range(1, count + 1)]
    persona = [{"path": name, "source": str(sources[at % len(sources)].absolute())} for at, name in enumerate(names)]
    pipes, processes = [], []
    try:
        for start in range(0, count, CAMERAS_A_PROCESS):
            ours, theirs = context.Pipe()
            share = persona[start : start + CAMERAS_A_PROCESS]
            process = context.Process(
                target=film, args=(theirs, share, log_frames), name="overt-bench-cameras", daemon=True
            )
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        addresses = [address for pipe in pipes for address in _answer(pipe, START_TIMEOUT_S)]
        yield NumberedCameras(pipes, addresses, [process.pid or 0 for process in processes])
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()


def _answer(pipe: Connection, timeout_s: float) -> list[Any]:  # any: names and addresses, or statistics
    told: object = None
    if pipe.poll(timeout_s):
        with suppress(EOFError):
            told = pipe.recv()
    if not isinstance(told, list):
        msg = f"the simulated cameras do not answer: {told or 'their process ended or is held up'}"
        raise UnavailableError(msg)
    return told


def film(pipe: Connection, persona: list[dict[str, str]], log_frames: int) -> None:
    """Run cameras until the other end of the pipe is closed (the process of its own)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Simulator(Persona.model_validate({"cameras": persona}), log_frames=log_frames) as simulator:
            pipe.send([(camera.path, simulator.url(camera.path)) for camera in simulator])
            with suppress(EOFError):
                while True:
                    order: Order = pipe.recv()
                    pipe.send([each for camera in simulator for each in _ANSWERS[order](camera)])
    except OvertError as error:
        pipe.send(str(error))


def _frames(camera: CameraControl) -> list[SentAt]:
    return [SentAt(camera.path, frame.number, frame.monotonic_ns) for frame in camera.frames()]


def _filmed(camera: CameraControl) -> list[Filmed]:
    counters = camera.statistics()
    filmed = Filmed(
        camera.path,
        counters.frames_filmed,
        counters.frames_sent,
        counters.frames_skipped,
        counters.sessions,
        counters.connections_open,
        counters.bytes_sent,
        counters.late_s,
    )
    return [filmed]


def _end(camera: CameraControl) -> list[Filmed]:
    """Send nothing more, then hang up; what was sent before is delivered still."""
    camera.stop_listening()
    before = _filmed(camera)[0]
    camera.fault("stall")
    after = _filmed(camera)[0]
    camera.kill_sessions()
    # While it is stalled it counts frames as filmed that it does not send.
    sent = after.frames_sent + after.frames_skipped - before.frames_sent - before.frames_skipped
    return [replace(after, frames_filmed=before.frames_filmed + sent)]


_ANSWERS: Final[dict[Order, Callable[[CameraControl], list[Any]]]] = {  # any: as `NumberedCameras` says of each
    "statistics": _filmed,
    "frames": _frames,
    "end": _end,
}

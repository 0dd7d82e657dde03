"""The media process: one event loop with the viewers' server, the control room's, and the live hub.

It holds no camera and writes nothing that recording needs. It ends when it is told to, or when the pipe to the program
that started it closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import time
from asyncio import sslproto
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import uvicorn

from overt.clock import SystemClock
from overt.contract import local_socket
from overt.contract.grant import read_public_key
from overt.errors import OvertError, UnavailableError
from overt.media.records import MICROSECOND
from overt.recorder.http import names_of
from overt.recorder.media_plane.application import MediaApplication, Place
from overt.recorder.media_plane.bindings import Bindings
from overt.recorder.media_plane.certificate import ServerCertificate
from overt.recorder.media_plane.connections import ViewerServer
from overt.recorder.media_plane.control import control_application
from overt.recorder.media_plane.hub import LiveHub
from overt.recorder.media_plane.limits import Usage
from overt.recorder.media_plane.orders import MediaOrder, MediaReport
from overt.recorder.media_plane.released_keys import ReleasedKeys
from overt.recorder.media_plane.replay import Replay
from overt.recorder.media_plane.sessions import Sessions

LIVE_SOCKET: Final = "live.sock"
CONTROL_SOCKET: Final = "media.sock"
REPLAY_THREADS: Final = 4
REPORT_INTERVAL_S: Final = 1.0
STOP_S: Final = 4.0
GOODBYE_S: Final = 0.3
"""How long viewers may take to hear that the recorder stops."""
OPEN_FILES: Final = 8192
TLS_BUFFER: Final = 32 * 1024
"""Bytes that each encrypted connection may hold of what its viewer sends: heads of requests. asyncio takes 256 KiB."""
NICENESS: Final = 5
"""Recording comes first where both want the processor."""
_LOG: Final = logging.getLogger(__name__)


class _ControlServer(uvicorn.Server):
    """The server of `media.sock`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield


class MediaProcess:
    """The parts of the media process, in its one loop."""

    def __init__(self, order: MediaOrder, pipe: Connection) -> None:
        """Take the order; nothing runs before `run`.

        Raises:
            OvertError: its certificate cannot be used.
        """
        self._order, self._pipe = order, pipe
        self._certificate = None if order.certificate is None else ServerCertificate(*order.certificate)
        self._started_ns = SystemClock().utc_ns()

    async def run(self) -> None:
        """Serve until told to stop.

        Raises:
            OvertError: if a part cannot begin, or fails.
        """
        order, clock, usage, released = self._order, SystemClock(), Usage(), ReleasedKeys()
        bindings = Bindings(order.footage, clock)
        replay = Replay(order.footage, order.locations, REPLAY_THREADS)
        self._hub = LiveHub(order.footage / LIVE_SOCKET, replay, order.ring_s)
        keys = [read_public_key(text) for text in order.grant_keys]
        self._usage = usage
        self._sessions = Sessions(keys, order.site_id, bindings, released, usage, clock, order.ring_s)
        place = Place(order.site, order.time_zone)
        certificate = self._certificate
        encryption = None if certificate is None else lambda: certificate.context
        media = MediaApplication(self._sessions, released, usage, self._hub, replay, place, clock)
        viewers = ViewerServer(media.application(hosts=names_of(order.host), origins=order.origins), usage, encryption)
        control = _ControlServer(
            uvicorn.Config(
                control_application(self._sessions, self.status),
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="asyncio",
                http="h11",
                ws="none",
                limit_concurrency=local_socket.BACKLOG,
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        control_path = order.footage / CONTROL_SOCKET
        with (
            socket.socket(fileno=order.listener) as tcp,
            local_socket.listen(control_path) as control_socket,
            contextlib.ExitStack() as last,
        ):
            last.callback(bindings.close)
            last.callback(replay.close)
            last.callback(control_path.unlink, missing_ok=True)
            parts = [
                asyncio.create_task(self._hub.serve(), name="hub"),
                asyncio.create_task(self._sessions.run(), name="sessions"),
                asyncio.create_task(viewers.serve([tcp]), name="viewers"),
                asyncio.create_task(control.serve([control_socket]), name="control"),
                asyncio.create_task(self._report(viewers.up), name="reports"),
                asyncio.create_task(self._told_to_stop(), name="orders"),
            ]
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                self._sessions.end_uses(UnavailableError("the recorder is restarting: ask again in a moment"))
                if usage.count("socket"):
                    await asyncio.sleep(GOODBYE_S)
            finally:
                viewers.should_exit = control.should_exit = True
                servers = parts[2:4]
                await asyncio.wait(servers, timeout=STOP_S)
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)
            for part in done:
                part.result()

    def status(self) -> dict[str, Any]:
        """Return the JSON of GET /status."""
        report = self._now()
        return {
            "started_us": self._started_ns // MICROSECOND,
            "grants": self._sessions.grants,
            "sessions": report.sessions,
            "viewers": report.viewers,
            "streams_watched": report.streams_watched,
            "fragments_dropped": report.fragments_dropped,
        }

    def _now(self) -> MediaReport:
        return MediaReport(
            sessions=self._sessions.count,
            viewers=self._usage.count("socket"),
            streams_watched=self._hub.streams_watched,
            fragments_dropped=self._hub.fragments_dropped,
            cpu_s=time.process_time(),
            memory_bytes=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            certificate_ends_ns=0 if self._certificate is None else self._certificate.ends_ns,
            certificate_trouble="" if self._certificate is None else self._certificate.trouble,
        )

    async def _report(self, up: asyncio.Event) -> None:
        await up.wait()
        while True:
            if self._certificate is not None:
                self._certificate.look()
            self._pipe.send(self._now())
            await asyncio.sleep(REPORT_INTERVAL_S)

    async def _told_to_stop(self) -> None:
        """Return when the order to stop comes, or nobody is there to give it."""
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._pipe.fileno(), told.set)
        try:
            await told.wait()
        finally:
            loop.remove_reader(self._pipe.fileno())


def run_media(order: MediaOrder, pipe: Connection) -> None:
    """Be the media process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(NICENESS)
    sslproto.SSLProtocol.max_size = TLS_BUFFER
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    try:
        with asyncio.Runner() as runner:
            runner.run(MediaProcess(order, pipe).run())
    except OvertError as error:
        _LOG.error("the media process cannot work: %s", error)
        raise SystemExit(error.exit_code) from error
    except BrokenPipeError:
        _LOG.warning("media process: the recorder is gone")


def main() -> None:
    """Take the order from the descriptor that is named, and serve."""
    pipe = Connection(int(sys.argv[1]))
    run_media(pipe.recv(), pipe)


if __name__ == "__main__":
    main()

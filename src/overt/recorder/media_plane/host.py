"""The program's side of the media process: starts it, watches it, starts it again, tells it to stop.

One thread, `media-plane`. Whatever befalls the media process, recording goes on; only viewers miss it.
"""

from __future__ import annotations

import logging
import multiprocessing.connection
import socket
import threading
import time
from typing import Final

from overt.recorder.child_process import ChildProcess
from overt.recorder.configuration import RecorderSettings, split_address
from overt.recorder.health import MediaHealth, MediaState
from overt.recorder.http import bind_tcp
from overt.recorder.media_plane.certificate import ServerCertificate
from overt.recorder.media_plane.orders import MODULE, MediaOrder, MediaReport, StopMedia
from overt.sealing.recipients_file import read_recipients
from overt.sealing.roles import Recipients

SILENT_S: Final = 5.0
"""A media process that has not reported for so long is called silent."""
HUNG_S: Final = 30.0
"""One that has not reported for so long is killed and replaced."""
RESTART_DELAYS_S: Final = (0.2, 1.0, 2.0, 5.0, 10.0)
STEADY_S: Final = 60.0
LOOK_S: Final = 0.25
_LOG: Final = logging.getLogger(__name__)


class MediaHost:
    """Keeps a media process running. `start` and `stop` belong to one thread; `health` may be called from any."""

    def __init__(self, settings: RecorderSettings) -> None:
        """Bind the address; it stays bound while the process is replaced.

        Raises:
            UnavailableError: if the address cannot be used, or the certificate cannot be read.
            InvalidError: if the certificate is none, or its private key is another's.
        """
        self._settings = settings
        if settings.media_files is not None:
            ServerCertificate(*settings.media_files)
        self._host, port = split_address(settings.media_listen)
        self._listener: Final[socket.socket] = bind_tcp(self._host, port, "'media_listen' in [recorder]")
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.listening: Final = f"{shown}:{self._listener.getsockname()[1]}"
        """`HOST:PORT` of the viewers' server."""
        self._process: ChildProcess | None = None
        self._report: MediaReport | None = None
        self._heard_s = self._started_s = self._restart_s = 0.0
        self._restarts = self._failures = 0
        self._recipients: Recipients | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="media-plane", daemon=True)

    def start(self) -> None:
        """Start the process; the footage directory and its public keys must be there.

        Raises:
            OvertError: if the public keys cannot be read.
        """
        self._recipients = read_recipients(self._settings.recipients_path)
        self._heard_s = time.monotonic()
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Tell the process to stop, and kill it if it does not end in time; close the address."""
        self._stopping.set()
        with self._lock:
            process = self._process
            if process is not None:
                process.tell(StopMedia())
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive() and process is not None:
                _LOG.error("the media process did not end within %g s and is killed", timeout_s)
                process.kill()
                self._thread.join()
        self._listener.close()

    def health(self) -> MediaHealth:
        """Return what was last reported."""
        now = time.monotonic()
        with self._lock:
            process, report = self._process, self._report
            state: MediaState = "running" if report is not None else "starting"
            if self._stopping.is_set():
                state = "stopped"
            elif process is None and self._restarts:
                state = "restarting"
            elif process is not None and now - self._heard_s > SILENT_S:
                state = "silent"
            return MediaHealth(
                state=state,
                listening=self.listening,
                encrypted=self._settings.media_files is not None,
                certificate_ends_ns=report.certificate_ends_ns if report is not None else 0,
                certificate_trouble=report.certificate_trouble if report is not None else "",
                pid=process.pid if process is not None else 0,
                restarts=self._restarts,
                heard_age_s=now - self._heard_s,
                sessions=report.sessions if report is not None else 0,
                viewers=report.viewers if report is not None else 0,
                streams_watched=report.streams_watched if report is not None else 0,
                fragments_dropped=report.fragments_dropped if report is not None else 0,
                cpu_s=report.cpu_s if report is not None else 0.0,
                memory_bytes=report.memory_bytes if report is not None else 0,
            )

    def _watch(self) -> None:
        while True:
            process = self._process
            if process is None:
                if self._stopping.wait(max(0.0, min(LOOK_S, self._restart_s - time.monotonic()))):
                    return
                if time.monotonic() >= self._restart_s:
                    self._spawn()
            elif multiprocessing.connection.wait([process.pipe], LOOK_S):
                self._hear(process)
            elif time.monotonic() - self._heard_s > HUNG_S:
                _LOG.error("the media process has said nothing for %g s and is killed", HUNG_S)
                process.kill()
                with self._lock:
                    self._heard_s = time.monotonic()

    def _spawn(self) -> None:
        """Start the process; if the system has none to give, that is tried again later."""
        settings, recipients = self._settings, self._recipients
        if recipients is None:
            return
        order = MediaOrder(
            footage=settings.footage,
            locations=tuple(settings.locations),
            listener=self._listener.fileno(),
            host=self._host,
            site_id=recipients.site_id,
            site=recipients.site,
            grant_keys=settings.grant_keys,
            origins=settings.media_origins,
            ring_s=settings.ring_s,
            time_zone=settings.time_zone,
            certificate=settings.media_files,
        )
        now = time.monotonic()
        try:
            process = ChildProcess(MODULE, order, "media", descriptors=[self._listener.fileno()])
        except OSError as error:
            _LOG.error("the media process cannot be started: %s", error)
            self._restart_s = now + RESTART_DELAYS_S[-1]
            return
        with self._lock:
            self._process, self._report = process, None
            self._heard_s = self._started_s = now
            if self._stopping.is_set():
                process.tell(StopMedia())

    def _hear(self, process: ChildProcess) -> None:
        try:
            report = process.pipe.recv()
        except (EOFError, OSError):
            self._lost(process)
            return
        with self._lock:
            self._report, self._heard_s = report, time.monotonic()

    def _lost(self, process: ChildProcess) -> None:
        """The pipe is closed: the process has ended, or must."""
        code = process.close()
        with self._lock:
            self._process = self._report = None
            if self._stopping.is_set():
                return
            now = time.monotonic()
            if now - self._started_s > STEADY_S:
                self._failures = 0
            delay = RESTART_DELAYS_S[min(self._failures, len(RESTART_DELAYS_S) - 1)]
            self._failures += 1
            self._restarts += 1
            self._restart_s = now + delay
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        _LOG.error("the media process ended (%s); it is started again in %g s", reason, delay)

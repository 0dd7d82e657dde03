"""The program's side of probes: a process for each, few at a time, none for longer than it may take."""

from __future__ import annotations

import logging
import multiprocessing.connection
import threading
from typing import Any, ClassVar, Final

from overt.errors import UnavailableError
from overt.recorder.child_process import ChildProcess
from overt.recorder.probing.request import ProbeRequest

MODULE: Final = "overt.recorder.probing.process"
AT_ONCE: Final = 2
TIMEOUT_S: Final = 15.0
"""Twelve of the probe itself, and what it takes to start."""
_LOG: Final = logging.getLogger(__name__)


class ProbesBusyError(UnavailableError):
    """As many probes run as may."""

    http_status: ClassVar[int] = 429


class Prober:
    """Runs probes. May be used from any thread; a probe blocks the thread that asks for it."""

    def __init__(self) -> None:
        """Begin without any."""
        self._running: set[ChildProcess] = set()
        self._places = AT_ONCE
        self._lock = threading.Lock()
        self._closed = False

    def probe(self, request: ProbeRequest) -> dict[str, Any]:
        """Return what a camera offers, as the JSON of POST /probes.

        Raises:
            ProbesBusyError: `AT_ONCE` run already.
            UnavailableError: the probe could not be made, or did not end in time.
        """
        with self._lock:
            if self._closed:
                msg = "the recorder is stopping"
                raise UnavailableError(msg)
            if not self._places:
                msg = f"{AT_ONCE} cameras are being probed already: try again in a few seconds"
                raise ProbesBusyError(msg)
            self._places -= 1
        try:
            return self._probe(request)
        finally:
            with self._lock:
                self._places += 1

    def close(self) -> None:
        """End all that run; those who wait for them are told so."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()

    def _probe(self, request: ProbeRequest) -> dict[str, Any]:
        try:
            process = ChildProcess(MODULE, request, "probe")
        except OSError as error:
            msg = f"the probe cannot be started: {error.strerror}"
            raise UnavailableError(msg) from error
        with self._lock:
            self._running.add(process)
            if self._closed:
                process.kill()
        try:
            if not multiprocessing.connection.wait([process.pipe], TIMEOUT_S):
                msg = f"the probe of {request.host} did not end within {TIMEOUT_S:g} s"
                raise UnavailableError(msg)
            told: dict[str, Any] = process.pipe.recv()
        except (EOFError, OSError) as error:
            msg = f"the probe of {request.host} ended without an answer: the recorder's log says why"
            raise UnavailableError(msg) from error
        finally:
            process.kill()
            with self._lock:
                self._running.discard(process)
            process.close()
        return told

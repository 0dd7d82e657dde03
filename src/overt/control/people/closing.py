"""Ends sessions whose time has come, also those of browsers that ask for nothing any more, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from typing import Final

from django.db import Error, close_old_connections, connection

from overt.control.people.sessions import end_overdue

EVERY_S: Final = 60.0
JOIN_S: Final = 10.0
_LOG: Final = logging.getLogger(__name__)


class Closer:
    """Looks once a minute."""

    def __init__(self) -> None:
        """Be ready; `start` begins."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="people-sessions", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; waits for what it is doing."""
        self._stopping.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            close_old_connections()
            look()
            connection.close()


def look() -> int:
    """End what is overdue now; return how many. A database that is away is asked again the next time."""
    try:
        count = end_overdue()
    except Error as error:
        _LOG.warning("sessions could not be looked at: %s", error)
        return 0
    if count:
        _LOG.info("%d sessions came to their end", count)
    return count


_running: list[Closer] = []


def start() -> None:
    """Begin to look; once in a process, when the control room starts."""
    if not _running:
        _running.append(Closer())
        _running[0].start()


def stop() -> None:
    """End it; nothing happens where it was not begun."""
    while _running:
        _running.pop().stop()

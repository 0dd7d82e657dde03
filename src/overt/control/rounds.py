"""What is done again and again, in a thread of its own, whatever goes wrong."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from overt.errors import OvertError

_LOG: Final = logging.getLogger(__name__)


class Rounds:
    """Looks, waits, and looks again until it is stopped. `start`, `wake` and `stop` may be called from any thread.

    A look that fails is tried again: what keeps it from succeeding is written to the log once while it lasts, with the
    trace if it is a defect, and again when it is over.
    """

    def __init__(
        self,
        name: str,
        purpose: str,
        look: Callable[[], float | None],
        *,
        every_s: float,
        again_s: float | None = None,
        first_s: float = 0.0,
        last: Callable[[], None] | None = None,
    ) -> None:
        """Be ready.

        Args:
            name: of the thread.
            purpose: what it is for, in a few words, for the log.
            look: one round, on a connection to the database that works; returns the seconds until the next, or None
                for `every_s`.
            every_s: seconds between two rounds.
            again_s: seconds after a round that failed; None for `every_s`.
            first_s: seconds before the first.
            last: done once after the last round, when it is stopped.
        """
        self._name, self._purpose, self._look, self._last = name, purpose, look, last
        self._every_s, self._first_s = every_s, first_s
        self._again_s = every_s if again_s is None else again_s
        self._woken, self._ending = threading.Event(), threading.Event()
        self._trouble = ""
        self._thread: threading.Thread | None = None

    @property
    def ending(self) -> bool:
        """It is being stopped: a long round should come to its end."""
        return self._ending.is_set()

    def start(self) -> None:
        """Begin; nothing happens where it has begun."""
        if self._thread is None:
            self._ending.clear()
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Look at once, or at once again if a round is under way."""
        self._woken.set()

    def stop(self, timeout_s: float = 15.0) -> None:
        """End after the round that is under way, and wait for that as long as `timeout_s`."""
        thread, self._thread = self._thread, None
        self._ending.set()
        self._woken.set()
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        wait_s = self._first_s
        while True:
            self._woken.wait(wait_s)
            self._woken.clear()
            if self._ending.is_set():
                break
            wait_s = self._try(self._look)
        if self._last is not None:
            self._try(self._last)
        connections.close_all()

    def _try(self, look: Callable[[], float | None]) -> float:
        """Look; return the seconds until the next time."""
        try:
            close_old_connections()
            wait_s = look()
        except (OvertError, DatabaseError, InterfaceError) as error:
            if str(error) != self._trouble:
                _LOG.warning("%s: this cannot be done now, and is tried again: %s", self._purpose, error)
            self._trouble = str(error)
            return self._again_s
        except Exception as error:  # noqa: BLE001 - the thread has to live on
            if repr(error) != self._trouble:
                _LOG.exception("%s: a defect; this is tried again", self._purpose)
            self._trouble = repr(error)
            return self._again_s
        finally:
            close_old_connections()
        if self._trouble:
            _LOG.info("%s: this works again", self._purpose)
        self._trouble = ""
        return self._every_s if wait_s is None else wait_s


class Alone:
    """One of a kind that a process runs: begun when the control room starts, ended when it stops."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._running: list[Rounds] = []

    def start(self, make: Callable[[], Rounds]) -> None:
        """Make it and begin; nothing happens where it has begun."""
        if not self._running:
            made = make()
            made.start()
            self._running.append(made)

    def stop(self) -> None:
        """End it; returns when the round that is under way has ended. Nothing happens where it was not begun."""
        while self._running:
            self._running.pop().stop()

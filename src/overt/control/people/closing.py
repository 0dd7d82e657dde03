"""Ends sessions whose time has come, also those of browsers that ask for nothing any more, in a thread of its own."""

from __future__ import annotations

import logging
from typing import Final

from overt.control.people.sessions import end_overdue
from overt.control.rounds import Alone, Rounds

EVERY_S: Final = 60.0
_LOG: Final = logging.getLogger(__name__)


def look() -> None:
    """End what is overdue now. Raises DatabaseError."""
    count = end_overdue()
    if count:
        _LOG.info("%d sessions came to their end", count)


_running: Final = Alone()


def start() -> None:
    """Begin to look once a minute."""
    _running.start(lambda: Rounds("people-sessions", "ending overdue sessions", look, every_s=EVERY_S, first_s=EVERY_S))


def stop() -> None:
    """End it."""
    _running.stop()

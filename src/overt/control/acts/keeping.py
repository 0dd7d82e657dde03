"""The ledger's part in the control room's run: opened first, closed last, both written down."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Final

from overt.control.acts import book
from overt.control.acts.indexing import Indexer
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.errors import OvertError

_LOG: Final = logging.getLogger(__name__)
_running: Final[list[Indexer]] = []


def start() -> None:
    """Write down that the control room starts, and begin to keep the table up.

    A ledger that cannot be written does not keep it from starting: pages say what the matter is, and recording goes on.
    """
    try:
        record(Kind.STARTED, more={"version": version("overt")})
    except OvertError as error:
        _LOG.error("the ledger cannot be written, and nothing that has to be written down can be done: %s", error)
    _running.append(Indexer())
    _running[-1].start()


def stop() -> None:
    """Write down that it stops, and close the ledger."""
    while _running:
        _running.pop().stop()
    try:
        record(Kind.STOPPED)
    except OvertError as error:
        _LOG.error("the ledger could not be written at the end: %s", error)
    book.close()

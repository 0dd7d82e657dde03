"""The control room's ledger on its disk: opened once in a process, which alone writes into it. Any thread may call."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Final

from django.conf import settings

from overt.control.configuration import ControlSettings
from overt.control.secrets import ledger_signer
from overt.errors import OvertError
from overt.ledger.ledger import Ledger
from overt.ledger.marker import MARKER
from overt.ledger.reader import LedgerReader

_LOG: Final = logging.getLogger(__name__)
_lock: Final = threading.Lock()
_open: Final[dict[Path, Ledger]] = {}


def ledger_directory() -> Path:
    """Return where the control room's ledger lies."""
    told: ControlSettings = settings.CONTROL
    return told.ledger


def open_ledger(told: ControlSettings, directory: Path | None = None) -> Ledger:
    """Open the ledger of a data directory for writing, or make it where there is none; raises as `book`."""
    place = directory or told.ledger
    signer = ledger_signer(told.secrets, f"{told.names[0] if told.names else 'overt'}/ledger")
    return Ledger(place, signer) if (place / MARKER).exists() else Ledger.create(place, signer)


def book() -> Ledger:
    """Return the ledger, open for writing; the first call makes it where there is none.

    One that could not be opened is tried again by the next call: a disk that was full may have room again.

    Raises:
        ConflictError: another process writes it.
        ForbiddenError: its key is not the one in the secrets: restore that from a backup.
        CorruptError: the disk holds another tree than was signed, or less.
        UnavailableError: the disk refuses.
    """
    directory = ledger_directory()
    with _lock:
        if directory not in _open:
            _open[directory] = open_ledger(settings.CONTROL, directory)
        return _open[directory]


def reader() -> LedgerReader:
    """Return a reader of it, for one thread; raises as `book` where it was not opened yet."""
    return book().reader()


def close() -> None:
    """Close it: nothing is written any more, until the next call of `book`."""
    with _lock:
        for each in _open.values():
            try:
                each.close()
            except OvertError as error:
                _LOG.error("the ledger was not closed as it should: %s", error)
        _open.clear()

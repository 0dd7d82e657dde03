"""The ledger's part in the control room's run: opened first, closed last, both written down."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Final

from django.conf import settings

from overt.control.acts import book
from overt.control.acts.indexing import keep_up
from overt.control.acts.kinds import Kind
from overt.control.acts.outside import SOCKET, Doorway
from overt.control.acts.pruning import keep_for
from overt.control.acts.recording import Json, record
from overt.control.configuration import ControlSettings
from overt.control.rounds import Rounds
from overt.errors import OvertError

_LOG: Final = logging.getLogger(__name__)
_running: Final[list[Rounds | Doorway]] = []


def _settings(told: ControlSettings) -> dict[str, Json]:
    """Return what an auditor asks of how it was started: settings about looking, signing in, and the ledger."""
    return {
        "second_factor": told.second_factor,
        "session_idle_minutes": told.session_idle_minutes,
        "session_hours": told.session_hours,
        "single_sign_on": told.single_sign_on is not None,
        "acts_keep_days": told.acts_keep_days,
        "tell_reviewed": told.tell_reviewed,
        "numbers_least": told.numbers_least,
        "footage_unlocked_at_start": told.custodian_passphrase_file is not None,
    }


def start() -> None:
    """Write down that the control room starts, and begin to keep the table up.

    A ledger that cannot be written does not keep it from starting: pages say what the matter is, and recording goes on.
    """
    try:
        record(Kind.STARTED, more={"version": version("overt"), "settings": _settings(settings.CONTROL)})
    except OvertError as error:
        _LOG.error("the ledger cannot be written, and nothing that has to be written down can be done: %s", error)
    told: ControlSettings = settings.CONTROL
    parts: list[Rounds | Doorway] = [keep_up(), Doorway(told.data / SOCKET)]
    if told.acts_keep_days is not None:
        parts.append(keep_for(told.acts_keep_days))
    for part in parts:
        part.start()
        _running.append(part)


def stop() -> None:
    """Write down that it stops, and close the ledger."""
    while _running:
        _running.pop().stop()
    try:
        record(Kind.STOPPED)
    except OvertError as error:
        _LOG.error("the ledger could not be written at the end: %s", error)
    book.close()

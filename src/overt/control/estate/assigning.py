"""Puts to the recorder what it is to record, whenever that changes, and for as long as it takes: thread `assignments`.

A recorder that is away is asked again until it is back; recording goes on meanwhile with what it had. One that comes
back is told anew, so that a recorder whose disk was replaced, and a database that was restored, agree again.
"""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import Error as DatabaseError

from overt.contract.socket_client import SocketClient
from overt.control.estate import revisions
from overt.control.estate.addresses import Network
from overt.control.estate.models import RECORDER_NAME
from overt.control.estate.recorded import assignment_of, checker, recorded_by
from overt.control.rounds import Rounds
from overt.errors import ConflictError, OvertError, UnavailableError

LOOK_S: Final = 5.0
"""Seconds between two looks at whether the recorder still has what it was given."""
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 15.0
PUT_TIMEOUT_S: Final = 30.0
"""Thousands of cameras take a recorder a moment."""
_LOG: Final = logging.getLogger(__name__)


class Assigner:
    """Keeps one recorder in step with the register, in a thread of its own."""

    def __init__(self, socket: Path, ranges: tuple[Network, ...], recorder: str = RECORDER_NAME) -> None:
        """Speak to the recorder that listens at `socket`; nobody need do so yet."""
        self._client = SocketClient(socket)
        self._ranges, self._recorder = ranges, recorder
        self._agreed = False
        """True once this recorder, since it was last away, has taken or confirmed an assignment of ours."""
        self._failures = 0
        self._said = ""
        self._rounds = Rounds("assignments", "telling the recorder what to record", self.round, every_s=LOOK_S)

    def start(self) -> None:
        """Begin."""
        revisions.assignment_changed.connect(self._changed)
        self._rounds.start()

    def stop(self) -> None:
        """End; a request under way is finished first."""
        revisions.assignment_changed.disconnect(self._changed)
        self._rounds.stop()

    def _changed(self, recorder: str, **_: Any) -> None:
        if recorder == self._recorder:
            self._rounds.wake()

    def round(self) -> float:
        """Bring the recorder up to date; return the seconds until the next look, unless something changes first."""
        try:
            self.bring_up_to_date()
        except Exception as error:  # noqa: BLE001 - whatever it is: the recorder has to be told all the same, later
            self._agreed = False
            self._failures += 1
            self._say(error)
            wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._failures, 6))
            return wait * random.uniform(0.75, 1.0)  # noqa: S311 - so that many do not come at once
        self._failures, self._said = 0, ""
        return LOOK_S

    def _say(self, error: Exception) -> None:
        """Write down why the recorder is behind: once in the log for each reason, and for the pages."""
        ours = isinstance(error, OvertError)
        words = str(error) if ours else "the control room could not tell it, and its log says why."
        if str(error) != self._said:
            _LOG.warning("the recorder has not taken its assignment: %s", error, exc_info=None if ours else error)
            self._said = str(error)
        if not isinstance(error, DatabaseError):
            try:
                revisions.refused(self._recorder, words)
            except DatabaseError as away:
                _LOG.warning("the database does not answer: %s", away)

    def bring_up_to_date(self) -> None:
        """Put the assignment to the recorder unless it is known to have it.

        Raises:
            OvertError: the recorder is away, or refuses.
        """
        theirs = self._revision()
        ours = revisions.state_of(self._recorder)
        if self._agreed and theirs == ours.revision and revisions.in_step(ours):
            return
        if theirs > ours.revision:
            revisions.raised_above(self._recorder, theirs)
        try:
            self._put()
        except ConflictError:
            # It has another assignment under our number, unless it is told what to record by a file of its own.
            if self._revision() < revisions.state_of(self._recorder).revision:
                raise
            revisions.raised_above(self._recorder, self._revision())
            self._put()

    def _revision(self) -> int:
        told = self._client.get("/health")
        found = told.get("revision") if isinstance(told, dict) else None
        if not isinstance(found, int):
            msg = "what answers at recorder.sock is no recorder"
            raise UnavailableError(msg)
        return found

    def _put(self) -> None:
        # The number is read before the rows: a change between the two raises it again, and is put again.
        revision = revisions.state_of(self._recorder).revision
        rows, unreadable = recorded_by(self._recorder)
        assignment, left_out = assignment_of(revision, rows, checker(self._ranges))
        self._client.ask("PUT", "/assignments", json.loads(assignment.to_wire()), timeout_s=PUT_TIMEOUT_S)
        self._agreed = True
        revisions.taken(self._recorder, revision, unreadable | left_out)


_running: list[Assigner] = []


def start() -> None:
    """Begin to keep this machine's recorder in step; once in a process, when the control room starts."""
    if not _running:
        _running.append(Assigner(settings.CONTROL.recorder_socket, settings.CONTROL.camera_ranges))
        _running[0].start()


def stop() -> None:
    """End it; nothing happens where it was not begun."""
    while _running:
        _running.pop().stop()

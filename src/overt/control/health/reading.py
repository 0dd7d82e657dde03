"""The thread `health-reading`: asks the recorder how it fares and what happened, and keeps both.

Started with the control room and ended with it (`start`, `stop`). Nothing is lost while recorder or database are away:
the cursor in the database moves only together with what was learned, and the recorder keeps its facts for 90 days.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from overt.contract.fact import Fact
from overt.contract.socket_client import SocketClient
from overt.control.estate.models import RECORDER_NAME
from overt.control.health import judging, learning
from overt.control.health.canary import Canary, CanaryState, Keys
from overt.control.health.models import MAX_REASON, Recorder
from overt.control.health.plain_text import plain
from overt.control.health.report import Report, read_report
from overt.control.rounds import Alone, Rounds
from overt.errors import OvertError

EVERY_S: Final = 3.0
"""How often the recorder is asked."""
DATABASE_RETRY_S: Final = 2.0
PRUNE_EVERY_S: Final = 3600.0
LIMIT: Final = 1000
"""Facts that are asked for at once."""
_LOG: Final = logging.getLogger(__name__)


class Reading:
    """Reads one recorder, again and again."""

    def __init__(
        self,
        client: SocketClient,
        name: str = RECORDER_NAME,
        keys: Callable[[], Keys] | None = None,
    ) -> None:
        """Read the recorder that `client` asks; nothing runs yet. `keys`: those of the site in this one's memory."""
        self._client, self._name = client, name
        self._canary = Canary(client, settings.CONTROL.data, keys)
        self._pruned_at: float | None = None
        self._rounds: Rounds | None = None

    def rounds(self, every_s: float) -> Rounds:
        """Return what does `round` again and again, in a thread of its own."""
        self._rounds = Rounds("health-reading", "health", self.round, every_s=every_s, again_s=DATABASE_RETRY_S)
        return self._rounds

    def round(self) -> None:
        """Ask once, learn all there is, and judge.

        Raises:
            DatabaseError, InterfaceError: the database is locked or away; the next round does what this one could not.
        """
        now = timezone.now()
        row, _ = Recorder.objects.get_or_create(name=self._name)
        report = self._heard(row, now)
        if report is not None:
            self._learn(row.cursor)
        sealed = judging.NOT_LOOKED
        if report is not None:
            sealed = self._canary.look(report, now)
            self._try_to_open(row, report, now)
        judging.judge(self._name, report, now, sealed)
        self._prune(now)

    def _heard(self, row: Recorder, now: dt.datetime) -> Report | None:
        """Ask how it fares; notes since when it is away, and that it is back."""
        try:
            report = read_report(self._client.get("/health"))
        except OvertError as error:
            if row.away_since is None:
                _LOG.warning("the recorder does not answer: %s", error)
                Recorder.objects.filter(pk=row.pk).update(away_since=now, away_reason=plain(str(error), MAX_REASON))
            return None
        if row.away_since is not None:
            _LOG.info("the recorder answers again, after %s", now - row.away_since)
            Recorder.objects.filter(pk=row.pk).update(away_since=None, away_reason="")
        return report

    def _learn(self, cursor: int) -> None:
        """Read facts to their end; what cannot be read now is read in the next round."""
        while self._rounds is None or not self._rounds.ending:
            try:
                facts, following = learning.read_facts(self._client.get(f"/facts?after={cursor}&limit={LIMIT}"))
            except OvertError as error:
                _LOG.warning("facts cannot be read now: %s", error)
                return
            if following <= cursor or not self._take(cursor, facts, following):
                return
            cursor = following

    def _take(self, cursor: int, facts: Sequence[Fact], following: int) -> bool:
        """Learn a batch; a fact that cannot be learned is passed over aloud, and keeps no other from being learned."""
        try:
            return learning.learn(self._name, cursor, facts, following)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # noqa: BLE001 - one by one it will show which it is
            _LOG.exception("facts after %d cannot be learned together; they are tried one by one", cursor)
        for fact in facts:
            try:
                learning.learn(self._name, cursor, [fact], fact.sequence)
            except (OperationalError, InterfaceError):
                raise
            except Exception:  # noqa: BLE001 - as above
                _LOG.exception("fact %d (%s) is passed over", fact.sequence, fact.kind)
                learning.learn(self._name, cursor, [], fact.sequence)
            cursor = fact.sequence
        return learning.learn(self._name, cursor, [], following)

    def _try_to_open(self, row: Recorder, report: Report, now: dt.datetime) -> None:
        """See once a day whether footage opens, and keep what is known of it."""
        before = CanaryState.model_validate(row.canary)
        after = self._canary.attempt(before, report, now)
        if after != before:
            Recorder.objects.filter(pk=row.pk).update(canary=after.model_dump(mode="json"))

    def _prune(self, now: dt.datetime) -> None:
        if self._pruned_at is None or time.monotonic() - self._pruned_at >= PRUNE_EVERY_S:
            learning.prune(now)
            judging.prune(now)
            self._pruned_at = time.monotonic()


_running: Final = Alone()


def start(every_s: float = EVERY_S, keys: Callable[[], Keys] | None = None) -> None:
    """Begin to read this machine's recorder. `keys` gives what is in memory of the site's private keys."""
    _running.start(lambda: Reading(SocketClient(settings.CONTROL.recorder_socket), keys=keys).rounds(every_s))


def stop() -> None:
    """End reading; returns when the round that is under way has ended."""
    _running.stop()

"""The thread `footage-ledger`: brings facts into the recorder's ledger, a few seconds behind, and catches up.

It follows the outbox by the number that each leaf carries, so that a crash between fact and leaf neither loses nor
doubles one. What a fact was lost about (its worker was killed) is found in the index: after each comparison of index
and files, after the end of a worker, once an hour, and at the end. Recording knows nothing of it: a ledger that cannot
be written is said in health, and tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from overt.clock import SECOND, Clock, SystemClock
from overt.contract.fact import (
    Fact,
    FactsLost,
    FootageCompared,
    RecorderStarted,
    RecorderStopped,
    SegmentStored,
    WorkerRestarted,
)
from overt.errors import ConflictError, InvalidError, OvertError
from overt.footage.layout import INDEX
from overt.footage.leaves import STARTED, STOPPED, entry_of
from overt.footage.marker import read_marker
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.keys import create_key, read_key
from overt.ledger.leaves import Entry
from overt.ledger.ledger import Ledger
from overt.ledger.marker import MARKER
from overt.recorder.health import LedgerHealth
from overt.recorder.ledger.known import FIRST, KnownLeaves, What, said

FOLDER: Final = "ledger"
KEY_FILE: Final = "ledger.key"
BATCH: Final = 500
GATHER_S: Final = 5.0
"""Facts that follow each other this closely share one flush."""
IDLE: Final = 10
"""After so many times that the outbox is looked into, though nothing was heard."""
RETRY_S: Final = 10.0
SWEEP_S: Final = 3600.0
ALL_NS: Final = 2**62
YOUNG_S: Final = 120.0
"""What is younger has its fact on the way."""
BEFORE: Final = {"": "nothing", STARTED: "killed", STOPPED: "stopped"}
"""How the run before ended, by the last leaf about one."""
_LOG: Final = logging.getLogger(__name__)


class ReadFacts(Protocol):
    """What is needed of the outbox."""

    def after(self, cursor: int, limit: int) -> list[Fact]:
        """Return facts whose sequence is greater than `cursor`."""
        ...


class FootageLedger:
    """The ledger of one recorder. `start` and `stop` belong to one thread; the rest may be called from any."""

    def __init__(
        self,
        directory: Path,
        facts: ReadFacts,
        clock: Clock | None = None,
        *,
        gather_s: float = GATHER_S,
        retry_s: float = RETRY_S,
        young_s: float = YOUNG_S,
    ) -> None:
        """Keep the ledger of a footage directory; nothing is opened or made before `start`."""
        self._directory, self._facts, self._clock = directory, facts, clock or SystemClock()
        self._gather_s, self._retry_s, self._young_ns = gather_s, retry_s, int(young_s * SECOND)
        self._ledger: Ledger | None = None
        self._known: KnownLeaves | None = None
        self._heard = threading.Event()
        self._stopping = threading.Event()
        self._sweep_due = time.monotonic()
        self._swept = False
        self._health = LedgerHealth(state="starting")
        self._thread = threading.Thread(target=self._run, name="footage-ledger", daemon=True)

    @property
    def path(self) -> Path:
        """Where the ledger lies."""
        return self._directory / FOLDER

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def heard(self, fact: Fact) -> None:
        """Hear that there is a fact; returns at once."""
        if isinstance(fact.data, FootageCompared | WorkerRestarted | FactsLost):
            due = time.monotonic() + (0 if isinstance(fact.data, FootageCompared) else self._young_ns / SECOND)
            self._sweep_due = min(self._sweep_due, due)
        self._heard.set()

    def health(self) -> LedgerHealth:
        """Return how it fares."""
        return self._health

    def stop(self, timeout_s: float) -> bool:
        """Write what is in the outbox by now, close the ledger and end; False if that did not end in time."""
        self._stopping.set()
        self._heard.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            last = self._stopping.is_set()
            self._heard.clear()
            failed = not self.round(last=last)
            if last:
                break
            # A fact can be read a moment after it was heard: looking again now and then costs next to nothing.
            self._heard.wait(self._retry_s if failed else IDLE * self._gather_s)
            self._stopping.wait(self._retry_s if failed else self._gather_s)
        self.close()

    def round(self, *, last: bool = False) -> bool:
        """Write all that there is to be written; False if something kept it from that, which health then says.

        The thread's own, where it runs. `last`: nothing is being recorded any more, and no fact is on its way.
        """
        try:
            ledger, known = self._opened()
            self._follow(ledger, known)
            if last or time.monotonic() >= self._sweep_due:
                self._sweep(ledger, known, ALL_NS if last else self._clock.utc_ns() - self._young_ns)
                # Once more soon after the start, for what was too young then.
                self._sweep_due = time.monotonic() + (SWEEP_S if self._swept else 2 * self._young_ns / SECOND)
                self._swept = True
        except OvertError as error:
            self._troubled(str(error))
            if not isinstance(error, InvalidError):
                self.close()
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, recording goes on, and the next round tries again
            _LOG.exception("the footage ledger failed")
            self._troubled(f"{type(error).__name__}: {error}")
            self.close()
            return False
        if self._health.error:
            _LOG.info("the footage ledger can be written again: %s", self.path)
        self._health = LedgerHealth(
            state="running", leaves=ledger.size, key=str(ledger.key), written_ns=self._health.written_ns
        )
        return True

    def _troubled(self, why: str) -> None:
        before = self._health
        if why != before.error:
            _LOG.error("the footage ledger cannot be kept now; recording goes on: %s", why)
        since_ns = before.since_ns if before.error else self._clock.utc_ns()
        self._health = LedgerHealth(
            state="failing",
            leaves=before.leaves,
            key=before.key,
            error=why,
            since_ns=since_ns,
            written_ns=before.written_ns,
        )

    def _opened(self) -> tuple[Ledger, KnownLeaves]:
        """Open ledger and table, make them where there are none, and take into the table what the ledger has more."""
        if self._ledger is not None and self._known is not None:
            self._catch_up(self._ledger, self._known)
            return self._ledger, self._known
        known = KnownLeaves(self._directory)
        self._known = known
        key_path = self._directory / KEY_FILE
        begun = (self.path / MARKER).exists()
        if begun:
            seen = SignedCheckpoint.parse(known.checkpoint) if known.checkpoint else None
            self._ledger = Ledger(self.path, read_key(key_path), clock=self._clock, seen=seen)
        elif known.leaves:
            msg = (
                f"{self.path} is gone, and had {known.leaves} leaves: put it back. If it is lost, move {KEY_FILE} and "
                f"{known.path.name} away too, and tell whoever witnessed it: another ledger begins under another key"
            )
            raise ConflictError(msg)
        else:
            name = f"overt/footage/{read_marker(self._directory).store}"
            signer = read_key(key_path) if key_path.exists() else create_key(key_path, name)
            self._ledger = Ledger.create(self.path, signer, clock=self._clock)
        self._catch_up(self._ledger, known)
        return self._ledger, known

    def _catch_up(self, ledger: Ledger, known: KnownLeaves) -> None:
        """Take into the table the leaves that it does not have: all of them, if it was begun anew."""
        if known.leaves == ledger.size:
            return
        reader = ledger.reader()
        while known.leaves < reader.size:
            leaves = list(reader.leaves(known.leaves, known.leaves + BATCH))
            known.take((said(leaf, body) for leaf, body in reader.read_bodies(leaves)), ledger.checkpoint.encode())

    def _follow(self, ledger: Ledger, known: KnownLeaves) -> None:
        """Write leaves for the facts that came since."""
        while facts := self._facts.after(known.cursor, BATCH):
            # Segments of earlier versions' facts lack their root: the index has it.
            new = [fact for fact in facts if not (isinstance(fact.data, SegmentStored) and not fact.data.root)]
            self._write(ledger, known, [fact for fact in new if not known.has(fact)])
            known.follow(facts[-1].sequence)

    def _sweep(self, ledger: Ledger, known: KnownLeaves, before_ns: int) -> None:
        """Write leaves for what the index knows and no fact told, of what ended before a moment."""
        if not (self._directory / INDEX).exists():
            return  # It is made again, and compared with the files; then this is done.
        now_ns = self._clock.utc_ns()
        for what in What:
            after: int | bytes | None = FIRST[what]
            while after is not None:
                page = known.missing(self._directory / INDEX, what, after, before_ns, now_ns)
                self._write(ledger, known, page.facts, late=True)
                after = page.following

    def _write(self, ledger: Ledger, known: KnownLeaves, facts: Sequence[Fact], *, late: bool = False) -> None:
        entries: list[Entry] = []
        last_run = known.last_run
        for fact in facts:
            more: dict[str, Any] = {}
            if isinstance(fact.data, RecorderStarted):
                more, last_run = {"before": BEFORE[last_run]}, STARTED
            elif isinstance(fact.data, RecorderStopped):
                last_run = STOPPED
            entry = entry_of(fact, late=late, more=more)
            if entry is not None:
                entries.append(entry)
        if not entries:
            return
        leaves = ledger.append_all(entries)
        self._health = LedgerHealth(
            state=self._health.state,
            leaves=ledger.size,
            key=str(ledger.key),
            error=self._health.error,
            since_ns=self._health.since_ns,
            written_ns=self._clock.utc_ns(),
        )
        pairs = [(leaf, dict(entry.body)) for leaf, entry in zip(leaves, entries, strict=True)]
        known.take(pairs, ledger.checkpoint.encode())

    def close(self) -> None:
        """Close ledger and table; the next round opens them again. The thread's own, where it runs."""
        if self._known is not None:
            self._known.close()
            self._known = None
        if self._ledger is not None:
            try:
                self._ledger.close()
            except OvertError as error:
                _LOG.warning("the footage ledger was not closed as it should: %s", error)
            self._ledger = None

"""Outbox of facts: numbered, in an SQLite file of their own, delivered at least once, idempotent by id.

A caller never waits for the disk: `append` puts the fact into bounded memory, and a thread writes it. While the disk
is full or broken the memory fills, the oldest waiting facts are dropped and counted, and a `facts-lost` fact says so
once the disk is back. A fact can be read only after it is on the device, so that a power cut never takes back a
number that a reader has seen. Pruned: facts older than `KEEP_NS`, and the oldest beyond `KEEP_COUNT`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overt.clock import SECOND, Clock, SystemClock
from overt.contract.fact import Fact, FactsLost, new_fact
from overt.errors import InvalidError, OvertError, UnavailableError

FILE_NAME: Final = "facts.sqlite"
MAX_WAITING: Final = 10_000
"""Facts that wait in memory; at about 1 kB each, 10 MB."""
MAX_BATCH: Final = 1000
MAX_LIMIT: Final = 1000
"""Most facts that one reading returns."""
KEEP_NS: Final = 90 * 24 * 3600 * SECOND
KEEP_COUNT: Final = 2_000_000
PRUNE_EVERY_S: Final = 600.0
GATHER_S: Final = 0.05
"""Facts that follow each other this closely share one flush."""
RETRY_S: Final = 1.0
BUSY_TIMEOUT_S: Final = 5.0

_LOG: Final = logging.getLogger(__name__)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS fact (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    time_ns INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class OutboxHealth:
    """How the outbox fares."""

    waiting: int
    """Facts in memory that are not on disk yet."""
    lost: int
    """Facts dropped since the program started."""
    error: str
    """Why writing fails at present; empty while it works."""


class FactOutbox:
    """The facts of one recorder. Safe to use from any thread; one process at a time may write."""

    def __init__(
        self,
        directory: Path,
        clock: Clock | None = None,
        *,
        max_waiting: int = MAX_WAITING,
        keep_count: int = KEEP_COUNT,
        retry_s: float = RETRY_S,
    ) -> None:
        """Open (or begin) the outbox in `directory`. Never raises: a broken disk shows in `health`."""
        self._path = directory / FILE_NAME
        self._clock = clock or SystemClock()
        self._keep_count, self._retry_s = keep_count, retry_s
        self._waiting: deque[Fact] = deque()
        self._max_waiting = max_waiting
        self._condition = threading.Condition()
        self._closing = False
        self._writing = 0
        self._lost = 0
        self._lost_times: tuple[int, int] | None = None
        self._lost_untold = 0
        self._error = ""
        self._pruned_at = 0.0
        self._database: sqlite3.Connection | None = None
        self._begun = threading.Event()
        """Set once the file has its table: until then there is nothing to read."""
        self._thread = threading.Thread(target=self._run, name="fact-outbox", daemon=True)
        self._thread.start()

    def append(self, fact: Fact) -> None:
        """Take a fact; returns at once. The same id a second time is passed over."""
        with self._condition:
            if len(self._waiting) >= self._max_waiting:
                self._drop(self._waiting.popleft())
            self._waiting.append(fact)
            self._condition.notify_all()

    def after(self, cursor: int, limit: int = 100) -> list[Fact]:
        """Return up to `limit` facts whose sequence is greater than `cursor`, in order; blocks on the disk.

        Raises:
            InvalidError: if `cursor` or `limit` is out of range.
            UnavailableError: if the file cannot be read at present.
        """
        if not 0 <= cursor < 2**63:
            msg = "the cursor must be 0 or the sequence of a fact"
            raise InvalidError(msg)
        if not 1 <= limit <= MAX_LIMIT:
            msg = f"the limit must be 1 to {MAX_LIMIT}"
            raise InvalidError(msg)
        try:
            with closing(self._connect()) as database:
                rows = database.execute(
                    "SELECT sequence, body FROM fact WHERE sequence > ? ORDER BY sequence LIMIT ?", (cursor, limit)
                ).fetchall()
        except (sqlite3.Error, OSError) as error:
            if not self._begun.is_set() and isinstance(error, sqlite3.OperationalError):
                return []
            msg = f"the facts in {self._path} cannot be read at present: {error}"
            raise UnavailableError(msg) from error
        return [fact for sequence, body in rows if (fact := _decoded(sequence, body)) is not None]

    def health(self) -> OutboxHealth:
        """Return how the outbox fares."""
        with self._condition:
            return OutboxHealth(len(self._waiting) + self._writing, self._lost, self._error)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything taken is on disk; False if that did not happen in time."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting and not self._writing, timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits, for at most `timeout_s`, and end the thread."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout_s)

    def _drop(self, fact: Fact) -> None:
        """Count a fact that is lost (condition held)."""
        self._lost += 1
        self._lost_untold += 1
        first, last = self._lost_times or (fact.time_ns, fact.time_ns)
        self._lost_times = (min(first, fact.time_ns), max(last, fact.time_ns))

    def _run(self) -> None:
        """Write batches until closed and empty; after closing a failing disk gets one more try."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closing)
                if not self._closing:
                    self._condition.wait_for(lambda: self._closing, GATHER_S)
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
                self._writing = len(batch)
                told, times = self._lost_untold, self._lost_times
            if told and times is not None:
                batch.append(new_fact(FactsLost(told, *times), self._clock.utc_ns()))
            error = self._write(batch) if batch else ""
            with self._condition:
                self._settle(batch, error, told)
                if self._closing and (error or not self._waiting):
                    break
                if error:
                    self._condition.wait_for(lambda: self._closing, self._retry_s)
        if self._database is not None:
            self._database.close()

    def _settle(self, batch: Sequence[Fact], error: str, told: int) -> None:
        """Note how a batch went; what could not be written waits again, oldest first (condition held)."""
        if error and error != self._error:
            _LOG.error("facts cannot be written to %s: %s", self._path, error)
        self._error, self._writing = error, 0
        if error:
            # The notice of lost facts is made anew with the next batch, when more may have been lost.
            back = [fact for fact in batch if not isinstance(fact.data, FactsLost)]
            self._waiting.extendleft(reversed(back))
            while len(self._waiting) > self._max_waiting:
                self._drop(self._waiting.popleft())
        else:
            self._lost_untold -= told
            if not self._lost_untold:
                self._lost_times = None
        self._condition.notify_all()

    def _write(self, batch: Sequence[Fact]) -> str:
        """Write a batch in one transaction, flushed; return why it failed, or an empty text."""
        try:
            database = self._database or self._open()
            self._database = database
            with database:
                database.executemany(
                    "INSERT INTO fact (id, time_ns, body) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
                    [(str(fact.id), fact.time_ns, fact.to_json()) for fact in batch],
                )
            self._prune(database)
        except (sqlite3.Error, OSError) as error:
            if self._database is not None:
                # The file may have been replaced or its file system remounted: begin again with a new connection.
                self._database.close()
                self._database = None
            return f"{type(error).__name__}: {error}"
        return ""

    def _prune(self, database: sqlite3.Connection) -> None:
        """Delete what is too old or too many, now and then."""
        now = time.monotonic()
        if self._pruned_at and now - self._pruned_at < PRUNE_EVERY_S:
            return
        with database:
            database.execute("DELETE FROM fact WHERE time_ns < ?", (self._clock.utc_ns() - KEEP_NS,))
            database.execute(
                "DELETE FROM fact WHERE sequence <= "
                "(SELECT sequence FROM fact ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
                (self._keep_count,),
            )
        self._pruned_at = now

    def _connect(self) -> sqlite3.Connection:
        """Open the file as it is, without making it."""
        return sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)

    def _open(self) -> sqlite3.Connection:
        """Open the file for writing; one that is damaged is put aside, named, and a new one begun."""
        try:
            return self._opened()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
                raise
            aside = self._path.with_name(f"{FILE_NAME}.damaged-{self._clock.utc_ns() // SECOND}")
            self._path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
            _LOG.error("%s is damaged (%s); it is kept as %s and a new one is begun", self._path, error, aside)
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        """Open the file for writing and see to its table."""
        database = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            with database:
                database.execute(_SCHEMA)
                # A new file counts on from the clock, so that its numbers exceed those of a file that is gone and
                # a reader's cursor never skips what is new.
                database.execute(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT 'fact', ? "
                    "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'fact')",
                    (self._clock.utc_ns() // 1_000_000,),
                )
        except BaseException:
            database.close()
            raise
        self._begun.set()
        return database


def _decoded(sequence: int, body: str) -> Fact | None:
    """Return a stored fact with its number; one that cannot be read is passed over aloud, not a dead end."""
    try:
        return Fact.from_json(body).numbered(sequence)
    except OvertError as error:
        _LOG.error("fact %d is passed over: %s", sequence, error)
        return None

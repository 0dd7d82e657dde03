"""To whom grants are bound, and which were revoked: `grants.sqlite`, with SHA-256 values alone, no token and no secret.

Whatever is said here was on the device before it is acted upon: a restart forgets neither a holder nor a revocation.
One connection under a lock; calls block on the disk and may come from any thread.
"""

from __future__ import annotations

import hmac
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from overt.clock import SECOND, Clock
from overt.contract.grant import Grant
from overt.errors import ForbiddenError, UnavailableError

FILE_NAME: Final = "grants.sqlite"
KEEP_S: Final = 90 * 24 * 3600
"""How long after a grant's end it is remembered who held it, and that it was revoked."""
BUSY_TIMEOUT_S: Final = 5.0
_SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS grant_state (
        id BLOB PRIMARY KEY,
        ticket BLOB,            -- SHA-256 of the ticket by which it can be bound, null: bound by its own claim
        holder BLOB,            -- SHA-256 of the holder's secret, null: nobody yet
        issued_s INTEGER NOT NULL,
        expires_s INTEGER NOT NULL,
        revoked INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS grant_state_ticket ON grant_state (ticket) WHERE ticket IS NOT NULL",
)
_LOG: Final = logging.getLogger(__name__)
REVOKED: Final = "the grant was revoked"
USED: Final = "the grant is bound to another holder: ask for one of your own"


class HeldTicket(NamedTuple):
    """A grant whose ticket was used."""

    grant: UUID
    revoked: bool
    expires_s: int


class Bindings:
    """The file of bindings and revocations."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        """Open or begin the file, with mode 0600, and forget what is long over.

        Raises:
            UnavailableError: if it cannot be used; without it no grant can be trusted to be nobody else's.
        """
        self._path = directory / FILE_NAME
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._path.touch(mode=0o600)
            self._path.chmod(0o600)
            self._database = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        except (sqlite3.Error, OSError) as error:
            raise self._refused(error) from error
        try:
            with self._writing() as database:
                for statement in _SCHEMA:
                    database.execute(statement)
                oldest = clock.utc_ns() // SECOND - KEEP_S
                database.execute("DELETE FROM grant_state WHERE expires_s < ?", (oldest,))
        except UnavailableError:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def admit(self, grant: Grant) -> None:
        """Take note of a grant that was given or renewed.

        Raises:
            ForbiddenError: if it was revoked, or one issued later has taken its place.
            UnavailableError: if the disk refuses.
        """
        with self._writing() as database:
            _admit(database, grant)

    def bind(self, grant: Grant, holder: bytes) -> None:
        """Bind a grant to the holder of a secret, whose SHA-256 is `holder`; the same holder may come again.

        Raises:
            ForbiddenError: if another holds it, or as `admit` refuses.
            UnavailableError: if the disk refuses.
        """
        with self._writing() as database:
            known = _admit(database, grant)
            if known is None:
                database.execute("UPDATE grant_state SET holder = ? WHERE id = ?", (holder, grant.id.bytes))
            elif not hmac.compare_digest(known, holder):
                raise ForbiddenError(USED)

    def held_by(self, ticket: bytes, holder: bytes) -> HeldTicket | None:
        """Return what became of the grant whose ticket, by its SHA-256, this holder used; None if they did not.

        Raises:
            UnavailableError: if the disk refuses.
        """
        with self._writing() as database:
            columns = "SELECT id, holder, revoked, expires_s FROM grant_state WHERE ticket = ?"
            for identifier, known, revoked, expires_s in database.execute(columns, (ticket,)):
                if known is not None and hmac.compare_digest(known, holder):
                    return HeldTicket(UUID(bytes=identifier), bool(revoked), expires_s)
            return None

    def revoke(self, grant: UUID) -> None:
        """Refuse a grant from now on, be it known or not.

        Raises:
            UnavailableError: if the disk refuses.
        """
        now_s = self._clock.utc_ns() // SECOND
        with self._writing() as database:
            database.execute(
                "INSERT INTO grant_state (id, issued_s, expires_s, revoked) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (id) DO UPDATE SET revoked = 1, expires_s = max(expires_s, excluded.expires_s)",
                (grant.bytes, now_s, now_s),
            )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction that is on the device when the block ends."""
        with self._lock:
            try:
                self._database.execute("PRAGMA synchronous = FULL")
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                if self._in_transaction():
                    self._database.rollback()
                raise self._refused(error) from error

    def _in_transaction(self) -> bool:
        try:
            return self._database.in_transaction
        except sqlite3.ProgrammingError:
            return False  # closed

    def _refused(self, error: Exception) -> UnavailableError:
        # Viewers get the message: the path is for the log.
        _LOG.error("%s: bindings of grants cannot be kept: %s", self._path, error)
        return UnavailableError(
            f"the recorder's disk refuses {FILE_NAME}; without it no grant is accepted: see its log"
        )


def _admit(database: sqlite3.Connection, grant: Grant) -> bytes | None:
    """Take note of a grant inside a transaction; return the SHA-256 of its holder's secret, None if it has none yet."""
    columns = "SELECT ticket, holder, issued_s, revoked FROM grant_state WHERE id = ?"
    row = database.execute(columns, (grant.id.bytes,)).fetchone()
    if row is None:
        database.execute(
            "INSERT INTO grant_state (id, ticket, issued_s, expires_s) VALUES (?, ?, ?, ?)",
            (grant.id.bytes, grant.binding.ticket, grant.issued_s, grant.expires_s),
        )
        return None
    ticket, holder, newest_s, revoked = row
    if revoked:
        raise ForbiddenError(REVOKED)
    if grant.issued_s < newest_s:
        msg = "the grant was renewed since: use the newer one"
        raise ForbiddenError(msg)
    if (
        ticket is not None
        and grant.binding.ticket is not None
        and not hmac.compare_digest(ticket, grant.binding.ticket)
    ):
        msg = "the grant is bound by another ticket: a renewal names the same one"
        raise ForbiddenError(msg)
    database.execute(
        "UPDATE grant_state SET issued_s = ?, expires_s = max(expires_s, ?) WHERE id = ?",
        (grant.issued_s, grant.expires_s, grant.id.bytes),
    )
    return None if holder is None else bytes(holder)

"""keys.sqlite: the wrapped roots of key periods, and nothing else. What is deleted here is gone: that is shredding.

A wrapped root stands nowhere else: not in the segments, not in the index, not in the journal. It cannot be rebuilt, so
it is written through to the device (`synchronous = EXTRA`) before the first fragment is sealed with it, and nothing of
it stays behind when it is deleted: `secure_delete` overwrites its bytes with zeros, and there is no write-ahead log in
which they could linger (`journal_mode = TRUNCATE`: the rollback journal is cut to nothing at every commit).
What a copy-on-write file system or a drive's spare sectors keep is beyond a file's reach: docs advise full-disk
encryption and no backups of this file that live longer than the retention.

One connection per thread and process; any number of processes may share the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from overt.errors import CorruptError, InvalidError, UnavailableError
from overt.ids import StreamKey

VERSION: Final = 1
BUSY_S: Final = 1.0
_TABLES: Final = """
CREATE TABLE wrapped_key (
    period_id BLOB PRIMARY KEY,
    camera TEXT NOT NULL,
    stream TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    wrap BLOB NOT NULL,
    index_id BLOB NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The root of one key period, sealed to the site's roles."""

    period_id: UUID
    key: StreamKey
    start_ns: int
    """When the period was to begin (its first fragment may be a little later)."""
    created_ns: int
    wrap: bytes = field(repr=False)
    """`overt.sealing.wraps.WrappedKey`, encoded."""
    index_id: bytes = b""
    """Identity of the index that was there when the root was made; empty if none could be read."""


class KeyStore:
    """One connection to the wrapped keys of a footage directory."""

    def __init__(self, path: Path, *, write: bool = True, create: bool = True) -> None:
        """Open the file; create it if it is not there and both `write` and `create` are set.

        Raises:
            UnavailableError: if it is locked or the disk refuses.
            CorruptError: if it is damaged.
            InvalidError: if it was made by a later version of Overt.
        """
        self.path: Final = path
        connection: sqlite3.Connection | None = None
        mode = "ro" if not write else "rwc" if create else "rw"
        try:
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            if write:
                connection.execute("PRAGMA journal_mode = TRUNCATE")
                connection.execute("PRAGMA synchronous = EXTRA")
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > VERSION:
                msg = f"{path}: keys of version {version}; this program knows up to {VERSION}: use a newer Overt"
                raise InvalidError(msg)
            if version < VERSION and write:
                connection.execute("BEGIN IMMEDIATE")
                if not connection.execute("PRAGMA user_version").fetchone()[0]:
                    connection.execute(_TABLES)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
                connection.execute("COMMIT")
            connection.execute("SELECT count(*) FROM wrapped_key LIMIT 1").fetchone()
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise self._translated(error) from error
        except InvalidError:
            if connection is not None:
                connection.close()
            raise
        self._connection = connection

    def _translated(self, error: sqlite3.Error) -> UnavailableError | CorruptError:
        """Return our error for a database error."""
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return CorruptError(
                f"{self.path}: the wrapped keys are damaged ({error}); restore this file from its backup: "
                "without it the footage that it belongs to cannot be opened"
            )
        return UnavailableError(f"{self.path}: the wrapped keys cannot be used now: {error}")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def put(self, *roots: StoredKey) -> None:
        """Store wrapped roots, all or none; when this returns they survive a power cut."""
        rows = [
            (
                root.period_id.bytes,
                root.key.camera,
                root.key.stream,
                root.start_ns,
                root.created_ns,
                root.wrap,
                root.index_id,
            )
            for root in roots
        ]
        try:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT INTO wrapped_key (period_id, camera, stream, start_ns, created_ns, wrap, index_id) "
                    "VALUES (?,?,?,?,?,?,?)",
                    rows,
                )
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def get(self, period_id: UUID) -> StoredKey | None:
        """Return one wrapped root, or None: it was destroyed, or never stored here."""
        try:
            row = self._connection.execute(
                "SELECT period_id, camera, stream, start_ns, created_ns, wrap, index_id FROM wrapped_key "
                "WHERE period_id = ?",
                (period_id.bytes,),
            ).fetchone()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        if row is None:
            return None
        return StoredKey(UUID(bytes=row[0]), StreamKey(row[1], row[2]), row[3], row[4], row[5], row[6])

    def listing(self) -> list[StoredKey]:
        """Return every stored root, without the wrap itself."""
        try:
            rows = self._connection.execute(
                "SELECT period_id, camera, stream, start_ns, created_ns, index_id FROM wrapped_key"
            ).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return [
            StoredKey(UUID(bytes=i), StreamKey(c, s), start, created, b"", x) for i, c, s, start, created, x in rows
        ]

    def created(self) -> dict[UUID, int]:
        """Return when each stored root was made."""
        try:
            rows = self._connection.execute("SELECT period_id, created_ns FROM wrapped_key").fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return {UUID(bytes=i): created for i, created in rows}

    def known_to(self, index_id: bytes) -> dict[UUID, int]:
        """Return when each root was made that this very index has known from the beginning, as far as a file can tell.

        Of these alone the absence of a row says something: an index that was lost and rebuilt does not know of footage
        on a disk that was not mounted then, and whose key may therefore never be taken for unused.
        """
        try:
            rows = self._connection.execute(
                "SELECT period_id, created_ns FROM wrapped_key WHERE index_id = ? AND length(index_id) > 0", (index_id,)
            ).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return {UUID(bytes=i): created for i, created in rows}

    def destroy(self, periods: Iterable[UUID]) -> tuple[UUID, ...]:
        """Delete wrapped roots in one transaction; return those that were there. Nobody can read their footage then."""
        gone: list[UUID] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for period in periods:
                found = self._connection.execute("DELETE FROM wrapped_key WHERE period_id = ?", (period.bytes,))
                if found.rowcount:
                    gone.append(period)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise self._translated(error) from error
        return tuple(gone)

"""One connection to index.sqlite: opening, migrating, transactions, the numbers of streams and locations.

Used by one thread at a time; each thread and each process opens its own. WAL mode: readers never wait, writers wait for
each other up to `BUSY_S`. When another process has put a new index in the place of a damaged one, `refresh` goes over.

Every method may raise `UnavailableError` (locked, disk refuses: try again) or `IndexDamagedError` (rebuild it).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar
from uuid import UUID

from overt.errors import CorruptError, InvalidError, UnavailableError
from overt.footage.schema import MIGRATIONS, VERSION
from overt.ids import StreamKey

BUSY_S: Final = 2.0
CHECKED_WHOLE: Final = 64 << 20
"""Bytes up to which an index is checked page by page when it is opened; a larger one in the background."""
_TRANSIENT: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
}


class IndexDamagedError(CorruptError):
    """The index is damaged: it is to be put aside and made again."""


def translated(error: sqlite3.Error, path: Path) -> UnavailableError | IndexDamagedError:
    """Return the error of ours that a database error means: try again, or damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _TRANSIENT:
        return UnavailableError(f"{path}: cannot be used now: {error} ({getattr(error, 'sqlite_errorname', '?')})")
    return IndexDamagedError(f"{path}: damaged: {error}; run 'overt reconcile --repair'")


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Self = TypeVar("_Self", bound="IndexConnection")


def understood(
    method: Callable[Concatenate[_Self, _Arguments], _Result],
) -> Callable[Concatenate[_Self, _Arguments], _Result]:
    """Let a method that reads raise `IndexDamagedError` where a row says what cannot be: a bit was flipped in it."""

    @wraps(method)
    def reading(self: _Self, /, *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        try:
            return method(self, *arguments, **named)
        except (ValueError, TypeError, OverflowError, InvalidError) as error:
            msg = f"{self.path}: damaged: a row cannot be understood ({error}); run 'overt reconcile --repair'"
            raise IndexDamagedError(msg) from error

    return reading


class IndexConnection:
    """One connection to the index of a footage directory."""

    def __init__(self, path: Path, *, write: bool = True, create: bool = True, check: bool = False) -> None:
        """Open the index; if `write`, migrate it, and if `create` too, make it where there is none.

        Args:
            path: the file.
            write: open it for writing.
            create: make it if it is not there.
            check: look through its pages for damage, if it is not larger than `CHECKED_WHOLE`.

        Raises:
            InvalidError: if it was made by a later version of Overt.
        """
        self.path: Final = path
        self._write = write
        self._create = create
        self._connection = self._open(check=check)
        self._streams: dict[StreamKey, int] = {}
        self._locations: dict[UUID, int] = {}
        self._depth = 0

    def _open(self, *, check: bool) -> sqlite3.Connection:
        """Connect, set the pragmas and bring the tables up to date."""
        mode = "ro" if not self._write else "rwc" if self._create else "rw"
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA foreign_keys = ON")
            if self._write:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > VERSION:
                msg = f"{self.path}: index of version {version}; this program knows up to {VERSION}: use a newer Overt"
                raise InvalidError(msg)
            if self._write and version < VERSION:
                self._migrate(connection)
            size = self.path.stat().st_size
            connection.execute("SELECT count(*) FROM stream").fetchone()
            if check and size <= CHECKED_WHOLE:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    msg = f"{self.path}: damaged: {found}; run 'overt reconcile --repair'"
                    raise IndexDamagedError(msg)
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise translated(error, self.path) from error
        except UnicodeDecodeError as error:
            # What SQLite says of a damaged schema is not text.
            if connection is not None:
                connection.close()
            msg = f"{self.path}: damaged: its tables cannot be understood; run 'overt reconcile --repair'"
            raise IndexDamagedError(msg) from error
        except (InvalidError, CorruptError, OSError):
            if connection is not None:
                connection.close()
            raise
        self._inode = self.path.stat().st_ino
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring an older index, or an empty file, to this version; each step is one transaction."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            for step in range(version, VERSION):
                for statement in MIGRATIONS[step].split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def refresh(self) -> bool:
        """Go over to the index that stands at the path now; True if it is another one than before."""
        try:
            inode = self.path.stat().st_ino
        except OSError:
            inode = -1
        if inode == self._inode:
            return False
        fresh = self._open(check=False)  # raises, and leaves the old connection, while there is none
        self._connection.close()
        self._connection = fresh
        self._streams.clear()
        self._locations.clear()
        return True

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes: all or nothing. May be nested; the outermost counts."""
        if self._depth:
            yield
            return
        self._depth += 1
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise translated(error, self.path) from error
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._depth -= 1

    def _roll_back(self) -> None:
        """Undo, and forget numbers that were given inside the transaction."""
        self._streams.clear()
        self._locations.clear()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    @understood
    def query(self, statement: str, *values: object) -> list[Any]:
        """Run a query and fetch everything."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def change(self, statement: str, *values: object) -> int:
        """Run a change; returns the number of rows changed."""
        try:
            return self._connection.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    # --- numbers -----------------------------------------------------------------------------------------------------

    def stream_number(self, key: StreamKey) -> int:
        """Return a stream's number, giving one if it has none."""
        number = self._streams.get(key)
        if number is None:
            if self._write:
                self.change("INSERT OR IGNORE INTO stream (camera, stream) VALUES (?, ?)", key.camera, key.stream)
            found = self.query("SELECT id FROM stream WHERE camera = ? AND stream = ?", key.camera, key.stream)
            if not found:
                return -1
            number = self._streams[key] = int(found[0][0])
        return number

    def put_location(self, location_id: UUID, path: Path | None) -> int:
        """Remember where a location is mounted, from the root; None: it was never seen."""
        self.change(
            "INSERT INTO location (location_id, path) VALUES (?, ?) "
            "ON CONFLICT (location_id) DO UPDATE SET path = excluded.path",
            location_id.bytes,
            "" if path is None else str(path.absolute()),
        )
        number = int(self.query("SELECT id FROM location WHERE location_id = ?", location_id.bytes)[0][0])
        self._locations[location_id] = number
        return number

    def location_number(self, location_id: UUID) -> int:
        """Return a location's number; one that is not known has an empty path until it is seen."""
        number = self._locations.get(location_id)
        if number is None:
            found = self.query("SELECT id FROM location WHERE location_id = ?", location_id.bytes)
            number = int(found[0][0]) if found else self.put_location(location_id, None)
            self._locations[location_id] = number
        return number

    def identity(self) -> bytes:
        """Return what tells this index from one that was rebuilt in its place."""
        return bytes(self.query("SELECT id FROM identity")[0][0])

    @understood
    def locations(self) -> dict[UUID, Path]:
        """Return where each location was mounted last."""
        return {UUID(bytes=i): Path(path) for i, path in self.query("SELECT location_id, path FROM location")}

    @understood
    def streams(self) -> list[StreamKey]:
        """Return every stream of which anything is known, in order."""
        return [StreamKey(*row) for row in self.query("SELECT camera, stream FROM stream ORDER BY camera, stream")]

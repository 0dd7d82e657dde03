"""`leaves.sqlite`: which segments, gaps and deletions have a leaf, and how far the facts were followed.

Made of the ledger alone, and made anew from it where it is missing or damaged. Not evidence: nobody verifies by it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from overt.contract.fact import Fact, FactData, FootageDeleted, GapClosed, SegmentStored
from overt.errors import OvertError, UnavailableError
from overt.footage import leaves
from overt.footage.gaps import GapCause
from overt.footage.rows import CONDITIONS, SegmentState
from overt.ids import StreamKey, new_id
from overt.ledger.leaves import Body, Leaf

FILE_NAME: Final = "leaves.sqlite"
BUSY_TIMEOUT_S: Final = 5.0
_LOG: Final = logging.getLogger(__name__)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS told (kind INTEGER, id BLOB, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
    leaves INTEGER NOT NULL,    -- of the ledger that are in here
    cursor INTEGER NOT NULL,    -- the highest number of a fact among them
    last_run TEXT NOT NULL,     -- kind of the last leaf about a start or stop
    checkpoint BLOB NOT NULL    -- the newest signed one
);
INSERT INTO state SELECT 0, 0, '', x'' WHERE NOT EXISTS (SELECT 1 FROM state);
"""
PAGE: Final = 500


class What(IntEnum):
    """What has a leaf. The values are stored."""

    SEGMENT = 1
    GAP = 2
    DELETION = 3


FIRST: Final[dict[What, int | bytes]] = {What.SEGMENT: 0, What.GAP: b"", What.DELETION: b""}
_MISSING: Final = {
    What.SEGMENT: "SELECT g.id, s.camera, s.stream, g.segment_id, g.name, g.state, g.start_ns, g.end_ns, g.size, "
    "g.fragments, g.samples, g.damaged_samples, g.lost_packets, g.merkle_root, g.period_id FROM footage.segment g "
    "JOIN footage.stream s ON s.id = g.stream WHERE g.id > ? AND g.state IN (2, 3, 4) AND g.end_ns < ? "
    "AND NOT EXISTS (SELECT 1 FROM told WHERE kind = ? AND id = g.segment_id) ORDER BY g.id LIMIT ?",
    What.GAP: "SELECT g.gap_id, s.camera, s.stream, g.gap_id, g.cause, g.detail, g.from_ns, g.to_ns FROM footage.gap g "
    "JOIN footage.stream s ON s.id = g.stream WHERE g.gap_id > ? AND g.to_ns < ? "
    "AND NOT EXISTS (SELECT 1 FROM told WHERE kind = ? AND id = g.gap_id) ORDER BY g.gap_id LIMIT ?",
    What.DELETION: "SELECT d.deletion_id, s.camera, s.stream, d.deletion_id, d.reason, d.from_ns, d.to_ns, d.segments, "
    "d.bytes, d.periods FROM footage.deletion d JOIN footage.stream s ON s.id = d.stream "
    "WHERE d.deletion_id > ? AND d.time_ns < ? "
    "AND NOT EXISTS (SELECT 1 FROM told WHERE kind = ? AND id = d.deletion_id) ORDER BY d.deletion_id LIMIT ?",
}
"""States 2, 3 and 4 are those of segments that nobody writes any more (`overt.footage.rows.SegmentState`)."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A page of what has no leaf."""

    facts: list[Fact]
    following: int | bytes | None
    """From where the next page goes on; None: this was the last."""


class KnownLeaves:
    """One connection; used by one thread. Every method raises UnavailableError if the file cannot be used now."""

    def __init__(self, directory: Path) -> None:
        """Open it, or begin it.

        Raises:
            UnavailableError: the disk refuses.
        """
        self.path = directory / FILE_NAME
        try:
            try:
                self._database = self._opened()
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
                    raise
                _LOG.error("%s is damaged (%s); it is made anew from the ledger", self.path, error)
                remove(directory)
                self._database = self._opened()
            row = self._database.execute("SELECT leaves, cursor, last_run, checkpoint FROM state").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error
        self.leaves, self.cursor, self.last_run, self.checkpoint = int(row[0]), int(row[1]), str(row[2]), bytes(row[3])

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rwc", uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        )
        try:
            database.execute("PRAGMA journal_mode = WAL")
            # What a power cut takes back is read again from the ledger.
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database

    def _unusable(self, error: Exception) -> UnavailableError:
        return UnavailableError(f"{self.path} cannot be used now: {error}")

    def close(self) -> None:
        """Close; may be called twice."""
        with suppress(sqlite3.Error):
            self._database.close()

    def take(self, added: Iterable[tuple[Leaf, dict[str, Any]]], checkpoint: bytes) -> None:
        """Take in leaves that follow those that are in here, with what they say, and the checkpoint over them.

        Raises:
            UnavailableError: the disk refuses; nothing was taken in.
        """
        count, cursor, last_run = self.leaves, self.cursor, self.last_run
        try:
            with self._database:
                for leaf, told in added:
                    count = leaf.index + 1
                    number = told.get("fact")
                    cursor = max(cursor, number if isinstance(number, int) else 0)
                    if leaf.kind in {leaves.STARTED, leaves.STOPPED}:
                        last_run = leaf.kind
                    self._take(leaf.kind, told)
                self._database.execute(
                    "UPDATE state SET leaves = ?, cursor = ?, last_run = ?, checkpoint = ?",
                    (count, cursor, last_run, checkpoint),
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        self.leaves, self.cursor, self.last_run, self.checkpoint = count, cursor, last_run, checkpoint

    def _take(self, kind: str, told: dict[str, Any]) -> None:
        add, drop = "INSERT OR IGNORE INTO told VALUES (?, ?)", "DELETE FROM told WHERE kind = ? AND id = ?"
        if kind == leaves.SEGMENT:
            self._each(add, What.SEGMENT, [told.get("segment")])
        elif kind == leaves.GAP_CLOSED:
            self._each(add, What.GAP, [told.get("gap")])
        elif kind == leaves.DELETED:
            self._each(add, What.DELETION, [told.get("deletion")])
            # What is gone is not asked for again.
            self._each(drop, What.SEGMENT, told.get("segments", []))

    def _each(self, statement: str, what: What, ids: Sequence[Any]) -> None:
        numbers = [_bytes(each) for each in ids]
        self._database.executemany(statement, [(int(what), number) for number in numbers if number])

    def follow(self, cursor: int) -> None:
        """Remember that facts up to a number were followed, though they have no leaves of their own."""
        self.cursor = max(self.cursor, cursor)

    def has(self, fact: Fact) -> bool:
        """Tell whether what a fact says has a leaf already."""
        data = fact.data
        match data:
            case SegmentStored():
                what, number = What.SEGMENT, data.segment
            case GapClosed() if data.gap is not None:
                what, number = What.GAP, data.gap
            case FootageDeleted() if data.deletion is not None:
                what, number = What.DELETION, data.deletion
            case _:
                return False
        try:
            found = self._database.execute(
                "SELECT 1 FROM told WHERE kind = ? AND id = ?", (int(what), number.bytes)
            ).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return found is not None

    def missing(self, index: Path, what: What, after: int | bytes, before_ns: int, now_ns: int) -> Missing:
        """Return as facts, without numbers, a page of what the index of the footage knows and no leaf tells.

        Args:
            index: `index.sqlite`, which is only read.
            what: of what.
            after: `following` of the page before; `FIRST[what]` begins.
            before_ns: what ended later is left out: its fact may be on its way.
            now_ns: when this is found.

        Raises:
            UnavailableError: one of the two cannot be read now.
        """
        try:
            self._database.execute("ATTACH ? AS footage", (f"{index.absolute().as_uri()}?mode=ro",))
            try:
                rows = self._database.execute(_MISSING[what], (after, before_ns, int(what), PAGE)).fetchall()
            finally:
                self._database.execute("DETACH footage")
            facts = [Fact(new_id(), now_ns, _DATA[what](row[3:]), StreamKey(row[1], row[2])) for row in rows]
        except (sqlite3.Error, ValueError, KeyError, OvertError) as error:
            msg = f"{index} cannot be held against the ledger now: {error}"
            raise UnavailableError(msg) from error
        return Missing(facts, rows[-1][0] if len(rows) == PAGE else None)


def _segment(row: tuple[Any, ...]) -> FactData:
    number, name, state, start, end, size, fragments, samples, damaged, lost, root, period = row
    return SegmentStored(
        segment=UUID(bytes=number),
        start_ns=start,
        end_ns=end,
        bytes=size,
        fragments=fragments,
        frames=samples,
        damaged_frames=damaged,
        lost_packets=lost,
        file=name,
        condition=CONDITIONS[SegmentState(state)],
        root=root.hex(),
        period=UUID(bytes=period),
    )


def _gap(row: tuple[Any, ...]) -> FactData:
    number, cause, reason, start, end = row
    return GapClosed(GapCause(cause).fact, reason, start, end, UUID(bytes=number))


def _deletion(row: tuple[Any, ...]) -> FactData:
    number, reason, start, end, segments, size, periods = row
    names = tuple(str(UUID(bytes=periods[at : at + 16])) for at in range(0, len(periods), 16))
    return FootageDeleted(reason, segments, size, start, end, names, UUID(bytes=number))


_DATA: Final[dict[What, Callable[[tuple[Any, ...]], FactData]]] = {
    What.SEGMENT: _segment,
    What.GAP: _gap,
    What.DELETION: _deletion,
}


def remove(directory: Path) -> None:
    """Remove the file: it is made anew from the ledger."""
    for suffix in ("", "-wal", "-shm"):
        (directory / (FILE_NAME + suffix)).unlink(missing_ok=True)


def said(leaf: Leaf, body: Body | None) -> tuple[Leaf, dict[str, Any]]:
    """Return a leaf with what its body says; nothing of one that was pruned."""
    return leaf, {} if body is None else body.value()


def _bytes(number: Any) -> bytes:
    """Return the 16 bytes of a number as a leaf has it; none of what is no number."""
    try:
        return UUID(str(number)).bytes
    except ValueError:
        return b""

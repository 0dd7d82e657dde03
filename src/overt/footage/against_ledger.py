"""Holding footage on the disk against the recorder's ledger, segment by segment and byte by byte. Needs no key.

The ledger itself is to be verified first (`overt.ledger.verifying`): here its leaves are believed.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from overt.contract.instant import from_iso, to_iso
from overt.errors import CorruptError, InvalidError, OvertError
from overt.footage import leaves
from overt.footage.layout import LOCKS, SEGMENTS, is_date_folder, is_segment_name, start_of_name
from overt.footage.locks import is_locked
from overt.footage.marker import read_marker
from overt.footage.segment_walk import SegmentWalk, walk
from overt.ledger.reader import LedgerReader

MAX_OF_A_KIND: Final = 100
YOUNG_NS: Final = 600_000_000_000
"""While a recorder runs, a file that is younger may be without its leaf."""
_HARMLESS: Final = frozenset({"unended"})
_SCHEMA: Final = """
CREATE TABLE leaf (id BLOB PRIMARY KEY, number INTEGER, camera TEXT, stream TEXT, file TEXT, start_ns INTEGER,
    end_ns INTEGER, root TEXT, bytes INTEGER, seen INTEGER DEFAULT 0, deleted INTEGER) WITHOUT ROWID;
CREATE INDEX leaf_by_file ON leaf (camera, stream, file);
CREATE TABLE swept (camera TEXT, stream TEXT, start_ns INTEGER, end_ns INTEGER, number INTEGER);
"""
Progress = Callable[[int, int], None]
"""Told (files read, segments that the ledger has)."""


class Against(StrEnum):
    """What may be found."""

    ALTERED = "altered"
    """A segment's bytes are not those that its leaf is about."""
    MISSING = "missing"
    """A segment has a leaf, no leaf says that it was deleted, and it is not there."""
    WITHOUT_LEAF = "without-leaf"
    """A file is there that no leaf is about."""
    STILL_THERE = "still-there"
    """A leaf says that a segment was deleted, and its file is there."""
    UNREADABLE = "unreadable"
    LOCATION = "location"
    """A storage location was not compared: what is called missing may lie there."""


@dataclass(frozen=True, slots=True)
class AgainstFinding:
    """One thing that is not as the ledger has it."""

    kind: Against
    where: str
    text: str
    start_ns: int = 0
    """Start of the footage; 0: unknown."""
    leaf: int | None = None


@dataclass(slots=True)
class AgainstLedger:
    """What a comparison found, of each kind the earliest footage first."""

    segments: int = 0
    """That have a leaf."""
    deleted: int = 0
    """Of those, by leaves too."""
    files: int = 0
    bytes: int = 0
    """Read and hashed."""
    young: int = 0
    """Files of a running recorder that may not have a leaf yet."""
    counts: Counter[Against] = field(default_factory=Counter)
    findings: list[AgainstFinding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing was found."""
        return not self.counts


class _Comparison:
    """One comparison."""

    def __init__(self, directory: Path, reader: LedgerReader, places: Mapping[UUID, Path], now_ns: int) -> None:
        self._directory, self._reader, self._places, self._now_ns = directory, reader, places, now_ns
        self._found = AgainstLedger()
        self._findings: dict[Against, list[AgainstFinding]] = {kind: [] for kind in Against}
        self._live = is_locked(directory / LOCKS / "recorder.lock")
        # Without a name SQLite keeps it in memory, and goes over to a file of its own where it grows large.
        self._table = sqlite3.connect("")

    def run(self, progress: Progress) -> AgainstLedger:
        with closing(self._table):
            self._table.executescript(_SCHEMA)
            self._learn(0)
            for path, location in self._files():
                self._file(path, location)
                progress(self._found.files, self._found.segments)
            if self._live:
                read = self._reader.size
                self._reader.refresh()
                self._learn(read)
            self._missing()
        for found in self._findings.values():
            self._found.findings += sorted(found, key=lambda each: (each.start_ns, each.where))[:MAX_OF_A_KIND]
        return self._found

    def _say(self, kind: Against, where: object, text: str, start_ns: int = 0, leaf: int | None = None) -> None:
        self._found.counts[kind] += 1
        kept = self._findings[kind]
        kept.append(AgainstFinding(kind, str(where), text, start_ns, leaf))
        if len(kept) > 10 * MAX_OF_A_KIND:
            kept.sort(key=lambda each: (each.start_ns, each.where))
            del kept[MAX_OF_A_KIND:]

    # --- the ledger --------------------------------------------------------------------------------------------------

    def _learn(self, start: int) -> None:
        """Read what leaves say of segments and deletions."""
        wanted = self._reader.leaves(start, kinds=(leaves.SEGMENT, leaves.DELETED))
        for leaf, body in self._reader.read_bodies(wanted):
            if body is None:
                continue
            try:
                told = body.value()
                (self._stored if leaf.kind == leaves.SEGMENT else self._deleted)(leaf.index, told)
            except (KeyError, ValueError, TypeError, InvalidError) as error:
                msg = f"{self._reader.source}: {leaf} does not say what such a leaf says: {error!r}"
                raise CorruptError(msg) from error

    def _stored(self, number: int, told: dict[str, Any]) -> None:
        values = (
            UUID(told["segment"]).bytes,
            number,
            told["camera"],
            told["stream"],
            told["file"],
            from_iso(told["start"]),
            from_iso(told["end"]),
            told["root"],
            told["bytes"],
        )
        # The first leaf about a segment counts: a later one may have been made of what was altered since.
        added = self._table.execute(
            "INSERT OR IGNORE INTO leaf (id, number, camera, stream, file, start_ns, end_ns, root, bytes) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        self._found.segments += added.rowcount

    def _deleted(self, number: int, told: dict[str, Any]) -> None:
        ids = [(number, UUID(each).bytes) for each in told["segments"]]
        self._table.executemany("UPDATE leaf SET deleted = ? WHERE id = ?", ids)
        if told["count"] and not ids:
            # Its fact was lost with a recorder that was killed; the index tells the span alone.
            span = (told["camera"], told["stream"], from_iso(told["start"]), from_iso(told["end"]), number)
            self._table.execute("INSERT INTO swept VALUES (?, ?, ?, ?, ?)", span)

    # --- the files ---------------------------------------------------------------------------------------------------

    def _files(self) -> Iterator[tuple[Path, Path]]:
        """Yield every segment file with its location; name locations that cannot be looked at."""
        for number, location in sorted(self._places.items(), key=lambda each: str(each[1])):
            try:
                if read_marker(location).location != number:
                    self._say(Against.LOCATION, location, "not compared: another footage directory is mounted here")
                    continue
            except OvertError as error:
                self._say(Against.LOCATION, location, f"not compared: {error}")
                continue
            for folder, folders, files in os.walk(location / SEGMENTS):
                folders.sort()
                for name in sorted(files):
                    if is_segment_name(name) and is_date_folder(Path(folder).name):
                        yield Path(folder, name), location

    def _file(self, path: Path, location: Path) -> None:
        camera, stream = path.relative_to(location / SEGMENTS).parts[:2]
        try:
            walked = walk(path, hashing=True)
            number = None if walked.header is None else walked.header.segment_id.bytes
            size, problem = walked.size, ""
        except (CorruptError, InvalidError) as error:
            walked, number, problem = None, None, str(error)
            size = path.stat().st_size
        except OvertError as error:
            if path.exists():
                self._say(Against.UNREADABLE, path, str(error))
            return
        self._found.files += 1
        self._found.bytes += size
        row = self._table.execute(
            "SELECT id, number, camera, stream, file, start_ns, root, bytes, seen, deleted FROM leaf "
            "WHERE id = ? OR (camera = ? AND stream = ? AND file = ?) ORDER BY file = ? DESC",
            (number or b"", camera, stream, path.name, path.name),
        ).fetchone()
        if row is None:
            self._unknown(path)
            return
        identity, leaf, *place, start_ns, root, told_size, seen, deleted = row
        self._table.execute("UPDATE leaf SET seen = 1 WHERE id = ?", (identity,))
        if deleted is not None and not self._live:
            text = f"leaf {deleted} says that it was deleted, and it is there"
            self._say(Against.STILL_THERE, path, text, start_ns, deleted)
        if seen:
            self._say(Against.WITHOUT_LEAF, path, f"a second file of the segment of leaf {leaf}", start_ns, leaf)
            return
        why = problem or _difference(walked, identity, (camera, stream, path.name), tuple(place), root, told_size, size)
        if why:
            text = f"{why}: it is not what was stored (leaf {leaf}, {camera}/{stream} from {to_iso(start_ns)})"
            self._say(Against.ALTERED, path, text, start_ns, leaf)

    def _unknown(self, path: Path) -> None:
        try:
            start_ns = start_of_name(path.name)
        except InvalidError:
            start_ns = 0
        if self._live and start_ns > self._now_ns - YOUNG_NS:
            self._found.young += 1
            return
        text = "no leaf is about this file: it was put there, or the ledger was not kept when it was recorded"
        self._say(Against.WITHOUT_LEAF, path, text, start_ns)

    def _missing(self) -> None:
        self._found.deleted = int(
            self._table.execute("SELECT count(*) FROM leaf WHERE deleted IS NOT NULL").fetchone()[0]
        )
        rows = self._table.execute(
            "SELECT number, camera, stream, file, start_ns, end_ns FROM leaf WHERE NOT seen AND deleted IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM swept s WHERE s.camera = leaf.camera AND s.stream = leaf.stream "
            "AND s.start_ns <= leaf.start_ns AND s.end_ns >= leaf.end_ns AND s.number > leaf.number)"
        )
        more = "; a recorder is running: if it was being deleted, another look will show its leaf" if self._live else ""
        for number, camera, stream, file, start_ns, end_ns in rows:
            text = (
                f"stored by leaf {number} ({to_iso(start_ns)} to {to_iso(end_ns)}), and it is gone; no leaf says that "
                f"it was deleted{more}"
            )
            self._say(Against.MISSING, f"{camera}/{stream}/{file}", text, start_ns, number)


def _difference(
    walked: SegmentWalk | None,
    identity: bytes,
    place: tuple[str, ...],
    told_place: tuple[str, ...],
    root: str,
    told_size: int,
    size: int,
) -> str:
    """Say how a file differs from its leaf; empty: it does not."""
    if walked is None or walked.header is None or walked.header.segment_id.bytes != identity:
        return "its header is not the one of the segment"
    faults = [finding for finding in walked.findings if finding.kind not in _HARMLESS]
    if faults:
        return faults[0].message
    if size != told_size:
        return f"it has {size} bytes instead of {told_size}"
    if walked.merkle_root is None or walked.merkle_root.hex() != root:
        return "its hashes are sound in themselves, and their Merkle root is another"
    if place != told_place:
        return f"it lies in the place of {'/'.join(place)} instead of {'/'.join(told_place)}"
    return ""


def against_ledger(
    directory: Path,
    reader: LedgerReader,
    places: Mapping[UUID, Path],
    now_ns: int,
    progress: Progress = lambda _done, _total: None,
) -> AgainstLedger:
    """Hold every segment file against its leaf, and every leaf against the files.

    Args:
        directory: the main location.
        reader: of the recorder's ledger, which was verified.
        places: every location by its id, mounted or not.
        now_ns: the present.
        progress: told how far it is.

    Raises:
        CorruptError: a leaf does not say what such a leaf says.
        UnavailableError: the ledger cannot be read.
    """
    return _Comparison(directory, reader, places, now_ns).run(progress)

"""Files and index held against each other: every difference named, and repaired where the truth is known.

Files are right about footage, the journal about gaps, holds and deletions, keys.sqlite about keys; the index is made
from them. A comparison that is not `deep` reads no closed file: folders are listed and sizes compared, which is done at
every start. A deep one reads every byte and recomputes every SHA-256 and Merkle root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.clock import SystemClock
from overt.errors import ConflictError, CorruptError, InvalidError, MissingError, OvertError, UnavailableError
from overt.footage import journal
from overt.footage.comparer import Comparer, Progress
from overt.footage.differences import Comparison, Difference, DifferenceKind
from overt.footage.gaps import Gap
from overt.footage.index import Index
from overt.footage.index_connection import IndexDamagedError
from overt.footage.layout import INDEX, JOURNAL, LOCKS
from overt.footage.locks import StoreLocks, is_locked
from overt.footage.marker import Marker, read_marker
from overt.footage.options import SECOND
from overt.footage.rows import Deletion, Hold

__all__ = [
    "Comparison",
    "Difference",
    "DifferenceKind",
    "Progress",
    "rebuild_if_damaged",
    "reconcile",
    "reconcile_open",
]


ALWAYS_NS: Final = 2**62
_IMPOSSIBLE: Final = (CorruptError, InvalidError, ValueError, TypeError, OverflowError)
"""What reading a row raises in which a bit was flipped."""


def rebuild_if_damaged(directory: Path, utc_ns: int, *, damaged: bool = False) -> Difference | None:
    """See that there is a usable index: a damaged one is put aside, and a new one begun from the journal.

    Segments' rows follow from the files: by attaching each stream (the newest) and by comparing (all).

    Args:
        directory: the footage directory.
        utc_ns: for the name of what is put aside.
        damaged: it is known to be damaged.

    Raises:
        UnavailableError: if the disk refuses.
    """
    path = directory / INDEX
    # An empty file would pass for a new index, and gaps and holds would be lost with the old one.
    existed = path.exists() and path.stat().st_size > 0
    if existed and not damaged:
        try:
            Index(path, check=True).close()
        except IndexDamagedError as error:
            why = str(error)
        else:
            return None
    else:
        why = f"{path}: {'damaged' if damaged else 'missing'}"
    aside = directory / f"{INDEX}.corrupt-{utc_ns // SECOND}"
    try:
        if existed:
            path.rename(aside)
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                (directory / (INDEX + suffix)).rename(directory / (aside.name + suffix))
    except OSError as error:
        msg = f"{path}: damaged, and cannot be put aside: {error.strerror}"
        raise UnavailableError(msg) from error
    with Index(path) as index:
        _replay(directory, index)
    if not existed and not any((directory / JOURNAL).glob("*.jsonl")):
        return None
    kept = f"; the old one is kept as {aside.name}" if existed else ""
    return Difference(DifferenceKind.INDEX_DAMAGED, str(path), f"{why}{kept}; rebuilt", repaired=True)


def _replay(directory: Path, index: Index) -> int:
    """Bring the journal's rows into an empty index; returns how many lines cannot be read."""
    broken = 0
    with index.transaction():
        for entry in journal.replay(directory / JOURNAL):
            match entry:
                case None:
                    broken += 1
                case Gap():
                    index.put_gap(entry)
                case Hold():
                    index.put_hold(entry)
                case Deletion():
                    index.put_deletion(entry)
                case journal.LiftedHold():
                    index.drop_hold(entry.hold_id)
    return broken


def reconcile(
    directory: Path,
    *,
    locations: Sequence[Path] = (),
    repair: bool = False,
    deep: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Hold index and files of a footage directory against each other.

    Args:
        directory: the main location.
        locations: further ones; those that the index knows are found without being named, mounted or not.
        repair: put right what can be; takes the recorder's lock.
        deep: read every byte.
        progress: told how far it is.

    Raises:
        MissingError: if it is no footage directory, or one of `locations` is none and the index does not know it.
        ConflictError: if one of `locations` is another store's; if it is to be repaired while a recorder writes to it.
        CorruptError: if a marker cannot be understood.
    """
    main = read_marker(directory)
    places = {main.location: directory, **_named(directory, main, locations)}
    locks = StoreLocks(directory, shared=False) if repair else None
    try:
        try:
            return _compared(directory, places, progress, repair=repair, deep=deep, damage="")
        except _IMPOSSIBLE as error:
            # Its pages passed the check, and yet a query failed, or a row says what cannot be: a flipped bit in it.
            damage = str(error) if isinstance(error, CorruptError) else f"a row cannot be understood ({error})"
            return _compared(directory, places, progress, repair=repair, deep=deep, damage=damage)
    finally:
        if locks is not None:
            locks.release()


def _named(directory: Path, main: Marker, locations: Sequence[Path]) -> dict[UUID, Path]:
    """Return the locations that were named, by id; those that the index knows and that are not mounted are left to it.

    One that is mistyped must not pass for compared: what lies on it would be taken for missing.
    """
    known: set[Path] = set()
    # Without an index there is nothing to know.
    with suppress(OvertError, OSError), Index(directory / INDEX, write=False) as index:
        known = {path.absolute() for path in index.locations().values()}
    named: dict[UUID, Path] = {}
    for path in locations:
        try:
            marker = read_marker(path)
        except (MissingError, CorruptError):
            if path.absolute() in known:
                continue
            raise
        if marker.store != main.store:
            msg = f"{path} is a storage location of another footage directory, not of {directory}: nothing was compared"
            raise ConflictError(msg)
        named[marker.location] = path
    return named


def _compared(
    directory: Path, places: dict[UUID, Path], progress: Progress | None, *, repair: bool, deep: bool, damage: str
) -> Comparison:
    """Compare once; `damage` says what is wrong with the index, if that is known."""
    result, now_ns = Comparison(), SystemClock().utc_ns()
    index = _index_for(directory, result, now_ns, repair=repair, damage=damage)
    try:
        if deep and index is not None and (found := index.query("PRAGMA integrity_check(1)")[0][0]) != "ok":
            msg = f"{directory / INDEX}: damaged: {found}"
            raise CorruptError(msg)
        if repair and index is not None:
            for location_id, path in places.items():
                # An index that is new does not know where they are mounted.
                index.put_location(location_id, path)
        known = index.locations() if index is not None else {}
        live = not repair and is_locked(directory / LOCKS / "recorder.lock")
        Comparer(directory, {**known, **places}, index, result, now_ns, repair=repair, deep=deep, live=live).run(
            progress, lambda: False
        )
        if index is not None and not live:
            _compare_journal(directory, index, result, repair=repair)
    finally:
        if index is not None:
            index.close()
    return result


def _compare_journal(directory: Path, index: Index, result: Comparison, *, repair: bool) -> None:
    """Hold gaps, holds and deletions in the index against the journal, which is right about them."""
    told: dict[UUID, Gap | Hold | Deletion] = {}
    for entry in journal.replay(directory / JOURNAL):
        match entry:
            case Gap() if entry.end_ns is not None and entry.end_ns <= entry.start_ns:
                told.pop(entry.gap_id, None)
            case Gap():
                told[entry.gap_id] = entry
            case Hold():
                told[entry.hold_id] = entry
            case Deletion():
                told[entry.deletion_id] = entry
            case journal.LiftedHold():
                told.pop(entry.hold_id, None)
    known: dict[UUID, Gap | Hold | Deletion] = {hold.hold_id: hold for hold in index.holds()}
    for key in index.streams():
        known |= {gap.gap_id: gap for gap in index.gaps(key, -ALWAYS_NS, ALWAYS_NS)}
        known |= {each.deletion_id: each for each in index.deletions(key, -ALWAYS_NS, ALWAYS_NS)}
    for number, row in told.items():
        before = known.get(number)
        if before == row or (before is None and isinstance(row, Deletion)):
            # A deletion that a kill cut short stands twice in the journal, once of it in the index.
            continue
        if repair:
            _put(index, row)
        detail = f"{type(row).__name__.lower()} {number} is not as the journal has it"
        stream = None if isinstance(row, Hold) else row.key
        result.differences.append(Difference(DifferenceKind.ROW, str(directory / INDEX), detail, repair, stream))


def _put(index: Index, row: Gap | Hold | Deletion) -> None:
    """Bring one row of the journal into the index."""
    match row:
        case Gap():
            index.put_gap(row)
        case Hold():
            index.put_hold(row)
        case Deletion():
            index.put_deletion(row)


def _index_for(directory: Path, result: Comparison, now_ns: int, *, repair: bool, damage: str) -> Index | None:
    """Open the index for a comparison, a new one if it is damaged and may be repaired; None if there is none to use."""
    path = directory / INDEX
    if repair:
        rebuilt = rebuild_if_damaged(directory, now_ns, damaged=bool(damage))
        result.differences += [rebuilt] if rebuilt else []
        return Index(path)
    if damage:
        result.differences.append(Difference(DifferenceKind.INDEX_DAMAGED, str(path), damage))
        return None
    if not path.exists():
        result.differences.append(Difference(DifferenceKind.INDEX_DAMAGED, str(path), "missing"))
        return None
    try:
        return Index(path, write=False, check=True)
    except CorruptError as error:
        result.differences.append(Difference(DifferenceKind.INDEX_DAMAGED, str(path), str(error)))
        return None


def reconcile_open(
    directory: Path, locations: dict[UUID, Path], now_ns: int, cancelled: Callable[[], bool]
) -> Comparison:
    """Compare and repair while this recorder runs, leaving alone what is younger than `YOUNG_NS` or being written.

    Raises:
        CorruptError: if the index proves damaged.
    """
    result = Comparison()
    with Index(directory / INDEX, create=False) as index:
        Comparer(directory, locations, index, result, now_ns, repair=True, deep=False, live=True).run(None, cancelled)
    return result

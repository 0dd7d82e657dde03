"""Deleting footage so that it stays deleted, in steps of which any may be the last before a crash.

1. the rows are marked (one transaction, which passes over what a hold names by then);
2. files are unlinked and their directories flushed;
3. wrapped keys of periods that no remaining segment uses are destroyed, where the index is sure to know them all;
4. rows go, and a row of the deletion is kept (one transaction), and in the journal.

A run that was cut short is finished by the next one, which begins with the rows that are marked. A location that is
not there delays step 2 for its files only; their keys are destroyed all the same, which makes them unreadable wherever
they are. A key of which the index may not know every segment (it was rebuilt, or has not been compared with the files
yet) is left to `sweep`, which destroys it when nothing that it can have sealed may be kept any longer.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.contract.fact import DeletionReason, FactData, FootageDeleted
from overt.errors import OvertError
from overt.footage import journal
from overt.footage.index import Index
from overt.footage.keystore import KeyStore, StoredKey
from overt.footage.layout import JOURNAL, KEYS, SEGMENTS
from overt.footage.marker import read_marker, sync_directory
from overt.footage.options import HOUR, RetentionPolicy
from overt.footage.retention import Expired, age_limit
from overt.footage.rows import Deletion, SegmentRow
from overt.ids import StreamKey, new_id

BATCH: Final = 500
"""Segments that are deleted in one go."""
IN_USE_NS: Final = 3 * HOUR
"""A period younger than this may still seal footage: its wrap stays until it is older."""
_logger = logging.getLogger(__name__)

Announce = Callable[[FactData, StreamKey | None], None]


class Deleter:
    """Carries deletions out for one store. Used by one thread."""

    def __init__(
        self,
        directory: Path,
        locations: dict[UUID, Path],
        index: Index,
        announce: Announce,
        *,
        counted_ns: int | None = None,
        compared: bool = True,
    ) -> None:
        """Take what is deleted from, and who is told.

        Args:
            directory: the store's main directory.
            locations: where its locations are.
            index: open for writing.
            announce: told of each deletion.
            counted_ns: the present for counting the age of keys, where the wall clock is doubted.
            compared: the index was held against the files in this run, so that it knows every file that is there.
        """
        self._directory = directory
        self._locations = locations
        self._index = index
        self._announce = announce
        self._counted_ns = counted_ns
        self._compared = compared

    def delete(self, expired: Sequence[Expired], now_ns: int) -> int:
        """Delete segments; returns how many were marked. What a hold names by now is passed over.

        Raises:
            UnavailableError, CorruptError: if index or keys cannot be used; what was begun is finished next time.
        """
        marked = 0
        for at in range(0, len(expired), BATCH):
            batch = expired[at : at + BATCH]
            marked += self._index.mark_deleting([(each.row.segment_id, each.reason) for each in batch])
            self.finish(now_ns)
        return marked

    def finish(self, now_ns: int) -> None:
        """Carry out what is marked, by this run or by one that was cut short."""
        there = [place for place, path in self._locations.items() if self._is_there(path, place)]
        marked = self._index.deleting(there, 2 * BATCH)
        gone = self._unlink([row for row, _ in marked])
        periods = self._destroy(now_ns)
        self._forget([(row, reason) for row, reason in marked if row.segment_id in gone], periods, now_ns)

    def sweep(self, policies: Mapping[str, RetentionPolicy], now_ns: int) -> tuple[UUID, ...]:
        """Destroy wraps of which the index knows no segment, once all that they can have sealed is past its retention.

        The index's silence is no proof: it may have been rebuilt while a disk was away, restored from a backup, or a
        folder may have been moved for an afternoon. So age alone decides, and a hold. Of cameras without a limit in
        days nothing is destroyed here.
        """
        due: list[StoredKey] = []
        with KeyStore(self._directory / KEYS, create=False) as keys:
            for stored in keys.listing():
                policy = policies.get(stored.key.camera)
                limit = None if policy is None else age_limit(policy, self._age(now_ns))
                last_ns = max(stored.start_ns, stored.created_ns) + IN_USE_NS
                if limit is None or last_ns >= limit or self._index.period_is_kept(stored.period_id):
                    continue
                if not any(
                    hold.start_ns < last_ns and hold.end_ns > stored.start_ns
                    for hold in self._index.holds(stored.key.camera)
                ):
                    due.append(stored)
            gone = set(keys.destroy([stored.period_id for stored in due]))
        identity = self._index.identity()
        # A key that this index saw made, and no footage of, sealed nothing worth a word.
        told = [stored for stored in due if stored.period_id in gone and stored.index_id != identity]
        self._tell({_of_key(stored, now_ns): () for stored in told}, now_ns)
        return tuple(gone)

    def _age(self, now_ns: int) -> int:
        """Return the present for counting age."""
        return now_ns if self._counted_ns is None else self._counted_ns

    def _unlink(self, rows: list[SegmentRow]) -> set[UUID]:
        """Unlink files and flush their directories; returns the segments whose file is gone for good."""
        gone: set[UUID] = set()
        by_folder: dict[Path, list[UUID]] = defaultdict(list)
        for row in rows:
            path = row.path(self._locations[row.location_id])
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                _logger.error("%s: cannot be deleted: %s", path, error.strerror)
                continue
            by_folder[path.parent].append(row.segment_id)
        for folder, ids in by_folder.items():
            try:
                if folder.is_dir():
                    sync_directory(folder)
                    self._remove_empty(folder)
            except OSError as error:
                _logger.error("%s: cannot be flushed: %s", folder, error.strerror)
                continue
            gone.update(ids)
        return gone

    @staticmethod
    def _is_there(location: Path, location_id: UUID) -> bool:
        """True if the right disk is mounted: a file missing on a wrong one is not deleted."""
        try:
            return read_marker(location).location == location_id
        except OvertError:
            return False

    @staticmethod
    def _remove_empty(folder: Path) -> None:
        """Remove a day's folder when it is empty, but never one that a writer may be about to fill."""
        newest = max((each.name for each in folder.parent.iterdir()), default="")
        if folder.name != newest and folder.parent.parent.parent.name == SEGMENTS:
            with suppress(OSError):
                folder.rmdir()

    def _destroy(self, now_ns: int) -> set[UUID]:
        """Destroy the wraps of periods that no remaining segment uses.

        Left to `sweep` are those that may be in use, and those of which segments may lie where the index never looked.

        Returns the periods whose wraps are gone, by this run or by one that was cut short before it could say so.
        """
        unused = self._index.deleting_periods()
        if not unused:
            return set()
        with KeyStore(self._directory / KEYS, create=False) as keys:
            made = keys.created()
            known = keys.known_to(self._index.identity()) if self._compared else {}
            old = [period for period in unused if period in known and known[period] < self._age(now_ns) - IN_USE_NS]
            if old:
                keys.destroy(old)
        return {period for period in unused if period in old or period not in made}

    def _forget(self, rows: list[tuple[SegmentRow, DeletionReason]], periods: set[UUID], now_ns: int) -> None:
        """Drop the rows, and keep and tell what was deleted and why."""
        if not rows:
            return
        groups: dict[tuple[StreamKey, DeletionReason], list[SegmentRow]] = defaultdict(list)
        for row, reason in rows:
            groups[row.key, reason].append(row)
        deletions = {
            Deletion(
                deletion_id=new_id(),
                time_ns=now_ns,
                reason=reason,
                key=key,
                start_ns=min(row.start_ns for row in group),
                end_ns=max(row.end_ns for row in group),
                segments=len(group),
                bytes=sum(row.size for row in group),
                periods=tuple(sorted({row.period_id for row in group} & periods)),
            ): tuple(row.segment_id for row in group)
            for (key, reason), group in groups.items()
        }
        self._tell(deletions, now_ns)

    def _tell(self, deletions: Mapping[Deletion, Sequence[UUID]], now_ns: int) -> None:
        """Keep what was deleted, each with its segments, in journal and index, drop their rows, and announce it."""
        if not deletions:
            return
        try:
            journal.append(self._directory / JOURNAL, list(deletions), now_ns)
        except OSError as error:
            _logger.error("%s: the journal cannot be written: %s", self._directory, error.strerror)
        with self._index.transaction():
            for deletion, segments in deletions.items():
                self._index.drop_segments(segments)
                self._index.put_deletion(deletion)
        for each, segments in deletions.items():
            fact = FootageDeleted(
                reason=each.reason,
                segments=each.segments,
                bytes=each.bytes,
                start_ns=each.start_ns,
                end_ns=each.end_ns,
                periods=tuple(str(period) for period in each.periods),
                deletion=each.deletion_id,
                segment_ids=tuple(str(segment) for segment in segments),
            )
            self._announce(fact, each.key)


def _of_key(stored: StoredKey, now_ns: int) -> Deletion:
    """Return the deletion of a key alone: its footage, if there was any, lies where nobody can reach it."""
    end_ns = stored.start_ns + HOUR
    return Deletion(new_id(), now_ns, "days", stored.key, stored.start_ns, end_ns, 0, 0, (stored.period_id,))

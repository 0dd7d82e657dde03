"""The thread that enforces retention, and makes room on a full disk where the policy allows it.

It runs in the recorder's first process, once a minute, and begins when it has been told what is assigned. The wall
clock decides what is old, as far as it is believed (`overt.footage.retention_clock`).
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.clock import Clock
from overt.contract.fact import FactData
from overt.errors import OvertError, UnavailableError
from overt.footage import journal
from overt.footage.deletion import Deleter
from overt.footage.index import Index
from overt.footage.index_connection import IndexDamagedError
from overt.footage.layout import INDEX, JOURNAL
from overt.footage.locations import Location
from overt.footage.options import RetentionPolicy, StoreOptions
from overt.footage.retention import DAY_NS, Expired, age_limit, plan, plan_space
from overt.footage.retention_clock import RetentionClock
from overt.footage.retention_memory import remember, remembered
from overt.footage.rows import Hold, SegmentRow
from overt.ids import StreamKey

PAGE: Final = 2000
"""Rows that are looked at, of one camera, in one round."""
SWEEP_ROUNDS: Final = 60
"""Every so many rounds wraps that nothing was sealed with are destroyed."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptFootage:
    """Footage of a camera that is not assigned any more."""

    camera: str
    policy: RetentionPolicy | None
    """How long it may be kept, as was last said of the camera; None: nobody ever said, and it is kept."""
    bytes: int
    start_ns: int
    end_ns: int


class RetentionThread:
    """Enforces retention on one footage directory."""

    def __init__(
        self,
        directory: Path,
        paths: dict[UUID, Path],
        options: StoreOptions,
        clock: Clock,
        announce: Callable[[FactData, StreamKey | None], None],
        *,
        locations: Sequence[Location] = (),
        heal: Callable[[bool], None] = lambda _: None,
        compared: threading.Event | None = None,
    ) -> None:
        """Take the store and who is told of deletions.

        Args:
            directory: the main location.
            paths: where every location is.
            options: bounds and intervals.
            clock: the machine's clocks.
            announce: told of each deletion.
            locations: those whose space is watched.
            heal: makes a missing or damaged index again.
            compared: set once the index has been held against the files; None: it need not be.
        """
        self._directory = directory
        self._paths = paths
        self._options = options
        self._wall = clock
        self._clock = RetentionClock(directory, clock, options)
        self._announce = announce
        self._locations = locations
        self._heal = heal
        self._compared = compared
        self._policies: dict[str, RetentionPolicy] = {}
        """Of every camera that was ever assigned, as far as is known."""
        self._assigned: dict[str, RetentionPolicy] | None = None
        """Of those that are assigned; None until that was said."""
        self._began = False
        self.unassigned: tuple[KeptFootage, ...] = ()
        """As the last round found it."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = self._damaged = False
        self.rounds = 0
        self.trouble: str | None = None
        """Why nothing can be deleted at present; None if it can."""
        self._memory_trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="footage-retention", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End the thread after the batch at hand; False if it did not end in time."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def wake(self) -> None:
        """Look now: a disk's state changed."""
        if self._options.on_full == "delete-oldest":
            self._wake.set()

    @property
    def troubles(self) -> tuple[str, ...]:
        """Sentences about what is kept longer than it should be, and why."""
        unlimited = (
            f"Footage of camera {kept.camera} is kept without limit: the camera is not assigned, and nobody said how "
            "long it may be kept. Assign it once, or delete its files."
            for kept in self.unassigned
            if kept.policy is None
        )
        own = (self.trouble, self._memory_trouble, self._doubt())
        return (*(trouble for trouble in own if trouble is not None), *unlimited)

    def _doubt(self) -> str | None:
        """Return what is to be said of a clock that is not believed."""
        days = self._clock.doubted_ns / DAY_NS
        if days < 1:
            return None
        left = self._clock.left_ns / DAY_NS
        return (
            f"The clock is {days:.1f} days further on than this recorder was running: it was switched off, or its date "
            f"is wrong. Footage is counted that much younger for {left:.1f} more days: check the date."
        )

    def set_policies(self, policies: dict[str, RetentionPolicy]) -> None:
        """Say which cameras are assigned and how long their footage is kept; of others the last word holds. Any thread.

        Deletion begins with the first call.
        """
        with self._lock:
            self._assigned = dict(policies)
            self._remember()
        self._wake.set()

    def _remember(self) -> None:
        """Join what is assigned with what is remembered, and write it down (with the lock)."""
        self._policies |= self._assigned or {}
        try:
            known = remembered(self._directory)
            self._policies = {**known, **self._policies}
            if self._policies != known:
                remember(self._directory, self._policies)
            self._memory_trouble = None
        except OvertError as error:
            self._memory_trouble = f"Retention cannot be remembered: {error}"

    def set_holds(self, camera: str, holds: Sequence[Hold]) -> None:
        """Replace the holds of a camera, in index and journal; any thread.

        Raises:
            UnavailableError: if index or journal cannot be written.
        """
        with self._lock, Index(self._directory / INDEX, create=False) as index:
            wanted = {hold.hold_id: hold for hold in holds}
            before = {hold.hold_id: hold for hold in index.holds(camera)}
            lines: list[journal.Entry] = [hold for i, hold in wanted.items() if before.get(i) != hold]
            lines += [journal.LiftedHold(i) for i in before if i not in wanted]
            try:
                journal.append(self._directory / JOURNAL, lines, self._wall.utc_ns())
            except OSError as error:
                msg = f"{self._directory / JOURNAL}: the hold cannot be written: {error.strerror or error}"
                raise UnavailableError(msg) from error
            with index.transaction():
                for hold_id in before:
                    if hold_id not in wanted:
                        index.drop_hold(hold_id)
                for hold in wanted.values():
                    index.put_hold(hold)

    def _run(self) -> None:
        """Do a round a minute, or when woken."""
        while not self._stopping:
            self._wake.wait(self._options.retention_interval_s)
            self._wake.clear()
            if self._stopping:
                return
            try:
                self._heal(self._damaged)
                self._damaged = False
                with Index(self._directory / INDEX, create=False) as index:
                    self.round(index)
                self.trouble = None
            except (OvertError, OSError) as error:
                self._damaged = isinstance(error, IndexDamagedError)
                self._troubled(str(error))
            except Exception as error:
                _logger.exception("retention failed")
                self._troubled(f"{type(error).__name__}: {error}")
            self.rounds += 1

    def _troubled(self, why: str) -> None:
        """Remember why nothing can be deleted, and log it once."""
        if why != self.trouble:
            _logger.warning("retention cannot be enforced now: %s", why)
        self.trouble = why

    def round(self, index: Index) -> int:
        """Finish what was begun, delete what has expired, make room; returns how many segments went.

        Raises:
            UnavailableError, CorruptError: if index or keys cannot be used; the next round goes on.
        """
        if not self._began:
            self._clock.begin(index.newest_end())
            self._began = True
        now_ns, counted_ns = self._wall.utc_ns(), self._clock.now_ns()
        compared = self._compared is None or self._compared.is_set()
        places, announce = self._paths, self._announce
        deleter = Deleter(
            self._directory, places, index, announce, counted_ns=min(now_ns, counted_ns), compared=compared
        )
        deleter.finish(now_ns)
        with self._lock:
            if self._memory_trouble is not None:
                self._remember()
            policies, assigned = dict(self._policies), self._assigned
        if assigned is None:
            return 0
        deleted = 0
        streams: dict[str, list[StreamKey]] = defaultdict(list)
        for key in index.streams():
            streams[key.camera].append(key)
        sums = index.sums() if any(policy.bytes is not None for policy in policies.values()) else {}
        for camera, keys in streams.items():
            policy = policies.get(camera)
            while policy is not None and not self._stopping:
                total = sum(sums.get(key, (0, 0))[1] for key in keys)
                expired = self._expired(index, keys, policy, total, counted_ns)
                marked = deleter.delete(expired, now_ns)
                deleted += marked
                if marked < PAGE:
                    break
                sums = index.sums()
        deleted += self._make_room(index, deleter, [key for keys in streams.values() for key in keys], now_ns)
        if self.rounds % SWEEP_ROUNDS == 0:
            deleter.sweep(policies, now_ns)
        left = (self._left(index, camera, streams[camera], policies) for camera in streams if camera not in assigned)
        self.unassigned = tuple(kept for kept in left if kept is not None)
        self._clock.keep()
        return deleted

    @staticmethod
    def _left(
        index: Index, camera: str, keys: list[StreamKey], policies: dict[str, RetentionPolicy]
    ) -> KeptFootage | None:
        """Return what there is of a camera that is not assigned any more."""
        parts = [extent for key in keys if (extent := index.extent(key))[0]]
        if not parts:
            return None
        size, start_ns, end_ns = sum(p[0] for p in parts), min(p[1] for p in parts), max(p[2] for p in parts)
        return KeptFootage(camera, policies.get(camera), size, start_ns, end_ns)

    def _expired(
        self, index: Index, keys: Iterable[StreamKey], policy: RetentionPolicy, total: int, now_ns: int
    ) -> list[Expired]:
        """Return what has expired of one camera, a page of it."""
        limit = age_limit(policy, now_ns)
        if policy.bytes is None or total <= policy.bytes:
            if limit is None:
                return []
            pages = [index.oldest(key, PAGE, before_ns=limit, unheld=True) for key in keys]
        else:
            pages = [index.oldest(key, PAGE, unheld=True) for key in keys]
        rows: list[SegmentRow] = sorted((row for page in pages for row in page), key=lambda row: row.start_ns)
        camera = rows[0].key.camera if rows else ""
        return plan(rows[:PAGE], policy, index.holds(camera), now_ns, total)

    def _make_room(self, index: Index, deleter: Deleter, keys: list[StreamKey], now_ns: int) -> int:
        """Where the policy allows it, delete the oldest footage of locations whose reserve is used up."""
        if self._options.on_full != "delete-oldest":
            return 0
        deleted = 0
        reserve = self._options.min_free_bytes
        for location in self._locations:
            if location.state != "full":
                continue
            missing = reserve + reserve // 4 - location.free
            rows = [
                row
                for key in keys
                for row in index.oldest(key, PAGE, unheld=True)
                if row.location_id == location.marker.location
            ]
            deleted += deleter.delete(plan_space(rows, index.holds(), max(1, missing)), now_ns)
        return deleted

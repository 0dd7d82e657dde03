"""The footage store: fragments go in, never waiting; segments, rows, gaps and facts come out.

Threads of one store: `footage-writer` seals and writes; `footage-disk-*`, one a location, flush and watch the disk;
`footage-index` brings rows into the index; `footage-keys` makes key periods ready; `footage-facts` tells subscribers;
`footage-retention` deletes (in the recorder's first process only). `append`, `append_many` and `interrupted` may be
called from any thread and never wait for a disk. A recorder of several processes opens the directory once plainly, and
in each worker with `shared=True`; each stream is written by one process.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from overt.clock import Clock, SystemClock
from overt.contract.fact import DiskStateChanged, Fact, FootageCompared, GapClosed, GapOpened, SegmentStored
from overt.errors import ConflictError, ForbiddenError, OvertError, UnavailableError
from overt.footage.announcer import Announcer
from overt.footage.gaps import MAX_DETAIL, Gap, GapCause
from overt.footage.index import Index
from overt.footage.index_connection import IndexDamagedError
from overt.footage.index_writer import IndexWriter
from overt.footage.keystore import KeyStore
from overt.footage.layout import INDEX, JOURNAL, KEYS
from overt.footage.locations import Location, LocationStatus
from overt.footage.locks import StoreLocks
from overt.footage.marker import Marker, read_marker
from overt.footage.options import RetentionPolicy, StoreOptions
from overt.footage.periods import PeriodSource
from overt.footage.reconcile import rebuild_if_damaged, reconcile_open
from overt.footage.recovery import recover_stream
from overt.footage.retention_thread import KeptFootage, RetentionThread
from overt.footage.rows import CONDITIONS, Hold, SegmentRow
from overt.footage.segment_writer import SealBuffer
from overt.footage.stream_writer import StreamStatus, StreamWriter, WriterContext
from overt.footage.writer import Writer
from overt.ids import StreamKey
from overt.media.initialisation import initialisation_segment
from overt.media.samples import CodecConfiguration, Fragment
from overt.sealing.ratchet import RingState
from overt.sealing.roles import Recipients

ALIVE_S: Final = 5.0
"""How often a sign of life is left, by which a later start tells when this run ended."""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What is known of a store, for health and metrics."""

    streams: tuple[StreamStatus, ...]
    locations: tuple[LocationStatus, ...]
    queued_bytes: int
    index_waiting: int
    """Rows that the index has not taken yet."""
    index_trouble: str | None
    keys_trouble: str | None
    retention_troubles: tuple[str, ...]
    """Why something is kept longer than it should be."""
    unassigned: tuple[KeptFootage, ...]
    """Footage of cameras that are not assigned any more."""
    facts_dropped: int
    behind: int
    """Streams whose running segment is still sealed to recipients that are not in force any more."""


class FootageStore:
    """An open footage directory that is written to."""

    def __init__(
        self,
        directory: Path,
        recipients: Recipients,
        *,
        initialisation: Callable[[tuple[CodecConfiguration, ...]], bytes] = initialisation_segment,
        locations: Sequence[Path] = (),
        clock: Clock | None = None,
        options: StoreOptions | None = None,
        shared: bool = False,
        stored: Callable[[StreamKey, Fragment], None] | None = None,
    ) -> None:
        """Open a directory that `overt.footage.marker.create_location` has made.

        Args:
            directory: the main location, with index and keys.
            recipients: to whom footage is sealed; of the site that the directory belongs to.
            initialisation: makes `ftyp` and `moov` for tracks.
            locations: further locations of the same store.
            clock: the machine's clocks.
            options: bounds and intervals.
            shared: open as a worker of a recorder that has the directory open.
            stored: told, in the writer thread, of each fragment that the operating system has; must be quick.

        Raises:
            MissingError: if a marker is missing: the disk is not mounted.
            ForbiddenError: if the directory belongs to another site.
            ConflictError: if another recorder writes here, or a location belongs to another store.
        """
        self.directory: Final = directory
        self._clock = clock or SystemClock()
        self._options = options or StoreOptions()
        self.clock_offset_ns = 0
        """Wall clock minus the recorder's line of time; set by capture, kept with each segment."""
        main = read_marker(directory)
        if main.site != recipients.site_id:
            msg = (
                f"{directory} belongs to site {main.site}, the keys given are of site {recipients.site_id} "
                f"({recipients.site}): use that site's keys, or another directory"
            )
            raise ForbiddenError(msg)
        self._marker = main
        self._locks = StoreLocks(directory, shared=shared)
        try:
            self._start(recipients, [directory, *locations], initialisation, stored, shared=shared)
        except BaseException:
            self._locks.release()
            raise

    def _start(
        self,
        recipients: Recipients,
        paths: list[Path],
        initialisation: Callable[[tuple[CodecConfiguration, ...]], bytes],
        stored: Callable[[StreamKey, Fragment], None] | None,
        *,
        shared: bool,
    ) -> None:
        """Open the databases, build the threads and start them."""
        if not shared:
            (self.directory / JOURNAL).mkdir(exist_ok=True)
            rebuild_if_damaged(self.directory, self._clock.utc_ns())
            KeyStore(self.directory / KEYS).close()
        self._closed = False
        self._past: Index | None = None
        self._alive_due = 0.0
        self._compared = threading.Event()
        """The index has been held against the files: it knows every file that is there."""
        self._announcer = Announcer(self._utc_ns, self._watch)
        self._locations = [
            Location(path, marker, self._options, self._disk_changed, self._disk_wakes)
            for path, marker in self._markers(paths)
        ]
        self._paths = {location.marker.location: location.path for location in self._locations}
        self._writer = Writer(self._options, self._attach)
        self._index = IndexWriter(self.directory, self._segment_stored, self._utc_ns, self._paths)
        self._periods = PeriodSource(self.directory / KEYS, recipients, self._writer.take_period, self._utc_ns)
        self._writer.why_waiting = lambda: self._periods.trouble
        self._context = WriterContext(
            site_id=recipients.site_id,
            options=self._options,
            locations=self._locations,
            buffer=SealBuffer(),
            request_period=self._periods.request,
            discard_period=self._periods.discard,
            generation=lambda: self._periods.generation,
            put_segment=self._index.put_segment,
            put_gap=self._put_gap,
            clock_offset_ns=lambda: self.clock_offset_ns,
            utc_ns=self._utc_ns,
            clock=self._clock,
            initialisation=initialisation,
            stored=stored,
        )
        self._retention: RetentionThread | None = None
        if not shared:
            self._retention = RetentionThread(
                self.directory,
                self._paths,
                self._options,
                self._clock,
                self._announcer.announce,
                locations=self._locations,
                heal=self._heal,
                compared=self._compared,
            )
        self._announcer.start()
        for location in self._locations:
            location.start()
        self._index.start()
        self._periods.start()
        self._writer.start()
        self._comparison: threading.Thread | None = None
        if self._retention is not None:
            self._retention.start()
            if not self._options.compare_at_start:
                self._compared.set()
            else:
                self._comparison = threading.Thread(target=self._compare, name="footage-compare", daemon=True)
                self._comparison.start()

    def _markers(self, paths: list[Path]) -> list[tuple[Path, Marker]]:
        """Read every location's marker; one that is not mounted now is known from the index, and waited for."""
        known: dict[Path, UUID] = {}
        with Index(self.directory / INDEX) as index:
            known = {path.absolute(): location_id for location_id, path in index.locations().items()}
            found: list[tuple[Path, Marker]] = []
            for path in paths:
                try:
                    marker = read_marker(path)
                except OvertError:
                    if path.absolute() not in known or path == self.directory:
                        raise
                    marker = Marker(self._marker.site, self._marker.store, known[path.absolute()])
                if marker.store != self._marker.store:
                    msg = f"{path} is a storage location of another footage directory, not of {self.directory}"
                    raise ConflictError(msg)
                index.put_location(marker.location, path)
                found.append((path, marker))
        return found

    # --- what capture calls ------------------------------------------------------------------------------------------

    def append(self, key: StreamKey, session_id: UUID, fragment: Fragment) -> bool:
        """Hand over one fragment; False if it was refused: counted, and a gap opens. Never waits."""
        return self._writer.offer(((key, session_id, fragment),)) == 1

    def append_many(self, fragments: Iterable[tuple[StreamKey, UUID, Fragment]]) -> int:
        """Hand over fragments of any streams, in order; returns how many were taken. Never waits."""
        return self._writer.offer(fragments)

    def interrupted(self, key: StreamKey, cause: GapCause, detail: str, since_ns: int | None = None) -> None:
        """Say why nothing comes. The gap lasts from the last stored fragment to the next one; never waits.

        Args:
            key: the stream.
            cause: why.
            detail: what exactly, for people; cut at `MAX_DETAIL` characters.
            since_ns: when the cause began, where it differs from the one before; or begin of the gap of a stream that
                has no footage at all. None: now.
        """
        self._writer.call(key, lambda stream: stream.interrupted(cause, detail[:MAX_DETAIL], since_ns))

    def attach(self, keys: Iterable[StreamKey], timeout_s: float = 60.0) -> dict[StreamKey, StreamStatus]:
        """Look at what earlier runs left of these streams and make their keys ready, before their first fragment.

        Not required: a stream is attached by its first fragment too, which then waits a little in the queue.

        Raises:
            ConflictError: if another process writes one of the streams.
            UnavailableError: if the disk does not answer within the time.
        """
        wanted = list(dict.fromkeys(keys))
        now = self._utc_ns()
        left = threading.Semaphore(0)
        for key in wanted:
            self._writer.retry(key)

            def ready(stream: StreamWriter) -> None:
                stream.prepare(now)
                left.release()

            self._writer.call(key, ready)
        deadline = time.monotonic() + timeout_s
        result: dict[StreamKey, StreamStatus] = {}
        while len(result) < len(wanted):
            left.acquire(timeout=0.05)
            for entry in self._writer.entries():
                if entry.status.key in wanted and entry.error is not None:
                    raise entry.error
                if entry.status.key in wanted and entry.writer is not None:
                    result[entry.status.key] = entry.status
            if time.monotonic() > deadline:
                msg = f"{self.directory}: the disk has not answered within {timeout_s:g} s"
                raise UnavailableError(msg)
        return result

    def detach(self, key: StreamKey, detail: str = "no longer assigned to be recorded") -> None:
        """Close a stream's segment; from here on it is not recorded, and its gap says so."""
        self._writer.call(key, lambda stream: stream.finish(GapCause.RECORDER, detail))

    def seal_to(self, recipients: Recipients) -> None:
        """Seal to other recipients from now on: each stream begins a new key period, at its next keyframe.

        Where no keyframe comes, within 10 s of footage. No fragment waits for it: until the new key is stored, a stream
        goes on with the period that it has. Never waits; any thread.

        Raises:
            ForbiddenError: if they are another site's; nothing has changed then.
        """
        if recipients.site_id != self._marker.site:
            msg = f"{self.directory}: the keys of {recipients.site} are another site's: seal to those of this site"
            raise ForbiddenError(msg)
        if self._periods.seal_to(recipients):
            now = self._utc_ns()
            for entry in self._writer.entries():
                # One that finds no place in the queue is renewed by its next fragment.
                self._writer.call(entry.status.key, lambda stream: stream.renew(now))

    # --- policy and status -------------------------------------------------------------------------------------------

    def set_retention(self, policies: dict[str, RetentionPolicy]) -> None:
        """Set how long footage of each camera is kept. Takes effect at once; nothing is deleted before the first call.

        Of a camera that is not named any more, what was last said of it goes on to hold, over restarts too. Set the
        holds first: a hold that came too late would find nothing.
        """
        if self._retention is not None:
            self._retention.set_policies(policies)

    def set_holds(self, camera: str, holds: Sequence[Hold]) -> None:
        """Replace the holds of a camera. When this returns, nothing they name is deleted any more.

        Raises:
            UnavailableError: if the index cannot be written now; then the old holds are in force.
        """
        if self._retention is None:
            msg = "holds are set in the recorder's first process"
            raise ConflictError(msg)
        self._retention.set_holds(camera, holds)

    def subscribe(self, subscriber: Callable[[Fact], None]) -> None:
        """Have facts handed to `subscriber`, in a thread of the store that nothing else waits for."""
        self._announcer.subscribe(subscriber)

    def status(self) -> StoreStatus:
        """Return counters and health as they are now."""
        return StoreStatus(
            streams=tuple(entry.status for entry in self._writer.entries()),
            locations=tuple(location.status() for location in self._locations),
            queued_bytes=self._writer.queued_bytes,
            index_waiting=self._index.waiting,
            index_trouble=self._index.trouble,
            keys_trouble=self._periods.trouble,
            retention_troubles=self._retention.troubles if self._retention else (),
            unassigned=self._retention.unassigned if self._retention else (),
            facts_dropped=self._announcer.dropped,
            behind=sum(entry.writer is not None and entry.writer.behind for entry in self._writer.entries()),
        )

    def ring(self, key: StreamKey) -> list[RingState]:
        """Return what opens the last `ring_s` seconds of a stream again, oldest first. Any thread; never waits.

        One state for each segment of this run that began within that time. Whoever holds them can open that footage:
        they go to the media process, over a socket that is private to the recorder's user, and nowhere else.
        """
        entry = self._writer.entry(key)
        if entry is None or entry.writer is None:
            return []
        return entry.writer.ring.states(self._utc_ns())

    def records(self, key: StreamKey) -> bool:
        """Return whether what is handed over of a stream is taken: False while disk or queue refuse it. Any thread."""
        entry = self._writer.entry(key)
        if entry is None:
            return True
        gap = entry.status.gap
        return not entry.refusing and entry.error is None and (gap is None or gap.cause is not GapCause.DISK)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until what was handed over is written, and the rows of closed segments stand in the index."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._writer.drained() and all(not place.status().waiting for place in self._locations):
                return self._index.flush(max(0.0, deadline - time.monotonic()))
            time.sleep(0.005)
        return False

    def close(self, timeout_s: float = 30.0, detail: str = "the recorder was stopped") -> bool:
        """Write what is queued, close the segments, flush, commit, end all threads.

        Returns:
            True if everything was done in time. If not, what could not be done is found at the next start.
        """
        if self._closed:
            return True
        self._closed = True
        deadline = time.monotonic() + timeout_s

        def left() -> float:
            return max(0.1, deadline - time.monotonic())

        clean = True
        if self._retention is not None:
            clean &= self._retention.stop(left())
        written = self._writer.stop(deadline - min(5.0, timeout_s / 2))
        clean &= self._periods.stop(left())
        if written:
            self._periods.destroy(self._writer.finish(GapCause.RECORDER, detail))
            self._forget_past()
        clean &= written
        for location in self._locations:
            clean &= location.stop(left())
        clean &= self._index.stop(left())
        if self._comparison is not None:
            self._comparison.join(left())
        clean &= self._announcer.stop(left())
        self._locks.sign_of_life()
        self._locks.release()
        return clean

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # --- called by the threads ---------------------------------------------------------------------------------------

    def _utc_ns(self) -> int:
        """Return now on the recorder's line of time."""
        return self._clock.utc_ns() - self.clock_offset_ns

    def _attach(self, status: StreamStatus) -> StreamWriter:
        """Build the writing side of a stream from what earlier runs left (writer thread)."""
        key = status.key
        self._locks.stream(key)
        try:
            index = self._index_of_the_past()
            past, rows, gaps = recover_stream(key, self._paths, index, self._utc_ns(), self._locks.alive_ns)
        except BaseException:
            self._locks.drop(key)
            raise
        for row in rows:
            self._index.put_segment(row)
        for gap in gaps:
            self._put_gap(gap)
        return StreamWriter(status, self._context, past)

    def _index_of_the_past(self) -> Index | None:
        """Return the writer thread's connection to the index; None if it cannot be used: files suffice."""
        try:
            if self._past is None:
                self._past = Index(self.directory / INDEX, create=False)
            else:
                self._past.refresh()
        except (OvertError, OSError):
            # The index thread reports what is wrong with it.
            self._forget_past()
        return self._past

    def _forget_past(self) -> None:
        """Close the writer thread's connection to the index."""
        if self._past is not None:
            self._past.close()
            self._past = None

    def _put_gap(self, gap: Gap) -> None:
        """Store a gap's row and announce it (writer thread)."""
        self._index.put_gap(gap)
        if gap.end_ns is None:
            self._announcer.announce(GapOpened(gap.cause.fact, gap.detail, gap.start_ns, gap.gap_id), gap.key)
        else:
            closed = GapClosed(gap.cause.fact, gap.detail, gap.start_ns, gap.end_ns, gap.gap_id)
            self._announcer.announce(closed, gap.key)

    def _segment_stored(self, row: SegmentRow) -> None:
        """Announce a segment that is complete and in the index (index thread)."""
        self._announcer.announce(
            SegmentStored(
                segment=row.segment_id,
                start_ns=row.start_ns,
                end_ns=row.end_ns,
                bytes=row.size,
                fragments=row.fragments,
                frames=row.samples,
                damaged_frames=row.damaged_samples,
                lost_packets=row.lost_packets,
                file=row.name,
                condition=CONDITIONS[row.state],
                root=row.merkle_root.hex(),
                period=row.period_id,
            ),
            row.key,
        )

    def _disk_changed(self, change: DiskStateChanged) -> None:
        """Announce a location's new state (any thread)."""
        self._announcer.announce(change)

    def _disk_wakes(self) -> None:
        """A location became usable or ceased to be (any thread)."""
        if self._retention is not None:
            self._retention.wake()

    def _watch(self) -> None:
        """Look for disks that hang, forget old keys of the ring, leave a sign of life (facts thread)."""
        for location in self._locations:
            location.check_slow()
        now_ns = self._utc_ns()
        for entry in self._writer.entries():
            if entry.writer is not None:
                entry.writer.ring.forget(now_ns)
        if time.monotonic() >= self._alive_due:
            self._alive_due = time.monotonic() + ALIVE_S
            self._locks.sign_of_life()

    def _heal(self, damaged: bool) -> None:
        """Make the index again if it is damaged or gone, though its disk is there (retention thread)."""
        missing = not (self.directory / INDEX).exists() and read_marker(self.directory) == self._marker
        if missing or damaged or self._index.damaged:
            rebuild_if_damaged(self.directory, self._utc_ns(), damaged=True)
            reconcile_open(self.directory, self._paths, self._utc_ns(), lambda: self._closed)

    def _compare(self) -> None:
        """Hold files against rows once, in the background; rebuild the index if it proves damaged."""
        try:
            found = reconcile_open(self.directory, self._paths, self._utc_ns(), lambda: self._closed)
        except IndexDamagedError:
            rebuild_if_damaged(self.directory, self._utc_ns(), damaged=True)
            found = reconcile_open(self.directory, self._paths, self._utc_ns(), lambda: self._closed)
        if not self._closed:
            self._compared.set()
            counts = Counter(each.kind.value for each in found.differences)
            told = tuple(f"{kind} {count}" for kind, count in sorted(counts.items()))
            self._announcer.announce(FootageCompared(found.files, found.rows, told))

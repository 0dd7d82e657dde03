"""What is written of one stream: where a segment begins and ends, which key seals it, and what is missing.

Owned by the writer thread, which calls every method. A fragment that cannot be written at one location is written at
the next; only when none takes it is it lost, and that is a gap.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from overt.clock import Clock
from overt.errors import ConflictError, UnavailableError
from overt.footage.eras import Eras
from overt.footage.faults import error_number
from overt.footage.format import NO_ID, UNKNOWN, SegmentHeader, decode_table
from overt.footage.fragment_table import pack_table
from overt.footage.gaps import Gap, GapCause, GapTracker
from overt.footage.layout import segment_folder, segment_name
from overt.footage.locations import Location, OpenFile, choose
from overt.footage.options import HOUR, SECOND, StoreOptions
from overt.footage.periods import ReadyPeriod
from overt.footage.ring import Ring
from overt.footage.rows import SegmentRow, SegmentState
from overt.footage.segment_writer import SealBuffer, SegmentSummary, SegmentWriter
from overt.ids import StreamKey, new_id
from overt.media.samples import CodecConfiguration, Fragment
from overt.sealing.ratchet import MAX_MESSAGES

MIN_TOLERANCE_NS: Final = 50_000_000
"""Fragments may meet within this, or one and a half frames: the last frame's duration is an estimate."""
UNFLAGGED_HOLE_NS: Final = SECOND // 2
"""Missing time inside a session that is a gap although the fragment is not marked as a discontinuity."""
RENEWAL_S: Final = 10.0
"""When the site's public keys change, a segment ends after this time even where no keyframe comes."""
NO_REASON: Final = "no footage came, and nobody said why"


@dataclass(slots=True)
class StreamStatus:
    """Counters of one stream, for health and metrics. Written by the writer thread, read by any."""

    key: StreamKey
    bytes: int = 0
    fragments: int = 0
    refused: int = 0
    """Fragments that were not stored: queue full, disk failed."""
    misplaced: int = 0
    """Fragments that lay where footage is stored already, and were not stored."""
    last_end_ns: int | None = None
    """End of the last stored fragment, of this run or of an earlier one."""
    queued_bytes: int = 0
    gap: Gap | None = None
    waiting_for_key: bool = False


@dataclass(frozen=True, slots=True)
class StreamPast:
    """What earlier runs left of a stream."""

    eras: Eras
    frontier_ns: int | None = None
    """End of the newest footage; None: there is none."""
    gap: Gap | None = None
    """The gap that lasts since."""


@dataclass(frozen=True, slots=True)
class WriterContext:
    """What all streams of a store share."""

    site_id: UUID
    options: StoreOptions
    locations: list[Location]
    buffer: SealBuffer
    request_period: Callable[[StreamKey, int], None]
    discard_period: Callable[[UUID], None]
    """Destroys the wrap of a period that has sealed nothing."""
    generation: Callable[[], int]
    """Number of the recipients in force; a period of another number is not gone on with."""
    put_segment: Callable[[SegmentRow], None]
    put_gap: Callable[[Gap], None]
    clock_offset_ns: Callable[[], int]
    utc_ns: Callable[[], int]
    clock: Clock
    initialisation: Callable[[tuple[CodecConfiguration, ...]], bytes]
    """Makes `ftyp` and `moov` for a segment's tracks."""
    stored: Callable[[StreamKey, Fragment], None] | None
    """Told of each fragment that the operating system has: what a kill of the recorder can no longer take."""


@dataclass(slots=True, eq=False)
class _Running:
    """The segment that is being written."""

    writer: SegmentWriter
    location: Location
    file: OpenFile
    row: SegmentRow
    session_id: UUID
    tracks: tuple[CodecConfiguration, ...]
    mark: int
    """Which interval of the raster of segments its start lies in."""
    camera_offset_ns: int | None = None


class StreamWriter:
    """The writing side of one stream."""

    def __init__(self, status: StreamStatus, context: WriterContext, past: StreamPast) -> None:
        """Go on where an earlier run ended; `status` is kept up to date from here on."""
        self.key: Final = status.key
        self.status: Final = status
        status.last_end_ns, status.gap = past.frontier_ns, past.gap
        self.ring: Final = Ring(context.clock, context.options.ring_s)
        """What opens the last minutes again; any thread may read it."""
        self._context = context
        self._eras = past.eras
        self._gaps = GapTracker(status.key, past.gap)
        self._running: _Running | None = None
        self._period: ReadyPeriod | None = None
        self._next_period: ReadyPeriod | None = None
        self._asked = False
        self._renewal_ns: int | None = None
        """Since when a period under new recipients waits for the end of the segment."""
        self._previous_id = NO_ID
        self._frame_ns = 0
        share = int.from_bytes(hashlib.sha256(str(status.key).encode()).digest()[:4]) / 2**32
        self._segment_ns = max(1, int(context.options.segment_s * SECOND))
        self._phase_ns = int(share * self._segment_ns)

    # --- key periods -------------------------------------------------------------------------------------------------

    def prepare(self, at_ns: int) -> None:
        """Ask for a key period now, so that the first fragment need not wait for it."""
        if not self._asked and self._next_period is None:
            self._asked = True
            self._context.request_period(self.key, at_ns)

    def take_period(self, ready: ReadyPeriod) -> None:
        """Take a period whose wrap is stored."""
        self._asked = False
        if ready.generation != self._context.generation():
            # Made while the site's public keys changed.
            self._context.discard_period(ready.period.period_id)
            self.prepare(ready.start_ns)
            return
        self._next_period = ready
        self.status.waiting_for_key = False

    def renew(self, at_ns: int) -> None:
        """The recipients have changed: throw away what was made ready for those before, and ask for another period."""
        ready = self._next_period
        if ready is not None and ready.generation != self._context.generation():
            self._next_period = None
            self._context.discard_period(ready.period.period_id)
        if self._next_period is None:
            self.prepare(at_ns)

    @property
    def behind(self) -> bool:
        """True while a segment is being written under recipients that are not in force any more. Any thread."""
        period = self._period
        return self._running is not None and period is not None and period.generation != self._context.generation()

    def unused_periods(self) -> list[UUID]:
        """Return the periods that sealed nothing; their wraps may go."""
        periods = [ready.period for ready in (self._period, self._next_period) if ready is not None]
        return [period.period_id for period in periods if period.next_index == 0]

    def _period_start(self, at_ns: int) -> int:
        """Return where the key period of a moment begins: on the hour, moved by the stream's own share of a minute."""
        return (at_ns - self._phase_ns) // HOUR * HOUR + self._phase_ns

    def _period_due(self, fragment: Fragment) -> bool:
        """True if another key period is ready and this fragment is to be sealed with it."""
        period = self._period
        behind = period is not None and period.generation != self._context.generation()
        if self._next_period is None:
            if behind:
                self.prepare(fragment.start_ns)
            elif period is not None and self._period_start(fragment.start_ns) != period.start_ns:
                self.prepare(self._period_start(fragment.start_ns))
            return False
        return (
            period is None
            or behind
            or self._period_start(fragment.start_ns) != period.start_ns
            or period.period.next_index > MAX_MESSAGES - 1024
        )

    # --- fragments ---------------------------------------------------------------------------------------------------

    def store(self, session_id: UUID, fragment: Fragment) -> bool:
        """Write one fragment; False if it must wait for a key period, and be given again."""
        if self._next_period is not None and self._next_period.generation != self._context.generation():
            self.renew(fragment.start_ns)
        if self._period is not None and self._period.period.next_index >= MAX_MESSAGES - 4:
            self._end_segment()
            if self._next_period is None:
                self._period = None
        if self._period is None and self._next_period is None:
            self.prepare(self._period_start(fragment.start_ns))
            self.status.waiting_for_key = True
            return False
        end_ns = fragment.start_ns + fragment.duration_ns
        tolerance = max(MIN_TOLERANCE_NS, self._frame_ns * 3 // 2)
        if fragment.duration_ns <= 0 or not self._eras.free(fragment.start_ns, end_ns, tolerance):
            self.status.misplaced += 1
            self.interrupted(GapCause.CLOCK, "fragments came for a time that is recorded already", None)
            return True
        last_error: UnavailableError | None = None
        for _ in range(len(self._context.locations) + 1):
            running = self._ready_segment(session_id, fragment)
            if running is None:
                break
            last_error = self._write(running, fragment)
            if last_error is None:
                self._stored(running, fragment, end_ns, tolerance)
                return True
        self._lost(fragment.start_ns, last_error)
        return True

    def refused(self, detail: str) -> None:
        """Fragments were not taken into the queue from here on."""
        self._begin_gap(GapCause.DISK, detail, None)

    def _lost(self, start_ns: int, error: UnavailableError | None) -> None:
        """No location took a fragment."""
        self.status.refused += 1
        detail = "; ".join(f"{place.path}: {place.reason}" for place in self._context.locations if not place.usable)
        self._begin_gap(GapCause.DISK, detail or str(error or "no storage location"), start_ns)

    def _write(self, running: _Running, fragment: Fragment) -> UnavailableError | None:
        """Seal and write; on refusal leave the location and return why."""
        running.location.busy_since = time.monotonic()
        try:
            running.writer.append(fragment)
        except UnavailableError as error:
            running.location.fail(error_number(error), f"writing {running.file.path.name}")
            self._end_segment()
            return error
        finally:
            running.location.busy_since = None
        running.file.dirty = True
        return None

    def _stored(self, running: _Running, fragment: Fragment, end_ns: int, tolerance: int) -> None:
        """Count a fragment that the operating system has, and close the gap before it."""
        status, start_ns = self.status, fragment.start_ns
        before = self._eras.end_before(start_ns)
        self._eras.add(start_ns, end_ns)
        current = self._gaps.current
        if current is not None:
            self._put(self._gaps.end(start_ns))
        elif before is not None and start_ns - before > (
            tolerance if fragment.discontinuity else max(tolerance, UNFLAGGED_HOLE_NS)
        ):
            self._put(self._gaps.begin(GapCause.CAMERA, NO_REASON, before) + self._gaps.end(start_ns))
        self._frame_ns = fragment.duration_ns // max(1, fragment.samples)
        running.camera_offset_ns = fragment.camera_offset_ns
        status.last_end_ns = max(end_ns, before or 0)
        status.bytes += len(fragment.payload)
        status.fragments += 1
        if self._context.stored is not None:
            self._context.stored(self.key, fragment)

    # --- segments ----------------------------------------------------------------------------------------------------

    def _ready_segment(self, session_id: UUID, fragment: Fragment) -> _Running | None:
        """Return the segment that the fragment belongs into, begun if need be; None if no location is usable."""
        running = self._running
        if running is not None:
            if not self._must_end(running, session_id, fragment):
                return running
            self._end_segment()
        if self._period is None or self._period_due(fragment):
            self._use_next_period(fragment)
        while (location := choose(self._context.locations, self._context.options)) is not None:
            location.busy_since = time.monotonic()
            try:
                return self._begin_segment(location, session_id, fragment)
            except UnavailableError as error:
                location.fail(error_number(error), "beginning a segment")
            except OSError as error:
                location.fail(error.errno, "beginning a segment")
            finally:
                location.busy_since = None
        return None

    def _use_next_period(self, fragment: Fragment) -> None:
        """Go over to the period that is ready, and ask for the one after it."""
        if self._next_period is None:
            return
        start_ns = self._period_start(fragment.start_ns)
        self._period, self._next_period = replace(self._next_period, start_ns=start_ns), None
        self._renewal_ns = None
        self.prepare(start_ns + HOUR)

    def _must_end(self, running: _Running, session_id: UUID, fragment: Fragment) -> bool:
        """Decide whether the running segment ends before this fragment."""
        if (
            not running.location.usable
            or fragment.discontinuity
            or session_id != running.session_id
            or fragment.tracks != running.tracks
            or self._gaps.current is not None
            or not running.writer.fits(len(fragment.payload))
        ):
            return True
        last = self.status.last_end_ns or fragment.start_ns
        if fragment.start_ns - last > UNFLAGGED_HOLE_NS or fragment.start_ns < running.row.start_ns:
            return True
        age = fragment.start_ns + fragment.duration_ns - running.row.start_ns
        if age > self._context.options.segment_limit_s * SECOND:
            return True
        due = self._period_due(fragment)
        if due and self.behind and self._renewal_overdue(fragment.start_ns):
            return True
        return (due or self._mark(fragment.start_ns) != running.mark) and fragment.keyframe

    def _renewal_overdue(self, at_ns: int) -> bool:
        """True once a period under new recipients has waited so long for a keyframe that it waits no more."""
        if self._renewal_ns is None:
            self._renewal_ns = at_ns
        return at_ns - self._renewal_ns > RENEWAL_S * SECOND

    def _mark(self, at_ns: int) -> int:
        """Return the number of the interval of the stream's own raster in which a moment lies."""
        return (at_ns - self._phase_ns) // self._segment_ns

    def _begin_segment(self, location: Location, session_id: UUID, fragment: Fragment) -> _Running:
        """Create a segment file with its configuration, and its row."""
        context, ready = self._context, self._period
        if ready is None:
            msg = f"{self.key}: no key period is ready"
            raise ConflictError(msg)
        period = ready.period
        segment_id = new_id()
        offset_ns = context.clock_offset_ns()
        header = SegmentHeader(
            site_id=context.site_id,
            segment_id=segment_id,
            period_id=period.period_id,
            session_id=session_id,
            previous_id=self._previous_id,
            created_ns=fragment.start_ns,
            clock_offset_ns=offset_ns,
            first_message=period.next_index,
            commitment=period.commitment,
            key=self.key,
        )
        name = segment_name(fragment.start_ns, segment_id)
        folder = segment_folder(location.path, self.key, name)
        fresh = []
        for directory in (folder.parent.parent, folder.parent, folder):
            if not directory.is_dir():
                # Never the location itself, nor its `segments`: a disk that is not mounted must not be filled.
                directory.mkdir(exist_ok=True)
                fresh.append(directory)
        state = period.ring_state(fragment.start_ns)
        writer = SegmentWriter(folder / name, header, period, context.buffer)
        try:
            writer.configure(context.initialisation(fragment.tracks), fragment.start_ns)
        except BaseException:
            writer.abandon()
            writer.path.unlink(missing_ok=True)
            raise
        row = SegmentRow(
            segment_id=segment_id,
            key=self.key,
            location_id=location.marker.location,
            name=name,
            state=SegmentState.OPEN,
            start_ns=fragment.start_ns,
            end_ns=fragment.start_ns,
            size=writer.size,
            records=1,
            fragments=0,
            samples=0,
            damaged_samples=0,
            lost_packets=0,
            merkle_root=b"",
            period_id=period.period_id,
            session_id=session_id,
            previous_id=self._previous_id,
            clock_offset_ns=offset_ns,
            camera_offset_ns=fragment.camera_offset_ns,
            tracks=describe_tracks(fragment.tracks),
        )
        file = OpenFile(writer.path)
        location.opened(file, fresh)
        context.put_segment(row)
        self.ring.add(state, context.utc_ns())
        mark = self._mark(fragment.start_ns)
        self._running = _Running(writer, location, file, row, session_id, fragment.tracks, mark)
        self._previous_id = segment_id
        return self._running

    def _end_segment(self) -> None:
        """Complete the running segment: end record, then flush and row, both outside this thread."""
        running, self._running = self._running, None
        if running is None:
            return
        running.location.busy_since = time.monotonic()
        try:
            summary = running.writer.close(end=True, sync=False)
        finally:
            running.location.busy_since = None
        row = closed_row(running.row, summary, running.camera_offset_ns)
        put_segment = self._context.put_segment
        running.location.closed(running.file, lambda: put_segment(row))

    # --- gaps --------------------------------------------------------------------------------------------------------

    def interrupted(self, cause: GapCause, detail: str, since_ns: int | None) -> None:
        """Say why nothing comes. The running segment ends with the next fragment, if one comes, or at `finish`."""
        self._begin_gap(cause, detail, since_ns)

    def _begin_gap(self, cause: GapCause, detail: str, since_ns: int | None) -> None:
        """Open a gap at the end of the last stored fragment, or change the cause of the open one from `since_ns` on."""
        current, last = self._gaps.current, self.status.last_end_ns
        if current is None:
            start_ns = last if last is not None else since_ns if since_ns is not None else self._context.utc_ns()
        else:
            start_ns = max(current.start_ns, since_ns if since_ns is not None else self._context.utc_ns())
        self._put(self._gaps.begin(cause, detail, start_ns))
        if current is None:
            # What is complete is made available; nobody knows when footage comes again.
            self._end_segment()

    def _put(self, rows: list[Gap]) -> None:
        """Hand over gap rows."""
        for row in rows:
            self._context.put_gap(row)
        self.status.gap = self._gaps.current

    def finish(self, cause: GapCause, detail: str) -> None:
        """Close the segment; from here on the stream is not recorded."""
        self._end_segment()
        if self.status.last_end_ns is not None or self._gaps.current is not None:
            self._begin_gap(cause, detail, None)


def closed_row(row: SegmentRow, summary: SegmentSummary, camera_offset_ns: int | None) -> SegmentRow:
    """Return the row of a segment that was closed."""
    return replace(
        row,
        state=SegmentState.CLOSED if summary.ended else SegmentState.RECOVERED,
        end_ns=summary.end_ns if summary.end_ns is not None else row.start_ns,
        size=summary.size,
        records=summary.records,
        fragments=summary.fragments,
        samples=summary.samples,
        damaged_samples=summary.damaged_samples,
        lost_packets=summary.lost_packets,
        merkle_root=summary.merkle_root,
        camera_offset_ns=None if camera_offset_ns == UNKNOWN else camera_offset_ns,
        table=pack_table(decode_table(summary.table, str(summary.path))),
    )


def describe_tracks(tracks: tuple[CodecConfiguration, ...]) -> str:
    """Return what is inside, for people: `avc1.4d002a 1920x1080, mp4a.40.2`."""
    return ", ".join(f"{t.rfc6381} {t.width}x{t.height}" if t.width else t.rfc6381 for t in tracks)

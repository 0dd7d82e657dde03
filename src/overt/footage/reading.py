"""Reading back: which spans are recorded, why others are not, and the footage itself once keys are released.

A `FootageReader` opens the index for reading only and may be used beside a running recorder, by one thread at a time.
The tail of a segment that is still written is read from its file's headers, so that what was acknowledged a moment ago
is already there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from overt.errors import CorruptError, InvalidError, MissingError, OvertError, UnavailableError
from overt.footage.format import DISCONTINUITY, KEYFRAME, RecordType, TableRow
from overt.footage.fragment_table import pack_table
from overt.footage.gaps import Gap, GapCause
from overt.footage.index import Index
from overt.footage.layout import INDEX
from overt.footage.marker import read_marker
from overt.footage.opening import Damage, OpenedFragment, OpenPeriod, Refusal, SegmentOpener
from overt.footage.options import SECOND
from overt.footage.rows import SegmentRow, SegmentState
from overt.footage.segment_walk import SegmentWalk, walk
from overt.footage.spans import Span, merge
from overt.ids import StreamKey

LEAD_NS: Final = 600 * SECOND
"""No keyframe is looked for further back than this."""
RUN_NS: Final = SECOND
"""Fragments that lie further apart than this are not one run of footage: decoding does not go on over such a hole."""
FIRST_NS: Final = SECOND
LATER_NS: Final = 600 * SECOND
"""How much time's segments are asked of the index at once: little at first, so that the first fragment comes soon."""
MAX_TABLES: Final = 256
"""Fragment tables that a reader remembers: some 20 to 60 kB each."""
FAR_NS: Final = 2**62


class FootageReader:
    """A footage directory opened for reading."""

    def __init__(self, directory: Path, locations: Sequence[Path] = ()) -> None:
        """Open index and locations; further locations are found through the index, or named.

        Raises:
            MissingError: if it is no footage directory, or has no index yet.
            CorruptError: if the index is damaged.
        """
        self.directory: Final = directory
        main = read_marker(directory)
        if not (directory / INDEX).exists():
            msg = f"{directory}: no {INDEX}: run 'overt reconcile --repair' to rebuild it"
            raise MissingError(msg)
        self._index = Index(directory / INDEX, write=False)
        self._tables: OrderedDict[UUID, tuple[bytes, list[TableRow]]] = OrderedDict()
        try:
            self._given = {main.location: directory}
            for path in locations:
                self._given[read_marker(path).location] = path
            self._places = {**self._index.locations(), **self._given}
        except BaseException:
            self._index.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    @property
    def index(self) -> Index:
        """The index, for queries that this class does not offer."""
        return self._index

    def streams(self) -> list[StreamKey]:
        """Return every stream of which anything is known."""
        self._index.refresh()
        return self._index.streams()

    # --- what there is -----------------------------------------------------------------------------------------------

    def segments(self, key: StreamKey, start_ns: int, end_ns: int, *, tables: bool = False) -> list[SegmentRow]:
        """Return the segments that overlap a span, the running one as far as its file has got by now."""
        self._index.refresh()
        found = self._index.segments(key, start_ns, end_ns, tables=tables)
        rows = (self._grown(row) if row.state == SegmentState.OPEN else row for row in found)
        return [row for row in rows if row is not None and row.end_ns > start_ns]

    def periods(self, cameras: Collection[str], start_ns: int, end_ns: int) -> set[UUID]:
        """Return the key periods of all streams of some cameras in a span: what must be released to open it."""
        found: set[UUID] = set()
        for key in self.streams():
            if key.camera in cameras:
                found |= self._index.periods_of(key, start_ns, min(end_ns, FAR_NS))
        return found

    def _grown(self, row: SegmentRow) -> SegmentRow | None:
        """Return the row of an open segment as far as its file has got by now; None while nothing can be read of it."""
        path = self.path(row)
        try:
            return None if path is None else _tail(row, walk(path, hashing=False))
        except (OvertError, OSError):
            return None

    def path(self, row: SegmentRow) -> Path | None:
        """Return where a segment's file lies; None if its location is not known."""
        place = self._places.get(row.location_id)
        if place is None:
            # A location that was added, or an index that was rebuilt, since this reader was opened.
            self._places = {**self._index.locations(), **self._given}
            place = self._places.get(row.location_id)
        return None if place is None else row.path(place)

    def spans(self, key: StreamKey, start_ns: int, end_ns: int, *, now_ns: int | None = None) -> list[Span | Gap]:
        """Return what is recorded of a stream in a span of time, and for the rest why not, in order, cut to the span.

        Args:
            key: the stream.
            start_ns: from here on.
            end_ns: up to here, excluded.
            now_ns: nothing is said about what comes after this moment; None: about all of the span.
        """
        end_ns = end_ns if now_ns is None else min(end_ns, now_ns)
        self._index.refresh()
        # The open ones first: one that is finished in between is found twice, and not missed.
        running = [self._grown(row) for row in self._index.segments(key, start_ns, end_ns, unfinished=True)]
        extents = self._index.extents(key, start_ns, end_ns)
        finished = {each.start_ns for each in extents}
        extents += [
            row.extent for row in running if row is not None and row.end_ns > start_ns and row.start_ns not in finished
        ]
        gaps = self._index.gaps(key, start_ns, end_ns)
        return merge(key, extents, gaps, self._deleted(key, start_ns, end_ns), start_ns=start_ns, end_ns=end_ns)

    def _deleted(self, key: StreamKey, start_ns: int, end_ns: int) -> list[Gap]:
        """Return what was deleted, as gaps."""
        return [
            Gap(each.deletion_id, key, each.start_ns, each.end_ns, GapCause.DELETED, f"deletion rule: {each.reason}")
            for each in self._index.deletions(key, start_ns, end_ns)
        ]

    # --- where decoding begins ---------------------------------------------------------------------------------------

    def lead_keyframe(self, key: StreamKey, at_ns: int) -> int | None:
        """Return the start of the keyframe fragment from which decoding must begin to show the frame at `at_ns`.

        It is the last one at or before it within the same continuous run of footage; None if the run has none there.
        Looks into the segment of that moment first, into older ones only if no keyframe is in it.

        Raises:
            MissingError: if there is no footage at that moment.
        """
        later: TableRow | None = None
        begin, stop = at_ns, at_ns + 1
        while stop > at_ns - LEAD_NS:
            rows = [row for row in self.segments(key, begin, stop, tables=True) if row.start_ns < stop]
            if not rows:
                break
            for row in reversed(rows):
                for each in reversed(self._table(row)):
                    if each.type != RecordType.FRAGMENT or each.start_ns > at_ns:
                        continue
                    if later is None and each.end_ns <= at_ns:
                        raise _nothing(key, at_ns)
                    if later is not None and later.start_ns - each.end_ns > RUN_NS:
                        return None
                    if each.flags & KEYFRAME:
                        return each.start_ns
                    if each.flags & DISCONTINUITY:
                        return None
                    later = each
            stop = rows[0].start_ns
            begin = stop - RUN_NS
        if later is None:
            raise _nothing(key, at_ns)
        return None

    def keyframe_before(self, key: StreamKey, at_ns: int) -> int:
        """Return `lead_keyframe`; `at_ns` itself where there is none, or where its table cannot be read."""
        try:
            found = self.lead_keyframe(key, at_ns)
        except (MissingError, CorruptError, InvalidError, UnavailableError):
            # Whoever reads from there on is told what is wrong with that segment.
            found = None
        return at_ns if found is None else found

    def newest(self, key: StreamKey, within_ns: int) -> tuple[int, int | None] | None:
        """Return the newest end of what is on disk, and the start of the last keyframe; None if there is nothing.

        The keyframe is None if there is none within `within_ns` before that end.

        Raises:
            OvertError: if a table cannot be read.
        """
        self._index.refresh()
        frontier = self._index.frontier(key)
        rows = [] if frontier is None else self.segments(key, frontier - within_ns, FAR_NS, tables=True)
        if not rows:
            return None
        end_ns = max(row.end_ns for row in rows)
        for row in reversed(rows):
            for each in reversed(self._table(row)):
                if each.type == RecordType.FRAGMENT and each.flags & KEYFRAME:
                    return end_ns, each.start_ns if each.start_ns >= end_ns - within_ns else None
        return end_ns, None

    # --- the footage itself ------------------------------------------------------------------------------------------

    def fragments(
        self,
        key: StreamKey,
        start_ns: int,
        end_ns: int,
        open_period: OpenPeriod,
        on_refusal: Callable[[Refusal], None] | None = None,
    ) -> Iterator[OpenedFragment | Damage]:
        """Yield the fragments that overlap a span, opened and verified; what fails comes as damage, and it goes on.

        Args:
            key: the stream.
            start_ns: from here on.
            end_ns: up to here, excluded.
            open_period: gives the keys.
            on_refusal: told of what the keys do not open, whereupon reading goes on; without it that is an error.

        Raises:
            ForbiddenError: the keys do not open this footage; names the time span.
        """
        with SegmentOpener(open_period) as opener:
            for row in self._rows(key, start_ns, end_ns):
                begun = self._begin(opener, row)
                if isinstance(begun, (Damage, Refusal)):
                    whole = replace(begun, start_ns=max(start_ns, begun.start_ns), end_ns=min(end_ns, begun.end_ns))
                    yield from _given(whole, on_refusal)
                    continue
                configuration: TableRow | None = None
                for each in begun:
                    if each.type == RecordType.CONFIGURATION:
                        configuration = each
                    if each.type == RecordType.FRAGMENT and each.end_ns > start_ns and each.start_ns < end_ns:
                        yield from _given(opener.open(configuration, each), on_refusal)

    def keyframes(
        self,
        key: StreamKey,
        start_ns: int,
        end_ns: int,
        open_period: OpenPeriod,
        *,
        every_ns: int = 0,
        on_refusal: Callable[[Refusal], None] | None = None,
    ) -> Iterator[OpenedFragment | Damage]:
        """Yield the keyframe fragments that begin in a span, no two closer than `every_ns`, the others unread.

        The duration in `info` reaches to the next one yielded, or to the end of the run of footage. A segment of which
        nothing can be opened comes once, as damage; a record that fails comes as damage for that duration.

        Raises:
            ForbiddenError: as `fragments`.
        """
        begun: SegmentRow | None = None
        failed = False
        with SegmentOpener(open_period) as opener:
            for chosen in self._chosen(key, start_ns, end_ns, every_ns):
                if isinstance(chosen, Damage):
                    yield chosen
                    continue
                row, configuration, fragment, until_ns = chosen
                if begun is None or row.segment_id != begun.segment_id:
                    begun, whole = row, opener.begin(row, self._named(row))
                    failed = whole is not None
                    if whole is not None:
                        yield from _given(whole, on_refusal)
                if failed:
                    continue
                item = opener.open(configuration, fragment)
                if isinstance(item, OpenedFragment):
                    yield replace(item, info=replace(item.info, duration_ns=until_ns - item.info.start_ns))
                else:
                    yield from _given(replace(item, end_ns=until_ns), on_refusal)

    def _chosen(
        self, key: StreamKey, start_ns: int, end_ns: int, every_ns: int
    ) -> Iterator[tuple[SegmentRow, TableRow | None, TableRow, int] | Damage]:
        """Yield segment, configuration and record of each keyframe wanted, and the moment until which it is shown.

        Segments that end before the next one wanted are passed over by their rows alone.
        """
        waiting: tuple[SegmentRow, TableRow | None, TableRow] | None = None
        wanted, reached = start_ns, start_ns
        for row in self._rows(key, start_ns, end_ns):
            if waiting is not None and row.start_ns - reached > RUN_NS:
                yield (*waiting, reached)
                waiting = None
            if row.end_ns <= wanted:
                reached = max(reached, row.end_ns)
                continue
            configuration: TableRow | None = None
            try:
                table = self._table(row)
            except (MissingError, UnavailableError, CorruptError, InvalidError) as error:
                yield Damage(key, row.start_ns, row.end_ns, self._named(row), str(error))
                continue
            for each in table:
                if each.type == RecordType.CONFIGURATION:
                    configuration = each
                if each.type != RecordType.FRAGMENT or each.start_ns >= end_ns:
                    continue
                fresh = bool(each.flags & KEYFRAME) and each.start_ns >= wanted
                if waiting is not None and (fresh or each.start_ns - reached > RUN_NS):
                    yield (*waiting, reached if each.start_ns - reached > RUN_NS else each.start_ns)
                    waiting = None
                if fresh:
                    waiting = (row, configuration, each)
                    wanted = each.start_ns + max(1, every_ns)
                reached = max(reached, each.end_ns)
        if waiting is not None:
            yield (*waiting, reached)

    def _rows(self, key: StreamKey, start_ns: int, end_ns: int) -> Iterator[SegmentRow]:
        """Yield the segments that overlap a span with their tables, asking the index for a piece of it at a time."""
        at, width = start_ns, FIRST_NS
        while at < end_ns:
            stop = min(end_ns, at + width)
            rows = self.segments(key, at, stop, tables=True)
            # Whatever began before this piece, and was not in the one before, has been yielded.
            yield from (row for row in rows if at == start_ns or row.start_ns >= at)
            width = LATER_NS
            following = None if rows else self._index.first_start(key, stop)
            if not rows and following is None:
                return
            at = stop if following is None else max(stop, following)

    def _begin(self, opener: SegmentOpener, row: SegmentRow) -> list[TableRow] | Damage | Refusal:
        """Go over to a segment; return its records, or why nothing of it can be opened."""
        whole = opener.begin(row, self._named(row))
        if whole is not None:
            return whole
        try:
            return self._table(row)
        except (MissingError, UnavailableError, CorruptError, InvalidError) as error:
            return Damage(row.key, row.start_ns, row.end_ns, self._named(row), str(error))

    def _named(self, row: SegmentRow) -> Path:
        """Return a segment's path; where its location is not known, its name alone."""
        return self.path(row) or Path(row.name)

    def _table(self, row: SegmentRow) -> list[TableRow]:
        """Return the records of a segment: from the row, or from the file's own headers where the index lost them.

        Raises:
            CorruptError: if the stored table is damaged; and as `walk`.
        """
        if row.table is None:
            return [record.row for record in walk(self._named(row), hashing=False).records]
        found = self._tables.get(row.segment_id)
        if found is not None and found[0] == row.table:
            self._tables.move_to_end(row.segment_id)
            return found[1]
        table = row.fragment_table() or []
        self._tables[row.segment_id] = row.table, table
        if len(self._tables) > MAX_TABLES:
            self._tables.popitem(last=False)
        return table


def _given(
    item: OpenedFragment | Damage | Refusal, on_refusal: Callable[[Refusal], None] | None
) -> Iterator[OpenedFragment | Damage]:
    """Yield what was opened, and damage; hand a refusal to whoever is to be told, or raise it."""
    if not isinstance(item, Refusal):
        yield item
    elif on_refusal is None:
        raise item.error()
    else:
        on_refusal(item)


def _nothing(key: StreamKey, at_ns: int) -> MissingError:
    """Return the error for a moment of which nothing is recorded."""
    return MissingError(f"{key}: there is no footage at that moment ({at_ns} ns)")


def _tail(row: SegmentRow, walked: SegmentWalk) -> SegmentRow | None:
    """Return an open segment's row as its file stands; None while there is no fragment in it."""
    headers = [record.header for record in walked.records if record.header.type == RecordType.FRAGMENT]
    if not headers:
        return None
    return replace(
        row,
        end_ns=max(header.start_ns + header.duration_ns for header in headers),
        size=walked.sound_size,
        records=len(walked.records),
        fragments=len(headers),
        samples=sum(header.samples for header in headers),
        damaged_samples=sum(header.damaged_samples for header in headers),
        lost_packets=sum(header.lost_packets for header in headers),
        table=pack_table([record.row for record in walked.records]),
    )

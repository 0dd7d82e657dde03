"""ISO BMFF boxes: writing them, and a small bounded reader (ISO/IEC 14496-12).

The writer makes what Overt stores: one `moof` + `mdat` a fragment. The reader takes fragments apart again into sample
tables; it trusts nothing, allocates in proportion to the bytes it was given, and names the offset of a lie.
Pure functions on bytes: no threads, no clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from overt.errors import InvalidError

Buffer = bytes | bytearray | memoryview

MAX_BOXES: Final = 256
"""Boxes that one container may hold before the reader refuses it."""
MAX_TRACKS: Final = 16
MAX_SAMPLES: Final = 1 << 16
"""Samples of one fragment, all tracks together."""

SYNC_SAMPLE: Final = 0x02000000
"""Sample flags: depends on no other (§8.8.3.1)."""
NON_SYNC_SAMPLE: Final = 0x01010000
"""Sample flags: depends on others, is not a sync sample."""
_IS_NON_SYNC: Final = 0x00010000

_TFHD_BASE_DATA_OFFSET: Final = 0x000001
_TFHD_DESCRIPTION: Final = 0x000002
_TFHD_DURATION: Final = 0x000008
_TFHD_SIZE: Final = 0x000010
_TFHD_FLAGS: Final = 0x000020
_TFHD_BASE_IS_MOOF: Final = 0x020000
_TRUN_DATA_OFFSET: Final = 0x000001
_TRUN_FIRST_FLAGS: Final = 0x000004
_TRUN_DURATION: Final = 0x000100
_TRUN_SIZE: Final = 0x000200
_TRUN_FLAGS: Final = 0x000400
_TRUN_COMPOSITION: Final = 0x000800

_HEADER: Final = struct.Struct(">I4s")
_FULL_HEADER: Final = struct.Struct(">I4sI")
_LARGE: Final = struct.Struct(">Q")
_WORD: Final = struct.Struct(">I")
_SIGNED: Final = struct.Struct(">i")
_MOOF: Final = struct.Struct(">I4sI4sII")
_TRAF_TFHD: Final = struct.Struct(">I4sI4sII")
_TFDT_TRUN: Final = struct.Struct(">I4sIQI4sIII")
_TRACK_FIXED: Final = _TRAF_TFHD.size + _TFDT_TRUN.size
MOOF_FIXED: Final = _MOOF.size
MDAT_HEADER: Final = _HEADER.size


def box(kind: bytes, *parts: Buffer) -> bytes:
    """Return a box (§4.2) of the four-character code `kind` around `parts`."""
    return b"".join((_HEADER.pack(_HEADER.size + sum(map(len, parts)), kind), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: Buffer) -> bytes:
    """Return a full box (§4.2): version and 24 bits of flags before `parts`."""
    return b"".join((_FULL_HEADER.pack(_FULL_HEADER.size + sum(map(len, parts)), kind, version << 24 | flags), *parts))


class TrackRun(NamedTuple):
    """The samples of one track of a fragment about to be written, in decoding order, at least one."""

    track_id: int
    start: int
    """Decode time of the first sample in track ticks (`tfdt`)."""
    durations: Sequence[int]
    sizes: Sequence[int]
    composition_offsets: Sequence[int] | None
    """Presentation minus decode time of each sample; None where all are 0."""
    default_flags: int
    first_flags: int
    """Sample flags of the first sample; `default_flags` holds for all others."""


def fragment_header(sequence: int, runs: Sequence[TrackRun]) -> bytes:
    """Return `moof` and the header of the `mdat` whose data follow: all samples of the first run, then of the next.

    `tfhd` says default-base-is-moof and carries what all samples of the run share; `trun` is version 1 and holds
    sizes, and durations and signed composition offsets only where they differ (§8.8.4 to §8.8.8, §8.8.12).
    """
    shapes = [_shape(run) for run in runs]
    moof_size = MOOF_FIXED + sum(shape.size for shape in shapes)
    parts = [_MOOF.pack(moof_size, b"moof", 16, b"mfhd", 0, sequence & 0xFFFFFFFF)]
    position = moof_size + MDAT_HEADER
    for run, shape in zip(runs, shapes, strict=True):
        parts.append(_track_fragment(run, shape, position))
        position += shape.data_size
    parts.append(_HEADER.pack(position - moof_size, b"mdat"))
    return b"".join(parts)


class _Shape(NamedTuple):
    """Which optional fields a run needs, and what that makes its `traf` weigh."""

    size: int
    tfhd_flags: int
    trun_flags: int
    data_size: int


def _shape(run: TrackRun) -> _Shape:
    """Choose the fields of `tfhd` and `trun` for one run."""
    count = len(run.sizes)
    tfhd, trun = _TFHD_BASE_IS_MOOF | _TFHD_FLAGS, _TRUN_DATA_OFFSET
    fixed, per_sample = 4, 0
    if run.durations.count(run.durations[0]) == count:
        tfhd |= _TFHD_DURATION
        fixed += 4
    else:
        trun |= _TRUN_DURATION
        per_sample += 4
    if run.sizes.count(run.sizes[0]) == count:
        tfhd |= _TFHD_SIZE
        fixed += 4
    else:
        trun |= _TRUN_SIZE
        per_sample += 4
    if run.first_flags != run.default_flags:
        trun |= _TRUN_FIRST_FLAGS
        fixed += 4
    if run.composition_offsets is not None:
        trun |= _TRUN_COMPOSITION
        per_sample += 4
    return _Shape(_TRACK_FIXED + fixed + count * per_sample, tfhd, trun, sum(run.sizes))


def _track_fragment(run: TrackRun, shape: _Shape, position: int) -> bytes:
    """Return the `traf` of a run whose data begin `position` bytes after the start of `moof`."""
    count = len(run.sizes)
    words: list[int] = []
    columns: list[Sequence[int]] = []
    if shape.tfhd_flags & _TFHD_DURATION:
        words.append(run.durations[0])
    else:
        columns.append(run.durations)
    if shape.tfhd_flags & _TFHD_SIZE:
        words.append(run.sizes[0])
    else:
        columns.append(run.sizes)
    words.append(run.default_flags)
    if run.composition_offsets is not None:
        columns.append([offset & 0xFFFFFFFF for offset in run.composition_offsets])
    tfhd_size = 16 + 4 * len(words)
    head = _TRAF_TFHD.pack(shape.size, b"traf", tfhd_size, b"tfhd", shape.tfhd_flags, run.track_id)
    middle = _TFDT_TRUN.pack(
        20,
        b"tfdt",
        0x01000000,
        run.start,
        shape.size - _HEADER.size - tfhd_size - 20,
        b"trun",
        0x01000000 | shape.trun_flags,
        count,
        position,
    )
    width = len(columns)
    table = [0] * (count * width)
    for index, column in enumerate(columns):
        table[index::width] = column
    if shape.trun_flags & _TRUN_FIRST_FLAGS:
        table.insert(0, run.first_flags)
    return b"".join((head, struct.pack(f">{len(words)}I", *words), middle, struct.pack(f">{len(table)}I", *table)))


class BoxSpan(NamedTuple):
    """Where a box lies in a buffer."""

    kind: bytes
    offset: int
    """Of the first byte of its header."""
    start: int
    """Of its content (after version and flags of a full box too, where the reader knows them)."""
    end: int


def boxes(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[BoxSpan]:
    """Iterate over the boxes of `data[start:end]`.

    Raises:
        InvalidError: a size lies (shorter than its header, beyond the end), or there are more than `MAX_BOXES`.
    """
    end = len(data) if end is None else end
    for _ in range(MAX_BOXES):
        if start == end:
            return
        if end - start < _HEADER.size:
            msg = f"ISO BMFF: {end - start} stray bytes at offset {start} where a box should begin"
            raise InvalidError(msg)
        size, kind = _HEADER.unpack_from(data, start)
        content = start + _HEADER.size
        if size == 1 and end - content >= _LARGE.size:
            (size,) = _LARGE.unpack_from(data, content)
            content += _LARGE.size
        elif size == 0:
            size = end - start
        if size < content - start or size > end - start:
            msg = f"ISO BMFF: box {kind!r} at offset {start} claims {size} bytes, {end - start} are there"
            raise InvalidError(msg)
        yield BoxSpan(kind, start, content, start + size)
        start += size
    if start != end:
        msg = f"ISO BMFF: more than {MAX_BOXES} boxes in one container before offset {start}"
        raise InvalidError(msg)


def child(data: Buffer, parent: BoxSpan, kind: bytes) -> BoxSpan:
    """Return the only child of `parent` that is of this kind.

    Raises:
        InvalidError: there is none, or more than one.
    """
    found = [span for span in boxes(data, parent.start, parent.end) if span.kind == kind]
    if len(found) != 1:
        msg = f"ISO BMFF: {len(found)} boxes {kind!r} in {parent.kind!r} at offset {parent.offset}, one is needed"
        raise InvalidError(msg)
    return found[0]


class Cursor:
    """Reads big-endian fields one after another from the content of one box; never beyond it."""

    __slots__ = ("_data", "_span", "position")

    def __init__(self, data: Buffer, span: BoxSpan) -> None:
        """Begin at the content of `span`."""
        self._data = data
        self._span = span
        self.position = span.start

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return self._span.end - self.position

    def need(self, count: int) -> None:
        """Raise InvalidError unless `count` more bytes are there."""
        if count > self.left:
            msg = (
                f"ISO BMFF: {self._span.kind!r} at offset {self._span.offset} ends at {self._span.end}, "
                f"{count} bytes are needed at {self.position}"
            )
            raise InvalidError(msg)

    def word(self) -> int:
        """Read an unsigned 32-bit integer."""
        self.need(4)
        (value,) = _WORD.unpack_from(self._data, self.position)
        self.position += 4
        return int(value)

    def signed(self) -> int:
        """Read a signed 32-bit integer."""
        self.need(4)
        (value,) = _SIGNED.unpack_from(self._data, self.position)
        self.position += 4
        return int(value)

    def long(self) -> int:
        """Read an unsigned 64-bit integer."""
        self.need(8)
        (value,) = _LARGE.unpack_from(self._data, self.position)
        self.position += 8
        return int(value)

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""
        self.need(count)
        self.position += count


class SampleRow(NamedTuple):
    """One sample of a fragment; times in ticks of its track."""

    dts: int
    pts: int
    duration: int
    offset: int
    """Of its first byte in the payload."""
    size: int
    sync: bool


@dataclass(frozen=True, slots=True)
class TrackTable:
    """The samples of one track of a fragment, in decoding order."""

    track_id: int
    samples: tuple[SampleRow, ...]

    @property
    def end(self) -> int:
        """Decode time, in ticks, at which the last sample ends."""
        last = self.samples[-1]
        return last.dts + last.duration


@dataclass(frozen=True, slots=True)
class FragmentTable:
    """What a fragment says of itself: every sample of every track that has samples in it."""

    sequence: int
    tracks: tuple[TrackTable, ...]

    def track(self, track_id: int) -> TrackTable | None:
        """Return the table of one track, or None if it has no samples in this fragment."""
        return next((table for table in self.tracks if table.track_id == track_id), None)


def read_fragment(payload: Buffer) -> FragmentTable:
    """Take one `moof` + `mdat` apart; the samples' data are `payload[row.offset : row.offset + row.size]`.

    Every track must carry its defaults in `tfhd` (as those written here do): there is no `trex` to fall back on.

    Raises:
        InvalidError: the payload is not one `moof` followed by one `mdat`, a size or count lies, or a sample's data
            are not inside `mdat`. The message names the box and its offset.
    """
    top = list(boxes(payload))
    if [span.kind for span in top] != [b"moof", b"mdat"]:
        kinds = b" ".join(span.kind for span in top[:4])
        msg = f"ISO BMFF: a fragment is one moof and one mdat; found {kinds!r}"
        raise InvalidError(msg)
    moof, mdat = top
    header = Cursor(payload, child(payload, moof, b"mfhd"))
    header.skip(4)
    sequence = header.word()
    tracks: list[TrackTable] = []
    budget = MAX_SAMPLES
    for span in boxes(payload, moof.start, moof.end):
        if span.kind != b"traf":
            continue
        table = _read_track(payload, moof, mdat, span, budget)
        budget -= len(table.samples)
        if len(tracks) == MAX_TRACKS or any(other.track_id == table.track_id for other in tracks):
            msg = f"ISO BMFF: track {table.track_id} at offset {span.offset} is named twice, or one of too many tracks"
            raise InvalidError(msg)
        tracks.append(table)
    return FragmentTable(sequence, tuple(tracks))


def _read_track(data: Buffer, moof: BoxSpan, mdat: BoxSpan, traf: BoxSpan, budget: int) -> TrackTable:
    """Read one `traf`: defaults, decode time, then its runs."""
    tfhd = Cursor(data, child(data, traf, b"tfhd"))
    flags = tfhd.word() & 0xFFFFFF
    track_id = tfhd.word()
    if flags & _TFHD_BASE_DATA_OFFSET or not flags & _TFHD_BASE_IS_MOOF:
        msg = f"ISO BMFF: traf at offset {traf.offset} does not count data from its moof (default-base-is-moof)"
        raise InvalidError(msg)
    if flags & _TFHD_DESCRIPTION:
        tfhd.skip(4)
    duration = tfhd.word() if flags & _TFHD_DURATION else None
    size = tfhd.word() if flags & _TFHD_SIZE else None
    sample_flags = tfhd.word() if flags & _TFHD_FLAGS else None
    tfdt = Cursor(data, child(data, traf, b"tfdt"))
    dts = tfdt.long() if tfdt.word() >> 24 else tfdt.word()
    rows: list[SampleRow] = []
    position = moof.offset
    for span in boxes(data, traf.start, traf.end):
        if span.kind != b"trun":
            continue
        run = Cursor(data, span)
        head = run.word()
        count = run.word()
        present = head & (_TRUN_DURATION | _TRUN_SIZE | _TRUN_FLAGS | _TRUN_COMPOSITION)
        # A run without any per-sample field costs no bytes, so its count is held against the budget first.
        if count > budget - len(rows) or not count:
            msg = f"ISO BMFF: trun at offset {span.offset} claims {count} samples"
            raise InvalidError(msg)
        if head & _TRUN_DATA_OFFSET:
            position = moof.offset + run.signed()
        first_flags = run.word() if head & _TRUN_FIRST_FLAGS else None
        run.need(count * 4 * present.bit_count())
        for index in range(count):
            row_duration = run.word() if head & _TRUN_DURATION else duration
            row_size = run.word() if head & _TRUN_SIZE else size
            row_flags = run.word() if head & _TRUN_FLAGS else sample_flags
            if index == 0 and first_flags is not None:
                row_flags = first_flags
            composition = 0
            if head & _TRUN_COMPOSITION:
                composition = run.signed() if head >> 24 else run.word()
            if row_duration is None or row_size is None or row_flags is None:
                msg = f"ISO BMFF: traf at offset {traf.offset} leaves duration, size or flags of its samples unsaid"
                raise InvalidError(msg)
            if position < mdat.start or position + row_size > mdat.end:
                msg = f"ISO BMFF: sample {len(rows)} of traf at {traf.offset} lies outside mdat, at {position}"
                raise InvalidError(msg)
            sync = not row_flags & _IS_NON_SYNC
            rows.append(SampleRow(dts, dts + composition, row_duration, position, row_size, sync))
            dts += row_duration
            position += row_size
    if not rows:
        msg = f"ISO BMFF: traf at offset {traf.offset} has no samples"
        raise InvalidError(msg)
    return TrackTable(track_id, tuple(rows))

"""An exported clip: stored fragments byte for byte, in a file that every player opens and that begins at zero.

Fragments refer to decode times on the UTC axis (some 1.6e14 ticks). Players that are given such fragments behind an
edit list show them, but report a length of 57 years and cannot seek. So the fragments lie, unchanged and in order, in
`mdat`, where players do not look at them, and a `moov` with sample tables (ISO/IEC 14496-12 §8.5 to §8.7) behind it
refers to the frames inside them: an ordinary MP4 file. `clip_fragments` takes the fragments out again.

Knows no disk: it writes to whatever it is given. One thread uses an instance.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import PurePath
from typing import BinaryIO, Final

from overt.errors import ConflictError, InvalidError, MissingError
from overt.media.boxes import FragmentTable, TrackTable, full_box, read_fragment
from overt.media.initialisation import MOVIE_TIMESCALE, TrackHeader, file_type, movie_box, track_box
from overt.media.samples import CodecConfiguration

SECOND: Final = 1_000_000_000
MAX_DELTA: Final = 0xFFFFFFFF
"""Ticks between two frames that `stts` can say: some 13 hours of video."""
MAX_PAYLOAD: Final = 1 << 26
"""Bytes of one fragment that `clip_fragments` accepts."""
_HEADER: Final = struct.Struct(">I4s")
_LARGE_HEADER: Final = struct.Struct(">I4sQ")


@dataclass(frozen=True, slots=True)
class ClipSummary:
    """What a finished clip holds."""

    fragments: int
    samples: tuple[int, ...]
    """Of each track, in track order."""
    start_ns: int
    """UTC of the presentation's zero: the first frame of the first track."""
    duration_ns: int
    """From there to the end of the last sample, gaps included."""
    size: int
    """Bytes written."""


@dataclass(slots=True)
class _Tables:
    """Sample tables of one track as they grow: 16 bytes a sample and 12 a chunk."""

    configuration: CodecConfiguration
    first: int = 0
    """Decode time of the first sample, on the UTC axis."""
    last: int = 0
    """Decode time of the last sample."""
    end: int = 0
    shown_end: int = 0
    sizes: array[int] = field(default_factory=lambda: array("I"))
    deltas: array[int] = field(default_factory=lambda: array("I"))
    """Decode time of each sample but the first, minus that of the one before."""
    offsets: array[int] = field(default_factory=lambda: array("q"))
    """Composition offsets."""
    syncs: array[int] = field(default_factory=lambda: array("I"))
    """Numbers of the sync samples, from 1."""
    chunks: array[int] = field(default_factory=lambda: array("Q"))
    """Position in the file of each run of samples that lie one behind the other."""
    chunk_samples: array[int] = field(default_factory=lambda: array("I"))

    def add(self, table: TrackTable, position: int) -> None:
        """Take the samples of one fragment whose payload begins at `position` in the file."""
        expected = -1
        for row in table.samples:
            if self.sizes:
                self.deltas.append(row.dts - self.last)
            else:
                self.first = row.dts
            self.last = row.dts
            self.sizes.append(row.size)
            self.offsets.append(row.pts - row.dts)
            if row.sync:
                self.syncs.append(len(self.sizes))
            if row.offset == expected:
                self.chunk_samples[-1] += 1
            else:
                self.chunks.append(position + row.offset)
                self.chunk_samples.append(1)
            expected = row.offset + row.size
            self.shown_end = max(self.shown_end, row.pts + row.duration)
        self.end = table.end

    def header(self, track_id: int, zero: int) -> TrackHeader:
        """Return the track's header; `zero` is the tick that is presented at the beginning."""
        # Composition offsets are written unsigned: decode times are set earlier instead, which the edit list undoes.
        shift = max(0, -min(self.offsets))
        durations = [*self.deltas, self.end - self.last]
        begin = zero - self.first + shift
        edits = []
        if begin < 0:
            edits.append((self._movie_ticks(-begin), -1))
            begin = 0
        shown = self._movie_ticks(max(0, self.shown_end - max(zero, self.first)))
        edits.append((shown, begin))
        return TrackHeader(
            track_id,
            self.configuration,
            self._sample_tables(durations, shift),
            edits,
            media_duration=sum(durations),
            duration=sum(duration for duration, _ in edits),
        )

    def _movie_ticks(self, ticks: int) -> int:
        return ticks * MOVIE_TIMESCALE // self.configuration.timescale

    def _sample_tables(self, durations: list[int], shift: int) -> bytes:
        """Return `stts`, `ctts`, `stss`, `stsc`, `stsz` and `co64`."""
        parts = [_runs(b"stts", durations)]
        if any(self.offsets):
            parts.append(_runs(b"ctts", [offset + shift for offset in self.offsets]))
        if len(self.syncs) < len(self.sizes):
            parts.append(full_box(b"stss", 0, 0, struct.pack(">I", len(self.syncs)), _big_endian(self.syncs)))
        chunks = [(1, self.chunk_samples[0])]
        for number, (before, count) in enumerate(pairwise(self.chunk_samples), 2):
            if count != before:
                chunks.append((number, count))
        entries = b"".join(struct.pack(">III", first, count, 1) for first, count in chunks)
        parts.append(full_box(b"stsc", 0, 0, struct.pack(">I", len(chunks)), entries))
        count = len(self.sizes)
        if self.sizes.count(self.sizes[0]) == count and self.sizes[0]:
            parts.append(full_box(b"stsz", 0, 0, struct.pack(">II", self.sizes[0], count)))
        else:
            parts.append(full_box(b"stsz", 0, 0, struct.pack(">II", 0, count), _big_endian(self.sizes)))
        parts.append(full_box(b"co64", 0, 0, struct.pack(">I", len(self.chunks)), _big_endian(self.chunks)))
        return b"".join(parts)


def _runs(kind: bytes, values: list[int]) -> bytes:
    """Return a table of (how often, value) for runs of equal values (`stts`, `ctts`)."""
    runs = [(sum(1 for _ in group), value) for value, group in groupby(values)]
    return full_box(kind, 0, 0, struct.pack(">I", len(runs)), b"".join(struct.pack(">II", *run) for run in runs))


def _big_endian(values: array[int]) -> bytes:
    """Return the values in the byte order of the file."""
    if sys.byteorder == "big":
        return values.tobytes()
    swapped = array(values.typecode, values)
    swapped.byteswap()
    return swapped.tobytes()


class ClipWriter:
    """Writes one clip of one configuration, fragment after fragment; keeps some 20 bytes a frame in memory.

    A configuration that changes needs another file, since most players do not follow the change: where `accepts` says
    no, the caller finishes this part and begins another (`part_name`).
    """

    def __init__(self, out: BinaryIO, tracks: Sequence[CodecConfiguration]) -> None:
        """Begin a clip.

        Args:
            out: where to write, from its current position, which is taken for the file's beginning. If it can seek,
                one `mdat` holds all fragments and its length is set at the end; else each has an `mdat` of its own.
            tracks: the configuration of all fragments, in track order, video first.

        Raises:
            InvalidError: no track.
        """
        if not tracks:
            msg = "a clip needs the configuration of at least one track: read it from the stored segment"
            raise InvalidError(msg)
        self._out = out
        self._tracks = tuple(tracks)
        self._tables = [_Tables(track) for track in tracks]
        self._seekable = out.seekable()
        self._begin = out.tell() if self._seekable else 0
        self._position = 0
        self._fragments = 0
        self._zero: int | None = None
        self._write(file_type(b"isom", b"iso2", b"mp41"))
        self._data_start = self._position
        if self._seekable:
            self._write(_LARGE_HEADER.pack(1, b"mdat", _LARGE_HEADER.size))

    def accepts(self, tracks: Sequence[CodecConfiguration]) -> bool:
        """Whether fragments of this configuration belong into this file: if not, begin another part."""
        return tuple(tracks) == self._tracks

    def add(self, payload: bytes) -> FragmentTable:
        """Append one fragment unchanged; return its table, so that the caller need not read it again.

        Raises:
            InvalidError: the payload is not a fragment.
            ConflictError: it holds a track that was not announced, begins before the end of what came before it, or
                more than 13 hours after it: finish this part and begin another.
        """
        table = read_fragment(payload)
        for track in table.tracks:
            self._check(track)
        if self._zero is None:
            self._zero = self._first_presented(table)
        if not self._seekable:
            self._write(_HEADER.pack(_HEADER.size + len(payload), b"mdat"))
        for track in table.tracks:
            self._tables[track.track_id - 1].add(track, self._position)
        self._write(payload)
        self._fragments += 1
        return table

    def _check(self, track: TrackTable) -> None:
        """Raise ConflictError unless the samples of one track continue this clip."""
        if not 0 < track.track_id <= len(self._tables):
            msg = f"fragment {self._fragments} holds a track that this clip does not announce: begin another part"
            raise ConflictError(msg)
        tables, first = self._tables[track.track_id - 1], track.samples[0].dts
        if tables.sizes and not tables.end <= first <= tables.last + MAX_DELTA:
            msg = (
                f"fragment {self._fragments}, track {track.track_id} begins at tick {first}, before the end of the one "
                f"before it at {tables.end} or too far behind it: sort fragments by time, or begin another part"
            )
            raise ConflictError(msg)

    def finish(self) -> ClipSummary:
        """Write the tables that make the file playable; the output stays open, positioned at the end of the clip.

        Raises:
            MissingError: no fragment was added: there is no clip.
        """
        if self._zero is None:
            msg = "the clip is empty: no fragment was added; ask for a span that has footage"
            raise MissingError(msg)
        rate = self._tracks[0].timescale
        data_size = self._position - self._data_start
        headers = [
            tables.header(number, self._zero * tables.configuration.timescale // rate)
            for number, tables in enumerate(self._tables, 1)
            if tables.sizes
        ]
        duration = max(header.duration for header in headers)
        self._write(movie_box([track_box(header) for header in headers], duration))
        if self._seekable:
            self._out.seek(self._begin + self._data_start)
            self._out.write(_LARGE_HEADER.pack(1, b"mdat", data_size))
            self._out.seek(self._begin + self._position)
        return ClipSummary(
            fragments=self._fragments,
            samples=tuple(len(tables.sizes) for tables in self._tables),
            start_ns=self._zero * SECOND // rate,
            duration_ns=duration * SECOND // MOVIE_TIMESCALE,
            size=self._position,
        )

    def _first_presented(self, table: FragmentTable) -> int:
        """Return the tick of the first track that is to be presented at zero."""
        first = table.track(1)
        if first is not None:
            return min(row.pts for row in first.samples)
        other = table.tracks[0]
        return other.samples[0].pts * self._tracks[0].timescale // self._tracks[other.track_id - 1].timescale

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._position += len(data)


def part_name(name: str, part: int) -> str:
    """Return the file name of a part of a clip: `clip.mp4`, then `clip-2.mp4`, `clip-3.mp4`, ..."""
    path = PurePath(name)
    return name if part == 1 else str(path.with_name(f"{path.stem}-{part}{path.suffix}"))


def clip_fragments(clip: BinaryIO) -> Iterator[bytes]:
    """Iterate over the stored fragments of a clip, as they were recorded; reads one at a time.

    Raises:
        InvalidError: the file is not a clip written here, or is cut short; names the offset.
    """
    mdat_end = position = 0
    while header := clip.read(_HEADER.size):
        size, kind, length = _box_head(clip, header, position)
        if kind == b"mdat" and mdat_end <= position:
            # A clip's own mdat: its content is walked, not skipped.
            mdat_end = position + size
            position += length
        elif position >= mdat_end:
            position += size
            clip.seek(position)
        else:
            moof = header + _exactly(clip, size - length, position)
            data_header = _exactly(clip, _HEADER.size, position + size)
            data_size, data_kind = _HEADER.unpack(data_header)
            if kind != b"moof" or data_kind != b"mdat" or not _HEADER.size <= data_size <= MAX_PAYLOAD:
                msg = f"clip: no fragment at offset {position}: the file was not exported by Overt, or is damaged"
                raise InvalidError(msg)
            yield moof + data_header + _exactly(clip, data_size - _HEADER.size, position + size)
            position += size + data_size


def _box_head(clip: BinaryIO, header: bytes, position: int) -> tuple[int, bytes, int]:
    """Return size, kind and header length of the box whose first eight bytes were read."""
    if len(header) < _HEADER.size:
        msg = f"clip: cut short at offset {position}"
        raise InvalidError(msg)
    size, kind = _HEADER.unpack(header)
    length = _HEADER.size
    if size == 1:
        (size,) = struct.unpack(">Q", _exactly(clip, 8, position))
        length = _LARGE_HEADER.size
    if size < length or (kind == b"moof" and (size > MAX_PAYLOAD or length != _HEADER.size)):
        msg = f"clip: box {kind!r} at offset {position} claims {size} bytes"
        raise InvalidError(msg)
    return size, kind, length


def _exactly(clip: BinaryIO, count: int, position: int) -> bytes:
    """Read `count` bytes or raise."""
    data = clip.read(min(count, MAX_PAYLOAD))
    if len(data) != count:
        msg = f"clip: cut short in the box at offset {position}"
        raise InvalidError(msg)
    return data

"""The initialisation segment: `ftyp` and `moov` that announce the tracks of the fragments that follow.

ISO/IEC 14496-12: §4.3 (`ftyp`), §8.2 to §8.6 (`moov`), §8.8.1 to §8.8.3 (`mvex`). Pure functions.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from overt.errors import InvalidError
from overt.media.boxes import (
    MAX_TRACKS,
    NON_SYNC_SAMPLE,
    SYNC_SAMPLE,
    BoxSpan,
    Buffer,
    Cursor,
    box,
    boxes,
    child,
    full_box,
)
from overt.media.samples import Codec, CodecConfiguration, TrackKind

MOVIE_TIMESCALE: Final = 90_000
"""Ticks a second of movie durations (`mvhd`, `tkhd`, `elst`)."""

MAX_SAMPLE_ENTRY: Final = 1 << 16
"""Bytes of one sample entry that the reader accepts; parameter sets are at most a few kilobytes."""

_MATRIX: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_HANDLERS: Final[dict[TrackKind, bytes]] = {"video": b"vide", "audio": b"soun"}
_CODECS: Final[dict[bytes, tuple[Codec, str]]] = {
    b"avc1": ("h264", "avc1"),
    b"avc3": ("h264", "avc3"),
    b"hvc1": ("h265", "hvc1"),
    b"hev1": ("h265", "hev1"),
    b"mp4v": ("mjpeg", "mp4v.6C"),
    b"jpeg": ("mjpeg", "jpeg"),
    b"mjpa": ("mjpeg", "mjpa"),
    b"mp4a": ("aac", "mp4a.40.2"),
    b"alaw": ("pcma", "alaw"),
    b"ulaw": ("pcmu", "ulaw"),
}
EMPTY_TABLES: Final = b"".join(
    (
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
)
"""Sample tables without samples."""
_DATA_HERE: Final = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
_LANGUAGE_UNDETERMINED: Final = 0x55C4


def initialisation_segment(tracks: Sequence[CodecConfiguration]) -> bytes:
    """Return `ftyp` + `moov` for fragments whose track_ID counts from 1 in the order of `tracks`.

    The handler name of a track is its RFC 6381 codec string, so that a reader need not parse parameter sets.

    Raises:
        InvalidError: no track, or too many.
    """
    traks = [track_box(TrackHeader(number, track)) for number, track in enumerate(tracks, 1)]
    extends = []
    for number, track in enumerate(tracks, 1):
        flags = NON_SYNC_SAMPLE if track.kind == "video" else SYNC_SAMPLE
        extends.append(full_box(b"trex", 0, 0, struct.pack(">IIIII", number, 1, 0, 0, flags)))
    return file_type(b"iso6", b"iso5", b"mp41") + movie_box(traks, 0, box(b"mvex", *extends))


def file_type(*brands: bytes) -> bytes:
    """Return `ftyp` (§4.3): the first brand is the major one."""
    return box(b"ftyp", brands[0], bytes(4), *brands)


def movie_box(traks: Sequence[bytes], duration: int, *more: bytes) -> bytes:
    """Return `moov` around whole `trak` boxes; `duration` in `MOVIE_TIMESCALE` ticks.

    Raises:
        InvalidError: no track, or too many.
    """
    if not 0 < len(traks) <= MAX_TRACKS:
        msg = f"a movie needs 1 to {MAX_TRACKS} tracks; got {len(traks)}"
        raise InvalidError(msg)
    mvhd = struct.pack(">QQIQIH10x36s24xI", 0, 0, MOVIE_TIMESCALE, duration, 0x10000, 0x100, _MATRIX, len(traks) + 1)
    return box(b"moov", full_box(b"mvhd", 1, 0, mvhd), *traks, *more)


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """What a `trak` says; the defaults are those of a track whose samples are all in fragments."""

    track_id: int
    configuration: CodecConfiguration
    sample_tables: bytes = EMPTY_TABLES
    """The boxes that follow `stsd` in `stbl`."""
    edits: Sequence[tuple[int, int]] = ()
    """Edit list (§8.6.6): duration in `MOVIE_TIMESCALE` ticks, and media time in track ticks or -1 for nothing."""
    media_duration: int = 0
    """Sum of the samples' durations, in track ticks."""
    duration: int = 0
    """Of the track after edits, in `MOVIE_TIMESCALE` ticks."""


def track_box(header: TrackHeader) -> bytes:
    """Return a `trak` (§8.3.1)."""
    track = header.configuration
    video = track.kind == "video"
    tkhd = struct.pack(
        ">QQIIQQHHHH36sII",
        0,
        0,
        header.track_id,
        0,
        header.duration,
        0,
        0,
        0,
        0 if video else 0x100,
        0,
        _MATRIX,
        track.width << 16,
        track.height << 16,
    )
    edit = b""
    if header.edits:
        entries = b"".join(struct.pack(">QqI", duration, media_time, 0x10000) for duration, media_time in header.edits)
        edit = box(b"edts", full_box(b"elst", 1, 0, struct.pack(">I", len(header.edits)), entries))
    mdhd = struct.pack(">QQIQHH", 0, 0, track.timescale, header.media_duration, _LANGUAGE_UNDETERMINED, 0)
    name = track.rfc6381.encode("ascii", "replace")
    media = box(
        b"mdia",
        full_box(b"mdhd", 1, 0, mdhd),
        full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, _HANDLERS[track.kind]), name, b"\0"),
        box(
            b"minf",
            full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4)),
            _DATA_HERE,
            box(
                b"stbl",
                full_box(b"stsd", 0, 0, struct.pack(">I", 1), track.sample_entry),
                header.sample_tables,
            ),
        ),
    )
    return box(b"trak", full_box(b"tkhd", 1, 3, tkhd), edit, media)


def read_initialisation(segment: Buffer) -> tuple[CodecConfiguration, ...]:
    """Return the configurations that an initialisation segment announces, in the order of its tracks.

    `reorder_depth` is 0 in all of them: a file does not say it, and whoever reads fragments does not need it.

    Raises:
        InvalidError: the segment is malformed, or a track is of no codec that Overt records. Names the offset.
    """
    moov = [span for span in boxes(segment) if span.kind == b"moov"]
    if len(moov) != 1:
        msg = f"ISO BMFF: an initialisation segment has one moov, this has {len(moov)}"
        raise InvalidError(msg)
    traks = [span for span in boxes(segment, moov[0].start, moov[0].end) if span.kind == b"trak"]
    if not 0 < len(traks) <= MAX_TRACKS:
        msg = f"ISO BMFF: moov at offset {moov[0].offset} has {len(traks)} tracks"
        raise InvalidError(msg)
    tracks = []
    for number, trak in enumerate(traks, 1):
        track_id, configuration = _read_track(segment, trak)
        if track_id != number:
            msg = f"ISO BMFF: track_ID {track_id} at offset {trak.offset}, {number} is expected in this place"
            raise InvalidError(msg)
        tracks.append(configuration)
    return tuple(tracks)


def _read_track(data: Buffer, trak: BoxSpan) -> tuple[int, CodecConfiguration]:
    """Return track_ID and configuration of one `trak`."""
    tkhd = Cursor(data, child(data, trak, b"tkhd"))
    wide = tkhd.word() >> 24
    tkhd.skip(16 if wide else 8)
    track_id = tkhd.word()
    tkhd.skip(64 if wide else 60)
    width, height = tkhd.word() >> 16, tkhd.word() >> 16
    mdia = child(data, trak, b"mdia")
    mdhd = Cursor(data, child(data, mdia, b"mdhd"))
    mdhd.skip(16 if mdhd.word() >> 24 else 8)
    timescale = mdhd.word()
    hdlr_span = child(data, mdia, b"hdlr")
    hdlr = Cursor(data, hdlr_span)
    hdlr.skip(8)
    handler = struct.pack(">I", hdlr.word())
    hdlr.skip(12)
    name = bytes(data[hdlr.position : min(hdlr_span.end, hdlr.position + 64)]).partition(b"\0")[0]
    stsd = child(data, child(data, child(data, mdia, b"minf"), b"stbl"), b"stsd")
    entries = Cursor(data, stsd)
    entries.skip(4)
    count = entries.word()
    found = list(boxes(data, entries.position, stsd.end))
    kind: TrackKind | None = next((kind for kind, code in _HANDLERS.items() if code == handler), None)
    if count != 1 or len(found) != 1 or kind is None or not timescale or found[0].kind not in _CODECS:
        msg = (
            f"ISO BMFF: track {track_id} at offset {trak.offset} is not one that Overt records "
            f"(handler {handler!r}, {len(found)} sample entries, timescale {timescale})"
        )
        raise InvalidError(msg)
    entry = bytes(data[found[0].offset : found[0].end])
    if len(entry) > MAX_SAMPLE_ENTRY:
        msg = (
            f"ISO BMFF: sample entry of {len(entry)} bytes at offset {found[0].offset}, {MAX_SAMPLE_ENTRY} are allowed"
        )
        raise InvalidError(msg)
    codec, fallback = _CODECS[found[0].kind]
    channels = 0
    if kind == "audio":
        if len(entry) < 36:
            msg = f"ISO BMFF: audio sample entry at offset {found[0].offset} is cut short"
            raise InvalidError(msg)
        (channels,) = struct.unpack_from(">H", entry, 24)
    return track_id, CodecConfiguration(
        kind=kind,
        codec=codec,
        rfc6381=name.decode("ascii", "replace") or fallback,
        timescale=timescale,
        sample_entry=entry,
        width=width,
        height=height,
        channels=channels,
    )

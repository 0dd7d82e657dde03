"""The keyframe track: keyframes alone, each in a fragment of its own whose duration reaches to the next one.

What scrubbing and fast playback show, and what a still is (docs/formats/media-records.md). Pure functions on bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from overt.errors import InvalidError
from overt.media.boxes import NON_SYNC_SAMPLE, SYNC_SAMPLE, TrackRun, fragment_header, read_fragment
from overt.media.initialisation import initialisation_segment, read_initialisation

SECOND: Final = 1_000_000_000
LONGEST: Final = 0xFFFFFFFF
"""Ticks that a sample's duration can say."""


@dataclass(frozen=True, slots=True)
class KeyframeFragment:
    """One keyframe in a fragment of its own."""

    payload: bytes = field(repr=False)
    """`moof` + `mdat`, its track being track 1."""
    start_ns: int
    """When the frame is presented."""
    duration_ns: int


class KeyframeTrack:
    """Makes the fragments of one keyframe track for one configuration."""

    def __init__(self, initialisation: bytes) -> None:
        """Take the configuration of the fragments that keyframes are taken from.

        Raises:
            InvalidError: it is no initialisation segment, or announces no video.
        """
        tracks = read_initialisation(initialisation)
        number = next((number for number, track in enumerate(tracks, 1) if track.kind == "video"), None)
        if number is None:
            msg = "this stream has no video: there are no keyframes"
            raise InvalidError(msg)
        self._track_id = number
        self._rate = tracks[number - 1].timescale
        # A track that is announced and never comes would keep a player waiting for it.
        alone = initialisation if len(tracks) == 1 else initialisation_segment([tracks[number - 1]])
        self.initialisation: Final = alone
        """`ftyp` + `moov` that announce the video track alone."""
        self._sequence = 0

    def fragment(self, payload: bytes, start_ns: int, until_ns: int) -> KeyframeFragment:
        """Return the first video frame of a fragment alone.

        The frame is decoded when it is presented: nothing is reordered where there are no other frames. So fragments
        that follow each other join, if presentation lies equally far behind decoding in both of them.

        Args:
            payload: the fragment.
            start_ns: its start.
            until_ns: the start of the next keyframe's fragment, or where the footage ends.

        Raises:
            InvalidError: the payload is no fragment, or its first video frame is no keyframe.
        """
        table = read_fragment(payload).track(self._track_id)
        if table is None or not table.samples[0].sync:
            msg = "this fragment does not begin with a keyframe"
            raise InvalidError(msg)
        row = table.samples[0]
        duration = min(LONGEST, max(1, self._ticks(until_ns) - self._ticks(start_ns)))
        self._sequence += 1
        run = TrackRun(1, row.pts, [duration], [row.size], None, NON_SYNC_SAMPLE, SYNC_SAMPLE)
        head = fragment_header(self._sequence, [run])
        shown_ns = row.pts * SECOND // self._rate
        return KeyframeFragment(
            payload=b"".join((head, memoryview(payload)[row.offset : row.offset + row.size])),
            start_ns=shown_ns,
            duration_ns=(row.pts + duration) * SECOND // self._rate - shown_ns,
        )

    def _ticks(self, start_ns: int) -> int:
        """Return the tick that a fragment's start was computed from, which was rounded down."""
        return -(-start_ns * self._rate // SECOND)

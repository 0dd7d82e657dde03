"""What comes over an RTSP connection (RFC 2326 §10.12): `$` frames, text between them, and garbage."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from overt.errors import InvalidError
from overt.media.reception import FrameHandler
from overt.media.rtsp.desync import find_resume
from overt.media.rtsp.messages import ServerMessage, ServerParser

MAX_DESYNCS: Final = 200
"""After so many losses of structure in one session the connection is given up: reconnecting costs less."""

DOLLAR: Final = 0x24
_FRAME: Final = struct.Struct(">BBH").unpack_from
_FRAME_HEADER: Final = 4
_STARTS: Final = frozenset(b"$RAGOST")
"""First bytes of a frame, a reply, and the requests that servers make."""


@dataclass(slots=True)
class FeedCounters:
    """Growing counts of one connection; written by the reactor's thread, read by anybody."""

    bytes: int = 0
    desyncs: int = 0
    """How often the stream lost its structure and was found again."""
    foreign_frames: int = 0
    """Interleaved frames on channels that were never granted."""


class InterleavedStream:
    """Takes the bytes of one connection apart. Belongs to the reactor's thread.

    Frames go to the handlers in `channels`, which the owner fills as tracks are granted; messages go to `messages`
    with the time at which they came, which says whether to go on. Frames whose structure was lost are counted, passed
    over, and reading goes on with the next that can be confirmed.
    """

    def __init__(
        self,
        host: str,
        counters: FeedCounters,
        *,
        messages: Callable[[list[ServerMessage]], bool],
        playing: Callable[[], bool],
    ) -> None:
        """Begin with text, at position 0.

        Args:
            host: the camera's, for messages of errors.
            messages: takes replies and requests in order; False if nothing more is to be read.
            playing: whether frames are expected, so that what is no text may be looked at as a loss of structure.
        """
        self.channels: Final[dict[int, FrameHandler]] = {}
        self.parser: Final = ServerParser()
        self._host = host
        self._counters = counters
        self._messages = messages
        self._playing = playing
        self._lost_structure = False
        self._skip = 0

    def consume(self, buffer: memoryview, stop: int, now: int, position: int = 0) -> int:
        """Take whole frames and text from `buffer[position:stop]`, read at `now` (nanoseconds of the reactor).

        Returns how far it came; what lies behind waits for more bytes.

        Raises:
            InvalidError: no RTSP before anything plays, or structure lost `MAX_DESYNCS` times.
            OvertError: from `messages` and the handlers.
        """
        while position < stop and not self._lost_structure:
            if self.parser.mid_message or buffer[position] != DOLLAR:
                came, go_on = self._text(buffer, position, stop)
                if not go_on:
                    return stop
                position = came
                continue
            taken = self._frames(buffer, position, stop, now)
            self.parser.position += taken - position
            if taken == position or (taken < stop and buffer[taken] == DOLLAR):
                position = taken
                break
            position = taken
        if self._lost_structure:
            return self._find_structure(buffer, position, stop, now)
        return position

    def _frames(self, buffer: memoryview, position: int, stop: int, now: int) -> int:
        """Take interleaved frames until something else comes, or one is incomplete; return how far it came."""
        channels = self.channels
        while stop - position > _FRAME_HEADER:
            dollar, channel, length = _FRAME(buffer, position)
            start = position + _FRAME_HEADER
            end = start + length
            if dollar != DOLLAR or end > stop:
                break
            handler = channels.get(channel)
            if handler is not None and length and buffer[start] & 0xC0 == 0x80:
                position = handler(buffer, start, end, stop, now)
            elif handler is None and (end == stop or buffer[end] in _STARTS):
                self._counters.foreign_frames += 1
                position = end
            else:
                self._lose_structure()
                break
        return position

    def _text(self, buffer: memoryview, position: int, stop: int) -> tuple[int, bool]:
        """Feed RTSP text to the parser; return the new position, and whether to go on from there."""
        try:
            messages, consumed = self.parser.feed(buffer[position:stop])
        except InvalidError as error:
            if not self._playing():
                msg = f"{self._host}: {error}"
                raise InvalidError(msg) from error
            self._lose_structure()
            return position, True
        return position + consumed, self._messages(messages)

    def _lose_structure(self) -> None:
        self._lost_structure = True
        self._skip = 1
        self._counters.desyncs += 1
        if self._counters.desyncs > MAX_DESYNCS:
            msg = f"{self._host} lost the structure of its stream {MAX_DESYNCS} times in one session"
            raise InvalidError(msg)

    def _find_structure(self, buffer: memoryview, position: int, stop: int, now: int) -> int:
        """Look for the next frame after garbage, and go on from there; what cannot be told yet is kept."""
        # What misled us is passed over once; a place that was kept to be confirmed later stands at the beginning.
        found = find_resume(buffer[position:stop], self.channels.keys(), start=self._skip)
        self._skip = 0
        self.parser.position += found.offset
        position += found.offset
        if not found.confirmed:
            return position
        self._lost_structure = False
        return self.consume(buffer, stop, now, position)

"""Motion JPEG over RTP (RFC 2435): pictures put together again with the headers that were left out.

Types 0 and 1 (4:2:2 and 4:2:0) and, with restart markers, 64 and 65. Each picture is a keyframe. One that lost a part
is kept up to the loss, so that a viewer sees its upper part. Pictures wider or higher than 2040 do not fit the
header's fields: their size, 0 there, is taken from the `x-dimensions` of the session description.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from overt.errors import InvalidError
from overt.media.jpeg_headers import jpeg_header, quantisation_tables, split_tables
from overt.media.payload import MAX_ACCESS_UNIT, Continuation, PayloadCounters
from overt.media.sample_entries import mp4v_jpeg
from overt.media.samples import CodecConfiguration, Sample

_MAIN_HEADER: Final = struct.Struct(">IBBBB")
_RESTART_HEADER: Final = struct.Struct(">HH")
_TABLE_HEADER: Final = struct.Struct(">BBH")
_END: Final = b"\xff\xd9"
_IN_BAND: Final = 128
"""From this Q value on, the tables are sent (RFC 2435 §3.1.8)."""
_NOT_CACHED: Final = 255
_MAX_SIDE: Final = 65535
_TABLE_BYTES: Final = 4 * 128

Tables = list[tuple[int, bytes]]


class MjpegDepacketiser:
    """Pictures of Motion JPEG. The two fields of interlaced cameras are pictures of their own."""

    __slots__ = (
        "_arrival", "_cache", "_clock_rate", "_configuration", "_counters", "_damaged", "_data", "_fallback", "_lost",
        "_marks", "_received", "_time", "continuation",
    )  # fmt: skip

    def __init__(self, clock_rate: int, fmtp: Mapping[str, str]) -> None:
        """Take the clock rate, and `x-dimensions` ("width,height") where the caller puts it among the parameters."""
        self._counters: Final = PayloadCounters()
        self.continuation: Final = Continuation()
        self._clock_rate: Final = clock_rate or 90_000
        self._fallback: Final = _dimensions(fmtp.get("x-dimensions", ""))
        self._configuration: CodecConfiguration | None = None
        self._cache: dict[int, Tables] = {}
        """Tables by Q value: 127 at most."""
        self._data = bytearray()
        self._received = 0
        """Bytes of entropy-coded data that came without a hole; the offset that the next fragment must have."""
        self._time = -1
        """Time of the picture in hand; -1 if there is none."""
        self._arrival = 0
        self._marks = False
        """The camera sets marker bits."""
        self._damaged = False
        self._lost = 0

    @property
    def counters(self) -> PayloadCounters:
        """The counts so far."""
        return self._counters

    @property
    def configuration(self) -> CodecConfiguration | None:
        """None before the first picture: RTP carries the size in each."""
        return self._configuration

    def push(
        self,
        buffer: memoryview,
        start: int,
        stop: int,
        rtp_time: int,
        marker: bool,
        lost_before: int,
        arrival_ns: int,
        out: list[Sample],
    ) -> None:
        """Take the payload `buffer[start:stop]`; see `Depacketiser.push`."""
        if self._time not in {-1, rtp_time}:
            # Its end is missing, unless this camera sets no marker bits. What was lost belongs to it: offsets tell
            # whether the next picture is whole.
            self._damaged = self._damaged or self._marks or lost_before > 0
            self._lost += lost_before
            lost_before = 0
            self._emit(out)
        self._lost += lost_before
        try:
            self._take(buffer[start:stop], rtp_time)
        except (InvalidError, struct.error):
            self._counters.malformed += 1
            self._damaged = True
        self._arrival = arrival_ns
        self._marks = self._marks or marker
        if len(self._data) > MAX_ACCESS_UNIT:
            self._counters.oversized += 1
            self._forget()
            self._damaged = True
        elif marker and self._time != -1:
            self._emit(out)

    def flush(self, arrival_ns: int, out: list[Sample]) -> None:
        """Append the picture in hand: its end has not come if its marker bit has not."""
        if self._time != -1:
            self._damaged = self._damaged or self._marks
            self._arrival = arrival_ns
            self._emit(out)

    def _take(self, payload: memoryview, rtp_time: int) -> None:
        """Take one fragment. Raises InvalidError or struct.error if it cannot be used."""
        word, kind, quality, width, height = _MAIN_HEADER.unpack_from(payload)
        offset = word & 0xFFFFFF
        position = _MAIN_HEADER.size
        interval = 0
        if kind & 0xBE:
            msg = f"RTP/JPEG type {kind} is none that RFC 2435 defines"
            raise InvalidError(msg)
        if kind & 0x40:
            interval, _ = _RESTART_HEADER.unpack_from(payload, position)
            position += _RESTART_HEADER.size
        if offset == 0:
            if self._time != -1:
                msg = "a picture begins while another of the same time is not complete"
                raise InvalidError(msg)
            tables, position = self._tables(payload, position, quality)
            size = (8 * width or self._fallback[0], 8 * height or self._fallback[1])
            self._begin(rtp_time, size, jpeg_header(*size, 1 + (kind & 1), interval, tables))
        elif self._time == -1 or offset != self._received:
            # Behind a hole the data have lost their place in the picture: they are left out.
            self._damaged = True
            return
        self._data += payload[position:]
        self._received += len(payload) - position

    def _begin(self, rtp_time: int, size: tuple[int, int], header: bytes) -> None:
        width, height = size
        configuration = self._configuration
        if configuration is None or (configuration.width, configuration.height) != size:
            if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
                msg = f"an RTP/JPEG picture has the size {width} x {height}"
                raise InvalidError(msg)
            self._configuration = CodecConfiguration(
                kind="video",
                codec="mjpeg",
                rfc6381="mp4v.6C",
                timescale=self._clock_rate,
                sample_entry=mp4v_jpeg(width, height),
                width=width,
                height=height,
            )
        self._time, self._received = rtp_time, 0
        self._data += header

    def _tables(self, payload: memoryview, position: int, quality: int) -> tuple[Tables, int]:
        """Return the quantisation tables of a picture and where its data begin (§3.1.8)."""
        known = self._cache.get(quality)
        if quality < _IN_BAND:
            if known is None:
                both = quantisation_tables(quality)
                known = self._cache[quality] = [(0, both[:64]), (0, both[64:])]
            return known, position
        _, precision, length = _TABLE_HEADER.unpack_from(payload, position)
        position += _TABLE_HEADER.size
        if length == 0:
            if known is None:
                msg = f"an RTP/JPEG picture refers to quantisation tables (Q {quality}) that were never sent"
                raise InvalidError(msg)
            return known, position
        end = position + length
        tables = None
        if length <= _TABLE_BYTES and end <= len(payload):
            tables = split_tables(bytes(payload[position:end]), precision)
        if tables is None:
            msg = f"the quantisation tables of an RTP/JPEG picture cannot be {length} bytes long"
            raise InvalidError(msg)
        if quality != _NOT_CACHED:
            self._cache[quality] = tables
        return tables, end

    def _emit(self, out: list[Sample]) -> None:
        configuration = self._configuration
        if configuration is None:
            self._counters.unconfigured += 1
        else:
            if not self._data.endswith(_END):
                self._data += _END
            out.append(Sample(configuration, self._time, self._data, True, self._arrival, self._damaged, self._lost))
        self._forget()
        self._damaged = False
        self._lost = 0

    def _forget(self) -> None:
        self._data = bytearray()
        self._time, self._received = -1, 0


def _dimensions(text: str) -> tuple[int, int]:
    """Return width and height of `x-dimensions`; zeros where it is absent or unreadable."""
    width, _, height = text[:32].partition(",")
    try:
        return int(width), int(height)
    except ValueError:
        return 0, 0

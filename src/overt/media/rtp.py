"""RTP: the header of a packet and the order of packets (RFC 3550 §5.1, §6.4.1, appendix A.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from overt.media.payload import CLOSED, MAX_ACCESS_UNIT, Depacketiser
from overt.media.rtcp import ReceptionReport
from overt.media.samples import Sample

HEADER_SIZE: Final = 12
MAX_DROPOUT: Final = 3000
"""A sequence number further ahead or behind than this means that the sender started anew (RFC 3550, A.1)."""
MAX_TIMESTAMP_STEP: Final = 1 << 25
"""After such a restart the timestamps are taken to go on if they moved less than this (6 minutes at 90 kHz)."""

_WRAP: Final = 1 << 32
_NO_TIMESTAMP: Final = -1
_SHORTEST: Final = HEADER_SIZE + 4
"""Bytes of a packet that can take the short way; the few shorter ones take the long way."""
_read_packet: Final = struct.Struct(">HHIII").unpack_from
_FRAME_HEADER: Final = 4
"""`$`, channel, 16-bit length (RFC 2326 §10.12)."""
_SHORTEST_FRAME: Final = _FRAME_HEADER + _SHORTEST
_read_frame: Final = struct.Struct(">HHHHIII").unpack_from
_read_header: Final = struct.Struct(">HHII").unpack_from
_read_extension: Final = struct.Struct(">HH").unpack_from


@dataclass(slots=True)
class RtpCounters:
    """What one receiver has seen since it was made."""

    packets: int = 0
    """Packets passed on to the depacketiser, or empty ones in their right place."""
    bytes: int = 0
    """Their size with the RTP header."""
    lost: int = 0
    """Sequence numbers that never came, or came too late. After a restart at least one is assumed."""
    duplicates: int = 0
    """Packets with the sequence number of the one before; dropped."""
    late: int = 0
    """Packets behind the newest, dropped: repeated, or overtaken (they are counted as lost then)."""
    malformed: int = 0
    """Packets with another version than 2 or with lengths that do not fit; dropped."""
    foreign: int = 0
    """Packets of another payload type; ignored."""
    restarts: int = 0
    """How often the sender began anew: another SSRC, or a jump of more than `MAX_DROPOUT` packets."""


class RtpReceiver:
    """One RTP stream on its way into a depacketiser. Not thread-safe: owned by the capture thread.

    The unwrapped time given to the depacketiser equals the packet's timestamp modulo 2**32. It follows the
    timestamps through their wraps and backward steps; a new `epoch`, in which old and new timestamps have nothing
    to do with each other, begins more than 2**32 ticks after all that was before.
    """

    __slots__ = (
        "_announced", "_bytes", "_continuation", "_depacketiser", "_duplicates", "_expected", "_first", "_foreign",
        "_head", "_highest", "_interval_expected", "_interval_lost", "_late", "_lost", "_malformed",
        "_packets_before", "_push", "_restarts", "_rtp_time", "_skip", "_skipped", "_source", "_ssrc", "_timestamp",
        "_unreported", "epoch",
    )  # fmt: skip

    def __init__(self, depacketiser: Depacketiser, payload_type: int, ssrc: int | None) -> None:
        """Receive packets of `payload_type`; an `ssrc` of None, or one the sender does not keep to, is learned."""
        self.epoch: int = 0
        """Grows when the timestamps begin anew."""
        self._depacketiser: Final = depacketiser
        self._push: Final = depacketiser.push
        self._continuation: Final = depacketiser.continuation
        self._skip: Final = HEADER_SIZE + self._continuation.skip
        self._head: Final = 0x8000 | payload_type & 0x7F
        self._announced: Final = ssrc
        self._source = -1
        """The SSRC in force; -1 before the first packet."""
        self._ssrc = -1
        """The same, or -1 while the next packet must not go the short way."""
        self._first = -1
        """Sequence number with which counting began; -1 before the first packet."""
        self._expected = -1
        """The next sequence number, unwrapped: what was received since `_first` is told by it and `_skipped`."""
        self._skipped = 0
        self._unreported = 0
        self._packets_before = 0
        self._timestamp = _NO_TIMESTAMP
        self._rtp_time = 0
        self._highest = 0
        self._bytes = 0
        self._lost = self._duplicates = self._late = self._malformed = self._foreign = self._restarts = 0
        self._interval_expected = self._interval_lost = 0

    @property
    def counters(self) -> RtpCounters:
        """The counts so far, as a copy."""
        return RtpCounters(
            packets=self._packets(),
            bytes=self._bytes,
            lost=self._lost,
            duplicates=self._duplicates,
            late=self._late,
            malformed=self._malformed,
            foreign=self._foreign,
            restarts=self._restarts,
        )

    @property
    def ssrc(self) -> int | None:
        """The sender's synchronisation source as last received, or as announced; None if unknown."""
        return self._announced if self._source < 0 else self._source

    @property
    def newest_rtp_time(self) -> int | None:
        """Unwrapped time of the last packet; None before the first."""
        return None if self._timestamp == _NO_TIMESTAMP else self._rtp_time

    def unwrap(self, timestamp: int) -> int | None:
        """Return a 32-bit timestamp (of a sender report) on the unwrapped axis; None before the first packet."""
        if self._timestamp == _NO_TIMESTAMP:
            return None
        return self._rtp_time + _signed(timestamp - self._timestamp)

    def receive(self, buffer: memoryview, start: int, stop: int, arrival_ns: int, out: list[Sample]) -> None:
        """Take the RTP packet `buffer[start:stop]`; append the samples that it completes to `out`. Never raises.

        `arrival_ns` is the monotonic clock.
        """
        if stop - start >= _SHORTEST:
            head, sequence, timestamp, ssrc, beginning = _read_packet(buffer, start)
            expected = self._expected
            if sequence == expected & 0xFFFF and ssrc == self._ssrc and head & 0xFF7F == self._head:
                self._expected = expected + 1
                self._bytes += stop - start
                middle = self._continuation
                if beginning >> middle.shift == middle.prefix and timestamp == self._timestamp and head < 0x8080:
                    gathered = middle.gathered
                    if len(gathered) <= MAX_ACCESS_UNIT:
                        gathered += buffer[start + self._skip : stop]
                        middle.arrival_ns = arrival_ns
                        return
                if timestamp != self._timestamp:
                    self._advance(timestamp)
                self._push(buffer, start + HEADER_SIZE, stop, self._rtp_time, head & 0x80 != 0, 0, arrival_ns, out)
                return
        self._receive_unusual(buffer, start, stop, arrival_ns, out)

    def receive_interleaved(
        self, buffer: memoryview, start: int, stop: int, limit: int, lead: int, arrival_ns: int, out: list[Sample]
    ) -> int:
        """Take the RTP packet `buffer[start:stop]` of an interleaved stream, and those that simply continue it.

        As `receive`; but middles of a fragmented NAL unit that follow in `buffer[stop:limit]`, each behind its
        four-byte frame header (RFC 2326 §10.12) that begins with `lead` (`$` and the channel), are taken at once: nine
        of ten packets of a video stream then cost one turn of this loop. Returns where the first byte not taken is.
        """
        self.receive(buffer, start, stop, arrival_ns, out)
        middle = self._continuation
        prefix = middle.prefix
        if prefix == CLOSED:
            return stop
        shift, skip, gathered = middle.shift, self._skip + _FRAME_HEADER, middle.gathered
        usual, timestamp, ssrc, expected = self._head, self._timestamp, self._ssrc, self._expected & 0xFFFF
        position, taken = stop, 0
        last = min(limit, stop + MAX_ACCESS_UNIT - len(gathered)) - _SHORTEST_FRAME
        while position <= last:
            beginning, length, head, sequence, time, source, payload = _read_frame(buffer, position)
            end = position + _FRAME_HEADER + length
            if (
                payload >> shift != prefix
                or sequence != expected
                or beginning != lead
                or head != usual
                or time != timestamp
                or source != ssrc
                or end > limit
            ):
                break
            gathered += buffer[position + skip : end]
            expected = (expected + 1) & 0xFFFF
            position = end
            taken += 1
        if taken:
            self._expected += taken
            self._bytes += position - stop - _FRAME_HEADER * taken
            middle.arrival_ns = arrival_ns
        return position

    def reception_report(self, last_sender_report: int = 0, delay: int = 0) -> ReceptionReport | None:
        """Return the report block for the interval since the last call (RFC 3550 §6.4.1); None before the first packet.

        `last_sender_report` is the middle of the last report's NTP timestamp and `delay` the time since it came, in
        1/65536 s. Interarrival jitter is 0: sockets are drained on a tick, which measures the tick, not the network.
        """
        if self._first < 0:
            return None
        expected = self._packets() + self._lost
        lost = self._lost - self._interval_lost
        interval = expected - self._interval_expected
        self._interval_expected, self._interval_lost = expected, self._lost
        return ReceptionReport(
            ssrc=self._source,
            fraction_lost=min(255, 256 * lost // interval) if interval > 0 else 0,
            cumulative_lost=min(self._lost, 0x7FFFFF),
            highest_sequence=(self._expected - 1) % _WRAP,
            jitter=0,
            last_sender_report=last_sender_report,
            delay=delay,
        )

    def _packets(self) -> int:
        return self._packets_before + (self._expected - self._first - self._skipped if self._first >= 0 else 0)

    def _advance(self, timestamp: int) -> None:
        if self._timestamp == _NO_TIMESTAMP:
            # One wrap ahead of zero, so that a backward step of the first frames cannot become negative.
            self._rtp_time = _WRAP + timestamp
        else:
            self._rtp_time += _signed(timestamp - self._timestamp)
        self._highest = max(self._highest, self._rtp_time)
        self._timestamp = timestamp

    def _receive_unusual(self, buffer: memoryview, start: int, stop: int, arrival_ns: int, out: list[Sample]) -> None:
        """Take a packet with header extras, a gap before it, another source, or one that is not ours at all."""
        if stop - start < HEADER_SIZE or buffer[start] >> 6 != 2:
            self._malformed += 1
            return
        head, sequence, timestamp, ssrc = _read_header(buffer, start)
        if head & 0x7F != self._head & 0x7F:
            self._foreign += 1
            return
        payload = _payload(buffer, start, stop)
        if payload is None:
            self._malformed += 1
            return
        lost = self._follow(sequence, timestamp, ssrc, arrival_ns, out)
        if lost < 0:
            return
        self._bytes += stop - start
        if timestamp != self._timestamp:
            self._advance(timestamp)
        if payload[0] == payload[1]:
            # Nothing but a header, in its right place: what was lost before it is told with the next payload.
            self._unreported += lost
            self._ssrc = -1
            return
        lost += self._unreported
        self._unreported = 0
        self._ssrc = ssrc
        self._push(buffer, *payload, self._rtp_time, head & 0x80 != 0, lost, arrival_ns, out)

    def _follow(self, sequence: int, timestamp: int, ssrc: int, arrival_ns: int, out: list[Sample]) -> int:
        """Find a packet's place; return how many are missing before it, or -1 if it must be dropped."""
        if self._first < 0:
            self._source = ssrc
            self._first = sequence
            self._expected = sequence + 1
            return 0
        if ssrc != self._source:
            self._restart(sequence, arrival_ns, out)
            self._source = ssrc
            self._begin_epoch(timestamp)
            return 0
        ahead = (sequence - self._expected) & 0xFFFF
        if ahead < MAX_DROPOUT:
            self._expected += ahead + 1
            self._skipped += ahead
            self._lost += ahead
            return ahead
        if ahead > 0x10000 - MAX_DROPOUT:
            if ahead == 0xFFFF:
                self._duplicates += 1
            else:
                self._late += 1
            return -1
        self._restart(sequence, arrival_ns, out)
        if not 0 <= (timestamp - self._timestamp) & 0xFFFFFFFF < MAX_TIMESTAMP_STEP:
            self._begin_epoch(timestamp)
        # How many are missing cannot be known from here, but that something is can.
        self._lost += 1
        return 1

    def _restart(self, sequence: int, arrival_ns: int, out: list[Sample]) -> None:
        self._depacketiser.flush(arrival_ns, out)
        self._packets_before = self._packets()
        self._first = sequence
        self._expected = sequence + 1
        self._skipped = 0
        self._restarts += 1

    def _begin_epoch(self, timestamp: int) -> None:
        self._rtp_time = ((self._highest >> 32) + 2) * _WRAP + timestamp
        self._highest = self._rtp_time
        self._timestamp = timestamp
        self.epoch += 1


def _signed(difference: int) -> int:
    """Return a difference of 32-bit numbers as the nearer of its two readings."""
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def _payload(buffer: memoryview, start: int, stop: int) -> tuple[int, int] | None:
    """Return where the payload of an RTP packet lies after CSRCs, extension and padding; None if the lengths lie."""
    first = buffer[start]
    begin = start + HEADER_SIZE + 4 * (first & 0x0F)
    if first & 0x10:
        if begin + 4 > stop:
            return None
        begin += 4 + 4 * _read_extension(buffer, begin)[1]
    end = stop
    if first & 0x20:
        padding = buffer[stop - 1]
        end -= padding
        if padding == 0:
            return None
    return (begin, end) if begin <= end else None

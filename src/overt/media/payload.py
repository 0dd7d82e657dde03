"""What every RTP payload format shares: its interface, its counts, and the bound on one access unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from overt.media.samples import CodecConfiguration, Sample

MAX_ACCESS_UNIT: Final = 16 * 1024 * 1024
"""Bytes of one frame. A larger one is dropped and counted, and its successor is marked as damaged."""

CLOSED: Final = -1
"""Not the beginning of any payload."""


@dataclass(slots=True)
class PayloadCounters:
    """Growing counts of one depacketiser, read by health; written by the capture thread alone."""

    malformed: int = 0
    """Packets, NAL units or parameter sets that contradict their specification."""
    unconfigured: int = 0
    """Frames that came before the first usable codec configuration: nobody could decode them, so they are dropped."""
    oversized: int = 0
    """Frames dropped because they outgrew `MAX_ACCESS_UNIT`."""
    split_frames: int = 0
    """Frames that a wrongly placed marker bit cut in two before the marker bits were found to lie."""


class Continuation:
    """The short way of the most frequent packet: the middle of a fragmented NAL unit, nine of ten in a video stream.

    While `prefix` is not `CLOSED`, a packet that follows the one before without a loss, with the same timestamp, no
    marker, and a payload that begins with `prefix`, may be taken without `push`: by appending to `gathered` what
    follows the prefix (`skip` bytes long), and setting `arrival_ns`. `gathered` must not outgrow `MAX_ACCESS_UNIT`.
    """

    __slots__ = ("arrival_ns", "gathered", "prefix", "shift", "skip")

    def __init__(self, skip: int = 2) -> None:
        """Begin closed; `skip` is at most 4."""
        self.prefix = CLOSED
        self.skip: Final = skip
        self.shift: Final = 32 - 8 * skip
        """What the first four bytes of a payload must be shifted by for `prefix` to remain."""
        self.gathered = bytearray()
        self.arrival_ns = 0


class Depacketiser(Protocol):
    """Turns the RTP payloads of one stream, in order, into samples. Not thread-safe: owned by the capture thread.

    No payload, however malformed, makes `push` or `flush` raise.
    """

    @property
    def counters(self) -> PayloadCounters:
        """The counts so far; the same object each time."""
        ...

    @property
    def continuation(self) -> Continuation:
        """The short way for frequent packets; the same object each time, closed for ever where there is none."""
        ...

    @property
    def configuration(self) -> CodecConfiguration | None:
        """What the next sample will most probably carry; None until the stream or its SDP has told enough."""
        ...

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
        """Take the payload `buffer[start:stop]` (never empty) and append the samples that it completes to `out`.

        `rtp_time` is unwrapped; `lost_before` counts the packets missing just before this one; `arrival_ns` is the
        monotonic clock. The buffer may be used again once this returns.
        """
        ...

    def flush(self, arrival_ns: int, out: list[Sample]) -> None:
        """Append what is gathered, complete or not: the stream ended, paused, or begins anew."""
        ...

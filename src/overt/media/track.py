"""One track of a session: its samples in hand, and when each is to be decoded.

RTP carries presentation times in decoding order. Without reordering the decode time is the presentation time; with
B-frames it is taken from a heap of the presentation times seen so far, as deep as frames are reordered, so that decode
times grow strictly and evenly (ISO/IEC 14496-12 §8.6.1). All times are ticks of the UTC axis.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heappushpop
from itertools import pairwise
from typing import Final

from overt.errors import InvalidError
from overt.media.boxes import TrackRun
from overt.media.samples import CodecConfiguration
from overt.media.timeline import StreamTimeline

MAX_REORDER: Final = 16
"""Frames that a decoder can hold back (ITU-T H.264 §A.3.1, H.265 §A.4.2)."""
MAX_INTERVAL_S: Final = 10
"""Longest time that the last sample of a fragment is said to last."""


class Track:
    """Samples of one track in hand, and what is needed to time the next."""

    __slots__ = (
        "chunks",
        "configuration",
        "dts",
        "expected",
        "floor",
        "heap",
        "last_dts",
        "last_interval",
        "least",
        "natural",
        "popped",
        "pts",
        "timeline",
    )

    def __init__(self, timeline: StreamTimeline, default_interval: int) -> None:
        """Begin with nothing in hand; `default_interval` is expected until two samples have told their distance."""
        self.timeline = timeline
        self.configuration: CodecConfiguration | None = None
        self.chunks: list[bytes | bytearray] = []
        self.dts: list[int] = []
        self.pts: list[int] | None = None
        """Presentation times, once some sample in hand has one that differs from its decode time."""
        self.floor = timeline.end
        """Decode time before which the next sample may not be placed."""
        self.last_dts = timeline.end - 1
        self.heap: list[int] = []
        """Presentation times not yet used as decode times: as many as frames are reordered."""
        self.popped = 0
        """Decode time last taken, regardless of the floor."""
        self.natural: int | None = None
        """Decode time that the last sample would have without a floor; None before the first since an anchor."""
        self.last_interval = self.expected = self.least = max(1, default_interval)

    def configure(self, configuration: CodecConfiguration) -> None:
        """Take a configuration over.

        Raises:
            InvalidError: its timescale is not the RTP clock rate, so that times would be wrong.
        """
        if configuration.timescale != self.timeline.clock_rate:
            msg = (
                f"{configuration.kind} track {configuration.rfc6381}: timescale {configuration.timescale} is not the "
                f"RTP clock rate {self.timeline.clock_rate}; build the configuration with the rate of the rtpmap"
            )
            raise InvalidError(msg)
        self.configuration = configuration

    def learn(self, natural: int) -> None:
        """Expect the next sample after the shorter of the last two intervals: rather a hole of a tick than overlap."""
        before, self.natural = self.natural, natural
        if before is not None and natural > before:
            interval = min(natural - before, MAX_INTERVAL_S * self.timeline.clock_rate)
            self.expected = min(interval, self.last_interval)
            self.last_interval = interval

    def shortest(self) -> int:
        """Return how long the last sample in hand surely lasts.

        That is the usual interval where the camera keeps it to the tick. Where it jitters, it is less than the least of
        the last two fragments by as much as they differ: a hole of some ticks is better than a frame that finds its
        place taken by the one before, and must be moved.
        """
        margin = self.expected >> 4
        low, high = self.expected - margin, self.expected + margin
        near = [interval for interval in self.intervals() if low <= interval <= high]
        least, before = min(near, default=self.expected), self.least
        self.least = least
        spread = max(near, default=least) - least
        if low <= before <= high:
            spread, least = max(spread, abs(before - least)), min(before, least)
        return max(low, min(self.expected, least) - spread)

    def intervals(self) -> list[int]:
        """Return the distances of the samples in hand."""
        return [after - before for before, after in pairwise(self.dts)]

    def steer(self, utc_ns: int) -> int:
        """Steer the axis between two fragments, and all that is already placed on it; return the change in ticks."""
        change = self.timeline.steer(utc_ns)
        if change:
            self.heap = [value + change for value in self.heap]
            self.popped += change
            if self.natural is not None:
                self.natural += change
        return change

    def prepare(self, reorder_depth: int) -> None:
        """Before an anchor: leave room before the first frame for the decode times that reordering needs."""
        depth = min(max(reorder_depth, len(self.heap)), MAX_REORDER)
        self.timeline.lead = depth * self.expected
        self.heap = [0] * depth

    def restart(self, tick: int) -> None:
        """Begin anew behind the footage that was given out, with a frame that is shown at `tick`.

        The heap is filled with the presentation times that frames before it would have had.
        """
        self.floor = self.timeline.end
        self.last_dts = self.floor - 1
        self.natural = None
        depth = len(self.heap)
        self.heap = [tick - step * self.expected for step in range(depth, 0, -1)]
        self.popped = self.heap[0] if depth else tick

    def resize(self, reorder_depth: int) -> None:
        """Follow a configuration that reorders more, or less, than the one before."""
        depth = min(reorder_depth, MAX_REORDER)
        while len(self.heap) > depth:
            heappop(self.heap)
        if len(self.heap) < depth:
            self.heap.extend([self.floor] * (depth - len(self.heap)))
            heapify(self.heap)

    def decode_time(self, tick: int) -> int:
        """Return the decode time of a frame that is shown at `tick`, regardless of footage given out.

        With `n` values in the heap a frame is decoded when the n-th last frame before it is shown. A frame that comes
        later than that shows that `n` is too small: the heap grows by one, and decode times stand still for a tick.
        """
        if tick < self.popped and len(self.heap) < MAX_REORDER:
            heappush(self.heap, tick)
            return tick
        return heappushpop(self.heap, tick)

    def run(self, track_id: int, end: int, default_flags: int, first_flags: int) -> TrackRun:
        """Return the samples in hand, the last of which ends at tick `end`."""
        dts = self.dts
        durations = self.intervals()
        durations.append(end - dts[-1])
        offsets = None
        if self.pts is not None:
            offsets = [pts - at for pts, at in zip(self.pts, dts, strict=True)]
        return TrackRun(track_id, dts[0], durations, [len(c) for c in self.chunks], offsets, default_flags, first_flags)

    def clear(self, end: int) -> None:
        """Forget the samples in hand, which were given out up to tick `end`."""
        self.chunks = []
        self.dts = []
        self.pts = None
        self.timeline.end = self.floor = end

"""G.711 audio over RTP (RFC 3551 §4.5.14): each payload is a sample, each of its bytes one moment of sound."""

from __future__ import annotations

from typing import Final, Literal

from overt.media.payload import Continuation, PayloadCounters
from overt.media.sample_entries import g711
from overt.media.samples import CodecConfiguration, Sample

_ENTRIES: Final = {"pcma": b"alaw", "pcmu": b"ulaw"}


class G711Depacketiser:
    """A-law or µ-law audio. A packet lost is silence before the next sample, which itself is whole."""

    __slots__ = ("_configuration", "_counters", "continuation")

    def __init__(self, codec: Literal["pcma", "pcmu"], clock_rate: int, channels: int) -> None:
        """Take the values of the session description; 8000 Hz and one channel where it leaves them out."""
        rate, count = clock_rate or 8000, channels or 1
        entry = _ENTRIES[codec]
        self._counters: Final = PayloadCounters()
        self.continuation: Final = Continuation()
        self._configuration: Final = CodecConfiguration(
            kind="audio",
            codec=codec,
            rfc6381=entry.decode(),
            timescale=rate,
            sample_entry=g711(entry, rate, count),
            channels=count,
        )

    @property
    def counters(self) -> PayloadCounters:
        """The counts so far: nothing can be malformed here."""
        return self._counters

    @property
    def configuration(self) -> CodecConfiguration:
        """Known from the beginning."""
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
        """Take the payload `buffer[start:stop]`; the marker bit (first packet after silence) says nothing more."""
        del marker
        data = bytes(buffer[start:stop])
        out.append(Sample(self._configuration, rtp_time, data, True, arrival_ns, False, lost_before))

    def flush(self, arrival_ns: int, out: list[Sample]) -> None:
        """Do nothing: no payload waits for another."""

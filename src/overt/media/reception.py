"""The tracks of one session: packets in, samples, and fragments out. Owned by the capture thread; never blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from overt.clock import SECOND, RecorderClock
from overt.errors import InvalidError
from overt.media.depacketise import depacketiser
from overt.media.fragments import FragmentGatherer
from overt.media.payload import Depacketiser
from overt.media.rtcp import Goodbye, RtcpCounters, SenderReport, parse_compound, receiver_report
from overt.media.rtp import RtpReceiver
from overt.media.rtsp.sdp import PayloadFormat
from overt.media.samples import CodecConfiguration, Fragment, Sample, TimedSample
from overt.media.timeline import StreamTimeline

PacketHandler = Callable[[memoryview, int, int, int], None]
"""Takes `buffer[start:stop]` that arrived at a moment of the monotonic clock: (buffer, start, stop, now_ns)."""
FrameHandler = Callable[[memoryview, int, int, int, int], int]
"""Takes the packet `buffer[start:stop]` of an interleaved frame, and may take frames that follow it in
`buffer[stop:limit]`; returns where the first byte not taken is: (buffer, start, stop, limit, now_ns)."""


@dataclass(slots=True)
class ReceptionCounters:
    """Growing counts of one session; written by the capture thread, read by anybody."""

    frames: int = 0
    damaged_frames: int = 0
    last_frame_ns: int = 0
    """Monotonic time of the last video frame; 0 before the first."""


class TrackReception:
    """RTP and RTCP of one track."""

    def __init__(
        self, payload: PayloadFormat, timeline: StreamTimeline, samples: list[Sample], clock: RecorderClock
    ) -> None:
        """Prepare for what the description says. Raises InvalidError if it cannot be taken apart."""
        self.depacketiser: Final[Depacketiser] = depacketiser(
            payload.encoding, payload.clock_rate, payload.channels, payload.parameters
        )
        self.receiver: Final = RtpReceiver(self.depacketiser, payload.payload_type, None)
        self.timeline: Final = timeline
        self._rtcp = RtcpCounters()
        self._samples = samples
        self._clock = clock
        self._last_report = 0
        self._last_report_ns = 0

    def media(self, buffer: memoryview, start: int, stop: int, now_ns: int) -> None:
        """Take an RTP packet."""
        self.receiver.receive(buffer, start, stop, now_ns, self._samples)

    def interleaved_media(self, channel: int) -> FrameHandler:
        """Return what takes the RTP of an interleaved channel."""
        lead, samples, receive = 0x2400 | channel, self._samples, self.receiver.receive_interleaved

        def media(buffer: memoryview, start: int, stop: int, limit: int, now_ns: int) -> int:
            return receive(buffer, start, stop, limit, lead, now_ns, samples)

        return media

    def interleaved_control(self, buffer: memoryview, start: int, stop: int, _limit: int, now_ns: int) -> int:
        """Take an RTCP packet of an interleaved channel."""
        self.control(buffer, start, stop, now_ns)
        return stop

    def control(self, buffer: memoryview, start: int, stop: int, now_ns: int) -> None:
        """Take an RTCP compound packet."""
        for packet in parse_compound(buffer[start:stop], self._rtcp):
            if isinstance(packet, SenderReport):
                self._last_report, self._last_report_ns = packet.ntp_middle, now_ns
                rtp_time = self.receiver.unwrap(packet.rtp_time)
                if rtp_time is not None and packet.utc_ns is not None:
                    self.timeline.observe_sender_report(rtp_time, packet.utc_ns, self._clock.at(now_ns))
            elif isinstance(packet, Goodbye):
                self.depacketiser.flush(now_ns, self._samples)

    def report(self, now_ns: int) -> bytes:
        """Return a receiver report for the interval since the last; empty before the first packet."""
        delay = (now_ns - self._last_report_ns) * 65536 // SECOND if self._last_report_ns else 0
        block = self.receiver.reception_report(self._last_report, min(delay, 0xFFFFFFFF))
        return receiver_report(REPORTER, [block], CNAME) if block is not None else b""


REPORTER: Final = 0x0FE47001
"""Our synchronisation source in receiver reports (RFC 3550 §5.1); we send no media that it could collide with."""
CNAME: Final = "recorder"


class Reception:
    """All that arrives in one session."""

    def __init__(
        self, formats: Sequence[PayloadFormat], *, clock: RecorderClock, target_ns: int, not_before_ns: int
    ) -> None:
        """Prepare for these tracks, video first, audio second if there is one. Raises InvalidError."""
        self.counters: Final = ReceptionCounters()
        self._clock = clock
        self._video: list[Sample] = []
        self._audio: list[Sample] = []
        video = StreamTimeline(formats[0].clock_rate, not_before_ns=not_before_ns)
        self.tracks: Final = [TrackReception(formats[0], video, self._video, clock)]
        audio: StreamTimeline | None = None
        audio_configuration: CodecConfiguration | None = None
        if len(formats) > 1:
            audio = StreamTimeline(formats[1].clock_rate, not_before_ns=not_before_ns, reference=video)
            self.tracks.append(TrackReception(formats[1], audio, self._audio, clock))
            audio_configuration = self.tracks[1].depacketiser.configuration
        self._timeline = video
        self._gatherer = FragmentGatherer(video, audio, target_ns=target_ns, audio_configuration=audio_configuration)

    @property
    def video(self) -> CodecConfiguration | None:
        """Configuration of the video track, once known."""
        return self.tracks[0].depacketiser.configuration

    @property
    def lost_packets(self) -> int:
        """Packets of video that never came."""
        return self.tracks[0].receiver.counters.lost

    @property
    def camera_offset_ns(self) -> int | None:
        """Camera clock minus recorder clock by the last sender report; None before one."""
        return self._timeline.camera_offset_ns

    def watch(self, target_ns: int, on_frame: Callable[[TimedSample], None] | None) -> None:
        """Make fragments of this length from now on, and tell of each frame as it is placed; None: of none."""
        self._gatherer.target_ns = target_ns
        self._gatherer.on_frame = on_frame

    def frames_in_hand(self) -> list[TimedSample]:
        """Return the placed frames that no fragment has been made of yet."""
        return self._gatherer.frames_in_hand()

    def gather(self) -> list[Fragment]:
        """Turn the samples that have arrived into fragments; return those that are complete."""
        fragments: list[Fragment] = []
        at = self._clock.at
        for sample in self._audio:
            self._gatherer.add_audio(sample, at(sample.arrival_ns))
        self._audio.clear()
        counters = self.counters
        for sample in self._video:
            counters.frames += 1
            if sample.damaged:
                counters.damaged_frames += 1
            complete = self._gatherer.add_video(sample, at(sample.arrival_ns))
            if complete:
                fragments += complete
        if self._video:
            counters.last_frame_ns = self._video[-1].arrival_ns
            self._video.clear()
        return fragments

    def poll(self, now_ns: int) -> list[Fragment]:
        """Return what must not wait longer because the camera fell silent."""
        return self._gatherer.poll(now_ns)

    def take_access_unit(self, data: memoryview, rtp_time: int, now_ns: int, *, damaged: bool) -> None:
        """Take one whole access unit of H.264 or H.265 video, each NAL unit behind a four-byte length.

        For engines other than our own: what they deliver goes the way of single NAL unit packets.

        Raises:
            InvalidError: if the lengths do not fit.
        """
        push = self.tracks[0].depacketiser.push
        position, end = 0, len(data)
        while position < end:
            stop = position + 4 + int.from_bytes(data[position : position + 4], "big")
            if stop > end or stop <= position + 4:
                msg = f"a NAL unit at byte {position} of an access unit of {end} bytes claims to end at byte {stop}"
                raise InvalidError(msg)
            lost = 1 if damaged and position == 0 else 0
            push(data, position + 4, stop, rtp_time, stop == end, lost, now_ns, self._video)
            position = stop

    def finish(self, now_ns: int) -> list[Fragment]:
        """The session is over: return all that is in hand, the unfinished frame too."""
        for track, samples in zip(self.tracks, (self._video, self._audio), strict=False):
            track.depacketiser.flush(now_ns, samples)
        return self.gather() + self._gatherer.finish()

    def shift(self, step_ns: int, now_ns: int) -> list[Fragment]:
        """Follow a step of the recorder's line; return what was in hand, on the line as it was.

        All samples must have been gathered before.
        """
        self._gatherer.shift(step_ns)
        return self._gatherer.poll(now_ns)

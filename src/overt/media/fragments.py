"""Gathering samples into fragments: half a second or less, a new one at every keyframe, on the UTC axis.

One `FragmentGatherer` per session, on the capture thread; it never blocks and copies each sample's bytes once, in the
join that makes the payload. docs/decisions/0004-fragments-on-the-utc-axis.md says why fragments are as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from overt.errors import InvalidError
from overt.media.boxes import NON_SYNC_SAMPLE, SYNC_SAMPLE, TrackRun, fragment_header
from overt.media.samples import CodecConfiguration, Fragment, Sample, TimedSample
from overt.media.timeline import StreamTimeline
from overt.media.track import MAX_INTERVAL_S, Track

SECOND: Final = 1_000_000_000
TARGET: Final = SECOND // 2
KEYFRAME_PATIENCE: Final = 30 * SECOND
"""A stream that has sent no keyframe for so long is recorded from its next frame on, as it comes."""
HOLD: Final = SECOND // 5
"""The first frames wait so long before the axis is laid, so that a burst of old frames is seen for what it is."""
HOLD_QUIET: Final = SECOND // 10
"""A burst is over when for so long no frame has arrived earlier, relative to its RTP time, than all before."""
HOLD_GAIN: Final = SECOND // 100
MAX_HOLD: Final = SECOND
MAX_HELD_SAMPLES: Final = 512
MAX_HELD_BYTES: Final = 8 << 20
MAX_BYTES: Final = 16 << 20
"""Bytes of one fragment after which it is closed, whatever its length."""
MAX_SAMPLES: Final = 1024
"""Samples of one track in one fragment, after which it is closed."""
DEFAULT_RATE: Final = 25
"""Frames a second assumed until two frames have told their distance."""
POLL_SLACK: Final = SECOND // 20
AUDIO_ALONE: Final = 2 * SECOND
"""Audio waits so long for a frame of video to travel with."""


class FragmentGatherer:
    """Makes fragments of the samples of one session.

    Frames before the first keyframe cannot be decoded and are counted, not stored; after a loss in the middle of a
    session everything is kept. Every fragment begins at or after the end of the one before it on the axis. What is in
    hand is at most `target_ns` of footage (one frame, if frames are rarer), as long as `poll` is called.
    """

    def __init__(
        self,
        video: StreamTimeline,
        audio: StreamTimeline | None = None,
        *,
        target_ns: int = TARGET,
        audio_configuration: CodecConfiguration | None = None,
    ) -> None:
        """Begin a session.

        Args:
            video: timeline of the video track, made with the end of the stored footage.
            audio: timeline of the audio track, if audio is recorded, made with `reference=video`.
            target_ns: length of a fragment; may be changed at any time.
            audio_configuration: known beforehand, so that the audio track is announced from the first fragment on.

        Raises:
            InvalidError: a configuration's timescale is not its timeline's clock rate (also from `add_*`).
        """
        self.skipped_before_keyframe = 0
        """Video frames that came before the first keyframe and are not stored."""
        self.skipped_audio = 0
        """Audio samples that came before the first stored video frame."""
        self._timeline = video
        self._video = Track(video, video.clock_rate // DEFAULT_RATE)
        self._audio = None if audio is None else Track(audio, audio.clock_rate // 50)
        if self._audio is not None and audio_configuration is not None:
            self._audio.configure(audio_configuration)
        self._tracks: tuple[CodecConfiguration, ...] = ()
        self._ready: list[Fragment] = []
        self._sequence = 0
        self._running = False
        self._waiting_since: int | None = None
        self._hold: list[tuple[Sample, int]] | None = None
        self._hold_since = self._hold_bytes = self._hold_lowest = self._hold_gained = 0
        self._jumps = -1
        self._discontinuity = True
        self._first_sync = False
        self._first_arrival = self._last_arrival = self._line = 0
        self._audio_since = 0
        self._bytes = self._damaged = self._lost = 0
        self._target_ns = self._target = 0
        self.target_ns = target_ns
        self.on_frame: Callable[[TimedSample], None] | None = None
        """Told of every frame of video as soon as it has its place on the axis; must return at once."""

    @property
    def target_ns(self) -> int:
        """Length of a fragment in nanoseconds; a new value holds from the next sample on."""
        return self._target_ns

    @target_ns.setter
    def target_ns(self, value: int) -> None:
        if value <= 0:
            msg = f"a fragment cannot last {value} ns: give a positive length"
            raise InvalidError(msg)
        self._target_ns = value
        self._target = value * self._timeline.clock_rate // SECOND

    @property
    def discontinuities(self) -> int:
        """How often the axis was anchored anew since the session began."""
        return self._timeline.jumps

    @property
    def in_hand(self) -> int:
        """Video samples not yet given out."""
        return len(self._video.dts) + len(self._hold or ())

    def frames_in_hand(self) -> list[TimedSample]:
        """Return the placed frames that no fragment has been made of yet; of one damaged frame, all are called so."""
        track, rate = self._video, self._timeline.clock_rate
        shown = track.dts if track.pts is None else track.pts
        return [
            TimedSample(
                tracks=self._tracks,
                data=data,
                time_ns=pts * SECOND // rate,
                decode_ns=dts * SECOND // rate,
                keyframe=number == 0 and self._first_sync,
                damaged=self._damaged > 0,
            )
            for number, (data, dts, pts) in enumerate(zip(track.chunks, track.dts, shown, strict=True))
        ]

    def add_video(self, sample: Sample, arrival_utc_ns: int) -> list[Fragment]:
        """Take a frame that arrived at this moment of the recorder's line; return the fragments that are complete."""
        if not self._running:
            self._begin(sample, arrival_utc_ns)
        else:
            self._take(sample, arrival_utc_ns)
        return self._taken() if self._ready else []

    def add_audio(self, sample: Sample, arrival_utc_ns: int) -> None:
        """Take an audio sample; it travels in the fragment being gathered, or else in the next.

        Raises:
            InvalidError: the session was begun without an audio timeline.
        """
        track = self._audio
        if track is None:
            msg = "an audio sample came, but the gatherer was made without an audio timeline: give it one"
            raise InvalidError(msg)
        if self._running:
            self._take_audio(track, sample, arrival_utc_ns)
        elif self._hold is None:
            self.skipped_audio += 1
        elif not self._held_enough():
            self._hold.append((sample, arrival_utc_ns))
            self._hold_bytes += len(sample.data)
        else:
            self._release()
            self._take_audio(track, sample, arrival_utc_ns)

    def poll(self, monotonic_ns: int) -> list[Fragment]:
        """Return what is complete, or must not wait longer: to be called every tick; cheap when nothing is due."""
        if self._hold is not None:
            if self._burst_over(monotonic_ns):
                self._release()
        elif self._video.dts:
            if monotonic_ns - self._first_arrival > self._target_ns + POLL_SLACK:
                self._close_early()
        elif self._audio_since and monotonic_ns - self._audio_since > AUDIO_ALONE:
            self._close(self._timeline.end)
        return self._taken() if self._ready else []

    def finish(self) -> list[Fragment]:
        """Return all that is in hand: the session ends. Nothing may be added afterwards."""
        if self._hold is not None:
            self._release()
        if self._video.dts:
            self._close_early()
        elif self._audio_since:
            self._close(self._timeline.end)
        return self._taken()

    def shift(self, step_ns: int) -> None:
        """Follow a step of the recorder's line (`overt.clock.ClockStep` with `followed`), before the next sample."""
        if self._hold is not None:
            self._release()
        if self._video.dts or self._audio_since:
            self._close(self._video.last_dts + self._video.expected if self._video.dts else self._timeline.end)
        self._timeline.shift(step_ns)
        if self._audio is not None:
            self._audio.timeline.shift(step_ns)
            self._audio.restart(self._audio.timeline.end)

    def _taken(self) -> list[Fragment]:
        """Hand over what is ready."""
        ready, self._ready = self._ready, []
        return ready

    # The beginning of a session: wait for a keyframe, then for the end of a burst.

    def _begin(self, sample: Sample, arrival_utc_ns: int) -> None:
        """Take a frame while the axis is not laid yet."""
        if self._hold is None:
            if self._waiting_since is None:
                self._waiting_since = sample.arrival_ns
            if not sample.keyframe and sample.arrival_ns - self._waiting_since < KEYFRAME_PATIENCE:
                self.skipped_before_keyframe += 1
                return
            self._hold = []
            self._hold_since = sample.arrival_ns
        raw = arrival_utc_ns - sample.rtp_time * SECOND // self._timeline.clock_rate
        if not self._hold or raw < self._hold_lowest - HOLD_GAIN:
            self._hold_lowest, self._hold_gained = raw, sample.arrival_ns
        self._hold.append((sample, arrival_utc_ns))
        self._hold_bytes += len(sample.data)
        if self._held_enough() or self._burst_over(sample.arrival_ns):
            self._release()

    def _burst_over(self, monotonic_ns: int) -> bool:
        """Whether the burst is over, or has lasted too long to wait for its end."""
        waited = monotonic_ns - self._hold_since
        return waited >= MAX_HOLD or (waited >= HOLD and monotonic_ns - self._hold_gained >= HOLD_QUIET)

    def _held_enough(self) -> bool:
        """Whether no more may be held."""
        return len(self._hold or ()) >= MAX_HELD_SAMPLES or self._hold_bytes >= MAX_HELD_BYTES

    def _release(self) -> None:
        """Lay the axes by the earliest arrivals of what was held, then take it."""
        held, self._hold, self._hold_bytes = self._hold or [], None, 0
        self._running = True
        self._video.prepare(held[0][0].configuration.reorder_depth)
        for track in (self._video, self._audio):
            if track is None:
                continue
            # Only samples that fit one RTP clock tell of a burst; after a jump among them the timeline decides.
            mine = [(s.rtp_time, utc) for s, utc in held if (s.configuration.kind == "video") == (track is self._video)]
            rate = track.timeline.clock_rate
            first = mine[0][0] if mine else 0
            usable = [
                utc - (at - first) * SECOND // rate for at, utc in mine if 0 <= at - first <= MAX_INTERVAL_S * rate
            ]
            if usable:
                track.timeline.anchor(first, min(usable))
        for sample, utc in held:
            if sample.configuration.kind == "video":
                self._take(sample, utc)
            elif self._audio is not None:
                self._take_audio(self._audio, sample, utc)

    # The long middle.

    def _take(self, sample: Sample, utc_ns: int) -> None:
        """Place a frame on the axis and put it into the fragment in hand, or into a new one."""
        track, timeline = self._video, self._timeline
        configuration = sample.configuration
        keyframe = sample.keyframe
        changed = configuration is not track.configuration and configuration != track.configuration
        if keyframe:
            timeline.begin_group(sample.rtp_time, utc_ns)
        if changed and track.configuration and track.configuration.reorder_depth != configuration.reorder_depth:
            track.resize(configuration.reorder_depth)
        if (keyframe or changed) and track.dts:
            self._steer(utc_ns)
        tick = timeline.observe_arrival(sample.rtp_time, utc_ns)
        if timeline.jumps != self._jumps:
            tick = self._resume(sample)

        # Decode time: the presentation time, unless frames are reordered or it would lie in footage given out.
        dts = track.popped = track.decode_time(tick) if track.heap or tick < track.popped else tick
        track.learn(dts)
        if dts < track.floor:
            dts = track.floor
            tick = tick if track.heap else dts

        held = track.dts
        if held and (keyframe or changed or dts - held[0] + track.expected > self._target):
            self._close_before(dts)
            held = track.dts
        if changed:
            self._announce(track, configuration)
        if not held:
            self._first_sync = keyframe
            self._first_arrival = sample.arrival_ns
        held.append(dts)
        track.chunks.append(sample.data)
        if track.pts is not None:
            track.pts.append(tick)
        elif tick != dts:
            track.pts = [*held[:-1], tick]
        track.last_dts = dts
        track.floor = dts + 1
        self._last_arrival = sample.arrival_ns
        self._line = utc_ns
        self._bytes += len(sample.data)
        if sample.damaged:
            self._damaged += 1
        self._lost += sample.lost_packets
        if self.on_frame is not None:
            rate = timeline.clock_rate
            times = tick * SECOND // rate, dts * SECOND // rate
            self.on_frame(TimedSample(self._tracks, sample.data, *times, keyframe, sample.damaged))
        if dts - held[0] + 2 * track.expected > self._target or self._bytes > MAX_BYTES or len(held) >= MAX_SAMPLES:
            self._close_early()

    def _take_audio(self, track: Track, sample: Sample, utc_ns: int) -> None:
        """Place an audio sample on its axis and keep it for the next fragment to be closed."""
        configuration = sample.configuration
        if configuration is not track.configuration and configuration != track.configuration:
            if self._video.dts:
                self._close_early()
            elif self._audio_since:
                self._close(self._timeline.end)
            self._announce(track, configuration)
        natural = track.timeline.observe_arrival(sample.rtp_time, utc_ns)
        dts = max(natural, track.floor)
        if track.dts and (
            dts - track.last_dts > MAX_INTERVAL_S * track.timeline.clock_rate
            or len(track.dts) >= MAX_SAMPLES
            or self._bytes > MAX_BYTES
        ):
            if self._video.dts:
                self._close_early()
            else:
                self._close(self._timeline.end)
            dts = max(dts, track.floor)
        track.learn(natural)
        track.dts.append(dts)
        track.chunks.append(sample.data)
        track.last_dts = dts
        track.floor = dts + 1
        self._bytes += len(sample.data)
        self._damaged += sample.damaged
        self._lost += sample.lost_packets
        self._line = utc_ns
        if not self._audio_since:
            self._audio_since = sample.arrival_ns
        if not self._video.dts:
            self._last_arrival = sample.arrival_ns

    def _resume(self, sample: Sample) -> int:
        """The axis was anchored anew: give out what is in hand, begin behind it; return the frame's tick."""
        track = self._video
        self._jumps = self._timeline.jumps
        if track.dts:
            self._close(track.last_dts + track.expected)
        track.prepare(sample.configuration.reorder_depth)
        tick = self._timeline.seat(sample.rtp_time)
        track.restart(tick)
        self._discontinuity = True
        return tick

    def _announce(self, changed: Track, configuration: CodecConfiguration) -> None:
        """Take a configuration over; rebuild the tuple that fragments carry, one object as long as nothing changes."""
        changed.configure(configuration)
        found = [track.configuration for track in (self._video, self._audio) if track is not None]
        self._tracks = tuple(configuration for configuration in found if configuration is not None)

    # Closing.

    def _steer(self, utc_ns: int) -> int:
        """Steer both axes: between fragments; return the change of the video axis in ticks."""
        if self._audio is not None:
            self._audio.steer(utc_ns)
        return self._video.steer(utc_ns)

    def _close_before(self, dts: int) -> None:
        """Close because the next frame, at `dts`, begins a new fragment; a hole stays where frames are missing."""
        track = self._video
        limit = track.dts[0] + self._target
        if dts > limit:
            dts = min(dts, track.last_dts + track.expected)
            if len(track.dts) > 1:
                dts = max(track.floor, min(dts, limit))
        self._close(dts)

    def _close_early(self) -> None:
        """Close before the next frame is known: the last one lasts as long as frames are apart, as steered."""
        track = self._video
        expected = max(1, track.shortest() + self._steer(self._line))
        longest = max(self._target - (track.last_dts - track.dts[0]), track.expected)
        self._close(track.last_dts + min(expected, longest))

    def _close(self, end: int) -> None:
        """Make the fragment of all samples in hand; the last video sample ends at tick `end`."""
        video, audio = self._video, self._audio
        runs: list[TrackRun] = []
        chunks: list[bytes | bytearray] = [b""]
        rate = self._timeline.clock_rate
        samples = len(video.dts)
        start_ns = self._timeline.end * SECOND // rate
        end_ns = end * SECOND // rate
        if samples:
            first_flags = SYNC_SAMPLE if self._first_sync else NON_SYNC_SAMPLE
            runs.append(video.run(1, end, NON_SYNC_SAMPLE, first_flags))
            chunks += video.chunks
            start_ns = video.dts[0] * SECOND // rate
            video.clear(end)
        if audio is not None and audio.dts:
            audio_end = audio.last_dts + audio.expected
            runs.append(audio.run(2, audio_end, SYNC_SAMPLE, SYNC_SAMPLE))
            chunks += audio.chunks
            if not samples:
                audio_start_ns = audio.dts[0] * SECOND // audio.timeline.clock_rate
                start_ns = max(start_ns, audio_start_ns)
                end_ns = max(start_ns, audio_end * SECOND // audio.timeline.clock_rate)
                self._timeline.end = video.floor = -(-end_ns * rate // SECOND)
            audio.clear(audio_end)
        self._sequence += 1
        chunks[0] = fragment_header(self._sequence, runs)
        self._ready.append(
            Fragment(
                tracks=self._tracks,
                payload=b"".join(chunks),
                start_ns=start_ns,
                duration_ns=end_ns - start_ns,
                samples=samples,
                keyframe=samples > 0 and self._first_sync,
                discontinuity=self._discontinuity,
                damaged_samples=self._damaged,
                lost_packets=self._lost,
                camera_offset_ns=self._timeline.camera_offset_ns,
                received_ns=self._last_arrival,
            )
        )
        self._discontinuity = False
        self._bytes = self._damaged = self._lost = self._audio_since = 0

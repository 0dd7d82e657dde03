"""One address under probe: a short session, and what its frames say of the stream."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from overt.clock import SECOND, RecorderClock
from overt.errors import ForbiddenError, InvalidError, OvertError
from overt.media.feed import CameraAddress, Feed, FeedOptions, RedirectedError
from overt.media.initialisation import initialisation_segment
from overt.media.keyframe_track import KeyframeTrack
from overt.media.link import Endpoint
from overt.media.reactor import Reactor
from overt.media.reception import Reception
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.transport import UnsupportedTransportError
from overt.media.rtsp.urls import CameraUrl
from overt.media.samples import Fragment, TimedSample
from overt.recorder.probing.request import StreamFound

FRAGMENT_NS: Final = SECOND // 5
KEYFRAMES: Final = 3
"""Two distances: cameras make a keyframe when a session begins, so that the first distance may be short."""
LEAST_NS: Final = 2 * SECOND
PATIENCE_NS: Final = 5 * SECOND
"""So long is waited for a third keyframe, and for the camera's time."""
MAX_FRAMES: Final = 2000
MAX_PICTURE: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Frame:
    decode_ns: int
    keyframe: bool
    size: int


class StreamProbe:
    """Belongs to the reactor's thread."""

    def __init__(
        self,
        reactor: Reactor,
        clock: RecorderClock,
        place: CameraUrl,
        credentials: Credentials | None,
    ) -> None:
        """Prepare; nothing is sent before `begin`."""
        self.place: Final = place
        self.found: Final = StreamFound(place.request_url)
        self.over = False
        self.refused = False
        """The camera refused the user name or password."""
        self.mute = True
        """It has not said a word."""
        self._reactor, self._clock, self._credentials = reactor, clock, credentials
        self._feed: Feed | None = None
        self._endpoint: Endpoint | None = None
        self._udp = self._closing = False
        self._frames: list[_Frame] = []
        self._first_ns = 0

    def begin(self, endpoint: Endpoint) -> None:
        """Connect."""
        self._endpoint = endpoint
        options = FeedOptions(
            transport="udp" if self._udp else "tcp", reply_timeout_ns=4 * SECOND, target_ns=FRAGMENT_NS
        )
        try:
            self._feed = Feed(
                self._reactor,
                self._clock,
                CameraAddress(endpoint, self.place, self._credentials),
                options,
                not_before_ns=0,
                deliver=self._deliver,
                ended=self._ended,
                receiving=self._receiving,
            )
        except OvertError as error:
            self.give_up(str(error))

    def give_up(self, why: str) -> None:
        """End without asking."""
        self.found.error = why
        self._end()

    @property
    def shows(self) -> bool:
        """Whether there was a picture."""
        return bool(self._frames)

    @property
    def admitted(self) -> bool:
        """Whether the camera has described its stream: it knows us, or asks nobody who they are."""
        return self._feed is not None and self._feed.dialogue.description is not None

    def look(self, now_ns: int) -> None:
        """End the session if it has shown enough."""
        if self.over or self._closing or not self._frames:
            return
        played = now_ns - self._first_ns
        keyframes = sum(frame.keyframe for frame in self._frames)
        reception = self._feed.reception if self._feed is not None else None
        timed = reception is not None and reception.camera_offset_ns is not None
        patient = played < PATIENCE_NS
        if played < LEAST_NS or self.found.picture is None or keyframes < 2:
            return
        if patient and (keyframes < KEYFRAMES or not timed):
            return
        self.close()

    def close(self) -> None:
        """End the session: it is over when the camera has been told."""
        if self.over or self._closing:
            return
        if not self._frames and self.found.error is None:
            self.found.error = self._unfinished()
        if self._feed is None:
            self._end()
            return
        self._closing = True
        self._feed.close(self._end)

    def _unfinished(self) -> str:
        if self._feed is None or not self._feed.counters.bytes:
            return "the camera did not answer in time"
        if not self.admitted:
            return f"the camera did not answer {self._feed.dialogue.phase.upper()} in time"
        return "the camera sent no picture in time that can be decoded: no keyframe came"

    # What the feed says

    def _receiving(self, reception: Reception) -> None:
        reception.watch(FRAGMENT_NS, self._frame)

    def _frame(self, sample: TimedSample) -> None:
        if not self._frames:
            self._first_ns = self._reactor.now_ns()
        if len(self._frames) < MAX_FRAMES:
            self._frames.append(_Frame(sample.decode_ns, sample.keyframe, len(sample.data)))

    def _deliver(self, fragments: list[Fragment]) -> None:
        for fragment in fragments:
            if self.found.picture is None and fragment.keyframe:
                self._take_picture(fragment)

    def _take_picture(self, fragment: Fragment) -> None:
        try:
            track = KeyframeTrack(initialisation_segment(fragment.tracks))
            still = track.fragment(fragment.payload, fragment.start_ns, fragment.start_ns + fragment.duration_ns)
        except InvalidError:
            return
        picture = track.initialisation + still.payload
        if len(picture) <= MAX_PICTURE:
            self.found.picture = picture

    def _ended(self, error: OvertError) -> None:
        feed = self._feed
        if feed is not None and feed.counters.bytes:
            self.mute = False
        may_change = not self._udp and not self.place.tls and not self._frames
        if isinstance(error, UnsupportedTransportError) and may_change and self._endpoint is not None:
            self._udp = True
            self.begin(self._endpoint)
            return
        self.refused = isinstance(error, ForbiddenError)
        if isinstance(error, RedirectedError):
            self.give_up("the camera redirects to another address, which is not followed: give that address")
        else:
            self.give_up(str(error))

    def _end(self) -> None:
        if not self.over:
            self.over = True
            self._measure()

    # What the frames say

    def _measure(self) -> None:
        found, feed = self.found, self._feed
        if feed is None:
            return
        if feed.counters.bytes:
            self.mute = False
        found.audio = _audio_of(feed)
        reception = feed.reception
        if reception is None:
            return
        if reception.camera_offset_ns is not None:
            found.clock_offset_s = round(reception.camera_offset_ns / SECOND, 3)
        video = reception.video
        if video is not None:
            found.codec, found.codecs = video.codec, video.rfc6381
            found.width, found.height = video.width, video.height
        frames = self._frames
        if len(frames) > 1 and frames[-1].decode_ns > frames[0].decode_ns:
            seconds = (frames[-1].decode_ns - frames[0].decode_ns) / SECOND
            found.fps = round((len(frames) - 1) / seconds, 2)
            found.bitrate_bps = round(sum(frame.size for frame in frames[:-1]) * 8 / seconds)
            found.gop_s, found.gop_is_least = keyframe_distance(
                [frame.decode_ns for frame in frames if frame.keyframe], frames[-1].decode_ns
            )


def keyframe_distance(keyframes_ns: list[int], end_ns: int) -> tuple[float | None, bool]:
    """Return the longest distance of keyframes in seconds, and whether it is only known to be at least that."""
    if not keyframes_ns:
        return None, False
    waited = end_ns - keyframes_ns[-1]
    longest = max((after - before for before, after in pairwise(keyframes_ns)), default=0)
    return round(max(longest, waited) / SECOND, 2), waited > longest


def _audio_of(feed: Feed) -> str | None:
    """Return the name of the sound that the camera offers; None if it offers none."""
    description = feed.dialogue.description
    if description is None:
        return None
    sounds = [media for media in description.media if media.kind == "audio"]
    if not sounds:
        return None
    named = next((each.encoding for media in sounds for each in media.formats if each.encoding), "")
    return named[:40] or "unknown"

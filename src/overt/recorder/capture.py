"""Keeping one stream recorded: resolve, connect, reconnect, and say at every moment why or why not.

Lives on the reactor's thread. A capture owns at most one `Feed` at a time; when that ends, it decides by the reason
when to try again, over which transport, and by which engine.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from overt.clock import SECOND, RecorderClock
from overt.contract.assignment import CameraAssignment, StreamAssignment
from overt.contract.fact import GapCause, StreamState
from overt.errors import InvalidError, MissingError, OvertError, UnavailableError
from overt.ids import StreamKey, new_id
from overt.media.feed import CameraAddress, Feed, FeedOptions, RedirectedError
from overt.media.link import Endpoint, TlsTrust
from overt.media.reactor import DefectError, Reactor
from overt.media.reception import Reception
from overt.media.resolve import Resolver
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.transport import Lower, UnsupportedTransportError
from overt.media.rtsp.urls import CameraUrl, parse_camera_url
from overt.media.samples import CodecConfiguration, Fragment, TimedSample
from overt.recorder.foreign import ForeignFeed, ForeignSource
from overt.recorder.health import StreamHealth
from overt.recorder.rates import Rates
from overt.recorder.retries import OPTIONS_FIRST, REPLY_TIMEOUTS_NS, STEADY_NS, Verdict, verdict

WATCHED_TARGET_NS: Final = SECOND // 5
"""Fragments of a stream that somebody watches are no longer than this."""
UNSPEAKABLE: Final = 3
"""After so many sessions in a row that our engine could not make sense of, PyAV is tried (`engine = "auto"`)."""

_LOG: Final = logging.getLogger(__name__)


class Sink(Protocol):
    """Where a capture's footage goes. Called on the reactor's thread; must return at once."""

    def append(self, key: StreamKey, session_id: UUID, fragments: list[Fragment]) -> None:
        """Take fragments in order."""
        ...

    def interrupted(self, key: StreamKey, cause: GapCause, detail: str) -> None:
        """Nothing comes, for this reason; until the next fragment, or until another reason is given."""
        ...

    def stopped(self, key: StreamKey, why: str) -> None:
        """The stream is not recorded any more, and nothing follows."""
        ...

    def recorded_through_ns(self, key: StreamKey) -> int:
        """End of what this stream has handed over or has stored; 0 if nothing."""
        ...


@dataclass(frozen=True, slots=True)
class LiveState:
    """How a stream fares, for those who watch it."""

    state: StreamState
    reason: str
    since_ns: int
    tracks: tuple[CodecConfiguration, ...]
    """Of its last fragment; empty before the first."""


@dataclass(slots=True)
class _Totals:
    """Counters of the sessions that are over."""

    bytes: int = 0
    frames: int = 0
    damaged_frames: int = 0
    lost_packets: int = 0
    reconnects: int = 0


class StreamCapture:
    """One stream, for as long as it is assigned. All methods belong to the reactor's thread."""

    def __init__(
        self,
        camera: CameraAssignment,
        stream: StreamAssignment,
        *,
        reactor: Reactor,
        clock: RecorderClock,
        resolver: Resolver,
        sink: Sink,
        state_changed: Callable[[StreamKey, StreamState, StreamState, str], None],
        live_changed: Callable[[StreamKey, LiveState], None] | None = None,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            camera: whose stream it is.
            stream: where it is.
            reactor: on whose thread all this happens.
            clock: the recorder's line of time.
            resolver: looks names up.
            sink: takes the footage.
            state_changed: told of another state.
            live_changed: told of another state, another reason, and other codecs; must return at once.
        """
        self.key: Final = StreamKey(camera.name, stream.name)
        self._camera = camera
        self._stream = stream
        self._reactor = reactor
        self._clock = clock
        self._resolver = resolver
        self._sink = sink
        self._state_changed = state_changed
        self._live_changed = live_changed
        self._tracks: tuple[CodecConfiguration, ...] = ()
        self._watched = False
        self._on_frame: Callable[[TimedSample], None] | None = None
        self._chance = random.Random()  # noqa: S311 - spreads reconnections, guards nothing
        self._state: StreamState = "connecting"
        self._reason = "starting"
        self._since_ns = clock.now_ns()
        self._feed: Feed | ForeignFeed | None = None
        self._session_id = new_id()
        self._delivered = False
        self._looking_up: Future[tuple[Endpoint, ...]] | None = None
        self._endpoint: Endpoint | None = None
        self._fruitless: set[Endpoint] = set()
        """Addresses of the camera's name at which nothing answered; when that is all of them, they are tried anew."""
        self._retry_ns = 0
        self._failures = 0
        self._unspeakable = 0
        self._patience = 0
        self._url_index = 0
        self._transport: Lower = "udp" if stream.transport == "udp" else "tcp"
        self._engine = "pyav" if stream.engine == "pyav" else "native"
        self._place: CameraUrl | None = None
        self._credentials: Credentials | None = None
        self._redirects = 0
        self._totals = _Totals()
        self._recorded_ns = 0
        self._audio_fails = False
        self._said_oddities = False
        self._rates = Rates()
        self._defects = 0
        self._defect = ""
        self._last_defect_ns = 0
        self._stopped = False

    def start(self) -> None:
        """Begin with the first address at once."""
        self._reactor.add(self)
        self._announce()
        self._safely(self._attempt)

    def stop(self, why: str, done: Callable[[], None]) -> None:
        """End for good: the camera is told TEARDOWN, what it had sent is delivered, then `done` is called."""
        self._stopped = True
        self._reactor.remove(self)
        self._enter("stopped", why)

        def ended() -> None:
            self._sink.stopped(self.key, why)
            done()

        self._forget_look_up()
        feed, self._feed = self._feed, None
        if feed is None:
            ended()
            return
        self._settle(feed)
        feed.close(ended)

    # Participant (for time alone: sockets belong to the feed)

    def ready(self, descriptor: int, events: int, now_ns: int) -> None:
        """Never called: a capture watches no descriptor."""

    def housekeeping(self, now_ns: int) -> None:
        """Go on when a name is resolved or a delay is over; notice a stream that has become steady."""
        if self._looking_up is not None and self._looking_up.done():
            future, self._looking_up = self._looking_up, None
            self._resolved(future)
        elif self._feed is None and self._looking_up is None and now_ns >= self._retry_ns:
            self._attempt()
        feed = self._feed
        if feed is not None:
            if self._failures and self._steady(feed):
                self._failures = self._unspeakable = 0
            frames = feed.reception.counters.frames if feed.reception is not None else 0
            self._rates.observe(now_ns, feed.counters.bytes, frames)

    def failed(self, error: Exception) -> None:
        """A defect of ours came to light: it costs this session alone, and the camera is tried again."""
        self._forget_look_up()
        feed = self._feed
        if feed is not None:
            feed.failed(error)  # which says so to `_session_over`, unless it had ended already
        if self._feed is feed:
            self._feed, self._redirects = None, 0
            self._failed(DefectError(error))

    def _safely(self, action: Callable[[], None]) -> None:
        """Do what others than the reactor ask for, so that a defect costs them nothing."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - logged by `_failed`
            self.failed(error)

    def _forget_look_up(self) -> None:
        if self._looking_up is not None:
            self._looking_up.cancel()
            self._looking_up = None

    # Connecting

    def _attempt(self) -> None:
        """Begin a session: look the address up, which is immediate for a literal one."""
        self._session_id = new_id()
        self._delivered = False
        self._endpoint = None
        try:
            if not self._redirects:
                self._place, found = parse_camera_url(self._stream.urls[self._url_index])
                self._credentials = found or _credentials(self._camera)
            if self._place is not None and self._engine == "pyav":
                self._open_foreign(self._place)
            elif self._place is not None:
                self._looking_up = self._resolver.resolve(self._place.host, self._place.port)
        except OvertError as error:
            self._failed(error)
            return
        if self._looking_up is not None and self._looking_up.done():
            future, self._looking_up = self._looking_up, None
            self._resolved(future)

    def _resolved(self, future: Future[tuple[Endpoint, ...]]) -> None:
        place = self._place
        if place is None:
            return
        try:
            endpoint = self._endpoint = self._choose_endpoint(future.result())
        except MissingError as error:
            self._failed(error, Verdict("network", "unreachable", verdict(error, played=False).pace))
            return
        trust = None
        if place.tls:
            ca_file = str(self._camera.tls.ca_file) if self._camera.tls.ca_file else None
            trust = TlsTrust(self._camera.tls.fingerprint_sha256, ca_file)
        options = FeedOptions(
            audio=self._camera.audio and not self._audio_fails,
            transport=self._transport,
            trust=trust,
            stall_timeout_ns=int(self._camera.stall_timeout_s * SECOND),
            reply_timeout_ns=REPLY_TIMEOUTS_NS[self._patience % len(REPLY_TIMEOUTS_NS)],
            target_ns=self._camera.target_fragment_ms * 1_000_000,
        )
        try:
            self._feed = Feed(
                self._reactor,
                self._clock,
                CameraAddress(
                    endpoint,
                    place,
                    self._credentials,
                    self._redirects,
                    OPTIONS_FIRST[self._patience % len(OPTIONS_FIRST)],
                ),
                options,
                not_before_ns=self._sink.recorded_through_ns(self.key),
                deliver=self._deliver,
                ended=self._session_over,
                receiving=self._receiving,
            )
        except OvertError as error:
            self._failed(error)

    def _choose_endpoint(self, found: tuple[Endpoint, ...]) -> Endpoint:
        """Return the first address of a name that has not proved fruitless; a DNS server may shuffle them."""
        gone = {each for each in self._fruitless if each.host == found[0].host and each not in found}
        self._fruitless -= self._fruitless.intersection(found) if self._fruitless.issuperset(found) else gone
        return next(endpoint for endpoint in found if endpoint not in self._fruitless)

    def _open_foreign(self, place: CameraUrl) -> None:
        if place.tls:
            msg = f"{place.redacted}: PyAV does not check certificates, so rtsps is left to our own engine"
            raise InvalidError(msg)
        source = ForeignSource(place, self._credentials, self._transport)
        self._feed = ForeignFeed(
            self._reactor,
            self._clock,
            source,
            stall_timeout_ns=int(self._camera.stall_timeout_s * SECOND),
            target_ns=self._camera.target_fragment_ms * 1_000_000,
            not_before_ns=self._sink.recorded_through_ns(self.key),
            deliver=self._deliver,
            ended=self._session_over,
            receiving=self._receiving,
        )

    # Being watched

    def watch(self, on_frame: Callable[[TimedSample], None] | None, *, watched: bool) -> None:
        """Make fragments shorter while somebody watches, and tell `on_frame`, if there is one, of every frame.

        One that is new is told at once of the frames that no fragment has been made of yet.
        """
        fresh = on_frame is not None and self._on_frame is None
        self._watched, self._on_frame = watched, on_frame
        reception = self._feed.reception if self._feed is not None else None
        if reception is None:
            return
        self._receiving(reception)
        if fresh and on_frame is not None:
            for sample in reception.frames_in_hand():
                on_frame(sample)

    def _receiving(self, reception: Reception) -> None:
        target_ns = self._camera.target_fragment_ms * 1_000_000
        reception.watch(min(target_ns, WATCHED_TARGET_NS) if self._watched else target_ns, self._on_frame)

    def _announce(self) -> None:
        if self._live_changed is not None:
            self._live_changed(self.key, LiveState(self._state, self._reason, self._since_ns, self._tracks))

    def shift(self, step_ns: int) -> None:
        """Follow a step of the recorder's line, so that the session goes on at the new time, behind a gap."""
        feed = self._feed
        if feed is not None:
            self._safely(lambda: feed.shift(step_ns))
        if self._state == "recording":
            self._sink.interrupted(self.key, "clock", f"the clock was set by {step_ns / SECOND:+.1f} s")

    # What a feed says

    def _deliver(self, fragments: list[Fragment]) -> None:
        if not self._delivered:
            self._delivered = True
            self._say_oddities()
        self._recorded_ns += sum(fragment.duration_ns for fragment in fragments)
        changed, self._tracks = fragments[-1].tracks is not self._tracks, fragments[-1].tracks
        if self._state != "recording" and not self._stopped:
            self._enter("recording", "")
        elif changed:
            self._announce()
        self._sink.append(self.key, self._session_id, fragments)

    def _say_oddities(self) -> None:
        feed = self._feed
        if isinstance(feed, Feed) and feed.dialogue.notes and not self._said_oddities:
            self._said_oddities = True
            _LOG.info("%s: %s", self.key, "; ".join(feed.dialogue.notes))

    def _session_over(self, error: OvertError) -> None:
        self._safely(lambda: self._go_on(error))

    def _go_on(self, error: OvertError) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            self._settle(feed)
        if isinstance(error, RedirectedError):
            follow = error.dialogue.redirected()
            self._place, self._credentials = follow.url, follow.credentials
            # Redirects that lead round in a circle are counted, not those out of sessions that lasted.
            self._redirects = 1 if feed is not None and self._steady(feed) else follow.redirects
            self._attempt()
            return
        self._redirects = 0
        if isinstance(feed, Feed) and feed.audio_at_fault:
            self._audio_fails = True
            _LOG.warning("%s: recorded without audio from now on: %s", self.key, error)
        # Under rtsps the pictures must stay inside TLS: over UDP they would travel in the clear.
        may_change = self._stream.transport == "auto" and not (self._place is not None and self._place.tls)
        if isinstance(error, UnsupportedTransportError) and may_change and not self._delivered:
            self._transport = "udp" if self._transport == "tcp" else "tcp"
        self._failed(error)

    def _steady(self, feed: Feed | ForeignFeed) -> bool:
        return feed.playing_since_ns > 0 and self._reactor.now_ns() - feed.playing_since_ns > STEADY_NS

    def _settle(self, feed: Feed | ForeignFeed) -> None:
        totals = self._totals
        totals.bytes += feed.counters.bytes
        totals.reconnects += 1
        if feed.reception is not None:
            totals.frames += feed.reception.counters.frames
            totals.damaged_frames += feed.reception.counters.damaged_frames
            totals.lost_packets += feed.reception.lost_packets
        self._rates = Rates()

    def _failed(self, error: OvertError, judged: Verdict | None = None) -> None:
        """Say why, and choose when and how to try again."""
        if self._stopped:
            return
        judged = judged or verdict(error, played=self._delivered)
        if isinstance(error, DefectError):
            self._note_defect(error)
        elif self._delivered:
            self._failures = 0
        if not self._delivered:
            # An address that answers, be it with a refusal, is the camera's: others are not tried for it.
            if self._endpoint is not None and isinstance(error, UnavailableError):
                self._fruitless.add(self._endpoint)
            self._patience += 1
            self._url_index = (self._url_index + 1) % len(self._stream.urls)
        self._failures += 1
        self._choose_engine(error)
        delay = judged.pace.delay_ns(self._failures, self._chance)
        self._retry_ns = self._reactor.now_ns() + delay
        self._enter(judged.state, str(error))
        self._sink.interrupted(self.key, judged.cause, str(error))

    def _note_defect(self, error: DefectError) -> None:
        """Count and log a fault of our own: with its traceback, unless the same was logged last."""
        self._defects += 1
        self._last_defect_ns = self._clock.now_ns()
        fresh, self._defect = str(error) != self._defect, str(error)
        _LOG.error("%s: %s; the camera is tried again", self.key, error, exc_info=error.__cause__ if fresh else None)

    def _choose_engine(self, error: OvertError) -> None:
        if self._stream.engine != "auto" or (self._place is not None and self._place.tls):
            return
        if self._engine == "pyav":
            self._engine = "pyav" if self._delivered else "native"
            return
        senseless = isinstance(error, InvalidError | DefectError) and not self._delivered
        self._unspeakable = self._unspeakable + 1 if senseless else 0
        if self._unspeakable >= UNSPEAKABLE:
            self._engine, self._unspeakable = "pyav", 0

    def _enter(self, state: StreamState, reason: str) -> None:
        previous, self._state = self._state, state
        if previous == state and reason == self._reason:
            return
        self._reason = reason
        if previous != state:
            self._since_ns = self._clock.now_ns()
            self._state_changed(self.key, previous, state, reason)
        self._announce()

    # Health

    def health(self) -> StreamHealth:
        """Return what is known now. Queue and disk are added by who knows them."""
        health = StreamHealth(
            camera=self.key.camera,
            stream=self.key.stream,
            state=self._state,
            reason=self._reason,
            since_ns=self._since_ns,
            bytes=self._totals.bytes,
            frames=self._totals.frames,
            damaged_frames=self._totals.damaged_frames,
            lost_packets=self._totals.lost_packets,
            reconnects=self._totals.reconnects,
            recorded_s=self._recorded_ns / SECOND,
            defects=self._defects,
            last_defect_ns=self._last_defect_ns,
        )
        feed = self._feed
        if feed is not None:
            self._safely(lambda: self._observe(feed, health))
        return health

    def _observe(self, feed: Feed | ForeignFeed, health: StreamHealth) -> None:
        """Add what is known of the session at hand."""
        health.transport = "pyav" if self._engine == "pyav" else self._transport
        health.bytes += feed.counters.bytes
        health.bit_rate, health.frame_rate = self._rates.bit_rate, self._rates.frame_rate
        reception = feed.reception
        if reception is None:
            return
        counters = reception.counters
        health.frames += counters.frames
        health.damaged_frames += counters.damaged_frames
        health.lost_packets += reception.lost_packets
        if counters.last_frame_ns:
            health.last_frame_age_s = (self._reactor.now_ns() - counters.last_frame_ns) / SECOND
        video = reception.video
        if video is not None:
            health.codec, health.width, health.height = video.rfc6381, video.width, video.height
        offset = reception.camera_offset_ns
        health.camera_offset_s = None if offset is None else offset / SECOND


def _credentials(camera: CameraAssignment) -> Credentials | None:
    if camera.username is None:
        return None
    return Credentials(camera.username, camera.password.get_secret_value() if camera.password else "")

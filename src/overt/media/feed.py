"""One session with one camera: from an address to fragments, on the reactor's thread, without ever blocking.

    TcpLink -> InterleavedStream -> RtpReceiver -> samples -> FragmentGatherer -> fragments
                    `-> messages -> RtspDialogue -> requests

A feed lives for one connection. It ends by calling `ended` once, with the reason; connecting again is its owner's
affair. What it had in hand is given to `deliver` before.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from overt.clock import SECOND, RecorderClock
from overt.errors import InvalidError, OvertError, UnavailableError
from overt.media.datagrams import DatagramSocket
from overt.media.interleaved import DOLLAR, FeedCounters, InterleavedStream
from overt.media.link import Endpoint, TcpLink, TlsTrust, UdpPair
from overt.media.reactor import READ_LIMIT, DefectError, Reactor
from overt.media.reception import Reception
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.dialogue import RtspDialogue
from overt.media.rtsp.messages import ServerMessage
from overt.media.rtsp.requests import Phase
from overt.media.rtsp.transport import Lower
from overt.media.rtsp.urls import CameraUrl
from overt.media.samples import Fragment

MAX_CARRIED: Final = 128 * 1024
"""Bytes of an incomplete frame that wait for the next tick: one interleaved frame is at most 64 KiB."""
REPORT_INTERVAL_NS: Final = 5 * SECOND
"""Receiver reports, as RFC 3550 §6.2 asks; some cameras end a session that sends none."""
CONNECT_TIMEOUT_NS: Final = 2 * SECOND
"""For the camera to accept the connection; a TLS handshake may take as long as a reply after that."""
TEARDOWN_LINGER_NS: Final = SECOND // 2
SILENT_BODY_NS: Final = SECOND

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """Where a stream is: the resolved endpoint, the URL, and who we are there."""

    endpoint: Endpoint
    url: CameraUrl
    credentials: Credentials | None
    redirects: int = 0
    """How many redirects led here."""
    options_first: bool = True
    """Begin with OPTIONS; False for a server that may not answer it."""


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """What the assignment says of a session."""

    audio: bool = False
    transport: Lower = "tcp"
    trust: TlsTrust | None = None
    stall_timeout_ns: int = 4 * SECOND
    """No frame for so long, and the session is given up as silent."""
    reply_timeout_ns: int = 5 * SECOND // 2
    target_ns: int = SECOND // 2
    """Length of a fragment."""


class SilentError(UnavailableError):
    """The connection stands, but the camera sends no frames."""


class RedirectedError(UnavailableError):
    """The camera sends us elsewhere: go on with `dialogue.redirected()`."""

    def __init__(self, dialogue: RtspDialogue) -> None:
        """Keep the dialogue that knows where to."""
        super().__init__("the camera redirects to another address")
        self.dialogue = dialogue


class Feed:
    """A participant of the reactor; all methods belong to the reactor's thread."""

    def __init__(
        self,
        reactor: Reactor,
        clock: RecorderClock,
        address: CameraAddress,
        options: FeedOptions,
        *,
        not_before_ns: int,
        deliver: Callable[[list[Fragment]], None],
        ended: Callable[[OvertError], None],
        receiving: Callable[[Reception], None] | None = None,
    ) -> None:
        """Begin to connect.

        Args:
            not_before_ns: end of what is stored of this stream: nothing is stamped earlier.
            deliver: takes fragments in order; must not block.
            ended: called once, when the session is over and its sockets are closed.
            receiving: told what frames will arrive in, once that is made and before the first of them.

        Raises:
            UnavailableError: if the kernel refuses at once; `ended` is not called then.
        """
        self.counters: Final = FeedCounters()
        self.options: Final = options
        self.playing_since_ns = 0
        self.audio_at_fault = False
        """Once ended: it was audio that failed, and a session without it may succeed."""
        self._reactor = reactor
        self._clock = clock
        self._endpoint = endpoint = address.endpoint
        self._deliver = deliver
        self._ended: Callable[[OvertError], None] | None = ended
        self._receiving = receiving
        self._stream = InterleavedStream(
            endpoint.host, self.counters, messages=self._read, playing=lambda: self._playing
        )
        self._carried = b""
        self._audio_refused = self._finished = False
        self._reception: Reception | None = None
        self._not_before_ns = not_before_ns
        self._began_ns = self._progress_ns = self._text_ns = self._now = 0
        self._next_keepalive_ns = self._next_report_ns = 0
        self._closing_ns = 0
        self._done: Callable[[], None] | None = None
        self._pairs: list[UdpPair] = []
        self._datagrams: dict[int, DatagramSocket] = {}
        trust = (options.trust or TlsTrust()) if address.url.tls else None
        self._link = TcpLink(endpoint, trust)
        try:
            ports = self._bind_udp(2 if options.audio else 1) if options.transport == "udp" else []
        except OvertError:
            self._link.close()
            raise
        self.dialogue = RtspDialogue(
            address.url,
            address.credentials,
            want_audio=options.audio,
            transport=options.transport,
            udp_ports=ports,
            redirects=address.redirects,
            options_first=address.options_first,
        )
        reactor.add(self)
        reactor.watch(self._link.fileno, self, write=True)

    def _bind_udp(self, pairs: int) -> list[tuple[int, int]]:
        local = "::" if ":" in str(self._endpoint.address[0]) else "0.0.0.0"  # noqa: S104 - the camera's way back to us
        try:
            for _ in range(pairs):
                self._pairs.append(UdpPair(self._endpoint.family, local))
        except UnavailableError:
            self._close_pairs()
            raise
        return [pair.ports for pair in self._pairs]

    @property
    def reception(self) -> Reception | None:
        """What arrives and how well, once the camera has described its stream."""
        return self._reception

    # Participant

    def ready(self, descriptor: int, events: int, now_ns: int) -> None:
        """Read what is there. Errors end the session."""
        self._now = now_ns
        try:
            datagrams = self._datagrams.get(descriptor)
            if datagrams is not None:
                self.counters.bytes += datagrams.receive(now_ns)
                self._take_samples()
            elif not self._link.is_open:
                self._connect()
            else:
                if events & select.EPOLLOUT:
                    self._link.progress()
                    self._watch_link()
                self._receive()
        except OvertError as error:
            self._end(error)

    def housekeeping(self, now_ns: int) -> None:
        """Time-outs, keep-alives, receiver reports, and fragments of a stream that fell silent."""
        self._now = now_ns
        if not self._began_ns:
            self._began_ns = self._progress_ns = now_ns
        try:
            self._check_time(now_ns)
        except OvertError as error:
            self._end(error)

    def failed(self, error: Exception) -> None:
        """A defect of ours came to light: the session is over."""
        self._end(DefectError(error))

    def close(self, done: Callable[[], None]) -> None:
        """End by our own wish: say TEARDOWN, take what the camera still sends until it answers, then call `done`."""
        if self._ended is None:
            return
        self._ended = None
        self._done = done
        self._say_goodbye()
        if self.dialogue.phase is Phase.TEARDOWN:
            self._closing_ns = self._reactor.now_ns() + TEARDOWN_LINGER_NS
        else:
            self._close()

    def shift(self, step_ns: int) -> None:
        """Follow a step of the recorder's line: what is in hand is delivered at the old time, the rest at the new."""
        if self._reception is not None:
            self._give(self._reception.shift(step_ns, self._reactor.now_ns()))
        elif step_ns < 0:
            self._not_before_ns = max(0, self._not_before_ns + step_ns)

    # Connection

    def _connect(self) -> None:
        if self._link.progress():
            self._progress_ns = self._now
            self._link.send(self.dialogue.start())
        self._watch_link()

    def _watch_link(self) -> None:
        self._reactor.watch(self._link.fileno, self, write=self._link.wants_write)

    def _send(self, data: bytes) -> None:
        if data:
            self._link.send(data)
            if self._link.wants_write:
                self._watch_link()

    def _check_time(self, now: int) -> None:
        if self._closing_ns:
            if now >= self._closing_ns:
                self._close()
            return
        host = self._endpoint.host
        if not self._link.is_open:
            self._check_connection(now - self._began_ns, host)
            return
        if self._stream.parser.awaiting_silence and now - self._text_ns > SILENT_BODY_NS:
            self._handle(self._stream.parser.finish_silent())
        if self.dialogue.phase is not Phase.PLAYING:
            self._check_reply(now, host)
            return
        last = self._reception.counters.last_frame_ns if self._reception is not None else 0
        silent = now - max(last, self.playing_since_ns)
        if silent > self.options.stall_timeout_ns:
            msg = f"{host} sends no frames since {silent / SECOND:.1f} s although the session stands"
            strangers = sum(each.strangers for each in self._datagrams.values())
            msg += f"; {strangers} datagrams came from another address" if strangers else ""
            raise SilentError(msg)
        if self._reception is not None:
            self._give(self._reception.poll(now))
        if now >= self._next_keepalive_ns:
            self._next_keepalive_ns = now + int(self.dialogue.keepalive_interval_s * SECOND)
            self._send(self.dialogue.keepalive())
        if now >= self._next_report_ns:
            self._next_report_ns = now + REPORT_INTERVAL_NS
            self._send_reports()

    def _check_connection(self, waited: int, host: str) -> None:
        if not self._link.is_connected:
            if waited > CONNECT_TIMEOUT_NS:
                msg = f"{host} does not answer: no connection within {CONNECT_TIMEOUT_NS / SECOND:g} s"
                raise UnavailableError(msg)
        elif waited > CONNECT_TIMEOUT_NS + self.options.reply_timeout_ns:
            msg = f"{host} did not complete the TLS handshake in {waited / SECOND:.1f} s; is the port an rtsps port?"
            raise UnavailableError(msg)

    def _check_reply(self, now: int, host: str) -> None:
        if now - self._progress_ns <= self.options.reply_timeout_ns:
            return
        pending = self._stream.parser.pending_text()
        seconds = self.options.reply_timeout_ns / SECOND
        msg = f"{host} does not answer {self.dialogue.phase.upper()} within {seconds:g} s"
        msg += f"; {pending}" if pending else ""
        raise UnavailableError(msg)

    # Receiving

    def _receive(self) -> None:
        buffer = self._reactor.buffer
        budget = READ_LIMIT
        while budget > 0:
            carried = len(self._carried)
            buffer[:carried] = self._carried
            count = self._link.receive_into(buffer[carried : carried + budget])
            if count is None:
                break
            if count == 0:
                self._end_of_stream()
                return
            self.counters.bytes += count
            stop = carried + count
            used = self._stream.consume(buffer, stop, self._now)
            if self._closed:
                return
            if stop - used > MAX_CARRIED:
                msg = f"{self._endpoint.host} sends {stop - used} bytes without structure"
                raise InvalidError(msg)
            self._carried = bytes(buffer[used:stop])
            if self._link.drained(count, budget):
                break
            # What TLS holds decrypted is taken beyond the budget: epoll would not report it.
            budget = max(budget - count, 0) or self._link.pending
        self._take_samples()

    def _end_of_stream(self) -> None:
        if self._closing_ns:
            self._close()
            return
        if self._stream.parser.awaiting_silence:
            self._handle(self._stream.parser.finish_silent())
        what = "while it was recorded" if self._playing else f"in answer to {self.dialogue.phase.upper()}"
        msg = f"{self._endpoint.host} closed the connection {what}"
        raise UnavailableError(msg)

    @property
    def _playing(self) -> bool:
        return self.dialogue.phase is Phase.PLAYING

    def _read(self, messages: list[ServerMessage]) -> bool:
        self._text_ns = self._now
        self._handle(messages)
        return not self._closed

    def _handle(self, messages: list[ServerMessage]) -> None:
        for message in messages:
            before = self.dialogue.phase
            self._send(self.dialogue.on_message(message))
            self._progress_ns = self._now
            if self.dialogue.phase is Phase.CLOSED and self._closing_ns:
                self._close()
                return
            if self.dialogue.phase is Phase.REDIRECTED:
                raise RedirectedError(self.dialogue)
            if before is Phase.SETUP and self.dialogue.phase is Phase.PLAY:
                # Frames may come ahead of the reply to PLAY.
                self._prepare()
            if before is not Phase.PLAYING and self.dialogue.phase is Phase.PLAYING:
                self._play()

    def _prepare(self) -> None:
        """All tracks are granted: make what receives them, and say what arrives where."""
        tracks = self.dialogue.tracks
        try:
            self._reception = Reception(
                [track.offer.format for track in tracks],
                clock=self._clock,
                target_ns=self.options.target_ns,
                not_before_ns=self._not_before_ns,
            )
        except InvalidError:
            # Where it is the video after all, the session without audio will say so.
            self._audio_refused = len(tracks) > 1
            raise
        if self._receiving is not None:
            self._receiving(self._reception)
        for index, (track, receiving) in enumerate(zip(tracks, self._reception.tracks, strict=True)):
            if track.transport is None:
                continue
            if track.rtp_channel is not None:
                self._stream.channels[track.rtp_channel] = receiving.interleaved_media(track.rtp_channel)
            if track.rtcp_channel is not None:
                self._stream.channels[track.rtcp_channel] = receiving.interleaved_control
            if track.transport.lower == "udp":
                self._reactor.hasten(self)
                pair = self._pairs[index]
                if track.transport.server_ports is not None:
                    pair.open_way(self._endpoint, track.transport.server_ports)
                # A camera behind address translation names its inner address as the source.
                camera = {str(self._endpoint.address[0]), track.transport.source or ""}
                for each in (
                    DatagramSocket(pair.media, camera, receiving.media, ordered=True),
                    DatagramSocket(pair.control, camera, receiving.control, ordered=False),
                ):
                    self._datagrams[each.fileno] = each
                    self._reactor.watch(each.fileno, self)

    def _play(self) -> None:
        if self._reception is not None:
            # The reply to PLAY completes what the server left out of its replies to SETUP.
            for track, receiving in zip(self.dialogue.tracks, self._reception.tracks, strict=True):
                if track.rtcp_channel is not None:
                    self._stream.channels.setdefault(track.rtcp_channel, receiving.interleaved_control)
        self.playing_since_ns = self._now
        self._next_keepalive_ns = self._now + int(self.dialogue.keepalive_interval_s * SECOND)
        self._next_report_ns = self._now + REPORT_INTERVAL_NS

    def _send_reports(self) -> None:
        if self._reception is None:
            return
        for index, track in enumerate(self.dialogue.tracks):
            report = self._reception.tracks[index].report(self._now)
            if not report:
                continue
            if track.rtcp_channel is not None:
                self._send(bytes((DOLLAR, track.rtcp_channel)) + len(report).to_bytes(2, "big") + report)
            elif track.transport is not None and track.transport.server_ports is not None and self._pairs:
                self._pairs[index].send_report(self._endpoint, track.transport.server_ports, report)

    # Delivering and ending

    def _take_samples(self) -> None:
        if self._reception is not None:
            self._give(self._reception.gather())

    def _give(self, fragments: list[Fragment]) -> None:
        if fragments:
            self._deliver(fragments)

    @property
    def _closed(self) -> bool:
        return self._ended is None and not self._closing_ns

    def _end(self, error: OvertError) -> None:
        """The session is over: tell the owner why, unless the owner itself ended it."""
        ended, self._ended = self._ended, None
        self.audio_at_fault = self._audio_refused or self.dialogue.audio_at_fault
        if self._link.is_open and not self._finished:
            # Cameras have few sessions to give: a forgotten one would lock us out until it times out there.
            self._say_goodbye()
        defect = self._close()
        if ended is not None:
            ended(error if defect is None else defect)

    def _say_goodbye(self) -> None:
        """Send TEARDOWN. If the camera is gone already, there is nobody to send it to."""
        try:
            self._send(self.dialogue.teardown())
        except OvertError:
            pass
        except Exception:  # noqa: BLE001 - logged, and the session ends all the same
            _LOG.exception("%s: the camera could not be told TEARDOWN", self._endpoint.host)

    def _close(self) -> DefectError | None:
        """Deliver what is in hand and close the sockets; returns the defect that kept it from being delivered."""
        defect: DefectError | None = None
        finished, self._finished = self._finished, True
        if self._reception is not None and not finished:
            try:
                self._take_samples()
                self._give(self._reception.finish(self._now))
            except Exception as error:  # noqa: BLE001
                # What a defect of ours has broken is lost; the sockets must be closed all the same.
                _LOG.exception("%s: what was in hand at the end of a session is lost", self._endpoint.host)
                defect = DefectError(error)
        self._closing_ns = 0
        self._reactor.remove(self)
        self._link.close()
        self._datagrams.clear()
        self._close_pairs()
        done, self._done = self._done, None
        if done is not None:
            done()
        return defect

    def _close_pairs(self) -> None:
        for pair in self._pairs:
            pair.close()
        self._pairs.clear()

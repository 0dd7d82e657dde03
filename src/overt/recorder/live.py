"""The worker's side of live viewing: a thread that passes fragments and frames on to the media process.

    capture thread ──references──▶ deque ──▶ `live` thread ──records──▶ live.sock

The capture thread appends references and wakes this thread once a tick; it never waits, copies or serialises, and with
nobody watching it does nothing. This thread keeps one connection to the media process for as long as the worker lives
(`overt.recorder.live_wire` says what is spoken). A media process that is slow, hangs or dies costs viewers their
pictures, and recording nothing: what waits is bounded, and what does not fit is dropped up to the next keyframe.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from overt.contract import local_socket
from overt.errors import OvertError
from overt.ids import StreamKey
from overt.media.initialisation import initialisation_segment
from overt.media.records import Record, RecordParser, codecs_of, record
from overt.media.samples import CodecConfiguration, Fragment, TimedSample
from overt.recorder.capture import LiveState
from overt.recorder.live_wire import VERSION, Mode, Wire, pack_states
from overt.sealing.ratchet import RingState

QUEUE_BYTES: Final = 16 << 20
"""Payload that waits for the media process, all streams together."""
RETRY_S: Final = (0.2, 2.0)
"""First and longest delay before connecting again."""
CONNECT_S: Final = 1.0
STUCK_S: Final = 30.0
"""A media process that takes nothing for so long, though there is something to take, is given up and called again."""
LOOK_S: Final = 1.0
"""How often it is looked at whether streams are still being recorded."""
READ_BYTES: Final = 1 << 16
STOP_S: Final = 2.0
_LOG: Final = logging.getLogger(__name__)


class Source(Protocol):
    """The footage store, as far as viewers are concerned. Any thread; never waits."""

    def ring(self, key: StreamKey) -> list[RingState]:
        """Return what opens the last minutes of a stream."""
        ...

    def records(self, key: StreamKey) -> bool:
        """Return whether what is handed over of a stream is taken."""
        ...


@dataclass(slots=True, eq=False)
class _Subscription:
    """One form in which a stream is watched."""

    confirmed: bool = False
    """The capture thread has said where it begins."""
    dropped: int = 0
    """Since it was last said."""
    dropping: bool = False
    """Until a keyframe comes that fits."""


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream of this worker."""

    number: int
    key: StreamKey
    live: LiveState
    recorded: bool = True
    subscriptions: dict[Mode, _Subscription] = field(default_factory=dict)
    configuration: int = 0
    """Number of the configuration that was sent last."""
    sent: tuple[CodecConfiguration, ...] | None = None
    """The tracks that it is of."""


_Media = Fragment | TimedSample


class Publisher:
    """The thread, and what the capture thread gives it (`overt.recorder.capturing.Audience`)."""

    def __init__(self, path: Path, worker: int, source: Source) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            path: the socket at which the media process listens; need not be there.
            worker: the number of this worker, for those who look for it.
            source: says what is recorded, and has the ring.
        """
        self.dropped = 0
        """Fragments and frames that did not fit. Written by the thread, read by anybody."""
        self._path, self._worker, self._source = path, worker, source
        self._watch: Callable[..., None] = lambda *_args, **_kinds: None
        self._events: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._bell, self._door = socket.socketpair()
        self._bell.setblocking(False)
        self._stopping = False
        self._defect = ""
        self._streams: dict[StreamKey, _Stream] = {}
        self._numbers: dict[int, _Stream] = {}
        self._next_number = 1
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._socket: socket.socket | None = None
        self._parser = RecordParser()
        self._out: deque[bytes | tuple[_Stream, _Media]] = deque()
        self._out_bytes = 0
        """Payload in `_out` that is not serialised yet."""
        self._sending = memoryview(b"")
        self._progress_s = self._retry_s = self._look_s = 0.0
        self._delay_s = RETRY_S[0]
        self._thread: Final = threading.Thread(target=self._run, name="live", daemon=True)

    @property
    def waiting_bytes(self) -> int:
        """Payload that waits for the media process."""
        return self._out_bytes + len(self._sending)

    def start(self, watch: Callable[..., None]) -> None:
        """Start the thread; `watch` is `Capturing.watch`."""
        self._watch = watch
        self._thread.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """End the thread and its connection; what waits is not sent any more. False if it did not end in time."""
        self._stopping = True
        self._rouse()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        for each in (self._bell, self._door, self._selector):
            each.close()
        return True

    # What the capture thread calls

    def live_changed(self, key: StreamKey, live: LiveState) -> None:
        """A stream is there, or something of it changed."""
        self._events.append((self._stream_changed, (key, live)))
        self._rouse()

    def gone(self, key: StreamKey) -> None:
        """A stream is not captured any more."""
        self._events.append((self._stream_gone, (key,)))
        self._rouse()

    def watching(self, key: StreamKey, through_ns: int, *, fragments: bool, frames: bool) -> None:
        """What was asked of the capture thread holds from here on."""
        self._events.append((self._confirmed, (key, through_ns, fragments, frames)))

    def fragments(self, fragments: list[tuple[StreamKey, Fragment]]) -> None:
        """Take fragments."""
        self._events.append((self._take_fragments, (fragments,)))

    def frame(self, key: StreamKey, sample: TimedSample) -> None:
        """Take a frame."""
        self._events.append((self._take, (key, "samples", sample, len(sample.data))))

    def tick_over(self) -> None:
        """Wake the thread if there is something for it."""
        if self._events:
            self._rouse()

    def _rouse(self) -> None:
        try:
            self._bell.send(b"\0")
        except OSError:
            return  # Rung often enough, or stopped.

    # The thread

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - a defect costs those who watch a moment, and recording nothing
                fresh, self._defect = repr(error) != self._defect, repr(error)
                _LOG.error("worker %d: live pictures broke off: %s", self._worker, error, exc_info=fresh)
                self._disconnect()
                self._retry_s = time.monotonic() + RETRY_S[1]
        self._disconnect()

    def _turn(self) -> None:
        self._connect()
        for chosen, mask in self._selector.select(self._timeout()):
            if chosen.fileobj is self._door:
                self._door.recv(READ_BYTES)
            elif mask & selectors.EVENT_READ:
                self._receive()
        while self._events:
            call, arguments = self._events.popleft()
            call(*arguments)
        self._look()
        self._send()

    def _timeout(self) -> float:
        """Seconds until there is something to do though nothing comes."""
        due = self._look_s if self._socket is not None else self._retry_s
        return max(0.0, due - time.monotonic())

    def _connect(self) -> None:
        now = time.monotonic()
        if self._socket is not None or now < self._retry_s:
            return
        try:
            connection = local_socket.connect(self._path, CONNECT_S)
        except OSError:
            # Nobody listens: the media process is being started, or none is wanted.
            self._retry_s, self._delay_s = now + self._delay_s, min(2 * self._delay_s, RETRY_S[1])
            return
        connection.setblocking(False)
        self._socket, self._parser = connection, RecordParser()
        self._selector.register(connection, selectors.EVENT_READ)
        self._progress_s = now
        self._say(Wire.HELLO, version=VERSION, worker=self._worker)
        for stream in self._streams.values():
            self._announce(stream)

    def _disconnect(self) -> None:
        """Forget the connection and all who watched over it."""
        connection, self._socket = self._socket, None
        if connection is not None:
            self._selector.unregister(connection)
            connection.close()
        self._out.clear()
        self._out_bytes, self._sending = 0, memoryview(b"")
        for stream in self._streams.values():
            if stream.subscriptions:
                stream.subscriptions.clear()
                self._watch(stream.key, fragments=False, frames=False)
            stream.sent = None
        self._retry_s, self._delay_s = time.monotonic() + RETRY_S[0], RETRY_S[0]

    def _look(self) -> None:
        """Say which streams are recorded now, and give up a media process that takes nothing."""
        now = time.monotonic()
        if self._socket is None or now < self._look_s:
            return
        self._look_s = now + LOOK_S
        for stream in self._streams.values():
            if stream.recorded != self._source.records(stream.key):
                self._announce(stream)
        if (self._out or self._sending) and now - self._progress_s > STUCK_S:
            _LOG.warning("worker %d: the media process takes nothing since %g s", self._worker, STUCK_S)
            self._disconnect()

    # What the capture thread said

    def _stream_changed(self, key: StreamKey, live: LiveState) -> None:
        stream = self._streams.get(key)
        if stream is None:
            stream = _Stream(self._next_number, key, live)
            self._next_number += 1
            self._streams[key] = self._numbers[stream.number] = stream
        stream.live = live
        self._announce(stream)

    def _stream_gone(self, key: StreamKey) -> None:
        stream = self._streams.pop(key, None)
        if stream is None:
            return
        del self._numbers[stream.number]
        self._say(Wire.GONE, stream=stream.number)
        if stream.subscriptions:
            self._watch(key, fragments=False, frames=False)

    def _confirmed(self, key: StreamKey, through_ns: int, fragments: bool, frames: bool) -> None:
        stream = self._streams.get(key)
        if stream is None:
            return
        wanted: dict[Mode, bool] = {"fragments": fragments, "samples": frames}
        for mode, subscription in stream.subscriptions.items():
            if wanted[mode] and not subscription.confirmed:
                subscription.confirmed = True
                self._say(Wire.WATCHING, stream=stream.number, mode=mode, through_ns=through_ns)

    def _take_fragments(self, fragments: list[tuple[StreamKey, Fragment]]) -> None:
        for key, fragment in fragments:
            self._take(key, "fragments", fragment, len(fragment.payload))

    def _take(self, key: StreamKey, mode: Mode, media: _Media, size: int) -> None:
        """Queue a fragment or a frame, or drop it: then everything up to the next keyframe that fits."""
        stream = self._streams.get(key)
        subscription = stream.subscriptions.get(mode) if stream is not None else None
        if stream is None or subscription is None or not subscription.confirmed:
            return
        full = self._out_bytes + size > QUEUE_BYTES and self._out_bytes > 0
        if full or (subscription.dropping and not media.keyframe):
            subscription.dropping = True
            subscription.dropped += 1
            self.dropped += 1
            return
        if subscription.dropping:
            subscription.dropping = False
            self._say(Wire.DROPPED, stream=stream.number, mode=mode, count=subscription.dropped)
            subscription.dropped = 0
        self._out.append((stream, media))
        self._out_bytes += size

    # Sending

    def _say(self, kind: Wire, **header: Any) -> None:
        if self._socket is not None:
            self._out.append(record(kind, header))

    def _announce(self, stream: _Stream) -> None:
        live = stream.live
        stream.recorded = self._source.records(stream.key)
        video = next((track for track in live.tracks if track.kind == "video"), None)
        self._say(
            Wire.STREAM,
            stream=stream.number,
            camera=stream.key.camera,
            name=stream.key.stream,
            state=live.state,
            reason=live.reason,
            since_ns=live.since_ns,
            recorded=stream.recorded,
            codecs=codecs_of(live.tracks),
            width=video.width if video is not None else 0,
            height=video.height if video is not None else 0,
        )

    def _send(self) -> None:
        """Send until the socket takes no more."""
        connection = self._socket
        if connection is None:
            return
        try:
            while self._sending or self._out:
                if not self._sending:
                    self._sending = memoryview(self._next_record())
                count = connection.send(self._sending)
                self._sending = self._sending[count:]
                self._progress_s = time.monotonic()
        except BlockingIOError:
            self._selector.modify(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        except OSError:
            self._disconnect()
        else:
            self._selector.modify(connection, selectors.EVENT_READ)

    def _next_record(self) -> bytes:
        """Take what waits longest, as a record; before a fragment of other tracks comes their configuration."""
        item = self._out[0]
        if isinstance(item, bytes):
            self._out.popleft()
            return item
        stream, media = item
        if media.tracks is not stream.sent:
            if stream.sent is None or media.tracks != stream.sent:
                stream.configuration += 1
                stream.sent = media.tracks
                header = {"stream": stream.number, "configuration": stream.configuration}
                return record(Wire.CONFIGURATION, header, initialisation_segment(media.tracks))
            stream.sent = media.tracks
        self._out.popleft()
        if isinstance(media, TimedSample):
            self._out_bytes -= len(media.data)
            header = {
                "stream": stream.number,
                "configuration": stream.configuration,
                "time_ns": media.time_ns,
                "decode_ns": media.decode_ns,
                "keyframe": media.keyframe,
                "damaged": media.damaged,
            }
            return record(Wire.SAMPLE, header, media.data)
        self._out_bytes -= len(media.payload)
        header = {
            "stream": stream.number,
            "configuration": stream.configuration,
            "start_ns": media.start_ns,
            "duration_ns": media.duration_ns,
            "samples": media.samples,
            "keyframe": media.keyframe,
            "discontinuity": media.discontinuity,
            "damaged": media.damaged_samples > 0,
            "recorded": self._source.records(stream.key),
        }
        return record(Wire.FRAGMENT, header, media.payload)

    # Hearing

    def _receive(self) -> None:
        connection = self._socket
        if connection is None:
            return
        try:
            data = connection.recv(READ_BYTES)
            records = self._parser.feed(data)
        except BlockingIOError:
            return
        except (OSError, OvertError):
            data, records = b"", []
        if not data:
            self._disconnect()
            return
        for each in records:
            self._obey(each)

    def _obey(self, each: Record) -> None:
        """Do what the media process asks; what is no longer there is not answered: GONE was said of it."""
        stream = self._numbers.get(each.header.get("stream", 0))
        if each.kind == Wire.GET_RING:
            states = self._source.ring(stream.key) if stream is not None else []
            self._out.append(record(Wire.RING, {"request": each.header.get("request", 0)}, pack_states(states)))
        elif stream is not None and each.kind in (Wire.WATCH, Wire.UNWATCH):
            mode: Mode = "samples" if each.header.get("mode") == "samples" else "fragments"
            if each.kind == Wire.UNWATCH:
                stream.subscriptions.pop(mode, None)
            else:
                stream.subscriptions.setdefault(mode, _Subscription())
            wanted = stream.subscriptions
            self._watch(stream.key, fragments="fragments" in wanted, frames="samples" in wanted)

"""Live fan-out: what the capture workers send once reaches everyone who watches.

    worker ──live.sock──▶ LiveHub ──▶ Channel (a stream in one form) ──▶ Viewer, Viewer, …

Belongs to the event loop of the media process. Workers call it and announce their streams; a stream is sent for as long
as somebody watches it, once in each form. It touches no footage but through replay, and holds no key but for the moment
in which the last group of pictures is read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from overt.contract import local_socket
from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.footage.opening import OpenPeriod
from overt.ids import StreamKey
from overt.media.records import MICROSECOND, Record, RecordKind, record
from overt.recorder.live_wire import VERSION, Mode, Wire
from overt.recorder.media_plane.channel import (
    Channel,
    Configurations,
    RecentFootage,
    fresh_fragment,
    fresh_sample,
)
from overt.recorder.media_plane.viewer import Configuration, Viewer
from overt.recorder.media_plane.worker_link import WorkerLink
from overt.sealing.ratchet import MessageKeys, RingKeys, RingState

LINGER_S: Final = 2.0
"""A stream is still sent so long after its last viewer has left: pages are reloaded."""
GONE_S: Final = 5.0
"""A stream that was let go may come back within this time, with another assignment; then its viewers end."""
LOST_S: Final = 20.0
"""The same of a stream whose worker has died: it is started again."""
LEAD_STATES: Final = 4
"""The last group of pictures lies in one of so many segments."""
SWEEP_S: Final = 1.0
READ_LIMIT: Final = 1 << 20
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveStream:
    """What is known of a stream that a worker has."""

    state: str
    reason: str
    since_us: int
    codecs: str
    """RFC 6381, all tracks; empty before the first fragment."""
    width: int
    height: int
    recorded: bool = True
    """False while the disk refuses it."""

    def record(self) -> bytes:
        """Return the record that tells a viewer."""
        header = {"state": self.state, "reason": self.reason, "since_us": self.since_us, "recorded": self.recorded}
        return record(RecordKind.STATE, header)


@dataclass(slots=True, eq=False)
class _Stream:
    key: StreamKey
    live: LiveStream
    link: WorkerLink | None
    number: int
    until_s: float = 0.0
    """Without a worker: when its viewers end, on the monotonic clock."""
    configurations: Configurations = field(default_factory=Configurations)
    numbered: dict[int, Configuration] = field(default_factory=dict)
    """Configurations by the worker's numbers."""
    channels: dict[Mode, Channel] = field(default_factory=dict)

    def tell(self) -> None:
        """Tell all viewers how the stream fares."""
        told = self.live.record()
        for channel in self.channels.values():
            for viewer in channel.viewers:
                viewer.state(told)


class LiveHub:
    """All live streams of a recorder."""

    def __init__(self, socket_path: Path, replay: RecentFootage, ring_s: float) -> None:
        """Prepare; nothing runs before `serve`.

        Args:
            socket_path: where workers call.
            replay: reads the last group of pictures.
            ring_s: how far back the ring reaches, in seconds: older states are not used, whatever a worker says.
        """
        self.fragments_dropped = 0
        """Fragments and frames that viewers missed because they, or this process, were too slow."""
        self._path, self._replay, self._ring_ns = socket_path, replay, int(ring_s * 1e9)
        self._streams: dict[StreamKey, _Stream] = {}
        self._links: dict[WorkerLink, dict[int, _Stream]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def streams_watched(self) -> int:
        """Streams that somebody watches."""
        return sum(any(each.viewers for each in stream.channels.values()) for stream in self._streams.values())

    async def serve(self) -> None:
        """Listen for workers until cancelled.

        Raises:
            UnavailableError: if the socket cannot be used.
        """
        listener = local_socket.listen(self._path)
        server = await asyncio.start_unix_server(self._serve_worker, sock=listener, limit=READ_LIMIT)
        try:
            while True:
                await asyncio.sleep(SWEEP_S)
                self._sweep(time.monotonic())
        finally:
            server.close()
            self._path.unlink(missing_ok=True)
            for stream in tuple(self._streams.values()):
                self._forget(stream)
            # Not cancelled: asyncio's streams log a cancelled connection as a defect.
            for link in tuple(self._links):
                link.close()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # What the HTTP asks

    def streams(self) -> dict[StreamKey, LiveStream]:
        """Return the streams that workers have, or had a moment ago."""
        return {key: stream.live for key, stream in self._streams.items()}

    async def subscribe(self, key: StreamKey, mode: Mode) -> Viewer:
        """Begin to watch.

        Raises:
            MissingError: if no worker has the stream.
        """
        stream = self._stream(key)
        channel = stream.channels.get(mode)
        fresh = channel is None
        if channel is None:
            lead = partial(self._lead_keys, stream)
            channel = stream.channels[mode] = Channel(key, mode, stream.configurations, self._replay, lead)
        viewer = Viewer(partial(self._left, stream, channel), self._dropped)
        viewer.state(stream.live.record())
        channel.join(viewer)
        if fresh:
            self._watch(stream, channel, lead=stream.live.state == "recording")
        return viewer

    async def ring(self, key: StreamKey) -> list[RingState]:
        """Return what opens the last minutes of a stream, oldest first.

        Raises:
            MissingError: if no worker has the stream.
            UnavailableError: if its worker is gone, or does not answer.
        """
        stream = self._stream(key)
        if stream.link is None:
            msg = f"{key} has no capture worker now: try again in a moment"
            raise UnavailableError(msg)
        oldest_ns = time.time_ns() - self._ring_ns
        return [state for state in await stream.link.ring(stream.number) if state.start_ns >= oldest_ns]

    def open_ring(self, states: Sequence[RingState]) -> Callable[[UUID], MessageKeys]:
        """Return what gives the keys of a period that states of the ring belong to; each call another object.

        It raises `ForbiddenError` for other periods, and what it returns does for messages before the ring's.
        """
        by_period: dict[UUID, list[RingState]] = {}
        for state in sorted(states, key=lambda each: each.first_index):
            by_period.setdefault(state.period_id, []).append(state)

        def open_period(period_id: UUID) -> MessageKeys:
            found = by_period.get(period_id)
            if found is None:
                msg = f"the ring does not reach back to key period {period_id}"
                raise ForbiddenError(msg)
            return RingKeys(found[0], found[1:])

        return open_period

    def _stream(self, key: StreamKey) -> _Stream:
        stream = self._streams.get(key)
        if stream is None:
            msg = f"the recorder captures no stream {key}"
            raise MissingError(msg)
        return stream

    async def _lead_keys(self, stream: _Stream) -> OpenPeriod:
        return self.open_ring((await self.ring(stream.key))[-LEAD_STATES:])

    # Who watches

    def _watch(self, stream: _Stream, channel: Channel, *, lead: bool) -> None:
        """Have the worker send a stream; without a worker, that is done when one has it."""
        channel.begin(stream.channels.get("fragments") if channel.mode == "samples" else None, lead=lead)
        if stream.link is not None:
            stream.link.watch(stream.number, channel.mode)

    def _left(self, stream: _Stream, channel: Channel, viewer: Viewer) -> None:
        channel.viewers.discard(viewer)
        if not channel.viewers and channel.linger is None:
            loop = asyncio.get_running_loop()
            channel.linger = loop.call_later(LINGER_S, self._end, stream, channel)

    def _end(self, stream: _Stream, channel: Channel) -> None:
        """Nobody has come back: the stream is not sent any more."""
        channel.stop()
        if stream.channels.get(channel.mode) is channel:
            del stream.channels[channel.mode]
            if stream.link is not None:
                stream.link.unwatch(stream.number, channel.mode)

    def _dropped(self, count: int) -> None:
        self.fragments_dropped += count

    def _sweep(self, now_s: float) -> None:
        """End viewers that are too slow for good, and those of streams that do not come back."""
        for stream in tuple(self._streams.values()):
            if stream.link is None and now_s >= stream.until_s:
                self._forget(stream)
                continue
            for channel in tuple(stream.channels.values()):
                for viewer in tuple(channel.viewers):
                    if viewer.stuck(now_s):
                        viewer.end()

    def _forget(self, stream: _Stream) -> None:
        if self._streams.get(stream.key) is stream:
            del self._streams[stream.key]
        for channel in tuple(stream.channels.values()):
            for viewer in tuple(channel.viewers):
                viewer.end()
            if channel.linger is not None:
                channel.linger.cancel()
            self._end(stream, channel)

    # What workers say

    async def _serve_worker(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear one worker until it goes."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        link = WorkerLink(reader, writer)
        self._links[link] = {}
        try:
            async for each in link.records():
                self._heard(link, each)
        except (OvertError, KeyError, TypeError, ValueError) as error:
            _LOG.error("a capture worker says what is not to be understood, and is let go: %r", error)
        finally:
            link.close()
            for stream in self._links.pop(link).values():
                if stream.link is link:
                    self._lose(stream, "failed", "its capture worker has ended and is started again", LOST_S)

    def _heard(self, link: WorkerLink, each: Record) -> None:
        """Take one record.

        Raises:
            InvalidError: if the worker is of another version.
            KeyError, TypeError, ValueError: if it is not as `overt.recorder.live_wire` says.
        """
        header = each.header
        if each.kind == Wire.HELLO:
            if header["version"] != VERSION:
                msg = f"a capture worker speaks version {header['version']}, and {VERSION} is spoken here"
                raise InvalidError(msg)
        elif each.kind == Wire.STREAM:
            self._announced(link, header)
        else:
            stream = self._links[link].get(header["stream"])
            # What is on its way of a stream that another worker has now, or nobody.
            if stream is not None and stream.link is link:
                self._said(link, stream, each)

    def _announced(self, link: WorkerLink, header: dict[str, Any]) -> None:
        """A stream is there, or something of it changed."""
        key = StreamKey(header["camera"], header["name"])
        live = LiveStream(
            state=header["state"],
            reason=header["reason"],
            since_us=header["since_ns"] // MICROSECOND,
            codecs=header["codecs"],
            width=header["width"],
            height=header["height"],
            recorded=header["recorded"],
        )
        number = header["stream"]
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(key, live, link, number)
        self._links[link][number] = stream
        changed, stream.live = stream.live != live, live
        if changed:
            stream.tell()
        if stream.link is not link or stream.number != number:
            stream.link, stream.number = link, number
            stream.numbered.clear()
            for channel in stream.channels.values():
                self._watch(stream, channel, lead=False)

    def _said(self, link: WorkerLink, stream: _Stream, each: Record) -> None:
        header = each.header
        if each.kind == Wire.FRAGMENT:
            channel = stream.channels.get("fragments")
            if channel is not None:
                channel.take(fresh_fragment(header, each.payload, stream.numbered[header["configuration"]]))
        elif each.kind == Wire.SAMPLE:
            channel = stream.channels.get("samples")
            if channel is not None:
                channel.take(fresh_sample(header, each.payload, stream.numbered[header["configuration"]]))
        elif each.kind == Wire.CONFIGURATION:
            stream.numbered = {header["configuration"]: stream.configurations.of(bytes(each.payload))}
        elif each.kind == Wire.GONE:
            del self._links[link][stream.number]
            self._lose(stream, stream.live.state, stream.live.reason, GONE_S)
        elif each.kind in (Wire.WATCHING, Wire.DROPPED):
            channel = stream.channels.get(header["mode"])
            if channel is not None and each.kind == Wire.WATCHING:
                channel.watching(header["through_ns"])
            elif channel is not None:
                channel.skip(header["count"])
                self._dropped(header["count"])

    def _lose(self, stream: _Stream, state: str, reason: str, seconds: float) -> None:
        """A stream has no worker any more; its viewers may stay for some time."""
        stream.link, stream.until_s = None, time.monotonic() + seconds
        if (state, reason) != (stream.live.state, stream.live.reason):
            stream.live = replace(stream.live, state=state, reason=reason, since_us=time.time_ns() // MICROSECOND)
            stream.tell()
        for channel in stream.channels.values():
            channel.stop()
            channel.skip()

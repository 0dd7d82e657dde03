"""A session with a camera through PyAV in a process of its own; to its owner it looks like `overt.media.feed.Feed`.

Only video in H.264 and H.265 is recorded this way, and the pictures' times are FFmpeg's: sender reports and lost
packets are not seen. That is said in the documents, and it is why our own engine is always tried first.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from typing import Final, cast
from urllib.parse import quote

from overt.clock import SECOND, RecorderClock
from overt.errors import ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.media.feed import SilentError
from overt.media.interleaved import FeedCounters
from overt.media.reactor import READ_LIMIT, DefectError, Reactor
from overt.media.reception import Reception
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.sdp import PayloadFormat
from overt.media.rtsp.transport import Lower
from overt.media.rtsp.urls import CameraUrl
from overt.media.samples import Fragment
from overt.recorder.foreign_records import CORRUPT, END, MAX_RECORD, RECORD, REFUSED, VIDEO, VIDEO_CLOCK

START_TIMEOUT_NS: Final = 20 * SECOND
"""FFmpeg probes a stream before it says anything."""
PROCESS_TIMEOUT_S: Final = 10.0
PIPE_READ: Final = 1 << 16
"""Bytes read at once: what a pipe holds."""
RTP_BASE: Final = 1 << 40
"""Added to FFmpeg's times, which may begin below zero."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForeignSource:
    """What the other process is told."""

    place: CameraUrl
    credentials: Credentials | None
    transport: Lower

    def order(self) -> bytes:
        """Return the line of JSON for its standard input; holds the password."""
        url = self.place.request_url
        if self.credentials is not None:
            scheme, _, rest = url.partition("://")
            user, password = quote(self.credentials.username, safe=""), quote(self.credentials.password, safe="")
            url = f"{scheme}://{user}:{password}@{rest}"
        order = {"url": url, "transport": self.transport, "timeout_s": PROCESS_TIMEOUT_S}
        return json.dumps(order).encode() + b"\n"


class ForeignFeed:
    """A participant of the reactor that reads a process's pipe; all methods belong to the reactor's thread."""

    def __init__(
        self,
        reactor: Reactor,
        clock: RecorderClock,
        source: ForeignSource,
        *,
        stall_timeout_ns: int,
        target_ns: int,
        not_before_ns: int,
        deliver: Callable[[list[Fragment]], None],
        ended: Callable[[OvertError], None],
        receiving: Callable[[Reception], None] | None = None,
    ) -> None:
        """Start the process. Parameters as in `Feed`. Raises UnavailableError if it cannot be started."""
        self.counters: Final = FeedCounters()
        self.playing_since_ns = 0
        self._host = source.place.host
        self._reactor = reactor
        self._clock = clock
        self._stall_timeout_ns = stall_timeout_ns
        self._target_ns = target_ns
        self._not_before_ns = not_before_ns
        self._deliver = deliver
        self._ended: Callable[[OvertError], None] | None = ended
        self._receiving = receiving
        self._began_ns = reactor.now_ns()
        self._pending = bytearray()
        self._finished = False
        self._reception: Reception | None = None
        try:
            self._process, self._frames = start(source.order())
        except OSError as error:
            msg = f"{self._host}: the PyAV process cannot be started ({error})"
            raise UnavailableError(msg) from error
        reactor.add(self)
        reactor.hasten(self)
        reactor.watch(self._frames.fileno(), self)

    @property
    def reception(self) -> Reception | None:
        """What arrives and how well, once the process has named the codec."""
        return self._reception

    def shift(self, step_ns: int) -> None:
        """Follow a step of the recorder's line: what is in hand is delivered at the old time, the rest at the new."""
        if self._reception is not None:
            self._give(self._reception.shift(step_ns, self._reactor.now_ns()))
        elif step_ns < 0:
            self._not_before_ns = max(0, self._not_before_ns + step_ns)

    def ready(self, _descriptor: int, _events: int, now_ns: int) -> None:
        """Read what the process wrote."""
        try:
            self._read(now_ns)
        except OvertError as error:
            self._end(error)

    def housekeeping(self, now_ns: int) -> None:
        """Notice silence, and take what a silent stream left in hand."""
        last = max(self._reception.counters.last_frame_ns if self._reception else 0, self.playing_since_ns)
        if last and now_ns - last > self._stall_timeout_ns:
            self._end(SilentError(f"{self._host} sends no frames since {(now_ns - last) / SECOND:.1f} s (PyAV)"))
        elif not last and now_ns - self._began_ns > START_TIMEOUT_NS:
            self._end(UnavailableError(f"{self._host}: PyAV delivered nothing in {START_TIMEOUT_NS // SECOND} s"))
        elif self._reception is not None:
            self._give(self._reception.poll(now_ns))

    def failed(self, error: Exception) -> None:
        """A defect of ours came to light: the session is over."""
        self._end(DefectError(error))

    def close(self, done: Callable[[], None]) -> None:
        """End by our own wish, then call `done`."""
        self._ended = None
        self._stop()
        done()

    def _read(self, now: int) -> None:
        budget = READ_LIMIT
        data: bytes | None = None
        while budget > 0:
            data = self._frames.read(min(budget, PIPE_READ))
            if not data:
                break
            budget -= len(data)
            self.counters.bytes += len(data)
            self._pending += data
        self._records(now)
        if self._reception is not None:
            self._give(self._reception.gather())
        # The last of its records, which says why it ended, may have come with the end of the pipe.
        if data == b"":
            msg = f"{self._host}: the PyAV process ended without a word"
            raise UnavailableError(msg)

    def _records(self, now: int) -> None:
        pending = self._pending
        position = 0
        view = memoryview(pending)
        try:
            while len(pending) - position >= RECORD.size:
                kind, flags, _, length, pts = RECORD.unpack_from(pending, position)
                if length > MAX_RECORD:
                    msg = (
                        f"{self._host}: a record of {length} bytes came from the PyAV process; at most {MAX_RECORD} may"
                    )
                    raise InvalidError(msg)
                stop = position + RECORD.size + length
                if stop > len(pending):
                    break
                self._record(kind, flags, pts, view[position + RECORD.size : stop], now)
                position = stop
        finally:
            view.release()
        del pending[:position]

    def _record(self, kind: int, flags: int, pts: int, data: memoryview, now: int) -> None:
        if kind == END:
            text = f"{self._host}: {bytes(data).decode(errors='replace')}"
            raise ForbiddenError(text) if flags & REFUSED else UnavailableError(text)
        if kind != VIDEO:
            msg = f"{self._host}: a record of unknown kind {kind} came from the PyAV process"
            raise InvalidError(msg)
        if self._reception is None:
            self.playing_since_ns = now
            encoding = "H265" if bytes(data) == b"hevc" else "H264"
            self._reception = Reception(
                [PayloadFormat(96, encoding, VIDEO_CLOCK)],
                clock=self._clock,
                target_ns=self._target_ns,
                not_before_ns=self._not_before_ns,
            )
            if self._receiving is not None:
                self._receiving(self._reception)
            return
        self._reception.take_access_unit(data, RTP_BASE + pts, now, damaged=bool(flags & CORRUPT))

    def _give(self, fragments: list[Fragment]) -> None:
        if fragments:
            self._deliver(fragments)

    def _end(self, error: OvertError) -> None:
        ended, self._ended = self._ended, None
        defect = self._stop()
        if ended is not None:
            ended(error if defect is None else defect)

    def _stop(self) -> DefectError | None:
        """Deliver what is in hand and end the process; returns the defect that kept it from being delivered."""
        defect: DefectError | None = None
        finished, self._finished = self._finished, True
        if self._reception is not None and not finished:
            try:
                self._give(self._reception.finish(self._reactor.now_ns()))
            except Exception as error:  # noqa: BLE001
                # What a defect of ours has broken is lost; the process must end all the same.
                _LOG.exception("%s: what was in hand at the end of a session is lost", self._host)
                defect = DefectError(error)
        self._reactor.remove(self)
        self._process.kill()
        self._frames.close()
        self._process.wait()
        return defect


def start(order: bytes) -> tuple[subprocess.Popen[bytes], FileIO]:
    """Start the process on an order; return it and the end of the pipe that its records come from, non-blocking.

    Raises:
        OSError: if the system has no descriptor or no process left.
    """
    # Of memory, not a pipe: it takes an order of any length at once, and a process that dies early breaks nothing.
    with os.fdopen(os.memfd_create("order"), "w+b", buffering=0) as told:
        told.write(order)
        told.seek(0)
        process = subprocess.Popen(
            # -P: whatever directory the recorder was started in, nothing is imported from it.
            [sys.executable, "-P", "-m", "overt.recorder.foreign_process"],
            stdin=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
    frames = cast("FileIO", process.stdout)
    os.set_blocking(frames.fileno(), False)
    return process, frames

"""One simulated camera: its film, its sessions, its faults. Everything here runs in the simulator's event loop."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from overt.simulator import rtcp
from overt.simulator.authentication import Doorkeeper
from overt.simulator.chance import Chance
from overt.simulator.connection import Connection
from overt.simulator.control import Conversation
from overt.simulator.dialects import DIALECTS
from overt.simulator.faults import ClockStep, Die, Flood, Garbage, Parameters, Striking, TimestampJump
from overt.simulator.marks import FrameMark, mark_digits
from overt.simulator.record import MAX_REQUESTS, SeenRequest, SentFrame, Statistics
from overt.simulator.timeline import CameraTime, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from overt.simulator.faults import Lasting
    from overt.simulator.persona import CameraPersona
    from overt.simulator.reel import Reel
    from overt.simulator.rtsp import Request
    from overt.simulator.session import Leg, Session

FRAMES_A_TURN: Final = 32
"""A camera that is behind sends so many frames, then lets the others have their turn."""


class Camera:
    """Films for ever, and sends to whoever has said PLAY."""

    def __init__(
        self,
        persona: CameraPersona,
        number: int,
        reels: Sequence[Reel],
        other_reels: Mapping[Path, Reel],
        *,
        log_frames: int = 0,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            persona: what to be like.
            number: place in the persona file, from 1: stands in every frame mark.
            reels: the tracks, video first.
            other_reels: what `parameters` faults may switch to, by source.
            log_frames: how many sent frames to remember.
        """
        self.persona = persona
        self.number = number
        self.dialect = DIALECTS[persona.maker]
        self.counters = Statistics()
        self.seen: deque[SeenRequest] = deque(maxlen=MAX_REQUESTS)
        self.sent: deque[SentFrame] = deque(maxlen=log_frames)
        self._faults: dict[str, Lasting] = {}
        self._other_reels = dict(other_reels)
        self._lines = [Timeline(reel) for reel in reels]
        self._jumped_s = 0.0
        self._playing: list[Session] = []
        self._connections: set[Connection] = set()
        self._timers: list[asyncio.TimerHandle | None] = [None] * len(self._lines)
        self._fault_timers: dict[int, asyncio.TimerHandle] = {}
        self._keys = itertools.count()
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._watchers: list[tuple[Callable[[Statistics], bool], asyncio.Future[None]]] = []
        self._conversation = Conversation(
            self,
            Doorkeeper(
                persona.auth, persona.user, persona.password.get_secret_value(), self.dialect, persona.nonce_lifetime_s
            ),
        )

    @property
    def reels(self) -> Sequence[Reel]:
        """The tracks, video first."""
        return [line.reel for line in self._lines]

    @property
    def faults(self) -> Mapping[str, Lasting]:
        """Those in force, by kind."""
        return self._faults

    def monotonic(self) -> float:
        """Seconds on the loop's clock."""
        return self._loop.time()

    def wall_ns(self) -> int:
        """What the camera believes UTC to be, in nanoseconds since 1970."""
        return self._time.wall_ns(self._loop.time())

    # --- life -------------------------------------------------------------------------------------------------

    def start(self, loop: asyncio.AbstractEventLoop, on_listening: Callable[[], None]) -> None:
        """Start filming. `on_listening` is called when `listener_wanted` may have changed."""
        self._loop = loop
        self._on_listening = on_listening
        self._time = CameraTime(self.persona.clock, loop.time(), time.time_ns())
        for fault in self.persona.faults:
            if fault.at_s > 0:
                self._later(fault.at_s, fault)
            else:
                self.begin(fault)

    def stop(self) -> None:
        """Cut every connection and stop all timers."""
        for handle in (*self._timers, *self._fault_timers.values(), *self._ends.values()):
            if handle is not None:
                handle.cancel()
        for connection in list(self._connections):
            connection.close(reset=True)
        for _, future in self._watchers:
            future.cancel()

    def connection(self) -> Connection:
        """Make the protocol of a new connection."""
        return Connection(self, self._loop)

    @property
    def listener_wanted(self) -> bool:
        """Whether the camera accepts connections."""
        return "refuse_connection" not in self._faults

    @property
    def idle(self) -> bool:
        """Whether no connection is open."""
        return not self._connections

    # --- what connections report -------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A client has connected."""
        self._connections.add(connection)
        self.counters.connections += 1
        self.counters.connections_open = len(self._connections)
        self._changed()

    def closed(self, connection: Connection) -> None:
        """A connection is gone, and its session with it."""
        self._connections.discard(connection)
        self.counters.connections_open = len(self._connections)
        if connection.session is not None:
            self.pause(connection.session)
            connection.session.close()
            connection.session = None
        self._changed()

    def handle(self, connection: Connection, request: Request) -> None:
        """Answer a request and note it."""
        status = self._conversation.answer(connection, request)
        counts = self.counters.requests
        counts[request.method] = counts.get(request.method, 0) + 1
        self.counters.unauthorised += status == 401
        self.seen.append(SeenRequest(time.monotonic_ns(), request.method, request.url, request.headers, status))
        self._changed()

    def received_control(self, connection: Connection) -> None:
        """The client sent RTCP."""
        self.counters.rtcp_received += 1
        if connection.session is not None:
            self.alive(connection.session, "RTCP")

    def alive(self, session: Session, sign: str) -> None:
        """The client gave a sign of life; whether it counts, the persona says."""
        if sign in self.persona.keep_alive:
            session.seen_at = self._loop.time()
            self.counters.keep_alives += 1

    # --- playing -----------------------------------------------------------------------------------------------

    def play(self, session: Session) -> dict[int, tuple[int, int]]:
        """Begin to send; return sequence number and RTP time stamp that each track will begin with."""
        now = self._loop.time()
        if not self._playing:
            for line in self._lines:
                line.skip_to(self._time.media_s(now))
        if not session.playing:
            session.playing = True
            session.waits_for_keyframe = self.persona.join != "any"
            self._playing.append(session)
            self.counters.sessions += 1
        session.seen_at = now
        if self.persona.join == "idr":
            self._lines[0].cut_to_keyframe()
        self.counters.sessions_playing = len(self._playing)
        for track in range(len(self._lines)):
            self._schedule(track)
        if self.persona.session_timeout_s is not None:
            self._loop.call_later(self.persona.session_timeout_s, self._check_life, session)
        return {
            track: (leg.sequence, self._rtp_time(leg, self._lines[track].presentation))
            for track, leg in session.legs.items()
            if track < len(self._lines)
        }

    def pause(self, session: Session) -> None:
        """Stop to send to this session."""
        if session.playing:
            session.playing = False
            self._playing.remove(session)
            self.counters.sessions_playing = len(self._playing)
        if not self._playing:
            for track, handle in enumerate(self._timers):
                if handle is not None:
                    handle.cancel()
                self._timers[track] = None

    def _check_life(self, session: Session) -> None:
        timeout = self.persona.session_timeout_s
        if not session.playing or timeout is None:
            return
        left = session.seen_at + timeout - self._loop.time()
        if left > 0:
            self._loop.call_later(left + 0.001, self._check_life, session)
            return
        self.counters.sessions_timed_out += 1
        for connection in list(self._connections):
            if connection.session is session:
                connection.close()
        self.pause(session)

    def _schedule(self, track: int) -> None:
        if self._timers[track] is None and self._playing:
            due = self._time.monotonic(self._lines[track].due_s)
            self._timers[track] = self._loop.call_at(due, self._tick, track)

    def _reschedule(self) -> None:
        for track, handle in enumerate(self._timers):
            if handle is not None:
                handle.cancel()
            self._timers[track] = None
            self._schedule(track)

    def _tick(self, track: int) -> None:
        """Send what is due."""
        self._timers[track] = None
        line = self._lines[track]
        now = self._loop.time()
        media_s = self._time.media_s(now)
        if "flood" not in self._faults:
            self.counters.late_s = max(self.counters.late_s, media_s - line.due_s)
        for _ in range(FRAMES_A_TURN):
            if line.due_s > media_s:
                break
            self._send(track, line, now)
            line.advance()
        if track == 0:
            self.counters.frames_filmed = line.number
            self._changed()
        self._schedule(track)

    def _send(self, track: int, line: Timeline, now: float) -> None:
        if "stall" in self._faults or "black_hole" in self._faults:
            return
        frame = line.frame
        digits = mark_digits(FrameMark(self.number, line.number)) if frame.mark_at >= 0 else b""
        digest: bytes | None = None
        for session in self._playing:
            leg = session.legs.get(track)
            if leg is None or (track == 0 and session.waits_for_keyframe and not frame.keyframe):
                continue
            if track == 0:
                session.waits_for_keyframe = False
            if self.persona.clock.sender_reports and now >= leg.next_report:
                leg.next_report = now + self.persona.clock.interval_s
                self._report(session, leg, line, now)
            rtp_time = self._rtp_time(leg, line.presentation)
            went, lost = session.send_frame(leg, frame, digits, rtp_time, self._faults)
            if not went:
                self.counters.frames_skipped += track == 0
                continue
            if track:
                self.counters.audio_sent += 1
                continue
            self.counters.frames_sent += 1
            if self.sent.maxlen:
                if digest is None:
                    unit = bytearray(frame.unit)
                    if frame.unit_mark_at >= 0:
                        unit[frame.unit_mark_at : frame.unit_mark_at + len(digits)] = digits
                    digest = hashlib.sha256(unit).digest()
                captured = self._time.monotonic((line.presentation - line.reel.delay) / line.reel.clock_rate)
                self.sent.append(
                    SentFrame(
                        number=line.number,
                        session=session.identifier,
                        monotonic_ns=time.monotonic_ns(),
                        wall_ns=self._time.wall_ns(captured),
                        rtp_time=rtp_time,
                        keyframe=frame.keyframe,
                        size=len(frame.unit),
                        sha256=digest,
                        packets=len(frame.offsets),
                        packets_lost=lost,
                    )
                )

    def _rtp_time(self, leg: Leg, ticks: int) -> int:
        return (leg.base + ticks + round(self._jumped_s * leg.reel.clock_rate)) & 0xFFFFFFFF

    def _report(self, session: Session, leg: Leg, line: Timeline, now: float) -> None:
        """Say what time it is: the RTP clock of what is captured now, `delay` before it is sent."""
        ticks = round(self._time.media_s(now) * leg.reel.clock_rate) + line.reel.delay
        packet = rtcp.sender_report(
            leg.ssrc, self._time.wall_ns(now), self._rtp_time(leg, ticks), leg.packets, leg.octets
        )
        session.send_control(leg, packet)
        self.counters.reports_sent += 1

    # --- faults ------------------------------------------------------------------------------------------------

    def begin(self, fault: Striking | Lasting) -> None:
        """Let a fault strike, or put it in force, now. One of the same kind that is in force is replaced."""
        if isinstance(fault, Striking):
            self._strike(fault)
            if fault.every_s is not None:
                self._later(fault.every_s, fault)
            return
        self._cancel_end(fault.kind)
        self._faults[fault.kind] = fault
        if fault.for_s is not None:
            self._ends[fault.kind] = self._loop.call_later(fault.for_s, self.end, fault.kind)
        if isinstance(fault, Flood):
            now = self._loop.time()
            self._time.run(fault.factor, now, self._time.media_s(now))
            self._reschedule()
        self._faults_changed()

    def add_reel(self, source: Path, reel: Reel) -> None:
        """Make a reel known that a `parameters` fault will switch to."""
        self._other_reels[source] = reel

    def end(self, kind: str) -> None:
        """Put a lasting fault out of force."""
        self._cancel_end(kind)
        if self._faults.pop(kind, None) is None:
            return
        if kind == "flood":
            now = self._loop.time()
            self._time.run(1.0, now, min(self._time.media_s(now), self._lines[0].due_s))
            self._reschedule()
        self._faults_changed()

    def clear(self) -> None:
        """End all faults, and forget those that were still to come."""
        for handle in self._fault_timers.values():
            handle.cancel()
        self._fault_timers.clear()
        for kind in list(self._faults):
            self.end(kind)

    def kill_sessions(self, *, reset: bool = False) -> int:
        """Close all connections; return how many there were."""
        connections = list(self._connections)
        for connection in connections:
            connection.close(reset=reset)
        return len(connections)

    def _later(self, seconds: float, fault: Striking | Lasting) -> None:
        key = next(self._keys)
        self._fault_timers[key] = self._loop.call_later(seconds, self._begin_later, key, fault)

    def _begin_later(self, key: int, fault: Striking | Lasting) -> None:
        self._fault_timers.pop(key, None)
        self.begin(fault)

    def _cancel_end(self, kind: str) -> None:
        handle = self._ends.pop(kind, None)
        if handle is not None:
            handle.cancel()

    def _faults_changed(self) -> None:
        for connection in list(self._connections):
            connection.faults_changed()
        self._on_listening()

    def _strike(self, fault: Striking) -> None:
        if isinstance(fault, Die):
            self.kill_sessions(reset=fault.reset)
        elif isinstance(fault, ClockStep):
            self._time.step(fault.by_s)
        elif isinstance(fault, TimestampJump):
            self._jumped_s += fault.by_s
        elif isinstance(fault, Parameters):
            self._lines[0].cut_to_reel(self._other_reels[fault.source])
            self._reschedule()
        elif isinstance(fault, Garbage):
            noise = Chance(fault.seed).block(fault.bytes)
            for session in self._playing:
                session.outlet.write(noise)

    # --- for other threads -------------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """Return a copy of the counters."""
        return replace(self.counters, requests=dict(self.counters.requests))

    async def until(self, predicate: Callable[[Statistics], bool]) -> None:
        """Return once the counters satisfy `predicate`."""
        if predicate(self.counters):
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._watchers.append((predicate, future))
        try:
            await future
        finally:
            self._watchers = [watcher for watcher in self._watchers if watcher[1] is not future]

    def _changed(self) -> None:
        for predicate, future in self._watchers:
            if not future.done() and predicate(self.counters):
                future.set_result(None)

"""The capture side of a worker: the reactor's thread, its captures, and the hand-over to the store once a tick."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from overt.clock import HOLD_LIMIT, Clock, ClockStep, RecorderClock
from overt.contract.assignment import CameraAssignment
from overt.contract.fact import GapCause, StreamState
from overt.ids import StreamKey
from overt.media.reactor import HOUSEKEEPING_NS, TICK_NS, Reactor, ReactorStatistics
from overt.media.resolve import Resolver
from overt.media.samples import Fragment, TimedSample
from overt.recorder.capture import LiveState, StreamCapture
from overt.recorder.health import StreamHealth

CHANGED: Final = "its assignment was changed"

CROWD: Final = 32
CROWDED_TICK_NS: Final = 2 * TICK_NS
"""With more than `CROWD` streams the tick is longer: at 64 it saves a tenth of what capture costs."""
UNWATCHED_TICK_NS: Final = 4 * TICK_NS
"""And longer still while nobody watches and everything comes by TCP: at 64 it saves a fifth of what capture costs then,
since a read brings two frames. A frame is stored 40 ms later, and a kill costs 40 ms more."""
SHORT_FRAGMENT_MS: Final = 400
"""With longer fragments, the longest tick would let a kill cost more than 0.6 s."""


class Store(Protocol):
    """What capturing needs of the footage store; nothing here blocks."""

    def append_many(self, fragments: list[tuple[StreamKey, UUID, Fragment]]) -> int:
        """Hand fragments over; what does not fit is refused and becomes a gap there."""
        ...

    def interrupted(self, key: StreamKey, cause: GapCause, detail: str) -> None:
        """Nothing comes of this stream, for this reason."""
        ...

    def detach(self, key: StreamKey, detail: str) -> None:
        """The stream is not recorded any more: its segment can be closed."""
        ...

    def recorded_through_ns(self, key: StreamKey) -> int:
        """End of the stored footage of a stream; 0 if there is none."""
        ...


class Events(Protocol):
    """What capturing reports; called on the capture thread."""

    def state_changed(self, key: StreamKey, previous: StreamState, state: StreamState, reason: str) -> None:
        """A stream's state changed."""
        ...

    def clock_stepped(self, step: ClockStep) -> None:
        """The wall clock was found to have stepped."""
        ...


class Audience(Protocol):
    """Who passes pictures on to those who watch. Called on the capture thread; nothing here blocks, copies or waits."""

    def live_changed(self, key: StreamKey, live: LiveState) -> None:
        """A stream is there, or its state, reason or codecs changed."""
        ...

    def gone(self, key: StreamKey) -> None:
        """A stream is not captured any more."""
        ...

    def watching(self, key: StreamKey, through_ns: int, *, fragments: bool, frames: bool) -> None:
        """From here on this stream is passed on so; what ends at `through_ns` or before went to the store alone."""
        ...

    def fragments(self, fragments: list[tuple[StreamKey, Fragment]]) -> None:
        """Take fragments of streams that are watched, in order, after the store has been given them."""
        ...

    def frame(self, key: StreamKey, sample: TimedSample) -> None:
        """Take a frame of a stream that is watched frame by frame."""
        ...

    def tick_over(self) -> None:
        """A tick has ended in which somebody watched."""
        ...


class Capturing:
    """All streams of one worker. Public methods may be called from any thread unless they say otherwise."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        events: Events,
        *,
        not_before_ns: int = 0,
        tick_ns: int = TICK_NS,
        audience: Audience | None = None,
    ) -> None:
        """Prepare; `not_before_ns` is the end of the newest stored footage (`RecorderClock`)."""
        self._store = store
        self._events = events
        self._audience = audience
        self._watched: dict[StreamKey, bool] = {}
        """Streams that somebody watches, and whether frame by frame."""
        self._shown: set[StreamKey] = set()
        """Those of them whose fragments are passed on."""
        self._tick_ns = tick_ns
        self._reactor = Reactor(clock, self._after_tick, tick_ns)
        self._clock = RecorderClock(clock, not_before_ns)
        self._resolver = Resolver()
        self._captures: dict[StreamKey, StreamCapture] = {}
        self._cameras: dict[str, CameraAssignment] = {}
        self._wanted: dict[str, CameraAssignment] = {}
        self._ending: dict[StreamCapture, str] = {}
        """Captures that still say goodbye, and whose they are: their camera begins anew only after them."""
        self._batch: list[tuple[StreamKey, UUID, Fragment]] = []
        self._through: dict[StreamKey, int] = {}
        self._next_observation_ns = 0
        self._failure: BaseException | None = None
        self._thread: Final = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def statistics(self) -> ReactorStatistics:
        """Ticks and their lateness."""
        return self._reactor.statistics

    @property
    def clock_offset_ns(self) -> int:
        """Wall clock minus recorder line."""
        return self._clock.offset_ns

    @property
    def cameras(self) -> tuple[CameraAssignment, ...]:
        """The cameras that are captured now."""
        return tuple(self._cameras.values())

    @property
    def running(self) -> bool:
        """The capture thread is alive."""
        return self._thread.is_alive()

    @property
    def failure(self) -> BaseException | None:
        """What ended the capture thread although nobody stopped it; a defect, for which the worker must die."""
        return self._failure

    def start(self) -> None:
        """Start the capture thread."""
        self._thread.start()

    def apply(self, cameras: tuple[CameraAssignment, ...]) -> None:
        """Go over to these cameras: start, stop, and replace where capture must change; within a tick."""
        self._reactor.call(lambda: self._apply(cameras, "no longer assigned to be recorded"))

    def health(self, timeout_s: float) -> list[StreamHealth]:
        """Ask the capture thread for every stream's state. Raises TimeoutError if it is held up."""
        answer: Future[list[StreamHealth]] = Future()
        self._reactor.call(lambda: answer.set_result([capture.health() for capture in self._captures.values()]))
        return answer.result(timeout_s)

    def watch(self, key: StreamKey, *, fragments: bool, frames: bool) -> None:
        """Pass a stream on to the audience in these forms from now on, or in none; within a tick. Thread-safe."""
        self._reactor.call(lambda: self._watch(key, fragments=fragments, frames=frames))

    def stop(self, timeout_s: float) -> bool:
        """End every session, hand over what is in hand; True once the thread has ended."""
        self._reactor.call(lambda: self._apply((), "the recorder was stopped"))
        self._reactor.call(self._reactor.stop)
        self._thread.join(timeout_s)
        self._resolver.close()
        return not self._thread.is_alive()

    # On the capture thread

    def _run(self) -> None:
        try:
            self._reactor.run()
        except BaseException as error:
            self._failure = error
            raise

    def _apply(self, cameras: tuple[CameraAssignment, ...], why: str) -> None:
        self._wanted = {camera.name: camera for camera in cameras}
        for name, camera in list(self._cameras.items()):
            new = self._wanted.get(name)
            if new is not None and camera.captured_like(new):
                self._cameras[name] = new
                continue
            del self._cameras[name]
            left = [self._captures.pop(key) for key in camera.keys]
            self._ending.update(dict.fromkeys(left, name))
            for capture in left:
                capture.stop(why if new is None else CHANGED, partial(self._ended, capture))
        for name in self._wanted:
            self._begin(name)
        self._set_tick()

    def _ended(self, capture: StreamCapture) -> None:
        self._begin(self._ending.pop(capture))
        self._set_tick()

    def _set_tick(self) -> None:
        tick_ns = self._tick_ns
        if len(self._captures) > CROWD:
            long = any(camera.target_fragment_ms > SHORT_FRAGMENT_MS for camera in self._cameras.values())
            hurry = self._watched or self._reactor.hasty or long
            tick_ns = max(tick_ns, CROWDED_TICK_NS if hurry else UNWATCHED_TICK_NS)
        self._reactor.tick_ns = tick_ns

    def _begin(self, name: str) -> None:
        """Begin a camera if it is wanted and nothing of its former captures is left: its footage stays in order."""
        camera = self._wanted.get(name)
        if camera is None or name in self._cameras or name in self._ending.values():
            return
        self._cameras[name] = camera
        for stream in camera.streams:
            capture = StreamCapture(
                camera,
                stream,
                reactor=self._reactor,
                clock=self._clock,
                resolver=self._resolver,
                sink=self,
                state_changed=self._events.state_changed,
                live_changed=self._audience.live_changed if self._audience is not None else None,
            )
            self._captures[capture.key] = capture
            self._show(capture)
            capture.start()

    def _watch(self, key: StreamKey, *, fragments: bool, frames: bool) -> None:
        audience = self._audience
        if audience is None:
            return
        self._hand_over()
        self._shown.discard(key)
        self._watched.pop(key, None)
        if fragments:
            self._shown.add(key)
        if fragments or frames:
            self._watched[key] = frames
        self._set_tick()
        audience.watching(key, self._through.get(key, 0), fragments=fragments, frames=frames)
        capture = self._captures.get(key)
        if capture is not None:
            self._show(capture)
        audience.tick_over()

    def _show(self, capture: StreamCapture) -> None:
        """Tell a capture whether it is watched; the one that takes another's place learns it so."""
        frames = self._watched.get(capture.key)
        if self._audience is None:
            return
        on_frame = partial(self._audience.frame, capture.key) if frames else None
        capture.watch(on_frame, watched=frames is not None)

    def _after_tick(self) -> None:
        self._hand_over()
        if self._watched and self._audience is not None:
            self._audience.tick_over()
        now = self._reactor.now_ns()
        if now >= self._next_observation_ns:
            self._next_observation_ns = now + HOUSEKEEPING_NS
            self._set_tick()
            step = self._clock.observe()
            if step is not None:
                if step.followed:
                    for capture in self._captures.values():
                        capture.shift(step.step_ns)
                self._events.clock_stepped(step)

    def _hand_over(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self._store.append_many(batch)
            if self._shown and self._audience is not None:
                shown = self._shown
                self._audience.fragments([(key, fragment) for key, _, fragment in batch if key in shown])

    # Sink of the captures

    def append(self, key: StreamKey, session_id: UUID, fragments: list[Fragment]) -> None:
        """Keep fragments until the end of the tick."""
        last = fragments[-1]
        self._through[key] = last.start_ns + last.duration_ns
        self._batch.extend((key, session_id, fragment) for fragment in fragments)

    def interrupted(self, key: StreamKey, cause: GapCause, detail: str) -> None:
        """Pass the reason on, behind the fragments that came before it."""
        self._hand_over()
        self._store.interrupted(key, cause, detail)

    def stopped(self, key: StreamKey, why: str) -> None:
        """Close the stream, behind the fragments that came before."""
        self._hand_over()
        self._store.detach(key, why)
        if self._audience is not None:
            self._audience.gone(key)

    def recorded_through_ns(self, key: StreamKey) -> int:
        """End of what was handed over, or is stored from earlier runs; 0 if that was stamped by a wrong clock."""
        through = self._through.get(key) or self._store.recorded_through_ns(key)
        return through if through <= self._clock.now_ns() + HOLD_LIMIT else 0

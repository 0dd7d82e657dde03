"""A worker process: its share of the cameras, captured by one thread and stored by one store.

    main thread       orders from the supervisor, a report to it once a second
    `capture`         the reactor: every socket, every fragment
    `footage-*`       sealing, writing, index, flushing (overt.footage.store)
    `live`            what is watched, to the media process (overt.recorder.live)

The worker outlives nothing: when the pipe to its supervisor closes, it stores what it has in hand and ends. Signals
that a terminal or a service manager sends to the whole group are left to the supervisor.
"""

from __future__ import annotations

import gc
import logging
import os
import queue
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from overt.clock import SECOND, ClockStep, SystemClock
from overt.contract.assignment import CameraAssignment
from overt.contract.fact import ClockStepped, Fact, StreamState, StreamStateChanged, new_fact
from overt.contract.fact import GapCause as FactCause
from overt.errors import OvertError
from overt.footage.gaps import GapCause
from overt.footage.options import StoreOptions
from overt.footage.store import FootageStore, StoreStatus
from overt.ids import StreamKey
from overt.media.initialisation import initialisation_segment
from overt.media.samples import CodecConfiguration, Fragment
from overt.recorder.capturing import Capturing
from overt.recorder.health import DiskHealth, LatencyHealth, StreamHealth
from overt.recorder.live import Publisher
from overt.recorder.live_wire import SOCKET_NAME
from overt.sealing.roles import Recipients

REPORT_INTERVAL_S: Final = 1.0
HEALTH_TIMEOUT_S: Final = 2.0
STOP_CAPTURE_S: Final = 5.0
STOP_STORE_S: Final = 12.0
ATTACH_S: Final = 10.0
"""How long a disk that does not answer may keep the main thread from its reports; well below the supervisor's
`HUNG_S`."""
ATTACH_AGAIN_S: Final = 10.0
MAX_FACTS_WAITING: Final = 10_000
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """All that a worker is told when it starts."""

    number: int
    footage: Path
    recipients: Recipients
    locations: tuple[Path, ...]
    options: StoreOptions
    cameras: tuple[CameraAssignment, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """Go over to these cameras, all of them."""

    cameras: tuple[CameraAssignment, ...]


@dataclass(frozen=True, slots=True)
class SealTo:
    """Seal to these public keys from now on."""

    recipients: Recipients


@dataclass(frozen=True, slots=True)
class Stop:
    """Store what is in hand and end."""


@dataclass(slots=True)
class Report:
    """What a worker knows of itself; about once a second, and a last one when it has stopped."""

    number: int
    streams: list[StreamHealth] = field(default_factory=list)
    disks: list[DiskHealth] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    clock_offset_ns: int = 0
    clock_steps: int = 0
    longest_tick_ns: int = 0
    ticks: int = 0
    late_ticks: int = 0
    cpu_s: float = 0.0
    memory_bytes: int = 0
    stored: LatencyHealth = field(default_factory=LatencyHealth)
    behind: int = 0
    """Streams whose running segment is sealed to public keys that are not in force any more."""
    trouble: tuple[str, ...] = ()
    """Sentences about what keeps this worker from its work."""
    stopped: bool = False


class _StoreDoor:
    """The store as capturing sees it."""

    def __init__(self, store: FootageStore) -> None:
        self._store = store
        self._through: dict[StreamKey, int] = {}
        self.append_many = store.append_many
        self.detach = store.detach

    def attach(self, keys: list[StreamKey]) -> None:
        """Look at what earlier runs left of streams that are new here, so that nothing is stamped before its end.

        Raises:
            OvertError: as `FootageStore.attach` does, after `ATTACH_S` at the latest.
        """
        fresh = [key for key in keys if key not in self._through]
        for key, status in self._store.attach(fresh, ATTACH_S).items():
            self._through[key] = status.last_end_ns or 0

    def newest_ns(self) -> int:
        """End of the newest footage of any stream; 0 if there is none."""
        return max(self._through.values(), default=0)

    def interrupted(self, key: StreamKey, cause: FactCause, detail: str) -> None:
        """Open a gap."""
        self._store.interrupted(key, GapCause(cause), detail)

    def recorded_through_ns(self, key: StreamKey) -> int:
        """End of what is stored of a stream."""
        return self._through.get(key, 0)


def _initialisation(tracks: tuple[CodecConfiguration, ...]) -> bytes:
    return initialisation_segment(tracks)


class Worker:
    """One worker, in the process's main thread."""

    def __init__(self, order: WorkerOrder, supervisor: Connection) -> None:
        """Open the store. Raises OvertError as the store does."""
        self._order = order
        self._supervisor = supervisor
        self._facts: queue.Queue[Fact] = queue.Queue(MAX_FACTS_WAITING)
        self._facts_lost = 0
        self._clock_steps = 0
        self._trouble: tuple[str, ...] = ()
        self._attach_again_s = 0.0
        self._clock = SystemClock()
        self._latency = LatencyHealth()
        self._store = FootageStore(
            order.footage,
            order.recipients,
            initialisation=_initialisation,
            locations=order.locations,
            options=order.options,
            shared=True,
            stored=self._stored,
        )
        self._store.subscribe(self._tell)
        self._door = _StoreDoor(self._store)
        self._attach(order.cameras)
        # The line of time begins no earlier than what is stored of any of these streams.
        self._live = Publisher(order.footage / SOCKET_NAME, order.number, self._store)
        self._capturing = Capturing(
            self._clock, self._door, self, not_before_ns=self._door.newest_ns(), audience=self._live
        )
        self._store.clock_offset_ns = self._capturing.clock_offset_ns

    def run(self) -> None:
        """Obey until told to stop, or until the supervisor is gone."""
        self._capturing.start()
        self._live.start(self._capturing.watch)
        self._capturing.apply(self._order.cameras)
        try:
            self._obey()
        except (EOFError, ConnectionError):
            _LOG.warning("worker %d: the supervisor is gone; storing what is in hand", self._order.number)
        finally:
            self._stop()

    def _obey(self) -> None:
        next_report = time.monotonic()
        while self._capturing.failure is None:
            if self._supervisor.poll(max(0.0, next_report - time.monotonic())):
                order = self._supervisor.recv()
                if isinstance(order, Stop):
                    return
                if isinstance(order, SealTo):
                    self._store.seal_to(order.recipients)
                else:
                    self._apply(order)
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + REPORT_INTERVAL_S
                if self._trouble and time.monotonic() >= self._attach_again_s:
                    self._attach(self._capturing.cameras)
                self._supervisor.send(self._report())

    def _stop(self) -> None:
        failure = self._capturing.failure
        if not self._capturing.stop(STOP_CAPTURE_S) and failure is None:
            _LOG.error("worker %d: the capture thread did not end", self._order.number)
        if not self._live.stop():
            _LOG.error("worker %d: the thread for live pictures did not end", self._order.number)
        self._store.close(STOP_STORE_S)
        last = self._report()
        last.stopped = True
        if failure is not None:
            last.trouble += (f"its capture thread failed: {type(failure).__name__}: {failure}",)
        try:
            self._supervisor.send(last)
        except OSError:
            _LOG.info("worker %d: stopped; nobody is there to hear it", self._order.number)
        if failure is not None:
            raise failure

    def _apply(self, order: Apply) -> None:
        self._attach(order.cameras)
        self._capturing.apply(order.cameras)

    def _attach(self, cameras: tuple[CameraAssignment, ...]) -> None:
        try:
            self._door.attach([key for camera in cameras for key in camera.keys])
            self._trouble = ()
        except OvertError as error:
            # Recording begins all the same: fragments wait in the queue for the disk, within its bound.
            self._trouble = (str(error),)
            self._attach_again_s = time.monotonic() + ATTACH_AGAIN_S

    # Events of capturing, on its thread

    def state_changed(self, key: StreamKey, previous: StreamState, state: StreamState, reason: str) -> None:
        """Report a stream's new state as a fact."""
        self._tell(new_fact(StreamStateChanged(previous, state, reason), self._line_ns(), key))

    def clock_stepped(self, step: ClockStep) -> None:
        """Report a step as a fact, and let segments carry the difference."""
        self._clock_steps += 1
        self._store.clock_offset_ns = self._capturing.clock_offset_ns
        self._tell(new_fact(ClockStepped(step.step_ns, step.followed), self._line_ns()))

    def _line_ns(self) -> int:
        """Now on the recorder's line of time, as the store has it."""
        return self._clock.utc_ns() - self._capturing.clock_offset_ns

    def _tell(self, fact: Fact) -> None:
        try:
            self._facts.put_nowait(fact)
        except queue.Full:
            self._facts_lost += 1

    def _stored(self, _key: StreamKey, fragment: Fragment) -> None:
        """Count how long a fragment took to its place on disk (the store's writer thread)."""
        self._latency.observe((self._clock.monotonic_ns() - fragment.received_ns) / SECOND)

    # Health

    def _report(self) -> Report:
        status = self._store.status()
        statistics = self._capturing.statistics
        longest, statistics.longest_tick_ns = statistics.longest_tick_ns, 0
        trouble = [*self._trouble, *filter(None, (status.index_trouble, status.keys_trouble))]
        if self._facts_lost:
            trouble.append(f"{self._facts_lost} facts were lost: more than {MAX_FACTS_WAITING} waited to be reported")
        try:
            streams = self._capturing.health(HEALTH_TIMEOUT_S) if self._capturing.running else []
        except TimeoutError:
            streams = []
            trouble.append(f"the capture thread did not answer within {HEALTH_TIMEOUT_S:g} s")
        facts: list[Fact] = []
        while len(facts) < MAX_FACTS_WAITING and not self._facts.empty():
            facts.append(self._facts.get_nowait())
        self._store.clock_offset_ns = self._capturing.clock_offset_ns
        return Report(
            number=self._order.number,
            streams=_with_store(streams, status, self._order.options.queue_bytes, self._order.number),
            disks=_disks(status),
            facts=facts,
            clock_offset_ns=self._capturing.clock_offset_ns,
            clock_steps=self._clock_steps,
            longest_tick_ns=longest,
            ticks=statistics.ticks,
            late_ticks=statistics.late_ticks,
            cpu_s=time.process_time(),
            memory_bytes=_resident_bytes(),
            stored=self._latency,
            behind=status.behind,
            trouble=tuple(trouble),
        )


def _with_store(streams: list[StreamHealth], status: StoreStatus, queue_bytes: int, number: int) -> list[StreamHealth]:
    """Add to each stream what its store knows of it."""
    by_key = {stream.key: stream for stream in status.streams}
    for health in streams:
        health.worker = number
        stored = by_key.get(health.key)
        if stored is not None:
            health.queue_bytes = stored.queued_bytes
            health.queue_share = min(1.0, stored.queued_bytes / queue_bytes)
            health.recorded_through_ns = stored.last_end_ns or 0
    return streams


def _disks(status: StoreStatus) -> list[DiskHealth]:
    return [
        DiskHealth(
            location=str(place.path),
            state=place.state,
            reason=place.reason,
            free_bytes=place.free_bytes,
            total_bytes=place.total_bytes,
            flush_s=place.flush_s,
        )
        for place in status.locations
    ]


def _resident_bytes() -> int:
    """Memory of this process that lies in RAM (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run_worker(order: WorkerOrder, supervisor: Connection) -> None:
    """Be a worker process: obey until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # What is loaded stays; of what comes and goes, next to nothing is cyclic: the collector need not look often.
    gc.freeze()
    gc.set_threshold(50_000)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        Worker(order, supervisor).run()
    except OvertError as error:
        _LOG.error("worker %d cannot work: %s", order.number, error)
        try:
            supervisor.send(Report(order.number, trouble=(str(error),), stopped=True))
        except OSError:
            _LOG.info("worker %d: nobody is there to hear it", order.number)
        raise SystemExit(error.exit_code) from error

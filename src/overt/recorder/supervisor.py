"""The supervisor: shares the cameras out among worker processes, restarts what dies, adds up what they report.

It captures nothing itself. It holds the footage directory for the whole recorder (one recorder a directory), runs
retention, and keeps the last report of every worker. One thread, `supervise`, talks to the workers.
"""

from __future__ import annotations

import logging
import multiprocessing.connection
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from overt.clock import SECOND, SystemClock
from overt.contract.assignment import Assignment, CameraAssignment
from overt.contract.fact import Fact, GapCause, GapOpened, WorkerRestarted, new_fact
from overt.footage.options import RetentionPolicy, StoreOptions
from overt.footage.rows import Hold
from overt.footage.store import FootageStore
from overt.ids import StreamKey, new_id
from overt.media.initialisation import initialisation_segment
from overt.recorder.configuration import RecorderSettings
from overt.recorder.health import (
    ClockHealth,
    DiskHealth,
    LatencyHealth,
    RecorderHealth,
    RoleHealth,
    SealingHealth,
    StreamHealth,
    UnassignedHealth,
    WorkerHealth,
    WorkerState,
)
from overt.recorder.shares import share_out
from overt.recorder.worker import Apply, Report, SealTo, Stop, WorkerOrder
from overt.recorder.worker_process import WorkerProcess
from overt.sealing.recipients_file import read_recipients
from overt.sealing.roles import Recipients

STREAMS_PER_WORKER: Final = 64
"""A further worker begins when the others have so many streams each, up to one a core (or as the settings say)."""
SILENT_S: Final = 5.0
"""A worker that has not reported for so long is called silent."""
HUNG_S: Final = 30.0
"""A worker that has not reported for so long is killed and replaced; what it acknowledged is on disk."""
RESTART_DELAYS_S: Final = (0.2, 1.0, 2.0, 5.0, 10.0)
STEADY_S: Final = 60.0
LOOK_S: Final = 0.25
_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Worker:
    """One place for a worker process; the process in it may be replaced."""

    number: int
    process: WorkerProcess | None = None
    """None from when it is found to have ended until it is started again."""
    report: Report | None = None
    heard_s: float = 0.0
    started_s: float = 0.0
    restart_s: float = 0.0
    restarts: int = 0
    failures: int = 0
    cameras: tuple[CameraAssignment, ...] = ()
    gaps: dict[StreamKey, dict[GapCause, int]] = field(default_factory=dict)


class Supervisor:
    """The capture side of a recorder. `start` and `stop` belong to one thread; the rest may be called from any."""

    def __init__(self, settings: RecorderSettings, assignment: Assignment) -> None:
        """Prepare; nothing runs before `start`."""
        self._settings = settings
        self._assignment = assignment
        self._options = StoreOptions(
            flush_interval_s=settings.flush_interval_s,
            on_full=settings.on_full,
            min_free_bytes=int(settings.min_free),
            ring_s=settings.ring_s,
        )
        self._recipients = read_recipients(settings.recipients_path)
        self._sealed_since_ns = settings.recipients_path.stat().st_mtime_ns
        self._clock = SystemClock()
        self._started_ns = self._clock.utc_ns()
        self._workers: list[_Worker] = []
        self._share: dict[str, int] = {}
        self._callbacks: list[Callable[[Fact], None]] = []
        self._store: FootageStore | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supervise", daemon=True)

    def on_fact(self, callback: Callable[[Fact], None]) -> None:
        """Call `callback` for every fact, on a thread of the recorder."""
        self._callbacks.append(callback)

    def start(self) -> None:
        """Open the footage directory and start the workers.

        Raises:
            OvertError: as `FootageStore` does: another recorder writes here, another site's keys, no disk.
        """
        self._store = FootageStore(
            self._settings.footage,
            self._recipients,
            initialisation=initialisation_segment,
            locations=self._settings.locations,
            options=self._options,
        )
        self._store.subscribe(self._tell)
        self._set_policies(self._assignment)
        with self._lock:
            self._divide(self._assignment)
        self._thread.start()

    def apply(self, assignment: Assignment) -> None:
        """Go over to an assignment: cameras that stay keep their worker, and are not interrupted."""
        with self._lock:
            if self._stopping.is_set():
                return
            self._assignment = assignment
            self._divide(assignment)
        self._set_policies(assignment)

    def seal_to(self, recipients: Recipients) -> None:
        """Have everything sealed to other public keys of the site: workers that run, and those that start later."""
        with self._lock:
            if self._stopping.is_set() or recipients == self._recipients:
                return
            self._recipients, self._sealed_since_ns = recipients, self._clock.utc_ns()
            for worker in self._workers:
                if worker.process is not None:
                    worker.process.tell(SealTo(recipients))

    def health(self) -> RecorderHealth:
        """Return what was last reported, added up; unjudged."""
        now = time.monotonic()
        with self._lock:
            workers = list(self._workers)
            streams = [stream for worker in workers for stream in _streams_of(worker)]
            reports = [worker.report for worker in workers if worker.report is not None]
            return RecorderHealth(
                time_ns=self._clock.utc_ns(),
                started_ns=self._started_ns,
                revision=self._assignment.revision,
                streams=sorted(streams, key=lambda stream: stream.key),
                disks=_worst_of(reports),
                sealing=SealingHealth(
                    policy=self._recipients.policy,
                    roles=[
                        RoleHealth(role=each.role, key_id=each.key_id, public_key=each.public_key.hex())
                        for each in self._recipients.recipients
                    ],
                    since_ns=self._sealed_since_ns,
                    behind=sum(report.behind for report in reports),
                ),
                unassigned=self._unassigned(),
                troubles=self._troubles(reports),
                workers=[self._worker_health(worker, now) for worker in workers],
                clock=ClockHealth(
                    offset_s=max((report.clock_offset_ns for report in reports), key=abs, default=0) / SECOND,
                    steps=max((report.clock_steps for report in reports), default=0),
                ),
            )

    def stop(self, timeout_s: float) -> None:
        """Let every worker store what it has in hand; one that does not end in time is killed (and loses little)."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._stopping.set()
            for worker in self._workers:
                if worker.process is not None:
                    worker.process.tell(Stop())
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            with self._lock:
                for worker in self._workers:
                    if worker.process is not None:
                        _LOG.error("worker %d did not end within %g s and is killed", worker.number, timeout_s)
                        worker.process.kill()
            self._thread.join()
        if self._store is not None:
            self._store.close(max(1.0, deadline - time.monotonic()))

    # Sharing out

    def _divide(self, assignment: Assignment) -> None:
        """Give every camera a worker, begin further workers where there are too few, and tell each its cameras."""
        streams = sum(len(camera.streams) for camera in assignment.cameras)
        needed = self._settings.workers or min(self._settings.worker_count, -(-streams // STREAMS_PER_WORKER)) or 1
        fresh = [_Worker(number) for number in range(len(self._workers) + 1, needed + 1)]
        self._workers += fresh
        # Cameras that were taken out are remembered: one that comes back finds its footage open where it was.
        self._share |= share_out(assignment.cameras, self._share, [worker.number for worker in self._workers])
        for worker in self._workers:
            worker.cameras = tuple(camera for camera in assignment.cameras if self._share[camera.name] == worker.number)
            if worker in fresh:
                self._spawn(worker)
            elif worker.process is not None:
                worker.process.tell(Apply(worker.cameras))

    def _set_policies(self, assignment: Assignment) -> None:
        if self._store is None:
            return
        # Holds come first: what one names must not be gone by the time it is written.
        for camera in assignment.cameras:
            holds = [Hold(new_id(), camera.name, hold.start_ns, hold.end_ns, hold.reason) for hold in camera.holds]
            self._store.set_holds(camera.name, holds)
        self._store.set_retention(
            {
                camera.name: RetentionPolicy(camera.retention.days, camera.retention.bytes)
                for camera in assignment.cameras
            }
        )

    # Worker processes (the lock is held)

    def _spawn(self, worker: _Worker) -> None:
        """Start a worker's process; if the system has none to give, that is tried again later."""
        order = WorkerOrder(
            number=worker.number,
            footage=self._settings.footage,
            recipients=self._recipients,
            locations=tuple(self._settings.locations),
            options=self._options,
            cameras=worker.cameras,
        )
        now = time.monotonic()
        try:
            worker.process = WorkerProcess(order)
        except OSError as error:
            _LOG.error("worker %d cannot be started: %s", worker.number, error)
            worker.restart_s = now + RESTART_DELAYS_S[-1]
            return
        worker.report = None
        worker.heard_s = worker.started_s = now
        worker.restart_s = 0.0

    # The supervise thread

    def _supervise(self) -> None:
        while True:
            with self._lock:
                running = [(worker, worker.process) for worker in self._workers if worker.process is not None]
                if self._stopping.is_set() and not running:
                    return
            ready = set(multiprocessing.connection.wait([process.pipe for _, process in running], LOOK_S))
            for worker, process in running:
                if process.pipe in ready:
                    self._hear(worker, process)
            with self._lock:
                for worker in self._workers:
                    self._look_after(worker)

    def _hear(self, worker: _Worker, process: WorkerProcess) -> None:
        try:
            report = process.pipe.recv()
        except (EOFError, OSError):
            self._lost(worker, process)
            return
        with self._lock:
            worker.report, worker.heard_s = report, time.monotonic()
        for fact in report.facts:
            self._tell(fact)

    def _lost(self, worker: _Worker, process: WorkerProcess) -> None:
        """The pipe is closed, or stops in the middle of a report: the process has ended, or must."""
        # Not with the lock, for it may take seconds.
        code = process.close()
        with self._lock:
            worker.process = None
            if self._stopping.is_set():
                return
            now = time.monotonic()
            if now - worker.started_s > STEADY_S:
                worker.failures = 0
            delay = RESTART_DELAYS_S[min(worker.failures, len(RESTART_DELAYS_S) - 1)]
            worker.failures += 1
            worker.restarts += 1
            worker.restart_s = now + delay
            trouble = " ".join(worker.report.trouble) if worker.report and worker.report.stopped else ""
            restarts = worker.restarts
        reason = trouble or (f"signal {-code}" if code < 0 else f"exit code {code}")
        _LOG.error("worker %d ended (%s); it is restarted in %g s", worker.number, reason, delay)
        self._tell(new_fact(WorkerRestarted(worker.number, reason, restarts), self._clock.utc_ns()))

    def _look_after(self, worker: _Worker) -> None:
        now = time.monotonic()
        if worker.process is None:
            if now >= worker.restart_s and not self._stopping.is_set():
                self._spawn(worker)
        elif now - worker.heard_s > HUNG_S:
            _LOG.error("worker %d has said nothing for %g s and is killed", worker.number, HUNG_S)
            worker.process.kill()
            worker.heard_s = now

    def _tell(self, fact: Fact) -> None:
        if isinstance(fact.data, GapOpened) and fact.stream is not None:
            with self._lock:
                number = self._share.get(fact.stream.camera)
                worker = next((each for each in self._workers if each.number == number), None)
                if worker is not None:
                    counts = worker.gaps.setdefault(fact.stream, {})
                    counts[fact.data.cause] = counts.get(fact.data.cause, 0) + 1
        for callback in self._callbacks:
            try:
                callback(fact)
            except (OSError, ValueError) as error:
                # A listener whose terminal or pipe is gone must not end supervision.
                _LOG.error("a fact (%s) could not be passed on: %s", fact.kind, error)

    # Health

    def _troubles(self, reports: list[Report]) -> list[str]:
        found = [trouble for report in reports for trouble in report.trouble]
        if self._store is not None:
            status = self._store.status()
            found += [*status.retention_troubles, *filter(None, (status.index_trouble,))]
            if status.facts_dropped:
                found.append(f"{status.facts_dropped} facts of the store were lost: their readers were too slow.")
        return list(dict.fromkeys(found))

    def _unassigned(self) -> list[UnassignedHealth]:
        return [
            UnassignedHealth(
                camera=kept.camera,
                bytes=kept.bytes,
                start_ns=kept.start_ns,
                end_ns=kept.end_ns,
                retention_days=kept.policy.days if kept.policy else None,
                retention_bytes=kept.policy.bytes if kept.policy else None,
            )
            for kept in (self._store.status().unassigned if self._store is not None else ())
        ]

    def _worker_health(self, worker: _Worker, now: float) -> WorkerHealth:
        process = worker.process
        report = worker.report
        state: WorkerState = "running" if report is not None else "starting"
        if self._stopping.is_set():
            state = "stopped"
        elif process is None:
            state = "restarting"
        elif now - worker.heard_s > SILENT_S:
            state = "silent"
        return WorkerHealth(
            worker=worker.number,
            state=state,
            pid=process.pid if process is not None else 0,
            streams=sum(len(camera.streams) for camera in worker.cameras),
            restarts=worker.restarts,
            heard_age_s=now - worker.heard_s,
            tick_s=report.longest_tick_ns / SECOND if report is not None else 0.0,
            ticks=report.ticks if report is not None else 0,
            late_ticks=report.late_ticks if report is not None else 0,
            cpu_s=report.cpu_s if report is not None else 0.0,
            memory_bytes=report.memory_bytes if report is not None else 0,
            stored=report.stored if report is not None else LatencyHealth(),
        )


def _streams_of(worker: _Worker) -> list[StreamHealth]:
    """What is known of a worker's streams; their names at least, while it is not there to say more."""
    if worker.process is None or worker.report is None or not worker.report.streams:
        why = "its worker is starting" if worker.process is not None else "its worker died and is being restarted"
        return [
            StreamHealth(camera=key.camera, stream=key.stream, reason=why, worker=worker.number)
            for camera in worker.cameras
            for key in camera.keys
        ]
    for stream in worker.report.streams:
        stream.gaps = dict(worker.gaps.get(stream.key, {}))
    return worker.report.streams


_SEVERITY: Final = ("ok", "slow", "low", "full", "read-only", "failing", "missing")


def _worst_of(reports: list[Report]) -> list[DiskHealth]:
    """Each location once, as the worker sees it that fares worst with it."""
    worst: dict[str, DiskHealth] = {}
    for disk in (disk for report in reports for disk in report.disks):
        known = worst.get(disk.location)
        if known is None or _SEVERITY.index(disk.state) > _SEVERITY.index(known.state):
            worst[disk.location] = replace(disk)
    return list(worst.values())

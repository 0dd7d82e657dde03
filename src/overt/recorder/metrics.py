"""Metrics for Prometheus, made from one health snapshot at the moment of the scrape.

Names, units and labels are documented in docs/reference/metrics.md; a test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from overt.clock import SECOND
from overt.contract.fact import DISK_STATES, GAP_CAUSES, STREAM_STATES
from overt.recorder.health import LATENCY_BOUNDS_S, LEVELS, DiskHealth, RecorderHealth, StreamHealth, WorkerHealth

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

STREAM_LABELS: Final = ("camera", "stream")
_STREAM_GAUGES: Final[tuple[tuple[str, str, Callable[[StreamHealth], float | None]], ...]] = (
    ("overt_stream_bit_rate", "Bits a second received over the last seconds.", lambda s: s.bit_rate),
    ("overt_stream_frame_rate", "Frames a second received over the last seconds.", lambda s: s.frame_rate),
    ("overt_stream_last_frame_age_seconds", "Time since the last frame.", lambda s: s.last_frame_age_s),
    ("overt_stream_clock_offset_seconds", "Camera clock minus recorder clock.", lambda s: s.camera_offset_s),
    ("overt_stream_queue_bytes", "Bytes that wait to be sealed and written.", lambda s: s.queue_bytes),
    ("overt_stream_queue_ratio", "Share of what may wait that does.", lambda s: s.queue_share),
    (
        "overt_stream_recorded_through_timestamp_seconds",
        "End of the last fragment on disk.",
        lambda s: s.recorded_through_ns / SECOND if s.recorded_through_ns else None,
    ),
)
_STREAM_COUNTERS: Final[tuple[tuple[str, str, Callable[[StreamHealth], float]], ...]] = (
    ("overt_stream_received_bytes_total", "Bytes of media received.", lambda s: s.bytes),
    ("overt_stream_frames_total", "Frames received.", lambda s: s.frames),
    ("overt_stream_damaged_frames_total", "Frames of which a part was lost or malformed.", lambda s: s.damaged_frames),
    ("overt_stream_lost_packets_total", "Packets that never arrived.", lambda s: s.lost_packets),
    ("overt_stream_reconnects_total", "Connections after the first.", lambda s: s.reconnects),
    ("overt_stream_recorded_seconds_total", "Footage recorded.", lambda s: s.recorded_s),
    ("overt_stream_defects_total", "Sessions ended by a fault of Overt's own.", lambda s: s.defects),
)
_DISK_GAUGES: Final[tuple[tuple[str, str, Callable[[DiskHealth], float]], ...]] = (
    ("overt_disk_free_bytes", "Bytes free at a storage location.", lambda d: d.free_bytes),
    ("overt_disk_used_bytes", "Bytes used at a storage location.", lambda d: d.total_bytes - d.free_bytes),
    ("overt_disk_flush_seconds", "Time the last flush to the device took.", lambda d: d.flush_s),
)
_WORKER_GAUGES: Final[tuple[tuple[str, str, Callable[[WorkerHealth], float]], ...]] = (
    ("overt_worker_streams", "Streams that a capture worker carries.", lambda w: w.streams),
    ("overt_worker_heard_age_seconds", "Time since a capture worker reported.", lambda w: w.heard_age_s),
    ("overt_worker_tick_seconds", "Longest tick of the capture loop since the last report.", lambda w: w.tick_s),
    ("overt_worker_memory_bytes", "Memory of a capture worker.", lambda w: w.memory_bytes),
)


class HealthCollector(Collector):
    """Yields every metric from what `snapshot` returns when it is scraped."""

    def __init__(self, snapshot: Callable[[], RecorderHealth]) -> None:
        """Take the function that returns the present health; it is called in the thread that scrapes."""
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """Describe nothing in advance, so that registering does not need a snapshot."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families of one snapshot."""
        health = self._snapshot()
        yield from _recorder(health)
        yield from _sealing(health)
        yield from _streams(health.streams)
        yield from _disks(health.disks)
        yield from _workers(health.workers)


def exposition(snapshot: Callable[[], RecorderHealth]) -> bytes:
    """Return the metrics in Prometheus' text format, from a registry of their own."""
    registry = CollectorRegistry()
    registry.register(HealthCollector(snapshot))
    return generate_latest(registry)


def _gauge(name: str, text: str, labels: Iterable[str], rows: Iterable[tuple[list[str], float]]) -> Metric:
    """Build a gauge."""
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _counter(name: str, text: str, labels: Iterable[str], rows: Iterable[tuple[list[str], float]]) -> Metric:
    """Build a counter; `name` ends in `_total`."""
    family = CounterMetricFamily(name, text, labels=list(labels))
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _recorder(health: RecorderHealth) -> Iterator[Metric]:
    """Yield what concerns the recorder as a whole."""
    levels = [([level], float(level == health.level)) for level in LEVELS]
    yield _gauge("overt_recorder_health", "1 for the level that applies, 0 for the others.", ("level",), levels)
    yield _gauge("overt_recorder_start_timestamp_seconds", "When it started.", (), [([], health.started_ns / SECOND)])
    yield _gauge("overt_recorder_assignment_revision", "Assignment in force.", (), [([], health.revision)])
    text = "Wall clock minus the recorder's line of time."
    yield _gauge("overt_recorder_clock_offset_seconds", text, (), [([], health.clock.offset_s)])
    yield _counter("overt_recorder_clock_steps_total", "Steps of the wall clock.", (), [([], health.clock.steps)])
    yield _gauge("overt_facts_waiting", "Facts that are not on disk yet.", (), [([], health.facts.waiting)])
    yield _counter("overt_facts_lost_total", "Facts dropped while the disk failed.", (), [([], health.facts.lost)])
    yield _gauge("overt_ledger_leaves", "Leaves of the footage ledger.", (), [([], health.ledger.leaves)])
    failing = float(health.ledger.state == "failing")
    yield _gauge("overt_ledger_failing", "1 while the footage ledger cannot be written.", (), [([], failing)])


def _sealing(health: RecorderHealth) -> Iterator[Metric]:
    """Yield whom footage is sealed to."""
    sealing = health.sealing
    keys = [([each.role, each.key_id, sealing.policy], 1.0) for each in sealing.roles]
    yield _gauge("overt_sealing_key", "1 for each public key in force.", ("role", "key_id", "policy"), keys)
    since: list[tuple[list[str], float]] = [([], sealing.since_ns / SECOND)] if sealing.since_ns else []
    yield _gauge("overt_sealing_since_timestamp_seconds", "When these keys came into force.", (), since)
    text = "Streams that are still sealed to the keys before."
    yield _gauge("overt_sealing_behind", text, (), [([], sealing.behind)])
    text = "1 while a change of the public keys is refused."
    yield _gauge("overt_sealing_refused", text, (), [([], float(bool(sealing.trouble)))])


def _streams(streams: list[StreamHealth]) -> Iterator[Metric]:
    """Yield what concerns each stream."""
    for name, text, read in _STREAM_GAUGES:
        rows = [([s.camera, s.stream], value) for s in streams if (value := read(s)) is not None]
        yield _gauge(name, text, STREAM_LABELS, rows)
    for name, text, count in _STREAM_COUNTERS:
        yield _counter(name, text, STREAM_LABELS, [([s.camera, s.stream], count(s)) for s in streams])
    states = [([s.camera, s.stream, state], float(s.state == state)) for s in streams for state in STREAM_STATES]
    yield _gauge(
        "overt_stream_state", "1 for the state that applies, 0 for the others.", (*STREAM_LABELS, "state"), states
    )
    gaps = [([s.camera, s.stream, cause], float(s.gaps.get(cause, 0))) for s in streams for cause in GAP_CAUSES]
    yield _counter("overt_stream_gaps_total", "Gaps opened, by cause.", (*STREAM_LABELS, "cause"), gaps)


def _disks(disks: list[DiskHealth]) -> Iterator[Metric]:
    """Yield what concerns each storage location."""
    for name, text, read in _DISK_GAUGES:
        yield _gauge(name, text, ("location",), [([disk.location], read(disk)) for disk in disks])
    states = [([disk.location, state], float(disk.state == state)) for disk in disks for state in DISK_STATES]
    yield _gauge("overt_disk_state", "1 for the state that applies, 0 for the others.", ("location", "state"), states)
    errors = [([disk.location], float(disk.errors)) for disk in disks]
    yield _counter("overt_disk_errors_total", "Writes that failed.", ("location",), errors)


def _workers(workers: list[WorkerHealth]) -> Iterator[Metric]:
    """Yield what concerns each capture process."""
    for name, text, read in _WORKER_GAUGES:
        yield _gauge(name, text, ("worker",), [([str(worker.worker)], read(worker)) for worker in workers])
    restarts = [([str(worker.worker)], float(worker.restarts)) for worker in workers]
    yield _counter("overt_worker_restarts_total", "Unasked ends of a capture worker.", ("worker",), restarts)
    cpu = [([str(worker.worker)], worker.cpu_s) for worker in workers]
    yield _counter("overt_worker_cpu_seconds_total", "CPU time of a capture worker.", ("worker",), cpu)
    ticks = [([str(worker.worker)], float(worker.ticks)) for worker in workers]
    yield _counter("overt_worker_ticks_total", "Ticks of the capture loop.", ("worker",), ticks)
    late = [([str(worker.worker)], float(worker.late_ticks)) for worker in workers]
    yield _counter("overt_worker_late_ticks_total", "Ticks that began more than one tick late.", ("worker",), late)
    text = "From the arrival of a fragment's last packet until the operating system had the fragment on its disk."
    latency = HistogramMetricFamily("overt_worker_stored_latency_seconds", text, labels=["worker"])
    bounds = [*(str(bound) for bound in LATENCY_BOUNDS_S), "+Inf"]
    for worker in workers:
        buckets = list(zip(bounds, accumulate(worker.stored.counts), strict=True))
        latency.add_metric([str(worker.worker)], buckets, worker.stored.sum_s)
    yield latency

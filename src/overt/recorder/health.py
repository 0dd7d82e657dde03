"""Health: what is known of every stream, disk and worker at one moment, as plain values.

Snapshots travel from the worker processes to the supervisor as JSON-able dictionaries (`to_dict`, `from_dict`), and
from there to /health, /streams, /metrics and the live view. They hold no address and no secret.
Moments are nanoseconds since the Unix epoch, UTC; ages and durations are seconds.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, get_args

from pydantic import TypeAdapter

from overt.contract.fact import DiskState, GapCause, StreamState
from overt.contract.instant import to_iso
from overt.ids import StreamKey

Level = Literal["ok", "degraded", "failing"]
LEVELS: Final = get_args(Level)
"""In order of severity."""
WorkerState = Literal["starting", "running", "silent", "restarting", "stopped"]
MediaState = Literal["off", "starting", "running", "silent", "restarting", "stopped"]
LedgerState = Literal["off", "starting", "running", "failing"]
LATENCY_BOUNDS_S: Final = tuple(
    bound / 1000
    for bound in (2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2000, 5000, 10_000, 30_000)
)
"""Upper bounds of the classes in which latencies are counted."""


@dataclass(slots=True, kw_only=True)
class StreamHealth:
    """One stream at one moment. Counters grow from the start of the recorder and survive reconnection."""

    camera: str
    stream: str
    state: StreamState = "connecting"
    reason: str = ""
    """Why it is in that state, as a sentence; empty while it records."""
    since_ns: int = 0
    """When the state began."""
    worker: int = 0
    transport: str = ""
    """`tcp`, `udp` or `pyav`, as in use."""
    codec: str = ""
    """RFC 6381 parameter of the video track, e.g. `avc1.4d002a`."""
    width: int = 0
    height: int = 0
    bit_rate: float = 0.0
    """Bits a second received over the last seconds."""
    frame_rate: float = 0.0
    """Frames a second received over the last seconds."""
    last_frame_age_s: float | None = None
    """Time since the last frame; None before the first."""
    bytes: int = 0
    frames: int = 0
    damaged_frames: int = 0
    lost_packets: int = 0
    reconnects: int = 0
    camera_offset_s: float | None = None
    """Camera clock minus recorder clock; None if the camera has not sent its time."""
    queue_bytes: int = 0
    """Bytes that wait to be sealed and written."""
    queue_share: float = 0.0
    """Those as a share (0 to 1) of what may wait."""
    recorded_through_ns: int = 0
    """End of the last fragment on disk; 0 before the first."""
    recorded_s: float = 0.0
    """Seconds recorded since the recorder started."""
    gaps: dict[GapCause, int] = field(default_factory=dict)
    """Gaps opened since the recorder started, by cause."""
    defects: int = 0
    """Sessions that ended by a fault of Overt's own; the log has its traceback."""
    last_defect_ns: int = 0
    """When the last of those came to light; 0: none."""

    @property
    def key(self) -> StreamKey:
        """The stream."""
        return StreamKey(self.camera, self.stream)

    @property
    def gap_count(self) -> int:
        """Gaps of every cause."""
        return sum(self.gaps.values())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that `json.dumps` takes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> StreamHealth:
        """Read what `to_dict` writes; raises `ValueError` (pydantic's ValidationError) if it is something else."""
        return _STREAM.validate_python(value)


@dataclass(slots=True, kw_only=True)
class DiskHealth:
    """One storage location."""

    location: str
    state: DiskState = "ok"
    reason: str = ""
    since_ns: int = 0
    free_bytes: int = 0
    total_bytes: int = 0
    flush_s: float = 0.0
    """How long the last flush to the device took."""
    errors: int = 0
    """Writes that failed since the recorder started."""


@dataclass(slots=True, kw_only=True)
class LatencyHealth:
    """How long fragments took from the arrival of their last packet until the operating system had them on its disk.

    Written by one thread; a copy read meanwhile may miss a part of the fragment that is just being counted.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    """Fragments in each class of `LATENCY_BOUNDS_S`, not added up; the last class has no bound."""
    sum_s: float = 0.0
    longest_s: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one fragment."""
        self.counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds
        self.longest_s = max(self.longest_s, seconds)


@dataclass(slots=True, kw_only=True)
class WorkerHealth:
    """One capture process."""

    worker: int
    state: WorkerState = "starting"
    pid: int = 0
    streams: int = 0
    restarts: int = 0
    heard_age_s: float = 0.0
    """Time since it last reported."""
    tick_s: float = 0.0
    """Longest tick of its capture loop since the report before."""
    ticks: int = 0
    late_ticks: int = 0
    """Ticks that began more than one tick late, since it started."""
    cpu_s: float = 0.0
    """CPU time used since it started."""
    memory_bytes: int = 0
    stored: LatencyHealth = field(default_factory=LatencyHealth)
    """From a fragment's last packet to its place on disk, since it started."""


@dataclass(slots=True, kw_only=True)
class ClockHealth:
    """The recorder's clock."""

    offset_s: float = 0.0
    """Wall clock minus the recorder's own line of time (docs/decisions/0003-time.md)."""
    steps: int = 0
    """Steps of the wall clock since the recorder started."""


@dataclass(slots=True, kw_only=True)
class FactsHealth:
    """The outbox of facts."""

    waiting: int = 0
    lost: int = 0
    error: str = ""


@dataclass(slots=True, kw_only=True)
class LedgerHealth:
    """The recorder's own ledger. Recording does not wait for it."""

    state: LedgerState = "off"
    leaves: int = 0
    key: str = ""
    """Its public key, for whoever verifies or witnesses it; empty before it was opened."""
    error: str = ""
    """Why it cannot be written at present; empty while it can."""
    since_ns: int = 0
    """Since when it cannot; 0: it can."""
    written_ns: int = 0
    """When leaves were last written since the recorder started; 0: none."""


@dataclass(slots=True, kw_only=True)
class MediaHealth:
    """The media process, which serves viewers."""

    state: MediaState = "off"
    listening: str = ""
    """`HOST:PORT` of its HTTP."""
    encrypted: bool = False
    """Whether that is HTTPS."""
    certificate_ends_ns: int = 0
    """When the certificate in use ends; 0: there is none, or it is not known yet."""
    certificate_trouble: str = ""
    """Why a certificate that has changed on disk is not used."""
    pid: int = 0
    restarts: int = 0
    heard_age_s: float = 0.0
    """Time since it last reported."""
    sessions: int = 0
    viewers: int = 0
    """Live WebSockets."""
    streams_watched: int = 0
    fragments_dropped: int = 0
    """Fragments that slow viewers missed since it started."""
    cpu_s: float = 0.0
    """CPU time used since it started."""
    memory_bytes: int = 0


@dataclass(slots=True, kw_only=True)
class RoleHealth:
    """A role that footage is sealed to, by its public key."""

    role: str
    key_id: str
    public_key: str
    """X25519, 64 hexadecimal digits."""


@dataclass(slots=True, kw_only=True)
class SealingHealth:
    """Whom footage is sealed to. Public keys alone."""

    policy: str = ""
    """`single`, or `four-eyes`: both roles must act together. Empty: not known."""
    roles: list[RoleHealth] = field(default_factory=list)
    """In the order of a wrap's layers, the innermost first."""
    since_ns: int = 0
    """When these keys came into force here."""
    behind: int = 0
    """Streams whose running segment is still sealed to the keys before; they follow within seconds."""
    trouble: str = ""
    """Why a change of the file with the public keys was refused; empty: it was not."""


@dataclass(slots=True, kw_only=True)
class UnassignedHealth:
    """Footage of a camera that is not assigned any more; its last known retention goes on to hold."""

    camera: str
    bytes: int
    start_ns: int
    """Start of its oldest footage."""
    end_ns: int
    """End of its newest."""
    retention_days: float | None = None
    """None: no limit by age, or none known."""
    retention_bytes: int | None = None


@dataclass(slots=True, kw_only=True)
class RecorderHealth:
    """The recorder as a whole; `level` and `sentences` are judged by `overt.recorder.status.assess`."""

    time_ns: int
    started_ns: int
    revision: int
    """Assignment in force."""
    level: Level = "ok"
    sentences: list[str] = field(default_factory=list)
    """What is wrong, worst first; empty when all is well."""
    streams: list[StreamHealth] = field(default_factory=list)
    disks: list[DiskHealth] = field(default_factory=list)
    unassigned: list[UnassignedHealth] = field(default_factory=list)
    workers: list[WorkerHealth] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """Sentences of workers and store about what keeps them from their work."""
    clock: ClockHealth = field(default_factory=ClockHealth)
    facts: FactsHealth = field(default_factory=FactsHealth)
    ledger: LedgerHealth = field(default_factory=LedgerHealth)
    media: MediaHealth = field(default_factory=MediaHealth)
    sealing: SealingHealth = field(default_factory=SealingHealth)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that `json.dumps` takes; `from_dict` reads them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> RecorderHealth:
        """Read what `to_dict` writes; raises `ValueError` (pydantic's ValidationError) if it is something else."""
        return _RECORDER.validate_python(value)

    def to_public(self) -> dict[str, Any]:
        """Return the JSON of /health: as `to_dict`, with moments as ISO 8601 text (null where there is none)."""
        public: dict[str, Any] = _public(asdict(self))
        return public


def _public(value: Any) -> Any:
    """Write moments as text, throughout."""
    if isinstance(value, list):
        return [_public(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key.removesuffix("_ns"): (to_iso(item) if item else None) if key.endswith("_ns") else _public(item)
        for key, item in value.items()
    }


_STREAM: Final = TypeAdapter(StreamHealth)
_RECORDER: Final = TypeAdapter(RecorderHealth)

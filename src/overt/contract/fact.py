"""Fact: what a recorder says that happened. Numbered by the outbox, delivered at least once, idempotent by `id`.

The JSON form is stable: keys are added, never renamed or given another meaning, and moments are ISO 8601 with offset
(`overt.contract.instant`). A fact never carries a secret: no password, and no address of a camera.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Final, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from overt.contract.instant import from_iso, to_iso
from overt.errors import InvalidError
from overt.ids import StreamKey, new_id

MAX_TEXT: Final = 1000
"""Characters of a sentence inside a fact; a longer one is cut when the fact is made."""
MAX_FACT: Final = 128 * 1024
"""Bytes of the longest fact that is read."""

GapCause = Literal["camera", "network", "authentication", "disk", "stopped", "clock"]
"""Why nothing was recorded: the camera itself, the way to it, refused credentials, the disk, a recorder that was not
running (or not assigned to record, or failed by a fault of its own), or time that the clock skipped."""
GAP_CAUSES: Final = get_args(GapCause)
StreamState = Literal["connecting", "recording", "stalled", "refused", "unreachable", "failed", "stopped"]
"""`refused`: credentials or stream refused; `unreachable`: no connection; `failed`: a fault of Overt's own."""
STREAM_STATES: Final = get_args(StreamState)
DiskState = Literal["ok", "low", "full", "read-only", "missing", "slow", "failing"]
DISK_STATES: Final = get_args(DiskState)
DeletionReason = Literal["days", "bytes", "disk-full"]
SegmentCondition = Literal["closed", "recovered", "damaged"]
"""`recovered`: without end record, since its recorder was killed; `damaged`: a part of it was lost on the disk."""


@dataclass(frozen=True, slots=True)
class SegmentStored:
    """A segment is complete, flushed to the device and in the index."""

    kind: ClassVar[str] = "segment-stored"
    segment: uuid.UUID
    start_ns: int
    end_ns: int
    bytes: int
    fragments: int
    frames: int
    damaged_frames: int
    lost_packets: int
    file: str = ""
    """Name of its file."""
    condition: SegmentCondition = "closed"
    root: str = ""
    """Merkle root over its records, hexadecimal (docs/formats/footage.md); empty in facts of earlier versions."""
    period: uuid.UUID | None = None
    """The key period that it is sealed with."""


@dataclass(frozen=True, slots=True)
class GapOpened:
    """From `start_ns` on nothing of the stream is recorded."""

    kind: ClassVar[str] = "gap-opened"
    cause: GapCause
    reason: str
    start_ns: int
    gap: uuid.UUID | None = None
    """Its number: the same when it is closed."""


@dataclass(frozen=True, slots=True)
class GapClosed:
    """The stream is recorded again from `end_ns` on; `start_ns` is that of the gap."""

    kind: ClassVar[str] = "gap-closed"
    cause: GapCause
    reason: str
    start_ns: int
    end_ns: int
    gap: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class StreamStateChanged:
    """The state of a camera's stream changed."""

    kind: ClassVar[str] = "stream-state-changed"
    previous: StreamState
    state: StreamState
    reason: str


@dataclass(frozen=True, slots=True)
class DiskStateChanged:
    """The state of a storage location changed."""

    kind: ClassVar[str] = "disk-state-changed"
    location: str
    previous: DiskState
    state: DiskState
    reason: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was found to differ from the recorder's own line of time (`overt.clock.ClockStep`)."""

    kind: ClassVar[str] = "clock-stepped"
    duration_ns: int
    """Wall clock minus recorder line; positive is forward."""
    followed: bool


@dataclass(frozen=True, slots=True)
class WorkerRestarted:
    """A capture worker ended unasked and was started again."""

    kind: ClassVar[str] = "worker-restarted"
    worker: int
    reason: str
    restarts: int
    """How often this worker was restarted since the recorder started."""


@dataclass(frozen=True, slots=True)
class FootageDeleted:
    """Footage reached the end of its retention (or made room on a full disk); its keys were destroyed with it."""

    kind: ClassVar[str] = "footage-deleted"
    reason: DeletionReason
    segments: int
    bytes: int
    start_ns: int
    end_ns: int
    periods: tuple[str, ...]
    """The key periods whose wrapped keys were destroyed."""
    deletion: uuid.UUID | None = None
    """Its number, as index and journal have it."""
    segment_ids: tuple[str, ...] = ()
    """The segments that went."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long footage of some cameras is kept, at most; None: no such limit."""

    cameras: tuple[str, ...]
    seconds: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class AssignmentApplied:
    """The recorder works by this assignment from now on."""

    kind: ClassVar[str] = "assignment-applied"
    revision: int
    started: tuple[str, ...]
    changed: tuple[str, ...]
    stopped: tuple[str, ...]
    retention: tuple[Kept, ...] = ()
    """Of cameras that are started or changed."""


@dataclass(frozen=True, slots=True)
class AssignmentRefused:
    """An assignment was refused; the recorder goes on with the one it has, `revision`."""

    kind: ClassVar[str] = "assignment-refused"
    revision: int
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecipientsApplied:
    """Everything is sealed to these public keys of the site from now on."""

    kind: ClassVar[str] = "recipients-applied"
    policy: str
    roles: tuple[str, ...]
    """In the order of a wrap's layers, the innermost first."""
    key_ids: tuple[str, ...]
    """Of the roles, in their order."""


@dataclass(frozen=True, slots=True)
class RecipientsRefused:
    """A change of the file with the site's public keys was refused; the recorder goes on with those that it has."""

    kind: ClassVar[str] = "recipients-refused"
    key_ids: tuple[str, ...]
    """Those in force."""
    reason: str


@dataclass(frozen=True, slots=True)
class FactsLost:
    """The outbox could not write, its memory was full, and the oldest waiting facts were dropped."""

    kind: ClassVar[str] = "facts-lost"
    count: int
    first_ns: int
    """Time of the first fact that was lost."""
    last_ns: int


@dataclass(frozen=True, slots=True)
class RecorderStarted:
    """The recorder begins to run."""

    kind: ClassVar[str] = "recorder-started"
    version: str


@dataclass(frozen=True, slots=True)
class RecorderStopped:
    """The recorder was told to stop, and what it had in hand is stored."""

    kind: ClassVar[str] = "recorder-stopped"


@dataclass(frozen=True, slots=True)
class FootageCompared:
    """Files, index and keys were held against each other after the start, and put right where that was possible."""

    kind: ClassVar[str] = "footage-compared"
    files: int
    rows: int
    found: tuple[str, ...]
    """What differed, each kind with its count: `torn 1`."""


FactData = (
    SegmentStored
    | GapOpened
    | GapClosed
    | StreamStateChanged
    | DiskStateChanged
    | ClockStepped
    | WorkerRestarted
    | FootageDeleted
    | AssignmentApplied
    | AssignmentRefused
    | RecipientsApplied
    | RecipientsRefused
    | FactsLost
    | RecorderStarted
    | RecorderStopped
    | FootageCompared
)
FACT_KINDS: Final[dict[str, type[FactData]]] = {data.kind: data for data in get_args(FactData)}
_ADAPTERS: Final[dict[str, TypeAdapter[FactData]]] = {kind: TypeAdapter(data) for kind, data in FACT_KINDS.items()}
_MOMENTS: Final = {
    kind: frozenset(field.name for field in fields(data) if field.name.endswith("_ns") and field.name != "duration_ns")
    for kind, data in FACT_KINDS.items()
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened."""

    id: uuid.UUID
    time_ns: int
    """When it was observed, UTC on the recorder's line of time."""
    data: FactData
    stream: StreamKey | None = None
    """The stream it concerns; None: the recorder as a whole."""
    sequence: int = 0
    """Place in the outbox, growing and not dense; 0 until the outbox has numbered it."""

    @property
    def kind(self) -> str:
        """Name of the kind, as in JSON."""
        return self.data.kind

    def numbered(self, sequence: int) -> Fact:
        """Return the same fact with its place in the outbox."""
        return replace(self, sequence=sequence)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form as plain values."""
        return {
            "id": str(self.id),
            "sequence": self.sequence,
            "time": to_iso(self.time_ns),
            "kind": self.kind,
            "camera": self.stream.camera if self.stream else None,
            "stream": self.stream.stream if self.stream else None,
            "data": _data_to_dict(self.data),
        }

    def to_json(self) -> str:
        """Return the JSON form, compact, keys in the order of `to_dict`."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Fact:
        """Read a fact from its JSON form.

        Raises:
            InvalidError: naming what is wrong with it. A kind that is not known is refused: ask a newer reader.
        """
        if len(text) > MAX_FACT:
            msg = f"a fact is longer than {MAX_FACT} bytes"
            raise InvalidError(msg)
        try:
            value = json.loads(text)
            return cls._from_dict(value)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            msg = f"a fact cannot be read: {type(error).__name__}: {str(error)[:200]}"
            raise InvalidError(msg) from error

    @classmethod
    def _from_dict(cls, value: dict[str, Any]) -> Fact:
        """Build a fact from plain values; raises whatever is wrong with them."""
        kind = value["kind"]
        if kind not in FACT_KINDS:
            msg = f"its kind {kind!r} is unknown; known are {', '.join(FACT_KINDS)}"
            raise InvalidError(msg)
        camera, sequence = value["camera"], value["sequence"]
        if type(sequence) is not int or sequence < 0:
            msg = "'sequence' must be a whole number from 0"
            raise InvalidError(msg)
        return cls(
            id=uuid.UUID(value["id"]),
            time_ns=from_iso(value["time"]),
            data=_data_from_dict(kind, value["data"]),
            stream=None if camera is None else StreamKey(camera, value["stream"]),
            sequence=sequence,
        )


def new_fact(data: FactData, time_ns: int, stream: StreamKey | None = None) -> Fact:
    """Return a fact with an id of its own; sentences inside it are cut to `MAX_TEXT` characters."""
    return Fact(id=new_id(), time_ns=time_ns, data=_cut(data), stream=stream)


def _cut(data: FactData) -> FactData:
    """Return the data with its texts cut, so that no fact grows with what a camera sends, and of whole characters."""
    values: dict[str, Any] = {field.name: getattr(data, field.name) for field in fields(data)}
    for name, value in values.items():
        if isinstance(value, str):
            text = value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + "…"
            # Half of a surrogate pair could be written neither into the outbox nor into the ledger.
            values[name] = text.encode(errors="replace").decode()
    return FACT_KINDS[data.kind](**values)


def _json_name(name: str, kind: str) -> str:
    """Return the key of a field: moments lose the unit that their text no longer has."""
    return name.removesuffix("_ns") if name in _MOMENTS[kind] else name


def _data_to_dict(data: FactData) -> dict[str, Any]:
    """Return the data's JSON form."""
    encoded: dict[str, Any] = {}
    for field in fields(data):
        value = getattr(data, field.name)
        if field.name in _MOMENTS[data.kind]:
            value = to_iso(value)
        elif isinstance(value, uuid.UUID):
            value = str(value)
        elif isinstance(value, tuple):
            value = [
                asdict(each) | {"cameras": list(each.cameras)} if isinstance(each, Kept) else each for each in value
            ]
        encoded[_json_name(field.name, data.kind)] = value
    return encoded


def _data_from_dict(kind: str, value: dict[str, Any]) -> FactData:
    """Read the data's JSON form; keys that are not known (of a newer recorder) are passed over."""
    decoded = {}
    for name in (field.name for field in fields(FACT_KINDS[kind])):
        key = _json_name(name, kind)
        if key in value:
            decoded[name] = from_iso(value[key]) if name in _MOMENTS[kind] else value[key]
    try:
        return _ADAPTERS[kind].validate_python(decoded)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise InvalidError("; ".join(f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in found[:5])) from error

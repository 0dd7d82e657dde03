"""Stores of footage with real boxes, for tests of what reads footage: noise where pictures would be."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from overt.footage.marker import create_location
from overt.footage.opening import OpenPeriod, StoredPeriods
from overt.footage.options import StoreOptions
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.boxes import NON_SYNC_SAMPLE, SYNC_SAMPLE, TrackRun, box, fragment_header
from overt.media.records import Record, RecordKind, RecordParser
from overt.media.sample_entries import g711
from overt.media.samples import CodecConfiguration, Fragment
from overt.sealing.roles import Recipients, RoleKey

SECOND = 1_000_000_000
T0 = 1_774_000_000 * SECOND
"""20 March 2026."""
CAMERA = StreamKey("front-door")
VIDEO = CodecConfiguration("video", "h264", "avc1.4d002a", 90000, box(b"avc1", bytes(78)), 1920, 1080)
OTHER = CodecConfiguration("video", "h264", "avc1.640028", 90000, box(b"avc1", bytes(79)), 1280, 720)
AUDIO = CodecConfiguration("audio", "pcma", "alaw", 8000, g711(b"alaw", 8000, 1), channels=1)
FAST = StoreOptions(
    tick_s=0.001,
    flush_interval_s=0.05,
    min_free_bytes=0,
    space_interval_s=0.05,
    retention_interval_s=60,
    compare_at_start=False,
)
FRAMES = 5
"""Of a fragment."""


class HandClock:
    """A clock that goes when it is told to."""

    def __init__(self, utc_ns: int = T0) -> None:
        self.utc = utc_ns
        self.monotonic = 10**15

    def utc_ns(self) -> int:
        return self.utc

    def monotonic_ns(self) -> int:
        return self.monotonic

    def go(self, seconds: float) -> None:
        self.utc += int(seconds * SECOND)
        self.monotonic += int(seconds * SECOND)


def frame(start_ns: int, number: int, size: int) -> bytes:
    """Return a frame's bytes, which say which one it is: a NAL unit behind its length."""
    block = hashlib.sha256(f"{start_ns}/{number}".encode()).digest()
    return (size - 4).to_bytes(4, "big") + (block * (size // 32 + 1))[: size - 4]


def fragment(
    start_ns: int,
    *,
    duration_ns: int = SECOND // 2,
    keyframe: bool = False,
    discontinuity: bool = False,
    size: int = 60,
    tracks: tuple[CodecConfiguration, ...] = (VIDEO,),
    reorder_ticks: int = 0,
    damaged: int = 0,
) -> Fragment:
    """Return a fragment of five frames; with `reorder_ticks`, frames are shown so much later than they are decoded."""
    ticks = duration_ns * 9 // 100_000 // FRAMES
    dts = -(-start_ns * 9 // 100_000)
    frames = [frame(start_ns, number, size) for number in range(FRAMES)]
    offsets = [reorder_ticks + (0, ticks, -ticks, 0, 0)[number] for number in range(FRAMES)] if reorder_ticks else None
    first = SYNC_SAMPLE if keyframe else NON_SYNC_SAMPLE
    runs = [TrackRun(1, dts, [ticks] * FRAMES, [size] * FRAMES, offsets, NON_SYNC_SAMPLE, first)]
    data = frames
    if len(tracks) > 1:
        length = duration_ns * 8 // 1_000_000
        runs.append(TrackRun(2, start_ns * 8 // 1_000_000, [length], [length], None, SYNC_SAMPLE, SYNC_SAMPLE))
        data = [*frames, bytes(length)]
    return Fragment(
        tracks=tracks,
        payload=b"".join((fragment_header(1, runs), *data)),
        start_ns=start_ns,
        duration_ns=duration_ns,
        samples=FRAMES,
        keyframe=keyframe,
        discontinuity=discontinuity,
        damaged_samples=damaged,
        lost_packets=0,
        camera_offset_ns=None,
        received_ns=0,
    )


def run(start_ns: int, count: int, *, gop: int = 4, step_ns: int = SECOND // 2, **more: Any) -> list[Fragment]:
    """Return a session's fragments: without a hole, a keyframe every `gop`, the first marked."""
    return [
        fragment(start_ns + i * step_ns, duration_ns=step_ns, keyframe=i % gop == 0, discontinuity=i == 0, **more)
        for i in range(count)
    ]


@dataclass
class FootageSite:
    """A footage directory and the keys of its site."""

    directory: Path
    key: RoleKey
    recipients: Recipients
    open_period: OpenPeriod
    clock: HandClock = field(default_factory=HandClock)
    opened: list[FootageStore] = field(default_factory=list)

    def open(self, options: StoreOptions = FAST, **more: Any) -> FootageStore:
        """Open the store as a recorder does; `close` closes it at the latest."""
        store = FootageStore(self.directory, self.recipients, clock=self.clock, options=options, **more)
        self.opened.append(store)
        return store

    def record(self, *runs: Sequence[Fragment], key: StreamKey = CAMERA, options: StoreOptions = FAST) -> None:
        """Store runs, each as a session of its own, and close."""
        with self.open(options) as store:
            for each in runs:
                append(store, each, key=key)

    def files(self, key: StreamKey = CAMERA) -> list[Path]:
        """Return the segment files of a stream, oldest first."""
        return sorted(self.directory.glob(f"segments/{key.camera}/{key.stream}/*/*.ovs"))

    def close(self) -> None:
        """Close every store that is open."""
        for store in self.opened:
            store.close(10)


def append(
    store: FootageStore, fragments: Iterable[Fragment], *, key: StreamKey = CAMERA, session: uuid.UUID | None = None
) -> None:
    """Store fragments, and wait until they can be read."""
    session = session or uuid.uuid4()
    sent = list(fragments)
    assert store.append_many((key, session, each) for each in sent) == len(sent)
    assert store.flush()


def make_footage_site(directory: Path) -> FootageSite:
    """Make an empty footage directory."""
    site_id = uuid.uuid4()
    key = RoleKey(site_id, "Town Hall", "custodian", datetime(2026, 1, 1, tzinfo=UTC), X25519PrivateKey.generate())
    create_location(directory, site_id)
    recipients = Recipients(site_id, "Town Hall", (key.recipient,))
    return FootageSite(directory, key, recipients, StoredPeriods(directory, [key]))


@dataclass
class Answer:
    """The records of one answer."""

    records: list[Record]

    @classmethod
    def of(cls, data: bytes) -> Answer:
        """Read a whole body."""
        parser = RecordParser()
        found = parser.feed(data)
        assert not parser.pending, "cut off"
        return cls(found)

    @property
    def kinds(self) -> str:
        """One letter a record: Configuration, Fragment, Damage, Gap, End, eRror."""
        return "".join("?CFSTDGEXR"[record.kind] for record in self.records)

    def of_kind(self, kind: RecordKind) -> list[dict[str, Any]]:
        """Return the headers of one kind."""
        return [record.header for record in self.records if record.kind == kind]

    @property
    def fragments(self) -> list[dict[str, Any]]:
        """Headers of the fragments."""
        return self.of_kind(RecordKind.FRAGMENT)

    @property
    def payloads(self) -> list[bytes]:
        """Payloads of the fragments."""
        return [bytes(record.payload) for record in self.records if record.kind == RecordKind.FRAGMENT]

    @property
    def end(self) -> dict[str, Any]:
        """Header of the end, which must be the last record."""
        assert self.records[-1].kind == RecordKind.END, self.records[-1]
        return self.records[-1].header


async def answer(pieces: AsyncIterable[bytes]) -> Answer:
    """Take everything."""
    return Answer.of(b"".join([piece async for piece in pieces]))

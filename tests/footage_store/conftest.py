"""Fragments that are not there, a footage directory, and stores that are always closed."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from overt.contract.fact import Fact, FactData, FootageDeleted
from overt.footage.marker import create_location, read_marker
from overt.footage.opening import OpenPeriod, StoredPeriods
from overt.footage.options import StoreOptions
from overt.footage.reading import FootageReader
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.samples import CodecConfiguration, Fragment
from overt.sealing.roles import Recipients, RoleKey

SECOND = 1_000_000_000
T = TypeVar("T", bound=FactData)
T0 = 1_774_000_000 * SECOND
"""20 March 2026."""
VIDEO = CodecConfiguration("video", "h264", "avc1.4d002a", 90000, b"sample entry of one camera", 1920, 1080)
OTHER = CodecConfiguration("video", "h264", "avc1.640028", 90000, b"sample entry of another", 1280, 720)
FAST = StoreOptions(
    tick_s=0.001,
    flush_interval_s=0.05,
    min_free_bytes=0,
    probe_interval_s=0.02,
    space_interval_s=0.05,
    slow_s=0.3,
    retention_interval_s=0.05,
    clock_doubt_s=0,
    compare_at_start=False,
)


def initialisation(tracks: tuple[CodecConfiguration, ...]) -> bytes:
    return b"ftyp moov " + b"|".join(track.sample_entry for track in tracks)


def fragment(
    start_ns: int,
    *,
    duration_ns: int = SECOND // 2,
    keyframe: bool = False,
    discontinuity: bool = False,
    size: int = 300,
    tracks: tuple[CodecConfiguration, ...] = (VIDEO,),
    samples: int = 12,
    damaged: int = 0,
    lost: int = 0,
    camera_offset_ns: int | None = None,
) -> Fragment:
    block = hashlib.sha256(str(start_ns).encode()).digest()
    return Fragment(
        tracks=tracks,
        payload=(b"PLAINTEXT" + block * (size // 32 + 1))[:size],
        start_ns=start_ns,
        duration_ns=duration_ns,
        samples=samples,
        keyframe=keyframe,
        discontinuity=discontinuity,
        damaged_samples=damaged,
        lost_packets=lost,
        camera_offset_ns=camera_offset_ns,
        received_ns=0,
    )


def run(start_ns: int, count: int, *, gop: int = 4, size: int = 300, step: int = SECOND // 2) -> list[Fragment]:
    """A session's fragments: half seconds without a hole, a keyframe every `gop`, the first marked."""
    return [
        fragment(start_ns + i * step, duration_ns=step, keyframe=i % gop == 0, discontinuity=i == 0, size=size)
        for i in range(count)
    ]


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


@dataclass
class Facts:
    """What a store announced."""

    seen: list[Fact] = field(default_factory=list)
    condition: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, fact: Fact) -> None:
        with self.condition:
            self.seen.append(fact)
            self.condition.notify_all()

    def of(self, kind: type[T]) -> list[T]:
        return [fact.data for fact in self.seen if isinstance(fact.data, kind)]

    def wait(self, kind: type[T], match: Callable[[T], bool] = lambda _: True, timeout: float = 60) -> T:
        def found() -> T | None:
            return next((data for data in self.of(kind) if match(data)), None)

        with self.condition:
            assert self.condition.wait_for(lambda: found() is not None, timeout), f"no {kind.__name__}: {self.seen}"
        data = found()
        assert data is not None
        return data


def wait_until(condition: Callable[[], bool], timeout: float = 60) -> None:
    """Wait for something that no event tells."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


@dataclass
class Site:
    """A footage directory and the keys of its site."""

    directory: Path
    key: RoleKey
    recipients: Recipients
    open_period: OpenPeriod
    clock: HandClock
    opened: list[FootageStore] = field(default_factory=list)

    def open(self, options: StoreOptions = FAST, **more: Any) -> FootageStore:
        arguments: dict[str, Any] = {"initialisation": initialisation, "clock": self.clock, "options": options, **more}
        store = FootageStore(self.directory, self.recipients, **arguments)
        self.opened.append(store)
        return store

    def reader(self) -> FootageReader:
        return FootageReader(self.directory)

    def payloads(self, key: StreamKey) -> list[bytes]:
        """Everything that can be read of a stream; damage fails the test."""
        with self.reader() as reader:
            return [item.payload for item in reader.fragments(key, 0, 2**62, self.open_period)]  # type: ignore[union-attr]

    def files(self) -> list[Path]:
        return sorted(self.directory.glob("segments/*/*/*/*.ovs"))


def make_site(directory: Path) -> Site:
    site_id = uuid.uuid4()
    key = RoleKey(site_id, "Town Hall", "custodian", datetime(2026, 1, 1, tzinfo=UTC), X25519PrivateKey.generate())
    recipients = Recipients(site_id, "Town Hall", (key.recipient,))
    create_location(directory, site_id)
    return Site(directory, key, recipients, StoredPeriods(directory, [key]), HandClock())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    threads, descriptors = set(threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))
    made = make_site(tmp_path / "footage")
    yield made
    for store in made.opened:
        store.close(10)
    left = [t for t in threading.enumerate() if t not in threads and t.name.startswith("footage")]
    assert not left, f"threads left behind: {left}"
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1


@pytest.fixture
def camera() -> StreamKey:
    return StreamKey("front-door")


@pytest.fixture(scope="session")
def lab() -> Any:
    """The functions and constants of this file, for tests that cannot import it."""
    return sys.modules[__name__]


@pytest.fixture
def facts() -> Facts:
    return Facts()


__all__ = ["FootageDeleted", "create_location", "read_marker", "replace"]

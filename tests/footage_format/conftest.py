"""Segments to attack, and the other reader."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from uuid import UUID, uuid4

import pytest

from overt.footage.format import NO_ID, SegmentHeader
from overt.footage.segment_writer import SealBuffer, SegmentSummary, SegmentWriter
from overt.ids import StreamKey
from overt.media.samples import Fragment
from overt.sealing.ratchet import KeyPeriod, PeriodKeys

START = 1_767_225_600_000_000_000
HALF = 500_000_000
YARD = StreamKey("yard", "main")
SITE = UUID(int=1)


def _module(name: str) -> ModuleType:
    """Load a file of this folder that is no test."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def stranger() -> ModuleType:
    return _module("stranger")


@pytest.fixture(scope="session")
def vectors() -> ModuleType:
    return _module("make_vectors")


def fragment(number: int, payload: bytes | None = None, **changes: object) -> Fragment:
    """The fragment `number` half-seconds after the start; every second one begins with a keyframe."""
    values: dict[str, object] = {
        "tracks": (),
        "payload": f"picture {number}".encode() if payload is None else payload,
        "start_ns": START + number * HALF,
        "duration_ns": HALF,
        "samples": 12,
        "keyframe": number % 2 == 0,
        "discontinuity": number == 0,
        "damaged_samples": 0,
        "lost_packets": 0,
        "camera_offset_ns": None,
        "received_ns": 0,
    }
    return Fragment(**(values | changes))  # type: ignore[arg-type]  # built from names


@dataclass
class Studio:
    """Writes segments of one stream under one key period."""

    folder: Path
    root: bytes = bytes(range(32))
    key: StreamKey = YARD
    site: UUID = SITE
    period: KeyPeriod = field(init=False)
    buffer: SealBuffer = field(default_factory=lambda: SealBuffer(16))
    count: int = 0

    def __post_init__(self) -> None:
        self.period = KeyPeriod(uuid4(), self.root)

    @property
    def keys(self) -> PeriodKeys:
        return PeriodKeys(self.root)

    def header(self) -> SegmentHeader:
        return SegmentHeader(
            self.site,
            uuid4(),
            self.period.period_id,
            uuid4(),
            NO_ID,
            START,
            0,
            self.period.next_index,
            self.period.commitment,
            self.key,
        )

    def writer(self) -> SegmentWriter:
        self.count += 1
        path = self.folder / f"{self.key.camera}-{self.count}.ovs"
        return SegmentWriter(path, self.header(), self.period, self.buffer)

    def segment(self, payloads: Sequence[bytes] = (b"one", b"two", b"three"), *, end: bool = True) -> SegmentSummary:
        writer = self.writer()
        writer.configure(b"configuration", START)
        for number, payload in enumerate(payloads):
            writer.append(fragment(number, payload))
        return writer.close(end=end, sync=False)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.fixture
def make_studio(tmp_path: Path) -> Callable[..., Studio]:
    return lambda **changes: Studio(tmp_path, **changes)


@pytest.fixture(name="fragment")
def fragment_fixture() -> Callable[..., Fragment]:
    return fragment

"""Real footage as a camera would send it, and configurations built by hand."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from overt.media.boxes import box
from overt.media.samples import CodecConfiguration, Sample

FOOTAGE = Path(__file__).parent.parent / "footage"
SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


@dataclass(frozen=True)
class Reel:
    """A file's frames in decoding order, RTP times on 90 kHz, arriving in real time."""

    configuration: CodecConfiguration
    samples: list[Sample]


def visual_entry(code: bytes, record: bytes, extradata: bytes, width: int, height: int) -> bytes:
    fixed = struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, 0x480000, 0x480000, 0, 1, 0x18, -1)
    return box(code, fixed, box(record, extradata))


@pytest.fixture(scope="session")
def reel() -> Callable[..., Reel]:
    """Return a function that reads a clip; `reorder_depth` is what the configuration is to claim."""

    def read(name: str, *, first_rtp: int = 4_000_000_000, reorder_depth: int = 0) -> Reel:
        with av.open(str(FOOTAGE / name)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            codec, code, record = ("h264", b"avc1", b"avcC") if context.name == "h264" else ("h265", b"hvc1", b"hvcC")
            configuration = CodecConfiguration(
                kind="video",
                codec=codec,
                rfc6381="avc1.4d401f" if codec == "h264" else "hvc1.1.6.L93.B0",
                timescale=90000,
                sample_entry=visual_entry(code, record, bytes(context.extradata), context.width, context.height),
                width=context.width,
                height=context.height,
                reorder_depth=reorder_depth,
            )
            packets = [p for p in container.demux(stream) if p.size]
            samples = []
            for packet in packets:
                at = int(packet.pts * stream.time_base * 90000)
                arrival = int((packet.dts - packets[0].dts) * stream.time_base * SECOND) + 7_000_000
                samples.append(Sample(configuration, first_rtp + at, bytes(packet), packet.is_keyframe, arrival))
        return Reel(configuration, samples)

    return read


@pytest.fixture(scope="session")
def camera() -> CodecConfiguration:
    """A configuration for tests that decode nothing."""
    return CodecConfiguration(
        kind="video",
        codec="h264",
        rfc6381="avc1.4d002a",
        timescale=90000,
        sample_entry=visual_entry(b"avc1", b"avcC", bytes(7), 1920, 1080),
        width=1920,
        height=1080,
    )


@pytest.fixture(scope="session")
def microphone() -> CodecConfiguration:
    """G.711 A-law at 8 kHz."""
    entry = box(b"alaw", struct.pack(">6xH8xHHIHH", 1, 1, 16, 0, 8000, 0))
    return CodecConfiguration(
        kind="audio", codec="pcma", rfc6381="alaw", timescale=8000, sample_entry=entry, channels=1
    )

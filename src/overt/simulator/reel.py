"""Reels: sources cut into RTP packets once, so that sending a frame is one copy and a few patched numbers.

A template holds a frame's packets back to back, each behind its interleaving header (RFC 2326 10.12: `$`, channel,
length). Sequence number, time stamp, SSRC and channel are patched into a copy when the frame is sent.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

from overt.errors import InvalidError
from overt.simulator import jpeg, nal
from overt.simulator.marks import MARK_UUID, mark_nal_unit
from overt.simulator.source import VIDEO_CLOCK, AacTrack, Source, SourceFrame
from overt.simulator.tone import PACKET_SAMPLES, SAMPLING_RATE, tone_packets

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERLEAVING_BYTES: Final = 4
RTP_HEADER_BYTES: Final = 12
AAC_SAMPLES: Final = 1024
Codec = Literal["h264", "h265", "mjpeg", "aac", "pcma", "pcmu", "onvif-metadata"]


@dataclass(frozen=True, slots=True)
class ReelFrame:
    """One frame, ready to be sent."""

    template: bytes = field(repr=False)
    offsets: tuple[int, ...]
    """Where each packet's interleaving header begins in `template`."""
    mark_at: int
    """Where the digits of the frame mark stand in `template`; -1 without a mark."""
    unit: bytes = field(repr=False)
    """The access unit as it must appear in `mdat` (H.264, H.265: length-prefixed), its digits all zero."""
    unit_mark_at: int
    keyframe: bool
    duration: int
    """Ticks of the reel's clock until the next frame."""
    composition: int


@dataclass(frozen=True, slots=True)
class Reel:
    """A track that can be sent for ever: its frames, and what its media description must say."""

    kind: Literal["video", "audio", "application"]
    codec: Codec
    clock_rate: int
    payload_type: int
    frames: tuple[ReelFrame, ...] = field(repr=False)
    encoding: str
    """`encoding name/clock rate[/channels]` of `a=rtpmap`."""
    parameter_sets: tuple[bytes, ...] = field(default=(), repr=False)
    """H.264: SPS, PPS; H.265: VPS, SPS, PPS; AAC: the AudioSpecificConfig."""
    width: int = 0
    height: int = 0
    frames_per_second: float = 0.0

    @property
    def delay(self) -> int:
        """Ticks by which a frame is sent after it was captured, so that none is shown before that: B-frames."""
        return self.frames[0].composition if self.kind == "audio" else max(frame.composition for frame in self.frames)

    def sprop(self) -> list[str]:
        """Return the parameter sets in base64, as `sprop-*` parameters want them."""
        return [base64.b64encode(unit).decode("ascii") for unit in self.parameter_sets]

    def paced(self, speed: float) -> Reel:
        """Return the same reel with all durations divided by `speed`: a camera of another frame rate."""
        if speed == 1.0:
            return self
        frames = tuple(
            replace(frame, duration=max(1, round(frame.duration / speed)), composition=round(frame.composition / speed))
            for frame in self.frames
        )
        return replace(self, frames=frames, frames_per_second=self.frames_per_second * speed)


@dataclass(frozen=True, slots=True)
class VideoPacking:
    """How video is put into packets."""

    payload_type: int = 96
    mtu: int = 1400
    """Longest RTP packet in bytes, its header included."""
    aggregate: bool = False
    in_band: bool = False
    """Parameter sets before every keyframe; otherwise they are taken out of the stream."""
    numbered: bool = True


METADATA: Final = Reel("application", "onvif-metadata", 90_000, 107, (), "vnd.onvif.metadata/90000")
"""A metadata track on which nothing ever happens."""


def video_reel(source: Source, packing: VideoPacking) -> Reel:
    """Cut the video of `source` into packets.

    Raises:
        InvalidError: if its JPEG images cannot be carried by RTP; the message names the file and frame.
    """
    syntax = nal.SYNTAXES.get(source.codec)
    room = packing.mtu - RTP_HEADER_BYTES
    payload_type = packing.payload_type
    frames = []
    for index, frame in enumerate(source.frames):
        if syntax is None:
            payload_type = 26
            try:
                parts = jpeg.payloads(frame.units[0], room)
            except InvalidError as error:
                msg = f"source {source.path}: frame {index}: {error}"
                raise InvalidError(msg) from error
            unit = frame.units[0]
        else:
            units = _access_unit(syntax, frame, source.parameter_sets, packing)
            parts = nal.payloads(syntax, units, room, aggregate=packing.aggregate)
            unit = nal.length_prefixed(units)
        frames.append(_frame(parts, payload_type, unit, frame, marked=syntax is not None and packing.numbered))
    name = {"h264": "H264", "h265": "H265", "mjpeg": "JPEG"}[source.codec]
    return Reel(
        kind="video",
        codec=source.codec,
        clock_rate=VIDEO_CLOCK,
        payload_type=payload_type,
        frames=tuple(frames),
        encoding=f"{name}/{VIDEO_CLOCK}",
        parameter_sets=source.parameter_sets,
        width=source.width,
        height=source.height,
        frames_per_second=source.frames_per_second,
    )


def aac_reel(track: AacTrack, mtu: int, payload_type: int = 97) -> Reel:
    """Cut an AAC track into packets of one access unit each, AAC-hbr (RFC 3640 3.3.6).

    Raises:
        InvalidError: if an access unit does not fit into one packet of `mtu` bytes.
    """
    room = mtu - RTP_HEADER_BYTES - 4
    if max(map(len, track.units)) > room:
        msg = f"an AAC access unit of {max(map(len, track.units))} bytes does not fit into an RTP packet of {mtu}"
        raise InvalidError(msg)
    like = SourceFrame((), keyframe=True, duration=AAC_SAMPLES, composition=0)
    frames = (_frame([struct.pack(">HH", 16, len(unit) << 3) + unit], payload_type, unit, like) for unit in track.units)
    return Reel(
        kind="audio",
        codec="aac",
        clock_rate=track.sampling_rate,
        payload_type=payload_type,
        frames=tuple(frames),
        encoding=f"MPEG4-GENERIC/{track.sampling_rate}/{track.channels}",
        parameter_sets=(track.configuration,),
    )


def tone_reel(codec: Literal["pcma", "pcmu"]) -> Reel:
    """Return a G.711 tone under its static payload type (RFC 3551 6)."""
    payload_type = 8 if codec == "pcma" else 0
    like = SourceFrame((), keyframe=True, duration=PACKET_SAMPLES, composition=0)
    frames = tuple(_frame([packet], payload_type, packet, like) for packet in tone_packets(codec))
    return Reel("audio", codec, SAMPLING_RATE, payload_type, frames, f"{codec.upper()}/{SAMPLING_RATE}")


def _access_unit(
    syntax: nal.NalSyntax, frame: SourceFrame, parameter_sets: Sequence[bytes], packing: VideoPacking
) -> list[bytes]:
    """Return the NAL units to send: delimiter, parameter sets if wanted in-band, the rest, the mark before slices."""
    rest = [unit for unit in frame.units if unit not in parameter_sets]
    delimiters = [unit for unit in rest if syntax.type_of(unit) == syntax.delimiter_type]
    rest = [unit for unit in rest if syntax.type_of(unit) != syntax.delimiter_type]
    sets = list(parameter_sets) if packing.in_band and frame.keyframe else []
    marks = [mark_nal_unit(syntax.codec)] if packing.numbered else []
    if marks:
        # A source that was itself recorded from the simulator loses its old marks.
        rest = [unit for unit in rest if MARK_UUID.bytes not in unit[:20]]
    first = next((at for at, unit in enumerate(rest) if syntax.type_of(unit) in syntax.slice_types), len(rest))
    return list(chain(delimiters, sets, rest[:first], marks, rest[first:]))


def _frame(
    parts: Sequence[bytes], payload_type: int, unit: bytes, like: SourceFrame, *, marked: bool = False
) -> ReelFrame:
    template = bytearray()
    offsets = []
    for index, part in enumerate(parts):
        offsets.append(len(template))
        marker = 0x80 if index == len(parts) - 1 else 0
        template += struct.pack(">cBH", b"$", 0, RTP_HEADER_BYTES + len(part))
        template += struct.pack(">BBHII", 0x80, marker | payload_type, 0, 0, 0)
        template += part
    return ReelFrame(
        template=bytes(template),
        offsets=tuple(offsets),
        mark_at=_mark_at(template) if marked else -1,
        unit=unit,
        unit_mark_at=_mark_at(unit) if marked else -1,
        keyframe=like.keyframe,
        duration=like.duration,
        composition=like.composition,
    )


def _mark_at(data: bytes | bytearray) -> int:
    found = data.find(MARK_UUID.bytes)
    return found if found < 0 else found + 16

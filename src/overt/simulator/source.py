"""Reading a source file: its frames as they were encoded, with their times. Nothing is decoded.

Time base of everything returned: 90 kHz ticks for video, samples for audio.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

import av

from overt.errors import InvalidError, MissingError
from overt.simulator import nal

if TYPE_CHECKING:
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

VideoCodec = Literal["h264", "h265", "mjpeg"]
VIDEO_CLOCK: Final = 90_000
MAX_SOURCE_BYTES: Final = 256 * 1024 * 1024
"""A source is held in memory whole, and a second time as packets; a larger file is refused."""
_CODECS: Final[dict[str, VideoCodec]] = {"h264": "h264", "hevc": "h265", "mjpeg": "mjpeg"}


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """One access unit in decoding order."""

    units: tuple[bytes, ...] = field(repr=False)
    """H.264 and H.265: the NAL units, with the parameter sets that the file has in-band. MJPEG: one JPEG image."""
    keyframe: bool
    duration: int
    """Ticks until the next frame is due in decoding order."""
    composition: int
    """Presentation time minus decoding time, in ticks, never negative."""


@dataclass(frozen=True, slots=True)
class AacTrack:
    """The AAC track of a source: raw access units of 1024 samples each, and how to decode them."""

    configuration: bytes
    """AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1)."""
    sampling_rate: int
    channels: int
    units: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that can be served as a camera, from its first keyframe on."""

    path: Path
    codec: VideoCodec
    width: int
    height: int
    frames: tuple[SourceFrame, ...] = field(repr=False)
    parameter_sets: tuple[bytes, ...] = field(repr=False)
    """In the order of `NalSyntax.parameter_set_types`; empty for MJPEG."""
    aac: AacTrack | None

    @property
    def frames_per_second(self) -> float:
        """Mean over the whole source."""
        return len(self.frames) * VIDEO_CLOCK / sum(frame.duration for frame in self.frames)


def read_source(path: Path) -> Source:
    """Read an MP4 file with one H.264, H.265 or MJPEG track and perhaps an AAC track.

    Raises:
        MissingError: if there is no such file.
        InvalidError: if it is too large, cannot be read, or holds nothing that can be served.
    """
    if not path.is_file():
        msg = f"source {path}: there is no such file"
        raise MissingError(msg)
    if path.stat().st_size > MAX_SOURCE_BYTES:
        msg = f"source {path}: larger than {MAX_SOURCE_BYTES >> 20} MiB; cut a shorter clip"
        raise InvalidError(msg)
    try:
        with av.open(str(path)) as container:
            return _read(path, container)
    except av.FFmpegError as error:
        msg = f"source {path}: cannot be read as a video file ({error.strerror})"
        raise InvalidError(msg) from error


def _read(path: Path, container: InputContainer) -> Source:
    if not container.streams.video:
        msg = f"source {path}: holds no video track"
        raise InvalidError(msg)
    stream = container.streams.video[0]
    codec = _CODECS.get(stream.codec_context.name)
    if codec is None:
        msg = f"source {path}: {stream.codec_context.name} cannot be served; use H.264, H.265 or MJPEG"
        raise InvalidError(msg)
    audio = next((track for track in container.streams.audio if track.codec_context.name == "aac"), None)
    timed: list[tuple[int, int, int, bool, bytes]] = []
    sound: list[bytes] = []
    for packet in container.demux(stream if audio is None else (stream, audio)):
        if not packet.size:
            continue
        if packet.stream is not stream:
            sound.append(bytes(packet))
            continue
        if packet.dts is None or packet.pts is None or packet.time_base is None:
            msg = f"source {path}: frame {len(timed)} has no time stamp; wrap the stream into MP4 first"
            raise InvalidError(msg)
        ticks = Fraction(packet.time_base) * VIDEO_CLOCK
        times = round(packet.dts * ticks), round(packet.pts * ticks), round((packet.duration or 0) * ticks)
        timed.append((*times, packet.is_keyframe, bytes(packet)))
    first = next((index for index, frame in enumerate(timed) if frame[3]), None)
    if first is None:
        msg = f"source {path}: holds no keyframe"
        raise InvalidError(msg)
    frames, sets = _frames(path, codec, bytes(stream.codec_context.extradata or b""), timed[first:])
    return Source(path, codec, *_size(stream), frames, sets, _aac(audio, sound))


def _size(stream: VideoStream) -> tuple[int, int]:
    return stream.codec_context.width, stream.codec_context.height


def _aac(audio: AudioStream | None, sound: list[bytes]) -> AacTrack | None:
    if audio is None or not sound:
        return None
    context = audio.codec_context
    return AacTrack(bytes(context.extradata or b""), context.sample_rate, context.channels, tuple(sound))


def _frames(
    path: Path, codec: VideoCodec, record: bytes, timed: list[tuple[int, int, int, bool, bytes]]
) -> tuple[tuple[SourceFrame, ...], tuple[bytes, ...]]:
    syntax = nal.SYNTAXES.get(codec)
    annex_b = record[:3] in {b"\x00\x00\x00", b"\x00\x00\x01", b""}
    length_bytes, found = (0, nal.split_annex_b(record)) if annex_b else (4, [])
    if syntax is not None and not annex_b:
        length_bytes, found = nal.configuration_record(codec, record)
    sets = [unit for unit in found if syntax is not None and syntax.type_of(unit) in syntax.parameter_set_types]
    frames = []
    usual = max(1, (timed[-1][0] - timed[0][0]) // max(1, len(timed) - 1)) if len(timed) > 1 else VIDEO_CLOCK // 25
    for index, (dts, pts, duration, keyframe, data) in enumerate(timed):
        length = timed[index + 1][0] - dts if index + 1 < len(timed) else duration or usual
        units = [data]
        if syntax is not None:
            units = nal.split_annex_b(data) if annex_b else nal.split_length_prefixed(data, length_bytes)
            if not sets:
                sets = [unit for unit in units if syntax.type_of(unit) in syntax.parameter_set_types]
        frames.append(SourceFrame(tuple(units), keyframe, max(1, length), max(0, pts - dts)))
    if syntax is None:
        return tuple(frames), ()
    if {syntax.type_of(unit) for unit in sets} != set(syntax.parameter_set_types):
        msg = f"source {path}: its first frame comes without the parameter sets that a decoder needs"
        raise InvalidError(msg)
    return tuple(frames), tuple(sorted(sets, key=lambda unit: syntax.parameter_set_types.index(syntax.type_of(unit))))

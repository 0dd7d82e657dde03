"""The nouns of the capture walk: codec configuration, sample, fragment.

Time bases: `rtp_time` counts the track's RTP clock (90 kHz for video) and is unwrapped to a growing integer;
`*_ns` are nanoseconds, UTC since the Unix epoch unless the name says monotonic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

TrackKind = Literal["video", "audio"]
Codec = Literal["h264", "h265", "mjpeg", "aac", "pcma", "pcmu"]


@dataclass(frozen=True, slots=True)
class CodecConfiguration:
    """All that a decoder must know before the first sample of one track.

    `sample_entry` is the complete ISO BMFF sample entry box (`avc1`, `hvc1`, `mp4a`, ...; ISO/IEC 14496-12 §8.5.2)
    with its configuration box inside, so that writing a file needs no knowledge of codecs. Two configurations are
    equal exactly when a decoder need not be told anything new.
    """

    kind: TrackKind
    codec: Codec
    rfc6381: str
    """The `codecs` parameter of RFC 6381, e.g. `avc1.4d002a`."""
    timescale: int
    """Ticks a second of the track: 90000 for video, the sampling rate for audio."""
    sample_entry: bytes = field(repr=False)
    width: int = 0
    """Displayed luma samples after cropping; 0 for audio."""
    height: int = 0
    channels: int = 0
    reorder_depth: int = 0
    """How many frames may precede one in decoding order and follow it in output order (0: no B-frames)."""


@dataclass(slots=True)
class Sample:
    """One frame of video, or one audio access unit, in the form in which it is stored in `mdat`.

    H.264 and H.265: every NAL unit of the access unit as received, each behind a four-byte big-endian length.
    """

    configuration: CodecConfiguration
    rtp_time: int
    """Presentation time on the RTP clock, unwrapped to 64 bits. Decoding order is the order of arrival."""
    data: bytes | bytearray = field(repr=False)
    keyframe: bool
    arrival_ns: int
    """Monotonic clock when the sample's last packet was read."""
    damaged: bool = False
    """Part of this sample was lost or malformed; what arrived whole is kept."""
    lost_packets: int = 0
    """Packets missing between the previous sample's last packet and this sample's last packet."""


@dataclass(frozen=True, slots=True)
class TimedSample:
    """One frame of video with its place on the UTC axis: as it will lie in its fragment, before that is complete."""

    tracks: tuple[CodecConfiguration, ...]
    """As in the fragment."""
    data: bytes | bytearray = field(repr=False)
    time_ns: int
    """When it is shown."""
    decode_ns: int
    """When it is decoded; for the first frame of a fragment the fragment's `start_ns`."""
    keyframe: bool
    damaged: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """Half a second or less of one stream: one `moof` + `mdat`. What is sealed, stored, shown and exported.

    `payload` refers to decode times on the UTC axis: `tfdt` counts track ticks since the Unix epoch.
    """

    tracks: tuple[CodecConfiguration, ...]
    """Configuration of each track, in track order (track_ID 1 first; video first)."""
    payload: bytes = field(repr=False)
    start_ns: int
    duration_ns: int
    samples: int
    """Video samples inside (audio samples where there is no video track)."""
    keyframe: bool
    """The first video sample is a sync sample: decoding may begin here."""
    discontinuity: bool
    """Not the direct continuation of the fragment before: first of a session, or the timeline was re-anchored."""
    damaged_samples: int
    lost_packets: int
    camera_offset_ns: int | None
    """Camera clock minus recorder clock as its last sender report had it; None when it has sent none."""
    received_ns: int
    """Monotonic clock when the last packet of the fragment was read."""

"""What a simulated camera knows about itself: counters, the requests it saw, and the frames it sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_REQUESTS: Final = 2000
"""Requests remembered for each camera; older ones are forgotten."""


@dataclass(slots=True)
class Statistics:
    """Counters of one camera since the simulator started."""

    frames_filmed: int = 0
    """Video frames that were due so far, sent or not: the number of the next frame."""
    frames_sent: int = 0
    """Video frames handed to sessions, counted once a session."""
    frames_skipped: int = 0
    """Frames that a session missed because its client had stopped reading."""
    audio_sent: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    """RTP packets left out by a fault, or refused by a full UDP socket."""
    bytes_sent: int = 0
    """Of RTP packets, their headers included, interleaving excluded."""
    reports_sent: int = 0
    connections: int = 0
    """Accepted so far."""
    connections_open: int = 0
    sessions: int = 0
    """That reached PLAY so far."""
    sessions_playing: int = 0
    sessions_timed_out: int = 0
    unauthorised: int = 0
    """Replies 401."""
    malformed: int = 0
    """Connections closed because the client spoke no RTSP."""
    keep_alives: int = 0
    """Signs of life that counted."""
    rtcp_received: int = 0
    late_s: float = 0.0
    """The longest that a frame was sent after it was due."""
    requests: dict[str, int] = field(default_factory=dict)
    """By method."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it arrived, and how it was answered."""

    monotonic_ns: int
    method: str
    url: str
    headers: Mapping[str, str]
    status: int


@dataclass(frozen=True, slots=True)
class SentFrame:
    """Ground truth: a video frame that was sent to a session."""

    number: int
    session: str
    monotonic_ns: int
    wall_ns: int
    """The camera's own wall clock when the frame was captured."""
    rtp_time: int
    keyframe: bool
    size: int
    """Bytes of the access unit as it must appear in `mdat`."""
    sha256: bytes
    """Of the same bytes: NAL units behind four-byte lengths (MJPEG: of the image in the source)."""
    packets: int
    packets_lost: int
    """How many of them a fault left out, or a full UDP socket."""

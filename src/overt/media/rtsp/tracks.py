"""The media of one dialogue: what was offered, what was granted, on which interleaved channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from overt.errors import InvalidError
from overt.media.rtsp.transport import RtpInfo, Transport, assign_rtp_info

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from overt.media.rtsp.sdp import Offer


@dataclass(slots=True)
class Track:
    """One medium that is received: what was offered, and what the server granted."""

    offer: Offer
    control_urls: tuple[str, ...]
    """Possible readings of its control URL; the first is in use."""
    transport: Transport | None = None
    rtp_channel: int | None = None
    """Interleaved channel of RTP as the server granted it, which may differ from what was asked; None over UDP."""
    rtcp_channel: int | None = None
    """Interleaved channel of RTCP; None over UDP, and where RTP and RTCP share one channel."""
    ssrc: int | None = None
    """A hint (Transport, else RTP-Info); None where the server claims none."""
    sequence: int | None = None
    """Sequence number of the first packet by RTP-Info; a hint."""
    rtp_time: int | None = None
    """RTP timestamp that belongs to the start of the range by RTP-Info; a hint, often 0 or stale."""


def granted_channels(tracks: Iterable[Track]) -> set[int]:
    """Return the interleaved channels granted so far, of RTP and RTCP."""
    both = (channel for track in tracks for channel in (track.rtp_channel, track.rtcp_channel))
    return {channel for channel in both if channel is not None}


def free_channel(tracks: Iterable[Track]) -> int:
    """Return the lowest even channel that is free together with the next."""
    taken = granted_channels(tracks)
    return next((n for n in range(0, 256, 2) if n not in taken and n + 1 not in taken), 0)


def grant(track: Track, tracks: Sequence[Track], transport: Transport) -> None:
    """Record what the server granted for `track`, one of `tracks`.

    Raises:
        InvalidError: if an interleaved channel was granted to another track already.
    """
    track.transport, track.ssrc = transport, transport.ssrc
    if transport.channels is None:
        return
    rtp, rtcp = transport.channels
    clash = granted_channels(tracks) & {rtp, rtcp}
    if clash:
        msg = (
            f"the camera granted interleaved channel {min(clash)} to two tracks, which then cannot be told apart: "
            "record it without audio, or over UDP"
        )
        raise InvalidError(msg)
    track.rtp_channel, track.rtcp_channel = rtp, rtcp if rtcp != rtp else None


def complete(tracks: Sequence[Track], entries: Sequence[RtpInfo]) -> None:
    """Add what is known when PLAY was answered: RTP-Info, and RTCP channels that the server left out.

    A server that writes `interleaved=0` sends RTCP on the next channel, unless that is another track's.
    """
    urls = [track.control_urls[0] for track in tracks]
    for track, entry in zip(tracks, assign_rtp_info(entries, urls), strict=True):
        if entry is not None:
            track.sequence, track.rtp_time = entry.sequence, entry.rtp_time
            track.ssrc = track.ssrc or entry.ssrc
        if track.transport is None or track.transport.channels is None or track.transport.channels[1] is not None:
            continue
        following = track.transport.channels[0] + 1
        if following < 256 and following not in granted_channels(tracks):
            track.rtcp_channel = following

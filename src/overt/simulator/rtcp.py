"""RTCP as cameras send it: sender report, source description, goodbye (RFC 3550 6.4.1, 6.5, 6.6)."""

from __future__ import annotations

import struct
from typing import Final

NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""
_NS: Final = 1_000_000_000


def sender_report(ssrc: int, wall_ns: int, rtp_time: int, packets: int, octets: int) -> bytes:
    """Return a compound packet that says: at `wall_ns` (UTC since 1970) the RTP clock shows `rtp_time`."""
    seconds, rest = divmod(wall_ns, _NS)
    report = struct.pack(
        ">BBHIIIIII",
        0x80,
        200,
        6,
        ssrc,
        (seconds + NTP_EPOCH) & 0xFFFFFFFF,
        (rest << 32) // _NS,
        rtp_time & 0xFFFFFFFF,
        packets & 0xFFFFFFFF,
        octets & 0xFFFFFFFF,
    )
    name = b"camera"
    chunk = struct.pack(">IBB", ssrc, 1, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)
    return report + struct.pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk


def goodbye(ssrc: int) -> bytes:
    """Return a compound packet (an empty receiver report first, as the RFC demands) that ends the stream."""
    return struct.pack(">BBHI", 0x80, 201, 1, ssrc) + struct.pack(">BBHI", 0x81, 203, 1, ssrc)

"""RTCP: sender and receiver reports, source descriptions, goodbyes (RFC 3550 §6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from overt.errors import InvalidError

SECOND: Final = 1_000_000_000
MAX_PACKETS: Final = 64
"""Packets read of one compound packet: real ones hold two or three."""

_SENDER_REPORT: Final = 200
_RECEIVER_REPORT: Final = 201
_SOURCE_DESCRIPTION: Final = 202
_GOODBYE: Final = 203
_CNAME: Final = 1

_HEADER: Final = struct.Struct(">BBH")
_SENDER_INFO: Final = struct.Struct(">IIIIII")
_WORD: Final = struct.Struct(">I")
_BLOCK: Final = struct.Struct(">IIIIII")

_NTP_TO_UNIX: Final = 2_208_988_800
"""Seconds from 1900-01-01, where NTP begins to count, to 1970-01-01."""
_NTP_ERA: Final = 1 << 32


@dataclass(slots=True)
class RtcpCounters:
    """Growing counts of one stream's RTCP."""

    packets: int = 0
    malformed: int = 0
    """Packets whose version or lengths lie; what follows them in the compound packet is dropped too."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """The relation of a sender's wall clock to its RTP timestamps at one moment (RFC 3550 §6.4.1)."""

    ssrc: int
    utc_ns: int | None
    """Wall clock of the sender, ns since the Unix epoch; None where it says that it has none (NTP time 0)."""
    ntp_middle: int
    """Middle 32 bits of the NTP timestamp, to be given back in a receiver report."""
    rtp_time: int
    """The same moment on the RTP clock: 32 bits, not unwrapped."""
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """The persistent name of a source (RFC 3550 §6.5.1)."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Sources that end (RFC 3550 §6.6)."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """A report block about one source (RFC 3550 §6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Of the packets expected since the last report, in 1/256."""
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_sender_report: int
    """`SenderReport.ntp_middle` of the last one received; 0 if none."""
    delay: int
    """From that report to this one, in 1/65536 s."""


RtcpPacket = SenderReport | SourceDescription | Goodbye


def ntp_to_utc_ns(seconds: int, fraction: int) -> int:
    """Return a 64-bit NTP timestamp as ns since the Unix epoch.

    The 32 bits of seconds run out in February 2036: with the top bit clear they count from there (RFC 4330 §3).
    """
    if seconds < 0x80000000:
        seconds += _NTP_ERA
    return (seconds - _NTP_TO_UNIX) * SECOND + (fraction * SECOND >> 32)


def parse_compound(packet: bytes | memoryview, counters: RtcpCounters) -> list[RtcpPacket]:
    """Return what a compound packet says, in its order; never raises.

    Receiver reports and application-defined packets are passed over. A packet that lies about its length is counted
    as malformed and ends the reading: where the next begins is unknown then.
    """
    found: list[RtcpPacket] = []
    position, end = 0, len(packet)
    for _ in range(MAX_PACKETS):
        if position == end:
            break
        if end - position < _HEADER.size:
            counters.malformed += 1
            break
        first, kind, words = _HEADER.unpack_from(packet, position)
        begin = position + _HEADER.size
        position = begin + 4 * words
        stop = position - (packet[position - 1] if first & 0x20 and begin < position <= end else 0)
        if first >> 6 != 2 or position > end or stop < begin:
            counters.malformed += 1
            break
        counters.packets += 1
        said = _read(packet[begin:stop], kind, first & 0x1F)
        if said is None:
            counters.malformed += 1
        else:
            found += said
    return found


def receiver_report(ssrc: int, blocks: Iterable[ReceptionReport], cname: str) -> bytes:
    """Return a compound packet of a receiver report and the source description it must have (RFC 3550 §6.1).

    Raises:
        InvalidError: more than 31 blocks, or a name of more than 255 bytes.
    """
    reports = [_report_block(block) for block in blocks]
    name = cname.encode()
    if len(reports) > 31 or len(name) > 255:
        msg = f"a receiver report holds 31 blocks and a name of 255 bytes, not {len(reports)} and {len(name)}"
        raise InvalidError(msg)
    report = _HEADER.pack(0x80 | len(reports), _RECEIVER_REPORT, 1 + 6 * len(reports)) + _WORD.pack(ssrc)
    chunk = _WORD.pack(ssrc) + bytes((_CNAME, len(name))) + name
    chunk += bytes(4 - len(chunk) % 4)
    return b"".join((report, *reports, _HEADER.pack(0x81, _SOURCE_DESCRIPTION, len(chunk) // 4), chunk))


def _report_block(report: ReceptionReport) -> bytes:
    lost = report.fraction_lost << 24 | report.cumulative_lost & 0xFFFFFF
    return _BLOCK.pack(
        report.ssrc, lost, report.highest_sequence, report.jitter, report.last_sender_report, report.delay
    )


def _read(body: bytes | memoryview, kind: int, count: int) -> list[RtcpPacket] | None:
    """Return what one packet says behind its header; None if its inner lengths lie."""
    if kind == _SENDER_REPORT:
        if len(body) < _SENDER_INFO.size + count * _BLOCK.size:
            return None
        ssrc, seconds, fraction, rtp_time, packets, octets = _SENDER_INFO.unpack_from(body)
        utc_ns = ntp_to_utc_ns(seconds, fraction) if seconds or fraction else None
        middle = (seconds & 0xFFFF) << 16 | fraction >> 16
        return [SenderReport(ssrc, utc_ns, middle, rtp_time, packets, octets)]
    if kind == _GOODBYE:
        return [Goodbye(struct.unpack_from(f">{count}I", body))] if len(body) >= 4 * count else None
    return _read_description(body, count) if kind == _SOURCE_DESCRIPTION else []


def _read_description(body: bytes | memoryview, chunks: int) -> list[RtcpPacket] | None:
    """Return the names in a source description (§6.5), in order."""
    found: list[RtcpPacket] = []
    position, stop = 0, len(body)
    for _ in range(chunks):
        if stop - position < 4:
            return None
        (ssrc,) = _WORD.unpack_from(body, position)
        begin = position
        position += 4
        while position < stop and body[position]:
            if stop - position < 2 or stop - position < 2 + body[position + 1]:
                return None
            after = position + 2 + body[position + 1]
            if body[position] == _CNAME:
                found.append(SourceDescription(ssrc, bytes(body[position + 2 : after]).decode("utf-8", "replace")))
            position = after
        # The items end with a null byte, and a chunk with the 32-bit word in which that lies.
        position = begin + (position - begin) // 4 * 4 + 4
    return found if position <= stop or not chunks else None

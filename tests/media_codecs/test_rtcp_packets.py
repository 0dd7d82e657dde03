"""RTCP: what senders report, lies, and our own reports."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media.rtcp import (
    Goodbye,
    ReceptionReport,
    RtcpCounters,
    SenderReport,
    SourceDescription,
    ntp_to_utc_ns,
    parse_compound,
    receiver_report,
)

SECOND = 1_000_000_000


def sender_report(seconds: int, fraction: int, *, ssrc: int = 7, blocks: int = 0) -> bytes:
    body = struct.pack(">IIIIII", ssrc, seconds, fraction, 123456, 10, 2000) + bytes(24 * blocks)
    return struct.pack(">BBH", 0x80 | blocks, 200, len(body) // 4) + body


def description(*chunks: tuple[int, bytes]) -> bytes:
    body = b"".join(struct.pack(">I", ssrc) + items + bytes(4 - len(items) % 4) for ssrc, items in chunks)
    return struct.pack(">BBH", 0x80 | len(chunks), 202, len(body) // 4) + body


def utc(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def test_a_compound_packet() -> None:
    packet = (
        sender_report(3_900_000_000, 1 << 31, blocks=1)
        + description((7, b"\x02\x03Eve\x01\x06camera"), (8, b"\x01\x04more"))
        + struct.pack(">BBHI4s", 0x80, 204, 2, 7, b"APP!")
        + struct.pack(">BBHII", 0x82, 203, 2, 7, 8)
    )
    counters = RtcpCounters()
    found = parse_compound(memoryview(packet), counters)
    report = found[0]
    assert isinstance(report, SenderReport)
    assert report.utc_ns == (3_900_000_000 - 2_208_988_800) * SECOND + SECOND // 2
    assert report.ntp_middle == (3_900_000_000 & 0xFFFF) << 16 | 0x8000
    assert (report.ssrc, report.rtp_time, report.packets, report.octets) == (7, 123456, 10, 2000)
    assert found[1:] == [SourceDescription(7, "camera"), SourceDescription(8, "more"), Goodbye((7, 8))]
    assert counters == RtcpCounters(packets=4, malformed=0)


def test_ntp_counts_on_after_2036() -> None:
    # 2**32 seconds after 1900-01-01 it is 2036-02-07 06:28:16.
    assert ntp_to_utc_ns(0xFFFFFFFF, 0) == (utc(2036, 2, 7) + 6 * 3600 + 28 * 60 + 15) * SECOND
    assert ntp_to_utc_ns(0, 1 << 31) == (utc(2036, 2, 7) + 6 * 3600 + 28 * 60 + 16) * SECOND + SECOND // 2
    assert ntp_to_utc_ns(utc(2026, 1, 1) + 2_208_988_800, 0) == utc(2026, 1, 1) * SECOND


def test_a_sender_without_a_clock_says_so() -> None:
    (report,) = parse_compound(sender_report(0, 0), RtcpCounters())
    assert isinstance(report, SenderReport)
    assert report.utc_ns is None


def test_padding_at_the_end() -> None:
    padded = struct.pack(">BBHII", 0xA1, 203, 2, 7, 4)
    assert parse_compound(padded, RtcpCounters()) == [Goodbye((7,))]


@pytest.mark.parametrize(
    "packet",
    [
        b"\x80",
        struct.pack(">BBH", 0x80, 200, 6),
        struct.pack(">BBH", 0x40, 200, 0),
        struct.pack(">BBH", 0x80, 200, 0),
        struct.pack(">BBHI", 0x82, 203, 1, 7),
        struct.pack(">BBHI", 0xA1, 203, 1, 0xFF),
        struct.pack(">BBHI", 0x82, 202, 1, 7),
        struct.pack(">BBHI4s", 0x81, 202, 2, 7, b"\x01\x09ab"),
        struct.pack(">BBHI4s", 0x81, 202, 2, 7, b"\x01\x02ab"),
        sender_report(1, 1)[:-4],
    ],
)
def test_lengths_that_lie_are_counted(packet: bytes) -> None:
    counters = RtcpCounters()
    parse_compound(packet, counters)
    assert counters.malformed == 1


def test_what_came_before_a_lie_is_kept() -> None:
    counters = RtcpCounters()
    found = parse_compound(sender_report(5, 5) + b"\x80\xc9\xff\xff", counters)
    assert len(found) == 1
    assert counters.malformed == 1


def test_our_report() -> None:
    block = ReceptionReport(0xCAFE, 12, 0x7FFFFF, 70_000, 0, 0x11223344, 65_536)
    packet = receiver_report(0x0BADF00D, [block], "recorder")
    assert len(packet) % 4 == 0
    first, kind, words, ssrc = struct.unpack_from(">BBHI", packet)
    assert (first, kind, words, ssrc) == (0x81, 201, 7, 0x0BADF00D)
    assert struct.unpack_from(">IIIIII", packet, 8) == (0xCAFE, 12 << 24 | 0x7FFFFF, 70_000, 0, 0x11223344, 65_536)
    counters = RtcpCounters()
    assert parse_compound(packet, counters) == [SourceDescription(0x0BADF00D, "recorder")]
    assert counters == RtcpCounters(packets=2)


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "abcd", "abcde"])
def test_names_of_every_length_are_padded(name: str) -> None:
    counters = RtcpCounters()
    assert parse_compound(receiver_report(1, [], name), counters) == [SourceDescription(1, name)]
    assert counters.malformed == 0


def test_what_a_report_cannot_hold() -> None:
    with pytest.raises(InvalidError, match="255"):
        receiver_report(1, [], "x" * 256)


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_arbitrary_bytes_never_raise(packet: bytes) -> None:
    found = parse_compound(memoryview(packet), RtcpCounters())
    assert len(found) <= len(packet)


@given(st.lists(st.tuples(st.sampled_from([200, 201, 202, 203, 204]), st.integers(0x80, 0xBF), st.binary(max_size=40))))
@settings(max_examples=100)
def test_plausible_packets_with_arbitrary_insides_never_raise(parts: list[tuple[int, int, bytes]]) -> None:
    packet = b"".join(
        struct.pack(">BBH", first, kind, len(body) // 4) + body[: len(body) // 4 * 4] for kind, first, body in parts
    )
    parse_compound(packet, RtcpCounters())

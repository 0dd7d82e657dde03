"""RTP headers and the order of packets."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.media.depacketise import depacketiser
from overt.media.g711 import G711Depacketiser
from overt.media.payload import Continuation, PayloadCounters
from overt.media.rtcp import ReceptionReport
from overt.media.rtp import MAX_DROPOUT, RtpReceiver
from overt.media.samples import CodecConfiguration, Sample
from rtp_sender import PAYLOAD_TYPE, SSRC, deliver, rtp_packet

WRAP = 1 << 32


class Recorder:
    """A depacketiser that only notes what it is given."""

    def __init__(self) -> None:
        self.pushed: list[tuple[bytes, int, bool, int, int]] = []
        self.flushes = 0
        self.counters = PayloadCounters()
        self.continuation = Continuation()
        self.configuration: CodecConfiguration | None = None

    def push(
        self,
        buffer: memoryview,
        start: int,
        stop: int,
        rtp_time: int,
        marker: bool,
        lost_before: int,
        arrival_ns: int,
        out: list[Sample],
    ) -> None:
        self.pushed.append((bytes(buffer[start:stop]), rtp_time, marker, lost_before, arrival_ns))

    def flush(self, arrival_ns: int, out: list[Sample]) -> None:
        self.flushes += 1


def receive(*packets: bytes, ssrc: int | None = None) -> tuple[Recorder, RtpReceiver]:
    recorder = Recorder()
    receiver = RtpReceiver(recorder, PAYLOAD_TYPE, ssrc)
    for packet in packets:
        receiver.receive(memoryview(b"xx" + packet + b"yy"), 2, 2 + len(packet), 99, [])
    return recorder, receiver


def payloads(recorder: Recorder) -> list[bytes]:
    return [pushed[0] for pushed in recorder.pushed]


def test_plain_packets() -> None:
    recorder, receiver = receive(
        rtp_packet(b"first", 65535, 10), rtp_packet(b"second", 0, 10, marker=True), rtp_packet(b"3", 1, 20)
    )
    assert recorder.pushed == [
        (b"first", WRAP + 10, False, 0, 99),
        (b"second", WRAP + 10, True, 0, 99),
        (b"3", WRAP + 20, False, 0, 99),
    ]
    assert receiver.counters.packets == 3
    assert receiver.counters.bytes == 3 * 12 + 12
    assert receiver.ssrc == SSRC
    assert receiver.newest_rtp_time == WRAP + 20


def test_csrc_extension_and_padding_are_not_payload() -> None:
    extension = struct.pack(">HH", 0xABAC, 2) + bytes(8)
    recorder, receiver = receive(
        rtp_packet(b"csrc!", 0, 0, first=0x82, extras=bytes(8)),
        rtp_packet(b"extension", 1, 0, first=0x90, extras=extension),
        rtp_packet(b"padding" + b"\0\0\3", 2, 0, first=0xA0),
        rtp_packet(b"all" + b"\1", 3, 0, first=0xB1, extras=bytes(4) + extension),
    )
    assert payloads(recorder) == [b"csrc!", b"extension", b"padding", b"all"]
    assert receiver.counters.malformed == 0


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(11),
        rtp_packet(b"version", 0, 0, first=0x40),
        rtp_packet(b"csrc", 0, 0, first=0x8F),
        rtp_packet(b"", 0, 0, first=0x90),
        rtp_packet(b"", 0, 0, first=0x90, extras=struct.pack(">HH", 0, 1)),
        rtp_packet(b"padding\0", 0, 0, first=0xA0),
        rtp_packet(b"padding\x09", 0, 0, first=0xA0),
    ],
)
def test_lengths_that_lie_are_counted(packet: bytes) -> None:
    recorder, receiver = receive(packet)
    assert not recorder.pushed
    assert receiver.counters.malformed == 1
    assert receiver.reception_report() is None


def test_other_payload_types_are_ignored() -> None:
    recorder, receiver = receive(
        rtp_packet(b"a", 0, 0), rtp_packet(b"x", 77, 0, payload_type=97), rtp_packet(b"b", 1, 0)
    )
    assert payloads(recorder) == [b"a", b"b"]
    assert (receiver.counters.foreign, receiver.counters.lost) == (1, 0)


def test_lost_repeated_and_late_packets() -> None:
    order = [10, 11, 14, 14, 12, 15]
    recorder, receiver = receive(*(rtp_packet(bytes([n]), n, 0) for n in order))
    assert payloads(recorder) == [b"\x0a", b"\x0b", b"\x0e", b"\x0f"]
    assert [pushed[3] for pushed in recorder.pushed] == [0, 0, 2, 0]
    counters = receiver.counters
    assert (counters.packets, counters.lost, counters.duplicates, counters.late) == (4, 2, 1, 1)


def test_a_loss_before_an_empty_packet_is_told_with_the_next_payload() -> None:
    recorder, receiver = receive(
        rtp_packet(b"a", 0, 0), rtp_packet(b"", 2, 0), rtp_packet(b"b", 3, 0), rtp_packet(b"c", 4, 0)
    )
    assert [(pushed[0], pushed[3]) for pushed in recorder.pushed] == [(b"a", 0), (b"b", 1), (b"c", 0)]
    assert receiver.counters.packets == 4


def test_the_short_way_is_not_taken_over_a_hole() -> None:
    recorder = Recorder()
    receiver = RtpReceiver(recorder, PAYLOAD_TYPE, None)
    middle = bytes.fromhex("5c01") + b"more of it"
    recorder.continuation.prefix = 0x5C01

    def give(packet: bytes) -> None:
        receiver.receive(memoryview(packet), 0, len(packet), 5, [])

    give(rtp_packet(middle, 0, 0))
    give(rtp_packet(middle, 1, 0))
    assert recorder.continuation.gathered == b"more of it"
    assert recorder.continuation.arrival_ns == 5
    give(rtp_packet(b"", 3, 0))
    give(rtp_packet(middle, 4, 0))
    give(rtp_packet(middle, 5, 9))
    give(rtp_packet(middle, 6, 9, marker=True))
    give(rtp_packet(middle, 8, 9))
    assert [pushed[3] for pushed in recorder.pushed] == [0, 1, 0, 0, 1]
    assert recorder.continuation.gathered == b"more of it"
    give(rtp_packet(middle, 9, 9))
    assert recorder.continuation.gathered == b"more of it" * 2
    assert receiver.counters.packets == 8


def test_another_source_begins_an_epoch() -> None:
    recorder, receiver = receive(
        rtp_packet(b"a", 500, 4000), rtp_packet(b"b", 7, 100, ssrc=1), rtp_packet(b"c", 8, 200, ssrc=1), ssrc=SSRC
    )
    assert recorder.flushes == 1
    assert receiver.epoch == 1
    times = [pushed[1] for pushed in recorder.pushed]
    assert times[1] > times[0] + WRAP
    assert times[2] - times[1] == 100
    assert [time % WRAP for time in times] == [4000, 100, 200]
    assert (receiver.counters.restarts, receiver.counters.lost, receiver.counters.packets) == (1, 0, 3)
    assert receiver.ssrc == 1


def test_an_announced_source_that_is_not_kept_to_is_no_restart() -> None:
    recorder, receiver = receive(rtp_packet(b"a", 0, 0), rtp_packet(b"b", 1, 0), ssrc=1)
    assert payloads(recorder) == [b"a", b"b"]
    assert receiver.counters.restarts == 0


@pytest.mark.parametrize("jump", [MAX_DROPOUT, 30_000, 0x8000, 0x10000 - MAX_DROPOUT - 1])
@pytest.mark.parametrize(("time", "epochs"), [(90_000, 0), (0xF000_0000, 1)])
def test_a_jump_is_a_restart(jump: int, time: int, epochs: int) -> None:
    recorder, receiver = receive(
        rtp_packet(b"a", 5, 3000), rtp_packet(b"b", 6 + jump, time), rtp_packet(b"c", 7 + jump, time)
    )
    assert [pushed[3] for pushed in recorder.pushed] == [0, 1, 0]
    assert (receiver.epoch, receiver.counters.restarts, recorder.flushes) == (epochs, 1, 1)
    assert (receiver.counters.packets, receiver.counters.lost) == (3, 1)


def test_timestamps_wrap_and_step_back() -> None:
    stamps = [0xFFFF_FF00, 0x100, 0x80, 0x200, 0xFFFF_FFF0]
    recorder, receiver = receive(*(rtp_packet(b"a", n, stamp) for n, stamp in enumerate(stamps)))
    base = WRAP + 0xFFFF_FF00
    assert [pushed[1] - base for pushed in recorder.pushed] == [0, 0x200, 0x180, 0x300, 0xF0]
    assert receiver.unwrap(0x300) == base + 0x400
    assert RtpReceiver(Recorder(), 96, None).unwrap(5) is None


def test_reception_reports_tell_the_interval() -> None:
    _, receiver = receive(*(rtp_packet(b"a", n, 0) for n in (65_534, 65_535, 2, 3)))
    assert receiver.reception_report(7, 8) == ReceptionReport(SSRC, 256 * 2 // 6, 2, 65_539, 0, 7, 8)
    again = rtp_packet(b"a", 4, 0)
    receiver.receive(memoryview(again), 0, len(again), 0, [])
    assert receiver.reception_report() == ReceptionReport(SSRC, 0, 2, 65_540, 0, 0, 0)


@given(st.lists(st.binary(max_size=60), max_size=20))
@settings(max_examples=80)
def test_arbitrary_packets_never_raise(packets: list[bytes]) -> None:
    for made in (G711Depacketiser("pcma", 8000, 1), depacketiser("H264", 90000, 0, {})):
        samples, receiver = deliver(made, packets)
        counters = receiver.counters
        kept = counters.packets + counters.malformed + counters.foreign + counters.duplicates + counters.late
        assert kept == len(packets)
        assert sum(len(sample.data) for sample in samples) <= 5 * sum(map(len, packets))


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, WRAP - 1),
    st.lists(st.tuples(st.integers(1, 2000), st.integers(-50_000, 1 << 24)), min_size=1, max_size=40),
)
@settings(max_examples=100)
def test_any_walk_of_numbers_and_times_is_followed(sequence: int, time: int, steps: list[tuple[int, int]]) -> None:
    packets = [rtp_packet(b"first", sequence, time)]
    times, lost = [WRAP + time], [0]
    for ahead, later in steps:
        sequence, time = sequence + ahead, time + later
        packets.append(rtp_packet(b"next", sequence, time))
        times.append(WRAP + time)
        lost.append(ahead - 1)
    recorder, receiver = receive(*packets)
    assert [(pushed[1], pushed[3]) for pushed in recorder.pushed] == list(zip(times, lost, strict=True))
    assert receiver.counters.lost == sum(lost)

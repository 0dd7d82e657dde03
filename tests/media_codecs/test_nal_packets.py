"""NAL units in packets: odd cameras, lies, losses, changing parameter sets."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media import access_units
from overt.media.depacketise import depacketiser
from overt.media.h264 import announces_recovery
from overt.media.payload import Depacketiser
from overt.media.rtp import RtpReceiver
from overt.media.samples import Sample
from rtp_sender import PAYLOAD_TYPE, AccessUnit, deliver, h264_payloads, h265_payloads, rtp_packet, send, split_lengths

SPS, PPS = (base64.b64decode(each) for each in ("Z00AKZpkA8ARPyzUBAQFAAADA+gAAOpgBA==", "aO48gA=="))
SMALL_SPS = base64.b64decode("Z01AH5WgLASabAQ=")
VPS5, SPS5, PPS5 = (
    base64.b64decode(each)
    for each in (
        "QAEMAf//AWAAAAMAsAAAAwAAAwBarAwAAAMABAAAAwAyqA==",
        "QgEBAWAAAAMAsAAAAwAAAwBaoAWCAeFja5JFL83BQYFBAAADAAEAAAMADKE=",
        "RAHA8saNA7NA",
    )
)
SDP = {"sprop-parameter-sets": ",".join(base64.b64encode(each).decode() for each in (SPS, PPS))}
IDR = b"\x65\x88\x84" + bytes(range(1, 200))
IDR_REST = b"\x65\x18\x84" + bytes(range(1, 100))
P = b"\x41\x9a\x24" + bytes(range(1, 150))
P_REST = b"\x41\x1a\x24" + bytes(range(1, 50))
SEI = b"\x06\x05\x04abcd\x80"


def h264(fmtp: dict[str, str] | None = None) -> Depacketiser:
    return depacketiser("H264", 90000, 0, SDP if fmtp is None else fmtp)


def run(made: Depacketiser, *frames: tuple[int, Sequence[tuple[bytes, bool]]], flush: bool = True) -> list[Sample]:
    """Give payloads: (time, [(payload, marker), ...])."""
    packets = []
    for time, payloads in frames:
        for payload, marker in payloads:
            packets.append(rtp_packet(payload, len(packets), time, marker=marker))
    return deliver(made, packets, flush=flush)[0]


def units(sample: Sample) -> list[bytes]:
    return list(split_lengths(bytes(sample.data)))


def stap_a(*nal_units: bytes) -> bytes:
    return b"\x78" + b"".join(struct.pack(">H", len(each)) + each for each in nal_units)


def test_a_frame_is_given_out_at_its_marker_once_one_has_proved_itself() -> None:
    made = h264()
    assert not run(made, (0, [(IDR, True)]), flush=False)
    samples = run(h264(), (0, [(IDR, True)]), (3000, [(P, True)]), flush=False)
    assert [units(sample) for sample in samples] == [[IDR], [P]]
    samples = run(h264(), (0, [(IDR, True)]), (3000, [(P, False)]), (6000, [(P, True)]), flush=False)
    assert [units(sample) for sample in samples] == [[IDR], [P], [P]]
    assert [sample.arrival_ns for sample in samples] == [1_000_000, 1_000_001, 1_000_002]


def test_markers_on_every_slice_never_split_a_frame() -> None:
    slices = [(SPS, True), (PPS, True), (SEI, True), (IDR, True), (IDR_REST, True), (IDR_REST, True)]
    later = [(P, True), (P_REST, True)]
    made = h264()
    samples = run(made, (0, slices), (3000, later), (6000, later))
    assert [units(sample) for sample in samples] == [
        [SPS, PPS, SEI, IDR, IDR_REST, IDR_REST],
        [P, P_REST],
        [P, P_REST],
    ]
    assert [sample.keyframe for sample in samples] == [True, False, False]
    assert not any(sample.damaged for sample in samples)
    assert made.counters.split_frames == 0


def test_markers_that_begin_to_lie_split_one_frame_and_say_so() -> None:
    made = h264()
    samples = run(made, (0, [(IDR, True)]), (3, [(P, True)]), *((n, [(P, True), (P_REST, True)]) for n in (6, 9, 12)))
    assert [len(units(sample)) for sample in samples] == [1, 1, 1, 1, 2, 2]
    assert [sample.damaged for sample in samples] == [False, False, False, True, False, False]
    assert made.counters.split_frames == 1


def test_frames_of_the_same_time_are_told_apart_by_their_markers() -> None:
    for more in ([], [(IDR, True), (IDR_REST, True)]):
        head = [(0, more)] if more else []
        samples = run(
            h264(), *head, (5, [(SEI, False), (IDR, True), (SEI, False), (P, True), (P, True)]), (9, [(P, True)])
        )
        assert [units(sample) for sample in samples[len(head) :]] == [[SEI, IDR], [SEI, P], [P], [P]]
        assert [sample.keyframe for sample in samples[len(head) :]] == [True, False, False, False]
        assert not any(sample.damaged for sample in samples)


def test_parameter_sets_with_a_time_of_their_own_go_to_the_picture_after_them() -> None:
    samples = run(
        h264({}), (0, [(SPS, True)]), (1, [(PPS, True)]), (2, [(IDR, True)]), (5, [(SEI, True)]), (6, [(P, True)])
    )
    assert [(units(sample), sample.rtp_time % 10) for sample in samples] == [
        ([SPS, PPS, IDR], (2 + (1 << 32)) % 10),
        ([SEI, P], (6 + (1 << 32)) % 10),
    ]


def test_start_codes_within_a_payload_part_nal_units() -> None:
    joined = b"\0\0\0\1".join((SPS, PPS, SEI, IDR))
    for payloads in (
        [joined],
        [b"\0\0\0\1" + joined],
        [b"\0\0\1" + joined],
        [joined.replace(b"\0\0\0\1" + IDR, b"\0\0\1" + IDR)],
        h264_payloads([joined], 60),
        [stap_a(SPS + b"\0\0\0\1" + PPS, SEI + b"\0\0\0\1" + IDR)],
    ):
        made = h264({})
        samples = run(made, (0, [(each, number == len(payloads) - 1) for number, each in enumerate(payloads)]))
        assert [units(sample) for sample in samples] == [[SPS, PPS, SEI, IDR]]
        assert samples[0].keyframe
        assert made.counters.malformed == 0


def test_what_looks_like_a_start_code_but_begins_no_nal_unit_is_kept() -> None:
    odd = SEI + b"\0\0\0\1\xff" + b"\0\0\1\x67more"
    samples = run(h264(), (0, [(odd, False), (IDR, True)]))
    assert [units(sample) for sample in samples] == [[odd, IDR]]


def test_a_parameter_set_that_changes_takes_effect_with_its_own_frame() -> None:
    made = h264()
    samples = run(
        made,
        (0, [(stap_a(SPS, PPS, IDR), True)]),
        (1, [(P, True)]),
        (2, [(stap_a(SMALL_SPS, PPS, IDR), True)]),
        (3, [(P, True)]),
        (4, [(stap_a(SMALL_SPS, PPS, IDR), True)]),
    )
    configurations = [sample.configuration for sample in samples]
    assert [each.width for each in configurations] == [1920, 1920, 704, 704, 704]
    assert configurations[0] is configurations[1]
    assert configurations[2] is configurations[4] is made.configuration
    assert [sample.keyframe for sample in samples] == [True, False, True, False, True]


def test_wrong_parameter_sets_of_the_description_are_replaced() -> None:
    fmtp = {"sprop-parameter-sets": ",".join(base64.b64encode(each).decode() for each in (SMALL_SPS, PPS))}
    samples = run(h264(fmtp), (0, [(SPS, False), (PPS, False), (IDR, True)]))
    assert samples[0].configuration.width == 1920


def test_of_several_parameter_sets_the_picture_chooses() -> None:
    # The SPS of id 1: ue(0) "1" becomes ue(1) "010", which shifts the rest by two bits.
    bits = f"{int.from_bytes(SMALL_SPS[4:], 'big'):0{8 * (len(SMALL_SPS) - 4)}b}"
    second_sps = SMALL_SPS[:4] + int("010" + bits[1:] + "000000", 2).to_bytes(len(SMALL_SPS) - 3, "big")
    second_pps = b"\x68" + bytes([0b01001010]) + PPS[1:]
    choosing = b"\x65" + bytes([0b10001000, 0b01000010]) + b"slice"
    first = b"\x65" + bytes([0b10001000, 0b10000010]) + b"slice"
    samples = run(
        h264(),
        (0, [(second_sps, False), (second_pps, False), (choosing, True)]),
        (1, [(b"\x41\x99\x24slice", True)]),
        (2, [(first, True)]),
    )
    assert [sample.configuration.width for sample in samples] == [704, 704, 1920]


def test_malformed_parameter_sets_keep_the_one_before() -> None:
    made = h264()
    samples = run(made, (0, [(b"\x67\x4d\x00", False), (IDR, True)]))
    assert samples[0].configuration.width == 1920
    assert units(samples[0]) == [b"\x67\x4d\x00", IDR]
    assert made.counters.malformed == 1


def recovery_point(count: str) -> bytes:
    size, body = 1, int(f"{count}1001".ljust(8, "0"), 2)
    return bytes((0x06, 6, size, body, 0x80))


def test_a_recovery_point_on_an_intra_picture_is_a_keyframe() -> None:
    intra = b"\x41" + bytes([0b10001000]) + b"\x84more"
    predicted = b"\x41" + bytes([0b10011010]) + b"\x24more"
    intra_rest = b"\x41" + bytes([0b01000010, 0b00100000]) + b"more"
    predicted_rest = b"\x41" + bytes([0b01000110, 0b10000000]) + b"more"
    now, later = recovery_point("1"), recovery_point("010")
    assert announces_recovery(now)
    assert not announces_recovery(later)
    assert announces_recovery(b"\x06\x05\xff\x01" + b"u" * 256 + now[1:])
    assert not announces_recovery(b"\x06\x05\xff\xff\xff")
    cases = [
        ([now, intra], True),
        ([now, intra, intra_rest], True),
        ([now, intra, predicted_rest], False),
        ([now, predicted], False),
        ([later, intra], False),
        ([intra], False),
        ([SPS, PPS, predicted], False),
        ([predicted], False),
    ]
    for unit, keyframe in cases:
        pairs = [(each, number == len(unit) - 1) for number, each in enumerate(unit)]
        samples = run(h264(), (0, pairs), (1, [(predicted, True)]))
        assert [sample.keyframe for sample in samples] == [keyframe, False]


def test_other_packet_types() -> None:
    stap_b = b"\x79\x00\x07" + stap_a(SEI, IDR)[1:]
    fu_b = [b"\x7d\x85\x00\x07" + IDR[1:50], b"\x7c\x05" + IDR[50:100], b"\x7c\x45" + IDR[100:]]
    made = h264()
    samples = run(made, (0, [(stap_b, True)]), (1, [(fu_b[0], False), (fu_b[1], False), (fu_b[2], True)]))
    assert [units(sample) for sample in samples] == [[SEI, IDR], [IDR]]
    assert made.counters.malformed == 0


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00",
        b"\x7a\x00\x00\x00\x05\x00\x00\x00abcde",
        b"\x7b\x00\x00\x00\x05\x00\x00\x00\x00abcde",
        b"\x1e\x00",
        b"\x1f\x00\x01",
        b"\x78",
        b"\x78\x00",
        b"\x78\x00\x00",
        b"\x78\x00\x09abc",
        b"\x79\x00",
        b"\x7c",
        b"\x7c\x85",
        b"\x7c\x05abc",
        b"\x7d\x85\x00",
    ],
)
def test_malformed_packets_are_counted_and_mark_the_frame(payload: bytes) -> None:
    made = h264()
    samples = run(made, (0, [(IDR, True)]), (1, [(P, True)]), (2, [(payload, False), (P, True)]), (3, [(P, True)]))
    assert [units(sample) for sample in samples] == [[IDR], [P], [P], [P]]
    assert [sample.damaged for sample in samples] == [False, False, True, False]
    assert made.counters.malformed == 1


def test_a_fragment_interrupted_without_a_loss_is_malformed() -> None:
    start, end = h264_payloads([P], 100)
    for frames in (
        [(2, [(start, False), (SEI, False), (P, True)])],
        [(2, [(start, False), (start, False), (end, True)])],
        [(2, [(start, False)])],
    ):
        made = h264()
        samples = run(made, (0, [(IDR, True)]), (1, [(P, True)]), *frames, (3, [(P, True)]))
        assert [sample.damaged for sample in samples] == [False, False, True, False]
        assert made.counters.malformed == 1


def test_cameras_that_forget_the_end_bit_or_change_the_importance_of_fragments() -> None:
    made = h264()
    pieces = h264_payloads([P], 50)
    varied = [pieces[0], *(bytes((each[0] ^ 0x60,)) + each[1:] for each in pieces[1:])]
    samples = run(made, (0, [(IDR, True)]), (1, [(each, each is varied[-1]) for each in varied]))
    assert units(samples[1]) == [P]
    assert not samples[1].damaged


def test_a_frame_beyond_the_bound_is_dropped_and_its_successor_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_units, "MAX_ACCESS_UNIT", 10_000)
    made = h264()
    large = (b"\x65\x88" + b"\x55" * 30_000,)
    sent = send(
        [
            AccessUnit((IDR,), 0, True),
            AccessUnit((P,), 1, False),
            AccessUnit((*large, P_REST), 2, True),
            AccessUnit((P,), 3, False),
            AccessUnit((P,), 4, False),
        ],
        "h264",
        mtu=500,
    )
    samples, _ = deliver(made, [each.packet for each in sent])
    assert [sample.rtp_time % 10 for sample in samples] == [(n + (1 << 32)) % 10 for n in (0, 1, 3, 4)]
    assert [sample.damaged for sample in samples] == [False, False, True, False]
    assert made.counters.oversized == 1


def test_endless_fragments_stay_bounded() -> None:
    made = h264()
    start = rtp_packet(b"\x7c\x85" + bytes(60_000), 0, 0)
    middles = [rtp_packet(b"\x7c\x05" + b"\1" * 60_000, n, 0) for n in range(1, 600)]
    _, receiver = deliver(made, [start, *middles])
    assert made.counters.oversized == 1
    assert len(made.continuation.gathered) < 1000
    assert receiver.counters.packets == 600


def test_flush_marks_a_frame_whose_end_is_missing() -> None:
    made = h264()
    start = h264_payloads([P], 100)[0]
    samples = run(made, (0, [(IDR, True)]), (1, [(P, True)]), (2, [(start, False)]))
    assert [sample.damaged for sample in samples] == [False, False, True]
    assert units(samples[2]) == [P[: len(start) - 1]]


def test_two_packets_lost_between_frames_mark_both() -> None:
    sent = send([AccessUnit((IDR,), n, True) for n in range(4)], "h264", mtu=120)
    frames = [each.frame for each in sent]
    last = max(number for number, frame in enumerate(frames) if frame == 1)
    samples, _ = deliver(h264(), [each.packet for each in sent], without={last, last + 1})
    # Nothing of the third frame can be used without its beginning: it is told with the one after it.
    assert [sample.damaged for sample in samples] == [False, True, True]
    assert [sample.lost_packets for sample in samples] == [0, 2, 0]


def test_interleaved_h265_is_refused_with_advice() -> None:
    with pytest.raises(InvalidError, match="sprop-max-don-diff=2"):
        depacketiser("H265", 90000, 0, {"Sprop-Max-Don-Diff": "2"})
    assert depacketiser("H265", 90000, 0, {"sprop-max-don-diff": "0"}).configuration is None


@pytest.mark.parametrize(
    ("kind", "keyframe"), [(1, False), (9, False), (16, True), (18, True), (19, True), (20, True), (21, True)]
)
def test_h265_keyframes(kind: int, keyframe: bool) -> None:
    picture = bytes((kind << 1, 1, 0x80)) + b"slice"
    made = depacketiser("H265", 90000, 0, {})
    samples = run(made, (0, [(each, each is picture) for each in (VPS5, SPS5, PPS5, picture)]))
    assert [sample.keyframe for sample in samples] == [keyframe]
    assert samples[0].configuration.width == 704


@pytest.mark.parametrize(
    "payload",
    [b"\x02", b"\x02\x01", b"\x60\x01\x00", b"\x60\x01\x00\x09abc", b"\x62\x01\x01x", b"\x64\x01\x00", b"\x02\x00x"],
)
def test_malformed_h265_packets(payload: bytes) -> None:
    picture = bytes((38, 1, 0x80)) + b"slice"
    made = depacketiser("H265", 90000, 0, {})
    samples = run(
        made,
        (0, [(each, each is picture) for each in (VPS5, SPS5, PPS5, picture)]),
        (1, [(picture, True)]),
        (2, [(payload, False), (picture, True)]),
        (3, [(picture, True)]),
    )
    assert [sample.damaged for sample in samples] == [False, False, True, False]
    assert made.counters.malformed == 1


def test_h265_start_codes_and_slices() -> None:
    first, rest = bytes((38, 1, 0x80)) + b"slice", bytes((38, 1, 0x20)) + b"slice"
    made = depacketiser("H265", 90000, 0, {})
    joined = b"\0\0\0\1".join((VPS5, SPS5, PPS5, first))
    samples = run(made, (0, [(joined, True), (rest, True)]), (1, [(first, True), (rest, True)]))
    assert [units(sample) for sample in samples] == [[VPS5, SPS5, PPS5, first, rest], [first, rest]]


SLICES = st.binary(min_size=1, max_size=400).map(lambda body: bytes(max(1, byte) for byte in body))
FRAMES = st.lists(
    st.tuples(st.booleans(), st.lists(SLICES, max_size=3), SLICES, st.lists(SLICES, max_size=3)), min_size=2, max_size=8
)


@given(FRAMES, st.integers(20, 300), st.booleans(), st.integers(0, 0xFFFF), st.integers(0, (1 << 32) - 1))
@settings(max_examples=40)
def test_any_nal_units_come_back_whole(
    frames: list[tuple[bool, list[bytes], bytes, list[bytes]]], mtu: int, aggregate: bool, sequence: int, time: int
) -> None:
    for codec in ("h264", "h265"):
        made = h264() if codec == "h264" else depacketiser("H265", 90000, 0, {})
        sent_units = []
        for number, (key, before, first, rest) in enumerate(frames):
            if codec == "h264":
                kind = b"\x65" if key else b"\x41"
                nal_units = [b"\x06" + each for each in before] + [kind + b"\x88" + first]
                nal_units += [kind + b"\x48" + each for each in rest]
            else:
                sets = [VPS5, SPS5, PPS5] if number == 0 else []
                kind = b"\x26\x01" if key else b"\x02\x01"
                nal_units = sets + [b"\x4e\x01" + each for each in before] + [kind + b"\x80" + first]
                nal_units += [kind + b"\x40" + each for each in rest]
            sent_units.append(AccessUnit(tuple(nal_units), 3000 * number, key))
        sent = send(sent_units, codec, mtu=mtu, aggregate=aggregate, sequence=sequence, time=time)
        samples, _ = deliver(made, [each.packet for each in sent])
        assert [bytes(sample.data) for sample in samples] == [unit.stored for unit in sent_units]
        assert [sample.keyframe for sample in samples] == [unit.keyframe for unit in sent_units]
        assert [sample.rtp_time for sample in samples] == [(1 << 32) + time + unit.time for unit in sent_units]
        assert not any(sample.damaged for sample in samples)


PAYLOADS = st.lists(
    st.tuples(
        st.one_of(
            st.binary(max_size=40),
            st.tuples(
                st.sampled_from([0x65, 0x41, 0x67, 0x68, 0x78, 0x7C, 0x40, 0x42, 0x44, 0x26, 0x60, 0x62]),
                st.binary(max_size=40),
            ).map(lambda pair: bytes((pair[0],)) + pair[1]),
            st.sampled_from(
                [SPS, PPS, IDR, P_REST, VPS5, SPS5, PPS5, b"\0\0\0\1" * 9 + IDR, b"\x7c\x85ab", b"\x7c\x05ab"]
            ),
        ),
        st.integers(0, 2),
        st.booleans(),
        st.integers(0, 1),
    ),
    max_size=30,
)


@given(PAYLOADS, st.sampled_from(["H264", "H265"]))
@settings(max_examples=120)
def test_arbitrary_payloads_never_raise_and_every_sample_is_well_formed(
    payloads: list[tuple[bytes, int, bool, int]], name: str
) -> None:
    made = depacketiser(name, 90000, 0, SDP if name == "H264" else {})
    packets, sequence, time = [], 0, 0
    for payload, later, marker, lost in payloads:
        sequence, time = sequence + 1 + lost, time + later
        packets.append(rtp_packet(payload, sequence, time, marker=marker))
    samples, receiver = deliver(made, packets)
    assert sum(len(sample.data) for sample in samples) <= 5 * sum(map(len, packets))
    for sample in samples:
        assert units(sample)
    assert sum(sample.lost_packets for sample in samples) <= receiver.counters.lost


@given(
    st.lists(st.integers(3, 3000), min_size=2, max_size=12),
    st.sets(st.integers(0, 200), max_size=4),
    st.integers(0, 200),
    st.integers(64, 3000),
    st.sampled_from(["end", "each", "none"]),
)
@settings(max_examples=60)
def test_interleaved_runs_are_taken_as_single_packets_are(
    sizes: list[int], dropped: set[int], foreign: int, chunk: int, markers: str
) -> None:
    frames = [
        AccessUnit((b"\x65\x88" + b"\x55" * size, b"\x65\x48" + b"\x56" * size), n, True)
        for n, size in enumerate(sizes)
    ]
    packets = [each.packet for each in send(frames, "h264", mtu=200, markers=markers, sequence=65_530)]
    packets = [each for number, each in enumerate(packets) if number not in dropped]
    packets.insert(foreign % (len(packets) + 1), rtp_packet(b"\x7c\x05other", 5, 0, ssrc=1))
    one_by_one, expected = deliver(h264(), packets)
    stream = b"".join(b"$\x02" + struct.pack(">H", len(each)) + each for each in packets)
    made = h264()
    receiver = RtpReceiver(made, PAYLOAD_TYPE, None)
    samples: list[Sample] = []
    carried = b""
    for at in range(0, len(stream), chunk):
        carried += stream[at : at + chunk]
        view, position = memoryview(carried), 0
        while len(carried) - position >= 4:
            end = position + 4 + int.from_bytes(carried[position + 2 : position + 4], "big")
            if end > len(carried):
                break
            position = receiver.receive_interleaved(view, position + 4, end, len(carried), 0x2402, 9, samples)
        carried = carried[position:]
    made.flush(9, samples)
    assert [(bytes(s.data), s.rtp_time, s.damaged, s.lost_packets) for s in samples] == [
        (bytes(s.data), s.rtp_time, s.damaged, s.lost_packets) for s in one_by_one
    ]
    assert receiver.counters == expected.counters
    assert made.counters.malformed <= len(packets)


def test_fragments_of_h265_keep_layer_and_temporal_id() -> None:
    picture = bytes((38 | 1, 0x0B, 0x80)) + bytes(range(1, 200))
    made = depacketiser("H265", 90000, 0, {})
    payloads = h265_payloads([VPS5, SPS5, PPS5, picture], 70)
    samples = run(made, (0, [(each, each is payloads[-1]) for each in payloads]))
    assert units(samples[0])[-1] == picture

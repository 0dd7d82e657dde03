"""Real footage, packetised by an independent sender, must come out of the depacketiser byte for byte."""

from __future__ import annotations

import base64
import random
from functools import cache

import av
import pytest

from overt.media.boxes import box
from overt.media.depacketise import depacketiser
from overt.media.payload import Depacketiser
from overt.media.samples import CodecConfiguration
from rtp_sender import AccessUnit, Clip, deliver, read_clip, send

CLIPS = (
    "axis_test_h264.mp4",
    "axis_test_h265.mp4",
    "axis_signed_test_h264.mp4",
    "axis_signed_test_h265.mp4",
    "intel_bframes_h264.mp4",
)


@cache
def clip(name: str) -> Clip:
    return read_clip(name)


def frames(source: Clip) -> list[AccessUnit]:
    """Without the signature that ends a signed file: no picture follows that it could go to."""
    last = source.units[-1].nal_units[-1]
    is_sei = last[0] & 0x1F == 6 if source.codec == "h264" else last[0] >> 1 in {39, 40}
    return source.units[:-1] if is_sei else source.units


def with_sdp(source: Clip) -> Depacketiser:
    sets = [base64.b64encode(each).decode() for each in source.parameter_sets]
    if source.codec == "h264":
        return depacketiser("H264", 90000, 0, {"sprop-parameter-sets": ",".join(sets), "packetization-mode": "1"})
    named = {}
    for each, text in zip(source.parameter_sets, sets, strict=True):
        name = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}.get(each[0] >> 1)
        if name:
            named[name] = text
    return depacketiser("H265", 90000, 0, named)


def without_sdp(source: Clip) -> Depacketiser:
    return depacketiser(source.codec.replace("hevc", "h265"), 90000, 0, {})


def in_band(source: Clip) -> list[AccessUnit]:
    """The same frames with the parameter sets before each keyframe."""
    return [
        AccessUnit((*source.parameter_sets, *unit.nal_units), unit.time, unit.keyframe) if unit.keyframe else unit
        for unit in frames(source)
    ]


def configuration_of(made: Depacketiser) -> CodecConfiguration:
    assert made.configuration is not None
    return made.configuration


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize(("mtu", "markers"), [(1400, "end"), (200, "end"), (1400, "each"), (9000, "none")])
def test_every_frame_comes_back_byte_for_byte(name: str, mtu: int, markers: str) -> None:
    source = clip(name)
    units = frames(source)
    made = with_sdp(source)
    first_time = 0xFFFFFFFF - 40_000
    sent = send(units, source.codec, mtu=mtu, markers=markers, sequence=65_500, time=first_time)
    samples, receiver = deliver(made, [each.packet for each in sent])
    assert [bytes(sample.data) for sample in samples] == [unit.stored for unit in units]
    assert [sample.keyframe for sample in samples] == [unit.keyframe for unit in units]
    assert not any(sample.damaged or sample.lost_packets for sample in samples)
    zero = samples[0].rtp_time - units[0].time
    assert [sample.rtp_time - zero for sample in samples] == [unit.time for unit in units]
    counters = receiver.counters
    assert (counters.packets, counters.bytes) == (len(sent), sum(len(each.packet) for each in sent))
    assert (counters.lost, counters.malformed, counters.restarts) == (0, 0, 0)
    assert (made.counters.malformed, made.counters.unconfigured, made.counters.split_frames) == (0, 0, 0)


@pytest.mark.parametrize("name", CLIPS)
def test_the_configuration_is_the_one_that_another_program_wrote(name: str) -> None:
    source = clip(name)
    configuration = configuration_of(with_sdp(source))
    assert (configuration.width, configuration.height) == (source.width, source.height)
    record, entry = source.record, configuration.sample_entry
    if source.codec == "hevc":
        ours = entry[entry.index(b"hvcC") + 4 :]
        assert ours[:22] == record[:22]
        # The arrays themselves: ours are never called complete, and SEI units stay in the samples.
        for each in source.parameter_sets:
            if each[0] >> 1 in {32, 33, 34}:
                assert len(each).to_bytes(2, "big") + each in ours
    else:
        # Older programs leave out the last four bytes, chroma format and bit depths, that High profile asks for.
        tail = b"" if record[1] in {66, 77, 88} or record.endswith(b"\xfd\xf8\xf8\0") else b"\xfd\xf8\xf8\0"
        assert box(b"avcC", record + tail) in entry


@pytest.mark.parametrize("name", CLIPS)
def test_without_sdp_the_first_keyframe_brings_the_configuration(name: str) -> None:
    source = clip(name)
    units = in_band(source)
    made = without_sdp(source)
    samples, _ = deliver(made, [each.packet for each in send(units, source.codec)])
    assert [bytes(sample.data) for sample in samples] == [unit.stored for unit in units]
    expected = configuration_of(with_sdp(source))
    assert all(sample.configuration == expected for sample in samples)
    assert made.counters.unconfigured == 0


@pytest.mark.parametrize("name", CLIPS)
def test_frames_before_the_first_configuration_are_counted(name: str) -> None:
    source = clip(name)
    units = in_band(source)
    delta = next(unit for unit in units if not unit.keyframe)
    early = [AccessUnit(delta.nal_units, -3000 * (3 - n), False) for n in range(3)]
    made = without_sdp(source)
    samples, _ = deliver(made, [each.packet for each in send([*early, *units], source.codec, time=900_000)])
    assert made.counters.unconfigured == 3
    assert len(samples) == len(units)


def test_signatures_in_sei_survive() -> None:
    for name, header, kind in (
        ("axis_signed_test_h264.mp4", 1, 6),
        ("axis_signed_test_h265.mp4", 2, 39),
    ):
        source = clip(name)
        samples, _ = deliver(with_sdp(source), [each.packet for each in send(source.units, source.codec, mtu=300)])
        found = b"".join(bytes(sample.data) for sample in samples)
        wanted = [
            nal_unit
            for unit in frames(source)
            for nal_unit in unit.nal_units
            if (nal_unit[0] & 0x1F if header == 1 else nal_unit[0] >> 1) == kind
        ]
        assert wanted
        assert all(each in found for each in wanted)


@pytest.mark.parametrize("name", ["axis_test_h264.mp4", "axis_test_h265.mp4"])
def test_a_decoder_opens_what_we_describe(name: str) -> None:
    source = clip(name)
    samples, _ = deliver(with_sdp(source), [each.packet for each in send(source.units[:12], source.codec)])
    entry = samples[0].configuration.sample_entry
    name_of_record = b"avcC" if source.codec == "h264" else b"hvcC"
    at = entry.index(name_of_record)
    size = int.from_bytes(entry[at - 4 : at], "big")
    decoder = av.CodecContext.create(source.codec, "r")
    decoder.extradata = entry[at + 4 : at - 4 + size]
    frames = []
    for sample in samples:
        frames += decoder.decode(av.Packet(bytes(sample.data)))
    frames += decoder.decode(None)
    assert len(frames) == len(samples)
    assert {(frame.width, frame.height) for frame in frames} == {(source.width, source.height)}


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("markers", ["end", "each", "none"])
def test_one_lost_packet_damages_one_frame_and_no_other(name: str, markers: str) -> None:
    source = clip(name)
    units = source.units[:30]
    sent = send(units, source.codec, mtu=700, markers=markers)
    packets = [each.packet for each in sent]
    chance = random.Random(name + markers)
    for number in chance.sample(range(1, len(sent) - 1), min(25, len(sent) - 2)):
        samples, receiver = deliver(with_sdp(source), packets, without={number})
        assert receiver.counters.lost == 1
        assert sum(sample.lost_packets for sample in samples) == 1
        whole = {unit.stored for unit in units}
        hurt = sent[number].frame
        flagged = [sample for sample in samples if sample.damaged]
        near = {units[hurt].time}
        if hurt + 1 < len(units):
            near.add(units[hurt + 1].time)
        unproven = markers != "end" or hurt == 1
        if hurt and unproven:
            # Without a marker bit that has proved itself, nobody can tell whether the frame before was complete.
            near.add(units[hurt - 1].time)
        assert flagged
        assert {sample.rtp_time - (1 << 32) for sample in flagged} <= near
        assert all(bytes(sample.data) in whole for sample in samples if not sample.damaged)
        assert len([sample for sample in samples if not sample.damaged]) >= len(units) - 3
        if not unproven:
            assert len(flagged) == 1

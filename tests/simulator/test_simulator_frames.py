"""Marks, NAL units, payloads and sources: what frames are made of."""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError, MissingError
from overt.simulator import FrameMark, demo_persona, frame_mark, frame_number, jpeg, load_persona, nal
from overt.simulator.chance import Chance
from overt.simulator.marks import MARK_UUID, mark_digits, mark_nal_unit
from overt.simulator.reel import VideoPacking, video_reel
from overt.simulator.source import read_source
from overt.simulator.tone import a_law, mu_law, tone_packets

SLICES = {"h264": b"\x65", "h265": b"\x26\x01"}
nal_units = st.lists(
    st.tuples(st.sampled_from([b"\x06", b"\x41", b"\x65"]), st.binary(min_size=1, max_size=600)).map(b"".join),
    min_size=1,
    max_size=5,
)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1), st.sampled_from(["h264", "h265"]), st.binary(max_size=50))
@settings(max_examples=60)
def test_a_mark_is_read_from_both_forms(number, camera, codec, body):
    unit = mark_nal_unit(codec, mark_digits(FrameMark(camera, number)))
    picture = SLICES[codec] + body
    length_prefixed = nal.length_prefixed([unit, picture])
    annex_b = b"\x00\x00\x00\x01" + unit + b"\x00\x00\x01" + picture
    assert frame_mark(length_prefixed, codec) == frame_mark(annex_b, codec) == FrameMark(camera, number)
    assert frame_number(memoryview(annex_b), codec) == number
    assert b"\x00\x00" not in unit, "no emulation prevention is ever needed"


@given(st.binary(max_size=100), st.sampled_from(["h264", "h265", "mjpeg"]))
@settings(max_examples=60)
def test_data_without_a_mark_has_no_number(data, codec):
    assert frame_number(data, codec) is None
    assert frame_number(data + mark_nal_unit("h264")[:30], codec) is None
    broken = mark_nal_unit("h264").replace(b"0" * 20, b"z" * 20)
    assert frame_number(broken, "h264") is None


def test_a_mark_is_the_sei_message_that_the_documentation_describes():
    unit = mark_nal_unit("h265", mark_digits(FrameMark(2, 255)))
    assert unit == b"\x4e\x01\x05\x24" + MARK_UUID.bytes + b"00000000000000ff0002" + b"\x80"


@given(st.binary(max_size=400), st.integers(1, 4))
@settings(max_examples=60)
def test_splitting_bad_samples_is_an_error_and_no_crash(data, length_bytes):
    with suppress(InvalidError):
        assert all(nal.split_length_prefixed(data, length_bytes))
    assert all(nal.split_annex_b(data))
    for codec in ("h264", "h265"):
        with suppress(InvalidError):
            nal.configuration_record(codec, data)


@given(nal_units, st.integers(100, 400), st.booleans())
@settings(max_examples=60)
def test_payloads_carry_every_nal_unit_and_keep_their_size(units, room, aggregate):
    found: list[bytes] = []
    for payload in nal.payloads(nal.H264, units, room, aggregate=aggregate):
        assert len(payload) <= room
        kind = payload[0] & 0x1F
        if kind == 28:
            header = bytes(((payload[0] & 0xE0) | (payload[1] & 0x1F),))
            found = [*found, header + payload[2:]] if payload[1] & 0x80 else [*found[:-1], found[-1] + payload[2:]]
        elif kind == 24:
            at = 1
            while at < len(payload):
                (size,) = struct.unpack_from(">H", payload, at)
                found.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
        else:
            found.append(payload)
    assert found == units


def test_sources_are_read_with_their_own_bytes_and_times(clips):
    for path, codec in ((clips.h264, "h264"), (clips.h264_b, "h264"), (clips.h265, "h265"), (clips.mjpeg, "mjpeg")):
        source = read_source(path)
        assert (source.codec, source.width, source.height, len(source.frames)) == (codec, 96, 64, 40)
        assert source.frames_per_second == pytest.approx(25, rel=0.01)
        assert {frame.duration for frame in source.frames} == {3600}
        assert source.frames[0].keyframe
    assert max(frame.composition for frame in read_source(clips.h264_b).frames) > 3600
    aac = read_source(clips.h264_aac).aac
    assert aac is not None
    assert (aac.sampling_rate, aac.channels) == (16000, 2)


def test_a_frame_is_the_sources_own_with_only_a_mark_more(clips):
    with av.open(str(clips.h264)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    source = read_source(clips.h264)
    plain = video_reel(source, VideoPacking(numbered=False))
    for frame, packet in zip(plain.frames, packets, strict=True):
        kept = [unit for unit in nal.split_length_prefixed(packet, 4) if unit not in source.parameter_sets]
        assert frame.unit == nal.length_prefixed(kept)
    numbered = video_reel(source, VideoPacking())
    for frame, other in zip(numbered.frames, plain.frames, strict=True):
        units = nal.split_length_prefixed(frame.unit, 4)
        assert mark_nal_unit("h264") in units
        assert nal.length_prefixed([unit for unit in units if unit != mark_nal_unit("h264")]) == other.unit


def test_files_that_cannot_be_served_are_refused_by_name(tmp_path, clips):
    with pytest.raises(MissingError, match=r"nothing\.mp4"):
        read_source(tmp_path / "nothing.mp4")
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(Chance(1).block(5000))
    with pytest.raises(InvalidError, match=r"noise\.mp4: cannot be read"):
        read_source(noise)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clips.h264.read_bytes()[:3000])
    with pytest.raises(InvalidError, match=r"cut\.mp4"):
        read_source(cut)


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_bad_jpeg_images_are_errors(data):
    with pytest.raises(InvalidError):
        jpeg.payloads(b"\xff\xd8" + data, 500)


def test_the_packaged_footage_can_be_served_and_is_modest():
    persona = load_persona(demo_persona())
    paths = {camera.source for camera in persona.cameras}
    assert len(persona.cameras) == len(paths) == 6
    assert sum(path.stat().st_size for path in paths) < 12 * 1024 * 1024
    sources = [read_source(path) for path in sorted(paths)]
    assert {source.codec for source in sources} == {"h264", "h265"}
    assert any(frame.composition != source.frames[0].composition for source in sources for frame in source.frames)
    notes = (sources[0].path.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in notes for path in paths)


def test_g711_is_the_standards():
    assert [a_law(sample) for sample in (0, -1, 32767, -32768)] == [0xD5, 0x55, 0xAA, 0x2A]
    assert [mu_law(sample) for sample in (0, 32767, -32767)] == [0xFF, 0x80, 0x00]
    assert [len(packet) for packet in tone_packets("pcma")] == [320] * 25


def test_chance_is_the_same_everywhere():
    assert Chance(1234567).block(8).hex() == "599ed017fb08fc85", "the first value of SplitMix64 for this seed"
    assert hashlib.sha256(Chance(7).block(1000)).hexdigest()[:16] == "da660f616eedc35e"
    assert all(0 <= Chance(seed).below(10) < 10 for seed in range(100))

"""Parameter sets of real cameras and of encoders, against what another decoder reads from them."""

from __future__ import annotations

import struct
from contextlib import suppress
from fractions import Fraction

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media import h264_parameter_sets, h265_parameter_sets
from overt.media.bits import BitReader, rbsp
from overt.media.boxes import box
from overt.media.depacketise import depacketiser
from overt.media.h264_parameter_sets import H264ParameterSets
from overt.media.h265_parameter_sets import H265ParameterSets
from overt.media.parameter_sets import bare_parameter_set, nal_units_of_sprop
from overt.media.samples import CodecConfiguration
from rtp_sender import avc_sets, hevc_sets

H264_CAMERAS = {
    "anpviz": ("Z01AH5WgLASabAQ=,aO48gA==", "avc1.4d401f", 704, 576),
    "bunny": ("Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==", "avc1.42c01e", 240, 160),
    "dahua": ("Z2QAHqwsaoLA9puCgIKgAAADACAAAAMD0IAA,aO4xshsA", "avc1.64001e", 704, 480),
    "foscam": ("Z00AH5WoFAFuQA==,aO48gA==", "avc1.4d001f", 1280, 720),
    "gw main": ("Z00AKpWoHgCJ+WbgICAgQAAAAAE=,aO48gAAAAAE=", "avc1.4d002a", 1920, 1080),
    "gw sub": ("Z00AHpWoLQ9puAgICBAAAAAB,aO48gAAAAAE=", "avc1.4d001e", 720, 480),
    "h264dvr": ("Z0IAKZY1QPAET8s3AQEBQAAAAwBAAAAHoQ==,aM4xsg==", "avc1.420029", 1920, 1080),
    "hikvision": ("Z00AKZpkA8ARPyzUBAQFAAADA+gAAOpgBA==,aO48gA==", "avc1.4d0029", 1920, 1080),
    "ipcam": ("J00AII1qBQB5oQAAAwABAAADACiE,KO48gA==", "avc1.4d0020", 1280, 960),
    "macrovideo": ("J03gKI1oBQBboQAAAwABAAADACgPFCKg,KO4BNJI=", "avc1.4de028", 1280, 720),
    "reolink": ("Z2QAM6zoAoALWQ==,aO48MA==", "avc1.640033", 2560, 1440),
    "ubiquiti": ("Z01AKo2NQDwBE/LgLcBAQFAAAD6AABX5CdoIhGo=,aO44gA==", "avc1.4d402a", 1920, 1080),
}
H265_CAMERAS = {
    "anjvision": (
        "QAEMAf//AUAAAAMAAAMAAAMAAAMAmawJ",
        "QgEBAUAAAAMAAAMAAAMAAAMAmaACgIAsH+Wu5Gwa5VE1BQYFAIA=",
        "RAHAc8BBgwk=",
        "hvc1.1.2.L153",
        1280,
        704,
    ),
    "dahua": (
        "QAEMAf//AWAAAAMAsAAAAwAAAwBarAwAAAMABAAAAwAyqA==",
        "QgEBAWAAAAMAsAAAAwAAAwBaoAWCAeFja5JFL83BQYFBAAADAAEAAAMADKE=",
        "RAHA8saNA7NA",
        "hvc1.1.6.L90.B0",
        704,
        480,
    ),
}


def size_by_another_decoder(codec: str, nal_units: list[bytes]) -> tuple[int, int]:
    context = av.CodecContext.create(codec, "r")
    byte_stream = b"".join(b"\0\0\0\1" + bare_parameter_set(each) for each in nal_units)
    context.extradata = byte_stream
    context.open()
    if codec == "h264":
        # This one looks at parameter sets only when a slice refers to them.
        context.parse(byte_stream + b"\0\0\0\1\x65\x88\x84\x00")
        context.parse(b"")
    return context.width, context.height


def configured(name: str, fmtp: dict[str, str]) -> CodecConfiguration:
    made = depacketiser(name, 90000, 0, fmtp)
    assert made.counters.malformed == 0
    assert made.configuration is not None
    return made.configuration


@pytest.mark.parametrize("camera", H264_CAMERAS)
def test_h264_of_real_cameras(camera: str) -> None:
    sprop, codecs, width, height = H264_CAMERAS[camera]
    found = configured("h264", {"Sprop-Parameter-Sets": sprop})
    assert (found.rfc6381, found.width, found.height) == (codecs, width, height)
    assert size_by_another_decoder("h264", nal_units_of_sprop([sprop])) == (width, height)
    assert b"\0\0\0\1" not in avc_record(found)
    assert avc_sets(avc_record(found)) == [bare_parameter_set(each) for each in nal_units_of_sprop([sprop])]


@pytest.mark.parametrize("camera", H265_CAMERAS)
def test_h265_of_real_cameras(camera: str) -> None:
    vps, sps, pps, codecs, width, height = H265_CAMERAS[camera]
    found = configured("H265", {"sprop-vps": vps, "sprop-sps": sps, "sprop-pps": pps})
    assert (found.rfc6381, found.width, found.height) == (codecs, width, height)
    assert size_by_another_decoder("hevc", nal_units_of_sprop([vps, sps, pps])) == (width, height)


def test_config_serves_where_sprop_is_missing() -> None:
    annex_b = "00000001674d401f95a02c049a6c040000000168ee3c800000000106f02c0445"
    assert configured("H264", {"config": annex_b}).width == 704
    annex_b = (
        "0000000140010c01ffff01400000030000030000030000030099ac0900000001420101014000000300000300000300000300"
        "99a00280802c1fe5aee46c1ae551350506050080000000014401c073c0418309"
    )
    assert configured("H265", {"config": annex_b}).height == 704


@pytest.mark.parametrize("sprop", ["", ",", "!!!!", "Z00", "AAAAAQ==", "Z00AKQ==,aO48gA==", "aO48gA=="])
def test_unusable_parameter_sets_leave_the_stream_to_tell(sprop: str) -> None:
    assert depacketiser("H264", 90000, 0, {"sprop-parameter-sets": sprop}).configuration is None


def avc_record(configuration: CodecConfiguration) -> bytes:
    entry = configuration.sample_entry
    at = entry.index(b"avcC")
    return entry[at + 4 : at - 4 + int.from_bytes(entry[at - 4 : at], "big")]


# Records that x264 and x265 made through another program's muxer, with what its prober says of them.
H264_RECORDS = {
    "plain": (
        "0164000affe100166764000aacb208f60220000003002000000641e244c901000668ebc3cb22c0fdf8f800",
        64,
        48,
        0,
        None,
    ),
    "B-frames, cropped": (
        "0164000affe1001a6764000aacd105279a23011000000300100000030320f122512001000668ebe3cb22c0fdf8f800",
        *(70, 50, 1, None),
    ),
    "B-pyramid": (
        "0164000affe1001a6764000aacd945279a23011000000300100000030320f122596001000668ebe3cb22c0fdf8f800",
        *(70, 50, 2, None),
    ),
    "4:2:2, scaling lists": (
        "017a000affe10018677a000abcb20afc446e0220000003002000000641e244c901000768ebc3cb3002c0fef8f800",
        *(66, 36, 0, None),
    ),
    "4:4:4, scaling lists": (
        "01f4000affe1001a67f4000a9196415f8f8fc044000003000400000300c83c48992001000868ebc3c44c000440fff8f800",
        *(66, 34, 0, None),
    ),
    "interlaced": (
        "01640015ffe1001767640015ace419bf3e0220000003002000000643e2854901000668fb83cb22c0fdf8f800",
        *(96, 72, 0, None),
    ),
    "interlaced, cropped, HRD": (
        "01640015ffe1002167640015ace419bf36022000000300200000064c0400c340030d5261807c50a92001000668fb83cb22c0fdf8f800",
        *(96, 76, 0, None),
    ),
    "grey, 4:3 samples": (
        "0164000affe100186764000af2c823fde1c2000003000200000300641e244c9001000668ebc3cb22c0fcf8f800",
        *(64, 46, 0, "4:3"),
    ),
    "10 bits, 23:13 samples": (
        "016e000affe10021676e000aa6cb208ff5ff800b8006b7010202b7000003000100000300320f12264801000668ebc3cb22c0fdfafa00",
        *(64, 46, 0, "23:13"),
    ),
}
H265_RECORDS = {
    "plain": (
        (
            "0101600000009000000000001ef000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003001e9280902100010027"
            "42010101600000030090000003000003001ea0208316592ae4caf0168080000003008000000c8422000100064401c173d089"
        ),
        *(64, 48, 0, None),
    ),
    "B-frames, cropped": (
        (
            "0101600000009000000000001ef000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003001e911409210001002a"
            "42010101600000030090000003000003001ea024839d4996445b932bc05a02000003000200000300321022000100064401c173d189"
        ),
        *(70, 50, 1, None),
    ),
    "B-pyramid": (
        (
            "0101600000009000000000001ef000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003001e959809210001002a"
            "42010101600000030090000003000003001ea024839d4996566b932bc05a02000003000200000300321022000100064401c173d189"
        ),
        *(70, 50, 2, None),
    ),
    "4:2:2": (
        (
            "0104080000009d08000000001ef000fcfef8f800000f03200001001740010c01ffff0408000003009d0800000300001e928090210001002842"
            "01010408000003009d0800000300001eb024812724b964a924e5780b404000000300400000064222000100074401c172b42240"
        ),
        *(66, 68, 0, None),
    ),
    "10 bits, two sub-layers, HRD": (
        (
            "0102200000009000000000001ef000fcfdfafa00000f04200001001840010c01ffff02200000030090000003000003001e9590092100010033"
            "42010102200000030090000003000003001ea0208104d96564924caf016808000003000800000300cb0064b2f0030d000c3510220001000744"
            "01c172b4224027000100064e0181010f80"
        ),
        *(64, 64, 2, None),
    ),
    "4:4:4, scaling lists, 12:11 samples": (
        (
            "0104080000009e08000000001ef000fcfff8f800000f03200001001740010c01ffff0408000003009e0800000300001e928090210001002a42"
            "01010408000003009e0800000300001e90049024e79f2c95249caf026808000003000800000300c84022000100084401c172860c4224"
        ),
        *(66, 66, 0, "12:11"),
    ),
    "23:13 samples": (
        (
            "0101600000009000000000001ef000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003001e9280902100010031"
            "42010101600000030090000003000003001ea01020416592a4932bffc005c0035b8081015b08000003000800000300c84022000100074401c1"
            "72b42240"
        ),
        *(128, 64, 0, "23:13"),
    ),
}


def aspect(configuration: CodecConfiguration) -> str | None:
    entry = configuration.sample_entry
    at = entry.find(b"pasp")
    return None if at < 0 else ":".join(str(each) for each in struct.unpack_from(">II", entry, at + 4))


@pytest.mark.parametrize("case", H264_RECORDS)
def test_h264_of_an_encoder(case: str) -> None:
    text, width, height, reorder, samples = H264_RECORDS[case]
    record = bytes.fromhex(text)
    sets = H264ParameterSets(90000)
    for each in avc_sets(record):
        sets.offer(each)
    found = sets.configure()
    assert found is not None
    assert (found.width, found.height, found.reorder_depth, aspect(found)) == (width, height, reorder, samples)
    assert box(b"avcC", record) in found.sample_entry
    sps = h264_parameter_sets.parse_sps(avc_sets(record)[0])
    assert sps.usability.ticks_per_second is not None
    assert Fraction(*sps.usability.ticks_per_second) == 50


@pytest.mark.parametrize("case", H265_RECORDS)
def test_h265_of_an_encoder(case: str) -> None:
    text, width, height, reorder, samples = H265_RECORDS[case]
    record = bytes.fromhex(text)
    sets = H265ParameterSets(90000)
    for each in hevc_sets(record):
        if each[0] >> 1 in {32, 33, 34}:
            sets.offer(each)
    found = sets.configure()
    assert found is not None
    assert (found.width, found.height, found.reorder_depth, aspect(found)) == (width, height, reorder, samples)
    ours = found.sample_entry[found.sample_entry.index(b"hvcC") + 4 :]
    assert ours[:22] == record[:22]


def test_rfc6381_of_h265_profiles() -> None:
    def name(profile: str, level: int) -> str:
        sps = h265_parameter_sets.SequenceParameterSet(
            0, bytes.fromhex(profile), level, 1, True, 1, 8, 8, 64, 64, 0, h265_parameter_sets.VideoUsability()
        )
        return sps.rfc6381

    assert name("01 60000000 b00000000000", 93) == "hvc1.1.6.L93.B0"
    assert name("22 20000000 900000000000", 120) == "hvc1.2.4.H120.90"
    assert name("84 08000000 8d8000000000", 30) == "hvc1.B4.10.L30.8D.80"
    assert name("01 60000000 000000000000", 93) == "hvc1.1.6.L93"


def test_a_new_parameter_set_replaces_the_one_with_its_id_and_an_equal_one_changes_nothing() -> None:
    sets = H264ParameterSets(90000)
    for each in nal_units_of_sprop([H264_CAMERAS["hikvision"][0]]):
        sets.offer(each)
    first = sets.configure()
    for each in nal_units_of_sprop([H264_CAMERAS["hikvision"][0]]):
        sets.offer(each + b"\0\0")
    assert not sets.changed
    sets.offer(nal_units_of_sprop([H264_CAMERAS["reolink"][0]])[0])
    assert sets.changed
    second = sets.configure()
    assert first is not None
    assert second is not None
    assert (second.width, second.height) == (2560, 1440)
    assert len(avc_sets(avc_record(second))) == 2


def test_bits_are_bounded() -> None:
    with pytest.raises(InvalidError):
        BitReader(b"\0" * 100).ue()
    with pytest.raises(InvalidError):
        BitReader(b"\x80").bits(9)
    with pytest.raises(InvalidError):
        BitReader(b"\x10").ue(6)
    assert [BitReader(bytes([byte])).se() for byte in (0x80, 0x40, 0x60, 0x20, 0x28)] == [0, 1, -1, 2, -2]


@given(st.lists(st.integers(0, (1 << 32) - 2), max_size=20))
@settings(max_examples=50)
def test_exp_golomb_round_trip(values: list[int]) -> None:
    text = "".join(f"{value + 1:b}".rjust(2 * (value + 1).bit_length() - 1, "0") for value in values)
    data = int((text + "1").ljust(-(-(len(text) + 1) // 8) * 8, "0"), 2).to_bytes(-(-(len(text) + 1) // 8), "big")
    reader = BitReader(data)
    assert [reader.ue() for _ in values] == values


@given(st.binary(max_size=60))
@settings(max_examples=100)
def test_emulation_prevention(data: bytes) -> None:
    escaped = bytearray()
    zeros = 0
    for byte in data:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    assert rbsp(bytes(escaped)) == data


@given(st.binary(min_size=1, max_size=200), st.sampled_from([0x67, 0x68, 0x40, 0x42, 0x44]))
@settings(max_examples=150)
def test_arbitrary_parameter_sets_raise_nothing_but_our_error(data: bytes, head: int) -> None:
    nal_unit = bytes([head, 1]) + data
    for sets in (H264ParameterSets(90000), H265ParameterSets(90000)):
        with suppress(InvalidError):
            sets.offer(nal_unit)
            sets.configure()


@given(st.sampled_from(sorted(H264_CAMERAS)), st.integers(0, 400), st.integers(1, 40))
@settings(max_examples=80)
def test_damaged_real_parameter_sets_raise_nothing_but_our_error(camera: str, bit: int, length: int) -> None:
    for nal_unit in nal_units_of_sprop([H264_CAMERAS[camera][0]]):
        broken = bytearray(nal_unit)
        broken[bit // 8 % len(broken)] ^= 1 << bit % 8
        for variant in (bytes(broken), nal_unit[:length]):
            with suppress(InvalidError):
                h264_parameter_sets.parse_sps(variant)

"""AAC and G.711: packets of several units, fragments, configurations that cameras write, lies."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media.aac import AudioSpecificConfig, parse_audio_specific_config
from overt.media.depacketise import depacketiser
from overt.media.payload import Depacketiser
from rtp_sender import deliver, rtp_packet

HBR = {"mode": "AAC-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}
WRAP = 1 << 32


def aac(config: str = "1188", **fmtp: str) -> Depacketiser:
    return depacketiser("mpeg4-generic", 48000, 0, {**HBR, "config": config, **fmtp})


def hbr(units: Sequence[bytes], *, whole: int | None = None) -> bytes:
    """AAC-hbr: 13 bits of size and 3 of index; `whole` is the true size where the unit is a fragment."""
    headers = b"".join(struct.pack(">H", (len(unit) if whole is None else whole) << 3) for unit in units)
    return struct.pack(">H", 8 * len(headers)) + headers + b"".join(units)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1188", AudioSpecificConfig(2, 48000, 1, 1024)),
        ("1408", AudioSpecificConfig(2, 16000, 1, 1024)),
        ("1490", AudioSpecificConfig(2, 12000, 2, 1024)),
        ("1210", AudioSpecificConfig(2, 44100, 2, 1024)),
        ("15881a10", AudioSpecificConfig(2, 8000, 1, 1024)),
        ("2b92 0800", AudioSpecificConfig(5, 22050, 2, 1024)),
        ("1780 3e80 08", AudioSpecificConfig(2, 32000, 1, 1024)),
        ("118c", AudioSpecificConfig(2, 48000, 1, 960)),
        ("f8e8 4000", AudioSpecificConfig(39, 44100, 2, 512)),
        ("f8e8 5000", AudioSpecificConfig(39, 44100, 2, 480)),
        ("1180", AudioSpecificConfig(2, 48000, 0, 1024)),
    ],
)
def test_audio_specific_config(text: str, expected: AudioSpecificConfig) -> None:
    assert parse_audio_specific_config(bytes.fromhex(text)) == expected


@pytest.mark.parametrize("text", ["", "11", "1688", "16f8", "11c0", "1780", "17800000 08"])
def test_impossible_audio_specific_configs(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_audio_specific_config(bytes.fromhex(text))


@pytest.mark.parametrize(
    ("rate", "channels", "fmtp", "expected"),
    [
        # What real cameras write: capital letters, static payload types, a profile without channels.
        (48000, 1, {"SizeLength": "13", "IndexLength": "3", "mode": "AAC-hbr", "config": "1188"}, (48000, 1)),
        (16000, 2, {"config": "1408"}, (16000, 1)),
        (48000, 0, {**HBR, "config": "1188", "streamtype": "5"}, (48000, 1)),
        (12000, 2, {**HBR, "config": '"1490"'}, (12000, 2)),
        (16000, 0, dict(HBR), (16000, 1)),
        (44100, 2, dict(HBR), (44100, 2)),
        (17000, 1, dict(HBR), (17000, 1)),
        (0, 0, {**HBR, "config": "1210"}, (44100, 2)),
    ],
)
def test_descriptions_of_real_cameras(
    rate: int, channels: int, fmtp: dict[str, str], expected: tuple[int, int]
) -> None:
    made = depacketiser("MPEG4-GENERIC", rate, channels, fmtp)
    found = made.configuration
    assert found is not None
    assert (found.timescale, found.channels) == expected
    assert (found.kind, found.codec, found.rfc6381) == ("audio", "aac", "mp4a.40.2")
    samples, _ = deliver(made, [rtp_packet(hbr([b"unit"]), 0, 5)])
    assert [(bytes(sample.data), sample.rtp_time) for sample in samples] == [(b"unit", WRAP + 5)]


@pytest.mark.parametrize(
    "fmtp",
    [
        {"mode": "generic"},
        {"mode": "AAC-hbr", "config": "zz"},
        {"mode": "AAC-hbr", "config": "1"},
        {"mode": "AAC-hbr", "sizelength": "-1"},
        {"mode": "AAC-hbr", "sizelength": "99"},
        {"mode": "AAC-hbr", "indexlength": "many"},
    ],
)
def test_descriptions_that_cannot_be_understood(fmtp: dict[str, str]) -> None:
    with pytest.raises(InvalidError):
        depacketiser("MPEG4-GENERIC", 48000, 1, fmtp)


def test_several_units_in_a_packet() -> None:
    samples, _ = deliver(aac(), [rtp_packet(hbr([b"one", b"two!", b"3"]), 0, 1000, marker=True)])
    assert [(bytes(sample.data), sample.rtp_time - WRAP) for sample in samples] == [
        (b"one", 1000),
        (b"two!", 2024),
        (b"3", 3048),
    ]
    assert all(sample.keyframe for sample in samples)


def test_a_unit_in_several_packets() -> None:
    unit = bytes(range(200))
    made = aac()
    packets = [rtp_packet(hbr([unit[at : at + 90]], whole=200), at // 90, 7, marker=at == 180) for at in (0, 90, 180)]
    samples, _ = deliver(made, [*packets, rtp_packet(hbr([b"next"]), 3, 1031)])
    assert [bytes(sample.data) for sample in samples] == [unit, b"next"]
    for missing in (0, 1, 2):
        samples, receiver = deliver(
            aac(),
            [rtp_packet(hbr([b"x"]), 0xFFFF, 0), *packets, rtp_packet(hbr([b"next"]), 3, 9)],
            without={missing + 1},
        )
        assert [bytes(sample.data) for sample in samples] == [b"x", b"next"]
        assert [sample.lost_packets for sample in samples] == [0, 1]
        assert receiver.counters.lost == 1


def test_low_rate_mode_and_further_header_fields() -> None:
    low = depacketiser("MPEG4-GENERIC", 8000, 1, {"mode": "AAC-lbr", "config": "1588"})
    payload = struct.pack(">HBB", 16, 3 << 2, 2 << 2) + b"abcde"
    samples, _ = deliver(low, [rtp_packet(payload, 0, 0)])
    assert [bytes(sample.data) for sample in samples] == [b"abc", b"de"]
    generic = depacketiser(
        "MPEG4-GENERIC",
        8000,
        1,
        {
            "mode": "generic",
            "config": "1588",
            "sizelength": "8",
            "ctsdeltalength": "7",
            "randomaccessindication": "1",
            "streamstateindication": "2",
            "auxiliarydatasizelength": "8",
        },
    )
    # Size 3, a CTS of 7 bits, random access, 2 bits of state; size 2, no CTS; 9 bits of auxiliary data.
    bits = "00000011" + "1" + "0000001" + "1" + "00" + "00000010" + "0" + "0" + "01"
    headers = int(bits.ljust(32, "0"), 2).to_bytes(4, "big")
    payload = struct.pack(">H", len(bits)) + headers + bytes((9, 0xFF, 0x80)) + b"abcde"
    samples, _ = deliver(generic, [rtp_packet(payload, 0, 0)])
    assert [bytes(sample.data) for sample in samples] == [b"abc", b"de"]


@pytest.mark.parametrize(
    "payload",
    [
        b"\0",
        b"\0\0",
        b"\0\0unit",
        b"\xff\xff" + bytes(10),
        struct.pack(">H", 16) + b"\0",
        hbr([b"abc", b"def"])[:-1],
        struct.pack(">H", 16 * 200) + bytes(400),
    ],
)
def test_malformed_audio_packets_are_counted(payload: bytes) -> None:
    made = aac()
    packets = [rtp_packet(payload, 0, 0), rtp_packet(hbr([b"next"]), 1, 1024)]
    samples, _ = deliver(made, packets)
    assert bytes(samples[-1].data) == b"next"
    assert made.counters.malformed == 1


def test_what_an_encoder_makes_is_described_alike() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate = 16000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        config = bytes(container.streams.audio[0].codec_context.extradata or b"")
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    found = depacketiser("MPEG4-GENERIC", 16000, 1, {"mode": "AAC-hbr", "config": config.hex()})
    assert found.configuration is not None
    entry = found.configuration.sample_entry
    written = file.getvalue()
    at = written.index(b"mp4a", written.index(b"stsd")) - 4
    # The entry's own fields are equal; in the descriptors, what a decoder uses.
    assert entry[8:36] == written[at + 8 : at + 36]
    assert bytes((5, len(config))) + config in entry
    assert b"\x40\x15" in entry
    samples, _ = deliver(found, [rtp_packet(hbr([each]), n, 1024 * n) for n, each in enumerate(packets)])
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = config
    decoded = [frame for sample in samples for frame in decoder.decode(av.Packet(bytes(sample.data)))]
    assert sum(frame.samples for frame in decoded) >= 1024


@pytest.mark.parametrize(("name", "codec", "entry"), [("PCMA", "pcma", "alaw"), ("pcmu", "pcmu", "ulaw")])
def test_g711(name: str, codec: str, entry: str) -> None:
    made = depacketiser(name, 0, 0, {"vad": "no"})
    found = made.configuration
    assert found is not None
    assert (found.codec, found.rfc6381, found.timescale, found.channels) == (codec, entry, 8000, 1)
    assert found.sample_entry[4:8] == entry.encode()
    assert struct.unpack(">I", found.sample_entry[:4])[0] == len(found.sample_entry) == 36
    samples, _ = deliver(
        made, [rtp_packet(b"a" * 160, 0, 0, marker=True), rtp_packet(b"b" * 160, 1, 160), rtp_packet(b"c", 4, 640)]
    )
    assert [(bytes(sample.data)[:1], sample.lost_packets) for sample in samples] == [(b"a", 0), (b"b", 0), (b"c", 2)]
    assert not any(sample.damaged for sample in samples)


def test_formats_that_are_not_recorded() -> None:
    for name in ("opus", "VND.ONVIF.METADATA", "", "MP4V-ES", "x" * 500):
        with pytest.raises(InvalidError, match="not recorded"):
            depacketiser(name, 90000, 0, {})


@given(st.lists(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=6), max_size=8))
@settings(max_examples=60)
def test_any_audio_units_come_back(packets: list[list[bytes]]) -> None:
    made = aac()
    samples, _ = deliver(made, [rtp_packet(hbr(units), n, 10_000 * n) for n, units in enumerate(packets)])
    assert [bytes(sample.data) for sample in samples] == [unit for units in packets for unit in units]


@given(st.lists(st.binary(max_size=60), max_size=20))
@settings(max_examples=80)
def test_arbitrary_audio_payloads_never_raise(payloads: list[bytes]) -> None:
    made = aac()
    samples, _ = deliver(made, [rtp_packet(each, n, n // 3) for n, each in enumerate(payloads)])
    assert sum(len(sample.data) for sample in samples) <= sum(map(len, payloads))


@given(st.dictionaries(st.sampled_from(sorted([*HBR, "config", "ctsdeltalength"])), st.text(max_size=12)))
@settings(max_examples=80)
def test_arbitrary_audio_descriptions_raise_nothing_but_our_error(fmtp: dict[str, str]) -> None:
    try:
        made = depacketiser("MPEG4-GENERIC", 48000, 1, fmtp)
    except InvalidError:
        return
    assert made.configuration is not None

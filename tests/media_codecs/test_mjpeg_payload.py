"""Motion JPEG: pictures come back decodable, with the tables and sizes that were left out."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.media.depacketise import depacketiser
from overt.media.jpeg_headers import quantisation_tables
from overt.media.payload import Depacketiser
from rtp_sender import deliver, rtp_packet


@dataclass(frozen=True)
class Picture:
    """A JPEG file taken apart."""

    width: int
    height: int
    tables: bytes
    interval: int
    data: bytes
    whole: bytes


def take_apart(jpeg: bytes) -> Picture:
    tables: dict[int, bytes] = {}
    interval, size, position = 0, (0, 0), 2
    while True:
        marker, length = struct.unpack_from(">HH", jpeg, position)
        body = jpeg[position + 4 : position + 2 + length]
        position += 2 + length
        if marker == 0xFFDB:
            for at in range(0, len(body), 65):
                tables[body[at]] = body[at + 1 : at + 65]
        elif marker == 0xFFDD:
            (interval,) = struct.unpack(">H", body)
        elif marker == 0xFFC0:
            size = struct.unpack_from(">HH", body, 1)
        elif marker == 0xFFDA:
            break
    both = b"".join(tables[key] for key in sorted(tables))
    return Picture(size[1], size[0], both, interval, jpeg[position:], jpeg)


@cache
def picture(width: int, height: int, pixels: str = "yuvj420p") -> Picture:
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pixels
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"huffman": "default"}
    frame = av.VideoFrame(width, height, pixels)
    for plane in frame.planes:
        plane.update(bytes((7 * at * at) % 251 for at in range(plane.buffer_size)))
    return take_apart(bytes(encoder.encode(frame)[0]))


def payloads(
    source: Picture,
    mtu: int = 500,
    *,
    kind: int = 1,
    quality: int = 255,
    tables: bytes | None = None,
    interval: int = 0,
) -> list[bytes]:
    """RFC 2435 §3.1; tables in-band from quality 128 on."""
    tables = source.tables if tables is None else tables
    found = []
    for at in range(0, len(source.data), mtu):
        head = struct.pack(">IBBBB", at, kind, quality, source.width // 8 & 0xFF, source.height // 8 & 0xFF)
        if kind & 64:
            head += struct.pack(">HH", interval or source.interval, 0xFFFF)
        if at == 0 and quality >= 128:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        found.append(head + source.data[at : at + mtu])
    return found


def packets(*frames: list[bytes], markers: bool = True) -> list[bytes]:
    made: list[bytes] = []
    for number, frame in enumerate(frames):
        for at, payload in enumerate(frame):
            made.append(rtp_packet(payload, len(made), 3600 * number, marker=markers and at == len(frame) - 1))
    return made


def mjpeg(**fmtp: str) -> Depacketiser:
    return depacketiser("JPEG", 90000, 0, {key.replace("_", "-"): value for key, value in fmtp.items()})


def pixels_of(jpeg: bytes) -> tuple[int, int, bytes]:
    decoder = av.CodecContext.create("mjpeg", "r")
    (frame,) = decoder.decode(av.Packet(jpeg))
    assert isinstance(frame, av.VideoFrame)
    rows = []
    for plane in frame.planes:
        raw = bytes(plane)
        rows += [raw[at : at + plane.width] for at in range(0, plane.height * plane.line_size, plane.line_size)]
    return frame.width, frame.height, b"".join(rows)


@pytest.mark.parametrize("restart", [False, True])
def test_a_picture_decodes_to_the_same_pixels(restart: bool) -> None:
    source = picture(64, 48)
    if not restart:
        # The encoder puts restart markers between rows: without an interval they must not be there.
        source = stairs(vertical=2)
    frame = payloads(source, kind=65 if restart else 1)
    samples, _ = deliver(mjpeg(), packets(frame, frame))
    assert len(samples) == 2
    for sample in samples:
        assert sample.keyframe
        assert not sample.damaged
        assert (b"\xff\xdd\0\4" + struct.pack(">H", source.interval) in sample.data) == restart
        if restart:
            assert pixels_of(bytes(sample.data)) == pixels_of(source.whole)
    configuration = samples[0].configuration
    assert (configuration.width, configuration.height, configuration.rfc6381) == (64, 48, "mp4v.6C")
    assert configuration.sample_entry[4:8] == b"mp4v"
    assert b"\x6c\x11" in configuration.sample_entry
    assert samples[1].configuration is configuration


def stairs(vertical: int) -> Picture:
    """64 x 48, each luminance block a little brighter than the one before it in the order of coding."""
    # DC difference 1 is category 1, "010", and the bit 1; the end of a block is "1010", in chrominance "00".
    unit = "01011010" * 2 * vertical + "0000" * 2
    text = unit * (4 * 6 // vertical)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big")
    return Picture(64, 48, bytes([16]) * 128, 0, data, b"")


@pytest.mark.parametrize("vertical", [1, 2])
def test_blocks_are_where_their_type_puts_them(vertical: int) -> None:
    (sample,) = deliver(mjpeg(), packets(payloads(stairs(vertical), kind=vertical - 1)))[0]
    width, height, planes = pixels_of(bytes(sample.data))
    assert (width, height) == (64, 48)
    for row in range(6):
        for column in range(8):
            if vertical == 1:
                number = 8 * row + column
            else:
                number = 4 * (4 * (row // 2) + column // 2) + 2 * (row % 2) + column % 2
            assert planes[64 * (8 * row + 3) + 8 * column + 3] == 128 + 2 * (number + 1)


def test_tables_of_a_quality() -> None:
    plain = quantisation_tables(50)
    # T.81 tables K.1 and K.2 read along figure A.6.
    assert list(plain[:10]) == [16, 11, 12, 14, 12, 10, 16, 14, 13, 14]
    assert list(plain[64:74]) == [17, 18, 18, 24, 21, 24, 47, 26, 26, 47]
    assert plain[63] == plain[127] == 99
    assert set(quantisation_tables(99)) <= set(range(1, 3))
    assert max(quantisation_tables(1)) == 255
    samples, _ = deliver(mjpeg(), packets(payloads(picture(32, 32), quality=50)))
    assert b"\xff\xdb\0\x43\0" + plain[:64] in samples[0].data
    assert b"\xff\xdb\0\x43\1" + plain[64:] in samples[0].data


def test_tables_are_remembered_by_their_quality() -> None:
    source = picture(64, 48)
    again = payloads(source, quality=200, tables=b"")
    made = mjpeg()
    samples, _ = deliver(made, packets(again, payloads(source, quality=200), again))
    assert len(samples) == 2
    assert samples[0].data == samples[1].data
    assert made.counters.malformed == 1
    made = mjpeg()
    samples, _ = deliver(made, packets(payloads(source), payloads(source, tables=b"")))
    assert len(samples) == 1


def test_one_table_and_wide_tables() -> None:
    source = picture(64, 48)
    (sample,) = deliver(mjpeg(), packets(payloads(source, tables=source.tables[:64])))[0]
    assert pixels_of(bytes(sample.data))[:2] == (64, 48)
    wide = b"".join(struct.pack(">H", value) for value in source.tables[:64]) + source.tables[64:128].ljust(64, b"\x10")
    frame = payloads(source, tables=wide)
    frame[0] = frame[0][:9] + b"\x01" + frame[0][10:]
    (sample,) = deliver(mjpeg(), packets(frame))[0]
    assert b"\xff\xc1" in sample.data


def test_a_lost_packet_leaves_the_upper_part() -> None:
    source = picture(160, 120)
    frame = payloads(source, 400)
    sent = packets(frame, frame, frame)
    assert len(frame) > 3
    for missing in range(len(frame), 2 * len(frame)):
        samples, _ = deliver(mjpeg(), sent, without={missing})
        whole = [sample for sample in samples if not sample.damaged]
        hurt = [sample for sample in samples if sample.damaged]
        assert len(hurt) == 1
        assert sum(sample.lost_packets for sample in samples) == 1
        assert bytes(hurt[0].data).endswith(b"\xff\xd9")
        if missing == len(frame):
            # Without its beginning there is no picture; the next one tells of it.
            assert len(whole) == 1
        else:
            assert len(whole) == 2
            assert pixels_of(bytes(hurt[0].data))[:2] == (160, 120)


def test_cameras_without_markers() -> None:
    frame = payloads(picture(64, 48))
    samples, _ = deliver(mjpeg(), packets(frame, frame, frame, markers=False))
    assert [sample.damaged for sample in samples] == [False] * 3
    samples, _ = deliver(mjpeg(), packets(frame, frame)[:-1])
    assert [sample.damaged for sample in samples] == [False, True]


def test_a_size_that_changes_and_one_that_does_not_fit() -> None:
    samples, _ = deliver(mjpeg(), packets(payloads(picture(64, 48)), payloads(picture(32, 32))))
    assert [sample.configuration.width for sample in samples] == [64, 32]
    frame = payloads(picture(64, 48))
    frame = [each[:6] + b"\0\0" + each[8:] for each in frame]
    made = mjpeg()
    assert not deliver(made, packets(frame))[0]
    assert made.counters.malformed == 1
    (sample,) = deliver(mjpeg(x_dimensions="2592,1944"), packets(frame))[0]
    assert (sample.configuration.width, sample.configuration.height) == (2592, 1944)
    for odd in ("", "x", "1,", "-5,5", "99999,7"):
        assert not deliver(mjpeg(x_dimensions=odd), packets(frame))[0]


@pytest.mark.parametrize("kind", [2, 63, 66, 128, 255])
def test_types_that_are_not_defined(kind: int) -> None:
    made = mjpeg()
    samples, _ = deliver(made, packets([struct.pack(">IBBBB", 0, kind, 50, 8, 6) + b"data"]))
    assert not samples
    assert made.counters.malformed == 1


HEADS = st.builds(
    lambda offset, kind, quality, body: struct.pack(">IBBBB", offset, kind, quality, 4, 4) + body,
    st.one_of(st.integers(0, 60), st.integers(0, (1 << 32) - 1)),
    st.sampled_from([0, 1, 64, 65, 3]),
    st.sampled_from([0, 50, 127, 128, 200, 255]),
    st.one_of(st.binary(max_size=60), st.just(bytes(2) + b"\0\x40" + bytes(80))),
)


@given(st.lists(st.tuples(st.one_of(st.binary(max_size=30), HEADS), st.booleans(), st.integers(0, 1)), max_size=25))
@settings(max_examples=100)
def test_arbitrary_payloads_never_raise(parts: list[tuple[bytes, bool, int]]) -> None:
    made, time = [], 0
    for number, (payload, marker, later) in enumerate(parts):
        time += later
        made.append(rtp_packet(payload, number, time, marker=marker))
    samples, _ = deliver(mjpeg(), made)
    for sample in samples:
        assert bytes(sample.data[:2]) == b"\xff\xd8"
        assert bytes(sample.data[-2:]) == b"\xff\xd9"
        assert len(sample.data) < 2000 + sum(map(len, made))

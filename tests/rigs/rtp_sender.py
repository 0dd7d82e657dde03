"""A sender of RTP for tests, written from the RFCs alone: packets from NAL units, and footage to take them from."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av

from overt.media.payload import Depacketiser
from overt.media.rtp import RtpReceiver
from overt.media.samples import Sample

FOOTAGE = Path(__file__).parents[1] / "footage"
PAYLOAD_TYPE = 96
SSRC = 0x0BADCAFE


@dataclass(frozen=True)
class AccessUnit:
    """One frame: NAL units without lengths, and its time on 90 kHz."""

    nal_units: tuple[bytes, ...]
    time: int
    keyframe: bool

    @property
    def stored(self) -> bytes:
        """As it must stand in a file."""
        return b"".join(struct.pack(">I", len(each)) + each for each in self.nal_units)


@dataclass(frozen=True)
class Clip:
    """The frames of a file, its parameter sets, and its configuration record as another program wrote it."""

    codec: str
    units: list[AccessUnit]
    parameter_sets: list[bytes]
    record: bytes
    width: int
    height: int


def split_lengths(data: bytes) -> tuple[bytes, ...]:
    """Take apart NAL units behind four-byte lengths."""
    found = []
    position = 0
    while position < len(data):
        (size,) = struct.unpack_from(">I", data, position)
        found.append(data[position + 4 : position + 4 + size])
        assert len(found[-1]) == size
        position += 4 + size
    return tuple(found)


def read_clip(name: str) -> Clip:
    """Demultiplex a file of `tests/footage`; frames whose times are not distinct get times of 25 a second."""
    with av.open(str(FOOTAGE / name)) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        assert base is not None
        units = []
        for packet in container.demux(stream):
            if packet.size:
                assert packet.pts is not None
                time = round(packet.pts * base * 90_000)
                units.append(AccessUnit(split_lengths(bytes(packet)), time, packet.is_keyframe))
        context = stream.codec_context
        record = bytes(context.extradata or b"")
        if len({unit.time for unit in units}) < len(units):
            units = [replace(unit, time=3600 * number) for number, unit in enumerate(units)]
        sets = avc_sets(record) if context.name == "h264" else hevc_sets(record)
        return Clip(context.name, units, sets, record, context.width, context.height)


def avc_sets(record: bytes) -> list[bytes]:
    """Parameter sets in an AVCDecoderConfigurationRecord."""
    found = []
    position = 5
    for mask in (0x1F, 0xFF):
        count = record[position] & mask
        position += 1
        for _ in range(count):
            (size,) = struct.unpack_from(">H", record, position)
            found.append(record[position + 2 : position + 2 + size])
            position += 2 + size
    return found


def hevc_sets(record: bytes) -> list[bytes]:
    """Parameter sets in an HEVCDecoderConfigurationRecord."""
    found = []
    position = 23
    for _ in range(record[22]):
        (count,) = struct.unpack_from(">H", record, position + 1)
        position += 3
        for _ in range(count):
            (size,) = struct.unpack_from(">H", record, position)
            found.append(record[position + 2 : position + 2 + size])
            position += 2 + size
    return found


def h264_payloads(nal_units: Sequence[bytes], mtu: int, *, aggregate: bool = True) -> list[bytes]:
    """RFC 6184, non-interleaved mode: STAP-A for small neighbours, FU-A for large NAL units."""
    payloads: list[bytes] = []
    waiting: list[bytes] = []

    def send_waiting() -> None:
        if len(waiting) == 1:
            payloads.append(waiting[0])
        elif waiting:
            importance = max(each[0] & 0x60 for each in waiting)
            payloads.append(bytes((importance | 24,)) + b"".join(struct.pack(">H", len(n)) + n for n in waiting))
        waiting.clear()

    for nal_unit in nal_units:
        if len(nal_unit) > mtu:
            send_waiting()
            head, body = nal_unit[0], nal_unit[1:]
            pieces = [body[at : at + mtu - 2] for at in range(0, len(body), mtu - 2)]
            for number, piece in enumerate(pieces):
                start = 0x80 if number == 0 else 0
                end = 0x40 if number == len(pieces) - 1 else 0
                payloads.append(bytes((head & 0x60 | 28, start | end | head & 0x1F)) + piece)
            continue
        if not aggregate or 1 + sum(2 + len(each) for each in (*waiting, nal_unit)) > mtu:
            send_waiting()
        waiting.append(nal_unit)
    send_waiting()
    return payloads


def h265_payloads(nal_units: Sequence[bytes], mtu: int, *, aggregate: bool = True) -> list[bytes]:
    """RFC 7798 without DONL: aggregation packets and fragmentation units."""
    payloads: list[bytes] = []
    waiting: list[bytes] = []

    def send_waiting() -> None:
        if len(waiting) == 1:
            payloads.append(waiting[0])
        elif waiting:
            payloads.append(bytes((48 << 1, 1)) + b"".join(struct.pack(">H", len(n)) + n for n in waiting))
        waiting.clear()

    for nal_unit in nal_units:
        if len(nal_unit) > mtu:
            send_waiting()
            kind = nal_unit[0] >> 1 & 0x3F
            body = nal_unit[2:]
            pieces = [body[at : at + mtu - 3] for at in range(0, len(body), mtu - 3)]
            for number, piece in enumerate(pieces):
                start = 0x80 if number == 0 else 0
                end = 0x40 if number == len(pieces) - 1 else 0
                payloads.append(bytes((nal_unit[0] & 0x81 | 49 << 1, nal_unit[1], start | end | kind)) + piece)
            continue
        if not aggregate or 2 + sum(2 + len(each) for each in (*waiting, nal_unit)) > mtu:
            send_waiting()
        waiting.append(nal_unit)
    send_waiting()
    return payloads


def rtp_packet(
    payload: bytes,
    sequence: int,
    time: int,
    *,
    marker: bool = False,
    payload_type: int = PAYLOAD_TYPE,
    ssrc: int = SSRC,
    first: int = 0x80,
    extras: bytes = b"",
) -> bytes:
    """RFC 3550 §5.1; `extras` stand between the fixed header and the payload."""
    second = payload_type | (0x80 if marker else 0)
    return struct.pack(">BBHII", first, second, sequence & 0xFFFF, time & 0xFFFFFFFF, ssrc) + extras + payload


@dataclass(frozen=True)
class Sent:
    """A packet, and which frame it belongs to."""

    packet: bytes
    frame: int


def send(
    units: Iterable[AccessUnit],
    codec: str,
    *,
    mtu: int = 1400,
    aggregate: bool = True,
    markers: str = "end",
    sequence: int = 0,
    time: int = 0,
) -> list[Sent]:
    """Packetise frames. `markers`: on the frame's "end", on "each" NAL unit's last packet, or on "none"."""
    payloads_of = h264_payloads if codec == "h264" else h265_payloads
    sent = []
    for number, unit in enumerate(units):
        if markers == "each":
            groups = [payloads_of([each], mtu) for each in unit.nal_units]
        else:
            groups = [payloads_of(unit.nal_units, mtu, aggregate=aggregate)]
        for group_number, group in enumerate(groups):
            for at, payload in enumerate(group):
                last_of_group = at == len(group) - 1
                marker = last_of_group and (markers == "each" or (markers == "end" and group_number == len(groups) - 1))
                sent.append(Sent(rtp_packet(payload, sequence, time + unit.time, marker=marker), number))
                sequence += 1
    return sent


def deliver(
    depacketiser: Depacketiser, packets: Sequence[bytes], *, without: Collection[int] = (), flush: bool = True
) -> tuple[list[Sample], RtpReceiver]:
    """Give packets to a receiver through one buffer that is used again; leave out those numbered `without`."""
    receiver = RtpReceiver(depacketiser, PAYLOAD_TYPE, None)
    samples: list[Sample] = []
    work = bytearray(70_000)
    view = memoryview(work)
    for number, packet in enumerate(packets):
        if number not in without:
            work[7 : 7 + len(packet)] = packet
            receiver.receive(view, 7, 7 + len(packet), 1_000_000 + number, samples)
    if flush:
        depacketiser.flush(1_000_000 + len(packets), samples)
    return samples, receiver

"""Datagrams of one tick: order, strangers, bounds, and what ICMP brings back."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import UnavailableError
from overt.media import datagrams as datagrams_module
from overt.media.datagrams import DatagramSocket
from overt.media.link import Endpoint, UdpPair

unhurried = settings(max_examples=60)
CAMERA = "127.0.0.1"


class Taken:
    """A packet handler that keeps what it takes."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def __call__(self, buffer: memoryview, start: int, stop: int, now_ns: int) -> None:
        self.packets.append(bytes(buffer[start:stop]))

    @property
    def sequence(self) -> list[int]:
        return [int.from_bytes(packet[2:4], "big") for packet in self.packets]


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((CAMERA, 0))
        made.setblocking(False)
        yield made


def packet(sequence: int) -> bytes:
    return struct.pack(">BBHII", 0x80, 96, sequence & 0xFFFF, 0, 1) + b"payload"


def send(bound: socket.socket, data: list[bytes], host: str = CAMERA) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((host, 0))
        for each in data:
            sender.sendto(each, bound.getsockname())


@unhurried
@given(st.integers(0, 0xFFFF), st.integers(1, 40), st.randoms(use_true_random=False))
def test_reordering_within_a_tick_is_undone_across_the_wrap_too(first: int, count: int, chance: random.Random) -> None:
    wanted = [(first + number) & 0xFFFF for number in range(count)]
    shuffled = list(wanted)
    chance.shuffle(shuffled)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((CAMERA, 0))
        bound.setblocking(False)
        send(bound, [packet(sequence) for sequence in shuffled])
        taken = Taken()
        DatagramSocket(bound, {CAMERA}, taken, ordered=True).receive(0)
    assert taken.sequence == wanted


def test_rtcp_is_taken_as_it_comes(bound: socket.socket) -> None:
    send(bound, [packet(9), packet(3), packet(5)])
    taken = Taken()
    assert DatagramSocket(bound, {CAMERA}, taken, ordered=False).receive(0) == 3 * len(packet(0))
    assert taken.sequence == [9, 3, 5]


def test_strangers_are_counted_and_ignored(bound: socket.socket) -> None:
    taken = Taken()
    datagrams = DatagramSocket(bound, {CAMERA}, taken, ordered=True)
    send(bound, [packet(1)] * 3, "127.0.0.2")
    send(bound, [packet(2)])
    send(bound, [packet(3)] * 2, "127.0.0.3")
    datagrams.receive(0)
    assert taken.sequence == [2]
    assert datagrams.strangers == 5


def test_a_stranger_who_floods_does_not_keep_the_thread(bound: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams_module, "MAX_PER_TICK", 10)
    taken = Taken()
    datagrams = DatagramSocket(bound, {CAMERA}, taken, ordered=True)
    send(bound, [packet(1)] * 35, "127.0.0.2")
    send(bound, [packet(2)])
    for seen in (10, 20, 30):
        datagrams.receive(0)
        assert datagrams.strangers == seen
    datagrams.receive(0)
    assert taken.sequence == [2]


def test_runts_and_nothing_at_all_are_no_packets(bound: socket.socket) -> None:
    taken = Taken()
    datagrams = DatagramSocket(bound, {CAMERA}, taken, ordered=True)
    assert datagrams.receive(0) == 0
    send(bound, [b"", b"abc", packet(7), packet(8)])
    datagrams.receive(0)
    assert taken.sequence == [7, 8]


def test_a_refusal_that_icmp_brought_back_is_passed_over(bound: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind((CAMERA, 0))
        closed = nobody.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((CAMERA, 0))
        # Only a connected socket hears of a refusal: first nobody is there, then the camera is.
        bound.connect(closed)
        bound.send(b"report")
        taken = Taken()
        datagrams = DatagramSocket(bound, {CAMERA}, taken, ordered=True)
        assert datagrams.receive(0) == 0
        bound.connect(sender.getsockname())
        sender.sendto(packet(4), bound.getsockname())
        datagrams.receive(0)
    assert taken.sequence == [4]


@pytest.mark.parametrize("ports", [(0, None), (65535, None), (1, 65536)])
def test_ports_that_a_camera_made_up_end_no_session(ports: tuple[int, int | None]) -> None:
    pair = UdpPair(socket.AF_INET, CAMERA)
    camera = Endpoint(socket.AF_INET, (CAMERA, 554), CAMERA)
    pair.open_way(camera, ports)
    pair.send_report(camera, ports, b"report")
    pair.close()


def test_no_pair_on_an_address_that_is_not_ours() -> None:
    with pytest.raises(UnavailableError, match="no free pair of UDP ports"):
        UdpPair(socket.AF_INET, "192.0.2.1")

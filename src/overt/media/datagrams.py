"""RTP and RTCP over UDP: datagrams of one tick, put in order before they are taken."""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from overt.media.reception import PacketHandler

MAX_DATAGRAM: Final = 65_535
MAX_PER_TICK: Final = 2048
"""Datagrams taken from one socket in a tick, strangers' included: 2.9 MB of ordinary ones. What is beyond waits in the
kernel, in a buffer of `UdpPair.RECEIVE_BUFFER` bytes, and is lost when that is full."""


class DatagramSocket:
    """One bound UDP socket of a session; owned by the reactor's thread.

    Datagrams that came from another address than the camera's are counted and ignored. Those that arrived in one tick
    are sorted by sequence number (RFC 3550 §5.1), which repairs nearly all reordering on a local network; what comes
    later than that is counted late by the receiver.
    """

    def __init__(self, bound: socket.socket, camera: Collection[str], handler: PacketHandler, *, ordered: bool) -> None:
        """Receive for `handler` what the camera sends.

        Args:
            bound: a socket of ours; its owner closes it.
            camera: the addresses from which the camera may send, as the kernel writes them.
            handler: takes each datagram.
            ordered: it is RTP, which has sequence numbers.
        """
        self.strangers = 0
        """Datagrams that came from elsewhere."""
        self._ordered = ordered
        self._socket = bound
        self._camera = camera
        self._handler = handler

    @property
    def fileno(self) -> int:
        """The socket's descriptor, for epoll."""
        return self._socket.fileno()

    def receive(self, now_ns: int) -> int:
        """Take what waits; return its bytes. A refusal that ICMP brought back is no error: it may not be ready."""
        waiting: list[bytes] = []
        for _ in range(MAX_PER_TICK):
            try:
                data, sender = self._socket.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                break
            except OSError:
                continue
            if sender[0] not in self._camera:
                self.strangers += 1
            elif len(data) >= 4:
                waiting.append(data)
        if self._ordered and waiting:
            first = int.from_bytes(waiting[0][2:4], "big")
            waiting.sort(key=lambda data: (int.from_bytes(data[2:4], "big") - first + 0x8000) & 0xFFFF)
        for data in waiting:
            self._handler(memoryview(data), 0, len(data), now_ns)
        return sum(map(len, waiting))

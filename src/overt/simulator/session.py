"""Sessions: what one client receives of one camera, and how it gets there (RFC 2326 A, RFC 3550, 3551)."""

from __future__ import annotations

import secrets
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from overt.errors import UnavailableError
from overt.simulator.chance import Chance
from overt.simulator.faults import Corrupt, Drop, Duplicate, Reorder
from overt.simulator.reel import INTERLEAVING_BYTES, RTP_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from overt.simulator.faults import Lasting
    from overt.simulator.record import Statistics
    from overt.simulator.reel import Reel, ReelFrame

MAX_BACKLOG_BYTES: Final = 4 * 1024 * 1024
"""What may wait for a client that does not read; beyond it frames are skipped."""
_PATCH: Final = struct.Struct(">HII").pack_into
_SEQUENCE_AT: Final = INTERLEAVING_BYTES + 2
_MARKER_AT: Final = INTERLEAVING_BYTES + 1


class Outlet(Protocol):
    """Where interleaved packets go: the session's connection."""

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        ...

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or keep until the client reads."""
        ...


class UdpPair:
    """Two sockets on neighbouring ports, the lower even, for RTP and RTCP (RFC 3550 11)."""

    def __init__(self, address: str, client: str, ports: tuple[int, int]) -> None:
        """Bind both to `address`; packets will go to the `ports` of `client`.

        Raises:
            UnavailableError: if no two neighbouring ports are free.
        """
        self.rtp, self.rtcp = self._bound(address)
        self._to = (client, ports[0])
        self._to_rtcp = (client, ports[1])

    @property
    def ports(self) -> tuple[int, int]:
        """Our own two ports."""
        return self.rtp.getsockname()[1], self.rtcp.getsockname()[1]

    def send(self, packet: bytes | memoryview, *, control: bool = False) -> bool:
        """Send a packet; False if the socket would not take it."""
        try:
            if control:
                self.rtcp.sendto(packet, self._to_rtcp)
            else:
                self.rtp.sendto(packet, self._to)
        except OSError:
            # A full buffer, or nobody there (ICMP): UDP promises nothing, and the counters tell.
            return False
        return True

    def close(self) -> None:
        """Give both ports back."""
        self.rtp.close()
        self.rtcp.close()

    @staticmethod
    def _bound(address: str) -> tuple[socket.socket, socket.socket]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for _ in range(64):
            low = socket.socket(family, socket.SOCK_DGRAM)
            high = socket.socket(family, socket.SOCK_DGRAM)
            try:
                low.bind((address, 0))
                port = low.getsockname()[1]
                if port % 2 == 0:
                    high.bind((address, port + 1))
                    low.setblocking(False)
                    high.setblocking(False)
                    return low, high
            except OSError:
                pass
            low.close()
            high.close()
        msg = f"no two neighbouring UDP ports are free on {address}"
        raise UnavailableError(msg)


@dataclass(slots=True)
class Leg:
    """One track of a session."""

    track: int
    reel: Reel
    ssrc: int
    sequence: int
    base: int
    """RTP time stamp of media time 0."""
    channel: int = 0
    """Interleaved channel of RTP; RTCP has the next."""
    udp: UdpPair | None = None
    packets: int = 0
    octets: int = 0
    next_report: float = 0.0
    chances: dict[str, Chance] = field(default_factory=dict)


class Session:
    """The legs that one client has set up. Owned by the simulator's thread."""

    def __init__(self, identifier: str, outlet: Outlet, counters: Statistics) -> None:
        """Begin without legs, not playing."""
        self.identifier = identifier
        self.outlet = outlet
        self.legs: dict[int, Leg] = {}
        self.playing = False
        self.waits_for_keyframe = False
        self.seen_at = 0.0
        """Monotonic seconds of the client's last sign of life."""
        self._counters = counters

    def add_leg(self, track: int, reel: Reel, *, channel: int = 0, udp: UdpPair | None = None) -> Leg:
        """Set a track up, anew if it was already."""
        previous = self.legs.get(track)
        if previous is not None and previous.udp is not None:
            previous.udp.close()
        leg = Leg(
            track=track,
            reel=reel,
            ssrc=secrets.randbits(32),
            sequence=secrets.randbits(16),
            base=secrets.randbits(32),
            channel=channel,
            udp=udp,
        )
        self.legs[track] = leg
        return leg

    def close(self) -> None:
        """Give UDP ports back."""
        self.playing = False
        for leg in self.legs.values():
            if leg.udp is not None:
                leg.udp.close()
        self.legs.clear()

    def send_control(self, leg: Leg, packet: bytes) -> None:
        """Send an RTCP packet."""
        if leg.udp is not None:
            leg.udp.send(packet, control=True)
        else:
            self.outlet.write(struct.pack(">cBH", b"$", leg.channel + 1, len(packet)) + packet)

    def send_frame(
        self, leg: Leg, frame: ReelFrame, digits: bytes, rtp_time: int, faults: Mapping[str, Lasting]
    ) -> tuple[bool, int]:
        """Send all packets of a frame.

        Args:
            leg: the track.
            frame: what to send.
            digits: of its frame mark.
            rtp_time: of all its packets.
            faults: those in force.

        Returns:
            Whether it was sent at all (a client that does not read misses it), and how many packets were lost.
        """
        count = len(frame.offsets)
        if leg.udp is None and self.outlet.backlog > MAX_BACKLOG_BYTES:
            leg.sequence = (leg.sequence + count) & 0xFFFF
            return False, count
        buffer = bytearray(frame.template)
        if frame.mark_at >= 0:
            buffer[frame.mark_at : frame.mark_at + len(digits)] = digits
        sequence, ssrc = leg.sequence, leg.ssrc
        for at in frame.offsets:
            _PATCH(buffer, at + _SEQUENCE_AT, sequence, rtp_time, ssrc)
            sequence = (sequence + 1) & 0xFFFF
        leg.sequence = sequence
        if leg.udp is None and leg.channel:
            for at in frame.offsets:
                buffer[at + 1] = leg.channel
        if "no_marker" in faults:
            buffer[frame.offsets[-1] + _MARKER_AT] &= 0x7F
        lost = self._deliver(leg, frame, buffer, faults)
        size = len(buffer) - INTERLEAVING_BYTES * count
        leg.packets += count
        leg.octets += size - RTP_HEADER_BYTES * count
        self._counters.packets_sent += count - lost
        self._counters.packets_lost += lost
        self._counters.bytes_sent += size
        return True, lost

    def _deliver(self, leg: Leg, frame: ReelFrame, buffer: bytearray, faults: Mapping[str, Lasting]) -> int:
        if leg.udp is None and not faults:
            self.outlet.write(buffer)
            return 0
        view = memoryview(buffer)
        ends = (*frame.offsets[1:], len(buffer))
        packets = [view[at:end] for at, end in zip(frame.offsets, ends, strict=True)]
        lost = 0
        if faults:
            packets, lost = _spoiled(packets, leg, faults)
        if leg.udp is None:
            self.outlet.write(b"".join(packets))
            return lost
        return lost + sum(not leg.udp.send(packet[INTERLEAVING_BYTES:]) for packet in packets)


def _spoiled(packets: list[memoryview], leg: Leg, faults: Mapping[str, Lasting]) -> tuple[list[memoryview], int]:
    """Drop, change, swap and double packets; return those that are left, and how many were dropped."""
    result: list[memoryview] = []
    lost = 0
    for packet in packets:
        if _strikes(leg, faults.get("drop")):
            lost += 1
            continue
        if _strikes(leg, faults.get("corrupt")):
            at = INTERLEAVING_BYTES + RTP_HEADER_BYTES
            packet[at + leg.chances["corrupt"].below(len(packet) - at)] ^= 0x55
        result.append(packet)
        if _strikes(leg, faults.get("duplicate")):
            result.append(packet)
        if len(result) > 1 and _strikes(leg, faults.get("reorder")):
            result[-1], result[-2] = result[-2], result[-1]
    return result, lost


def _strikes(leg: Leg, fault: Lasting | None) -> bool:
    if not isinstance(fault, Drop | Corrupt | Duplicate | Reorder):
        return False
    chance = leg.chances.get(fault.kind)
    if chance is None:
        chance = leg.chances[fault.kind] = Chance(fault.seed * 16 + leg.track)
    return chance.below(fault.one_in) == 0

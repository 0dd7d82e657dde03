"""One TCP (or TLS) connection to a simulated camera: bytes in and out, and what faults do to them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from overt.errors import InvalidError
from overt.simulator.faults import Drip
from overt.simulator.rtsp import Request, RequestReader, reply_bytes
from overt.simulator.session import MAX_BACKLOG_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from overt.simulator.faults import Lasting
    from overt.simulator.record import Statistics
    from overt.simulator.session import Session

_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>Web Service</title></head><body>Please enable JavaScript.</body></html>"
)
_WEB_REPLY: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (len(_PAGE), _PAGE)
_FILLER: Final = b"X-Filler: " + b"0" * 1000 + b"\r\n"


class Device(Protocol):
    """The camera, as its connections see it."""

    counters: Statistics

    @property
    def faults(self) -> Mapping[str, Lasting]:
        """Those in force, by kind."""
        ...

    def opened(self, connection: Connection) -> None:
        """Learn that a client has connected."""
        ...

    def closed(self, connection: Connection) -> None:
        """Learn that a connection is gone."""
        ...

    def handle(self, connection: Connection, request: Request) -> None:
        """Answer a request."""
        ...

    def received_control(self, connection: Connection) -> None:
        """Learn that the client sent an interleaved packet."""
        ...


class Connection(asyncio.Protocol):
    """Lives in the simulator's event loop; bounded by `MAX_BACKLOG_BYTES` on the way out, by `rtsp` on the way in."""

    def __init__(self, device: Device, loop: asyncio.AbstractEventLoop) -> None:
        """Serve `device` once the transport is there."""
        self.session: Session | None = None
        self.camera_address = ""
        self.client_address = ""
        self._device = device
        self._loop = loop
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._drops = bytearray()
        """What a drip has yet to send."""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        if not isinstance(transport, asyncio.Transport):
            msg = f"a stream transport was expected, not {type(transport).__name__}"
            raise TypeError(msg)
        self._transport = transport
        self.camera_address = str(transport.get_extra_info("sockname")[0])
        peer = transport.get_extra_info("peername")
        self.client_address = str(peer[0]) if peer else ""
        self._device.opened(self)
        self.faults_changed()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        faults = self._device.faults
        if "html" in faults:
            self.write(_WEB_REPLY)
            self.close()
            return
        if "endless_headers" in faults:
            self.write(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n")
            self._never_end()
            return
        try:
            messages = self._reader.feed(data)
        except InvalidError:
            self._device.counters.malformed += 1
            self.write(reply_bytes(400, []))
            self.close()
            return
        for message in messages:
            if isinstance(message, Request):
                self._device.handle(self, message)
            else:
                self._device.received_control(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """See asyncio.Protocol; why does not matter, gone is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None
        self._drops.clear()
        self._device.closed(self)

    @property
    def backlog(self) -> int:
        """Bytes that wait for the client."""
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return waiting + len(self._drops)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as fast as the faults in force allow. Beyond the bound, and once closed, nothing is kept."""
        transport = self._transport
        if transport is None or transport.is_closing() or "black_hole" in self._device.faults:
            return
        if self._drops or "drip" in self._device.faults:
            if len(self._drops) <= MAX_BACKLOG_BYTES:
                self._drops += data
            self._drip()
            return
        transport.write(data)

    def close(self, *, reset: bool = False) -> None:
        """Close after what waits has been sent, or at once with `reset`."""
        if self._transport is None:
            return
        if reset:
            self._transport.abort()
        else:
            self._transport.close()

    def faults_changed(self) -> None:
        """Take up a black hole or a drip that began, let go of one that ended."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if "black_hole" in self._device.faults:
            transport.pause_reading()
        elif not transport.is_reading():
            transport.resume_reading()
        if self._drops and "drip" not in self._device.faults:
            transport.write(bytes(self._drops))
            self._drops.clear()

    def _drip(self) -> None:
        fault = self._device.faults.get("drip")
        if self._timer is None and self._drops and isinstance(fault, Drip):
            self._timer = self._loop.call_later(fault.interval_ms / 1000, self._drop, fault.bytes)

    def _drop(self, size: int) -> None:
        self._timer = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(bytes(self._drops[:size]))
            del self._drops[:size]
            self._drip()

    def _never_end(self) -> None:
        self._timer = None
        if "endless_headers" not in self._device.faults:
            self.close()
            return
        if self.backlog < MAX_BACKLOG_BYTES // 4:
            self.write(_FILLER)
        self._timer = self._loop.call_later(0.001, self._never_end)

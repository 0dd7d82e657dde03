"""TCP connections of viewers, who may be hostile: counted by address, bounded in time and in what waits to be sent.

uvicorn's own protocols, with what they leave to a proxy in front: a request's head must arrive in time, a connection
that does not read what it is sent can be cut off at once, and pings are not answered without end into a full buffer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from overt.recorder.media_plane.entrance import TlsEntrance
from overt.recorder.media_plane.limits import Usage

HEAD_TIMEOUT_S: Final = 15.0
"""A connection has sent a request's head by then, or is closed."""
MAX_HEAD: Final = 16 * 1024
MAX_MESSAGE: Final = 4096
"""Bytes of a WebSocket message of a viewer, who has nothing to say."""
MAX_PONGS: Final = 64 * 1024
"""Bytes that may wait to be sent when a ping is answered."""
PING_S: Final = 20.0
KEEP_ALIVE_S: Final = 30
GRACEFUL_S: Final = 2
_CONNECTION: Final = "overt.connection"
_USAGE: Final = "overt.usage"


class Connection:
    """What the application may do to the connection that a request came by."""

    def __init__(self) -> None:
        """Begin without a transport."""
        self.transport: asyncio.Transport | None = None
        self.flow: FlowControl | None = None

    async def taken(self) -> None:
        """Wait until the client has taken nearly all of what it was sent."""
        if self.flow is not None and self.transport is not None and not self.transport.is_closing():
            await self.flow.drain()

    def abort(self) -> None:
        """Cut it off, with whatever still waits to be sent."""
        if self.transport is not None:
            self.transport.abort()


def connection_of(scope: Scope) -> Connection:
    """Return the connection of a request; one that does nothing where there is none, as under a test's client."""
    found = scope.get("state", {}).get(_CONNECTION)
    return found if isinstance(found, Connection) else Connection()


def address_of(host: str) -> str:
    """Return what a client is counted by: its IPv4 address, or its IPv6 network of 64 bits, which one customer has."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def client_address(scope: Scope) -> str:
    """Return what a request's client is counted by."""
    client = scope.get("client")
    return address_of(client[0]) if client else ""


class ViewerProtocol(H11Protocol):
    """HTTP/1.1 of a viewer."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Begin; the application finds its connection in the state of a request."""
        self._connection = Connection()
        self._usage: Usage = app_state[_USAGE]
        self._address = ""
        self._counted = False
        self._head_timer: asyncio.TimerHandle | None = None
        super().__init__(config, server_state, {_CONNECTION: self._connection, _USAGE: self._usage}, _loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless its address has too many."""
        super().connection_made(transport)
        self._connection.transport, self._connection.flow = transport, self.flow
        self._address = address_of(self.client[0]) if self.client else ""
        self._counted = self._usage.connect(self._address)
        if not self._counted:
            transport.abort()
            return
        self._await_head()

    def timeout_keep_alive_handler(self) -> None:
        """Cut an idle connection off: closing it would wait for a client that does not read."""
        if not self.transport.is_closing():
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place to another."""
        self._stop_waiting()
        self._uncount()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._await_head()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand over to the WebSocket's protocol, which counts the connection from now on."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        if isinstance(protocol, ViewerSocketProtocol) and self._counted:
            self._counted = False
            protocol.counted_as = self._address

    def _await_head(self) -> None:
        self._stop_waiting()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        # uvicorn declares it, and sets it to None before the first request.
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is None or cycle.response_complete:
            self.transport.abort()

    def _uncount(self) -> None:
        if self._counted:
            self._counted = False
            self._usage.disconnect(self._address)


class ViewerSocketProtocol(WebSocketsSansIOProtocol):
    """WebSocket of a viewer."""

    counted_as: str | None = None
    """Address under which the connection is counted."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place to another."""
        if self.counted_as is not None:
            cast(Usage, self.app_state[_USAGE]).disconnect(self.counted_as)
            self.counted_as = None
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        """Answer a ping, unless the answers are not read."""
        if self.transport.get_write_buffer_size() > MAX_PONGS:
            # What is being sent now is bounded by the application; a peer that pings meanwhile gets no answer.
            self.conn.data_to_send()
            return
        super().handle_ping()


class ViewerServer(uvicorn.Server):
    """A uvicorn server of viewers, inside a process that has its own signals and its own end."""

    def __init__(self, app: ASGIApp, usage: Usage, encryption: Callable[[], ssl.SSLContext] | None = None) -> None:
        """Prepare; per-message deflate is off, for pictures are compressed already.

        `encryption` gives what connections that begin now are encrypted with; None: they are not.
        """
        # uvicorn logs requests, and `websockets` their heads, at levels below: a head may hold a token.
        for name in ("uvicorn.error", "uvicorn.access", "websockets"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._usage = usage
        self.up = asyncio.Event()
        self._encryption = encryption
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="asyncio",
                # uvicorn calls it for each connection; its annotation knows classes alone.
                http=cast(type[asyncio.Protocol], self._enter),
                ws=ViewerSocketProtocol,
                ws_max_size=MAX_MESSAGE,
                ws_per_message_deflate=False,
                ws_ping_interval=PING_S,
                ws_ping_timeout=PING_S,
                h11_max_incomplete_event_size=MAX_HEAD,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACEFUL_S,
                backlog=512,
                # Who asks is told by the socket: any client could write a header that says otherwise.
                proxy_headers=False,
                server_header=False,
            )
        )

    def _enter(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        """Return what takes a connection."""

        def inside() -> asyncio.Protocol:
            return ViewerProtocol(config, server_state, app_state, _loop)

        if self._encryption is None:
            return inside()
        waiting = cast(set[TlsEntrance], server_state.connections)  # uvicorn ends those by `shutdown` too
        return TlsEntrance(self._encryption, inside, self._usage, address_of, waiting)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        self.lifespan.state[_USAGE] = self._usage
        await super().startup(sockets=sockets)
        self.up.set()

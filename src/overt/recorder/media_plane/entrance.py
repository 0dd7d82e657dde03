"""Where encrypted connections come in: counted from their first packet on, and gone if they do not speak TLS in time.

The handshake of each goes on by itself; until it is over a connection holds a socket and nothing else, and its address
may have no more of them than it may have connections.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final, Protocol

from overt.recorder.media_plane.limits import Usage

_LOG: Final = logging.getLogger(__name__)
HANDSHAKE_S: Final = 10.0
"""The handshake is over by then, or the connection is."""
CLOSING_S: Final = 5.0
"""How long a client may take to agree that a connection ends."""


class Connections(Protocol):
    """Where a server notes what it has to end when it stops."""

    def add(self, connection: TlsEntrance, /) -> None:
        """Note a connection."""
        ...

    def discard(self, connection: TlsEntrance, /) -> None:
        """Forget it."""
        ...


class TlsEntrance(asyncio.Protocol):
    """One connection, until its handshake is over and what `inside` makes takes it."""

    def __init__(
        self,
        context: Callable[[], ssl.SSLContext],
        inside: Callable[[], asyncio.Protocol],
        usage: Usage,
        address_of: Callable[[str], str],
        waiting: Connections,
    ) -> None:
        """Begin; `context` gives what encrypts now."""
        self._context, self._inside, self._usage, self._address_of = context, inside, usage, address_of
        self._waiting = waiting
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._counted = self._lost = False
        self._early = bytearray()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless its address has too many; begin the handshake."""
        peer = transport.get_extra_info("peername")
        self._transport = transport
        self._address = self._address_of(str(peer[0])) if peer else ""
        self._counted = self._usage.connect(self._address)
        if not self._counted:
            transport.abort()
            return
        # What the client says belongs to TLS, which takes it over in the next turn of the loop.
        transport.pause_reading()
        self._waiting.add(self)
        self._task = asyncio.get_running_loop().create_task(self._greet(transport))

    def data_received(self, data: bytes) -> None:
        """Keep what a client sends with the last words of its handshake, for the turn until it is handed over."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place to another."""
        if exc is not None:
            _LOG.debug("a connection of %s was lost: %s", self._address, exc)
        self._lost = True
        self._leave()

    def shutdown(self) -> None:
        """End it: the server stops."""
        if self._transport is not None:
            self._transport.abort()

    async def _greet(self, plain: asyncio.Transport) -> None:
        encrypted: asyncio.Transport | None = None
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                plain,
                self,
                self._context(),
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=CLOSING_S,
            )
        except OSError as error:  # ssl.SSLError among them: no TLS, or none that both speak, or none in time
            _LOG.debug("a handshake with %s failed: %s", self._address, error)
            error.__traceback__ = None  # which holds the frames that hold the error, and with them TLS's buffers
        finally:
            self._leave()
            if encrypted is None:
                plain.abort()
        if encrypted is not None and not self._lost:
            inside = self._inside()
            encrypted.set_protocol(inside)
            inside.connection_made(encrypted)
            if self._early:
                inside.data_received(bytes(self._early))

    def _leave(self) -> None:
        self._waiting.discard(self)
        if self._counted:
            self._counted = False
            self._usage.disconnect(self._address)

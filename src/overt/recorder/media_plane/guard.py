"""What every request of a viewer passes before anything is looked at: its Host, its Origin, its address, its time.

And every answer: the strict headers, and a bound on how long a client may take to read it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError
from overt.recorder.http import error_answer, host_of
from overt.recorder.media_plane.connections import MAX_HEAD, client_address, connection_of
from overt.recorder.media_plane.limits import Usage
from overt.recorder.media_plane.page import HEADERS

SEND_TIMEOUT_S: Final = 20.0
"""A client that has read nothing of an answer for so long is cut off."""
_HIDDEN_SLASH: Final = re.compile(rb"%2f|%5c|\\\\", re.IGNORECASE)


class Guard:
    """Stands before the application. `hosts` are the names that it goes by (None: any)."""

    def __init__(
        self,
        app: ASGIApp,
        usage: Usage,
        *,
        hosts: frozenset[str] | None,
        origins: Iterable[str] = (),
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        """Guard `app`; pages of `origins` (`https://host[:port]`) may call it too, and it may be called by their names.

        A proxy in front passes on the name under which it is called itself.
        """
        self._app, self._usage, self._send_timeout_s = app, usage, send_timeout_s
        self._origins = frozenset(origin.lower() for origin in origins)
        names = {urlsplit(origin).hostname or "" for origin in self._origins}
        self._hosts = None if hosts is None else hosts | names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)

        async def timely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS:
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await send(message)
            except TimeoutError:
                connection.abort()  # whoever answers it hears that its client is gone

        try:
            self._check(scope)
            with self._usage.one("request", client_address(scope)):
                await self._app(scope, receive, timely)
                # An answer that nobody takes still counts: it waits in memory.
                try:
                    async with asyncio.timeout(self._send_timeout_s):
                        await connection.taken()
                except TimeoutError:
                    connection.abort()
        except OvertError as error:
            await error_answer(error.kind, str(error), error.http_status)(scope, receive, timely)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
        except OvertError:
            # Before the handshake: answered with 403, and nothing is said to a page of another origin.
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        """Refuse a request under a wrong name, or of another site's page."""
        headers = Headers(scope=scope)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEAD:
            msg = f"the request's head is longer than {MAX_HEAD} bytes"
            raise InvalidError(msg)
        # No name that is served holds a slash: written so, it could only mean to be read differently on its way.
        if _HIDDEN_SLASH.search(scope.get("raw_path") or b""):
            msg = "no such path: see docs/reference/media-plane.md"
            raise MissingError(msg)
        if self._hosts is not None and host_of(scope) not in self._hosts:
            msg = "this server does not go by that name; use 127.0.0.1 or localhost"
            raise InvalidError(msg)
        origin = headers.get("origin")
        if origin is None:
            return
        lowered = origin.lower()
        own = {f"{scheme}://{headers.get('host', '').lower()}" for scheme in ("http", "https")}
        if lowered not in own | self._origins:
            msg = "pages of this origin may not ask: name it in 'media_origins' if they should"
            raise ForbiddenError(msg)

"""One live WebSocket: from the handshake to the close code that says why it ended.

A viewer sends nothing. What is sent to a viewer waits in the hub's bounded queue; a connection that takes nothing for
`SLOW_S` is cut off, and one whose grant ends is closed at once, whether it reads or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, Protocol, cast
from uuid import UUID

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.ids import StreamKey
from overt.media.records import error_record
from overt.recorder.media_plane.connections import client_address, connection_of
from overt.recorder.media_plane.limits import TooManyError
from overt.recorder.media_plane.sessions import NoSessionError, Sessions
from overt.sealing.ratchet import MessageKeys

PROTOCOL: Final = "overt.live.v1"
TOKEN_PREFIX: Final = "overt.token."  # noqa: S105 - the name of a sub-protocol
SLOW_S: Final = 10.0
"""A viewer that takes nothing for so long is too slow for good."""
CLOSE_S: Final = 0.5
"""How long saying why may take."""
LINGER_S: Final = 2.0
"""How long the client may take to answer the close."""
NO_SESSION: Final = 4401
NOT_GRANTED: Final = 4403
NO_STREAM: Final = 4404
TOO_MANY: Final = 4429
RESTARTING: Final = 1012
UNSUPPORTED_DATA: Final = 1003

Mode = Literal["fragments", "samples"]


class LiveStream(Protocol):
    """What is known of a stream that a worker has."""

    @property
    def state(self) -> str:
        """State, as in docs/reference/states-and-causes.md."""
        ...

    @property
    def reason(self) -> str:
        """Why, as a sentence."""
        ...

    @property
    def codecs(self) -> str:
        """RFC 6381, all tracks; empty before the first fragment."""
        ...

    @property
    def width(self) -> int:
        """Pixels; 0 before the first fragment."""
        ...

    @property
    def height(self) -> int:
        """Pixels."""
        ...


class Viewing(Protocol):
    """One viewer's queue."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield messages, each of whole records."""
        ...

    async def close(self) -> None:
        """Let the stream go."""
        ...


class ServedLive(Protocol):
    """What the HTTP needs of the live hub."""

    def streams(self) -> Mapping[StreamKey, LiveStream]:
        """Return the streams that workers have."""
        ...

    async def subscribe(self, key: StreamKey, mode: Mode) -> Viewing:
        """Begin to watch; raises `MissingError` if no worker has the stream."""
        ...

    async def ring(self, key: StreamKey) -> list[Any]:
        """Return the ring's states of a stream."""
        ...

    def open_ring(self, states: list[Any]) -> Callable[[UUID], MessageKeys]:
        """Return what opens periods with them."""
        ...


async def serve_live(socket: WebSocket, sessions: Sessions, live: ServedLive, *, settled: bool) -> None:
    """Serve one WebSocket until it ends. Before workers have `settled`, a stream that is not there may yet come."""
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)
    try:
        await _watched(socket, sessions, live)
    except MissingError as error:
        soon = UnavailableError("the recorder has just begun, and has no such stream yet: ask again in a moment")
        await _say(socket, error if settled else soon)
    except OvertError as error:
        await _say(socket, error)
    except WebSocketDisconnect:
        return


async def _watched(socket: WebSocket, sessions: Sessions, live: ServedLive) -> None:
    """Send what comes until the client goes; an `OvertError` says why it ended otherwise."""
    offered = socket.scope.get("subprotocols", [])
    token = next((each.removeprefix(TOKEN_PREFIX) for each in offered if each.startswith(TOKEN_PREFIX)), "")
    session = sessions.find(token)
    camera = socket.path_params["camera"]
    sessions.check_live(session, camera)
    mode = socket.query_params.get("mode", "fragments")
    if mode not in {"fragments", "samples"}:
        msg = "'mode' must be 'fragments' or 'samples'"
        raise InvalidError(msg)
    key = StreamKey(camera, socket.path_params["stream"])

    def allowed(now_ns: int) -> None:
        sessions.check_live(session, camera, now_ns)

    with sessions.use(session, "socket", client_address(socket.scope), allowed) as use:
        viewer = await live.subscribe(key, cast(Mode, mode))
        tasks = [
            asyncio.create_task(_send(socket, viewer)),
            asyncio.create_task(_hear(socket)),
            asyncio.create_task(use.ended.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await viewer.close()
        if use.error is not None:
            raise use.error
        for result in results[:2]:
            if isinstance(result, Exception):
                raise result


class _SlowError(UnavailableError):
    """The viewer does not take what it is sent."""


class _SpokeError(InvalidError):
    """The viewer sent something."""


async def _send(socket: WebSocket, viewer: Viewing) -> None:
    """Send messages as they come."""
    async for message in viewer:
        try:
            async with asyncio.timeout(SLOW_S):
                await socket.send_bytes(message)
        except TimeoutError:
            msg = "the pictures are not taken as fast as they come"
            raise _SlowError(msg) from None
    msg = "the recorder no longer has this stream for now: ask again"
    raise UnavailableError(msg)


async def _hear(socket: WebSocket) -> None:
    """Wait for the client to go; whatever it says ends it too, for there is nothing that it could say."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    msg = "a viewer sends nothing over this WebSocket"
    raise _SpokeError(msg)


async def _say(socket: WebSocket, error: OvertError) -> None:
    """Say why it ends and close; a client that does not read, or does not answer, is cut off."""
    connection = connection_of(socket.scope)
    if isinstance(error, _SlowError):
        connection.abort()
        return
    with suppress(WebSocketDisconnect, RuntimeError):
        try:
            async with asyncio.timeout(CLOSE_S):
                if socket.application_state is WebSocketState.CONNECTED:
                    await socket.send_bytes(error_record(error))
                    await socket.close(_code_of(error))
        except TimeoutError:
            connection.abort()
    # A close that waits for a client who does not read would wait for ever.
    asyncio.get_running_loop().call_later(LINGER_S, connection.abort)


def _code_of(error: OvertError) -> int:
    """Return the close code for an error."""
    codes: tuple[tuple[type[OvertError], int], ...] = (
        (NoSessionError, NO_SESSION),
        (ForbiddenError, NOT_GRANTED),
        (MissingError, NO_STREAM),
        (TooManyError, TOO_MANY),
        (_SpokeError, UNSUPPORTED_DATA),
        (InvalidError, 1008),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), RESTARTING)

"""The media plane's public HTTP: sessions, cameras, recorded footage and live pictures, for holders of a grant.

Requests and answers are described in docs/reference/media-plane.md. One event loop; what reads the disk does so in
threads of its own (`ServedReplay`). No answer and no log repeats a token, a ticket, a secret or a key.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from overt.clock import SECOND, Clock
from overt.contract.grant import MAX_TOKEN, Grant
from overt.contract.instant import LATEST_NS
from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError
from overt.ids import StreamKey
from overt.media.records import MEDIA_TYPE, MICROSECOND, end_record, error_record
from overt.recorder.http import body, error_handlers, number
from overt.recorder.media_plane.guard import Guard
from overt.recorder.media_plane.limits import Usage
from overt.recorder.media_plane.live_socket import ServedLive, serve_live
from overt.recorder.media_plane.page import page_routes
from overt.recorder.media_plane.released_keys import OpenPeriod, ReleasedKeys
from overt.recorder.media_plane.sessions import Access, NoSessionError, Session, Sessions, Use
from overt.sealing.ratchet import MessageKeys

DAY_NS: Final = 24 * 3600 * SECOND
MAX_SPAN_NS: Final = 32 * DAY_NS
SETTLE_S: Final = 10.0
"""So long after its start, a stream that is not known yet is one that a worker has still to announce."""
MAX_SESSION_BODY: Final = MAX_TOKEN + 1024


class ServedReplay(Protocol):
    """What the HTTP needs of replay. Spans are in nanoseconds since the Unix epoch, UTC."""

    async def streams(self) -> list[StreamKey]:
        """Return every stream of which anything is recorded or known."""
        ...

    async def spans(self, key: StreamKey, start_ns: int, end_ns: int, now_ns: int) -> dict[str, Any]:
        """Return what is recorded and what is not, as JSON."""
        ...

    def fragments(
        self, key: StreamKey, start_ns: int, end_ns: int, open_period: OpenPeriod, *, lead: bool
    ) -> AsyncIterator[bytes]:
        """Yield records of what overlaps a span; with `lead`, from the keyframe before it."""
        ...

    def keyframes(
        self, key: StreamKey, start_ns: int, end_ns: int, open_period: OpenPeriod, *, every_ns: int
    ) -> AsyncIterator[bytes]:
        """Yield records of a keyframe track."""
        ...

    async def still(self, key: StreamKey, at_ns: int, open_period: OpenPeriod) -> bytes:
        """Return records of the keyframe at or before a moment."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """What a page is told of where it looks."""

    site: str
    time_zone: str
    """Of the IANA time zone database."""


class _Opening(BaseModel):
    """Body of POST /session."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)

    ticket: Annotated[str | None, Field(repr=False)] = None
    grant: Annotated[str | None, Field(repr=False)] = None
    secret: Annotated[str, Field(repr=False)]


class _Answer(StreamingResponse):
    """Records as they are read, for as long as the session lasts. However it ends, the footage is let go.

    What goes wrong before the first record is an error of the request, afterwards a record of its own.
    """

    def __init__(self, sessions: Sessions, session: Session, records: AsyncIterator[bytes]) -> None:
        super().__init__(records, media_type=MEDIA_TYPE)
        self._sessions, self._session, self._records = sessions, session, records
        self._first = b""
        self._use: Use | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin to read, then answer."""
        try:
            with self._sessions.use(self._session, "request", None, _always) as self._use:
                self._first = await anext(self._records, b"")
                await super().__call__(scope, receive, send)
        finally:
            if isinstance(self._records, AsyncGenerator):
                await self._records.aclose()

    async def stream_response(self, send: Send) -> None:
        """Send what is read."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        chunk, last = self._first, b""
        try:
            while True:
                if self._use is not None and self._use.error is not None:
                    raise self._use.error
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await anext(self._records)
        except StopAsyncIteration:
            pass
        except OvertError as error:
            last = error_record(error)
        await send({"type": "http.response.body", "body": last, "more_body": False})


class MediaApplication:
    """The handlers. `application` makes the ASGI application of them."""

    def __init__(
        self,
        sessions: Sessions,
        released: ReleasedKeys,
        usage: Usage,
        live: ServedLive,
        replay: ServedReplay,
        place: Place,
        clock: Clock,
        settle_s: float = SETTLE_S,
    ) -> None:
        """Serve `sessions` with what `live` and `replay` give; workers have announced all streams after `settle_s`."""
        self._settled_ns = clock.monotonic_ns() + int(settle_s * SECOND)
        self._sessions, self._released, self._usage = sessions, released, usage
        self._live, self._replay, self._place, self._clock = live, replay, place, clock

    def application(self, *, hosts: frozenset[str] | None, origins: tuple[str, ...] = ()) -> ASGIApp:
        """Return the guarded application; pages of `origins` may ask besides its own."""
        app = Starlette(
            routes=[
                Route("/health", self._health, methods=["GET"]),
                Route("/session", self._open_session, methods=["POST"]),
                Route("/session", self._session, methods=["GET"]),
                Route("/session", self._close_session, methods=["DELETE"]),
                Route("/cameras", self._cameras, methods=["GET"]),
                Route("/cameras/{camera}/{stream}/spans", self._spans, methods=["GET"]),
                Route("/cameras/{camera}/{stream}/fragments", self._fragments, methods=["GET"]),
                Route("/cameras/{camera}/{stream}/keyframes", self._keyframes, methods=["GET"]),
                Route("/cameras/{camera}/{stream}/still", self._still, methods=["GET"]),
                WebSocketRoute("/cameras/{camera}/{stream}/live", self._watch),
                *page_routes(),
            ],
            exception_handlers=error_handlers("media-plane.md"),
        )
        app.router.redirect_slashes = False
        inner: ASGIApp = app
        if origins:
            inner = CORSMiddleware(
                app,
                allow_origins=list(origins),
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["authorization", "content-type"],
                max_age=600,
            )
        return Guard(inner, self._usage, hosts=hosts, origins=origins)

    # --- sessions ----------------------------------------------------------------------------------------------------

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _open_session(self, request: Request) -> Response:
        try:
            asked = _Opening.model_validate_json(await body(request, MAX_SESSION_BODY))
        except ValidationError:
            # Its own words are not passed on: a key of the object might be a secret in the wrong place.
            msg = "the body must be a JSON object with 'secret' and 'ticket' or 'grant', all of them text"
            raise InvalidError(msg) from None
        session, token = await self._sessions.open(ticket=asked.ticket, token=asked.grant, secret=asked.secret)
        return JSONResponse(self._described(session) | {"token": token}, 201)

    async def _session(self, request: Request) -> Response:
        return JSONResponse(self._described(self._bearer(request)))

    async def _close_session(self, request: Request) -> Response:
        self._sessions.close(self._bearer(request))
        return Response(status_code=204)

    def _bearer(self, request: HTTPConnection) -> Session:
        """Return the session of the Authorization header (RFC 6750 §2.1)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            msg = "a session is needed: begin one with POST /session, and send its token as a bearer's"
            raise NoSessionError(msg)
        return self._sessions.find(token.strip(" "))

    def _described(self, session: Session) -> dict[str, Any]:
        grant = self._sessions.grant(session)
        return {
            "grant": str(grant.id),
            "person": grant.person,
            "expires_us": grant.expires_s * 1_000_000,
            "may": _permissions(grant),
            "now_us": self._clock.utc_ns() // MICROSECOND,
            "time_zone": self._place.time_zone,
            "site": self._place.site,
        }

    # --- what there is -----------------------------------------------------------------------------------------------

    async def _cameras(self, request: Request) -> Response:
        session = self._bearer(request)
        named = sorted({camera for each in self._sessions.grant(session).may for camera in each.cameras})
        streams: dict[str, list[dict[str, Any]]] = {}
        for key, stream in sorted(self._live.streams().items()):
            streams.setdefault(key.camera, []).append(
                {
                    "stream": key.stream,
                    "state": stream.state,
                    "reason": stream.reason,
                    "codecs": stream.codecs,
                    "width": stream.width,
                    "height": stream.height,
                }
            )
        for key in await self._gone():
            streams.setdefault(key.camera, []).append({"stream": key.stream, **_GONE})
        cameras = [
            {"camera": name, "rights": self._sessions.rights(session, name), "streams": streams.get(name, [])}
            for name in named
        ]
        return JSONResponse({"cameras": cameras})

    async def _gone(self) -> list[StreamKey]:
        """Return the streams that have footage and are recorded no more; none while workers are still to be heard."""
        if not self._settled:
            return []
        try:
            known = await self._replay.streams()
        except OvertError:
            return []  # A recorder that is new has no index yet; one that is damaged says so when footage is asked for.
        return sorted(set(known) - self._live.streams().keys())

    async def _spans(self, request: Request) -> Response:
        session = self._bearer(request)
        start_ns, end_ns = _span(request, MAX_SPAN_NS)
        access = self._access(session, request, start_ns, end_ns)
        with self._sessions.use(session, "request", None, _always):
            now = self._clock.utc_ns()
            return JSONResponse(await self._replay.spans(_key(request), access.start_ns, access.end_ns, now))

    # --- recorded footage --------------------------------------------------------------------------------------------

    async def _fragments(self, request: Request) -> Response:
        session = self._bearer(request)
        start_ns, end_ns = _span(request, MAX_SPAN_NS)
        lead = request.query_params.get("lead")
        if lead not in {None, "keyframe"}:
            msg = "'lead' must be 'keyframe' where it is given"
            raise InvalidError(msg)
        access = self._access(session, request, start_ns, end_ns)
        key, open_period = _key(request), await self._opener(session, request, access)
        records = self._replay.fragments(key, access.start_ns, access.end_ns, open_period, lead=lead is not None)
        return self._answer(session, access, records)

    async def _keyframes(self, request: Request) -> Response:
        session = self._bearer(request)
        start_ns, end_ns = _span(request, MAX_SPAN_NS)
        every_ns = _moment(request, "every", MAX_SPAN_NS) if "every" in request.query_params else 0
        access = self._access(session, request, start_ns, end_ns)
        key, open_period = _key(request), await self._opener(session, request, access)
        records = self._replay.keyframes(key, access.start_ns, access.end_ns, open_period, every_ns=every_ns)
        return self._answer(session, access, records)

    async def _still(self, request: Request) -> Response:
        session = self._bearer(request)
        at_ns = _moment(request, "at", LATEST_NS - 1)
        access = self._access(session, request, at_ns, at_ns + 1)
        if access.start_ns == access.end_ns:
            msg = "there is no footage of a moment that is still to come"
            raise MissingError(msg)
        with self._sessions.use(session, "request", None, _always):
            open_period = await self._opener(session, request, access)
            records = await self._replay.still(_key(request), access.start_ns, open_period)
            return Response(records, media_type=MEDIA_TYPE)

    def _answer(self, session: Session, access: Access, records: AsyncIterator[bytes]) -> Response:
        """Return what answers with records; with none for a span that lies ahead."""
        if access.start_ns == access.end_ns:
            return Response(end_record(), media_type=MEDIA_TYPE)
        return _Answer(self._sessions, session, records)

    def _access(self, session: Session, request: Request, start_ns: int, end_ns: int) -> Access:
        return self._sessions.access(session, request.path_params["camera"], start_ns, end_ns)

    async def _opener(self, session: Session, request: Request, access: Access) -> OpenPeriod:
        """Return what opens periods: the released keys first, then the ring's where the live right reaches."""
        released = self._released.opener(session.grant_id)
        if not access.ring:
            return released
        try:
            ring = self._live.open_ring(await self._live.ring(_key(request)))
        except OvertError:
            if not access.recorded:
                raise
            return released

        def open_period(period: UUID) -> MessageKeys:
            try:
                return released(period)
            except ForbiddenError:
                return ring(period)

        return open_period

    # --- live --------------------------------------------------------------------------------------------------------

    async def _watch(self, socket: WebSocket) -> None:
        await serve_live(socket, self._sessions, self._live, settled=self._settled)

    @property
    def _settled(self) -> bool:
        """Whether the workers have had time to announce their streams."""
        return self._clock.monotonic_ns() >= self._settled_ns


_GONE: Final = {
    "state": "stopped",
    "reason": "this stream is not recorded any more",
    "codecs": "",
    "width": 0,
    "height": 0,
}


def _always(_now_ns: int) -> None:
    """What may go on for as long as its session does."""


def _key(request: HTTPConnection) -> StreamKey:
    """Return the stream that a path names."""
    return StreamKey(request.path_params["camera"], request.path_params["stream"])


def _moment(request: Request, name: str, most: int) -> int:
    """Return nanoseconds from the query.

    Raises:
        InvalidError: if there are none, or more than `most`.
    """
    if name not in request.query_params:
        msg = f"'{name}' is missing: nanoseconds, as a decimal number"
        raise InvalidError(msg)
    return number(request, name, 0, 0, most)


def _span(request: Request, most_ns: int) -> tuple[int, int]:
    """Return the span that a query names.

    Raises:
        InvalidError: if it is reversed, empty, or longer than `most_ns`.
    """
    start_ns, end_ns = _moment(request, "from", LATEST_NS), _moment(request, "to", LATEST_NS)
    if not start_ns < end_ns <= start_ns + most_ns:
        msg = f"'to' must be later than 'from', by at most {most_ns // DAY_NS} days"
        raise InvalidError(msg)
    return start_ns, end_ns


def _permissions(grant: Grant) -> list[dict[str, Any]]:
    """Return what a grant opens, as the page is told."""
    return [
        {
            "cameras": list(each.cameras),
            "rights": list(each.rights),
            "from_us": each.from_ns // MICROSECOND,
            "to_us": None if each.to_ns is None else each.to_ns // MICROSECOND,
        }
        for each in grant.may
    ]

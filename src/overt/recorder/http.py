"""The recorder's HTTP: health, streams, metrics and facts for reading; the assignment and more for its control room.

Over TCP (loopback by default) only what may be read by anyone on the machine is served. What is the control room's
alone, PUT /assignments, GET /periods, GET /ledger and POST /probes, is served on the Unix socket, whose mode 0600 lets
in the recorder's own user. Both run in one thread with one event loop.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from overt.contract.assignment import MAX_MESSAGE, Assignment
from overt.contract.fact import Fact
from overt.contract.grant import to_text
from overt.contract.instant import LATEST_NS
from overt.errors import InvalidError, OvertError, UnavailableError
from overt.footage.keystore import StoredKey
from overt.ids import checked_name
from overt.recorder.health import RecorderHealth
from overt.recorder.ledger.serving import ledger_routes
from overt.recorder.metrics import CONTENT_TYPE, exposition
from overt.recorder.outbox import MAX_LIMIT
from overt.recorder.probing.request import MAX_BODY, ProbeRequest
from overt.recorder.wrapped_periods import MAX_CAMERAS, MAX_PERIODS

BODY_TIMEOUT_S: Final = 10.0
"""A request's body must have arrived by then."""
MAX_CONNECTIONS: Final = 64
MAX_HEADERS: Final = 16 * 1024
KEEP_ALIVE_S: Final = 5
START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 5.0
DEFAULT_FACTS: Final = 100
MICROSECOND_NS: Final = 1000
LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class ServedRecorder(Protocol):
    """What the HTTP needs of the recorder. Called in threads other than the event loop's."""

    def health(self) -> RecorderHealth:
        """Return the present health."""
        ...

    def apply(self, assignment: Assignment) -> None:
        """Go over to an assignment; raises `OvertError` if it is refused."""
        ...


class ReadFacts(Protocol):
    """What the HTTP needs of the outbox."""

    def after(self, cursor: int, limit: int = DEFAULT_FACTS) -> list[Fact]:
        """Return facts whose sequence is greater than `cursor`."""
        ...


class ReadPeriods(Protocol):
    """What the HTTP needs of the wrapped keys of footage."""

    def of(
        self, cameras: Collection[str], start_ns: int, end_ns: int, *, after: UUID | None = None, limit: int
    ) -> list[StoredKey]:
        """Return key periods with their wrapped keys."""
        ...


class Probes(Protocol):
    """What the HTTP needs to ask cameras what they offer."""

    def probe(self, request: ProbeRequest) -> dict[str, Any]:
        """Return what a camera offers; takes seconds."""
        ...


def application(
    recorder: ServedRecorder,
    facts: ReadFacts,
    *,
    writable: bool,
    periods: ReadPeriods | None = None,
    probes: Probes | None = None,
    ledger: Path | None = None,
    hosts: frozenset[str] | None = None,
) -> ASGIApp:
    """Return the application. `writable` adds PUT /assignments, `periods` GET /periods, `probes` POST /probes.

    `ledger`, where the recorder's ledger lies, adds GET /ledger.

    `hosts` are the names it may be called by (None: any).

    The check of the name keeps a web page in a browser on this machine from reading through a name of its own that
    resolves to the loopback address.
    """

    async def health(_request: Request) -> Response:
        found = await run_in_threadpool(recorder.health)
        return JSONResponse(found.to_public(), status_code=503 if found.level == "failing" else 200)

    async def streams(_request: Request) -> Response:
        found = await run_in_threadpool(recorder.health)
        return JSONResponse({"streams": found.to_public()["streams"]})

    async def metrics(_request: Request) -> Response:
        return Response(await run_in_threadpool(exposition, recorder.health), media_type=CONTENT_TYPE)

    async def read_facts(request: Request) -> Response:
        cursor = number(request, "after", 0, 0, 2**63 - 1)
        limit = number(request, "limit", DEFAULT_FACTS, 1, MAX_LIMIT)
        found = await run_in_threadpool(facts.after, cursor, limit)
        following = found[-1].sequence if found else cursor
        return JSONResponse({"facts": [fact.to_dict() for fact in found], "next": following})

    async def put_assignment(request: Request) -> Response:
        assignment = Assignment.from_wire(await body(request, MAX_MESSAGE))
        await run_in_threadpool(recorder.apply, assignment)
        return JSONResponse({"revision": assignment.revision, "cameras": len(assignment.cameras)})

    async def read_periods(request: Request) -> Response:
        if periods is None:
            raise HTTPException(404)
        return JSONResponse(await run_in_threadpool(_periods_of, periods, request))

    async def post_probe(request: Request) -> Response:
        if probes is None:
            raise HTTPException(404)
        asked = ProbeRequest.from_json(await body(request, MAX_BODY))
        return JSONResponse(await run_in_threadpool(probes.probe, asked))

    routes = [
        Route("/health", health, methods=["GET"]),
        Route("/streams", streams, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/facts", read_facts, methods=["GET"]),
    ]
    if writable:
        routes.append(Route("/assignments", put_assignment, methods=["PUT"]))
    if periods is not None:
        routes.append(Route("/periods", read_periods, methods=["GET"]))
    if probes is not None:
        routes.append(Route("/probes", post_probe, methods=["POST"]))
    if ledger is not None:
        routes += ledger_routes(ledger)
    app = Starlette(routes=routes, exception_handlers=error_handlers("recorder-http.md"))
    return app if hosts is None else NamedHosts(app, hosts)


def _periods_of(periods: ReadPeriods, request: Request) -> list[dict[str, str]]:
    """Return the JSON of GET /periods; raises `InvalidError` as its parameters are refused."""
    cameras = request.query_params.getlist("camera")
    if not 0 < len(cameras) <= MAX_CAMERAS:
        msg = f"'camera' must be given 1 to {MAX_CAMERAS} times, with the name of a camera each; ask again for more"
        raise InvalidError(msg)
    for camera in cameras:
        checked_name(camera[:100], "camera")
    latest_us = LATEST_NS // MICROSECOND_NS
    for name in ("from_us", "to_us"):
        if name not in request.query_params:
            msg = f"'{name}' is missing: microseconds since the Unix epoch, as a decimal number"
            raise InvalidError(msg)
    start_us, end_us = number(request, "from_us", 0, 0, latest_us), number(request, "to_us", 0, 0, latest_us)
    if end_us <= start_us:
        msg = "'to_us' must be later than 'from_us'"
        raise InvalidError(msg)
    paged = "limit" in request.query_params
    limit = number(request, "limit", MAX_PERIODS + 1, 1, MAX_PERIODS)
    text = request.query_params.get("after")
    try:
        after = None if text is None else UUID(text)
    except ValueError:
        msg = "'after' must be the id of a period"
        raise InvalidError(msg) from None
    start_ns, end_ns = start_us * MICROSECOND_NS, end_us * MICROSECOND_NS
    found = periods.of(frozenset(cameras), start_ns, end_ns, after=after, limit=limit)
    if len(found) > MAX_PERIODS and not paged:
        msg = f"these are more than {MAX_PERIODS} key periods: ask for fewer cameras, for less time, or with 'limit'"
        raise InvalidError(msg)
    return [
        {
            "period": str(each.period_id),
            "camera": each.key.camera,
            "stream": each.key.stream,
            "wrap": to_text(each.wrap),
        }
        for each in found
    ]


class NamedHosts:
    """Refuses requests whose Host header is none of the names the server goes by."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        """Serve `app` under `hosts`."""
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and host_of(scope) not in self._hosts:
            response = error_answer("invalid", "this server does not go by that name; use 127.0.0.1 or localhost", 400)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_of(scope: Scope) -> str:
    """Return the host that a request names, without port and brackets."""
    named = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
    if named.startswith("["):
        return named[1:].partition("]")[0]
    return named.rpartition(":")[0] or named


async def _refused(_request: Request, error: Exception) -> Response:
    """Answer one of our errors: its kind, its message, its status."""
    if not isinstance(error, OvertError):
        raise error
    return error_answer(error.kind, str(error), error.http_status)


def error_handlers(page: str) -> Mapping[Any, ExceptionHandler]:
    """Return what answers errors, and unknown paths and methods, in one form; `page` of the reference has the paths."""

    async def not_served(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        kind = "missing" if error.status_code == 404 else "invalid"
        return error_answer(kind, f"{error.detail}: see docs/reference/{page}", error.status_code)

    return {OvertError: _refused, HTTPException: not_served}


def error_answer(kind: str, message: str, status: int) -> Response:
    """Return an error as JSON."""
    return JSONResponse({"error": {"kind": kind, "message": message}}, status_code=status)


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """Return a whole number from the query, `least` to `most`.

    Raises:
        InvalidError: if it is none, or lies outside.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most):
        msg = f"'{name}' must be a whole number from {least} to {most}"
        raise InvalidError(msg)
    return int(text)


async def body(request: Request, most: int) -> bytes:
    """Return a request's body, bounded in size and time.

    Raises:
        InvalidError: if it is longer than `most` bytes, or does not arrive within `BODY_TIMEOUT_S`.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    msg = f"the body is longer than {most} bytes"
                    raise InvalidError(msg)
                chunks.append(chunk)
    except TimeoutError as error:
        msg = f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s"
        raise InvalidError(msg) from error
    return b"".join(chunks)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An application and the socket, bound and listening, at which it is served."""

    app: ASGIApp
    socket: socket.socket
    path: Path | None = None
    """The file of a Unix socket, which goes when the plane stops."""


def bind_tcp(host: str, port: int, option: str = "--listen") -> socket.socket:
    """Return a socket that listens at a TCP address, which `option` has set.

    Raises:
        UnavailableError: if the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        what = f"another program uses it; choose another with {option}" if error.errno == errno.EADDRINUSE else error
        msg = f"cannot listen at {host}:{port}: {what}"
        raise UnavailableError(msg) from error
    return listener


def names_of(host: str) -> frozenset[str] | None:
    """Return the names under which a server at `host` may be called: the local ones on loopback, else any (None)."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return LOCAL_HOSTS | {host} if loopback else None


class HttpPlane:
    """Serves endpoints in a thread with an event loop of its own."""

    def __init__(self, endpoints: list[Endpoint]) -> None:
        """Take what is to be served; the sockets belong to the plane from now on."""
        self._endpoints = endpoints
        self._servers = [
            _Server(
                uvicorn.Config(
                    endpoint.app,
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    loop="asyncio",
                    http="h11",
                    ws="none",
                    limit_concurrency=MAX_CONNECTIONS,
                    h11_max_incomplete_event_size=MAX_HEADERS,
                    timeout_keep_alive=KEEP_ALIVE_S,
                    timeout_graceful_shutdown=2,
                    server_header=False,
                )
            )
            for endpoint in endpoints
        ]
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Serve; returns once requests are answered.

        Raises:
            UnavailableError: if the servers do not come up.
        """
        self._thread.start()
        for server in self._servers:
            if not server.up.wait(START_TIMEOUT_S):
                self.stop()
                msg = "the HTTP server did not start"
                raise UnavailableError(msg)

    def stop(self) -> None:
        """Finish running requests, for some seconds, end the thread, close and remove the sockets."""
        for server in self._servers:
            server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)
        for endpoint in self._endpoints:
            endpoint.socket.close()
            if endpoint.path is not None:
                endpoint.path.unlink(missing_ok=True)

    def _run(self) -> None:
        """Run the event loop until every server has ended."""
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        """Serve all endpoints."""
        await asyncio.gather(
            *(
                server.serve(sockets=[endpoint.socket])
                for server, endpoint in zip(self._servers, self._endpoints, strict=True)
            )
        )


class _Server(uvicorn.Server):
    """A uvicorn server that says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self.up.set()

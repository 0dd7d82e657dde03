"""A media plane under test: the real servers on real sockets in one loop, with footage and live pictures made up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from overt.contract.grant import Binding, Grant, Permission, digest, to_text
from overt.errors import MissingError
from overt.ids import StreamKey
from overt.media.records import RecordParser, end_record, record
from overt.recorder.http import bind_tcp, names_of
from overt.recorder.media_plane.application import MediaApplication, Place
from overt.recorder.media_plane.bindings import Bindings
from overt.recorder.media_plane.connections import ViewerServer
from overt.recorder.media_plane.control import control_application
from overt.recorder.media_plane.limits import Limits, Usage
from overt.recorder.media_plane.live_socket import PROTOCOL, TOKEN_PREFIX
from overt.recorder.media_plane.released_keys import OpenPeriod, ReleasedKeys
from overt.recorder.media_plane.sessions import Sessions
from overt.sealing.ratchet import MessageKeys, PeriodKeys

SECOND = 1_000_000_000
RING_S = 600.0
PERIOD = UUID(int=7)
RING_PERIOD = UUID(int=8)
ROOT = bytes(range(32))
FRONT, YARD, CELLAR = "front", "yard", "cellar"


class SteppedClock:
    """The machine's clock, which a test may step."""

    def __init__(self) -> None:
        self.step_ns = 0

    def utc_ns(self) -> int:
        return time.time_ns() + self.step_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


@dataclass
class FakeStream:
    state: str = "recording"
    reason: str = ""
    codecs: str = "avc1.4d002a"
    width: int = 1920
    height: int = 1080


class FakeViewer:
    """A viewer's queue, which the test fills."""

    def __init__(self, live: FakeLive) -> None:
        self._live, self._queue = live, asyncio.Queue[bytes | None](4)
        self.closed = False
        live.viewers.append(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self._queue.get()) is not None:
            yield message

    def offer(self, message: bytes | None) -> bool:
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    async def close(self) -> None:
        self.closed = True
        self._live.viewers.remove(self)


class FakeLive:
    def __init__(self) -> None:
        self.known = {StreamKey(FRONT): FakeStream(), StreamKey(FRONT, "sub"): FakeStream(width=640, height=360)}
        self.known[StreamKey(CELLAR)] = FakeStream()
        self.viewers: list[FakeViewer] = []
        self.rings_asked = 0

    def streams(self) -> dict[StreamKey, FakeStream]:
        return self.known

    async def subscribe(self, key: StreamKey, mode: str) -> FakeViewer:
        if key not in self.known:
            raise MissingError(f"no worker has {key}")
        viewer = FakeViewer(self)
        viewer.offer(record(4, {"state": "recording", "reason": mode, "since_us": 0}))
        return viewer

    async def ring(self, key: StreamKey) -> list[Any]:
        self.rings_asked += 1
        if key not in self.known:
            raise MissingError(f"no worker has {key}")
        return [RING_PERIOD]

    def open_ring(self, states: list[Any]) -> Callable[[UUID], MessageKeys]:
        keys = PeriodKeys(ROOT)

        def open_period(period: UUID) -> MessageKeys:
            if period not in states:
                raise MissingError("not in the ring")
            return keys

        return open_period


@dataclass
class FakeReplay:
    """Footage that is one endless row of records; says what it was asked, and needs a period's keys."""

    needs: UUID = PERIOD
    count: int = 3
    size: int = 100
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    open_now: int = 0
    known: list[StreamKey] = field(default_factory=list)

    async def streams(self) -> list[StreamKey]:
        return self.known

    async def spans(self, key: StreamKey, start_ns: int, end_ns: int, now_ns: int) -> dict[str, Any]:
        self.asked.append(("spans", key, start_ns, end_ns))
        return {"spans": [], "gaps": [], "first_us": None, "now_us": now_ns // 1000}

    async def fragments(
        self, key: StreamKey, start_ns: int, end_ns: int, open_period: OpenPeriod, *, lead: bool
    ) -> AsyncIterator[bytes]:
        self.asked.append(("fragments", key, start_ns, end_ns, lead))
        async for each in self._records(open_period):
            yield each

    async def keyframes(
        self, key: StreamKey, start_ns: int, end_ns: int, open_period: OpenPeriod, *, every_ns: int
    ) -> AsyncIterator[bytes]:
        self.asked.append(("keyframes", key, start_ns, end_ns, every_ns))
        async for each in self._records(open_period):
            yield each

    async def still(self, key: StreamKey, at_ns: int, open_period: OpenPeriod) -> bytes:
        self.asked.append(("still", key, at_ns))
        open_period(self.needs).key(0)
        return record(2, {}, b"still")

    async def _records(self, open_period: OpenPeriod) -> AsyncIterator[bytes]:
        self.open_now += 1
        try:
            for number in range(self.count):
                open_period(self.needs).key(number % 100)
                yield record(2, {"number": number}, b"x" * self.size)
                await asyncio.sleep(0)
            yield end_record()
        finally:
            self.open_now -= 1


class ControlRoom:
    """Signs grants."""

    def __init__(self, site: UUID) -> None:
        self.site = site
        self.key = Ed25519PrivateKey.generate()

    def grant(
        self,
        *permissions: Permission,
        secret: bytes | None = None,
        ticket: bytes | None = None,
        lifetime_s: int = 600,
        age_s: int = 0,
        jti: UUID | None = None,
        site: UUID | None = None,
        now_ns: int | None = None,
    ) -> Grant:
        issued = (time.time_ns() if now_ns is None else now_ns) // SECOND - age_s
        return Grant(
            iss="control room",
            sub="A. Person",
            jti=jti or uuid4(),
            aud=site or self.site,
            iat=issued,
            nbf=issued,
            exp=issued + lifetime_s,
            cnf=Binding(secret=secret and digest(secret), ticket=ticket and digest(ticket)),
            may=permissions or (may(FRONT), may(FRONT, rights=("recorded",))),
        )

    @property
    def public_key(self) -> str:
        return to_text(self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def may(*cameras: str, rights: tuple[Any, ...] = ("live",), from_ns: int = 0, to_ns: int | None = None) -> Permission:
    return Permission(cameras=cameras, rights=rights, from_ns=from_ns, to_ns=to_ns)


class Plane:
    """The media plane's servers in the test's loop."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: Limits | None = None,
        origins: tuple[str, ...] = (),
        encryption: Callable[[], ssl.SSLContext] | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.folder = folder
        self.clock = SteppedClock()
        self.room = ControlRoom(uuid4())
        self.limits, self.origins = limits or Limits(), origins
        self.encryption, self.trust = encryption, trust
        self.replay, self.live = FakeReplay(), FakeLive()
        self.settle_s = 0.0
        self.http: httpx.AsyncClient
        self.control: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self.usage, self.released = Usage(self.limits), ReleasedKeys()
        self.bindings = Bindings(self.folder, self.clock)
        self.sessions = Sessions(
            [self.room.key.public_key()], self.room.site, self.bindings, self.released, self.usage, self.clock, RING_S
        )
        media = MediaApplication(
            self.sessions,
            self.released,
            self.usage,
            self.live,
            self.replay,
            Place("Town Hall", "Europe/London"),
            self.clock,
            self.settle_s,
        )
        app = media.application(hosts=names_of("127.0.0.1"), origins=self.origins)
        self.server = ViewerServer(app, self.usage, self.encryption)
        self._listener = bind_tcp("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self._tasks = [
            asyncio.create_task(self.server.serve([self._listener])),
            asyncio.create_task(self.sessions.run()),
        ]
        await self.server.up.wait()
        scheme = "http" if self.encryption is None else "https"
        verify = True if self.trust is None else self.trust
        self.http = httpx.AsyncClient(base_url=f"{scheme}://127.0.0.1:{self.port}", timeout=60, verify=verify)
        self.control = httpx.AsyncClient(
            transport=httpx.ASGITransport(
                control_application(self.sessions, lambda: {"sessions": self.sessions.count})
            ),
            base_url="http://media",
        )

    async def stop(self) -> None:
        await self.http.aclose()
        await self.control.aclose()
        self.server.should_exit = True
        await self._tasks[0]
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.bindings.close()

    # --- what the control room does ----------------------------------------------------------------------------------

    async def put(self, grant: Grant, periods: dict[UUID, bytes] | None = None, **more: Any) -> httpx.Response:
        given = [{"period": str(period), "root": to_text(root)} for period, root in (periods or {}).items()]
        body = {"grant": grant.to_token(self.room.key), "periods": given} | more
        return await self.control.put(f"/grants/{grant.id}", json=body)

    # --- what a page does --------------------------------------------------------------------------------------------

    async def open(self, grant: Grant, secret: bytes) -> httpx.Response:
        return await self.http.post(
            "/session", json={"grant": grant.to_token(self.room.key), "secret": to_text(secret)}
        )

    async def open_ticket(self, ticket: bytes, secret: bytes) -> httpx.Response:
        return await self.http.post("/session", json={"ticket": to_text(ticket), "secret": to_text(secret)})

    async def token(self, *permissions: Permission, lifetime_s: int = 600, release: bool = True) -> tuple[str, Grant]:
        """A session's token, with the keys of `PERIOD` released."""
        secret = os.urandom(32)
        grant = self.room.grant(*permissions, secret=secret, lifetime_s=lifetime_s)
        if release:
            assert (await self.put(grant, {PERIOD: ROOT})).status_code == 204
        answer = await self.open(grant, secret)
        assert answer.status_code == 201, answer.text
        return answer.json()["token"], grant

    async def get(self, path: str, token: str, **more: Any) -> httpx.Response:
        return await self.http.get(path, headers={"authorization": f"Bearer {token}"}, **more)

    def watch(self, token: str, path: str = "/cameras/front/main/live", **more: Any) -> connect:
        protocols = [PROTOCOL, f"{TOKEN_PREFIX}{token}"]
        if self.trust is not None:
            more["ssl"] = self.trust
        scheme = "ws" if self.trust is None else "wss"
        return connect(f"{scheme}://127.0.0.1:{self.port}{path}", subprotocols=protocols, proxy=None, **more)


async def end_of(socket: ClientConnection) -> tuple[int, list[dict[str, Any]]]:
    """Read until it is closed; the close code and the headers of the error records."""
    parser, errors = RecordParser(), []
    try:
        async for message in socket:
            errors += [each.header for each in parser.feed(message) if each.kind == 9]
    except ConnectionClosed:
        pass
    return socket.close_code or 0, errors


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is another party's state
            await asyncio.sleep(0.005)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; a defect of the server is a failure of the test."""
    defects: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: defects.append(context))
        await coroutine

    asyncio.run(watched())
    assert not defects


@contextlib.contextmanager
def tcp(port: int, *, source: str = "127.0.0.1", timeout: float = 60) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout, (source, 0)) as connection:
        yield connection


def records_of(data: bytes) -> list[int]:
    """Kinds of the records in a body, all of them whole."""
    parser = RecordParser()
    found = [each.kind for each in parser.feed(data)]
    assert parser.pending == 0
    return found

"""Attacks on the media plane, one a test: forged and borrowed rights, hostile requests, viewers who take all they can.

What a forged token looks like is tested in test_grant.py, what a session opens to the nanosecond in test_sessions.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
import tracemalloc
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import InvalidStatus

from media_rig import CELLAR, FRONT, PERIOD, ROOT, SECOND, YARD, Plane, end_of, may, records_of, run, tcp, until
from overt.contract.grant import to_text
from overt.media.records import record
from overt.recorder.media_plane import connections, guard, live_socket
from overt.recorder.media_plane.limits import Bound, Limits
from stopwatch import Stopwatch

RECORDED = may(FRONT, rights=("recorded",), from_ns=1_000, to_ns=2_000)
PATHS = ("spans?from=1000&to=2000", "fragments?from=1000&to=2000", "keyframes?from=1000&to=2000", "still?at=1000")


# --- grants -----------------------------------------------------------------------------------------------------------


def test_altered_expired_foreign_and_misaddressed_grants_begin_no_session(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            secret = os.urandom(32)
            good = plane.room.grant(secret=secret)
            token = good.to_token(plane.room.key)
            head, _, signature = token.split(".")
            other = plane.room.grant(may(CELLAR), secret=secret).to_token(plane.room.key).split(".")[1]
            refused = (
                f"{head}.{other}.{signature}",
                token[:-8] + "AAAAAAAA",
                good.to_token(Ed25519PrivateKey.generate()),
                plane.room.grant(secret=secret, lifetime_s=60, age_s=60).to_token(plane.room.key),
                plane.room.grant(secret=secret, age_s=-3600).to_token(plane.room.key),
                plane.room.grant(secret=secret, site=uuid4()).to_token(plane.room.key),
            )
            for each in refused:
                answer = await plane.http.post("/session", json={"grant": each, "secret": to_text(secret)})
                assert answer.status_code in {400, 403}, answer.text
                assert each not in answer.text
            assert plane.sessions.count == 0
            assert (await plane.open(good, secret)).status_code == 201

    run(walk())


def test_a_borrowed_grant_is_worthless_without_the_secret(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            grant = plane.room.grant(secret=os.urandom(32))
            answer = await plane.open(grant, os.urandom(32))
            assert (answer.status_code, answer.json()["error"]["kind"]) == (403, "forbidden")

    run(walk())


def test_a_ticket_used_twice_the_second_bearer_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            ticket, first, second = (os.urandom(32) for _ in range(3))
            assert (await plane.put(plane.room.grant(ticket=ticket))).status_code == 204
            answers = await asyncio.gather(*(plane.open_ticket(ticket, each) for each in (first, second)))
            codes = [answer.status_code for answer in answers]
            assert sorted(codes) == [201, 403], "two at once: one of them"
            winner, token = (first, second)[codes.index(201)], answers[codes.index(201)].json()["token"]
            loser = second if winner is first else first
            async with plane.watch(token) as live:
                assert (await plane.open_ticket(ticket, loser)).status_code == 403
                assert await live.recv()
                assert (await plane.get("/session", token)).status_code == 200
                assert (await plane.open_ticket(ticket, winner)).status_code == 201

    run(walk())


def test_a_ticket_after_a_restart_of_the_media_process(tmp_path: Path) -> None:
    async def walk() -> None:
        ticket, first, second = (os.urandom(32) for _ in range(3))
        async with Plane(tmp_path) as plane:
            grant = plane.room.grant(ticket=ticket)
            await plane.put(grant)
            token = (await plane.open_ticket(ticket, first)).json()["token"]
            await plane.stop()
            await plane.start()
            assert (await plane.get("/session", token)).status_code == 401
            assert (await plane.open_ticket(ticket, second)).status_code == 403
            assert (await plane.open_ticket(ticket, first)).status_code == 503, "until the control room comes"
            await plane.put(grant)
            assert (await plane.open_ticket(ticket, second)).status_code == 403
            assert (await plane.open_ticket(ticket, first)).status_code == 201

    run(walk())


def test_another_camera_is_refused_and_it_is_not_said_whether_there_is_one(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(RECORDED, may(FRONT))
            said = set()
            for camera in (
                CELLAR,
                "no-such-camera",
                "%2e",
                "..%2e",
                "Front",
                "front%20",
                "front%00",
                "%ff",
                "x" * 5000,
            ):
                for path in PATHS:
                    answer = await plane.get(f"/cameras/{camera}/main/{path}", token)
                    assert answer.status_code == 403, (camera, answer.text)
                    said.add(answer.text)
                async with plane.watch(token, f"/cameras/{camera}/main/live") as live:
                    code, errors = await end_of(live)
                    assert code == 4403
                    said.add(json.dumps({"error": errors[0]}, separators=(",", ":")))
            assert len(said) == 1, said
            assert plane.replay.asked == []
            assert plane.live.viewers == []

    run(walk())


def test_another_hour_and_another_right_are_refused(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(RECORDED, may(YARD))
            for query in (
                "from=999&to=2000",
                "from=1000&to=2001",
                "from=999&to=2001",
                "from=2000&to=2001",
                "from=0&to=1",
            ):
                for path in ("spans", "fragments", "keyframes"):
                    assert (await plane.get(f"/cameras/front/main/{path}?{query}", token)).status_code == 403, query
            for at in (999, 2000):
                assert (await plane.get(f"/cameras/front/main/still?at={at}", token)).status_code == 403
            assert plane.replay.asked == []
            async with plane.watch(token) as live:
                assert (await end_of(live))[0] == 4403
            assert (await plane.get("/cameras/yard/main/spans?from=1000&to=2000", token)).status_code == 403

    run(walk())


def test_without_a_session_nothing_is_served(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token()
            for wrong in ("x", token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), token * 2, "a b", "é"):
                for path in ("session", "cameras", *(f"cameras/front/main/{each}" for each in PATHS)):
                    headers = {"authorization": f"Bearer {wrong}".encode()}
                    assert (await plane.http.get(f"/{path}", headers=headers)).status_code == 401
            for path in ("session", "cameras"):
                for value in (f"Basic {token}", token, "Bearer"):
                    assert (await plane.http.get(f"/{path}", headers={"authorization": value})).status_code == 401
                assert (await plane.http.get(f"/{path}?token={token}&access_token={token}")).status_code == 401
            async with plane.watch("A" * 43) as live:
                assert (await end_of(live))[0] == 4401

    run(walk())


# --- revocation and expiry --------------------------------------------------------------------------------------------


def test_revocation_closes_open_sockets_within_a_second(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, grant = await plane.token()
            other, _ = await plane.token()
            async with plane.watch(token) as live, plane.watch(other) as untouched:
                await asyncio.gather(live.recv(), untouched.recv())
                watch = Stopwatch()
                assert (await plane.control.delete(f"/grants/{grant.id}")).status_code == 204
                code, errors = await end_of(live)
                assert watch.within(1)
                assert (code, errors[0]["message"]) == (4403, "the grant was revoked")
                assert plane.live.viewers[0].offer(record(2, {}))
                assert await untouched.recv()
            assert plane.released.count == 1

    run(walk())


def test_expiry_closes_open_sockets_within_a_second(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, grant = await plane.token(lifetime_s=100)
            async with plane.watch(token) as live:
                await live.recv()
                plane.clock.step_ns = grant.expires_s * SECOND - time.time_ns()
                watch = Stopwatch()
                code, errors = await end_of(live)
                assert watch.within(1)
                assert (code, "expired" in errors[0]["message"]) == (4403, True)
            assert plane.released.count == 0

    run(walk())


def test_the_end_of_the_live_right_closes_its_socket_within_a_second(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            end = time.time_ns() + 300 * SECOND
            token, _ = await plane.token(may(FRONT, to_ns=end), may(YARD))
            async with plane.watch(token) as live:
                await live.recv()
                plane.clock.step_ns = 300 * SECOND
                watch = Stopwatch()
                assert (await end_of(live))[0] == 4403
                assert watch.within(1)
            assert (await plane.get("/session", token)).status_code == 200

    run(walk())


def test_revocation_cuts_off_a_socket_that_never_reads_within_a_second(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, grant = await plane.token()
            with tcp(plane.port) as connection:
                await handshake(connection, plane, token)
                viewer = plane.live.viewers[0]
                await until(lambda: not all(viewer.offer(os.urandom(1 << 20)) for _ in range(8)))
                watch = Stopwatch()
                await plane.control.delete(f"/grants/{grant.id}")
                await until(lambda: not plane.live.viewers and not live_connections(plane))
                assert watch.within(1.5), "half a second for saying why"

    run(walk())


def test_revocation_ends_a_download(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            plane.replay.count, plane.replay.size = 100_000, 10_000
            token, grant = await plane.token(RECORDED)
            asked = plane.http.stream(
                "GET",
                "/cameras/front/main/fragments?from=1000&to=2000",
                headers={"authorization": f"Bearer {token}"},
            )
            async with asked as answer:
                body = b""
                async for chunk in answer.aiter_bytes():
                    if not body:
                        await plane.control.delete(f"/grants/{grant.id}")
                    body += chunk
            assert records_of(body)[-1] == 9
            await until(lambda: plane.replay.open_now == 0)

    run(walk())


async def handshake(connection: socket.socket, plane: Plane, token: str) -> None:
    """Begin a live WebSocket on a plain socket, and read no more than the answer's first bytes."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    before = len(plane.live.viewers)
    request = (
        "GET /cameras/front/main/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: overt.live.v1, overt.token.{token}\r\n\r\n"
    )
    await asyncio.get_running_loop().sock_sendall(connection, request.encode())
    await until(lambda: len(plane.live.viewers) > before)


def live_connections(plane: Plane) -> list[connections.ViewerSocketProtocol]:
    """The WebSockets that the server holds."""
    known = plane.server.server_state.connections
    return [each for each in known if isinstance(each, connections.ViewerSocketProtocol)]


# --- hostile requests -------------------------------------------------------------------------------------------------


NUMBERS = (
    "-1",
    "+1",
    "1e3",
    "1.0",
    "",
    "x",
    "٣",
    "0x10",
    "1_000",
    "null",
    "9" * 20,
    "9" * 5000,
    "%00",
    "1000%0a",
    " 1000",
)


@pytest.mark.parametrize("number", NUMBERS)
def test_ranges_that_are_no_numbers_negative_or_enormous(tmp_path: Path, number: str) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(may(FRONT, rights=("recorded",)))
            queries = (f"fragments?from={number}&to=2000", f"spans?from=1000&to={number}", f"still?at={number}")
            for query in (*queries, f"keyframes?from=1000&to=2000&every={number}"):
                answer = await plane.get(f"/cameras/front/main/{query}", token)
                assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "invalid"), query
            assert plane.replay.asked == []

    run(walk())


def test_ranges_reversed_empty_missing_and_far_too_long(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(may(FRONT, rights=("recorded",)))
            days = 33 * 24 * 3600 * SECOND
            for query in (
                "from=2&to=1",
                "from=1&to=1",
                "from=1",
                "to=1",
                "",
                f"from=0&to={days}",
                "from=0&to=" + "9" * 19,
            ):
                for path in ("spans", "fragments", "keyframes"):
                    assert (await plane.get(f"/cameras/front/main/{path}?{query}", token)).status_code == 400
            assert (await plane.get("/cameras/front/main/fragments?from=1&to=2&lead=all", token)).status_code == 400
            assert plane.replay.asked == []

    run(walk())


@pytest.mark.parametrize(
    "path",
    [
        "/cameras/../../etc/passwd",
        "/cameras/..%2f..%2fetc%2fpasswd/main/spans",
        "/cameras/front%2fmain/spans",
        "/cameras/front/main%2fspans",
        "/cameras//main/spans",
        "/cameras/front/main/spans/",
        "/cameras/front/main/../../cellar/main/spans",
        "/assets/..%2f..%2fapplication.py",
        "/assets/%2e%2e/%2e%2e/application.py",
        "/assets//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//evil.example/",
        "/grants/0",
        "/status",
    ],
)
def test_paths_that_lead_elsewhere(tmp_path: Path, path: str) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(may(FRONT, rights=("recorded",)))
            request = f"GET {path}?from=1&to=2 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            answer = await raw(plane.port, request + "Connection: close\r\n\r\n")
            assert answer.split(b" ", 2)[1] in {b"404", b"403", b"400"}, answer
            assert plane.replay.asked == []

    run(walk())


async def raw(port: int, request: str) -> bytes:
    """Send bytes as they are; return everything that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode("latin-1"))
    try:
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example", "file://", "*"]
)
def test_pages_of_another_origin_are_refused(tmp_path: Path, origin: str) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token()
            headers = {"origin": origin, "authorization": f"Bearer {token}"}
            for method, path in (("GET", "/session"), ("GET", "/"), ("POST", "/session"), ("OPTIONS", "/session")):
                answer = await plane.http.request(method, path, headers=headers)
                assert answer.status_code == 403
                assert "access-control-allow-origin" not in answer.headers
            with pytest.raises(InvalidStatus) as refusal:
                async with plane.watch(token, origin=origin):
                    pass
            assert refusal.value.response.status_code == 403
            assert plane.live.viewers == []
            own = {"origin": f"http://127.0.0.1:{plane.port}", "authorization": f"Bearer {token}"}
            assert (await plane.http.get("/session", headers=own)).status_code == 200

    run(walk())


def test_a_name_that_resolves_to_loopback_is_refused(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token()
            for host in ("evil.example", f"evil.example:{plane.port}", "127.0.0.1.evil.example", "[::2]", ""):
                headers = {"host": host, "authorization": f"Bearer {token}", "origin": f"http://{host}"}
                assert (await plane.http.get("/session", headers=headers)).status_code == 400
            request = "GET /cameras/front/main/live HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
            request += (
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            )
            assert (await raw(plane.port, f"{request}Origin: http://evil.example\r\n\r\n")).startswith(b"HTTP/1.1 403")
            assert (await plane.http.get("/health", headers={"host": "localhost:9471"})).status_code == 200

    run(walk())


def test_oversized_bodies_and_heads_are_refused(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            secret = to_text(os.urandom(32))
            for body in (b"x" * 100_000, json.dumps({"grant": "a" * 70_000, "secret": secret}).encode()):
                answer = await plane.http.post("/session", content=body)
                assert (answer.status_code, "longer" in answer.text) == (400, True)
            assert (await plane.http.get("/health", headers={"x": "x" * 100_000})).status_code == 400

    run(walk())


def test_bodies_that_are_something_else_are_refused_in_words(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            secret = to_text(os.urandom(32))
            bodies = (
                b"",
                b"{}",
                b"[]",
                b"\xff",
                b"[" * 60_000,
                json.dumps({"secret": secret}).encode(),
                json.dumps({"secret": secret, "ticket": secret, "grant": secret}).encode(),
                json.dumps({"secret": 1, "ticket": secret}).encode(),
                json.dumps({"secret": secret[:-1], "ticket": secret}).encode(),
                json.dumps({"ticket": secret}).encode(),
                json.dumps({"secret": secret, "ticket": secret, secret: 1}).encode(),
            )
            for body in bodies:
                answer = await plane.http.post("/session", content=body)
                assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "invalid")
                assert secret[:-1] not in answer.text

    run(walk())


# --- viewers who take all they can ------------------------------------------------------------------------------------


def test_a_socket_that_never_reads_is_cut_off_and_grows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "SLOW_S", 1.0)

    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token()
            with tcp(plane.port) as connection:
                await handshake(connection, plane, token)
                message, viewer = os.urandom(1 << 20), plane.live.viewers[0]
                tracemalloc.start()
                try:
                    taken = 0
                    while plane.live.viewers:
                        taken += viewer.offer(message)
                        await asyncio.sleep(0.01)
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert taken < 20, "the viewer's queue is bounded"
                assert peak < 16 << 20
            assert plane.usage.count("socket") == 0

    run(walk())


def test_pings_without_end_from_one_that_never_reads_grow_nothing(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token()
            with tcp(plane.port) as connection:
                await handshake(connection, plane, token)
                (protocol,) = live_connections(plane)
                ping = b"\x89\xfd" + bytes(4) + b"x" * 125
                loop, most = asyncio.get_running_loop(), 0
                for _ in range(300):
                    try:
                        await asyncio.wait_for(loop.sock_sendall(connection, ping * 500), 5)
                    except OSError:
                        break
                    most = max(most, protocol.transport.get_write_buffer_size())
                assert most < connections.MAX_PONGS + (1 << 20)

    run(walk())


def test_a_download_that_is_never_read_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.Guard.__init__, "__kwdefaults__", {"origins": (), "send_timeout_s": 1.0})

    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            plane.replay.count, plane.replay.size = 100_000, 100_000
            token, _ = await plane.token(RECORDED)
            with tcp(plane.port) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.setblocking(False)
                request = "GET /cameras/front/main/fragments?from=1000&to=2000 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                request += f"Authorization: Bearer {token}\r\n\r\n"
                await asyncio.get_running_loop().sock_sendall(connection, request.encode())
                await until(lambda: plane.replay.open_now == 1)
                await until(lambda: plane.replay.open_now == 0 and not plane.usage.count("request"))
            assert (await plane.get("/session", token)).status_code == 200

    run(walk())


def test_answers_that_are_never_read_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.Guard.__init__, "__kwdefaults__", {"origins": (), "send_timeout_s": 1.0})

    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            plane.replay.count, plane.replay.size = 1, 16 << 20
            token, _ = await plane.token(RECORDED)
            with tcp(plane.port) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.setblocking(False)
                request = "GET /cameras/front/main/fragments?from=1000&to=2000 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                request += f"Authorization: Bearer {token}\r\n\r\n"
                await asyncio.get_running_loop().sock_sendall(connection, request.encode())
                await until(lambda: plane.usage.count("request") == 1)
                await until(lambda: not plane.usage.count("request"))
                port = connection.getsockname()[1]
                await until(lambda: port not in [each.client[1] for each in plane.server.server_state.connections])

    run(walk())


def test_a_client_that_goes_lets_the_footage_go(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            plane.replay.count, plane.replay.size = 100_000, 100_000
            token, _ = await plane.token(RECORDED)
            asked = plane.http.stream(
                "GET",
                "/cameras/front/main/fragments?from=1000&to=2000",
                headers={"authorization": f"Bearer {token}"},
            )
            async with asked:
                assert plane.replay.open_now == 1
            await until(lambda: plane.replay.open_now == 0 and not plane.usage.count("request"))

    run(walk())


def test_a_thousand_connections_leave_room_for_others(tmp_path: Path) -> None:
    limits = Limits(connections_per_address=100, connections=150)

    async def walk() -> None:
        async with Plane(tmp_path, limits=limits) as plane:
            held: list[socket.socket] = []
            try:
                for _ in range(1000):
                    connection = socket.create_connection(("127.0.0.1", plane.port), 5, ("127.0.0.9", 0))
                    held.append(connection)
                    if len(held) % 50 == 0:
                        await asyncio.sleep(0)
                await until(lambda: plane.usage._connections["127.0.0.9"] == limits.connections_per_address)
                token, _ = await plane.token()
                async with plane.watch(token) as live:
                    assert await live.recv()
                assert len(plane.server.server_state.connections) <= limits.connections_per_address + 5
            finally:
                for connection in held:
                    connection.close()
            await until(lambda: plane.usage._connections["127.0.0.9"] == 0)

    run(walk())


def test_connections_that_say_nothing_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.3)

    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            for beginning in (b"", b"GET / HTTP/1.1\r\nX: ", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /"):
                reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
                writer.write(beginning)
                with contextlib.suppress(ConnectionResetError):
                    await asyncio.wait_for(reader.read(), 60)
                writer.close()
            await until(lambda: not plane.usage._connections)

    run(walk())


def test_sockets_and_requests_are_limited_per_grant_and_address(tmp_path: Path) -> None:
    limits = Limits(sockets=Bound(2, 3, 100), requests=Bound(2, 3, 100))

    async def walk() -> None:
        async with Plane(tmp_path, limits=limits) as plane:
            one, _ = await plane.token()
            two, _ = await plane.token()
            async with plane.watch(one) as first, plane.watch(one) as second:
                await asyncio.gather(first.recv(), second.recv())
                async with plane.watch(one) as third:
                    code, errors = await end_of(third)
                    assert (code, errors[0]["kind"]) == (4429, "unavailable")
                async with plane.watch(two) as other:
                    await other.recv()
                    async with plane.watch(two) as fourth:
                        assert (await end_of(fourth))[0] == 4429
            await until(lambda: not plane.usage.count("socket"))
            plane.replay.count, plane.replay.size = 100_000, 100_000
            token, _ = await plane.token(RECORDED)
            headers = {"authorization": f"Bearer {token}"}
            path = "/cameras/front/main/fragments?from=1000&to=2000"
            async with plane.http.stream("GET", path, headers=headers), plane.http.stream("GET", path, headers=headers):
                answer = await plane.get(path, token)
                assert (answer.status_code, answer.json()["error"]["kind"]) == (429, "unavailable")

    run(walk())


def test_a_forwarded_address_is_not_believed(tmp_path: Path) -> None:
    limits = Limits(sockets=Bound(10, 1, 100))

    async def walk() -> None:
        async with Plane(tmp_path, limits=limits) as plane:
            token, _ = await plane.token()
            lie = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
            async with plane.watch(token) as first:
                await first.recv()
                async with plane.watch(token, additional_headers=lie) as second:
                    assert (await end_of(second))[0] == 4429

    run(walk())


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_nothing_secret_is_logged_or_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            ticket, secret = os.urandom(32), os.urandom(32)
            grant = plane.room.grant(ticket=ticket)
            await plane.put(grant, {PERIOD: ROOT})
            opened = await plane.open_ticket(ticket, secret)
            token = opened.json()["token"]
            texts = [(await plane.open_ticket(ticket, os.urandom(32))).text]
            for path in (
                "/session",
                "/cameras",
                "/cameras/front/main/fragments?from=1&to=2",
                f"/cameras/{token}/x/spans",
            ):
                answer = await plane.get(path, token)
                texts.append(answer.text)
            async with plane.watch(token) as live:
                await live.recv()
                await plane.control.delete(f"/grants/{grant.id}")
                texts.append(str(await end_of(live)))
            async with plane.watch(token) as live:
                texts.append(str(await end_of(live)))
            await raw(plane.port, f"BAD {token}\r\n\r\n")
            said = "\n".join([*texts, *(entry.getMessage() for entry in caplog.records if _ours(entry)), caplog.text])
            client = [entry.getMessage() for entry in caplog.records if not _ours(entry)]
            for line in client:
                said = said.replace(line, "")
            for value in (ticket, secret, ROOT):
                assert to_text(value) not in said
                assert value.hex() not in said
            assert token not in said
            assert grant.to_token(plane.room.key).split(".")[2] not in said

    run(walk())


def _ours(entry: logging.LogRecord) -> bool:
    """True unless it is the test's own client that speaks."""
    return not entry.name.startswith(("httpx", "httpcore", "websockets.client", "asyncio"))

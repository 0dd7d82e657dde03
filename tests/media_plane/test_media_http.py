"""The media plane's HTTP and WebSocket for those who may: what the reference says, on real sockets."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import httpx
from starlette.applications import Starlette

from media_rig import (
    CELLAR,
    FRONT,
    PERIOD,
    RING_PERIOD,
    ROOT,
    SECOND,
    FakeStream,
    Plane,
    end_of,
    may,
    records_of,
    run,
    until,
)
from overt.contract.grant import to_text
from overt.ids import StreamKey
from overt.media.records import MEDIA_TYPE, RecordParser, record
from overt.recorder.media_plane import page
from overt.recorder.media_plane.page import page_routes

FRONT_MAIN = StreamKey(FRONT)


def ago(seconds: float) -> int:
    return time.time_ns() - int(seconds * SECOND)


def span(start: int, end: int) -> dict[str, str]:
    return {"from": str(start), "to": str(end)}


def test_a_session_says_what_it_may(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            secret = os.urandom(32)
            grant = plane.room.grant(may(FRONT, from_ns=5_000, to_ns=None), secret=secret)
            opened = await plane.open(grant, secret)
            said = opened.json()
            token = said.pop("token")
            assert opened.status_code == 201
            again = (await plane.get("/session", token)).json()
            for each in (said, again):
                assert abs(each.pop("now_us") - time.time_ns() // 1000) < 60_000_000
            assert said == again
            assert said == {
                "grant": str(grant.id),
                "person": "A. Person",
                "expires_us": grant.expires_s * 1_000_000,
                "may": [{"cameras": ["front"], "rights": ["live"], "from_us": 5, "to_us": None}],
                "time_zone": "Europe/London",
                "site": "Town Hall",
            }
            assert opened.headers["cache-control"] == "no-store"

    run(walk())


def test_a_session_ends_when_it_is_closed(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token()
            async with plane.watch(token) as socket:
                closed = await plane.http.delete("/session", headers={"authorization": f"Bearer {token}"})
                assert closed.status_code == 204
                assert await end_of(socket) == (4401, [{"kind": "forbidden", "message": "the session was closed"}])
            assert (await plane.get("/session", token)).status_code == 401

    run(walk())


def test_cameras_are_those_of_the_grant(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            later = time.time_ns() + 3600 * SECOND
            token, _ = await plane.token(
                may(FRONT, rights=("live", "recorded")), may("gone", rights=("recorded",), from_ns=later)
            )
            said = (await plane.get("/cameras", token)).json()["cameras"]
            assert [(each["camera"], each["rights"]) for each in said] == [
                ("front", ["live", "recorded"]),
                ("gone", []),
            ]
            assert [each["stream"] for each in said[0]["streams"]] == ["main", "sub"]
            assert said[0]["streams"][0] == {
                "stream": "main",
                "state": "recording",
                "reason": "",
                "codecs": "avc1.4d002a",
                "width": 1920,
                "height": 1080,
            }
            assert CELLAR not in str(said)

    run(walk())


def test_recorded_footage(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            start, end = ago(7200), ago(3600)
            token, _ = await plane.token(may(FRONT, rights=("recorded",), from_ns=start, to_ns=end))
            spans = await plane.get("/cameras/front/main/spans", token, params=span(start, end))
            assert (spans.status_code, spans.json()["spans"]) == (200, [])
            for path, more in (
                ("fragments", {}),
                ("fragments", {"lead": "keyframe"}),
                ("keyframes", {}),
                ("keyframes", {"every": "2000000000"}),
            ):
                answer = await plane.get(f"/cameras/front/main/{path}", token, params=span(start, end) | more)
                assert answer.headers["content-type"] == MEDIA_TYPE
                assert records_of(answer.content) == [2, 2, 2, 7]
            still = await plane.get("/cameras/front/main/still", token, params={"at": str(start)})
            assert records_of(still.content) == [2]
            assert plane.replay.asked == [
                ("spans", FRONT_MAIN, start, end),
                ("fragments", FRONT_MAIN, start, end, False),
                ("fragments", FRONT_MAIN, start, end, True),
                ("keyframes", FRONT_MAIN, start, end, 0),
                ("keyframes", FRONT_MAIN, start, end, 2 * SECOND),
                ("still", FRONT_MAIN, start),
            ]
            assert plane.live.rings_asked == 0

    run(walk())


def test_keys_that_were_not_released_are_an_error_of_the_request(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(may(FRONT, rights=("recorded",)), release=False)
            answer = await plane.get("/cameras/front/main/fragments", token, params=span(ago(7200), ago(3600)))
            assert answer.status_code == 403
            assert "not released" in answer.json()["error"]["message"]
            assert plane.replay.open_now == 0

    run(walk())


def test_instant_replay_opens_the_ring_without_released_keys(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            plane.replay.needs = RING_PERIOD
            token, _ = await plane.token(may(FRONT), release=False)
            answer = await plane.get("/cameras/front/main/fragments", token, params=span(ago(30), ago(-5)))
            assert records_of(answer.content) == [2, 2, 2, 7]
            assert plane.replay.asked[0][3] <= time.time_ns()
            plane.replay.needs = PERIOD
            answer = await plane.get("/cameras/front/main/fragments", token, params=span(ago(30), ago(0)))
            assert answer.status_code in {403, 404}
            ahead = await plane.get("/cameras/front/main/fragments", token, params=span(ago(-50), ago(-60)))
            assert records_of(ahead.content) == [7]

    run(walk())


def test_released_keys_serve_while_the_worker_with_the_ring_is_away(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            plane.live.known.clear()
            token, _ = await plane.token(may(FRONT, rights=("live", "recorded")))
            answer = await plane.get("/cameras/front/main/fragments", token, params=span(ago(30), ago(0)))
            assert records_of(answer.content) == [2, 2, 2, 7]

    run(walk())


def test_live_over_a_websocket(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token()
            async with plane.watch(token, "/cameras/front/sub/live?mode=samples") as socket:
                assert socket.subprotocol == "overt.live.v1"
                assert socket.protocol.extensions == [], "no per-message deflate"
                (state,) = RecordParser().feed(await socket.recv())
                assert state.header["reason"] == "samples"
                fragment = record(2, {}, os.urandom(200_000))
                assert plane.live.viewers[0].offer(fragment)
                assert await socket.recv() == fragment
                assert plane.usage.count("socket") == 1
            await until(lambda: not plane.live.viewers and not plane.usage.count("socket"))

    run(walk())


def test_a_stream_that_goes_away_is_said_to_come_back(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(may(FRONT, "away"))
            async with plane.watch(token, "/cameras/away/main/live") as socket:
                assert (await end_of(socket))[0] == 4404
            async with plane.watch(token) as socket:
                await socket.recv()
                plane.live.viewers[0].offer(None)
                assert (await end_of(socket))[0] == 1012

    run(walk())


def test_a_stream_that_no_worker_has_announced_yet_is_said_to_come(tmp_path: Path) -> None:
    async def walk() -> None:
        plane = Plane(tmp_path)
        plane.settle_s = 60
        async with plane:
            token, _ = await plane.token(may(FRONT, "away"))
            async with plane.watch(token, "/cameras/away/main/live") as socket:
                code, errors = await end_of(socket)
                assert (code, errors[0]["kind"]) == (1012, "unavailable")

    run(walk())


def test_a_viewer_who_speaks_is_shown_out(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token()
            async with plane.watch(token) as socket:
                await socket.send("hello")
                assert (await end_of(socket))[0] == 1003
            async with plane.watch(token) as socket:
                await socket.send(b"x" * 100_000)
                assert (await end_of(socket))[0] == 1009
            await until(lambda: not plane.live.viewers)

    run(walk())


def test_viewers_hear_that_the_recorder_stops(tmp_path: Path) -> None:
    async def walk() -> None:
        plane = Plane(tmp_path)
        await plane.start()
        token, _ = await plane.token()
        async with plane.watch(token) as socket:
            await socket.recv()
            stopped = asyncio.create_task(plane.stop())
            assert (await end_of(socket))[0] == 1012
            await stopped

    run(walk())


def test_health_needs_no_session(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            answer = await plane.http.get("/health")
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    run(walk())


def test_the_control_rooms_socket(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, grant = await plane.token()
            assert (await plane.control.get("/status")).json() == {"sessions": 1}
            assert (await plane.control.delete(f"/grants/{grant.id}")).status_code == 204
            assert (await plane.get("/session", token)).status_code == 401
            assert (await plane.put(grant)).status_code == 403
            assert (await plane.control.delete("/grants/none")).status_code == 400
            for body in (b"", b"[]", b'{"grant": 1}', b'{"grant": "a.b.c", "periods": [{}]}', b"[" * 100_000):
                answer = await plane.control.put(f"/grants/{grant.id}", content=body)
                assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "invalid")
            fresh = plane.room.grant(secret=b"s" * 32)
            hush = to_text(b"k" * 31)
            short = await plane.put(fresh, {PERIOD: b"k" * 31})
            assert (short.status_code, hush in short.text) == (400, False)
            assert plane.released.count == 0
            assert (await plane.put(fresh, {PERIOD: ROOT})).status_code == 204

    run(walk())


STRICT = {
    "content-security-policy": page.CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


def test_the_page_is_served_with_strict_headers(tmp_path: Path) -> None:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("hush")
    (static / "assets" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (static / "assets" / "page.js").write_text("1")
    app = Starlette(routes=page_routes(static))

    async def walk() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            missing = await client.get("/")
            assert (missing.status_code, "make web" in missing.text) == (503, True)
            (static / "index.html").write_text("<!doctype html>")
            assert (await client.get("/")).text == "<!doctype html>"
            assert (await client.get("/assets/page.js")).headers["content-type"].startswith("text/javascript")
            for path in ("/assets/", "/assets/none", "/assets/../index.html", "/assets/%2e%2e/index.html"):
                assert (await client.get(path)).status_code == 404
            for path in ("/assets/..%2f..%2fsecret.txt", "/assets/link.txt", "/assets//etc/passwd"):
                assert (await client.get(path)).status_code == 404

        async with Plane(tmp_path) as plane:
            for path in ("/", "/assets/none", "/session", "/health", "/none"):
                headers = (await plane.http.get(path)).headers
                assert {name: headers.get(name) for name in STRICT} == STRICT
                assert "server" not in headers

    run(walk())


def test_pages_of_named_origins_may_ask(tmp_path: Path) -> None:
    origin = "https://cctv.example.org"

    async def walk() -> None:
        async with Plane(tmp_path, origins=(origin,)) as plane:
            token, _ = await plane.token()
            answer = await plane.get("/session", token)
            assert "access-control-allow-origin" not in answer.headers
            asked = {"origin": origin, "authorization": f"Bearer {token}"}
            answer = await plane.http.get("/session", headers=asked)
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
            before = {"origin": origin, "access-control-request-method": "GET"}
            preflight = await plane.http.options("/session", headers=before)
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, origin)
            named = await plane.http.get("/health", headers={"host": "cctv.example.org"})
            assert named.status_code == 200
            async with plane.watch(token, origin=origin) as socket:
                assert await socket.recv()

    run(walk())


def test_cameras_come_and_go_between_two_questions(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(may("new"))
            assert (await plane.get("/cameras", token)).json()["cameras"][0]["streams"] == []
            plane.live.known[StreamKey("new")] = FakeStream(state="unreachable", reason="no route to host")
            (stream,) = (await plane.get("/cameras", token)).json()["cameras"][0]["streams"]
            assert stream["reason"] == "no route to host"

    run(walk())


def test_what_a_camera_left_behind_is_listed_when_it_is_recorded_no_more(tmp_path: Path) -> None:
    async def walk() -> None:
        async with Plane(tmp_path) as plane:
            token, _ = await plane.token(may("front", "removed", rights=("recorded",)))
            plane.replay.known = [StreamKey("front"), StreamKey("removed"), StreamKey("cellar", "sub")]
            front, removed = (await plane.get("/cameras", token)).json()["cameras"]
            assert [each["state"] for each in front["streams"]] == ["recording", "recording"]
            assert [(each["stream"], each["state"]) for each in removed["streams"]] == [("main", "stopped")]

    run(walk())

"""The recorder's HTTP: what it answers, what it refuses, and who may reach it."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overt.contract import local_socket
from overt.contract.assignment import MAX_MESSAGE, Assignment
from overt.contract.fact import ClockStepped, Fact, new_fact
from overt.errors import UnavailableError
from overt.recorder.configuration import camera_argument
from overt.recorder.health import RecorderHealth, StreamHealth
from overt.recorder.http import Endpoint, HttpPlane, application, bind_tcp, names_of


class Recorder:
    def __init__(self) -> None:
        self.applied: list[Assignment] = []
        self.now = RecorderHealth(
            time_ns=1, started_ns=1, revision=1, streams=[StreamHealth(camera="a", stream="main")]
        )

    def health(self) -> RecorderHealth:
        return self.now

    def apply(self, assignment: Assignment) -> None:
        self.applied.append(assignment)


class Facts:
    def after(self, cursor: int, limit: int = 100) -> list[Fact]:
        if cursor == 999:
            raise UnavailableError("the disk is gone")
        facts = [new_fact(ClockStepped(0, followed=True), 5).numbered(number) for number in range(1, 6)]
        return [fact for fact in facts if fact.sequence > cursor][:limit]


def request(
    method: str, path: str, recorder: Recorder | None = None, *, writable: bool = True, **more: object
) -> httpx.Response:
    app = application(recorder or Recorder(), Facts(), writable=writable)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as client:
            return await client.request(method, path, **more)

    return anyio.run(ask)


ASSIGNMENT = Assignment(revision=4, cameras=(camera_argument("a=rtsp://u:hush-hush@192.0.2.7/1?pwd=hush-hush"),))


def test_health_says_200_or_503() -> None:
    recorder = Recorder()
    assert request("GET", "/health", recorder).json()["level"] == "ok"
    recorder.now.level = "failing"
    answer = request("GET", "/health", recorder)
    assert (answer.status_code, answer.json()["level"]) == (503, "failing")


def test_streams_and_metrics() -> None:
    assert request("GET", "/streams").json()["streams"][0]["camera"] == "a"
    answer = request("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "overt_stream_frames_total" in answer.text


def test_facts_with_a_cursor() -> None:
    answer = request("GET", "/facts?after=2&limit=2").json()
    assert [fact["sequence"] for fact in answer["facts"]] == [3, 4]
    assert answer["next"] == 4
    assert request("GET", "/facts?after=9").json() == {"facts": [], "next": 9}


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1e3", "after=" + "9" * 5000, "limit=0", "limit=1001", "after=٣"]
)
def test_cursors_are_bounded(query: str) -> None:
    answer = request("GET", f"/facts?{query}")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "invalid")


def test_our_errors_have_their_kind_and_status() -> None:
    answer = request("GET", "/facts?after=999")
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": {"kind": "unavailable", "message": "the disk is gone"}},
    )


def test_an_assignment_is_applied_and_its_secrets_are_never_answered() -> None:
    recorder = Recorder()
    answer = request("PUT", "/assignments", recorder, content=ASSIGNMENT.to_wire())
    assert (answer.status_code, answer.json()) == (200, {"revision": 4, "cameras": 1})
    assert recorder.applied == [ASSIGNMENT]
    broken = json.loads(ASSIGNMENT.to_wire())
    broken["cameras"][0]["password"] = ["hush-hush"]
    refused = request("PUT", "/assignments", recorder, content=json.dumps(broken).encode())
    assert refused.status_code == 400
    assert "hush" not in answer.text + refused.text
    assert len(recorder.applied) == 1


def test_an_endless_body_is_refused() -> None:
    recorder = Recorder()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(MAX_MESSAGE // (1 << 20) + 2):
            yield b" " * (1 << 20)

    answer = request("PUT", "/assignments", recorder, content=body())
    assert (answer.status_code, recorder.applied) == (400, [])


@given(st.binary(max_size=100))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_is_refused_in_words(body: bytes) -> None:
    answer = request("PUT", "/assignments", content=body)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "invalid")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/health", 405), ("GET", "/assignments", 405), ("GET", "/../etc/passwd", 404)],
)
def test_other_paths_and_methods(method: str, path: str, status: int) -> None:
    answer = request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["kind"] in {"missing", "invalid"}


def test_the_assignment_is_not_served_where_it_is_read_only() -> None:
    recorder = Recorder()
    assert request("PUT", "/assignments", recorder, writable=False, content=ASSIGNMENT.to_wire()).status_code == 404
    assert recorder.applied == []


@pytest.fixture(name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


@pytest.fixture(name="recorder")
def _recorder() -> Recorder:
    return Recorder()


@pytest.fixture(name="plane")
def _plane(folder: Path, recorder: Recorder) -> Iterator[tuple[str, Path]]:
    tcp, path = bind_tcp("127.0.0.1", 0), folder / "r.sock"
    port = tcp.getsockname()[1]
    hosts = names_of("127.0.0.1")
    plane = HttpPlane(
        [
            Endpoint(application(recorder, Facts(), writable=False, hosts=hosts), tcp),
            Endpoint(application(recorder, Facts(), writable=True), local_socket.listen(path), path),
        ]
    )
    plane.start()
    yield f"http://127.0.0.1:{port}", path
    plane.stop()
    assert not path.exists()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
        pass


def test_both_sockets_serve_and_stop(plane: tuple[str, Path], recorder: Recorder) -> None:
    url, path = plane
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://recorder") as local:
        assert local.put("/assignments", content=ASSIGNMENT.to_wire()).status_code == 200
    with httpx.Client(base_url=url) as remote:
        assert remote.put("/assignments", content=ASSIGNMENT.to_wire()).status_code == 404
        assert remote.get("/health").status_code == 200
        assert remote.get("/health", headers={"host": "localhost:9470"}).status_code == 200
        assert remote.get("/health", headers={"host": "evil.example"}).status_code == 400
        assert "server" not in remote.get("/health").headers
    assert len(recorder.applied) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_endless_headers_end_the_connection(plane: tuple[str, Path]) -> None:
    port = int(plane[0].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 60_000)
        assert b"400" in connection.recv(4096)


def test_addresses_that_cannot_be_used(folder: Path) -> None:
    with bind_tcp("127.0.0.1", 0) as taken, pytest.raises(UnavailableError, match="another program"):
        bind_tcp("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UnavailableError, match="cannot listen"):
        bind_tcp("203.0.113.1", 0)


def test_names() -> None:
    assert names_of("0.0.0.0") is None
    assert names_of("cctv.lan") is None
    assert "::1" in (names_of("::1") or ())

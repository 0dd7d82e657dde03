"""GET /periods: a control room that has the role key opens footage of a recorder whose disk it does not see."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import httpx
import pytest

from media_rig import ControlRoom, may, records_of
from overt.contract import socket_client
from overt.contract.assignment import Assignment
from overt.contract.grant import to_text
from overt.contract.socket_client import MediaControl, SocketClient, periods
from overt.errors import ConflictError, ForbiddenError, InvalidError
from overt.footage.keystore import StoredKey
from overt.ids import StreamKey
from overt.media.records import RecordKind
from overt.recorder.configuration import camera_argument
from overt.recorder.http import application
from overt.recorder.media_plane.process import CONTROL_SOCKET
from overt.recorder.wrapped_periods import MAX_CAMERAS, MAX_PERIODS, WrappedPeriods
from overt.sealing.custody import create_key_file, open_with_passphrase
from overt.sealing.recipients_file import read_recipients
from overt.sealing.wraps import WrappedKey, unwrap
from recorder_rig import PASSPHRASE, Recorder, addresses, cameras, make_site, toml_of

LATE_US = 4_000_000_000_000_000


class Stored:
    """Key periods that are made up; remembers what it was asked."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.asked: list[tuple[Any, ...]] = []

    def of(
        self, cameras: Collection[str], start_ns: int, end_ns: int, *, after: UUID | None = None, limit: int
    ) -> list[StoredKey]:
        self.asked.append((sorted(cameras), start_ns, end_ns, after, limit))
        first = 1 if after is None else after.int + 1
        numbers = range(first, min(first + limit, self.count + 1))
        return [StoredKey(UUID(int=n), StreamKey("a"), 0, 0, n.to_bytes(2, "big")) for n in numbers]


def asked(query: str, stored: Stored | None = None) -> httpx.Response:
    app = application(None, None, writable=stored is not None, periods=stored)  # type: ignore[arg-type]

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://recorder") as client:
            return await client.get(f"/periods?{query}")

    return anyio.run(ask)


def test_pages_follow_one_another() -> None:
    stored = Stored(3)
    first = asked("camera=a&camera=b&from_us=5&to_us=7&limit=2", stored).json()
    assert first == [
        {"period": str(UUID(int=1)), "camera": "a", "stream": "main", "wrap": "AAE"},
        {"period": str(UUID(int=2)), "camera": "a", "stream": "main", "wrap": "AAI"},
    ]
    last = asked(f"camera=a&camera=b&from_us=5&to_us=7&limit=2&after={first[-1]['period']}", stored).json()
    assert [each["wrap"] for each in last] == ["AAM"]
    assert stored.asked == [(["a", "b"], 5000, 7000, None, 2), (["a", "b"], 5000, 7000, UUID(int=2), 2)]


def test_more_than_one_answer_takes_is_refused_and_comes_in_pages() -> None:
    assert len(asked("camera=a&from_us=5&to_us=7", Stored(MAX_PERIODS)).json()) == MAX_PERIODS
    refused = asked("camera=a&from_us=5&to_us=7", Stored(MAX_PERIODS + 1))
    assert (refused.status_code, "'limit'" in refused.json()["error"]["message"]) == (400, True)
    assert len(asked(f"camera=a&from_us=5&to_us=7&limit={MAX_PERIODS}", Stored(MAX_PERIODS + 1)).json()) == MAX_PERIODS


def test_the_client_asks_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(5)
    monkeypatch.setattr(socket_client, "PERIODS_AT_ONCE", 2)

    class Client(SocketClient):
        def get(self, path: str) -> Any:
            return asked(path.partition("?")[2], stored).json()

    found = list(periods(Client(Path("nowhere")), ["a"], 5, 7))
    assert [each.period.int for each in found] == [1, 2, 3, 4, 5]
    assert "wrap" not in repr(found[0])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from_us=1&to_us=2", "'camera' must be given"),
        ("&".join(["camera=a"] * (MAX_CAMERAS + 1)) + "&from_us=1&to_us=2", "'camera' must be given"),
        ("camera=../keys&from_us=1&to_us=2", "not a usable name"),
        ("camera=" + "a" * 5000 + "&from_us=1&to_us=2", "not a usable name"),
        ("camera=a&to_us=2", "'from_us' is missing"),
        ("camera=a&from_us=1", "'to_us' is missing"),
        ("camera=a&from_us=2&to_us=2", "later"),
        ("camera=a&from_us=-1&to_us=2", "whole number"),
        ("camera=a&from_us=1&to_us=" + "9" * 18, "whole number"),
        ("camera=a&from_us=1&to_us=2&limit=0", "'limit'"),
        ("camera=a&from_us=1&to_us=2&limit=20001", "'limit'"),
        ("camera=a&from_us=1&to_us=2&after=here", "'after'"),
    ],
)
def test_what_is_refused_in_words(query: str, says: str) -> None:
    stored = Stored(3)
    answer = asked(query, stored)
    assert (answer.status_code, answer.json()["error"]["kind"], stored.asked) == (400, "invalid", [])
    assert says in answer.json()["error"]["message"]
    assert len(answer.text) < 500


def test_over_tcp_there_is_no_such_page() -> None:
    assert asked("camera=a&from_us=1&to_us=2").status_code == 404


def test_a_new_footage_directory_has_no_periods(tmp_path: Path) -> None:
    assert WrappedPeriods(tmp_path).of(["a"], 0, 2**62, limit=5) == []


def test_a_recorder_that_names_no_camera_is_told_opened_and_looked_back_at(tmp_path: Path) -> None:
    """As `overt serve` runs it: an empty start, PUT /assignments, and keys released from what GET /periods gave."""
    site = make_site(tmp_path)
    room = ControlRoom(read_recipients(site.recipients).site_id)
    file = tmp_path / "recorder.toml"
    media = f'media_listen = "127.0.0.1:0"\ngrant_keys = ["{room.public_key}"]'
    file.write_text(toml_of({}, recorder=media))
    with cameras("front", "yard") as simulator, Recorder(site, file, workers=1) as recorder:
        empty = recorder.wait_health(lambda health: health["media"]["state"] == "running")
        assert (empty["revision"], empty["streams"], empty["level"]) == (0, [], "ok")
        client = SocketClient(recorder.socket_path)
        assert list(periods(client, ["front"], 0, LATE_US)) == []

        assigned = tuple(camera_argument(f"{name}={url}") for name, url in addresses(simulator).items())
        wire = Assignment(revision=7, cameras=assigned).to_wire()
        transport = httpx.HTTPTransport(uds=str(recorder.socket_path))
        with httpx.Client(transport=transport, base_url="http://recorder") as raw:
            assert raw.put("/assignments", content=wire).json() == {"revision": 7, "cameras": 2}
        health = recorder.wait_recording("front", "yard")
        assert health["revision"] == 7

        # The control room: unwraps what came, releases it under a grant.
        found = list(periods(client, ["front", "cellar"], 0, LATE_US))
        assert {(each.camera, each.stream) for each in found} == {("front", "main")}
        roots = {each.period: unwrap(WrappedKey.decode(each.wrap), [site.role]) for each in found}
        stranger = create_key_file(tmp_path / "stranger.key", "Elsewhere", PASSPHRASE).key_file
        with pytest.raises(ForbiddenError):
            unwrap(WrappedKey.decode(found[0].wrap), [open_with_passphrase(stranger, PASSPHRASE)])
        secret = os.urandom(32)
        grant = room.grant(may("front", rights=("recorded",)), secret=secret)
        MediaControl(site.footage / CONTROL_SOCKET).give(grant.id, grant.to_token(room.key), roots)

        base = f"http://{recorder.health()['media']['listening']}"
        with httpx.Client(base_url=base, timeout=60) as page:
            opened = page.post("/session", json={"grant": grant.to_token(room.key), "secret": to_text(secret)})
            page.headers["authorization"] = f"Bearer {opened.json()['token']}"
            now_ns = time.time_ns()
            span = {"from": now_ns - 60_000_000_000, "to": now_ns}
            answer = page.get("/cameras/front/main/fragments", params=span)
            assert answer.status_code == 200, answer.text
            assert records_of(answer.content).count(RecordKind.FRAGMENT) > 0
        assert list(periods(client, ["front"], 0, 1)) == [], "nothing was recorded in 1970"
        with pytest.raises(InvalidError, match="not a usable name"):
            list(periods(client, ["Front door"], 0, LATE_US))

        # A file that names cameras later does not take them over from the control room.
        file.write_text(toml_of({"other": simulator.url("yard", credentials=True)}, recorder=media))
        refused = recorder.wait_fact("assignment-refused")
        assert "control room" in refused["data"]["reason"]
        assert recorder.health()["revision"] == 7
        with pytest.raises(ConflictError):
            client.ask("PUT", "/assignments", {"revision": 6, "cameras": []})

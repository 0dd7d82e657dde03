"""A media process that hangs, dies or is fed nonsense: recording goes on, memory stays bounded, viewers find out."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_rig import CAM, LiveRig, Watcher, hub_at, live_rig, recording, serve_hub, until
from overt.contract import local_socket
from overt.errors import InvalidError, UnavailableError
from overt.footage.opening import OpenedFragment
from overt.footage.reading import FootageReader
from overt.media.boxes import read_fragment
from overt.media.records import RecordKind, RecordParser, record
from overt.recorder import live
from overt.recorder.live_wire import SOCKET_NAME, VERSION, Wire, pack_states, unpack_states
from overt.recorder.media_plane import worker_link
from overt.sealing.ratchet import RingState
from overt.simulator.marks import frame_number

Told = tuple[int, dict[str, Any]]
SMALL_QUEUE = 64 << 10
STATE = RingState(UUID(int=5), 7, bytes(32), bytes(32), 1)
FAST = {"speed": 4}
"""A camera that fills queues soon."""


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class MediaProcess:
    """A hub with one viewer in a process of its own."""

    def __init__(self, footage: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=serve_hub, args=(footage, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def wait(self, predicate: Callable[[Told], bool], seconds: float = 60) -> list[Told]:
        """Return what was told up to the first thing that satisfies the predicate."""
        told: list[Told] = []
        deadline = time.monotonic() + seconds
        while not told or not predicate(told[-1]):
            assert self.pipe.poll(max(0.0, deadline - time.monotonic())), told[-3:]
            told.append(self.pipe.recv())
        return told

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def end(self) -> None:
        self.process.kill()
        self.process.join(60)
        self.pipe.close()


def stored_numbers(rig: LiveRig) -> list[int | None]:
    """Numbers of all frames that can be read from disk with the ring's keys."""

    async def keys() -> Any:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            return hub.open_ring(await hub.ring(CAM))

    open_period = asyncio.run(keys())
    found: list[int | None] = []
    with FootageReader(rig.footage) as reader:
        for each in reader.fragments(CAM, 0, 2**62, open_period):
            assert isinstance(each, OpenedFragment), each
            video = read_fragment(each.payload).track(1)
            assert video is not None
            found += [frame_number(each.payload[row.offset : row.offset + row.size], "h264") for row in video.samples]
    return found


def test_a_media_process_that_hangs_costs_recording_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUEUE_BYTES", SMALL_QUEUE)
    with live_rig(tmp_path, FAST) as rig:
        media = MediaProcess(rig.footage)
        try:
            media.wait(lambda told: told[0] == RecordKind.FRAGMENT)
            media.signal(signal.SIGSTOP)
            publisher, most = rig.worker.publisher, 0
            deadline = time.monotonic() + 60
            while publisher.dropped < 3:
                most = max(most, publisher.waiting_bytes)
                assert time.monotonic() < deadline
                time.sleep(0.02)
            stored = rig.fragments_stored()
            wait_until(lambda: rig.fragments_stored() > stored + 3)
            assert most <= 4 * SMALL_QUEUE, "what waits is bounded: the queue, and the one record being sent"
            media.signal(signal.SIGCONT)
            media.wait(lambda told: told[0] == RecordKind.DROPPED and told[1]["fragments"] >= 3)
            (kind, header), *_ = media.wait(lambda told: told[0] == RecordKind.FRAGMENT)
            assert kind == RecordKind.FRAGMENT
            assert header["keyframe"], "after a hole it goes on with a keyframe"
        finally:
            media.end()
        wait_until(lambda: not rig.worker.capturing._watched)
        numbers = [number for number in stored_numbers(rig) if number is not None]
        assert all(after == before + 1 for before, after in pairwise(numbers)), "every frame is on disk"


def test_a_media_process_that_is_killed_is_called_again(tmp_path: Path) -> None:
    with live_rig(tmp_path) as rig:
        for _ in range(2):
            media = MediaProcess(rig.footage)
            try:
                told = media.wait(lambda told: told[0] == RecordKind.FRAGMENT)
                assert told[0][0] == RecordKind.STATE
            finally:
                media.end()
            wait_until(lambda: not rig.worker.capturing._watched and rig.worker.publisher.waiting_bytes == 0)
        stored = rig.fragments_stored()
        wait_until(lambda: rig.fragments_stored() > stored + 2)


def test_a_media_process_that_takes_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STUCK_S", 0.2)
    monkeypatch.setattr(live, "LOOK_S", 0.1)
    with live_rig(tmp_path, FAST) as rig, local_socket.listen(rig.footage / SOCKET_NAME) as listener:
        listener.settimeout(60)
        first, _ = listener.accept()
        with first:
            # What is watched must have been announced: a stream that the worker does not have yet is passed over.
            parser, announced = RecordParser(), False
            while not announced:
                announced = any(each.kind == Wire.STREAM for each in parser.feed(first.recv(1 << 16)))
            first.sendall(record(Wire.WATCH, {"stream": 1, "mode": "fragments"}))
            second, _ = listener.accept()
            second.close()
        wait_until(lambda: not rig.worker.capturing._watched)
        (rig.footage / SOCKET_NAME).unlink()


@pytest.mark.parametrize(
    "said",
    [
        b"\xff" * 64,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        record(Wire.HELLO, {"version": VERSION + 1}),
        record(Wire.HELLO, {}),
        record(Wire.STREAM, {"camera": "../../etc", "name": "main", "stream": 1}),
        record(Wire.FRAGMENT, {"stream": [1]}),
    ],
    ids=["noise", "http", "version", "no-version", "path", "unhashable"],
)
def test_a_worker_that_talks_nonsense_is_let_go(tmp_path: Path, said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        async with hub_at(tmp_path) as hub:
            await until((tmp_path / SOCKET_NAME).exists)
            reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
            writer.write(said)
            assert await asyncio.wait_for(reader.read(), 60) == b"", "it is hung up on"
            writer.close()
            assert not hub.streams()
            other = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
            other[1].write(stream_record())
            await until(lambda: CAM in hub.streams())
            other[1].close()
            await until(lambda: hub.streams()[CAM].state == "failed")

    asyncio.run(talk())
    assert "is let go" in caplog.text


def stream_record(**changes: Any) -> bytes:
    header = {
        "stream": 1,
        "camera": "cam",
        "name": "main",
        "state": "recording",
        "reason": "",
        "since_ns": 1,
        "recorded": True,
        "codecs": "",
        "width": 0,
        "height": 0,
    }
    return record(Wire.STREAM, header | changes)


def test_a_worker_that_does_not_answer_costs_a_viewer_the_lead_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_link, "RING_S", 0.1)

    async def talk() -> None:
        async with hub_at(tmp_path) as hub:
            await until((tmp_path / SOCKET_NAME).exists)
            _, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
            writer.write(stream_record())
            await until(lambda: CAM in hub.streams())
            with pytest.raises(UnavailableError):
                await hub.ring(CAM)
            watcher = Watcher(await hub.subscribe(CAM, "fragments"))
            await watcher.wait(lambda seen: bool(seen.states))
            writer.write(stream_record(state="stalled", reason="silence"))
            await watcher.wait(lambda seen: seen.states[-1] == "stalled")
            writer.close()
            await watcher.wait(lambda seen: seen.states[-1] == "failed")
            await watcher.close()

    asyncio.run(talk())


@given(st.binary(max_size=400))
def test_states_of_the_ring_survive_the_wire_and_nonsense_is_refused(data: bytes) -> None:
    if len(data) % len(pack_states([STATE])):
        with pytest.raises(InvalidError):
            unpack_states(data)
        return
    states = unpack_states(data)
    assert pack_states(states) == data
    assert unpack_states(pack_states([STATE, *states])) == [STATE, *states]
    assert "state=" not in repr(STATE), "no key in a message or a log"

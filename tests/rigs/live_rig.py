"""Live viewing under test: simulated cameras, a real worker's threads and store, and the hub in the test's loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from capture_rig import FOOTAGE, KeepingEvents, assigned
from overt.clock import SystemClock
from overt.contract.assignment import CameraAssignment
from overt.contract.fact import GapCause as FactCause
from overt.footage.gaps import GapCause
from overt.footage.marker import create_location
from overt.footage.opening import OpenedFragment, OpenPeriod
from overt.footage.options import StoreOptions
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.boxes import read_fragment
from overt.media.records import Record, RecordKind, RecordParser
from overt.recorder.capturing import Capturing
from overt.recorder.live import Publisher
from overt.recorder.live_wire import SOCKET_NAME
from overt.recorder.media_plane.hub import LiveHub
from overt.recorder.media_plane.replay import Replay
from overt.recorder.media_plane.viewer import Viewer
from overt.sealing.roles import Recipients
from overt.simulator.marks import frame_number
from overt.simulator.persona import Persona
from overt.simulator.simulator import CameraControl, Simulator
from recorder_rig import Site, make_site

SECOND = 1_000_000_000
CAM = StreamKey("cam")
QUICK = StoreOptions(min_free_bytes=0, probe_interval_s=0.02, space_interval_s=0.05, compare_at_start=False)


class Door:
    """The store as capturing sees it."""

    def __init__(self, store: FootageStore) -> None:
        self._store = store
        self.append_many, self.detach = store.append_many, store.detach

    def interrupted(self, key: StreamKey, cause: FactCause, detail: str) -> None:
        self._store.interrupted(key, GapCause(cause), detail)

    def recorded_through_ns(self, key: StreamKey) -> int:
        return 0


class Worker:
    """What a capture worker is made of, as threads of this process."""

    def __init__(self, folder: Path, options: StoreOptions = QUICK) -> None:
        site = make_site(folder)
        if not site.footage.exists():
            create_location(site.footage, site.role.site_id)
        self.footage = site.footage
        self.store = FootageStore(site.footage, make_recipients(site), options=options)
        self.events = KeepingEvents()
        self.publisher = Publisher(self.footage / SOCKET_NAME, 1, self.store)
        self.capturing = Capturing(SystemClock(), Door(self.store), self.events, audience=self.publisher)
        self.capturing.start()
        self.publisher.start(self.capturing.watch)

    def stop(self) -> None:
        """Stop in order; may be called again."""
        assert self.capturing.stop(10)
        assert self.publisher.stop(10)
        assert self.store.close(20)
        if self.capturing.failure is not None:
            raise self.capturing.failure


def make_recipients(site: Site) -> Recipients:
    return Recipients(site.role.site_id, site.role.site, (site.role.recipient,))


class CountedReplay:
    """The real replay; counts what it is asked, and may be slow."""

    def __init__(self, footage: Path) -> None:
        self._replay = Replay(footage, (), 1)
        self.asked: list[int | None] = []
        self.late_s = 0.0
        self.close = self._replay.close

    async def recent(
        self, key: StreamKey, open_period: OpenPeriod, after_ns: int | None = None
    ) -> list[OpenedFragment]:
        self.asked.append(after_ns)
        await asyncio.sleep(self.late_s)
        return await self._replay.recent(key, open_period, after_ns)


@dataclass
class Seen:
    """What a viewer was sent, taken apart."""

    records: list[Record] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)

    def of(self, kind: int) -> list[Record]:
        return [each for each in self.records if each.kind == kind]

    @property
    def media(self) -> list[Record]:
        return [each for each in self.records if each.kind in (RecordKind.FRAGMENT, RecordKind.SAMPLE)]

    @property
    def states(self) -> list[str]:
        return [each.header["state"] for each in self.of(RecordKind.STATE)]

    def frames(self, codec: str = "h264") -> list[int | None]:
        """Numbers of all frames in order of arrival."""
        found: list[int | None] = []
        for each in self.media:
            payload = bytes(each.payload)
            if each.kind == RecordKind.SAMPLE:
                found.append(frame_number(payload, codec))
                continue
            video = read_fragment(payload).track(1)
            rows = video.samples if video is not None else []
            found += [frame_number(payload[row.offset : row.offset + row.size], codec) for row in rows]
        return found

    def check_order(self) -> None:
        """Configurations come before what names them; a keyframe comes first; nothing comes twice or out of order."""
        known: set[int] = set()
        for each in self.records:
            if each.kind == RecordKind.CONFIGURATION:
                assert each.header["id"] not in known
                known.add(each.header["id"])
            elif each.kind in (RecordKind.FRAGMENT, RecordKind.SAMPLE):
                assert each.header["configuration"] in known
        if self.media:
            assert self.media[0].header["keyframe"]
        reached = 0
        for place, each in enumerate(self.media):
            start = each.header.get("start_us", each.header.get("decode_us"))
            assert start >= reached, f"number {place} ({each.header}) comes {reached - start} us out of order"
            reached = start + each.header.get("duration_us", 1)


class Watcher:
    """Reads a viewer in a task of its own."""

    def __init__(self, viewer: Viewer, key: StreamKey = CAM) -> None:
        self.viewer, self.key = viewer, key
        self.seen, self.began = Seen(), time.monotonic()
        self.ended = False
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        parser = RecordParser()
        async for message in self.viewer:
            found = parser.feed(message)
            assert not parser.pending, "a message holds whole records"
            self.seen.records += found
            self.seen.arrivals += [time.monotonic()] * len(found)
            self._changed.set()
        self.ended = True
        self._changed.set()

    async def wait(self, predicate: Callable[[Seen], bool], seconds: float = 60) -> Seen:
        """Wait until what was seen satisfies a predicate."""
        try:
            async with asyncio.timeout(seconds):
                while not predicate(self.seen):
                    assert not self._task.done() or self.ended, self._task
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            kinds = [(each.kind, each.header) for each in self.seen.records[-8:]]
            raise AssertionError(f"it was not seen in {seconds} s; last came {kinds}") from None
        return self.seen

    async def wait_end(self, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            await self._task

    async def close(self) -> None:
        await self.viewer.close()
        await self._task


@contextlib.asynccontextmanager
async def hub_at(footage: Path, replay: CountedReplay | None = None, ring_s: float = 600.0) -> AsyncIterator[LiveHub]:
    """A hub that listens."""
    replay = replay or CountedReplay(footage)
    hub = LiveHub(footage / SOCKET_NAME, replay, ring_s)
    serving = asyncio.create_task(hub.serve())
    try:
        yield hub
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        replay.close()


def serve_hub(footage: Path, pipe: Connection) -> None:
    """Be a media process with one viewer of `cam`, and tell kind and header of all that it gets."""

    async def serve() -> None:
        async with hub_at(footage) as hub:
            await recording(hub)
            parser = RecordParser()
            async for message in await hub.subscribe(CAM, "fragments"):
                for each in parser.feed(message):
                    pipe.send((each.kind, each.header))

    asyncio.run(serve())


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that no event tells."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


async def recording(hub: LiveHub, key: StreamKey = CAM) -> None:
    """Wait until a stream is known and recorded."""
    await until(lambda: key in hub.streams() and hub.streams()[key].state == "recording")


@dataclass
class LiveRig:
    """Cameras and the worker that captures them."""

    simulator: Simulator
    worker: Worker
    cameras: tuple[CameraAssignment, ...]

    @property
    def footage(self) -> Path:
        return self.worker.footage

    def camera(self, name: str = "cam") -> CameraControl:
        return self.simulator.camera(name)

    def fragments_stored(self, key: StreamKey = CAM) -> int:
        return sum(each.fragments for each in self.worker.store.status().streams if each.key == key)


@contextlib.contextmanager
def live_rig(
    folder: Path, *cameras: dict[str, Any], options: StoreOptions = QUICK, **assignment: Any
) -> Iterator[LiveRig]:
    """Simulate cameras (one called `cam` if none is named) and capture them."""
    described = [{"path": "cam", "source": str(FOOTAGE / "axis_test_h264.mp4"), **each} for each in cameras or ({},)]
    before = set(threading.enumerate())
    with Simulator(Persona.model_validate({"cameras": described}), log_frames=5000) as simulator:
        worker = Worker(folder, options)
        try:
            wanted = tuple(assigned(simulator, each, **assignment) for each in described)
            worker.capturing.apply(wanted)
            yield LiveRig(simulator, worker, wanted)
        finally:
            worker.stop()
    left = [each for each in set(threading.enumerate()) - before if each.name in {"live", "capture"}]
    assert not left, left

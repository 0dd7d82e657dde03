"""Disks that are full, gone, read-only or slow, databases that are locked: a gap with its cause, and recovery."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overt.contract.fact import DiskStateChanged, GapOpened, SegmentStored
from overt.errors import OvertError
from overt.footage import locations, segment_writer
from overt.footage.gaps import GapCause
from overt.footage.index import Index
from overt.footage.marker import create_location
from overt.footage.reconcile import reconcile
from overt.ids import StreamKey

S = 1_000_000_000


class Disk:
    """Stands for `os` where segments are written, and refuses when told to."""

    def __init__(self) -> None:
        self.refusal: int | None = None
        self.under: Path | None = None
        self.room: int | None = None
        self.held = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.most_queued = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def refuses(self, fd: int) -> bool:
        return self.under is None or Path(f"/proc/self/fd/{fd}").readlink().is_relative_to(self.under)

    def write(self, fd: int, data: Any) -> int:
        if not self.go_on.is_set():
            self.held.set()
            assert self.go_on.wait(60)
        if self.refusal is not None and self.refuses(fd):
            raise OSError(self.refusal, os.strerror(self.refusal))
        if self.room is not None:
            if self.room == 0:
                raise OSError(errno.ENOSPC, "no space")
            data = data[: self.room]
            self.room -= len(data)
        return os.write(fd, data)

    def trial(self, path: Path) -> None:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "no space")
        if self.refusal is not None and (self.under is None or path.is_relative_to(self.under)):
            raise OSError(self.refusal, os.strerror(self.refusal))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    monkeypatch.setattr(segment_writer, "os", made)
    monkeypatch.setattr(locations, "write_trial", made.trial)
    yield made
    made.go_on.set()


@pytest.fixture
def feed(site: Any, lab: Any, camera: StreamKey) -> Callable[..., Any]:
    """Append half a second after the other to a store and remember what the store acknowledged."""

    def start(store: Any) -> Callable[[int], None]:
        state = SimpleNamespace(at=lab.T0, session=uuid.uuid4())

        def more(count: int, *, size: int = 300) -> None:
            for _ in range(count):
                first = state.at == lab.T0
                store.append(
                    camera,
                    state.session,
                    lab.fragment(state.at, keyframe=(state.at // S) % 2 == 0, discontinuity=first, size=size),
                )
                state.at += S // 2
            site.clock.utc = state.at

        return more

    return start


class Acknowledged:
    """What the operating system has."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def __call__(self, key: StreamKey, each: Any) -> None:
        self.payloads.append(each.payload)


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        (errno.ENOSPC, "full", "no space left on the disk"),
        (errno.EROFS, "read-only", "mounted read-only"),
        (errno.EIO, "failing", "input/output error"),
    ],
)
def test_a_disk_that_refuses_is_a_gap_until_it_does_not(
    *, site: Any, lab: Any, camera: StreamKey, disk: Disk, facts: Any, feed: Any, code: int, state: str, words: str
) -> None:
    stored = Acknowledged()
    store = site.open(stored=stored)
    store.subscribe(facts)
    more = feed(store)
    more(10)
    assert store.flush()
    disk.refusal = code
    more(10)
    opened = facts.wait(GapOpened)
    assert opened.cause == "disk"
    assert words in opened.reason
    assert errno.errorcode[code] in opened.reason
    assert opened.start_ns == lab.T0 + 5 * S
    assert facts.wait(DiskStateChanged).state == state
    assert store.status().streams[0].refused == 10
    disk.refusal = None
    facts.wait(DiskStateChanged, lambda each: each.state == "ok", timeout=60)
    more(10)
    assert store.close()
    assert len(stored.payloads) == 20
    assert site.payloads(camera) == stored.payloads
    with Index(site.directory / "index.sqlite", write=False) as index:
        gap = index.gaps(camera, 0, 2**62)[0]
    assert (gap.start_ns, gap.end_ns, gap.cause) == (lab.T0 + 5 * S, lab.T0 + 10 * S, GapCause.DISK)
    assert reconcile(site.directory, deep=True).differences == []


def test_a_record_torn_by_a_full_disk_is_cut_off(
    *, site: Any, lab: Any, camera: StreamKey, disk: Disk, facts: Any, feed: Any
) -> None:
    stored = Acknowledged()
    store = site.open(stored=stored)
    store.subscribe(facts)
    more = feed(store)
    more(4)
    assert store.flush()
    disk.room = 1000
    more(6)
    facts.wait(GapOpened)
    disk.room = None
    facts.wait(DiskStateChanged, lambda each: each.state == "ok", timeout=60)
    more(4)
    assert store.close()
    assert site.payloads(camera) == stored.payloads
    assert 8 < len(stored.payloads) < 14
    assert reconcile(site.directory, deep=True).differences == []


def test_when_one_disk_fails_another_takes_over_without_loss(
    *, site: Any, lab: Any, camera: StreamKey, disk: Disk, facts: Any, feed: Any, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    create_location(second, site.recipients.site_id, lab.read_marker(site.directory).store)
    store = site.open(options=replace(lab.FAST, choose="in-order"), locations=[second])
    store.subscribe(facts)
    more = feed(store)
    more(10)
    assert store.flush()
    disk.refusal, disk.under = errno.EIO, site.directory
    more(10)
    assert store.flush()
    assert list(second.rglob("*.ovs"))
    disk.refusal = None
    facts.wait(DiskStateChanged, lambda each: each.state == "ok")
    assert store.close()
    assert len(site.payloads(camera)) == 20
    assert facts.of(GapOpened)[:-1] == []
    with site.reader() as reader:
        (span, _) = reader.spans(camera, 0, site.clock.utc + 1)
    assert span.segments == 2


def test_a_disk_that_hangs_fills_a_bounded_queue(
    *, site: Any, lab: Any, camera: StreamKey, disk: Disk, facts: Any, feed: Any
) -> None:
    stored = Acknowledged()
    store = site.open(options=replace(lab.FAST, queue_bytes=100_000), stored=stored)
    store.subscribe(facts)
    more = feed(store)
    more(4)
    assert store.flush()
    disk.go_on.clear()
    more(1)
    assert disk.held.wait(60)
    for _ in range(30):
        more(10, size=1000)
        assert store.status().queued_bytes <= 100_000
    assert facts.wait(DiskStateChanged).state == "slow"
    refused = store.status().streams[0].refused
    assert 150 < refused < 301
    disk.go_on.set()
    opened = facts.wait(GapOpened)
    assert (opened.cause, opened.reason) == ("disk", "the disk is too slow: the queue before it is full")
    facts.wait(DiskStateChanged, lambda each: each.state == "ok")
    assert store.flush()
    more(5)
    assert store.close()
    assert len(stored.payloads) == 310 - refused
    assert site.payloads(camera) == stored.payloads


def test_a_stream_that_floods_leaves_others_their_share(site: Any, lab: Any, camera: StreamKey, disk: Disk) -> None:
    store = site.open(options=replace(lab.FAST, queue_bytes=100_000))
    other = StreamKey("yard")
    store.attach([camera, other])
    disk.go_on.clear()
    flood = [(camera, uuid.UUID(int=1), each) for each in lab.run(lab.T0, 200, size=1000)]
    assert 49 <= store.append_many(flood) <= 100
    quiet = [(other, uuid.UUID(int=2), each) for each in lab.run(lab.T0, 40, size=1000)]
    assert store.append_many(quiet) == 40
    disk.go_on.set()
    assert store.close()


def test_a_directory_that_is_gone_and_comes_back(site: Any, lab: Any, camera: StreamKey, facts: Any, feed: Any) -> None:
    stored = Acknowledged()
    store = site.open(stored=stored)
    store.subscribe(facts)
    more = feed(store)
    more(10)
    assert store.flush()
    elsewhere = site.directory.with_name("elsewhere")
    site.directory.rename(elsewhere)
    site.directory.mkdir()  # the mount point, empty
    assert facts.wait(DiskStateChanged).state == "missing"
    more(10)
    assert facts.wait(GapOpened).cause == "disk"
    assert list(site.directory.iterdir()) == []
    site.directory.rmdir()
    elsewhere.rename(site.directory)
    facts.wait(DiskStateChanged, lambda each: each.state == "ok", timeout=60)
    more(10)
    assert store.close()
    assert site.payloads(camera) == stored.payloads
    assert len(stored.payloads) >= 20
    assert reconcile(site.directory, deep=True).differences == []


def test_a_directory_that_may_not_be_written(site: Any, lab: Any, camera: StreamKey, facts: Any, feed: Any) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    store = site.open()
    store.subscribe(facts)
    more = feed(store)
    segments = site.directory / "segments"
    segments.chmod(0o500)
    more(4)
    assert facts.wait(DiskStateChanged).state == "read-only"
    segments.chmod(0o700)
    facts.wait(DiskStateChanged, lambda each: each.state == "ok", timeout=60)
    more(4)
    assert store.close()
    assert site.payloads(camera)


def test_the_reserve_is_kept_and_nothing_older_is_touched(
    *, site: Any, lab: Any, camera: StreamKey, facts: Any, feed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SimpleNamespace(f_frsize=1, f_bavail=10_000, f_blocks=20_000)
    monkeypatch.setattr(locations.os, "statvfs", lambda _: space)
    store = site.open(options=replace(lab.FAST, min_free_bytes=4000))
    store.subscribe(facts)
    more = feed(store)
    more(10)
    assert store.flush()
    before = site.files()
    space.f_bavail = 3999
    full = facts.wait(DiskStateChanged, lambda each: each.state == "full")
    assert (full.free_bytes, full.total_bytes) == (3999, 20_000)
    more(10)
    assert facts.wait(GapOpened).cause == "disk"
    assert site.files() == before
    space.f_bavail = 5000
    facts.wait(DiskStateChanged, lambda each: each.state == "low", timeout=60)
    more(10)
    assert store.close()
    assert len(site.payloads(camera)) == 20


def test_a_full_disk_gives_up_the_oldest_where_the_policy_allows_it(
    *, site: Any, lab: Any, camera: StreamKey, facts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SimpleNamespace(f_frsize=1, f_bavail=1_000_000, f_blocks=2_000_000)
    monkeypatch.setattr(locations.os, "statvfs", lambda _: space)
    options = replace(lab.FAST, min_free_bytes=100_000, on_full="delete-oldest", retention_interval_s=60)
    store = site.open(options=options)
    store.subscribe(facts)
    store.set_retention({})
    assert store.append_many((camera, uuid.UUID(int=1), each) for each in lab.run(lab.T0, 1200)) == 1200
    site.clock.utc = lab.T0 + 600 * S
    assert store.flush()
    before = site.files()
    space.f_bavail = 60_000
    gone = facts.wait(lab.FootageDeleted)
    assert (gone.reason, gone.start_ns) == ("disk-full", lab.T0)
    assert gone.bytes >= 65_000
    space.f_bavail = 200_000
    facts.wait(DiskStateChanged, lambda each: each.state == "ok")
    assert store.close()
    assert site.files() == before[gone.segments :]


def test_a_flush_that_fails_is_told_and_tried_again(
    *, site: Any, lab: Any, camera: StreamKey, facts: Any, feed: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = threading.Event()
    original = locations.flush_file

    def flush(path: Path) -> None:
        if failing.is_set():
            raise OSError(errno.EIO, "input/output error")
        original(path)

    monkeypatch.setattr(locations, "flush_file", flush)
    store = site.open()
    store.subscribe(facts)
    more = feed(store)
    failing.set()
    disk.refusal = errno.EIO
    more(4)
    assert facts.wait(DiskStateChanged).state == "failing"
    failing.clear()
    disk.refusal = None
    facts.wait(DiskStateChanged, lambda each: each.state == "ok")
    more(4)
    assert store.close()
    assert reconcile(site.directory, deep=True).differences == []


def test_a_locked_index_holds_up_no_footage(site: Any, lab: Any, camera: StreamKey, feed: Any, facts: Any) -> None:
    store = site.open(options=replace(lab.FAST, segment_s=2))
    store.subscribe(facts)
    more = feed(store)
    more(2)
    assert store.flush()
    other = sqlite3.connect(site.directory / "index.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    more(40)
    lab.wait_until(lambda: store.status().streams[0].fragments == 42)
    lab.wait_until(lambda: store.status().index_trouble is not None)
    assert store.status().index_waiting > 5
    other.execute("ROLLBACK")
    other.close()
    facts.wait(SegmentStored)
    assert store.flush()
    assert store.status().index_trouble is None
    assert store.close()
    assert len(site.payloads(camera)) == 42
    assert reconcile(site.directory, deep=True).differences == []


def test_locked_keys_hold_up_no_footage(site: Any, lab: Any, camera: StreamKey) -> None:
    store = site.open()
    session = uuid.UUID(int=7)
    sent = lab.run(lab.T0, 3 * 720, gop=2, size=40, step=5 * S)
    assert store.append_many((camera, session, each) for each in sent[:4]) == 4
    lab.wait_until(lambda: store._writer.entries()[0].writer is not None and store.status().streams[0].fragments == 4)
    lab.wait_until(lambda: store._writer.entries()[0].writer._next_period is not None)
    other = sqlite3.connect(site.directory / "keys.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert store.append_many((camera, session, each) for each in sent[4:]) == len(sent) - 4
    lab.wait_until(lambda: store.status().streams[0].fragments == len(sent))
    lab.wait_until(lambda: store.status().keys_trouble is not None)
    other.execute("ROLLBACK")
    other.close()
    lab.wait_until(lambda: store.status().keys_trouble is None)
    assert store.close()
    assert len(site.payloads(camera)) == len(sent)
    assert reconcile(site.directory).differences == []


def test_keys_that_are_locked_at_the_start_are_waited_for(site: Any, lab: Any, camera: StreamKey) -> None:
    store = site.open(options=replace(lab.FAST, queue_bytes=5000))
    other = sqlite3.connect(site.directory / "keys.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    sent = lab.run(lab.T0, 40)
    session = uuid.uuid4()
    taken = [store.append(camera, session, each) for each in sent[:4]]
    lab.wait_until(lambda: store.status().keys_trouble is not None)
    taken += [store.append(camera, session, each) for each in sent[4:]]
    assert taken.count(True) == 16
    assert store.status().streams[0].waiting_for_key
    other.execute("ROLLBACK")
    other.close()
    assert store.flush()
    assert store.append(camera, session, lab.fragment(lab.T0 + 30 * S))
    assert store.close()
    assert site.payloads(camera)[:16] == [each.payload for each in sent[:16]]
    with Index(site.directory / "index.sqlite", write=False) as index:
        gap = index.gaps(camera, 0, 2**62)[0]
    assert gap.cause == GapCause.DISK
    assert "no key could be stored" in gap.detail
    assert (gap.start_ns, gap.end_ns) == (lab.T0 + 8 * S, lab.T0 + 30 * S)


@pytest.mark.parametrize("loss", ["gone", "garbage"])
def test_an_index_that_is_lost_while_it_runs_is_made_again(
    site: Any, lab: Any, camera: StreamKey, feed: Any, loss: str
) -> None:
    store = site.open(options=replace(lab.FAST, segment_s=2))
    more = feed(store)
    more(40)
    assert store.flush()
    path = site.directory / "index.sqlite"
    if loss == "gone":
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    else:
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
        path.with_name("index.sqlite-wal").write_bytes(b"")
    more(20)

    def known() -> int:
        try:
            with Index(path, write=False) as index:
                return len(index.segments(camera, 0, 2**62))
        except OvertError:
            return 0

    lab.wait_until(lambda: known() >= 10)
    more(10)
    assert store.flush()
    assert store.close()
    assert len(site.payloads(camera)) == 70
    assert reconcile(site.directory, deep=True).differences == []

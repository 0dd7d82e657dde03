"""Keys that are not released, viewers that wait or go away, disks and indices that fail: never a hang, never a leak."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from footage_rig import CAMERA, FAST, SECOND, T0, Answer, FootageSite, answer, append, run
from overt.errors import CorruptError, ForbiddenError, MissingError, OvertError, UnavailableError
from overt.footage.gaps import Gap
from overt.footage.index_connection import IndexDamagedError
from overt.footage.layout import INDEX
from overt.footage.options import StoreOptions
from overt.footage.reading import FootageReader
from overt.footage.reconcile import reconcile
from overt.footage.spans import Span
from overt.ids import StreamKey
from overt.media.records import RecordKind
from overt.recorder.media_plane import replay as replay_module
from overt.recorder.media_plane.replay import Replay
from overt.sealing.ratchet import MessageKeys, RingKeys, RingState

US = 1000
Replays = Callable[..., Replay]


def periods(site: FootageSite, key: StreamKey = CAMERA) -> list[UUID]:
    """Return the key periods of a stream in order of time."""
    with FootageReader(site.directory) as reader:
        return list(dict.fromkeys(row.period_id for row in reader.segments(key, 0, 2**62)))


def generator(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    return cast("AsyncGenerator[bytes, None]", pieces)


def open_segments() -> int:
    count = 0
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += path.readlink().suffix == ".ovs"
    return count


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


# --- keys ------------------------------------------------------------------------------------------------------------


def only(site: FootageSite, *released: UUID) -> Callable[[UUID], MessageKeys]:
    """Return what opens some periods."""

    def open_period(period: UUID) -> MessageKeys:
        if period not in released:
            msg = "the keys of this footage were not released"
            raise ForbiddenError(msg)
        return site.open_period(period)

    return open_period


def test_footage_whose_key_is_not_released_is_refused_and_the_time_named(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 10))
    replay, nothing = replay_of(), only(site)

    async def look() -> None:
        for pieces in (
            replay.fragments(CAMERA, T0 + SECOND, T0 + 2 * SECOND, nothing, lead=True),
            replay.keyframes(CAMERA, T0, T0 + 2 * SECOND, nothing),
        ):
            with pytest.raises(ForbiddenError, match=r"2026-03-20T09:46:4.*not released"):
                await anext(pieces)
        with pytest.raises(ForbiddenError, match="not released"):
            await replay.still(CAMERA, T0, nothing)

    asyncio.run(look())


def test_hours_that_are_not_released_are_told_and_the_others_given(site: FootageSite, replay_of: Replays) -> None:
    runs = [run(T0 + i * 10 * SECOND, 20) for i in range(3)]
    for each in runs:
        site.record(each)  # a period of its own for each run of the recorder
    first, second, third = periods(site)
    replay = replay_of()

    async def kinds(*released: UUID) -> Answer:
        return await answer(replay.fragments(CAMERA, T0, T0 + 30 * SECOND, only(site, *released)))

    async def look() -> None:
        assert (await kinds(first, second, third)).kinds == "C" + "F" * 60 + "E"
        assert (await kinds(first)).kinds == "C" + "F" * 20 + "D" + "E"
        assert (await kinds(third)).kinds == "DC" + "F" * 20 + "E"
        found = await kinds(first, third)
        assert found.kinds == "C" + "F" * 20 + "D" + "F" * 20 + "E"
        (damage,) = found.of_kind(RecordKind.DAMAGE)
        assert (damage["start_us"], damage["end_us"]) == ((T0 + 10 * SECOND) // US, (T0 + 20 * SECOND) // US)
        assert "not released" in damage["detail"]

    asyncio.run(look())


def ring(states: list[RingState]) -> Callable[[UUID], MessageKeys]:
    """Return what opens with the first state of each period."""

    def open_period(period: UUID) -> MessageKeys:
        for state in states:
            if state.period_id == period:
                return RingKeys(state)
        msg = "this lies before the ring"
        raise ForbiddenError(msg)

    return open_period


def test_what_lies_before_a_ring_is_cut(site: FootageSite, replay_of: Replays) -> None:
    sent = run(T0, 400)
    with site.open(StoreOptions(**{**vars_of(FAST), "ring_s": 600.0})) as store:
        append(store, sent)
        states = store.ring(CAMERA)
    assert len(states) >= 3
    replay, later = replay_of(), ring(states[2:])
    with FootageReader(site.directory) as reader:
        begins = reader.segments(CAMERA, 0, 2**62)[2].start_ns
    found = asyncio.run(answer(replay.fragments(CAMERA, T0, T0 + 200 * SECOND, later)))
    assert found.payloads == [each.payload for each in sent if each.start_ns >= begins]
    assert found.end == {"complete": True}
    assert found.kinds.count("D") == 0
    with pytest.raises(ForbiddenError):
        asyncio.run(answer(replay.fragments(CAMERA, T0, begins, later)))
    found = asyncio.run(answer(replay.keyframes(CAMERA, T0, T0 + 200 * SECOND, later)))
    assert found.fragments[0]["start_us"] == begins // US


def vars_of(options: StoreOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in StoreOptions.__dataclass_fields__}


# --- viewers ---------------------------------------------------------------------------------------------------------


def test_a_viewer_that_does_not_read_holds_nobody_up_and_little_memory(
    site: FootageSite, replay_of: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.record(run(T0, 200, size=20_000))
    replay = replay_of(threads=1)
    read: list[int] = []
    open_record = replay_module._Pieces.next

    def counted(self: replay_module._Pieces, budget: int) -> bytes | None:
        found = open_record(self, budget)
        read.append(len(found or b""))
        return found

    monkeypatch.setattr(replay_module._Pieces, "next", counted)

    async def look() -> None:
        slow = [generator(replay.fragments(CAMERA, T0, T0 + 100 * SECOND, site.open_period)) for _ in range(10)]
        for each in slow:
            await anext(each)
            await anext(each)
        assert sum(read) <= 10 * (1 << 20)
        assert len((await answer(replay.fragments(CAMERA, T0, T0 + 100 * SECOND, site.open_period))).fragments) == 200
        assert open_segments() == 10
        for each in slow:
            await each.aclose()
        await until(lambda: open_segments() == 0)

    asyncio.run(look())


def test_a_viewer_that_goes_away_frees_file_and_thread_at_once(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 200, size=20_000))
    replay = replay_of(threads=1)

    async def watch() -> None:
        pieces = generator(replay.fragments(CAMERA, T0, T0 + 100 * SECOND, site.open_period))
        async with contextlib.aclosing(pieces):
            async for _ in pieces:
                await asyncio.sleep(3600)

    async def look() -> None:
        for _ in range(20):
            task = asyncio.create_task(watch())
            await until(lambda: open_segments() == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: open_segments() == 0)

    asyncio.run(look())


def test_twenty_read_at_once_and_get_what_one_gets(site: FootageSite, replay_of: Replays) -> None:
    cameras = [StreamKey(f"camera-{number}") for number in range(4)]
    sent = {key: run(T0 + number, 240, size=500 + number) for number, key in enumerate(cameras)}
    with site.open() as store:
        for key in cameras:
            append(store, sent[key], key=key)
    replay = replay_of()

    async def look() -> None:
        asked = [cameras[i % 4] for i in range(20)]
        found = await asyncio.gather(
            *(answer(replay.fragments(key, T0, T0 + 120 * SECOND, site.open_period)) for key in asked),
            *(answer(replay.keyframes(key, T0, T0 + 120 * SECOND, site.open_period)) for key in cameras),
            *(replay.still(key, T0 + 60 * SECOND, site.open_period) for key in cameras),
        )
        for key, each in zip(asked, found, strict=False):
            assert isinstance(each, Answer)
            assert each.payloads == [fragment.payload for fragment in sent[key]]
        assert all(len(cast("Answer", each).fragments) == 60 for each in found[20:24])

    asyncio.run(look())


def test_the_event_loop_goes_on_while_a_disk_hangs_and_others_read(
    site: FootageSite, replay_of: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "READ_TIMEOUT_S", 0.5)
    site.record(run(T0, 10))
    replay, goes_on, asked = replay_of(threads=2), threading.Event(), threading.Event()

    def hangs(period: UUID) -> MessageKeys:
        asked.set()
        goes_on.wait(60)
        return site.open_period(period)

    async def look() -> None:
        stuck = asyncio.create_task(answer(replay.fragments(CAMERA, T0, T0 + SECOND, hangs)))
        await until(asked.is_set)
        for _ in range(5):
            found = await answer(replay.fragments(CAMERA, T0, T0 + 5 * SECOND, site.open_period))
            assert len(found.fragments) == 10
        with pytest.raises(UnavailableError, match="the disk hangs"):
            await stuck
        goes_on.set()
        assert (await answer(replay.fragments(CAMERA, T0, T0 + SECOND, site.open_period))).kinds == "CFFE"

    asyncio.run(look())


def test_closing_ends_what_is_under_way(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 200, size=20_000))
    replay = replay_of(threads=1)

    async def look() -> None:
        pieces = generator(replay.fragments(CAMERA, T0, T0 + 100 * SECOND, site.open_period))
        await anext(pieces)
        assert open_segments() == 1
        replay.close()
        replay.close()
        assert open_segments() == 0
        assert Answer.of(await anext(pieces)).of_kind(RecordKind.ERROR)[0]["kind"] == "unavailable"
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
        with pytest.raises(UnavailableError, match="stopping"):
            await replay.spans(CAMERA, T0, T0 + SECOND, T0 + SECOND)

    asyncio.run(look())


# --- disks and indices -----------------------------------------------------------------------------------------------


def test_a_directory_without_footage_is_said_to_be_so_until_there_is_some(
    site: FootageSite, replay_of: Replays
) -> None:
    replay = replay_of(threads=1)

    async def look() -> Answer:
        return await answer(replay.fragments(CAMERA, T0, T0 + 2 * SECOND, site.open_period))

    with pytest.raises(MissingError, match=INDEX) as caught:
        asyncio.run(look())
    assert str(site.directory) not in str(caught.value)
    site.record(run(T0, 4))
    assert asyncio.run(look()).kinds == "CFFFFE"


def test_a_damaged_index_is_an_error_and_a_rebuilt_one_is_read(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 400))
    replay, path = replay_of(threads=1), site.directory / INDEX

    async def look() -> Answer:
        return await answer(replay.fragments(CAMERA, T0, T0 + 200 * SECOND, site.open_period))

    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"no database " * (whole // 12))
    for _ in range(2):
        with pytest.raises(CorruptError) as caught:
            asyncio.run(look())
        assert str(site.directory) not in str(caught.value)
    reconcile(site.directory, repair=True)
    assert len(asyncio.run(look()).fragments) == 400


def test_an_index_that_is_found_damaged_is_opened_anew_and_left_to_who_uses_it(
    site: FootageSite, replay_of: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.record(run(T0, 400, size=20_000))
    replay, opened, closed = replay_of(threads=1), [], []
    begin, end = FootageReader.__init__, FootageReader.close

    def counted(self: FootageReader, *arguments: object) -> None:
        begin(self, *arguments)  # type: ignore[arg-type]
        opened.append(self)

    def ended(self: FootageReader) -> None:
        end(self)
        closed.append(self)

    def damaged(*_: object, **__: object) -> list[Span | Gap]:
        msg = "a page is damaged"
        raise IndexDamagedError(msg)

    monkeypatch.setattr(FootageReader, "__init__", counted)
    monkeypatch.setattr(FootageReader, "close", ended)

    async def look() -> None:
        early = generator(replay.fragments(CAMERA, T0, T0 + 10 * SECOND, site.open_period))
        body = await anext(early)
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(FootageReader, "spans", damaged)
            with pytest.raises(CorruptError, match="a page is damaged"):
                await replay.spans(CAMERA, T0, T0 + SECOND, T0 + SECOND)
        assert len(opened) == 1
        assert (await replay.spans(CAMERA, T0, T0 + SECOND, T0 + SECOND))["spans"]
        assert len(opened) == 2
        assert not closed
        body += b"".join([piece async for piece in early])
        assert len(Answer.of(body).fragments) == 20
        await until(lambda: closed == opened[:1])

    asyncio.run(look())


def test_an_index_that_is_away_for_a_moment_is_no_end(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 4))
    replay, path = replay_of(threads=1), site.directory / INDEX

    async def look() -> Answer:
        return await answer(replay.fragments(CAMERA, T0, T0 + 2 * SECOND, site.open_period))

    assert asyncio.run(look()).kinds == "CFFFFE"
    path.rename(path.with_suffix(".away"))
    with pytest.raises(OvertError):
        asyncio.run(look())
    path.with_suffix(".away").rename(path)
    assert asyncio.run(look()).kinds == "CFFFFE"


def test_footage_that_is_deleted_while_it_is_read_ends_in_damage(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 400, size=20_000))
    replay = replay_of(threads=1)

    async def look() -> None:
        pieces = generator(replay.fragments(CAMERA, T0, T0 + 200 * SECOND, site.open_period))
        body = await anext(pieces)
        for path in site.files():
            path.unlink()
        body += b"".join([piece async for piece in pieces])
        found = Answer.of(body)
        # The file that was open is read to its end.
        assert found.kinds.rstrip("DE") == "C" + "F" * len(found.fragments)
        assert len(found.fragments) > 50
        assert found.kinds.count("D") == len(found.kinds) - len(found.fragments) - 2
        assert found.end == {"complete": True}

    asyncio.run(look())


def test_an_error_in_the_middle_is_the_last_record(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 1500))
    replay = replay_of(threads=1)

    async def look() -> None:
        pieces = generator(replay.fragments(CAMERA, T0, T0 + 750 * SECOND, site.open_period))
        body = await anext(pieces)
        (site.directory / INDEX).unlink()
        body += b"".join([piece async for piece in pieces])
        found = Answer.of(body)
        assert found.records[-1].kind == RecordKind.ERROR
        assert str(site.directory) not in found.records[-1].header["message"]

    asyncio.run(look())

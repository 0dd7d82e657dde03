"""A viewer's queue: bounded whatever it does, and never a frame that cannot be decoded."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from overt.media.records import Record, RecordKind, RecordParser, fragment_record, record
from overt.recorder.media_plane import viewer as viewer_module
from overt.recorder.media_plane.viewer import Configuration, Item, Viewer

ONE = Configuration(1, record(RecordKind.CONFIGURATION, {"id": 1}))
OTHER = Configuration(2, record(RecordKind.CONFIGURATION, {"id": 2}))
LIMIT = 4000


def item(number: int, *, keyframe: bool = False, size: int = 500, configuration: Configuration = ONE) -> Item:
    made = fragment_record(
        configuration.number,
        start_ns=number * 1000,
        duration_ns=1000,
        samples=1,
        keyframe=keyframe,
        discontinuity=False,
        damaged=False,
        payload=bytes(size),
    )
    return Item(made, configuration, keyframe, fragments=1)


def made() -> Viewer:
    return Viewer(lambda _: None, lambda _: None)


def taken(viewer: Viewer) -> list[Record]:
    """All that waits."""

    async def take() -> list[Record]:
        parser, found = RecordParser(), list[Record]()
        while viewer._queue or viewer._state is not None:
            found += parser.feed(await anext(viewer))
        return found

    return asyncio.run(take())


def numbers(records: list[Record]) -> list[int]:
    return [each.header["start_us"] for each in records if each.kind == RecordKind.FRAGMENT]


def test_nothing_is_shown_before_a_keyframe() -> None:
    viewer = made()
    for number in range(3):
        viewer.offer(item(number))
    viewer.offer(item(3, keyframe=True))
    found = taken(viewer)
    assert [each.kind for each in found] == [RecordKind.CONFIGURATION, RecordKind.FRAGMENT]
    assert numbers(found) == [3]


def test_a_slow_viewer_drops_to_the_next_keyframe_and_is_told_how_much() -> None:
    with mock.patch.object(viewer_module, "QUEUE_BYTES", LIMIT):
        viewer = made()
        for number in range(20):
            viewer.offer(item(number, keyframe=number in {0, 15}))
        found = taken(viewer)
    dropped = next(each for each in found if each.kind == RecordKind.DROPPED)
    assert numbers(found) == [15, 16, 17, 18, 19]
    assert dropped.header == {"fragments": 15}
    assert found[0] is dropped


def test_a_viewer_that_lags_in_time_drops_although_little_waits() -> None:
    viewer = made()
    with mock.patch.object(viewer_module.time, "monotonic", return_value=100.0):
        viewer.offer(item(0, keyframe=True))
    with mock.patch.object(viewer_module.time, "monotonic", return_value=104.0):
        viewer.offer(item(1))
        viewer.offer(item(2, keyframe=True))
    found = taken(viewer)
    assert numbers(found) == [2]
    assert [each.header for each in found if each.kind == RecordKind.DROPPED] == [{"fragments": 2}]


def test_the_group_that_a_viewer_begins_with_may_be_larger_than_the_queue() -> None:
    with mock.patch.object(viewer_module, "QUEUE_BYTES", LIMIT):
        viewer = made()
        viewer.begin([item(number, keyframe=number == 0) for number in range(30)])
        viewer.offer(item(30))
        assert numbers(taken(viewer)) == list(range(31))
        for number in range(31, 60):
            viewer.offer(item(number))
        assert numbers(taken(viewer)) == [], "once it is taken, the bound is the usual one"


def test_a_dropped_configuration_is_sent_before_it_is_needed_again() -> None:
    with mock.patch.object(viewer_module, "QUEUE_BYTES", LIMIT):
        viewer = made()
        viewer.offer(item(0, keyframe=True))
        taken(viewer)
        viewer.offer(item(1, keyframe=True, configuration=OTHER))
        for number in range(2, 12):
            viewer.offer(item(number, configuration=OTHER))
        viewer.offer(item(12, keyframe=True, configuration=OTHER))
        kinds = [each.kind for each in taken(viewer)]
    assert kinds == [RecordKind.DROPPED, RecordKind.CONFIGURATION, RecordKind.FRAGMENT]


def test_only_the_last_state_waits() -> None:
    viewer = made()
    for state in ("recording", "stalled", "connecting"):
        viewer.state(record(RecordKind.STATE, {"state": state}))
    assert [each.header["state"] for each in taken(viewer)] == ["connecting"]


def test_a_viewer_that_takes_nothing_is_too_slow_for_good() -> None:
    viewer = made()
    with mock.patch.object(viewer_module.time, "monotonic", return_value=100.0):
        assert not viewer.stuck(1e9), "nothing waits"
        viewer.offer(item(0, keyframe=True))
    assert not viewer.stuck(129.0)
    assert viewer.stuck(131.0)


def test_closing_ends_the_iteration_at_once() -> None:
    gone: list[Viewer] = []

    async def watch() -> None:
        viewer = Viewer(gone.append, lambda _: None)
        viewer.offer(item(0, keyframe=True))
        await anext(viewer)
        waiting = asyncio.create_task(_all(viewer))
        await asyncio.sleep(0)
        await viewer.close()
        await viewer.close()
        assert await waiting == []
        viewer.offer(item(1, keyframe=True))
        assert await _all(viewer) == []
        assert gone == [viewer]

    asyncio.run(watch())


async def _all(viewer: Viewer) -> list[bytes]:
    return [message async for message in viewer]


@given(
    st.lists(
        st.one_of(
            st.just("take"),
            st.just("skip"),
            st.tuples(st.booleans(), st.integers(1, 3000)),
        ),
        max_size=60,
    )
)
def test_whatever_comes_and_however_it_is_taken(steps: list[Any]) -> None:
    dropped_by_queue = 0

    def count(number: int) -> None:
        nonlocal dropped_by_queue
        dropped_by_queue += number

    async def play() -> tuple[list[Record], int]:
        viewer = Viewer(lambda _: None, count)
        parser, found, offered = RecordParser(), list[Record](), 0
        for step in [*steps, "take"]:
            if step == "take":
                while viewer._queue:
                    found += parser.feed(await anext(viewer))
            elif step == "skip":
                viewer.skip(fragments=1)
            else:
                keyframe, size = step
                offered += 1
                viewer.offer(item(offered, keyframe=keyframe, size=size))
            assert viewer._bytes <= LIMIT + 3400
            assert viewer._bytes == sum(len(each.record) for _, each in viewer._queue)
        return found, offered

    with mock.patch.object(viewer_module, "QUEUE_BYTES", LIMIT):
        found, offered = asyncio.run(play())
    shown = numbers(found)
    assert shown == sorted(set(shown))
    assert len(shown) + dropped_by_queue <= offered
    media = [each for each in found if each.kind != RecordKind.CONFIGURATION]
    for before, each in zip([None, *media], media, strict=False):
        if before is None or before.kind == RecordKind.DROPPED:
            assert each.kind == RecordKind.DROPPED or each.header["keyframe"]
        elif each.kind == before.kind == RecordKind.FRAGMENT and not each.header["keyframe"]:
            assert each.header["start_us"] == before.header["start_us"] + 1, "a hole is followed by a keyframe"

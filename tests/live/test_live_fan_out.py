"""What viewers see, from the camera's packets on: the last group of pictures first, then all that comes, in order."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Coroutine, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from capture_rig import FOOTAGE, assigned
from live_rig import CAM, CountedReplay, LiveRig, Seen, Watcher, Worker, hub_at, live_rig, recording, until
from overt.errors import MissingError, UnavailableError
from overt.footage.reading import FootageReader
from overt.footage.segment_writer import SegmentWriter
from overt.ids import StreamKey
from overt.media.boxes import read_fragment
from overt.media.records import RecordKind
from overt.recorder.live import Publisher
from overt.recorder.live_wire import Mode
from overt.recorder.media_plane import hub as hub_module

BFRAMES = {"source": str(FOOTAGE / "intel_bframes_h264.mp4")}
MODES: Sequence[Mode] = ("fragments", "samples")


def run(work: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(limited())


def check_unbroken(seen: Seen) -> None:
    """Every frame came, once, in order."""
    seen.check_order()
    numbers = [number for number in seen.frames() if number is not None]
    assert all(after == before + 1 for before, after in pairwise(numbers)), numbers


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("camera", [{}, BFRAMES], ids=["plain", "b-frames"])
def test_the_last_group_comes_first_and_then_every_frame(tmp_path: Path, mode: Mode, camera: dict[str, Any]) -> None:
    async def watch() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            await until(lambda: rig.fragments_stored() >= 2)
            watcher = Watcher(await hub.subscribe(CAM, mode))
            seen = await watcher.wait(lambda seen: len(seen.of(2)) > 1 and len(seen.media) > 14)
            check_unbroken(seen)
            assert seen.media[0].kind == RecordKind.FRAGMENT, "the group lay on disk, in fragments"
            assert seen.states == ["recording"]
            await watcher.close()

    with live_rig(tmp_path, camera) as rig:
        run(watch())


@pytest.mark.parametrize("mode", MODES)
def test_the_next_viewer_begins_at_once_and_costs_the_worker_nothing(tmp_path: Path, mode: Mode) -> None:
    async def watch() -> None:
        replay = CountedReplay(rig.footage)
        async with hub_at(rig.footage, replay) as hub:
            await recording(hub)
            first = Watcher(await hub.subscribe(CAM, mode))
            await first.wait(lambda seen: len(seen.media) > 6)
            asked, sent = len(replay.asked), len(first.seen.media)
            second = Watcher(await hub.subscribe(CAM, mode))
            seen = await second.wait(lambda seen: len(seen.media) > 0)
            before = {each.data for each in first.seen.media[: sent + 2]}
            assert seen.media[0].data in before, "it waited for nothing that was still to come"
            await second.wait(lambda seen: len(seen.media) > 12)
            check_unbroken(seen)
            assert len(replay.asked) == asked
            assert hub.streams_watched == 1
            last = second.seen.media[-1].data
            await first.wait(lambda seen: last in {each.data for each in seen.media})
            shared = {each.data for each in second.seen.media} - {each.data for each in first.seen.media}
            assert not shared, "both were sent the same records"
            await first.close()
            await second.close()

    with live_rig(tmp_path) as rig:
        run(watch())


def test_fragments_and_frames_of_one_stream_at_the_same_time(tmp_path: Path) -> None:
    async def watch() -> None:
        replay = CountedReplay(rig.footage)
        async with hub_at(rig.footage, replay) as hub:
            await recording(hub)
            fragments = Watcher(await hub.subscribe(CAM, "fragments"))
            await fragments.wait(lambda seen: len(seen.media) > 3)
            asked = len(replay.asked)
            frames = Watcher(await hub.subscribe(CAM, "samples"))
            await frames.wait(lambda seen: len(seen.of(3)) > 30)
            check_unbroken(frames.seen)
            check_unbroken(fragments.seen)
            assert len(replay.asked) == asked, "the fragments of the group were in memory"
            await fragments.close()
            await frames.close()

    with live_rig(tmp_path) as rig:
        run(watch())


def test_frames_have_the_same_moments_and_bytes_as_in_their_fragments(tmp_path: Path) -> None:
    def placed(seen: Seen) -> dict[bytes, tuple[int, int, bool]]:
        """Bytes of every frame, and when it is decoded and shown; in microseconds, and whether it is a keyframe."""
        found = {}
        for each in seen.of(RecordKind.FRAGMENT):
            video = read_fragment(bytes(each.payload)).track(1)
            for row in video.samples if video is not None else ():
                times = row.dts * 100_000 // 9000, row.pts * 100_000 // 9000
                found[bytes(each.payload[row.offset : row.offset + row.size])] = (*times, row.sync)
        for each in seen.of(RecordKind.SAMPLE):
            header = each.header
            found[bytes(each.payload)] = (header["decode_us"], header["time_us"], header["keyframe"])
        return found

    async def watch() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            frames, fragments = [Watcher(await hub.subscribe(CAM, mode)) for mode in ("samples", "fragments")]
            await frames.wait(lambda seen: len(seen.of(RecordKind.SAMPLE)) > 30)
            wanted = placed(frames.seen)
            await fragments.wait(lambda seen: wanted.keys() <= placed(seen).keys())
            in_fragments = placed(fragments.seen)
            for frame, (decoded, shown, keyframe) in wanted.items():
                other = in_fragments[frame]
                assert abs(other[0] - decoded) <= 1
                assert abs(other[1] - shown) <= 1
                assert other[2] == keyframe
            assert any(decoded != shown for decoded, shown, _ in wanted.values()), "frames are reordered here"
            await frames.close()
            await fragments.close()

    with live_rig(tmp_path, BFRAMES | {"speed": 2}) as rig:
        run(watch())


def test_footage_that_reaches_the_disk_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def watch() -> None:
        replay = CountedReplay(rig.footage)
        async with hub_at(rig.footage, replay) as hub:
            await recording(hub)
            await until(lambda: rig.fragments_stored() >= 1)
            ring = hub.ring

            async def stale(key: StreamKey) -> Any:
                replay.late_s = 0.3
                return await ring(key)

            monkeypatch.setattr(hub, "ring", stale)
            watcher = Watcher(await hub.subscribe(CAM, "fragments"))
            seen = await watcher.wait(lambda seen: len(seen.media) > 8)
            check_unbroken(seen)
            await watcher.close()

    with live_rig(tmp_path) as rig:
        run(watch())


def test_without_a_readable_group_viewers_begin_with_the_next_keyframe(tmp_path: Path) -> None:
    async def watch() -> None:
        async with hub_at(rig.footage, ring_s=0.001) as hub:
            await recording(hub)
            await until(lambda: rig.fragments_stored() >= 2)
            watcher = Watcher(await hub.subscribe(CAM, "fragments"))
            seen = await watcher.wait(lambda seen: len(seen.media) > 3)
            seen.check_order()
            assert not seen.of(RecordKind.DROPPED)
            await watcher.close()

    with live_rig(tmp_path) as rig:
        run(watch())


def test_fragments_are_short_while_somebody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LINGER_S", 0.1)

    async def watch() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            watcher = Watcher(await hub.subscribe(CAM, "fragments"))
            await watcher.wait(lambda seen: len(seen.media) > 8)
            for each in watcher.seen.media[-4:]:
                assert each.header["duration_us"] <= 200_000
            await watcher.close()
            await until(lambda: not rig.worker.capturing._watched)
            stored = rig.fragments_stored()
            await until(lambda: rig.fragments_stored() >= stored + 4)

    with live_rig(tmp_path) as rig:
        run(watch())
        kept = longest(rig)
        assert kept > 300_000_000, "back to the length of the assignment"


def longest(rig: LiveRig) -> int:
    """Length of the longest of the newest fragments on disk, in nanoseconds."""
    with FootageReader(rig.footage) as reader:
        rows = [
            row for segment in reader.segments(CAM, 0, 2**62, tables=True) for row in segment.fragment_table() or []
        ]
    return max(row.duration_ns for row in rows[-4:])


def test_with_nobody_watching_nothing_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(Publisher, "fragments", lambda *_: passed.append("fragments"))
    monkeypatch.setattr(Publisher, "frame", lambda *_: passed.append("frame"))
    monkeypatch.setattr(Publisher, "tick_over", lambda *_: passed.append("tick"))

    async def look() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            await until(lambda: rig.fragments_stored() >= 3)

    with live_rig(tmp_path) as rig:
        run(look())
    assert not passed


def test_a_camera_that_dies_and_comes_back_keeps_its_viewers(tmp_path: Path) -> None:
    async def watch() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            watcher = Watcher(await hub.subscribe(CAM, "fragments"))
            await watcher.wait(lambda seen: len(seen.media) > 3)
            await asyncio.to_thread(rig.camera().stop_listening)
            await asyncio.to_thread(rig.camera().kill_sessions)
            await watcher.wait(lambda seen: "unreachable" in seen.states)
            before = len(watcher.seen.media)
            await asyncio.to_thread(rig.camera().listen_again)
            await watcher.wait(lambda seen: seen.states[-1] == "recording" and len(seen.media) > before + 4)
            assert watcher.seen.media[before].header["keyframe"]
            watcher.seen.check_order()
            assert not watcher.ended
            await watcher.close()

    with live_rig(tmp_path, stall_timeout_s=1) as rig:
        run(watch())


def test_other_codecs_come_under_another_configuration(tmp_path: Path) -> None:
    async def watch() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            watchers = [Watcher(await hub.subscribe(CAM, mode)) for mode in MODES]
            for each in watchers:
                await each.wait(lambda seen: len(seen.media) > 3)
            assert hub.streams()[CAM].width == 480
            other = str(FOOTAGE / "intel_bframes_h264.mp4")
            await asyncio.to_thread(lambda: rig.camera().fault("parameters", source=other))
            for each in watchers:
                seen = await each.wait(lambda seen: len(seen.of(RecordKind.CONFIGURATION)) > 1)
                seen = await each.wait(lambda seen: seen.media[-1].header["configuration"] == 2)
                seen.check_order()
                first = next(item for item in seen.media if item.header["configuration"] == 2)
                assert first.header["keyframe"]
            await until(lambda: hub.streams()[CAM].width != 480)
            for each in watchers:
                await each.close()

    with live_rig(tmp_path) as rig:
        run(watch())


def test_a_worker_that_is_started_again_keeps_its_viewers(tmp_path: Path) -> None:
    async def watch() -> None:
        worker = None
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            watcher = Watcher(await hub.subscribe(CAM, "fragments"))
            await watcher.wait(lambda seen: len(seen.media) > 3)
            # Killed, a worker closes its socket without a word.
            rig.worker.publisher._stream_gone = lambda key: None  # type: ignore[method-assign]
            await asyncio.to_thread(rig.worker.stop)
            await watcher.wait(lambda seen: seen.states[-1] == "failed")
            before = len(watcher.seen.media)
            try:
                worker = await asyncio.to_thread(Worker, tmp_path)
                worker.capturing.apply(rig.cameras)
                await watcher.wait(lambda seen: seen.states[-1] == "recording" and len(seen.media) > before + 3)
                watcher.seen.check_order()
            finally:
                if worker is not None:
                    await asyncio.to_thread(worker.stop)
            await watcher.close()

    with live_rig(tmp_path) as rig:
        run(watch())


def test_a_stream_that_is_let_go_ends_its_viewers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "GONE_S", 0.2)
    monkeypatch.setattr(hub_module, "SWEEP_S", 0.05)

    async def watch() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            with pytest.raises(MissingError):
                await hub.subscribe(StreamKey("nobody"), "fragments")
            watcher = Watcher(await hub.subscribe(CAM, "fragments"))
            await watcher.wait(lambda seen: len(seen.media) > 1)
            rig.worker.capturing.apply(())
            await watcher.wait_end()
            assert watcher.seen.states[-1] == "stopped"
            assert CAM not in hub.streams()
            with pytest.raises(MissingError):
                await hub.ring(CAM)

    with live_rig(tmp_path) as rig:
        run(watch())


def test_another_assignment_of_the_same_camera_keeps_its_viewers(tmp_path: Path) -> None:
    async def watch() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            watchers = [Watcher(await hub.subscribe(CAM, mode)) for mode in MODES]
            for each in watchers:
                await each.wait(lambda seen: len(seen.media) > 3)
            changed = assigned(rig.simulator, {"path": "cam"}, stall_timeout_s=3)
            before = [len(each.seen.media) for each in watchers]
            rig.worker.capturing.apply((changed,))
            for each, count in zip(watchers, before, strict=True):
                await each.wait(lambda seen: "stopped" in seen.states or "connecting" in seen.states)
                await each.wait(lambda seen, c=count: seen.states[-1] == "recording" and len(seen.media) > c + 8)  # type: ignore[misc]
                each.seen.check_order()
                await each.close()

    with live_rig(tmp_path) as rig:
        run(watch())


def test_when_the_disk_fails_live_goes_on_and_says_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise UnavailableError("no space left on device")

    async def watch() -> None:
        async with hub_at(rig.footage) as hub:
            await recording(hub)
            watcher = Watcher(await hub.subscribe(CAM, "fragments"))
            await watcher.wait(lambda seen: len(seen.media) > 3 and seen.media[-1].header["recorded"])
            with monkeypatch.context() as patch:
                patch.setattr(SegmentWriter, "append", full)
                await watcher.wait(lambda seen: not seen.media[-1].header["recorded"])
                await watcher.wait(lambda seen: not seen.of(RecordKind.STATE)[-1].header["recorded"])
                await until(lambda: not hub.streams()[CAM].recorded)
            await watcher.wait(lambda seen: bool(seen.media[-1].header["recorded"]))
            await watcher.wait(lambda seen: bool(seen.of(RecordKind.STATE)[-1].header["recorded"]))
            check_unbroken(watcher.seen)
            await watcher.close()

    with live_rig(tmp_path) as rig:
        run(watch())


def test_the_socket_is_private_and_removed(tmp_path: Path) -> None:
    async def watch() -> None:
        path = tmp_path / "live.sock"
        async with hub_at(tmp_path):
            await until(path.exists)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not path.exists()

    run(watch())

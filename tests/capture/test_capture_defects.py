"""A fault of Overt's own, met by what one camera sends, costs that camera's session and nothing else."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from capture_rig import FOOTAGE, Rig, rig
from overt.errors import OvertError
from overt.media.feed import Feed
from overt.media.fragments import FragmentGatherer
from overt.media.h265 import H265Depacketiser
from overt.media.reactor import DefectError
from overt.media.reception import Reception
from overt.recorder.capture import StreamCapture

GOOD = {"path": "good"}
BAD = {"path": "bad", "source": str(FOOTAGE / "axis_test_h265.mp4")}


def is_bad(part: Any) -> bool:
    """True of a part that belongs to the camera that sends H.265."""
    if isinstance(part, StreamCapture):
        return part.key.camera == "bad"
    if isinstance(part, Feed):
        return part.reception is not None and is_bad(part.reception)
    if isinstance(part, Reception):
        return is_bad(part.tracks[0].depacketiser)
    return isinstance(part, H265Depacketiser)


class Defect:
    """A method that raises what nobody expects, for one camera, as long as it is armed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, method: str) -> None:
        self.armed = False
        self.struck = 0
        original = getattr(owner, method)

        def defective(part: Any, *arguments: Any, **more: Any) -> Any:
            if self.armed and is_bad(part):
                self.struck += 1
                msg = "list index out of range"
                raise IndexError(msg)
            return original(part, *arguments, **more)

        monkeypatch.setattr(owner, method, defective)


@contextmanager
def both() -> Iterator[Rig]:
    with rig([GOOD, BAD]) as made:
        for name in ("good", "bad"):
            made.wait_frames(15, camera=name)
        yield made


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (H265Depacketiser, "push"),
        (Reception, "gather"),
        (Reception, "poll"),
        (Feed, "_send_reports"),
        (StreamCapture, "_deliver"),
        (StreamCapture, "housekeeping"),
        (StreamCapture, "_observe"),
    ],
)
def test_a_defect_costs_one_session_of_one_camera(
    owner: type, method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    defect = Defect(monkeypatch, owner, method)
    with caplog.at_level(logging.ERROR), both() as made:
        sockets = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        defect.armed = True
        made.health("bad")
        made.wait(lambda kept: any("IndexError" in detail for _, detail in kept.interruptions), camera="bad")
        failed = made.wait_health(lambda health: health.state in {"failed", "recording"}, camera="bad")
        defect.armed = False
        assert failed.defects >= 1
        assert failed.last_defect_ns > 0
        cause, detail = next(each for each in made.store.of("bad").interruptions if "IndexError" in each[1])
        assert cause == "stopped"
        assert "list index out of range" in detail
        before = len(made.store.of("bad").samples())
        # The camera is tried again with the usual back-off, and recorded again.
        made.wait_frames(before + 15, camera="bad")
        made.wait_health(lambda health: health.state == "recording", camera="bad")
        assert ("bad", "failed") in {(camera, state) for camera, state, _ in made.events.states}
        good = made.store.of("good")
        frames = len(good.samples())
        made.wait_frames(frames + 15, camera="good")
        assert good.interruptions == []
        assert len(set(good.sessions)) == 1
        assert made.health("good").defects == 0
        assert len(os.listdir("/proc/self/fd")) <= sockets  # noqa: PTH208
    said = [record for record in caplog.records if record.name == "overt.recorder.capture"]
    assert said
    assert "bad/main" in said[0].getMessage()
    assert said[0].exc_info is not None
    assert isinstance(said[0].exc_info[1], IndexError)


def test_a_defect_in_what_a_session_leaves_behind_is_told_and_its_sockets_are_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    defect = Defect(monkeypatch, Reception, "finish")
    with both() as made:
        sockets = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        defect.armed = True
        made.camera("bad").kill_sessions()
        made.wait(lambda kept: any("IndexError" in detail for _, detail in kept.interruptions), camera="bad")
        defect.armed = False
        before = len(made.store.of("bad").samples())
        made.wait_frames(before + 15, camera="bad")
        assert defect.struck == 1
        assert made.store.of("good").interruptions == []
        assert len(os.listdir("/proc/self/fd")) <= sockets  # noqa: PTH208


def test_a_session_that_cannot_even_be_stopped_in_order_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    defect = Defect(monkeypatch, Reception, "finish")
    with both() as made:
        defect.armed = True
        made.stop()
        assert defect.struck == 1


def test_a_defect_that_comes_back_waits_longer_each_time_and_is_logged_whole_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A key frame that our code cannot digest would otherwise be fetched every second, for ever."""
    delays: list[int] = []
    monkeypatch.setattr("overt.recorder.retries.Pace.delay_ns", lambda pace, n, chance: delays.append(n) or 10_000_000)
    original = FragmentGatherer.add_video
    broken: list[FragmentGatherer] = []

    def strike(gatherer: FragmentGatherer, sample: Any, arrival_ns: int) -> Any:
        complete = original(gatherer, sample, arrival_ns)
        if complete:
            broken.append(gatherer)
        return complete

    # Delivers first, then fails: what was delivered must not pass for success.
    def poll(gatherer: FragmentGatherer, now_ns: int) -> Any:
        if any(each is gatherer for each in broken):
            msg = "the same again"
            raise KeyError(msg)
        return []

    monkeypatch.setattr(FragmentGatherer, "add_video", strike)
    monkeypatch.setattr(FragmentGatherer, "poll", poll)
    with rig([{}]) as made:
        made.wait_health(lambda health: health.defects >= 3)
    assert delays[:3] == [1, 2, 3]
    said = [record for record in caplog.records if record.name == "overt.recorder.capture"]
    assert [record.exc_info is not None for record in said[:3]] == [True, False, False]


def test_a_defect_is_an_error_with_its_cause() -> None:
    try:
        {}["nothing"]
    except KeyError as error:
        defect = DefectError(error)
    assert isinstance(defect, OvertError)
    assert isinstance(defect.__cause__, KeyError)

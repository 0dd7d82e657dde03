"""The watch: good changes are applied, bad ones refused once, half-written files waited for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from overt.contract.assignment import Assignment
from overt.errors import UnavailableError
from overt.recorder.configuration import ConfigurationSource
from overt.recorder.watch import ConfigurationWatch, WatchCallbacks

HEAD = "[recorder]\nfootage = 'f'\n"
ONE = HEAD + "[cameras.a]\nurl = 'rtsp://h/1'\n"
TWO = ONE + "[cameras.b]\nurl = 'rtsp://h/2'\n"


class Told:
    def __init__(self) -> None:
        self.applied: list[Assignment] = []
        self.refused: list[str] = []
        self.noticed: list[str] = []
        self.event = threading.Event()
        self.fail = False

    def apply(self, assignment: Assignment) -> None:
        if self.fail:
            raise UnavailableError("no worker")
        self.applied.append(assignment)
        self.event.set()


@pytest.fixture(name="told")
def _told() -> Told:
    return Told()


@pytest.fixture(name="watch")
def _watch(tmp_path: Path, told: Told) -> ConfigurationWatch:
    write(tmp_path, ONE)
    source = ConfigurationSource(tmp_path / "overt.toml")
    callbacks = WatchCallbacks(told.apply, told.refused.append, told.noticed.append)
    return ConfigurationWatch(source, source.load(), callbacks, interval_s=0.01)


_dates = iter(range(10**9, 2 * 10**9))


def write(folder: Path, text: str) -> None:
    path = folder / "overt.toml"
    path.write_text(text)
    date = next(_dates)
    os.utime(path, (date, date))


def test_a_change_is_applied_once_it_has_settled(tmp_path: Path, watch: ConfigurationWatch, told: Told) -> None:
    watch.look()
    assert told.applied == []
    write(tmp_path, TWO)
    watch.look()
    assert told.applied == [], "the file may still be written"
    watch.look()
    watch.look()
    assert [(a.revision, len(a.cameras)) for a in told.applied] == [(2, 2)]
    write(tmp_path, ONE)
    watch.look()
    watch.look()
    assert [(a.revision, len(a.cameras)) for a in told.applied] == [(2, 2), (3, 1)]


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_text(TWO + "x="), lambda path: path.unlink(), lambda path: path.write_text("[x]")]
)
def test_a_bad_file_is_refused_once_and_the_old_assignment_goes_on(
    tmp_path: Path, watch: ConfigurationWatch, told: Told, spoil: Callable[[Path], object]
) -> None:
    spoil(tmp_path / "overt.toml")
    for _ in range(4):
        watch.look()
    assert told.applied == []
    assert len(told.refused) == 1
    assert "overt.toml" in told.refused[0]
    write(tmp_path, TWO)
    watch.look()
    watch.look()
    assert len(told.applied) == 1


def test_an_assignment_that_is_not_taken_is_refused_and_tried_again_when_asked(
    tmp_path: Path, watch: ConfigurationWatch, told: Told
) -> None:
    told.fail = True
    write(tmp_path, TWO)
    watch.look()
    watch.look()
    assert told.refused == ["no worker"]
    told.fail = False
    watch.wake()
    watch.look()
    assert len(told.applied) == 1


def test_settings_that_need_a_restart_are_noticed(tmp_path: Path, watch: ConfigurationWatch, told: Told) -> None:
    write(tmp_path, ONE.replace("footage", "workers = 7\nfootage"))
    watch.wake()
    watch.look()
    assert told.applied == []
    assert "workers" in told.noticed[0]


def test_the_thread_looks_by_itself_and_when_woken(tmp_path: Path, watch: ConfigurationWatch, told: Told) -> None:
    watch.start()
    try:
        write(tmp_path, TWO)
        assert told.event.wait(60)
        told.event.clear()
        write(tmp_path, ONE)
        watch.wake()
        assert told.event.wait(60)
    finally:
        watch.stop()

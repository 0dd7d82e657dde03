"""What is done again and again: no error ends it, each is said once, and stopping waits for the round under way."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from django.db import OperationalError

from overt.control.rounds import Alone, Rounds
from overt.errors import UnavailableError

PATIENCE_S = 60.0


class Looks:
    """Rounds that do as they are told, and say how often they were made."""

    def __init__(self, *outcomes: Exception | float | None) -> None:
        self.outcomes, self.times = list(outcomes), list[float]()
        self.all_made = threading.Event()

    def __call__(self) -> float | None:
        self.times.append(time.monotonic())
        outcome = self.outcomes.pop(0) if self.outcomes else 1000.0
        if not self.outcomes:
            self.all_made.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_no_error_ends_it_and_each_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    away, gone = UnavailableError("the recorder is away"), OperationalError("the database is gone")
    looks = Looks(None, away, away, gone, ZeroDivisionError("ours"), ZeroDivisionError("ours"), None, None)
    rounds = Rounds("test-rounds", "counting", looks, every_s=0.0)
    with caplog.at_level(logging.INFO, "overt.control.rounds"):
        rounds.start()
        assert looks.all_made.wait(PATIENCE_S)
        rounds.stop()
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [
        ("WARNING", False),
        ("WARNING", False),
        ("ERROR", True),
        ("INFO", False),
    ]
    assert [record.getMessage() for record in caplog.records] == [
        "counting: this cannot be done now, and is tried again: the recorder is away",
        "counting: this cannot be done now, and is tried again: the database is gone",
        "counting: a defect; this is tried again",
        "counting: this works again",
    ]


def test_the_waits_are_those_that_were_told() -> None:
    looks = Looks(None, 0.1, UnavailableError("away"), 1000.0)
    begun = time.monotonic()
    rounds = Rounds("test-rounds", "waiting", looks, every_s=0.3, again_s=0.2, first_s=0.4)
    rounds.start()
    assert looks.all_made.wait(PATIENCE_S)
    rounds.stop()
    waits = [after - before for before, after in zip([begun, *looks.times], looks.times, strict=False)]
    assert all(wait >= told for wait, told in zip(waits, (0.4, 0.3, 0.1, 0.2), strict=True)), waits


def test_it_is_woken_also_in_the_middle_of_a_round() -> None:
    inside, go_on, again = threading.Event(), threading.Event(), threading.Event()

    def look() -> None:
        if inside.is_set():
            again.set()
        inside.set()
        assert go_on.wait(PATIENCE_S)

    rounds = Rounds("test-rounds", "waking", look, every_s=1000.0, first_s=1000.0)
    rounds.start()
    rounds.wake()
    assert inside.wait(PATIENCE_S)
    rounds.wake()
    go_on.set()
    assert again.wait(PATIENCE_S)
    rounds.stop()


def test_stopping_waits_for_the_round_and_does_what_comes_last() -> None:
    inside, done = threading.Event(), list[str]()

    def look() -> None:
        inside.set()
        while not rounds.ending:
            time.sleep(0.01)
        done.append("round")

    rounds = Rounds("test-rounds", "ending", look, every_s=0.0, last=lambda: done.append("last"))
    rounds.start()
    assert inside.wait(PATIENCE_S)
    rounds.stop()
    assert done == ["round", "last"]
    assert "test-rounds" not in [thread.name for thread in threading.enumerate()]


def test_what_a_process_runs_once_begins_once_and_may_begin_again() -> None:
    looks = Looks(0.0, 0.0)
    made = list[Rounds]()

    def make() -> Rounds:
        made.append(Rounds("test-rounds", "being alone", looks, every_s=1000.0))
        return made[-1]

    alone = Alone()
    alone.stop()
    alone.start(make)
    alone.start(make)
    assert looks.all_made.wait(PATIENCE_S)
    alone.stop()
    alone.stop()
    assert len(made) == 1
    alone.start(make)
    alone.stop()
    assert len(made) == 2

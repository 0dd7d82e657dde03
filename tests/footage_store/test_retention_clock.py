"""A wrong date deletes nothing that is inside its retention."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.footage.options import HOUR, RetentionPolicy, StoreOptions
from overt.footage.retention import DAY_NS
from overt.footage.retention_clock import FILE, RetentionClock
from overt.ids import StreamKey

S = 1_000_000_000
YEAR = 365 * DAY_NS
OPTIONS = StoreOptions()


def began(directory: Path, clock: Any, newest_ns: int | None = None) -> RetentionClock:
    made = RetentionClock(directory, clock, OPTIONS)
    made.begin(newest_ns)
    return made


def runs(clock: Any, counted: RetentionClock, days: float) -> int:
    """Let the recorder run; a round every six hours."""
    for _ in range(int(days * 4)):
        clock.go(6 * 3600)
        counted.now_ns()
    counted.keep()
    return counted.now_ns()


@pytest.fixture
def clock(lab: Any) -> Any:
    return lab.HandClock()


def test_time_that_passes_is_time(clock: Any, tmp_path: Path) -> None:
    counted = began(tmp_path, clock)
    assert runs(clock, counted, 40) == clock.utc
    assert counted.doubted_ns == 0


def test_a_small_leap_is_believed_after_an_hour(clock: Any, tmp_path: Path) -> None:
    counted = began(tmp_path, clock)
    truth = clock.utc
    clock.utc += 5 * HOUR
    assert counted.now_ns() == truth
    clock.go(1800)
    assert counted.now_ns() == truth + 1800 * S
    clock.go(1900)
    assert counted.now_ns() == clock.utc


def test_years_ahead_are_believed_after_a_week_and_not_a_restart_sooner(clock: Any, tmp_path: Path) -> None:
    counted = began(tmp_path, clock)
    counted.keep()
    clock.utc += 10 * YEAR
    for _ in range(3):
        counted = began(tmp_path, clock, clock.utc)
        assert runs(clock, counted, 2) == clock.utc - 10 * YEAR
        clock.go(600)
    counted = began(tmp_path, clock, clock.utc)
    assert counted.doubted_ns == 10 * YEAR
    assert 0 < counted.left_ns <= DAY_NS
    assert runs(clock, counted, 1.25) == clock.utc


def test_a_leap_that_is_put_right_is_forgotten(clock: Any, tmp_path: Path) -> None:
    counted = began(tmp_path, clock)
    clock.utc += 10 * YEAR
    runs(clock, counted, 1)
    clock.utc -= 10 * YEAR
    assert counted.now_ns() == clock.utc
    assert counted.doubted_ns == 0
    clock.utc += YEAR
    assert counted.now_ns() == clock.utc - YEAR


def test_a_leap_is_put_right_while_the_recorder_is_off(clock: Any, tmp_path: Path) -> None:
    counted = began(tmp_path, clock)
    clock.utc += 10 * YEAR
    runs(clock, counted, 1)
    clock.utc -= 10 * YEAR - 5 * DAY_NS
    counted = began(tmp_path, clock)
    # It was off for five days: those are doubted for a while, and no more.
    assert counted.now_ns() == clock.utc - 5 * DAY_NS
    assert runs(clock, counted, 7.25) == clock.utc


def test_a_machine_that_boots_without_a_date_is_not_doubted_for_catching_up(clock: Any, tmp_path: Path) -> None:
    runs(clock, began(tmp_path, clock), 1)
    truth, clock.utc = clock.utc, 0
    counted = began(tmp_path, clock, truth)
    assert counted.now_ns() == 0
    clock.utc = truth + 600 * S
    assert counted.now_ns() == clock.utc


def test_a_clock_that_was_ahead_and_believed_is_followed_back(clock: Any, tmp_path: Path) -> None:
    counted = began(tmp_path, clock)
    clock.utc += 10 * YEAR
    assert runs(clock, counted, 7.25) == clock.utc
    clock.utc -= 10 * YEAR
    runs(clock, counted, 8)
    clock.utc += 5 * YEAR
    assert counted.now_ns() == clock.utc - 5 * YEAR


def test_a_short_outage_is_nobodys_business_and_a_long_one_is_believed_after_a_week(clock: Any, tmp_path: Path) -> None:
    began(tmp_path, clock).keep()
    clock.utc += 20 * HOUR
    counted = began(tmp_path, clock)
    assert counted.now_ns() == clock.utc
    counted.keep()
    clock.utc += 60 * DAY_NS
    counted = began(tmp_path, clock)
    assert runs(clock, counted, 6.75) == clock.utc - 60 * DAY_NS
    assert runs(clock, counted, 0.5) == clock.utc


@pytest.mark.parametrize("damage", [None, "", "{}", '{"line": "x", "leaps": []}', '{"line": 1, "leaps": [1]}'])
def test_without_a_memory_footage_tells_the_time(clock: Any, tmp_path: Path, damage: str | None) -> None:
    if damage is not None:
        (tmp_path / FILE).write_text(damage)
    assert began(tmp_path, clock).now_ns() == clock.utc
    assert began(tmp_path, clock, clock.utc - 3 * HOUR).now_ns() == clock.utc
    assert began(tmp_path, clock, clock.utc - 90 * DAY_NS).now_ns() == clock.utc - 90 * DAY_NS
    assert began(tmp_path, clock, clock.utc + 90 * DAY_NS).now_ns() == clock.utc


@given(st.lists(st.tuples(st.integers(-4000, 4000), st.floats(0, 10), st.booleans()), max_size=12))
def test_footage_is_never_counted_older_than_the_wall_clock_says_nor_than_the_time_it_was_witnessed(
    tmp_path_factory: pytest.TempPathFactory, lab: Any, history: list[tuple[int, float, bool]]
) -> None:
    clock, directory = lab.HandClock(), tmp_path_factory.mktemp("clock")
    counted = began(directory, clock)
    line, since = clock.utc, clock.monotonic
    for days, ran, restart in history:
        clock.utc += days * DAY_NS
        if restart:
            counted.keep()
            counted = began(directory, clock)
        now = runs(clock, counted, ran)
        assert now <= clock.utc
        assert counted.doubted_ns >= 0
        if clock.monotonic - since < 7 * DAY_NS:
            # Whatever the wall clock does within a week, no more than the time that passed is counted, and half days.
            assert now <= line + clock.monotonic - since + DAY_NS * (1 + sum(1 for _ in history))


@pytest.fixture
def recorded(site: Any, lab: Any, camera: StreamKey) -> Any:
    with site.open() as store:
        store.append_many((camera, uuid.uuid4(), each) for each in lab.run(lab.T0, 400, step=S))
        store.flush()
    return site


def rounds(store: Any, lab: Any) -> None:
    before = store._retention.rounds
    lab.wait_until(lambda: store._retention.rounds > before + 2)


@pytest.mark.parametrize("memory", [True, False])
def test_a_recorder_whose_clock_is_years_ahead_deletes_nothing_and_says_so(
    recorded: Any, lab: Any, camera: StreamKey, memory: bool
) -> None:
    """Dead battery, wrong date: at the start, and over restarts that record under the wrong date."""
    site = recorded
    options = replace(lab.FAST, clock_doubt_s=7 * 86_400)
    policies = {camera.camera: RetentionPolicy(31)}
    with site.open(options) as store:
        store.set_retention(policies)
        rounds(store, lab)
        assert store.status().retention_troubles == ()
    if not memory:
        (site.directory / FILE).unlink()
    files, keys = set(site.files()), (site.directory / "keys.sqlite").read_bytes()
    site.clock.utc += 10 * YEAR
    for _ in range(2):
        with site.open(options) as store:
            store.set_retention(policies)
            rounds(store, lab)
            (trouble,) = store.status().retention_troubles
            assert "The clock is 3650.0 days further on than this recorder was running" in trouble
            store.append_many((camera, uuid.uuid4(), each) for each in lab.run(site.clock.utc, 40, step=S))
            store.flush()
            rounds(store, lab)
        site.clock.go(3 * 3600)
    assert files <= set(site.files())
    assert len((site.directory / "keys.sqlite").read_bytes()) >= len(keys)
    site.clock.utc -= 10 * YEAR
    with site.open(options) as store:
        store.set_retention(policies)
        rounds(store, lab)
        assert store.status().retention_troubles == ()
        assert files <= set(site.files())


def test_a_clock_that_leaps_while_the_recorder_runs_deletes_nothing(recorded: Any, lab: Any, camera: StreamKey) -> None:
    site = recorded
    store = site.open(replace(lab.FAST, clock_doubt_s=7 * 86_400))
    store.set_retention({camera.camera: RetentionPolicy(31)})
    rounds(store, lab)
    files = site.files()
    site.clock.utc += 10 * YEAR
    rounds(store, lab)
    site.clock.go(2 * 3600)
    rounds(store, lab)
    assert site.files() == files
    assert "further on" in store.status().retention_troubles[0]
    for _ in range(7 * 24):
        site.clock.go(3600)
        rounds_before = store._retention.rounds
        lab.wait_until(lambda seen=rounds_before: store._retention.rounds > seen)
    lab.wait_until(lambda: site.files() == [])

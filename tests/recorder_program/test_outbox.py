"""The outbox: numbered, at least once, idempotent, and never in the way of its callers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from overt.contract.fact import ClockStepped, Fact, FactsLost, new_fact
from overt.errors import InvalidError, UnavailableError
from overt.recorder.outbox import FILE_NAME, FactOutbox
from stopwatch import Stopwatch


def fact(number: int) -> Fact:
    return new_fact(ClockStepped(number, followed=True), time.time_ns())


def numbers(facts: list[Fact]) -> list[int]:
    return [item.data.duration_ns for item in facts if isinstance(item.data, ClockStepped)]


def test_facts_come_back_in_order_and_in_parts(tmp_path: Path) -> None:
    outbox = FactOutbox(tmp_path)
    for number in range(25):
        outbox.append(fact(number))
    assert outbox.flush(10)
    read: list[Fact] = []
    cursor = 0
    while part := outbox.after(cursor, 10):
        read += part
        cursor = part[-1].sequence
    assert numbers(read) == list(range(25))
    assert [item.sequence for item in read] == sorted({item.sequence for item in read})
    assert outbox.after(cursor) == []
    outbox.close()


def test_the_same_fact_twice_is_one_fact(tmp_path: Path) -> None:
    outbox = FactOutbox(tmp_path)
    same = fact(1)
    for item in (same, same, fact(2), same):
        outbox.append(item)
    assert outbox.flush(10)
    assert numbers(outbox.after(0)) == [1, 2]
    outbox.close()


def test_a_cursor_outlives_the_program(tmp_path: Path) -> None:
    first = FactOutbox(tmp_path)
    first.append(fact(1))
    first.close()
    second = FactOutbox(tmp_path)
    cursor = second.after(0)[0].sequence
    second.append(fact(2))
    assert second.flush(10)
    assert numbers(second.after(cursor)) == [2]
    second.close()


def test_numbers_go_on_growing_in_a_new_file(tmp_path: Path) -> None:
    old = FactOutbox(tmp_path)
    old.append(fact(1))
    old.close()
    cursor = old.after(0)[0].sequence
    for path in tmp_path.glob(FILE_NAME + "*"):
        path.unlink()
    new = FactOutbox(tmp_path)
    new.append(fact(2))
    assert new.flush(10)
    assert numbers(new.after(cursor)) == [2], "a reader with an old cursor must not miss the new facts"
    new.close()


CRASH = """
import os, sys
from pathlib import Path
from overt.contract.fact import ClockStepped, new_fact
from overt.recorder.outbox import FactOutbox
outbox = FactOutbox(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 50):
    outbox.append(new_fact(ClockStepped(number, followed=True), 10**18 * 2))
outbox.flush(10)
for number in range(1000, 1200):
    outbox.append(new_fact(ClockStepped(number, followed=True), 10**18 * 2))
os.kill(os.getpid(), 9)
"""


def test_what_was_flushed_survives_kills(tmp_path: Path) -> None:
    for start in (0, 50):
        subprocess.run([sys.executable, "-c", CRASH, str(tmp_path), str(start)], check=False, timeout=60)
    outbox = FactOutbox(tmp_path)
    read = outbox.after(0, 1000)
    outbox.close()
    assert [number for number in numbers(read) if number < 1000] == list(range(100))
    assert len({item.sequence for item in read}) == len(read)


def test_a_broken_disk_never_blocks_and_what_is_lost_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    outbox = FactOutbox(folder, max_waiting=20, retry_s=0.02)
    watch = Stopwatch()
    for number in range(100):
        outbox.append(fact(number))
    assert watch.within(1)
    assert not outbox.flush(0.2)
    health = outbox.health()
    assert health.error
    assert health.waiting <= 20
    assert health.lost >= 80
    folder.mkdir()
    assert outbox.flush(10)
    read = outbox.after(0, 1000)
    lost = [item.data.count for item in read if isinstance(item.data, FactsLost)]
    assert sum(lost) == outbox.health().lost == 100 - len(numbers(read))
    assert numbers(read)[-1] == 99, "the newest are kept"
    assert outbox.health().error == ""
    outbox.close()


def test_closing_does_not_wait_for_a_broken_disk(tmp_path: Path) -> None:
    outbox = FactOutbox(tmp_path / "gone", retry_s=60)
    outbox.append(fact(1))
    watch = Stopwatch()
    outbox.close(5)
    assert watch.within(4)


def test_a_locked_file_delays_facts_and_loses_none(tmp_path: Path) -> None:
    outbox = FactOutbox(tmp_path, retry_s=0.02)
    outbox.append(fact(0))
    assert outbox.flush(10)
    blocker = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    for number in range(1, 50):
        outbox.append(fact(number))
    blocker.execute("ROLLBACK")
    blocker.close()
    assert outbox.flush(15)
    assert numbers(outbox.after(0, 1000)) == list(range(50))
    outbox.close()


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is no database" * 100)
    outbox = FactOutbox(tmp_path)
    with pytest.raises(UnavailableError, match="cannot be read"):
        outbox.after(0)
    outbox.append(fact(1))
    assert outbox.flush(10)
    assert numbers(outbox.after(0)) == [1]
    assert len(list(tmp_path.glob(FILE_NAME + ".damaged-*"))) == 1
    outbox.close()


def test_the_oldest_are_pruned(tmp_path: Path) -> None:
    with _Outbox(tmp_path) as outbox:
        outbox.append(new_fact(ClockStepped(-1, followed=True), 5))
        for number in range(100):
            outbox.append(fact(number))
        assert outbox.flush(10)
    with _Outbox(tmp_path) as outbox:
        outbox.append(fact(100))
        assert outbox.flush(10)
        assert numbers(outbox.after(0, 1000)) == list(range(91, 101))


class _Outbox(FactOutbox):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, keep_count=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.mark.parametrize(("cursor", "limit"), [(-1, 1), (2**63, 1), (0, 0), (0, 1001)])
def test_bounds_of_reading(tmp_path: Path, cursor: int, limit: int) -> None:
    outbox = FactOutbox(tmp_path)
    with pytest.raises(InvalidError):
        outbox.after(cursor, limit)
    outbox.close()


def test_many_threads_may_append(tmp_path: Path) -> None:
    outbox = FactOutbox(tmp_path)
    threads = [threading.Thread(target=lambda: [outbox.append(fact(n)) for n in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outbox.flush(10)
    assert sorted(numbers(outbox.after(0, 1000))) == sorted(list(range(50)) * 4)
    outbox.close()

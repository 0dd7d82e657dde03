"""What the recorder's ledger costs: leaves and bytes a day, CPU, and the time to catch up and to begin the table anew.

    python bench/footage_ledger.py [CAMERAS]

Facts as 16 cameras with two streams make them: a segment of each stream a minute, and as many deletions. They go
through the thread's own code, five seconds' worth at a time, with its flushes; an hour is measured and a day reckoned.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from overt.clock import SystemClock
from overt.contract.fact import Fact, FootageDeleted, SegmentStored
from overt.footage.layout import segment_name
from overt.footage.marker import create_location
from overt.ids import StreamKey, new_id
from overt.recorder.ledger.keeping import GATHER_S, FootageLedger
from overt.recorder.ledger.known import remove

SECOND = 1_000_000_000
MINUTES = 60


class Facts:
    """An outbox in memory, which shows facts up to a moment."""

    def __init__(self) -> None:
        """Begin empty."""
        self.facts: list[Fact] = []

    def after(self, cursor: int, limit: int) -> list[Fact]:
        """Return what follows; the numbers are places in the list."""
        return self.facts[cursor : cursor + limit]


def stored(key: StreamKey, start_ns: int, number: int) -> Fact:
    """Return the fact of a segment."""
    segment, root = new_id(), uuid4().hex + uuid4().hex
    data = SegmentStored(
        segment, start_ns, start_ns + 60 * SECOND, 22_500_000, 120, 1500, 0, 0, segment_name(start_ns, segment)
    )
    data = SegmentStored(**{name: getattr(data, name) for name in data.__slots__} | {"root": root, "period": new_id()})
    return Fact(new_id(), start_ns + 60 * SECOND, data, key, number)


def deleted(key: StreamKey, start_ns: int, number: int, segment: str) -> Fact:
    """Return the fact of a deletion of one segment."""
    data = FootageDeleted("days", 1, 22_500_000, start_ns, start_ns + 60 * SECOND, (), new_id(), (segment,))
    return Fact(new_id(), start_ns, data, key, number)


def size_of(folder: Path) -> int:
    """Return the bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Measure and print."""
    cameras = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    streams = [StreamKey(f"camera-{number:02d}", stream) for number in range(cameras) for stream in ("main", "sub")]
    now = SystemClock().utc_ns()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "footage")
        create_location(directory, new_id())
        facts = Facts()
        ledger = FootageLedger(directory, facts)
        rounds, told = int(MINUTES * 60 / GATHER_S), 0
        events = 2 * len(streams) * MINUTES
        begun, cpu, worst = time.perf_counter(), time.process_time(), 0.0
        for number in range(rounds):
            while told < events * (number + 1) // rounds:
                key = streams[told // 2 % len(streams)]
                told += 1
                if told % 2:
                    facts.facts.append(stored(key, now, told))
                else:
                    last = facts.facts[-1].data
                    assert isinstance(last, SegmentStored)
                    facts.facts.append(deleted(key, now, told, str(last.segment)))
            before = time.perf_counter()
            assert ledger.round(), ledger.health().error
            worst = max(worst, time.perf_counter() - before)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - begun
        ledger.close()
        leaves, a_day = ledger.health().leaves, 24 * 60 / MINUTES
        each, table = size_of(directory / "ledger") / leaves, size_of(directory) - size_of(directory / "ledger")
        print(f"{cameras} cameras, {len(streams)} streams: {leaves * a_day:,.0f} leaves a day, half of them deletions")
        print(f"{each:.0f} bytes a leaf: {leaves * a_day * each / 1e6:.0f} MB a day; table {table / 1e6:.1f} MB")
        core = cpu / (60 * MINUTES)
        print(f"CPU {cpu / leaves * 1e6:.0f} us a leaf, {cpu * a_day:.0f} s a day: {core:.3%} of a core")
        print(f"a round of {leaves / rounds:.1f} leaves: {wall / rounds * 1000:.1f} ms, at most {worst * 1000:.0f} ms")
        remove(directory)
        begun = time.perf_counter()
        ledger = FootageLedger(directory, facts)
        assert ledger.round()
        print(f"the table made anew: {(time.perf_counter() - begun) / leaves * 1e6:.0f} us a leaf")
        ledger.close()
        backlog = Facts()
        backlog.facts = facts.facts
        other = Path(folder, "other")
        create_location(other, new_id())
        begun = time.perf_counter()
        ledger = FootageLedger(other, backlog)
        assert ledger.round()
        print(f"catching up: {(time.perf_counter() - begun) / leaves * 1e6:.0f} us a leaf")
        ledger.close()


if __name__ == "__main__":
    main()

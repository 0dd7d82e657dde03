"""Random lives of a store: appends, interruptions, clocks, crashes, restarts. What was acknowledged is always there."""

from __future__ import annotations

import itertools
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from overt.footage import locations
from overt.footage.differences import DifferenceKind
from overt.footage.gaps import ANNOUNCED, GapCause
from overt.footage.index import Index
from overt.footage.opening import OpenedFragment
from overt.footage.reconcile import reconcile
from overt.footage.spans import Span
from overt.ids import StreamKey

S = 1_000_000_000
KEYS = [StreamKey("front-door"), StreamKey("yard", "sub")]


class Lives(RuleBasedStateMachine):
    """One footage directory through several runs of a recorder."""

    lab: Any

    @initialize()
    def begin(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.site = self.lab.make_site(Path(self.temporary.name) / "footage")
        self.acknowledged: dict[StreamKey, dict[int, bytes]] = {key: {} for key in KEYS}
        self.line = self.lab.T0
        self.session = uuid.uuid4()
        self.index_was_lost = False
        self.start()

    def start(self) -> None:
        self.site.clock.utc = self.line

        def stored(key: StreamKey, each: Any) -> None:
            assert each.start_ns not in self.acknowledged[key]
            self.acknowledged[key][each.start_ns] = each.payload

        options = self.lab.replace(self.lab.FAST, retention_interval_s=3600)
        self.store = self.site.open(stored=stored, options=options)

    @rule(
        which=st.sampled_from(KEYS),
        count=st.integers(1, 150),
        gop=st.sampled_from([1, 4, 1000]),
        skip=st.sampled_from([0, 0, 0, 10_000_000, 3 * S, 4000 * S]),
        new_session=st.booleans(),
    )
    def record(self, which: StreamKey, count: int, gop: int, skip: int, new_session: bool) -> None:
        self.line += skip
        if new_session:
            self.session = uuid.uuid4()
        sent = self.lab.run(self.line, count, gop=gop, size=40)
        self.store.append_many((which, self.session, each) for each in sent)
        self.line = sent[-1].start_ns + sent[-1].duration_ns
        self.site.clock.utc = self.line

    @rule(which=st.sampled_from(KEYS), cause=st.sampled_from(sorted(ANNOUNCED)), wait=st.integers(0, 30))
    def interrupt(self, which: StreamKey, cause: GapCause, wait: int) -> None:
        self.store.interrupted(which, cause, "for a reason")
        self.line += wait * S
        self.site.clock.utc = self.line

    @rule(which=st.sampled_from(KEYS), back=st.integers(1, 100))
    def clock_goes_wrong(self, which: StreamKey, back: int) -> None:
        """Fragments for a time that is recorded already: none may be stored over it."""
        if self.acknowledged[which]:
            sent = self.lab.run(self.line - back * S, 1, size=40)
            self.store.append_many((which, self.session, each) for each in sent)

    @rule()
    def restart(self) -> None:
        assert self.store.close()
        self.line += 5 * S
        self.start()

    @rule()
    def crash(self) -> None:
        """Stop dead: threads end, nothing is closed, no row is written any more."""
        store = self.store
        store._writer.finish = lambda *_: []  # type: ignore[method-assign]
        store._index._write = lambda *_: False  # type: ignore[method-assign]
        store._index._journal = lambda _: False  # type: ignore[method-assign]
        store._index.flush = lambda _: False  # type: ignore[method-assign]
        store.close(2)
        for entry in store._writer.entries():
            if entry.writer is not None and entry.writer._running is not None:
                entry.writer._running.writer.abandon()
        self.line += 5 * S
        self.start()

    @rule(everything=st.booleans())
    def lose_the_index(self, everything: bool) -> None:
        assert self.store.close()
        self.index_was_lost = True
        path = self.site.directory / "index.sqlite"
        if everything:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:5000] + b"garbage" * 500)
        reconcile(self.site.directory, repair=True)
        self.line += 5 * S
        self.start()

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.temporary:
            self.store.attach(KEYS)
            assert self.store.close()
            reconcile(self.site.directory, repair=True)
            left = reconcile(self.site.directory, deep=True).differences
            # A key that sealed nothing is kept when the index that could prove it is gone.
            allowed = {DifferenceKind.ORPHAN_KEY} if self.index_was_lost else set()
            assert {each.kind for each in left} <= allowed, left
            self.compare_index_with_files()
            with self.site.reader() as reader:
                for key in KEYS:
                    self.check(reader, key)

    def compare_index_with_files(self) -> None:
        """An index that is made from the files says the same."""

        def rows() -> list[Any]:
            with Index(self.site.directory / "index.sqlite", write=False) as index:
                return [
                    self.lab.replace(row, tracks="")
                    for key in KEYS
                    for row in index.segments(key, 0, 2**62, tables=True)
                ]

        before = rows()
        (self.site.directory / "index.sqlite").unlink()
        reconcile(self.site.directory, repair=True)
        assert rows() == before

    def check(self, reader: Any, key: StreamKey) -> None:
        found = {}
        last = 0
        for item in reader.fragments(key, 0, 2**62, self.site.open_period):
            assert isinstance(item, OpenedFragment), item
            assert item.info.start_ns >= last
            last = item.info.end_ns
            found[item.info.start_ns] = item.payload
        missing = self.acknowledged[key].keys() - found.keys()
        assert not missing
        assert all(found[start] == payload for start, payload in self.acknowledged[key].items())
        parts = reader.spans(key, 0, 2**62, now_ns=self.line)
        assert all(a.end_ns == b.start_ns for a, b in itertools.pairwise(parts))
        spans = [part for part in parts if isinstance(part, Span)]
        recorded = sum(span.end_ns - span.start_ns for span in spans)
        # Holes too small to be gaps (jitter) lie inside spans.
        assert 0 <= recorded - len(found) * S // 2 <= len(found) * 10_000_000
        if found:
            assert parts[-1].end_ns == max(self.line, last)


def test_lives(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A power cut is not among these lives, and waiting for the device is most of their time.
    monkeypatch.setattr(locations, "flush_file", lambda _: None)
    monkeypatch.setattr(locations, "sync_directory", lambda _: None)

    class Machine(Lives):
        pass

    Machine.lab = lab
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=10, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

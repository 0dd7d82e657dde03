"""The recorder's ledger: a leaf for everything, each once, whatever is killed or full."""

from __future__ import annotations

import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from footage_ledger_rig import Kept, wait_for
from footage_rig import CAMERA, FAST, T0, append, run
from overt.contract.fact import RecorderStarted, RecorderStopped, WorkerRestarted, new_fact
from overt.errors import UnavailableError
from overt.footage.gaps import GapCause
from overt.footage.options import RetentionPolicy
from overt.ledger.ledger import Ledger
from overt.recorder.ledger.known import KnownLeaves
from overt.recorder.outbox import FactOutbox

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


def test_a_segment_has_a_leaf_that_names_it(kept: Kept) -> None:
    kept.record(8, 4)
    kept.keep()
    found = kept.leaves("segment.stored")
    assert [told["file"] for _, told in found] == [path.name for path in kept.site.files()]
    first = found[0][1]
    assert first["bytes"] == kept.site.files()[0].stat().st_size
    assert (first["camera"], first["stream"], first["fragments"]) == ("front-door", "main", 8)
    assert first["start"] == "2026-03-20T09:46:40.000000000+00:00"
    assert len(first["root"]) == 64
    assert first["period"]
    assert "late" not in first
    assert kept.verified().sound
    assert kept.against().sound
    assert stat.S_IMODE((kept.directory / "ledger.key").stat().st_mode) == 0o600


def test_gaps_and_deletions_have_leaves(kept: Kept) -> None:
    with kept.store() as store:
        append(store, run(T0, 4))
        store.interrupted(CAMERA, GapCause.NETWORK, "no route")
        append(store, run(T0 + 10 * SECOND, 4))
    kept.site.clock.utc = T0 + 2 * DAY
    with kept.store(options=replace(FAST, clock_doubt_s=0, retention_interval_s=0.05)) as store:
        store.set_retention({"front-door": RetentionPolicy(days=1)})
        wait_for(lambda: not kept.site.files(), "footage is deleted")
    kept.keep()
    (opened, closed) = [told for _, told in kept.leaves("gap.")][:2]
    assert (opened["cause"], opened["reason"]) == ("network", "no route")
    assert closed["gap"] == opened["gap"]
    assert closed["end"] == "2026-03-20T09:46:50.000000000+00:00"
    (deleted,) = [told for _, told in kept.leaves("footage.deleted")]
    assert deleted["reason"] == "days"
    assert deleted["segments"] == [told["segment"] for _, told in kept.leaves("segment.stored")]
    assert kept.against().sound


def test_the_ledger_goes_on_where_it_was_and_doubles_nothing(kept: Kept) -> None:
    kept.record(4)
    kept.keep()
    before = kept.kinds()
    kept.keep()
    assert kept.kinds() == before
    kept.record(4, begin_ns=T0 + 60 * SECOND)
    kept.keep()
    assert kept.kinds()["segment.stored"] == 2


def test_killed_between_fact_and_leaf(kept: Kept) -> None:
    kept.record(4, 4)
    assert kept.outbox.flush(60)
    # The facts are on disk, and the recorder was killed before its ledger looked at them.
    kept.keep()
    assert kept.kinds()["segment.stored"] == 2


def test_killed_between_leaf_and_table(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.record(4, 4)
    assert kept.outbox.flush(60)

    def killed(*_: Any) -> None:
        raise UnavailableError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(KnownLeaves, "take", killed)
        ledger = kept.start(retry_s=60)
        wait_for(lambda: bool(ledger.health().error), "the table cannot be written")
        kept.ledgers.clear()
        assert ledger.stop(60)
    before = kept.kinds()
    assert before["segment.stored"] == 2
    kept.keep()
    assert kept.kinds() == before


def test_a_fact_that_was_lost_with_its_worker_is_found_in_the_index(kept: Kept) -> None:
    with kept.site.open() as store:  # nobody hears of it
        append(store, run(T0, 4))
    kept.site.clock.go(3600)
    kept.keep()
    (found,) = kept.leaves("segment.stored")
    assert found[1]["late"] is True
    assert "fact" not in found[1]
    assert kept.against().sound


def test_what_was_found_late_is_not_told_again_by_its_fact(kept: Kept) -> None:
    kept.record(4)
    assert kept.outbox.flush(60)
    facts = kept.outbox.after(0, 100)
    kept.outbox.close()
    kept.outbox = FactOutbox(_elsewhere(kept), kept.site.clock)
    kept.site.clock.go(3600)
    kept.keep()
    assert [told["late"] for _, told in kept.leaves("segment.stored")] == [True]
    for fact in facts:
        kept.outbox.append(fact)
    kept.keep()
    assert kept.kinds()["segment.stored"] == 1


def _elsewhere(kept: Kept) -> Path:
    place = kept.directory.parent / "outbox"
    place.mkdir()
    return place


def test_the_table_is_made_anew_from_the_ledger(kept: Kept) -> None:
    kept.record(4, 4)
    kept.keep()
    before = kept.kinds()
    (kept.directory / "leaves.sqlite").write_bytes(b"rust" * 1000)
    kept.keep()
    assert kept.kinds() == before


def test_a_start_says_how_the_run_before_ended(kept: Kept) -> None:
    for fact in (RecorderStarted("1"), RecorderStopped(), RecorderStarted("1"), RecorderStarted("1")):
        kept.tell(new_fact(fact, kept.site.clock.utc_ns()))
    kept.keep()
    assert [told["before"] for _, told in kept.leaves("recorder.started")] == ["nothing", "stopped", "killed"]


def test_a_full_disk_is_said_and_made_up_for(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = kept.start()
    wait_for(lambda: ledger.health().state == "running")
    append_all = Ledger.append_all

    def full(self: Ledger, entries: Any) -> Any:
        raise UnavailableError("no space left on device")

    monkeypatch.setattr(Ledger, "append_all", full)
    kept.record(4, 4)
    wait_for(lambda: ledger.health().state == "failing")
    health = ledger.health()
    assert health.error == "no space left on device"
    assert health.since_ns
    assert len(kept.site.files()) == 2
    monkeypatch.setattr(Ledger, "append_all", append_all)
    wait_for(lambda: ledger.health().state == "running")
    kept.stop()
    assert kept.kinds()["segment.stored"] == 2


def test_a_ledger_that_is_gone_is_not_begun_again_in_silence(kept: Kept) -> None:
    kept.record(4)
    kept.keep()
    shutil.rmtree(kept.directory / "ledger")
    ledger = kept.start()
    wait_for(lambda: ledger.health().state == "failing")
    assert "is gone, and had" in ledger.health().error
    assert "another ledger begins under another key" in ledger.health().error
    kept.stop()
    assert not (kept.directory / "ledger").exists()


def test_an_older_copy_of_the_ledger_is_not_gone_on_with(kept: Kept) -> None:
    kept.record(4)
    kept.keep()
    shutil.copytree(kept.directory / "ledger", kept.directory.parent / "older")
    kept.record(4, begin_ns=T0 + 60 * SECOND)
    kept.keep()
    shutil.rmtree(kept.directory / "ledger")
    shutil.copytree(kept.directory.parent / "older", kept.directory / "ledger")
    ledger = kept.start()
    wait_for(lambda: ledger.health().state == "failing")
    assert "Was an older copy put back?" in ledger.health().error


def test_a_texts_half_character_does_not_stop_it(kept: Kept) -> None:
    kept.tell(new_fact(WorkerRestarted(1, "a \ud800 b", 1), kept.site.clock.utc_ns()))
    kept.keep()
    (found,) = kept.leaves("worker.restarted")
    assert found[1]["reason"] == "a ? b"

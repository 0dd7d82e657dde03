"""Retention is a maximum; holds are exempt; what is deleted stays deleted, wherever a crash falls."""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.contract.fact import FootageDeleted
from overt.errors import UnavailableError
from overt.footage import deletion as deletion_module
from overt.footage.deletion import Deleter
from overt.footage.gaps import GapCause
from overt.footage.index import Index
from overt.footage.keystore import KeyStore
from overt.footage.marker import create_location, read_marker
from overt.footage.options import RetentionPolicy
from overt.footage.reconcile import reconcile
from overt.footage.retention import DAY_NS, held, plan, plan_space
from overt.footage.retention_memory import FILE as MEMORY
from overt.footage.retention_memory import remember, remembered
from overt.footage.retention_thread import SWEEP_ROUNDS
from overt.footage.rows import Hold, SegmentRow, SegmentState
from overt.ids import StreamKey

S = 1_000_000_000
CAMERA = StreamKey("front-door")
NOBODY = uuid.UUID(int=0)


def row(start_s: int, length_s: int, size: int) -> SegmentRow:
    return SegmentRow(
        uuid.uuid4(), CAMERA, NOBODY, f"{start_s}", SegmentState.CLOSED, start_s * S, (start_s + length_s) * S, size,
        2, 1, 12, 0, 0, b"", NOBODY, NOBODY, NOBODY, 0, None, "",
    )  # fmt: skip


ROWS = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 1000)), max_size=30).map(
    lambda parts: [row(sum(length for length, _ in parts[:i]), length, size) for i, (length, size) in enumerate(parts)]
)
HOLDS = st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 300)), max_size=3).map(
    lambda spans: [Hold(uuid.uuid4(), CAMERA.camera, a * S, (a + n) * S, "case 7") for a, n in spans]
)


@given(ROWS, HOLDS, st.integers(0, 3000), st.one_of(st.none(), st.integers(0, 2000)), st.integers(0, 20_000))
def test_the_plan(rows: Any, holds: Any, now: int, seconds: int | None, most: int) -> None:
    days = None if seconds is None else seconds / 86_400
    total = sum(each.size for each in rows)
    expired = plan(rows, RetentionPolicy(days, most), holds, now * S, total)
    chosen = {each.row.segment_id for each in expired}
    kept = [each for each in rows if each.segment_id not in chosen]
    assert not any(held(each.row, holds) for each in expired)
    if days is not None:
        limit = now * S - int(days * DAY_NS)
        assert all(each.end_ns >= limit or held(each, holds) for each in kept)
        assert all(each.row.end_ns < limit for each in expired if each.reason == "days")
    assert sum(each.size for each in kept) <= most or all(held(each, holds) for each in kept)
    # Nothing is deleted for its size that could have stayed.
    for_size = [each.row for each in expired if each.reason == "bytes"]
    if for_size:
        assert sum(each.size for each in kept) + for_size[-1].size > most
    unheld = [each for each in kept if not held(each, holds)]
    if for_size and unheld:
        assert for_size[-1].start_ns < unheld[0].start_ns


@given(ROWS, HOLDS, st.integers(0, 20_000))
def test_room_is_made_by_the_oldest(rows: Any, holds: Any, missing: int) -> None:
    expired = [each.row for each in plan_space(rows, holds, missing)]
    free = [each for each in rows if not held(each, holds)]
    assert expired == free[: len(expired)]
    assert sum(each.size for each in expired[:-1]) < max(1, missing)
    assert sum(each.size for each in expired) >= missing or expired == free


@pytest.fixture
def recorded(site: Any, lab: Any, camera: StreamKey) -> Any:
    """Two hours of a camera, a segment a minute."""
    with site.open() as store:
        session = uuid.uuid4()
        sent = lab.run(lab.T0, 1440, gop=2, size=40, step=5 * S)
        for at in range(0, len(sent), 360):
            store.append_many((camera, session, each) for each in sent[at : at + 360])
            store.flush()
            lab.wait_until(lambda: store._writer.entries()[0].writer._next_period is not None)
    return site


def wraps(site: Any) -> dict[uuid.UUID, bytes]:
    with KeyStore(site.directory / "keys.sqlite", write=False) as keys:
        # A recorder that runs may destroy one between the two questions.
        return {period: stored.wrap for period in keys.created() if (stored := keys.get(period)) is not None}


def index_of(site: Any) -> Index:
    return Index(site.directory / "index.sqlite")


def deleter(site: Any, index: Index, facts: Any = None, **places: Path) -> Deleter:
    with_id = {**index.locations()}
    return Deleter(site.directory, with_id, index, lambda data, key: facts.append(data) if facts is not None else None)


def test_what_is_too_old_goes_with_its_keys(recorded: Any, lab: Any, camera: StreamKey, facts: Any) -> None:
    site = recorded
    before = wraps(site)
    files = len(site.files())
    # Every wrap stands in the file as bytes, so that its absence afterwards means something.
    assert all(wrap[-60:] in (site.directory / "keys.sqlite").read_bytes() for wrap in before.values())
    limit = lab.T0 + 4200 * S
    site.clock.utc = limit + 30 * DAY_NS
    store = site.open()
    store.subscribe(facts)
    store.set_retention({camera.camera: RetentionPolicy(30)})
    lab.wait_until(lambda: sum(each.segments for each in facts.of(FootageDeleted)) >= 68)
    store.close()
    with index_of(site) as index:
        rows = index.segments(camera, 0, 2**62)
        kept = index.periods()
        deletions = index.deletions(camera, 0, 2**62)
    assert all(each.end_ns >= limit for each in rows)
    assert rows[0].start_ns < limit + 60 * S
    assert len(site.files()) == len(rows)
    after = wraps(site)
    gone = before.keys() - after.keys()
    assert after.keys() == kept
    assert gone
    held_bytes = b"".join(each.read_bytes() for each in site.directory.glob("keys.sqlite*"))
    for period in gone:
        assert before[period][-60:] not in held_bytes
        assert before[period][:20] not in held_bytes or before[period][:20] == next(iter(after.values()))[:20]
    assert {each for one in deletions for each in one.periods} == gone
    assert sum(each.segments for each in deletions) == files - len(rows)
    with site.reader() as reader:
        parts = reader.spans(camera, 0, 2**62, now_ns=lab.T0 + 7200 * S)
    assert [getattr(part, "cause", "footage") for part in parts] == [GapCause.DELETED, "footage"]
    assert reconcile(site.directory, deep=True).differences == []


def test_bytes_are_a_limit_too(recorded: Any, lab: Any, camera: StreamKey) -> None:
    site = recorded
    site.clock.utc = lab.T0 + 7200 * S
    store = site.open()
    store.set_retention({camera.camera: RetentionPolicy(None, 100_000)})
    rounds = store._retention.rounds
    lab.wait_until(lambda: store._retention.rounds > rounds + 1)
    store.close()
    total = sum(each.stat().st_size for each in site.files())
    assert total > 90_000
    with index_of(site) as index:
        assert sum(each.size for each in index.segments(camera, 0, 2**62)) == total
        assert {each.reason for each in index.deletions(camera, 0, 2**62)} == {"bytes"}
    # Periods of the last hours may be in use and keep their wraps until they cannot be.
    assert reconcile(site.directory).count("missing-key") == 0


def test_a_hold_is_exempt_and_counted(recorded: Any, lab: Any, camera: StreamKey) -> None:
    site = recorded
    site.clock.utc = lab.T0 + 90 * DAY_NS
    hold = Hold(uuid.uuid4(), camera.camera, lab.T0 + 600 * S, lab.T0 + 720 * S, "incident 1234")
    store = site.open()
    store.set_holds(camera.camera, [hold])
    store.set_retention({camera.camera: RetentionPolicy(30)})
    lab.wait_until(lambda: len(site.files()) <= 3)
    rounds = store._retention.rounds
    lab.wait_until(lambda: store._retention.rounds > rounds + 2)
    with site.reader() as reader:
        held_rows = reader.segments(camera, 0, 2**62)
    assert 2 <= len(held_rows) <= 3
    assert held_rows[0].start_ns <= hold.start_ns
    assert held_rows[-1].end_ns >= hold.end_ns
    assert site.payloads(camera)
    store.set_holds(camera.camera, [])
    lab.wait_until(lambda: not site.files())
    assert wraps(site) == {} or store.close()
    store.close()
    assert wraps(site) == {}


def test_a_hold_that_comes_between_plan_and_deed_counts(recorded: Any, lab: Any, camera: StreamKey) -> None:
    with index_of(recorded) as index:
        chosen = [(each.segment_id, "days") for each in index.segments(camera, 0, 2**62)]
        index.put_hold(Hold(uuid.uuid4(), camera.camera, 0, 2**62, "everything"))
        assert index.mark_deleting(chosen) == 0


class Crash(BaseException):
    """The power is gone."""


@pytest.mark.parametrize("step", ["unlink", "sync_directory", "destroy", "append", "put_deletion"])
def test_a_deletion_cut_short_anywhere_is_finished(
    recorded: Any, lab: Any, camera: StreamKey, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = recorded
    now = lab.T0 + 90 * DAY_NS
    files, before = len(site.files()), wraps(site)
    facts: list[Any] = []
    with index_of(site) as index, monkeypatch.context() as patch:
        victim = {
            "unlink": (Path, "unlink"),
            "sync_directory": (deletion_module, "sync_directory"),
            "destroy": (KeyStore, "destroy"),
            "append": (deletion_module.journal, "append"),
            "put_deletion": (Index, "put_deletion"),
        }[step]
        original = getattr(*victim)
        calls = iter(range(1000))

        def crash(*arguments: Any, **more: Any) -> Any:
            if next(calls) == (5 if step == "unlink" else 0):
                raise Crash
            return original(*arguments, **more)

        patch.setattr(*victim, crash)
        rows = index.oldest(camera, 70)
        with pytest.raises(Crash):
            deleter(site, index, facts).delete(plan(rows, RetentionPolicy(30), [], now, 0), now)
    with index_of(site) as index:
        deleter(site, index, facts).finish(now)
        assert index.deleting(index.locations(), 9) == []
        deletions = index.deletions(camera, 0, 2**62)
        kept = index.periods()
    assert sum(each.segments for each in deletions) == 70
    assert sum(each.segments for each in facts) == 70
    assert len(site.files()) == files - 70
    assert wraps(site).keys() == kept
    assert {period for each in deletions for period in each.periods} == before.keys() - kept
    assert reconcile(site.directory, deep=True).differences == []


def test_keys_of_a_disk_that_is_away_are_destroyed_now_and_its_files_later(
    site: Any, lab: Any, camera: StreamKey, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    create_location(second, site.recipients.site_id, lab.read_marker(site.directory).store)
    options = replace(lab.FAST, choose="in-order")
    store = site.open(options=options, locations=[second])
    store._locations[0].usable = False
    store.append_many((camera, uuid.UUID(int=1), each) for each in lab.run(lab.T0, 20))
    assert store.flush()
    store.close()
    second.rename(tmp_path / "away")
    site.clock.utc = lab.T0 + 90 * DAY_NS
    store = site.open(options=options, locations=[second])
    store.set_retention({camera.camera: RetentionPolicy(30)})
    lab.wait_until(lambda: wraps(site) == {})
    assert list((tmp_path / "away").rglob("*.ovs"))
    (tmp_path / "away").rename(second)
    lab.wait_until(lambda: not list(second.rglob("*.ovs")))
    store.close()
    with index_of(site) as index:
        (deletion,) = index.deletions(camera, 0, 2**62)
    assert deletion.segments == 1
    assert len(deletion.periods) == 1


def test_retention_goes_on_after_keys_were_locked(recorded: Any, lab: Any, camera: StreamKey) -> None:
    site = recorded
    site.clock.utc = lab.T0 + 90 * DAY_NS
    other = sqlite3.connect(site.directory / "keys.sqlite", isolation_level=None)
    with index_of(site) as index:
        other.execute("BEGIN EXCLUSIVE")
        rows = index.oldest(camera, 500)
        expired = plan(rows, RetentionPolicy(30), [], site.clock.utc, 0)
        with pytest.raises(UnavailableError):
            deleter(site, index).delete(expired, site.clock.utc)
        other.execute("ROLLBACK")
        other.close()
        assert len(wraps(site)) > 0
        deleter(site, index).finish(site.clock.utc)
        assert wraps(site) == {}
        assert index.periods() == set()


def lose_index(site: Any) -> None:
    for path in site.directory.glob("index.sqlite*"):
        path.unlink()


def sweeps(site: Any, lab: Any, after_days: int, policies: dict[str, RetentionPolicy] | None = None) -> None:
    """Run the store later, until retention has swept twice."""
    site.clock.utc = lab.T0 + after_days * DAY_NS
    store = site.open(options=replace(lab.FAST, retention_interval_s=0.01))
    store.set_retention({CAMERA.camera: RetentionPolicy(31)} if policies is None else policies)
    lab.wait_until(lambda: store._retention.rounds > 2 * SWEEP_ROUNDS, 30)
    assert store.status().retention_troubles == ()
    store.close()


def test_a_lost_index_never_costs_a_key(recorded: Any, lab: Any, camera: StreamKey) -> None:
    """Old keys outlive the rebuilding of the index, although for a while no row speaks of their footage."""
    site = recorded
    before = wraps(site)
    payloads = site.payloads(camera)
    lose_index(site)
    sweeps(site, lab, after_days=5)
    assert wraps(site).keys() >= before.keys()
    reconcile(site.directory, repair=True)
    assert wraps(site).keys() >= before.keys()
    assert site.payloads(camera) == payloads


def test_a_disk_that_a_new_index_never_saw_keeps_its_keys(
    site: Any, lab: Any, camera: StreamKey, tmp_path: Path
) -> None:
    """Footage on a second location, the index lost, the location away: nothing destroys its keys, not even a repair."""
    marker = read_marker(site.directory)
    second = tmp_path / "second"
    create_location(second, marker.site, marker.store)
    options = replace(lab.FAST, choose="in-order")
    with site.open(options=options, locations=[second]) as store:
        store.append_many((camera, uuid.uuid4(), each) for each in lab.run(lab.T0, 40))
        store.flush()
    away = tmp_path / "away"
    # All footage moves to the second disk, which is then taken away, and the index is lost.
    shutil.copytree(site.directory / "segments", second / "segments", dirs_exist_ok=True)
    shutil.rmtree(site.directory / "segments")
    (site.directory / "segments").mkdir()
    second.rename(away)
    before = wraps(site)
    assert before
    lose_index(site)
    sweeps(site, lab, after_days=5)
    found = reconcile(site.directory, repair=True)
    assert found.count("orphan-key")
    assert not any(each.repaired for each in found.differences if each.kind == "orphan-key")
    assert wraps(site).keys() >= before.keys()


def test_a_key_that_sealed_nothing_is_swept_up_when_its_hour_is_out_of_retention(recorded: Any, lab: Any) -> None:
    """A killed recorder leaves the key that it had made ready for the next hour."""
    site = recorded
    with index_of(site) as index, KeyStore(site.directory / "keys.sqlite") as keys:
        (known, *_) = (stored for period in keys.created() if (stored := keys.get(period)) is not None)
        spare = replace(known, period_id=uuid.uuid4(), created_ns=lab.T0, index_id=index.identity())
        keys.put(spare)
    assert reconcile(site.directory, repair=True).differences == []
    sweeps(site, lab, after_days=30)
    assert spare.period_id in wraps(site)
    sweeps(site, lab, after_days=32)
    assert spare.period_id not in wraps(site)


# What an index does not know


def test_an_index_from_a_backup_costs_no_key(recorded: Any, lab: Any, camera: StreamKey, tmp_path: Path) -> None:
    """It has the same identity, and no row of what was recorded since: the rows come back before any key is judged."""
    site = recorded
    shutil.copy(site.directory / "index.sqlite", tmp_path / "backup")
    site.clock.utc = lab.T0 + DAY_NS
    with site.open() as store:
        store.append_many((camera, uuid.uuid4(), each) for each in lab.run(site.clock.utc, 40))
        store.flush()
    before, payloads = wraps(site), site.payloads(camera)
    lose_index(site)
    shutil.copy(tmp_path / "backup", site.directory / "index.sqlite")
    sweeps(site, lab, after_days=5)
    assert wraps(site).keys() >= before.keys()
    assert "orphan-key" not in [each.kind for each in reconcile(site.directory, repair=True).differences]
    assert site.payloads(camera) == payloads


def test_a_folder_that_was_moved_away_for_days_comes_back_readable(
    recorded: Any, lab: Any, camera: StreamKey, tmp_path: Path
) -> None:
    """The marker is there and the files are not: their rows are dropped at the next start, but not their keys."""
    site = recorded
    before, payloads = wraps(site), site.payloads(camera)
    (site.directory / "segments" / camera.camera).rename(tmp_path / "moved")
    reconcile(site.directory, repair=True)
    sweeps(site, lab, after_days=5)
    reconcile(site.directory, repair=True)
    assert wraps(site).keys() >= before.keys()
    (tmp_path / "moved").rename(site.directory / "segments" / camera.camera)
    reconcile(site.directory, repair=True)
    assert site.payloads(camera) == payloads


def test_a_period_whose_other_half_lies_on_an_unseen_disk_keeps_its_key(
    site: Any, lab: Any, camera: StreamKey, tmp_path: Path
) -> None:
    """Half of an hour on each of two disks, one away while the index is rebuilt; the half that is seen is deleted."""
    second = tmp_path / "second"
    create_location(second, site.recipients.site_id, read_marker(site.directory).store)
    options = replace(lab.FAST, choose="in-order")
    store = site.open(options=options, locations=[second])
    store.append_many((camera, uuid.uuid4(), each) for each in lab.run(lab.T0, 400))
    store.flush()
    store.close()
    (key,) = wraps(site)
    (folder,) = site.directory.glob("segments/*/*/*")
    (first, *others) = sorted(folder.iterdir())
    away = tmp_path / "away"
    there = away / folder.relative_to(site.directory)
    there.mkdir(parents=True)
    for path in others:
        path.rename(there / path.name)
    second.rename(tmp_path / "unplugged")
    lose_index(site)
    reconcile(site.directory, repair=True)
    now = lab.T0 + DAY_NS
    with index_of(site) as index:
        gone = deleter(site, index).delete(plan(index.oldest(camera, 9), RetentionPolicy(None, 1), [], now, 10**9), now)
    assert gone == 1
    assert not first.exists()
    assert key in wraps(site)
    # The disk comes back: what lies there can be opened.
    shutil.copytree(away, site.directory, dirs_exist_ok=True)
    reconcile(site.directory, repair=True)
    assert len(site.payloads(camera)) > 100


@pytest.mark.parametrize("why", ["young", "held", "no limit", "not assigned"])
def test_a_key_without_a_row_stays_while_its_footage_may_be_kept(
    recorded: Any, lab: Any, camera: StreamKey, why: str
) -> None:
    site = recorded
    before = wraps(site)
    shutil.rmtree(site.directory / "segments" / camera.camera)
    lose_index(site)
    policies = {camera.camera: RetentionPolicy(31)}
    with site.open() as store:
        if why == "held":
            store.set_holds(camera.camera, [Hold(uuid.uuid4(), camera.camera, lab.T0, lab.T0 + 9000 * S, "case 7")])
    if why in {"no limit", "not assigned"}:
        policies = {camera.camera: RetentionPolicy(None, 10**9)} if why == "no limit" else {}
    sweeps(site, lab, 30 if why == "young" else 400, policies)
    assert wraps(site).keys() >= before.keys()


def test_keys_of_a_disk_that_never_comes_back_are_destroyed_when_their_time_has_come(
    recorded: Any, lab: Any, camera: StreamKey
) -> None:
    """Retention is a maximum wherever the files are, and it is told which keys went."""
    site = recorded
    before = wraps(site)
    shutil.rmtree(site.directory / "segments" / camera.camera)
    lose_index(site)
    sweeps(site, lab, after_days=32)
    assert not before.keys() & wraps(site).keys()
    with index_of(site) as index:
        told = [period for each in index.deletions(camera, 0, 2**62) for period in each.periods]
    assert set(told) == before.keys()
    lose_index(site)
    reconcile(site.directory, repair=True)
    with index_of(site) as index:
        assert {period for each in index.deletions(camera, 0, 2**62) for period in each.periods} == before.keys()


def test_no_key_is_destroyed_before_the_files_were_compared(recorded: Any, lab: Any, camera: StreamKey) -> None:
    site = recorded
    before = wraps(site)
    now = lab.T0 + 2 * DAY_NS
    with index_of(site) as index:
        places = dict(index.locations())
        early = Deleter(site.directory, places, index, lambda data, key: None, compared=False)
        early.delete(plan(index.oldest(camera, 500), RetentionPolicy(1), [], now, 0), now)
    assert site.files() == []
    assert wraps(site).keys() == before.keys()


# Before it was told


def test_nothing_is_deleted_before_it_is_said_what_is_kept(recorded: Any, lab: Any, camera: StreamKey) -> None:
    """What was remembered of an earlier run may be shorter than what the assignment says now."""
    site = recorded
    remember(site.directory, {camera.camera: RetentionPolicy(1)})
    files = len(site.files())
    site.clock.utc = lab.T0 + 20 * DAY_NS
    store = site.open()
    lab.wait_until(lambda: store._retention.rounds > 3)
    assert len(site.files()) == files
    store.set_retention({camera.camera: RetentionPolicy(31)})
    rounds = store._retention.rounds
    lab.wait_until(lambda: store._retention.rounds > rounds + 3)
    assert len(site.files()) == files
    assert remembered(site.directory) == {camera.camera: RetentionPolicy(31)}


# Cameras that are not assigned any more


def test_footage_of_a_camera_that_left_goes_when_its_time_has_come(
    recorded: Any, lab: Any, camera: StreamKey, facts: Any
) -> None:
    site = recorded
    site.clock.utc = lab.T0 + DAY_NS
    with site.open() as store:
        store.set_retention({camera.camera: RetentionPolicy(30, 10**9), "yard": RetentionPolicy(3)})
    files = len(site.files())
    site.clock.utc = lab.T0 + 29 * DAY_NS
    with site.open() as store:
        store.set_retention({"yard": RetentionPolicy(5)})
        lab.wait_until(lambda: bool(store.status().unassigned))
        (left,) = store.status().unassigned
        assert (left.camera, left.policy) == (camera.camera, RetentionPolicy(30, 10**9))
        assert left.bytes == sum(path.stat().st_size for path in site.files())
        assert (left.start_ns, left.end_ns) == (lab.T0, lab.T0 + 7200 * S)
        assert store.status().retention_troubles == ()
        assert len(site.files()) == files
    # A recorder that knows no camera at all goes on with it, be its index new or not.
    lose_index(site)
    reconcile(site.directory, repair=True)
    site.clock.utc = lab.T0 + 31 * DAY_NS
    with site.open() as store:
        store.subscribe(facts)
        store.set_retention({})
        lab.wait_until(lambda: not site.files())
        lab.wait_until(lambda: store.status().unassigned == ())
        assert facts.wait(FootageDeleted).reason == "days"
    assert remembered(site.directory)["yard"] == RetentionPolicy(5)


def test_holds_of_a_camera_that_left_stay(recorded: Any, lab: Any, camera: StreamKey) -> None:
    site = recorded
    site.clock.utc = lab.T0 + DAY_NS
    with site.open() as store:
        hold = Hold(uuid.uuid4(), camera.camera, lab.T0 + 600 * S, lab.T0 + 720 * S, "incident 1234")
        store.set_holds(camera.camera, [hold])
        store.set_retention({camera.camera: RetentionPolicy(30)})
    site.clock.utc = lab.T0 + 90 * DAY_NS
    with site.open() as store:
        store.set_retention({})
        lab.wait_until(lambda: len(site.files()) <= 3)
        rounds = store._retention.rounds
        lab.wait_until(lambda: store._retention.rounds > rounds + 2)
    assert 2 <= len(site.files()) <= 3


def test_footage_of_which_nobody_ever_said_how_long_is_kept_and_complained_of(
    recorded: Any, lab: Any, camera: StreamKey
) -> None:
    site = recorded
    files = len(site.files())
    site.clock.utc = lab.T0 + 400 * DAY_NS
    with site.open() as store:
        store.set_retention({})
        lab.wait_until(lambda: bool(store.status().retention_troubles))
        (trouble,) = store.status().retention_troubles
        assert "front-door is kept without limit" in trouble
    assert len(site.files()) == files


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"format": 2, "cameras": {}}', '{"format": 1, "cameras": {"a": {"days": -1, "bytes": null}}}',
     '{"format": 1, "cameras": {"a": {}}}', '{"format": 1, "cameras": {"../a": {"days": 1, "bytes": null}}}'],
)  # fmt: skip
def test_a_damaged_memory_deletes_nothing_is_said_and_is_not_overwritten(
    recorded: Any, lab: Any, camera: StreamKey, text: str
) -> None:
    site = recorded
    (site.directory / MEMORY).write_text(text)
    site.clock.utc = lab.T0 + 90 * DAY_NS
    files = len(site.files())
    with site.open() as store:
        store.set_retention({"yard": RetentionPolicy(1)})
        lab.wait_until(lambda: len(store.status().retention_troubles) == 2)
        assert MEMORY in store.status().retention_troubles[0]
        rounds = store._retention.rounds
        lab.wait_until(lambda: store._retention.rounds > rounds + 2)
        assert len(site.files()) == files
        assert (site.directory / MEMORY).read_text() == text
        # Put right while the recorder runs, it counts from the next round on.
        remember(site.directory, {camera.camera: RetentionPolicy(30)})
        lab.wait_until(lambda: not site.files())
    assert remembered(site.directory) == {camera.camera: RetentionPolicy(30), "yard": RetentionPolicy(1)}

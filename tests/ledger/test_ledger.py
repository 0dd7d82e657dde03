"""The ledger as its writer and its readers have it."""

from __future__ import annotations

import json
import threading

import pytest

from ledger_rig import (
    START_NS,
    LedgerSite,
    entries,
    entry,
    plain_bodies,
    plain_checkpoint,
    plain_leaves,
)
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.ledger.leaves import Entry, time_text
from overt.ledger.ledger import MAX_BATCH, Ledger
from overt.ledger.note import NoteSigner
from overt.ledger.reader import LedgerReader


def test_what_is_appended_is_read_back(site: LedgerSite) -> None:
    with site.open() as ledger:
        first = ledger.append(Entry("look.opened", {"who": "Ana Ruíz", "cameras": ["front-door"], "live": True}))
        second = ledger.append(Entry("look.closed", {}))
        assert (first.index, second.index, ledger.size) == (0, 1, 2)
        reader = ledger.reader()
        assert list(reader.leaves()) == [first, second]
        body = reader.body(0)
        assert body is not None
        assert body.value() == {"who": "Ana Ruíz", "cameras": ["front-door"], "live": True}
        assert reader.root() == ledger.checkpoint.root
        assert plain_checkpoint(site.directory)[:2] == ("council.example/control-room", 2)


@pytest.mark.parametrize("step", [1, 7, 100, 256, 300])
def test_every_size_stands_in_plain_files(site: LedgerSite, step: int) -> None:
    total = 600 if step > 1 else 270
    with site.open() as ledger:
        while ledger.size < total:
            ledger.append_all(entries(ledger.size, step))
            if ledger.size % 256 < step or step > 90:
                leaves = plain_leaves(site.directory)
                assert len(leaves) == ledger.size
        size = ledger.size
    leaves = plain_leaves(site.directory)
    assert [json.loads(each)["kind"] for each in leaves] == [each.kind for each in entries(0, size)]
    assert plain_bodies(site.directory, size) == [each.body for each in entries(0, size)]
    with site.open() as ledger:
        assert ledger.size == size
        ledger.append(entry(size))
    assert len(plain_leaves(site.directory)) == size + 1
    assert not list((site.directory / "tile/entries").glob("000.p/*"))


def test_a_leaf_says_nothing_about_a_person(site: LedgerSite) -> None:
    with site.open() as ledger:
        ledger.append(Entry("look.opened", {"who": "Ana Ruiz"}))
        ledger.append(Entry("look.opened", {"who": "Ana Ruiz"}))
    first, second = (json.loads(each) for each in plain_leaves(site.directory))
    assert sorted(first) == ["commitment", "kind", "time", "v"]
    assert first["commitment"] != second["commitment"]


def test_a_second_writer_is_refused_and_a_reader_is_not(site: LedgerSite) -> None:
    with site.open() as ledger:
        ledger.append(entry(0))
        with pytest.raises(ConflictError, match="one writer"):
            Ledger(site.directory, site.signer)
        reader = LedgerReader(site.directory)
        ledger.append(entry(1))
        assert reader.size == 1
        assert reader.refresh().size == 2
    with site.open() as ledger:
        assert ledger.size == 2


def test_a_ledger_is_made_once_and_opened_with_its_key_alone(site: LedgerSite) -> None:
    with pytest.raises(MissingError):
        Ledger(site.directory, site.signer)
    site.fill(1)
    with pytest.raises(ConflictError, match="already"):
        Ledger.create(site.directory, site.signer)
    with pytest.raises(ConflictError, match="not empty"):
        Ledger.create(site.directory.parent, site.signer)
    with pytest.raises(ForbiddenError):
        Ledger(site.directory, NoteSigner.generate(site.signer.name))


def test_a_closed_ledger_takes_nothing(site: LedgerSite) -> None:
    with site.open() as ledger:
        pass
    with pytest.raises(ConflictError, match="closed"):
        ledger.append(entry(0))
    with pytest.raises(ConflictError, match="closed"):
        ledger.settle()
    ledger.close()


@pytest.mark.parametrize(
    "body", [{"x": 1.5}, {"x": float("nan")}, {"x": 1 << 60}, {"x": b"bytes"}, {1: "x"}, {"x": "\ud800"}, {"x": {2}}]
)
def test_what_is_not_canonical_json_is_refused_before_anything_is_written(
    site: LedgerSite, body: dict[str, object]
) -> None:
    with site.open() as ledger:
        with pytest.raises(InvalidError):
            ledger.append_all([entry(0), Entry("look.opened", body)])
        assert ledger.size == 0


@pytest.mark.parametrize("kind", ["", "Look", "look.", ".look", "look opened", "l" * 64, "look.öffnen", 'a"b'])
def test_kinds_are_plain_words(site: LedgerSite, kind: str) -> None:
    with site.open() as ledger, pytest.raises(InvalidError):
        ledger.append(Entry(kind, {}))


def test_too_many_at_once_are_refused(site: LedgerSite) -> None:
    with site.open() as ledger:
        assert ledger.append_all([]) == []
        with pytest.raises(InvalidError):
            ledger.append_all([entry(0)] * (MAX_BATCH + 1))


def test_a_clock_set_back_never_takes_the_tree_with_it(site: LedgerSite) -> None:
    with site.open() as ledger:
        before = ledger.append(entry(0))
        site.clock.ns -= 3600 * 1_000_000_000
        after = ledger.append(entry(1))
    assert after.time_ns == before.time_ns
    assert after.behind_us == 3_599_999_000
    with site.open() as ledger:
        again = ledger.append(entry(2))
        assert again.time_ns == before.time_ns
        site.clock.ns += 7200 * 1_000_000_000
        right = ledger.append(entry(3))
    assert right.behind_us == 0
    assert right.time_ns > before.time_ns
    assert json.loads(plain_leaves(site.directory)[1])["behind_us"] == after.behind_us


def test_leaves_are_found_by_kind_and_time(site: LedgerSite) -> None:
    site.fill(1000)
    reader = LedgerReader(site.directory)
    everything = list(reader.leaves())
    assert [leaf.index for leaf in everything] == list(range(1000))
    assert [leaf.index for leaf in reader.leaves(newest_first=True)] == list(range(999, -1, -1))
    assert [leaf.index for leaf in reader.leaves(250, 260)] == list(range(250, 260))
    assert {leaf.kind for leaf in reader.leaves(kinds=["look."])} == {"look.opened", "look.closed"}
    assert [leaf.index for leaf in reader.leaves(kinds=["camera.added"])] == list(range(2, 1000, 3))
    assert list(reader.leaves(kinds=["look"])) == []
    with site.open() as ledger:
        site.clock.ns += 60_000_000_000
        later = ledger.append(entry(1000))
    reader.refresh()
    assert [leaf.index for leaf in reader.leaves(since_ns=later.time_ns)] == [1000]
    assert len(list(reader.leaves(until_ns=later.time_ns, since_ns=START_NS))) == 1000
    assert list(reader.leaves(2000)) == []
    with pytest.raises(MissingError):
        reader.leaf(1001)


def test_bodies_are_read_with_their_leaves(site: LedgerSite) -> None:
    site.fill(600)
    reader = LedgerReader(site.directory)
    for options in ({}, {"newest_first": True}, {"kinds": ["camera.added"]}):
        for leaf, body in reader.read_bodies(reader.leaves(100, **options)):  # type: ignore[arg-type]  # of that call
            assert body is not None
            assert body.value()["number"] == leaf.index


def test_a_thousand_appends_at_once(site: LedgerSite) -> None:
    done: dict[int, int] = {}

    def append(number: int) -> None:
        done[number] = ledger.append(entry(number)).index

    with site.open() as ledger:
        threads = [threading.Thread(target=append, args=(number,)) for number in range(1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.size == 1000
    assert sorted(done) == sorted(done.values()) == list(range(1000))
    bodies = plain_bodies(site.directory, 1000)
    for number, index in done.items():
        body = bodies[index]
        assert body is not None
        assert body["number"] == number
    plain_leaves(site.directory)


def test_bodies_are_pruned_and_the_tree_stays(site: LedgerSite) -> None:
    site.fill(600)
    before = plain_leaves(site.directory)
    with site.open() as ledger:
        ledger.append(Entry("bodies.pruned", {"count": 3}))
        ledger.append(entry(601, who="Ana Ruiz"))
        assert ledger.prune([3, 300, 601]) == 3
        assert ledger.prune([3]) == 0
        with pytest.raises(InvalidError):
            ledger.prune([602])
        ledger.append(entry(602))
        reader = ledger.reader()
        assert [reader.body(index) for index in (3, 300, 601)] == [None, None, None]
        assert reader.body(602) is not None
        assert b"Ana Ruiz" not in (site.directory / "journal").read_bytes()
    assert plain_leaves(site.directory)[:600] == before
    assert [n for n, body in enumerate(plain_bodies(site.directory, 603)) if body is None] == [3, 300, 601]
    with site.open() as ledger:
        ledger.append(entry(603))
    assert len(plain_bodies(site.directory, 604)) == 604


def test_a_lock_that_was_lost_stops_writing(site: LedgerSite) -> None:
    with site.open() as ledger:
        ledger.append(entry(0))
        lock = site.directory / "lock"
        lock.unlink()
        with pytest.raises(UnavailableError, match="gone"):
            ledger.append(entry(1))
        lock.touch()
        with pytest.raises(UnavailableError, match="no longer"):
            ledger.append(entry(1))
        ledger._closed = True
        ledger._journal.close()
        ledger._lock.release()
    assert len(plain_leaves(site.directory)) == 1


def test_an_older_copy_is_not_gone_on_with_if_a_checkpoint_is_kept(site: LedgerSite) -> None:
    site.fill(5)
    with site.open() as ledger:
        old = ledger.checkpoint
        ledger.append(entry(5))
        seen = ledger.checkpoint
    with site.open(seen=old) as ledger:
        assert ledger.size == 6
    other = LedgerSite(site.directory.with_name("other"), site.signer, site.witness, site.clock)
    other.fill(5)
    with pytest.raises(CorruptError, match="leaf 5 is the first that is missing"), other.open(seen=seen):
        pass
    other.fill(9)
    with pytest.raises(CorruptError, match="not those that were signed"), other.open(seen=seen):
        pass


def test_times_are_written_to_the_microsecond() -> None:
    assert time_text(1_793_000_000_123_456_789) == "2026-10-26T07:33:20.123456Z"


def test_an_append_that_is_interrupted_is_taken_back(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.open() as ledger:
        ledger.append(entry(0))
        real = ledger._journal.append

        def interrupted(data: bytes) -> None:
            real(data)
            raise KeyboardInterrupt

        monkeypatch.setattr(ledger._journal, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.append(entry(1))
        monkeypatch.undo()
        assert ledger.append(entry(1)).index == 1
        assert len(plain_leaves(site.directory)) == 2
    with site.open() as ledger:
        assert ledger.size == 2

"""Files and index held against each other: every difference is named, and repaired where the truth is known."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overt.errors import ConflictError, CorruptError, MissingError
from overt.footage.format import FRAME_SIZE
from overt.footage.gaps import Gap, GapCause
from overt.footage.index import Index
from overt.footage.keystore import KeyStore
from overt.footage.opening import Damage, OpenedFragment
from overt.footage.reading import FootageReader
from overt.footage.reconcile import DifferenceKind, reconcile
from overt.footage.rows import Hold, SegmentState
from overt.ids import StreamKey

S = 1_000_000_000


@pytest.fixture
def recorded(site: Any, lab: Any, camera: StreamKey) -> Any:
    """Five minutes of a camera, with a gap and a hold, closed cleanly."""
    with site.open() as store:
        session = uuid.uuid4()
        store.append_many((camera, session, each) for each in lab.run(lab.T0, 300))
        store.flush()
        store.interrupted(camera, GapCause.NETWORK, "no route")
        store.append_many((camera, uuid.UUID(int=2), each) for each in lab.run(lab.T0 + 200 * S, 200))
        store.flush()
        store.set_holds(camera.camera, [Hold(uuid.UUID(int=9), camera.camera, lab.T0, lab.T0 + S, "case 7")])
    return site


def index_path(site: Any) -> Path:
    return Path(site.directory / "index.sqlite")


def everything(site: Any) -> tuple[Any, ...]:
    with Index(index_path(site), write=False) as index:
        rows = {key: index.segments(key, 0, 2**62, tables=True) for key in index.streams()}
        gaps = {key: index.gaps(key, 0, 2**62) for key in index.streams()}
        return rows, gaps, index.holds()


def kinds(site: Any, **options: Any) -> list[str]:
    return [each.kind.value for each in reconcile(site.directory, **options).differences]


def flip(path: Path, offset: int, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= bit
    path.write_bytes(data)


def test_an_index_that_is_missing_is_made_again_from_files_and_journal(recorded: Any) -> None:
    before = everything(recorded)
    index_path(recorded).unlink()
    assert kinds(recorded)[0] == "index-damaged"
    with pytest.raises(MissingError, match="reconcile"):
        recorded.reader()
    found = reconcile(recorded.directory, repair=True)
    assert all(each.repaired for each in found.differences)
    rows, gaps, holds = everything(recorded)
    # What is inside (codec, size of the picture) is sealed in the files, and not told to who has no key.
    strip = lambda all_rows: {k: [replace(r, tracks="") for r in v] for k, v in all_rows.items()}  # noqa: E731
    assert strip(rows) == strip(before[0])
    assert (gaps, holds) == before[1:]
    assert kinds(recorded, deep=True) == []


@pytest.mark.parametrize("damage", ["garbage", "header", "cut", "empty"])
def test_a_damaged_index_is_put_aside_and_made_again(recorded: Any, damage: str, camera: StreamKey) -> None:
    path = index_path(recorded)
    data = bytearray(path.read_bytes())
    if damage == "garbage":
        dice = random.Random(5)
        for at in range(4096, len(data)):
            data[at] = dice.randrange(256)
    elif damage == "header":
        data[:100] = os.urandom(100)
    elif damage == "cut":
        del data[len(data) // 2 :]
    else:
        data.clear()
    payloads = len(recorded.payloads(camera))
    path.write_bytes(data)
    found = reconcile(recorded.directory, repair=True)
    assert found.differences
    if damage != "empty":
        assert found.differences[0].kind == DifferenceKind.INDEX_DAMAGED
        assert list(recorded.directory.glob("index.sqlite.corrupt-*"))
    assert kinds(recorded, deep=True) == []
    assert len(recorded.payloads(camera)) == payloads


def test_a_recorder_starts_with_a_damaged_index_and_repairs_it(recorded: Any, lab: Any, camera: StreamKey) -> None:
    path = index_path(recorded)
    path.write_bytes(b"not a database" * 1000)
    recorded.clock.utc = lab.T0 + 3000 * S
    store = recorded.open(options=replace(lab.FAST, compare_at_start=True))
    assert store.attach([camera])[camera].last_end_ns == lab.T0 + 300 * S
    store.append_many((camera, uuid.UUID(int=2), each) for each in lab.run(lab.T0 + 3000 * S, 20))
    assert store.flush()
    store._comparison.join(60)
    store.close()
    assert kinds(recorded, deep=True) == []
    assert len(recorded.payloads(camera)) == 520
    with Index(path, write=False) as index:
        assert index.gaps(camera, 0, 2**62)[0].cause == GapCause.NETWORK
        assert len(index.holds()) == 1


def test_every_flipped_byte_of_a_file_is_found_and_the_rest_is_read(recorded: Any, lab: Any, camera: StreamKey) -> None:
    path = recorded.files()[1]
    whole = path.read_bytes()
    with Index(index_path(recorded), write=False) as index:
        row = index.by_name(camera, path.name)[0]
    dice = random.Random(3)
    offsets = [0, 9, 100, 250, len(whole) - 1] + [dice.randrange(len(whole)) for _ in range(15)]
    for offset in offsets:
        flip(path, offset, 1 << dice.randrange(8))
        found = reconcile(recorded.directory, deep=True)
        assert "damaged" in [each.kind for each in found.differences], offset
        assert all(each.where == str(path) for each in found.differences)
        with recorded.reader() as reader:
            items = list(reader.fragments(camera, row.start_ns - 5 * S, row.end_ns + 5 * S, recorded.open_period))
        good = [each for each in items if isinstance(each, OpenedFragment)]
        assert len(good) >= 20  # at least those of the segments around it
        assert all(each.start_ns >= row.start_ns for each in items if isinstance(each, Damage))
        path.write_bytes(whole)
    assert kinds(recorded, deep=True) == []


def test_damage_is_remembered_and_everything_else_stays(recorded: Any, camera: StreamKey, lab: Any) -> None:
    path = recorded.files()[1]
    with Index(index_path(recorded), write=False) as index:
        row = index.by_name(camera, path.name)[0]
        table = index.segment(row.segment_id).fragment_table()
    flip(path, table[5].offset + FRAME_SIZE)
    reconcile(recorded.directory, deep=True, repair=True)
    with Index(index_path(recorded), write=False) as index:
        after = index.segment(row.segment_id)
    assert after.state == SegmentState.DAMAGED
    assert after.fragment_table() == table
    with recorded.reader() as reader:
        broken = [each for each in reader.fragments(camera, 0, 2**62, recorded.open_period) if isinstance(each, Damage)]
    (only,) = broken
    assert (only.start_ns, only.end_ns) == (table[5].start_ns, table[5].end_ns)
    assert "tag does not fit" in only.detail


def test_a_missing_file_becomes_a_gap(recorded: Any, camera: StreamKey) -> None:
    path = recorded.files()[1]
    with Index(index_path(recorded), write=False) as index:
        row = index.by_name(camera, path.name)[0]
    path.unlink()
    assert kinds(recorded) == ["row-without-file"]
    with recorded.reader() as reader:
        assert any(isinstance(each, Damage) for each in reader.fragments(camera, 0, 2**62, recorded.open_period))
    assert reconcile(recorded.directory, repair=True).differences[0].repaired
    assert kinds(recorded, deep=True) == []
    with recorded.reader() as reader:
        gap = next(each for each in reader.spans(camera, 0, 2**62) if isinstance(each, Gap))
    assert (gap.start_ns, gap.end_ns, gap.cause) == (row.start_ns, row.end_ns, GapCause.DISK)
    assert path.name in gap.detail


def test_a_file_cut_short_keeps_what_is_whole(recorded: Any, camera: StreamKey, lab: Any) -> None:
    path = recorded.files()[-1]
    os.truncate(path, path.stat().st_size // 2)
    assert kinds(recorded) == ["size", "torn"]
    found = reconcile(recorded.directory, repair=True)
    assert all(each.repaired for each in found.differences), found
    assert kinds(recorded, deep=True) == []
    got = recorded.payloads(camera)
    assert 400 < len(got) < 500
    with recorded.reader() as reader:
        last = [each for each in reader.spans(camera, 0, lab.T0 + 300 * S) if isinstance(each, Gap)][-1]
    assert (last.end_ns, last.cause) == (lab.T0 + 300 * S, GapCause.DISK)


def test_a_file_cut_to_nothing_is_a_gap(recorded: Any, camera: StreamKey) -> None:
    path = recorded.files()[-1]
    os.truncate(path, 400)
    assert kinds(recorded, repair=True) == ["empty", "row-without-file"]
    assert not path.exists()
    assert kinds(recorded, deep=True) == []
    with recorded.reader() as reader:
        assert isinstance(reader.spans(camera, 0, 2**62)[-1], Gap)


def test_bytes_behind_a_file_are_named(recorded: Any) -> None:
    with recorded.files()[0].open("ab") as file:
        file.write(b"something else")
    assert kinds(recorded) == ["size", "damaged"]


def test_a_file_without_row_is_taken_in(recorded: Any, camera: StreamKey) -> None:
    with Index(index_path(recorded)) as index:
        index.drop_named(camera, recorded.files()[2].name)
    assert kinds(recorded) == ["file-without-row"]
    assert kinds(recorded, repair=True) == ["file-without-row"]
    assert kinds(recorded, deep=True) == []


def test_a_row_that_was_altered_is_corrected_by_its_file(recorded: Any) -> None:
    database = sqlite3.connect(index_path(recorded))
    database.execute("UPDATE segment SET end_ns = end_ns + 7, lost_packets = 3 WHERE id = 2")
    database.commit()
    database.close()
    (difference,) = reconcile(recorded.directory, deep=True, repair=True).differences
    assert difference.kind == DifferenceKind.ROW
    assert "end_ns" in difference.detail
    assert "lost_packets" in difference.detail
    assert kinds(recorded, deep=True) == []


def test_a_file_that_was_replaced_is_told_by_its_merkle_root(recorded: Any) -> None:
    database = sqlite3.connect(index_path(recorded))
    database.execute("UPDATE segment SET merkle_root = zeroblob(32) WHERE id = 2")
    database.commit()
    database.close()
    assert kinds(recorded, deep=True, repair=True) == ["merkle-root"]
    assert kinds(recorded, deep=True) == ["merkle-root"]


def test_a_file_in_the_wrong_place_is_brought_home(recorded: Any, camera: StreamKey) -> None:
    path = recorded.files()[2]
    astray = recorded.directory / "segments" / "yard" / "sub" / "2020-01-01" / path.name
    astray.parent.mkdir(parents=True)
    path.rename(astray)
    assert sorted(kinds(recorded)) == ["misplaced", "row-without-file"]
    reconcile(recorded.directory, repair=True)
    assert path.exists()
    assert kinds(recorded, repair=True) in ([], ["row-without-file"])
    assert kinds(recorded, deep=True) == []


def test_strange_files_are_named_and_left_alone(recorded: Any) -> None:
    strange = recorded.files()[0].with_name("notes.txt")
    strange.touch()
    (recorded.directory / "segments" / "UPPER").mkdir()
    (recorded.directory / "segments" / "UPPER" / "x").mkdir()
    assert kinds(recorded, repair=True) == ["foreign", "foreign"]
    assert strange.exists()


def test_keys_that_are_missing_or_too_many_are_named(recorded: Any, camera: StreamKey) -> None:
    with KeyStore(recorded.directory / "keys.sqlite") as keys:
        (period,) = keys.created()
        stored = keys.get(period)
        keys.destroy([period])
        keys.put(replace(stored, period_id=uuid.uuid4(), index_id=b"another index"))
        # Made ready for the next hour, before a kill.
        keys.put(replace(stored, period_id=uuid.uuid4()))
    assert kinds(recorded) == ["missing-key", "orphan-key"]
    with recorded.reader() as reader:
        items = list(reader.fragments(camera, 0, 2**62, recorded.open_period))
    assert all(isinstance(each, Damage) and "destroyed" in each.detail for each in items)
    # No repair destroys a key: what it opens may lie where nobody looked.
    assert kinds(recorded, repair=True) == ["missing-key", "orphan-key"]
    assert kinds(recorded) == ["missing-key", "orphan-key"]


def test_a_torn_journal_line_is_named_and_swallows_nothing(recorded: Any, lab: Any, camera: StreamKey) -> None:
    (month,) = (recorded.directory / "journal").glob("*.jsonl")
    with month.open("ab") as file:
        file.write(b'1234abcd {"gap":"')
    recorded.clock.utc = lab.T0 + 400 * S
    with recorded.open() as store:
        store.append_many((camera, uuid.UUID(int=2), each) for each in lab.run(lab.T0 + 400 * S, 4))
        store.flush()
    assert kinds(recorded) == ["journal"]
    before = everything(recorded)[1]
    index_path(recorded).unlink()
    reconcile(recorded.directory, repair=True)
    assert everything(recorded)[1] == before


def test_a_location_that_is_not_mounted_is_named_and_nothing_of_it_is_dropped(
    site: Any, lab: Any, camera: StreamKey, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    lab.create_location(second, site.recipients.site_id, lab.read_marker(site.directory).store)
    store = site.open(locations=[second], options=replace(lab.FAST, choose="in-order"))
    store._locations[0].usable = False
    store.append_many((camera, uuid.UUID(int=2), each) for each in lab.run(lab.T0, 20))
    store.flush()
    store.close()
    second.rename(tmp_path / "away")
    assert kinds(site, repair=True) == ["location"]
    (tmp_path / "away").rename(second)
    assert kinds(site, deep=True) == []
    assert len(site.payloads(camera)) == 20


def test_a_location_that_is_named_and_is_none_is_an_error_and_nothing_is_repaired(
    site: Any, lab: Any, camera: StreamKey, tmp_path: Path
) -> None:
    """What lies at a mistyped location would be taken for missing, and its rows dropped."""
    second, stranger = tmp_path / "second", tmp_path / "stranger"
    lab.create_location(second, site.recipients.site_id, lab.read_marker(site.directory).store)
    lab.create_location(stranger, site.recipients.site_id)
    with site.open(locations=[second]) as store:
        store.append_many((camera, uuid.UUID(int=2), each) for each in lab.run(lab.T0, 20))
        store.flush()
    index_path(site).unlink()
    for path, error in ((tmp_path / "secnod", MissingError), (tmp_path, MissingError), (stranger, ConflictError)):
        with pytest.raises(error, match=str(path)):
            reconcile(site.directory, locations=[path], repair=True)
        assert not index_path(site).exists()
    assert kinds(site, repair=True, locations=[second])[0] == "index-damaged"
    # One that the index knows may be named though its disk is away: that is said by the comparison itself.
    second.rename(tmp_path / "away")
    assert kinds(site, repair=True, locations=[second]) == ["location"]


def test_a_location_is_remembered_from_the_root(
    site: Any, lab: Any, camera: StreamKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second"
    lab.create_location(second, site.recipients.site_id, lab.read_marker(site.directory).store)
    monkeypatch.chdir(tmp_path)
    site.directory = Path(site.directory.name)
    options = replace(lab.FAST, choose="in-order")
    store = site.open(locations=[Path("second")], options=options)
    store._locations[0].usable = False
    store.append_many((camera, uuid.UUID(int=2), each) for each in lab.run(lab.T0, 20))
    store.flush()
    store.close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    site.directory = tmp_path / site.directory
    assert kinds(site, deep=True) == []
    assert len(site.payloads(camera)) == 20
    # Not mounted, and named as it was: it is waited for.
    second.rename(tmp_path / "away")
    monkeypatch.chdir(tmp_path)
    site.open(locations=[Path("second")]).close()


def test_a_running_recorder_is_not_repaired_and_not_complained_of(site: Any, lab: Any, camera: StreamKey) -> None:
    site.clock.utc = time.time_ns()
    store = site.open()
    store.append_many((camera, uuid.UUID(int=2), each) for each in lab.run(site.clock.utc, 20))
    assert store.flush()
    assert kinds(site) == []
    with pytest.raises(ConflictError):
        reconcile(site.directory, repair=True)


def test_what_is_no_footage_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        reconcile(tmp_path)
    with pytest.raises(MissingError):
        FootageReader(tmp_path)
    (tmp_path / "overt-footage.json").write_text("{}")
    with pytest.raises(CorruptError):
        reconcile(tmp_path)


def test_progress_is_told(recorded: Any) -> None:
    told: list[tuple[int, int]] = []
    reconcile(recorded.directory, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(recorded.files()), len(recorded.files()))


def test_a_copied_directory_is_as_good_as_the_first(recorded: Any, camera: StreamKey, tmp_path: Path) -> None:
    shutil.copytree(recorded.directory, tmp_path / "copy")
    recorded.directory = tmp_path / "copy"
    assert len(recorded.payloads(camera)) == 500

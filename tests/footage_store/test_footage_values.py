"""The plain values beneath the store: tables, names, journal lines, eras, gaps, merged spans."""

from __future__ import annotations

import itertools
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.errors import CorruptError, InvalidError
from overt.footage import journal
from overt.footage.eras import ERA_NS, Eras
from overt.footage.faults import disk_sentence, disk_state, error_number
from overt.footage.format import TableRow
from overt.footage.fragment_table import pack_table, unpack_table
from overt.footage.gaps import Gap, GapCause, GapTracker
from overt.footage.layout import date_folder, is_segment_name, segment_name, start_of_name
from overt.footage.rows import Deletion, Hold, SegmentRow, SegmentState
from overt.footage.spans import Span, merge
from overt.ids import StreamKey

S = 1_000_000_000
KEY = StreamKey("front-door")
I64 = st.integers(-(2**63), 2**63 - 1)
U32 = st.integers(0, 2**32 - 1)
TABLES = st.lists(
    st.builds(
        TableRow,
        U32,
        U32,
        I64,
        st.integers(0, 2**64 - 1),
        U32,
        st.integers(1, 2),
        st.integers(0, 7),
        st.integers(0, 65535),
    ),
    max_size=20,
)


@given(TABLES)
def test_a_table_comes_back(rows: list[TableRow]) -> None:
    assert unpack_table(pack_table(rows), "here") == rows


def test_a_usual_table_is_small() -> None:
    rows, offset, start = [], 300, 1_774_000_000 * S
    for i in range(120):
        rows.append(TableRow(offset, 187_500 + i, start, S // 2 + i * 11_111, i, 2, i % 4 == 0, 12))
        offset += 187_500 + i + 120
        start += S // 2 + i * 11_111
    assert len(pack_table(rows)) < 120 * 12


@given(st.binary(max_size=200))
def test_a_damaged_table_is_refused_or_read_and_never_worse(data: bytes) -> None:
    try:
        rows = unpack_table(b"\x01" + data, "here")
    except CorruptError:
        pass
    else:
        assert len(rows) <= len(data)


def test_a_table_of_another_version_is_refused() -> None:
    for data in (b"", b"\x02"):
        with pytest.raises(CorruptError):
            unpack_table(data, "here")


@given(st.integers(0, 253_402_300_799 * S), st.uuids())
def test_names_tell_when_and_sort_by_time(start_ns: int, segment_id: uuid.UUID) -> None:
    name = segment_name(start_ns, segment_id)
    assert is_segment_name(name)
    assert start_of_name(name) == start_ns // 1_000_000 * 1_000_000
    assert date_folder(name).replace("-", "") == name[:8]
    later = segment_name(start_ns + 1_000_000, segment_id)
    assert later > name or start_ns > 253_402_300_798 * S


@pytest.mark.parametrize("name", ["", "x.ovs", "20260229T000000.000Z-00000000.ovs", "20260101T000000Z-00000000.ovs"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidError):
        start_of_name(name)


TEXT = st.text(max_size=300)
ENTRIES = st.one_of(
    st.builds(Gap, st.uuids(), st.just(KEY), I64, st.none() | I64, st.sampled_from(GapCause), TEXT),
    st.builds(Hold, st.uuids(), st.just("yard"), I64, I64, TEXT),
    st.builds(
        Deletion, st.uuids(), I64, st.sampled_from(["days", "bytes", "disk-full"]), st.just(KEY), I64, I64, U32, I64,
        st.lists(st.uuids(), max_size=4).map(tuple),
    ),
)  # fmt: skip


@given(st.lists(ENTRIES, max_size=5), st.binary(max_size=40))
def test_the_journal_comes_back_past_what_is_torn(
    tmp_path_factory: pytest.TempPathFactory, entries: list[journal.Entry], junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal.append(folder, entries[:2], 0)
    if entries:
        with (folder / "1970-01.jsonl").open("ab") as file:
            file.write(junk.replace(b"\n", b""))
    journal.append(folder, entries[2:], 0)
    assert [each for each in journal.replay(folder) if each is not None] == entries


@given(st.binary(max_size=300))
def test_a_strange_line_is_no_entry(line: bytes) -> None:
    assert journal.decode(line) is None


def test_a_lifted_hold_comes_back() -> None:
    hold_id = uuid.uuid4()
    entry = journal.decode(journal.encode(journal.LiftedHold(hold_id)))
    assert isinstance(entry, journal.LiftedHold)
    assert entry.hold_id == hold_id


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20)), max_size=40))
def test_nothing_is_ever_placed_inside_an_era(steps: list[tuple[int, int]]) -> None:
    """Fragments at any hour of ten days: whatever is admitted never overlaps what was admitted."""
    eras = Eras()
    taken: list[tuple[int, int]] = []
    for at, length in steps:
        start, end = at * ERA_NS // 4, at * ERA_NS // 4 + length * ERA_NS // 40
        if eras.free(start, end, 0):
            assert all(end <= a or start >= b for a, b in taken)
            eras.add(start, end)
            taken.append((start, end))


@given(st.lists(st.tuples(st.sampled_from(["begin", "end"]), st.sampled_from(list(GapCause)), st.integers(0, 9))))
def test_gaps_touch_and_never_overlap(steps: list[tuple[str, GapCause, int]]) -> None:
    tracker = GapTracker(KEY)
    stored: dict[uuid.UUID, Gap] = {}
    now = 0
    for step, cause, wait in steps:
        now += wait
        rows = tracker.begin(cause, "x" * 1000, now) if step == "begin" else tracker.end(now)
        for row in rows:
            stored[row.gap_id] = row
            assert len(row.detail) <= 500
    gaps = sorted((gap for gap in stored.values() if gap.end_ns != gap.start_ns), key=lambda gap: gap.start_ns)
    for a, b in itertools.pairwise(gaps):
        assert a.end_ns is not None
        assert a.end_ns <= b.start_ns
    assert sum(gap.end_ns is None for gap in gaps) == (tracker.current is not None)


PARTS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=12)


@given(PARTS, PARTS, PARTS, st.integers(0, 300), st.integers(1, 300))
def test_a_timeline_has_no_holes_and_no_overlaps(
    footage: list[tuple[int, int]],
    missing: list[tuple[int, int]],
    deleted: list[tuple[int, int]],
    begin: int,
    length: int,
) -> None:
    nobody = uuid.UUID(int=0)
    rows, reached = [], 0
    for wait, seconds in footage:
        reached += wait * S // 10
        rows.append(
            SegmentRow(
                uuid.uuid4(),
                KEY,
                nobody,
                "",
                SegmentState.CLOSED,
                reached,
                reached + seconds * S,
                7,
                2,
                1,
                25 * seconds,
                0,
                0,
                b"",
                nobody,
                nobody,
                nobody,
                0,
                None,
                "",
            )
        )
        reached += seconds * S
    gaps = [Gap(uuid.uuid4(), KEY, a * S, (a + n) * S, GapCause.NETWORK, "") for a, n in missing]
    gone = [Gap(uuid.uuid4(), KEY, a * S, (a + n) * S, GapCause.DELETED, "") for a, n in deleted]
    start, end = begin * S, (begin + length) * S
    inside = [row for row in rows if row.start_ns < end and row.end_ns > start]
    parts = merge(
        KEY,
        inside,
        [g for g in gaps if g.start_ns < end and (g.end_ns or end) > start],
        gone,
        start_ns=start,
        end_ns=end,
    )
    assert all(a.end_ns == b.start_ns for a, b in itertools.pairwise(parts))
    assert all(start <= part.start_ns < (part.end_ns or end) <= end for part in parts)
    # Every recorded moment is said to be recorded, but for joints within jitter.
    shown = sum(part.end_ns - part.start_ns for part in parts if isinstance(part, Span))
    true = sum(min(row.end_ns, end) - max(row.start_ns, start) for row in inside)
    assert true <= shown <= true + len(rows) * 60_000_000


def test_disk_errors_have_words() -> None:
    assert disk_state(28) == "full"
    assert disk_state(None) == "failing"
    assert disk_sentence(28) == "no space left on the disk (ENOSPC)"
    error = InvalidError("outside")
    error.__cause__ = OSError(30, "inside")
    assert error_number(error) == 30
    assert error_number(ValueError()) is None


def test_every_cause_has_a_sentence() -> None:
    assert all(cause.sentence.endswith(".") for cause in GapCause)

"""Fragments go in and come back: segments and where they end, rows, facts, gaps."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overt.contract.fact import GapClosed, GapOpened, SegmentStored
from overt.errors import ConflictError, ForbiddenError, MissingError
from overt.footage.gaps import Gap, GapCause
from overt.footage.index import Index
from overt.footage.keystore import KeyStore
from overt.footage.marker import create_location
from overt.footage.opening import OpenedFragment
from overt.footage.reconcile import reconcile
from overt.footage.rows import SegmentState
from overt.footage.segment_walk import walk
from overt.footage.spans import Span
from overt.ids import StreamKey

S = 1_000_000_000
YARD = StreamKey("yard", "sub")


def feed(store: Any, key: StreamKey, fragments: Any, session: uuid.UUID | None = None) -> None:
    session = session or uuid.uuid4()
    assert store.append_many((key, session, each) for each in fragments) == len(fragments)
    assert store.flush()


def rows(site: Any, key: StreamKey) -> list[Any]:
    with Index(site.directory / "index.sqlite", write=False) as index:
        return index.segments(key, 0, 2**62, tables=True)


def gaps(site: Any, key: StreamKey) -> list[tuple[int, int | None, GapCause]]:
    with Index(site.directory / "index.sqlite", write=False) as index:
        return [(gap.start_ns, gap.end_ns, gap.cause) for gap in index.gaps(key, 0, 2**62)]


def test_what_goes_in_comes_back_and_nothing_of_it_lies_open(site: Any, lab: Any, camera: StreamKey) -> None:
    sent = lab.run(lab.T0, 400)
    with site.open() as store:
        feed(store, camera, sent)
        assert store.status().streams[0].fragments == 400
    assert site.payloads(camera) == [each.payload for each in sent]
    for file in site.directory.rglob("*"):
        assert file.is_dir() or b"PLAINTEXT" not in file.read_bytes()
    assert reconcile(site.directory, deep=True).differences == []


def test_opened_fragments_carry_what_was_known_of_them(site: Any, lab: Any, camera: StreamKey) -> None:
    sent = lab.fragment(lab.T0, keyframe=True, discontinuity=True, damaged=2, lost=7, camera_offset_ns=-5)
    with site.open() as store:
        feed(store, camera, [sent])
    with site.reader() as reader:
        (item,) = reader.fragments(camera, 0, 2**62, site.open_period)
    assert isinstance(item, OpenedFragment)
    assert (item.info.start_ns, item.info.duration_ns, item.info.samples) == (sent.start_ns, sent.duration_ns, 12)
    assert (item.info.keyframe, item.info.discontinuity, item.info.damaged) == (True, True, True)
    assert item.initialisation == lab.initialisation(sent.tracks)
    (row,) = rows(site, camera)
    assert (row.damaged_samples, row.lost_packets, row.camera_offset_ns) == (2, 7, -5)
    assert row.tracks == "avc1.4d002a 1920x1080"


def test_segments_are_about_a_minute_and_begin_with_a_keyframe(site: Any, lab: Any, camera: StreamKey) -> None:
    with site.open() as store:
        feed(store, camera, lab.run(lab.T0, 1200, gop=7))
        feed(store, YARD, lab.run(lab.T0, 1200, gop=7))
    for key in (camera, YARD):
        found = rows(site, key)
        lengths = [(row.end_ns - row.start_ns) / S for row in found]
        assert all(56 <= length <= 64 for length in lengths[1:-1])
        assert [row.state for row in found] == [SegmentState.CLOSED] * len(found)
        assert all(row.fragment_table()[1].flags & 1 for row in found)
        assert all(a.end_ns == b.start_ns and b.previous_id == a.segment_id for a, b in itertools.pairwise(found))
    assert {row.start_ns for row in rows(site, camera)[1:]}.isdisjoint(row.start_ns for row in rows(site, YARD)[1:])


def test_a_segment_without_keyframes_ends_at_the_limit(site: Any, lab: Any, camera: StreamKey) -> None:
    with site.open() as store:
        feed(store, camera, lab.run(lab.T0, 600, gop=10_000))
    lengths = [(row.end_ns - row.start_ns) / S for row in rows(site, camera)]
    assert max(lengths) == 90
    assert len(lengths) == 4


@pytest.mark.parametrize("change", ["configuration", "session", "discontinuity"])
def test_a_segment_ends_where_footage_changes(site: Any, lab: Any, camera: StreamKey, change: str) -> None:
    sent = lab.run(lab.T0, 8)
    session = uuid.uuid4()
    with site.open() as store:
        feed(store, camera, sent[:4], session)
        rest = sent[4:]
        if change == "configuration":
            rest = [replace(each, tracks=(lab.OTHER,)) for each in rest]
        if change == "discontinuity":
            rest[0] = replace(rest[0], discontinuity=True)
        feed(store, camera, rest, uuid.uuid4() if change == "session" else session)
    found = rows(site, camera)
    assert [row.fragments for row in found] == [4, 4]
    with site.reader() as reader:
        spans = list(reader.spans(camera, 0, lab.T0 + 4 * S))
    assert [(each.start_ns, each.end_ns) for each in spans] == [(lab.T0, lab.T0 + 4 * S)]
    assert len(site.payloads(camera)) == 8


def test_an_hour_has_its_own_key_made_ready_before(site: Any, lab: Any, camera: StreamKey) -> None:
    with site.open() as store:
        sent = lab.run(lab.T0, 3 * 720, gop=2, size=40, step=5 * S)
        session = uuid.uuid4()
        for at in range(0, len(sent), 360):
            feed(store, camera, sent[at : at + 360], session)
            lab.wait_until(lambda: store._writer.entries()[0].writer._next_period is not None)
        with KeyStore(site.directory / "keys.sqlite", write=False) as keys:
            ready = keys.created()
    used = [row.period_id for row in rows(site, camera)]
    periods = list(dict.fromkeys(used))
    assert len(periods) == 4  # three hours that do not begin on the hour
    assert len(ready) == 5  # the next one is ready
    with KeyStore(site.directory / "keys.sqlite", write=False) as keys:
        assert set(keys.created()) == set(periods)  # and was destroyed when it was not needed
    for period in periods:
        of_period = [row for row in rows(site, camera) if row.period_id == period]
        assert of_period[-1].end_ns - of_period[0].start_ns <= (3600 + 90) * S
    assert len(site.payloads(camera)) == 3 * 720
    assert reconcile(site.directory).differences == []


def test_facts_tell_of_segments_and_gaps(site: Any, lab: Any, facts: Any, camera: StreamKey) -> None:
    store = site.open()
    store.subscribe(facts)
    feed(store, camera, lab.run(lab.T0, 4))
    store.interrupted(camera, GapCause.CAMERA, "no packet for 4 s")
    opened = facts.wait(GapOpened)
    assert (opened.cause, opened.reason, opened.start_ns) == ("camera", "no packet for 4 s", lab.T0 + 2 * S)
    stored = facts.wait(SegmentStored)
    assert (stored.start_ns, stored.end_ns, stored.fragments, stored.frames) == (lab.T0, lab.T0 + 2 * S, 4, 48)
    feed(store, camera, lab.run(lab.T0 + 9 * S, 2))
    closed = facts.wait(GapClosed)
    assert (closed.start_ns, closed.end_ns) == (lab.T0 + 2 * S, lab.T0 + 9 * S)


def test_a_gap_is_exact_and_its_causes_follow_each_other(site: Any, lab: Any, camera: StreamKey) -> None:
    t = lab.T0
    with site.open() as store:
        feed(store, camera, lab.run(t, 4))
        store.interrupted(camera, GapCause.NETWORK, "no route", t + 3 * S)
        store.interrupted(camera, GapCause.NETWORK, "still no route", t + 4 * S)
        store.interrupted(camera, GapCause.AUTHENTICATION, "401", t + 6 * S)
        feed(store, camera, lab.run(t + 10 * S + 7, 2))
    assert gaps(site, camera)[:2] == [
        (t + 2 * S, t + 6 * S, GapCause.NETWORK),
        (t + 6 * S, t + 10 * S + 7, GapCause.AUTHENTICATION),
    ]
    with site.reader() as reader:
        found = reader.spans(camera, 0, t + 11 * S)
    assert [(type(each), each.start_ns, each.end_ns) for each in found] == [
        (Span, t, t + 2 * S),
        (Gap, t + 2 * S, t + 6 * S),
        (Gap, t + 6 * S, t + 10 * S + 7),
        (Span, t + 10 * S + 7, t + 11 * S),
    ]


def test_a_hole_that_nobody_announced_is_a_gap_and_jitter_is_none(site: Any, lab: Any, camera: StreamKey) -> None:
    t = lab.T0
    with site.open() as store:
        feed(store, camera, [lab.fragment(t, keyframe=True, discontinuity=True)])
        feed(store, camera, [lab.fragment(t + S // 2 + 30_000_000, discontinuity=True)])
        feed(store, camera, [lab.fragment(t + S - 20_000_000 + 30_000_000, discontinuity=True)])
        feed(store, camera, [lab.fragment(t + 5 * S, discontinuity=True)])
        feed(store, camera, [lab.fragment(t + 8 * S)])
    assert gaps(site, camera)[:-1] == [
        (t + 3 * S // 2 + 10_000_000, t + 5 * S, GapCause.CAMERA),
        (t + 5 * S + S // 2, t + 8 * S, GapCause.CAMERA),
    ]


def test_a_stream_that_never_came_has_a_gap_from_when_it_was_expected(site: Any, lab: Any, camera: StreamKey) -> None:
    with site.open() as store:
        store.interrupted(camera, GapCause.NETWORK, "no route", lab.T0)
        feed(store, camera, lab.run(lab.T0 + 5 * S, 2))
    assert gaps(site, camera)[0] == (lab.T0, lab.T0 + 5 * S, GapCause.NETWORK)


def test_a_stop_is_a_gap_until_footage_comes_again(site: Any, lab: Any, camera: StreamKey) -> None:
    t = lab.T0
    with site.open() as store:
        feed(store, camera, lab.run(t, 4))
    assert gaps(site, camera) == [(t + 2 * S, None, GapCause.RECORDER)]
    site.clock.utc = t + 60 * S
    with site.open() as store:
        assert store.attach([camera])[camera].last_end_ns == t + 2 * S
        store.interrupted(camera, GapCause.NETWORK, "connecting", t + 61 * S)
        feed(store, camera, lab.run(t + 70 * S, 2))
    assert gaps(site, camera)[:2] == [
        (t + 2 * S, t + 61 * S, GapCause.RECORDER),
        (t + 61 * S, t + 70 * S, GapCause.NETWORK),
    ]


def test_nothing_is_recorded_over_what_is_recorded(site: Any, lab: Any, camera: StreamKey) -> None:
    t = lab.T0
    with site.open() as store:
        feed(store, camera, lab.run(t, 20))
        session = uuid.uuid4()
        assert store.append_many((camera, session, each) for each in lab.run(t + 5 * S, 16)) == 16
        assert store.flush()
        assert store.status().streams[0].misplaced == 10
    starts = [each.start_ns for each in rows(site, camera)]
    assert starts == [t, t + 10 * S]
    assert reconcile(site.directory, deep=True).differences == []


def test_a_clock_that_was_a_year_ahead_leaves_room_for_the_present(site: Any, lab: Any, camera: StreamKey) -> None:
    t, ahead = lab.T0, lab.T0 + 365 * 86_400 * S
    with site.open() as store:
        feed(store, camera, lab.run(t, 4))
        feed(store, camera, lab.run(ahead, 4))
        feed(store, camera, lab.run(t + 60 * S, 4))
        assert store.status().streams[0].misplaced == 0
        assert store.status().streams[0].last_end_ns == t + 62 * S
    site.clock.utc = t + 70 * S
    with site.open() as store:
        assert store.attach([camera])[camera].last_end_ns == t + 62 * S
        feed(store, camera, lab.run(t + 80 * S, 4))
        assert store.status().streams[0].misplaced == 0
    assert reconcile(site.directory).count("overlap") == 0


def test_the_running_segment_can_be_read_as_it_is_written(site: Any, lab: Any, camera: StreamKey) -> None:
    sent = lab.run(lab.T0, 7)
    store = site.open()
    feed(store, camera, sent)
    assert rows(site, camera)[0].state == SegmentState.OPEN
    assert site.payloads(camera) == [each.payload for each in sent]
    with site.reader() as reader:
        (span,) = reader.spans(camera, 0, 2**62)
        assert (span.start_ns, span.end_ns) == (lab.T0, lab.T0 + 7 * S // 2)
        assert reader.keyframe_before(camera, lab.T0 + 3 * S) == lab.T0 + 2 * S


def test_what_is_stored_is_told_after_it_is_written(site: Any, lab: Any, camera: StreamKey) -> None:
    told: list[int] = []
    in_file: list[int] = []

    def stored(key: StreamKey, each: Any) -> None:
        told.append(each.start_ns)
        in_file.append(len(walk(site.files()[-1]).records) - 1)

    with site.open(stored=stored) as store:
        feed(store, camera, lab.run(lab.T0, 5))
    assert len(told) == 5
    assert in_file == [1, 2, 3, 4, 5]


def test_a_detached_stream_is_closed_and_says_so(site: Any, lab: Any, camera: StreamKey, facts: Any) -> None:
    store = site.open()
    store.subscribe(facts)
    feed(store, camera, lab.run(lab.T0, 5))
    store.detach(camera, "removed from the assignment")
    assert facts.wait(GapOpened).reason == "removed from the assignment"
    facts.wait(SegmentStored)


def test_one_recorder_one_directory(site: Any) -> None:
    store = site.open()
    with pytest.raises(ConflictError, match="another recorder writes here"):
        site.open()
    store.close()
    site.open().close()


def test_workers_share_the_directory_and_not_the_streams(site: Any, lab: Any, camera: StreamKey) -> None:
    parent = site.open()
    one, two = site.open(shared=True), site.open(shared=True)
    feed(one, camera, lab.run(lab.T0, 5))
    feed(two, YARD, lab.run(lab.T0, 5))
    with pytest.raises(ConflictError):
        two.attach([camera])
    assert two.append(camera, uuid.uuid4(), lab.fragment(lab.T0 + 99 * S)) is False
    assert one.close()
    assert two.attach([camera])[camera].last_end_ns == lab.T0 + 5 * S // 2
    feed(two, camera, lab.run(lab.T0 + 9 * S, 5))
    parent.close()
    with pytest.raises(ConflictError):
        site.open()  # a worker of the recorder before is still there
    two.close()
    assert len(site.payloads(camera)) == 10
    assert reconcile(site.directory, deep=True).differences == []


def test_a_directory_of_another_site_or_none_is_refused(site: Any, lab: Any, tmp_path: Path) -> None:
    other = lab.make_site(tmp_path / "other")
    other.directory = site.directory
    with pytest.raises(ForbiddenError, match="belongs to site"):
        other.open()
    other.directory = tmp_path / "not mounted"
    with pytest.raises(MissingError):
        other.open()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").touch()
    with pytest.raises(ConflictError):
        create_location(tmp_path / "photos", uuid.uuid4())
    with pytest.raises(ConflictError, match="another footage directory"):
        site.open(locations=[lab.make_site(tmp_path / "third").directory])


def test_footage_is_spread_over_locations(site: Any, lab: Any, camera: StreamKey, tmp_path: Path) -> None:
    with Index(site.directory / "index.sqlite"):
        pass
    store_id = lab.read_marker(site.directory).store
    second = tmp_path / "second"
    create_location(second, site.recipients.site_id, store_id)
    sent = lab.run(lab.T0, 400)
    with site.open(locations=[second], options=replace(lab.FAST, choose="in-order")) as store:
        feed(store, camera, sent[:200])
        store._locations[0].usable = False  # left for another one by order of nobody
        feed(store, camera, sent[200:])
    assert list(second.rglob("*.ovs"))
    assert site.files()
    assert site.payloads(camera) == [each.payload for each in sent]
    assert reconcile(site.directory, deep=True).differences == []

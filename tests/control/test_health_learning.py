"""Facts become rows, once, however often they come; nothing is lost where the database is not there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import QuerySet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from health_rig import at, fact, ns, report, standing, stream
from overt.contract.fact import (
    AssignmentApplied,
    AssignmentRefused,
    ClockStepped,
    Fact,
    FootageDeleted,
    GapClosed,
    GapOpened,
    SegmentStored,
    StreamStateChanged,
    WorkerRestarted,
)
from overt.control.health import judging, learning
from overt.control.health.models import Assigned, Condition, Deletion, Event, Gap, Recorder, StreamNow
from overt.control.health.reading import Reading
from overt.errors import InvalidError, UnavailableError
from overt.ids import new_id

pytestmark = pytest.mark.django_db


def opened(sequence: int, start: float, camera: str = "market") -> Fact:
    return fact(GapOpened("network", "gone", ns(at(start))), sequence, start, camera)


def closed(sequence: int, start: float, end: float, camera: str = "market") -> Fact:
    return fact(GapClosed("network", "gone", ns(at(start)), ns(at(end))), sequence, end, camera)


def deleted(sequence: int, size: int = 100, when: float = 0) -> Fact:
    return fact(FootageDeleted("days", 1, size, ns(at(-90)), ns(at(-60)), ()), sequence, when, "market")


def applied(sequence: int, *started: str, stopped: Sequence[str] = (), when: float = 0) -> Fact:
    return fact(AssignmentApplied(1, started, (), tuple(stopped)), sequence, when)


def learn(*facts: Fact, asked: int | None = None) -> bool:
    row, _ = Recorder.objects.get_or_create(name="local")
    return learning.learn("local", row.cursor if asked is None else asked, facts, facts[-1].sequence)


def test_a_gap_is_open_until_it_is_closed() -> None:
    learn(opened(5, -60))
    assert Gap.objects.get().end is None
    learn(closed(9, -60, -10))
    gap = Gap.objects.get()
    assert (gap.camera, gap.stream, gap.cause, gap.start, gap.end) == ("market", "main", "network", at(-60), at(-10))
    assert Recorder.objects.get().cursor == 9


def test_a_gap_that_is_found_after_a_restart_comes_closed() -> None:
    learn(opened(1, -300), closed(2, -200, -100))
    assert [(gap.start, gap.end) for gap in Gap.objects.all()] == [(at(-300), at(-200)), (at(-200), at(-100))]


def test_facts_that_come_again_teach_nothing_new() -> None:
    batch = [opened(1, -60), closed(2, -60, -10), deleted(3), fact(WorkerRestarted(0, "signal 9", 1), 4)]
    learn(*batch)
    Recorder.objects.update(cursor=0)  # as if another reader had begun at the beginning
    learn(*batch)
    assert (Gap.objects.count(), Event.objects.count(), Deletion.objects.get().bytes) == (1, 1, 100)


def test_deletions_are_added_up_by_day_camera_and_reason() -> None:
    learn(deleted(1), deleted(2, 50), deleted(3, 7, when=86_400))
    assert [(row.day.day, row.segments, row.bytes) for row in Deletion.objects.order_by("day")] == [
        (25, 2, 150),
        (26, 1, 7),
    ]


def test_whoever_asked_from_another_place_learns_nothing() -> None:
    learn(opened(5, -60))
    assert not learn(closed(4, -60, -10), asked=3)
    assert Gap.objects.get().end is None


def test_a_camera_is_assigned_until_it_is_stopped_and_its_gap_ends_with_that() -> None:
    learn(applied(1, "market", "street", when=-90), opened(2, -60), applied(3, stopped=["market"], when=-30))
    assert {row.camera: row.until for row in Assigned.objects.all()} == {"market": at(-30), "street": None}
    assert Gap.objects.get().end == at(-30)


def test_a_recorder_that_begins_again_names_all_its_cameras() -> None:
    learn(applied(1, "market", "street", when=-90), applied(2, "market", "library", when=-30))
    assert {row.camera: row.until for row in Assigned.objects.all()} == {
        "market": None,
        "street": at(-30),
        "library": None,
    }


def test_a_refusal_stands_until_an_assignment_is_taken() -> None:
    learn(fact(AssignmentRefused(3, "control room", "no"), 1, -9))
    assert (Recorder.objects.get().refused_at, Recorder.objects.get().refused_reason) == (at(-9), "no")
    learn(applied(2, "market"))
    assert Recorder.objects.get().refused_at is None


def test_what_is_not_needed_is_not_kept() -> None:
    stored = SegmentStored(new_id(), ns(at(-60)), ns(at(0)), 1, 1, 1, 0, 0)
    learn(fact(stored, 1, 0, "market"), fact(StreamStateChanged("connecting", "recording", ""), 2, 0, "market"))
    assert (Event.objects.count(), Gap.objects.count(), StreamNow.objects.get().state) == (0, 0, "recording")


def test_a_kind_of_fact_that_is_not_known_is_passed_over_and_the_rest_is_read() -> None:
    good = opened(2, -60).to_dict()
    facts, following = learning.read_facts({"facts": [good | {"kind": "motion-seen", "sequence": 1}, good], "next": 2})
    assert ([each.kind for each in facts], following) == (["gap-opened"], 2)


@pytest.mark.parametrize("answer", [None, [], {"facts": 1, "next": 2}, {"facts": [], "next": "2"}, {"facts": []}])
def test_an_answer_that_holds_no_facts_is_refused(answer: Any) -> None:
    with pytest.raises(InvalidError, match="something else"):
        learning.read_facts(answer)


def test_what_is_old_is_forgotten() -> None:
    learn(opened(1, -60), closed(2, -60, -10), deleted(3), fact(ClockStepped(10**9, followed=True), 4))
    learning.prune(at(0))
    assert (Gap.objects.count(), Event.objects.count(), Deletion.objects.count()) == (1, 1, 1)
    learning.prune(at(500 * 86_400))
    assert (Gap.objects.count(), Event.objects.count(), Deletion.objects.count()) == (0, 0, 0)


class FromOutbox(TestCase):
    @given(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), max_size=12),
        st.lists(st.integers(0, 12), max_size=4),
    )
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_a_reader_that_is_cut_off_anywhere_learns_the_same(
        self, rows: list[tuple[int, int]], cuts: list[int]
    ) -> None:
        facts: list[Fact] = []
        moment = 0.0
        for number, length in rows:
            camera = f"c{number}"
            facts += [opened(len(facts) + 1, moment, camera), closed(len(facts) + 2, moment, moment + length, camera)]
            facts.append(deleted(len(facts) + 1, length))
            moment += length + 1
        Recorder.objects.update_or_create(name="local", defaults={"cursor": 0})
        for model in (Gap, Deletion):
            model.objects.all().delete()
        if facts:
            for cut in sorted(each for each in cuts if each < len(facts)):
                learn(*facts[: cut + 1], asked=Recorder.objects.get().cursor)
            learn(*facts, asked=Recorder.objects.get().cursor)
        assert Gap.objects.count() == len(rows)
        assert sum(Deletion.objects.values_list("bytes", flat=True)) == sum(length for _, length in rows)


# --- reading ----------------------------------------------------------------------------------------------------------


class Recording:
    """A recorder that answers, until it does not."""

    def __init__(self, *facts: Fact) -> None:
        self.facts, self.away, self.asked = list(facts), False, []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        if self.away:
            raise UnavailableError("no recorder answers")
        if path == "/health":
            return report(stream()).model_dump(mode="json")
        after = int(path.partition("after=")[2].partition("&")[0])
        found = [each.to_dict() for each in self.facts if each.sequence > after][:2]
        return {"facts": found, "next": found[-1]["sequence"] if found else after}


def test_facts_are_read_to_their_end_and_asked_for_from_there() -> None:
    recorder = Recording(*(opened(number, -number, f"c{number}") for number in range(1, 6)))
    reading = Reading(recorder)  # type: ignore[arg-type]
    reading.round()
    assert Gap.objects.count() == 5
    recorder.asked.clear()
    reading.round()
    assert recorder.asked == ["/health", "/facts?after=5&limit=1000"]


def test_a_database_that_is_locked_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(Recording(opened(1, -60)))  # type: ignore[arg-type]

    def locked(*_: Any, **__: Any) -> Any:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "update_or_create", locked)
        with pytest.raises(OperationalError):
            reading.round()
    assert (Gap.objects.count(), Recorder.objects.get().cursor) == (0, 0)
    reading.round()
    assert (Gap.objects.count(), Recorder.objects.get().cursor) == (1, 1)


def test_a_fact_that_cannot_be_learned_keeps_no_other_from_being_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    learn_gap = learning._gap

    def faulty(camera: str, name: str, data: Any) -> None:
        if camera == "c2":
            raise ValueError("a fault")
        learn_gap(camera, name, data)

    monkeypatch.setattr(learning, "_gap", faulty)
    Reading(Recording(*(opened(number, -number, f"c{number}") for number in range(1, 6)))).round()  # type: ignore[arg-type]
    assert set(Gap.objects.values_list("camera", flat=True)) == {"c1", "c3", "c4", "c5"}
    assert Recorder.objects.get().cursor == 5


def test_no_reason_that_a_camera_gives_keeps_facts_from_being_learned() -> None:
    nasty = "a\x00b\ud800\u202e" + "x" * 5000
    recorder = Recording(
        fact(GapOpened("camera", nasty, ns(at(-60))), 1, 0, "market"),
        fact(StreamStateChanged("recording", "refused", nasty), 2, 0, "market"),
        fact(WorkerRestarted(0, nasty, 1), 3),
        fact(AssignmentRefused(1, "x", nasty), 4),
    )
    Reading(recorder).round()  # type: ignore[arg-type]
    assert Recorder.objects.get().cursor == 4
    assert Gap.objects.get().reason.startswith("a b")
    assert len(StreamNow.objects.get().reason) <= 1000
    judging.judge("local", report(stream(reason=nasty, state="refused"), troubles=[nasty]), at(0))
    assert ("camera-refused", "camera:market") in standing()


def test_a_recorder_that_goes_away_is_said_since_when_and_to_be_back() -> None:
    recorder = Recording()
    reading = Reading(recorder)  # type: ignore[arg-type]
    reading.round()
    recorder.away = True
    reading.round()
    away = Recorder.objects.get().away_since
    assert away is not None
    Recorder.objects.update(away_since=away - dt.timedelta(seconds=10))
    reading.round()
    assert set(standing()) == {("recorder-away", "recorder:local")}
    assert standing()["recorder-away", "recorder:local"].since == away - dt.timedelta(seconds=10)
    recorder.away = False
    reading.round()
    assert standing() == {}
    assert Condition.objects.get().until is not None


def test_while_the_recorder_is_away_what_only_it_can_say_is_left_as_it_was() -> None:
    Recorder.objects.create(name="local")
    judging.judge("local", report(stream(state="unreachable", since=-60)), at(0))
    before = standing()["camera-lost", "camera:market"].pk
    judging.judge("local", None, at(10))
    assert standing()["camera-lost", "camera:market"].pk == before
    judging.judge("local", report(stream()), at(20))
    assert standing() == {}


def test_what_stands_keeps_its_beginning_while_its_words_change() -> None:
    Recorder.objects.create(name="local")
    judging.judge("local", report(stream(state="unreachable", since=-60, reason="a")), at(0))
    judging.judge("local", report(stream(state="unreachable", since=-60, reason="b")), at(10))
    found = Condition.objects.get()
    assert (found.since, found.until) == (at(-60), None)
    assert found.words.endswith("The recorder says: b.")


def test_free_space_is_kept_once_an_hour() -> None:
    Recorder.objects.create(name="local")
    for minute in (0, 10, 70):
        told = report(stream(), disks=[{"location": "/d", "state": "ok", "free_bytes": 5, "total_bytes": 9}])
        judging.judge("local", told, at(60 * minute))
    assert judging.DiskSample.objects.count() == 2


def test_what_a_camera_usually_sends_takes_a_day_to_know_and_a_frozen_picture_does_not_change_it() -> None:
    Recorder.objects.create(name="local")
    for hour in range(30):
        judging.judge("local", report(stream(bit_rate=4e6)), at(3600 * hour))
    assert standing() == {}
    for minute in range(0, 12 * 60, 4):
        judging.judge("local", report(stream(bit_rate=50_000.0)), at(3600 * 30 + 60 * minute))
    found = standing()["picture-suspect", "camera:market"]
    assert found.since == at(3600 * 30)
    assert "about 4.0 Mbit/s" in found.words
    judging.judge("local", report(stream(bit_rate=3.5e6)), at(3600 * 43))
    assert standing() == {}


def test_a_camera_that_is_new_is_not_suspected() -> None:
    Recorder.objects.create(name="local")
    for hour, rate in enumerate((4e6, 4e6, 10_000.0, 10_000.0)):
        judging.judge("local", report(stream(bit_rate=rate)), at(3600 * hour))
    assert standing() == {}

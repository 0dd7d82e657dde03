"""What is wrong, on plain values: each kind of condition begins with what it is about and ends without it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health_rig import NOW, at, report, stream
from overt.contract.fact import DISK_STATES, STREAM_STATES
from overt.control.health import kinds, plain_text
from overt.control.health.conditions import find
from overt.control.health.disks import Outlook, Sample, outlook
from overt.control.health.plain_text import plain
from overt.control.health.severity import Severity
from overt.control.health.situation import (
    Certificate,
    Found,
    KnownCamera,
    OpenGap,
    Restart,
    ShortDeletion,
    Situation,
    Step,
    Suspect,
)

MARKET = KnownCamera("market", "Market entrance", "Market Hall", recorded=True)
WELL = Situation(now=NOW, today=NOW.date(), report=report(stream()), cameras={"market": MARKET})


def only(situation: Situation) -> Found:
    found = find(situation)
    assert len(found) == 1, found
    return found[0]


def disk(state: str = "ok", **fields: object) -> dict[str, object]:
    return {"location": "/srv/footage", "state": state, "reason": "", "since": at(-60)} | fields


def with_report(*streams: dict[str, object], **fields: object) -> Situation:
    return replace(WELL, report=report(*(streams or (stream(),)), **fields))


def test_before_there_is_a_key_it_is_said_that_nothing_is_recorded_and_what_to_do() -> None:
    found = only(replace(WELL, report=None, away_since=NOW - dt.timedelta(hours=1), key_made=False))
    assert found.kind is kinds.NOT_BEGUN
    assert "Footage key" in found.kind.advice


def test_where_all_is_well_nothing_is_said() -> None:
    assert find(WELL) == []


@pytest.mark.parametrize(
    ("state", "kind", "title"),
    [
        ("unreachable", kinds.CAMERA_LOST, "Market entrance is lost"),
        ("connecting", kinds.CAMERA_LOST, "Market entrance is lost"),
        ("refused", kinds.CAMERA_REFUSED, "Market entrance refuses its pictures"),
        ("stalled", kinds.NO_FRAMES, "Market entrance sends no pictures"),
        ("failed", kinds.CAPTURE_FAILED, "Market entrance cannot be captured"),
    ],
)
def test_a_camera_that_is_not_recorded_is_said_with_the_recorders_reason(
    state: str, kind: kinds.Kind, title: str
) -> None:
    found = only(with_report(stream(state=state, since=-40, reason="192.0.2.7 refused the connection")))
    assert (found.kind, found.title, found.camera, found.since) == (kind, title, "market", at(-40))
    assert found.words.endswith("The recorder says: 192.0.2.7 refused the connection.")


def test_a_camera_is_lost_since_its_gap_began() -> None:
    lost = with_report(stream(state="unreachable", since=-20))
    found = only(replace(lost, gaps={"market": OpenGap("network", "", at(-300))}))
    assert found.since == at(-300)


@pytest.mark.parametrize("state", ["unreachable", "connecting"])
def test_a_camera_that_has_just_gone_is_waited_for(state: str) -> None:
    gone = with_report(stream(state=state, since=-5))
    assert find(gone) == []
    assert find(replace(gone, gaps={"market": OpenGap("network", "", at(-6))})) == []


def test_a_camera_that_counts_as_recorded_without_frames_is_said() -> None:
    assert only(with_report(stream(last_frame_age_s=12.0))).kind is kinds.NO_FRAMES
    assert find(with_report(stream(last_frame_age_s=2.0))) == []


def test_a_gap_that_lasts_while_frames_come_is_said_with_its_cause() -> None:
    found = only(replace(WELL, gaps={"market": OpenGap("disk", "no space left", at(-60))}))
    assert found.kind is kinds.RECORDING_GAP
    assert found.words == "Nothing of it is recorded; cause: disk. The recorder says: no space left."


def test_a_lost_substream_is_no_lost_camera() -> None:
    found = only(with_report(stream(), stream(stream="sub", state="refused", since=-60)))
    assert (found.kind, found.subject) == (kinds.SUBSTREAM_LOST, "camera:market/sub")


@pytest.mark.parametrize(("offset", "way"), [(2.5, "fast"), (-7.0, "slow")])
def test_a_clock_that_is_off_by_more_than_two_seconds_is_said(offset: float, way: str) -> None:
    found = only(with_report(stream(camera_offset_s=offset)))
    assert (found.kind, found.title) == (kinds.CAMERA_CLOCK, f"Market entrance has a clock that is {way}")
    assert find(with_report(stream(camera_offset_s=1.9))) == []


def test_a_bit_rate_that_collapsed_is_called_a_sign() -> None:
    low = replace(WELL, suspects={"market": Suspect(at(-301), 4e6)})
    found = only(low)
    assert (found.kind, found.since) == (kinds.PICTURE_SUSPECT, at(-301))
    assert "may be" in kinds.PICTURE_SUSPECT.words
    assert "about 4.0 Mbit/s" in found.words
    assert "so may a very quiet scene" in found.words
    assert find(replace(low, suspects={"market": Suspect(at(-299), 4e6)})) == []


def test_a_change_that_the_recorder_has_not_taken_is_said_after_a_minute() -> None:
    waiting = replace(WELL, waiting_since=at(-61), waiting_reason="no recorder answers")
    assert only(waiting).kind is kinds.ASSIGNMENT_WAITING
    assert find(replace(waiting, waiting_since=at(-59))) == []


def test_a_camera_that_cannot_be_put_to_the_recorder_says_why() -> None:
    street = KnownCamera("street", "High Street", "Market Hall", recorded=True)
    left = replace(WELL, cameras={"street": street}, left_out={"street": "its address is not allowed"})
    assert only(left).words == "It cannot be put to the recorder: its address is not allowed"


def test_a_camera_that_the_recorder_does_not_know_is_said_after_a_minute() -> None:
    other = KnownCamera("street", "High Street", "Market Hall", recorded=True)
    situation = replace(WELL, cameras={"market": MARKET, "street": other})
    assert only(situation).kind is kinds.NOT_TAKEN
    assert find(replace(situation, cameras={"street": replace(other, recorded=False)})) == []
    fresh = replace(situation, report=report(stream(), started=at(-10)))
    assert find(fresh) == []


def test_a_review_is_overdue_from_the_day_after() -> None:
    due = replace(MARKET, review_on=NOW.date())
    assert find(replace(WELL, cameras={"market": due})) == []
    found = only(replace(WELL, cameras={"market": replace(due, review_on=dt.date(2026, 11, 1))}))
    assert (found.kind, found.words) == (kinds.REVIEW_OVERDUE, "The need for it was to be reviewed by 1 November 2026.")


def test_a_recorder_that_is_away_says_nothing_else() -> None:
    away = replace(WELL, report=None, away_since=at(-30), away_reason="no recorder answers")
    assert (only(away).kind, only(away).since) == (kinds.RECORDER_AWAY, at(-30))
    assert only(away).words.endswith("What was met: no recorder answers")
    assert find(replace(away, away_since=at(-1))) == []


def test_a_refused_assignment_is_said_with_its_reason() -> None:
    found = only(replace(WELL, refused_at=at(-9), refused_reason="two cameras have one name"))
    assert found.kind is kinds.ASSIGNMENT_REFUSED
    assert "two cameras have one name" in found.words


def test_a_step_of_the_clock_is_said_for_an_hour() -> None:
    found = only(replace(WELL, steps=[Step(at(-100), -3.25)]))
    assert (found.kind, found.words) == (kinds.RECORDER_CLOCK, "It was set back by 3.2 seconds.")
    assert find(replace(WELL, steps=[Step(at(-3601), -3.25)])) == []
    assert only(with_report(clock={"offset_s": 0.9})).kind is kinds.RECORDER_CLOCK


def test_a_worker_that_restarts_again_and_again_is_urgent() -> None:
    once = replace(WELL, restarts=[Restart(0, at(-60), "signal 9")])
    assert (only(once).kind, only(once).severity) == (kinds.WORKER_RESTARTED, None)
    often = replace(WELL, restarts=[Restart(0, at(-60 * each), "signal 9") for each in (3, 2, 1)])
    assert only(often).severity is Severity.URGENT
    assert only(often).since == at(-180)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"facts": {"error": "disk I/O error"}}, kinds.FACTS_FAILING),
        ({"media": {"state": "restarting"}}, kinds.MEDIA_DOWN),
        ({"troubles": ["Retention waits."]}, kinds.RECORDER_TROUBLE),
        ({"workers": [{"worker": 1, "state": "silent", "streams": 3}]}, kinds.WORKER_DOWN),
        ({"disks": [disk("full")]}, kinds.DISK_FULL),
        ({"disks": [disk("read-only")]}, kinds.DISK_READ_ONLY),
        ({"disks": [disk("missing")]}, kinds.DISK_MISSING),
        ({"disks": [disk("failing")]}, kinds.DISK_FAILING),
        ({"disks": [disk("slow")]}, kinds.DISK_SLOW),
        ({"disks": [disk("low")]}, kinds.DISK_FILLING),
        ({"unassigned": [{"camera": "old", "start": at(-40 * 86_400), "retention_days": 31}]}, kinds.RETENTION_OVERDUE),
    ],
)
def test_what_the_recorder_reports_is_said(fields: dict[str, object], kind: kinds.Kind) -> None:
    assert only(with_report(**fields)).kind is kind


def test_footage_that_is_only_just_due_is_not_called_overdue() -> None:
    assert find(with_report(unassigned=[{"camera": "old", "start": at(-31.5 * 86_400), "retention_days": 31}])) == []


def test_a_disk_that_fills_names_the_day() -> None:
    filling = replace(with_report(disks=[disk()]), outlooks={"/srv/footage": Outlook(at(3 * 86_400), known=True)})
    assert only(filling).words == "At the rate of the last days it will be full on 28 November 2026."
    assert find(replace(filling, outlooks={"/srv/footage": Outlook(at(30 * 86_400), known=True)})) == []
    assert find(replace(filling, outlooks={"/srv/footage": Outlook(None, known=True)})) == []


def test_footage_that_went_too_early_is_said_of_its_camera() -> None:
    found = only(replace(WELL, short=[ShortDeletion("market", NOW.date(), at(-86_400))]))
    assert (found.kind, found.camera) == (kinds.RETENTION_SHORT, "market")
    assert find(replace(WELL, short=[ShortDeletion("market", NOW.date() - dt.timedelta(days=2), at(0))])) == []


@pytest.mark.parametrize(
    ("days", "mark", "severity"),
    [
        (40, None, None),
        (29, "30", None),
        (6, "7", Severity.URGENT),
        (0.5, "1", Severity.URGENT),
        (-1, "ended", Severity.URGENT),
    ],
)
def test_a_certificate_is_said_at_thirty_seven_and_one_days(
    days: float, mark: str | None, severity: Severity | None
) -> None:
    found = find(replace(WELL, certificates=[Certificate("pages", NOW + dt.timedelta(days=days))]))
    expected = [] if mark is None else [(f"certificate:pages:{mark}", severity)]
    assert [(each.subject, each.severity) for each in found] == expected


def test_a_certificate_that_cannot_be_read_is_said() -> None:
    assert only(replace(WELL, certificates=[Certificate("pages", None, "no such file")])).words == "no such file"


# --- rules that hold for every situation ------------------------------------------------------------------------------

nasty = st.text(max_size=400)
streams = st.builds(
    lambda camera, name, state, since, reason, age, offset, share: stream(
        camera,
        state,
        since,
        stream=name,
        reason=reason,
        last_frame_age_s=age,
        camera_offset_s=offset,
        queue_share=share,
    ),
    st.sampled_from(["market", "street", "x" * 63]),
    st.sampled_from(["main", "sub"]),
    st.sampled_from(STREAM_STATES),
    st.integers(-100_000, 10),
    nasty,
    st.none() | st.floats(0, 1e6),
    st.none() | st.floats(-1e6, 1e6),
    st.floats(0, 1),
)
disks = st.builds(lambda state, reason: disk(state, reason=reason), st.sampled_from(DISK_STATES), nasty)
gaps = st.dictionaries(
    st.sampled_from(["market", "street"]), st.builds(lambda age: OpenGap("disk", "", at(-age)), st.integers(0, 100_000))
)


@given(st.lists(streams, max_size=6), st.lists(disks, max_size=2), gaps, nasty, nasty)
def test_each_thing_is_said_once_on_one_line_and_the_same_again(
    told: list[dict[str, object]], disks: list[dict[str, object]], gaps: dict[str, OpenGap], name: str, trouble: str
) -> None:
    camera = KnownCamera("market", name, name, recorded=True)
    situation = replace(
        WELL,
        report=report(*told, disks=disks, troubles=[trouble] if trouble else []),
        gaps=gaps,
        cameras={"market": camera},
    )
    found = find(situation)
    assert len({each.identity for each in found}) == len(found)
    assert find(situation) == found
    for each in found:
        assert each.kind.name in kinds.KINDS
        assert "\n" not in each.title + each.words
        assert not plain_text._UNSEEN.search(each.title + each.words)
        assert len(each.title) <= 400
        assert len(each.words) <= 2000


@given(nasty, st.integers(1, 50))
def test_plain_text_is_one_short_line(text: str, limit: int) -> None:
    assert len(plain(text, limit)) <= limit
    assert plain(plain(text, limit), limit) == plain(text, limit)


# --- disks ------------------------------------------------------------------------------------------------------------


def hours(*free: int, total: int = 1000) -> list[Sample]:
    return [Sample(at(3600 * number), each, total) for number, each in enumerate(free)]


def test_a_disk_that_loses_ten_an_hour_is_full_when_none_is_left() -> None:
    found = outlook(hours(*range(500, 430, -10)))
    assert found == Outlook(at(3600 * (6 + 44)), known=True)


def test_a_disk_whose_space_comes_back_never_fills() -> None:
    assert outlook(hours(100, 90, 80, 100, 95, 90, 105)) == Outlook(None, known=True)


def test_an_hour_of_copying_says_nothing() -> None:
    assert outlook(hours(500, 100)) == Outlook(None, known=False)
    assert outlook([]) == Outlook(None, known=False)


def test_a_disk_that_was_made_larger_begins_anew() -> None:
    grown = [*hours(*range(500, 430, -10)), Sample(at(3600 * 8), 5000, 9000)]
    assert outlook(grown) == Outlook(None, known=False)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 10**13)), min_size=1, max_size=40))
def test_no_disk_is_said_to_have_filled_in_the_past(rows: list[tuple[int, int]]) -> None:
    samples = [Sample(at(3600 * hour), free, 10**13) for hour, free in sorted(rows)]
    full_at = outlook(samples).full_at
    assert full_at is None or full_at >= samples[-1].at

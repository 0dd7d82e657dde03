"""Uptime in days: what counts as recorded, where clocks change, and what is not known."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from overt.control.health.uptime import DayState, Span, joined, uptime

LONDON = ZoneInfo("Europe/London")
FIRST = dt.date(2026, 11, 1)
BEGIN = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
LATER = BEGIN + dt.timedelta(days=400)


def hour(number: float) -> dt.datetime:
    return BEGIN + dt.timedelta(hours=number)


def states(wanted: list[Span], gaps: list[Span], days: int = 3, until: dt.datetime = LATER) -> list[DayState]:
    return [day.state for day in uptime(wanted, gaps, FIRST, days, LONDON, until).days]


def test_days_are_recorded_fully_partly_or_not() -> None:
    gaps = [(hour(30), hour(31)), (hour(48), hour(72))]
    assert states([(hour(0), hour(72))], gaps) == [DayState.FULL, DayState.PARTLY, DayState.NOT]


def test_a_minute_in_pieces_does_not_make_a_day_partly_recorded() -> None:
    second = 1 / 3600
    gaps = [(hour(each), hour(each + second * 6)) for each in range(10)]
    assert states([(hour(0), hour(24))], gaps, 1) == [DayState.FULL]
    assert states([(hour(0), hour(24))], [*gaps, (hour(20), hour(20 + second))], 1) == [DayState.PARTLY]


def test_time_in_which_it_was_not_to_be_recorded_does_not_count() -> None:
    found = uptime([(hour(12), hour(36))], [(hour(0), hour(12)), (hour(36), hour(72))], FIRST, 3, LONDON, LATER)
    assert [day.state for day in found.days] == [DayState.FULL, DayState.FULL, DayState.OFF]
    assert found.percentage == "100.00 %"


def test_what_came_after_the_recorder_was_heard_last_is_not_known() -> None:
    found = uptime([(hour(0), LATER)], [], FIRST, 3, LONDON, hour(30))
    assert [(day.state, day.wanted_s) for day in found.days] == [
        (DayState.FULL, 86_400),
        (DayState.FULL, 6 * 3600),
        (DayState.OFF, 0),
    ]


def test_a_second_that_is_missing_is_never_rounded_away() -> None:
    found = uptime([(hour(0), hour(720))], [(hour(1), hour(1) + dt.timedelta(seconds=1))], FIRST, 30, LONDON, LATER)
    assert found.percentage == "99.99 %"


def test_a_day_has_twenty_five_hours_where_clocks_go_back() -> None:
    begin = dt.datetime(2026, 10, 24, tzinfo=dt.UTC)
    found = uptime([(begin, LATER)], [], dt.date(2026, 10, 25), 2, LONDON, LATER)
    assert [day.wanted_s for day in found.days] == [25 * 3600, 24 * 3600]


def test_a_camera_that_was_never_to_be_recorded_has_no_percentage() -> None:
    found = uptime([], [(hour(0), hour(9))], FIRST, 3, LONDON, LATER)
    assert (found.percentage, found.share) == ("", None)


spans = st.lists(
    st.tuples(st.integers(-2000, 9000), st.integers(-10, 3000)).map(
        lambda each: (BEGIN + dt.timedelta(minutes=each[0]), BEGIN + dt.timedelta(minutes=each[0] + each[1]))
    ),
    max_size=8,
)


@given(spans, spans, st.integers(0, 9000))
def test_what_is_missing_is_a_part_of_what_was_wanted(wanted: list[Span], gaps: list[Span], until: int) -> None:
    known = BEGIN + dt.timedelta(minutes=until)
    found = uptime(wanted, gaps, FIRST, 5, LONDON, known)
    for day in found.days:
        assert 0 <= day.missing_s <= day.wanted_s <= 25 * 3600
    minutes = {
        minute for start, end in wanted for minute in range(max(0, _minute(start)), min(_minute(end), until, 5 * 1440))
    }
    holes = {minute for start, end in gaps for minute in range(_minute(start), _minute(end))}
    assert found.wanted_s == 60 * len(minutes)
    assert found.missing_s == 60 * len(minutes & holes)


@given(spans)
def test_joined_spans_are_in_order_and_apart(found: list[Span]) -> None:
    result = joined(found)
    assert all(start < end for start, end in result)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(result))


def _minute(moment: dt.datetime) -> int:
    return int((moment - BEGIN).total_seconds() // 60)

"""Moments as people type them, on ordinary days and in the nights when the clocks change."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.cli.moments import moment, shown, time_zone
from overt.clock import SECOND
from overt.contract.instant import LATEST_NS, ns_of
from overt.errors import InvalidError

NOW = ns_of(datetime(2026, 11, 23, 20, 0, tzinfo=UTC))
EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (1971, 2100))
LONDON = ZoneInfo("Europe/London")
ZONES = st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]).map(
    ZoneInfo
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 0),
        ("-5m", -300),
        ("-90s", -90),
        ("now-1h30m", -5400),
        ("now+10s", 10),
        ("-2d", -172800),
        (" -1w ", -604800),
    ],
)
def test_relative_moments(text: str, seconds: int) -> None:
    assert moment(text, NOW) == NOW + seconds * SECOND


@pytest.mark.parametrize("text", ["2026-07-01T12:00:00+01:00", "2026-07-01T11:00:00Z", "2026-07-01 11:00Z"])
def test_moments_with_an_offset(text: str) -> None:
    assert moment(text, NOW) == ns_of(datetime(2026, 7, 1, 11, tzinfo=UTC))
    assert moment(text, NOW, LONDON) == ns_of(datetime(2026, 7, 1, 11, tzinfo=UTC)), "a zone does not change an offset"


def test_a_local_time_needs_a_zone() -> None:
    with pytest.raises(InvalidError, match=r"local time.*--timezone Europe/London"):
        moment("2026-07-01T12:00:00", NOW)
    assert moment("2026-07-01T12:00:00.25", NOW, LONDON) == ns_of(datetime(2026, 7, 1, 11, tzinfo=UTC)) + SECOND // 4


def test_the_hour_that_is_there_twice_is_refused_with_both_candidates() -> None:
    with pytest.raises(InvalidError, match="twice") as caught:
        moment("2026-10-25T01:30:00", NOW, LONDON)
    for candidate, hour in (("2026-10-25T01:30:00+01:00", 0), ("2026-10-25T01:30:00+00:00", 1)):
        assert candidate in str(caught.value)
        assert moment(candidate, NOW) == ns_of(datetime(2026, 10, 25, hour, 30, tzinfo=UTC))


def test_the_hour_that_is_not_there_is_refused_with_its_neighbours() -> None:
    with pytest.raises(InvalidError, match="never was") as caught:
        moment("2026-03-29T01:30:00", NOW, LONDON)
    assert "2026-03-29T00:30:00+00:00" in str(caught.value)
    assert "2026-03-29T02:30:00+01:00" in str(caught.value)


@pytest.mark.parametrize(("text", "hour"), [("00:59:59", 0), ("02:00:00", 1)])
def test_the_edges_of_the_spring_night(text: str, hour: int) -> None:
    found = moment(f"2026-03-29T{text}", NOW, LONDON)
    assert datetime.fromtimestamp(found // SECOND, UTC).hour == hour


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "5m", "-5", "-5y", "--5m", "-m", "now now", "-" + "9" * 9 + "w", "2026-07-01"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        moment(text, NOW, LONDON)


@given(st.integers(0, LATEST_NS // SECOND - 86400 * 366), ZONES)
def test_a_local_time_is_read_back_or_refused_as_ambiguous(seconds: int, zone: ZoneInfo) -> None:
    local = datetime.fromtimestamp(seconds, zone)
    text = local.replace(tzinfo=None).isoformat()
    other = local.replace(fold=1 - local.fold)
    ambiguous = other.utcoffset() != local.utcoffset()
    if not ambiguous:
        assert moment(text, NOW, zone) == seconds * SECOND
    else:
        with pytest.raises(InvalidError, match=r"twice|never was"):
            moment(text, NOW, zone)


@given(st.datetimes(EARLIEST, LATEST), ZONES)
def test_what_is_accepted_shows_that_time_on_the_clock_there(local: datetime, zone: ZoneInfo) -> None:
    with suppress(InvalidError):
        found = moment(local.isoformat(), NOW, zone)
        assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found // 1000) == local.replace(tzinfo=zone)


@given(st.text(max_size=70), st.none() | ZONES)
def test_any_text_is_read_or_refused(text: str, zone: ZoneInfo | None) -> None:
    with suppress(InvalidError):
        assert 0 <= moment(text, NOW, zone) <= LATEST_NS


@pytest.mark.parametrize("name", ["Moon/Base", "../etc/passwd", "/etc/localtime", "", "\0"])
def test_zones_that_are_none(name: str) -> None:
    with pytest.raises(InvalidError, match="no time zone"):
        time_zone(name)


def test_shown_with_its_offset() -> None:
    assert shown(NOW + 5_000_000) == "2026-11-23 20:00:00.005+00:00"
    assert shown(ns_of(datetime(2026, 7, 1, 11, tzinfo=UTC)), LONDON) == "2026-07-01 12:00:00.000+01:00"

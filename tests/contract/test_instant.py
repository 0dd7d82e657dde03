"""Moments as text and back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.contract.instant import LATEST_NS, datetime_of, from_iso, ns_of, to_iso
from overt.errors import InvalidError


@given(st.integers(0, LATEST_NS))
def test_a_moment_survives_its_text_to_the_nanosecond(ns: int) -> None:
    assert from_iso(to_iso(ns)) == ns
    assert ns_of(datetime_of(ns)) == ns // 1000 * 1000


@given(st.lists(st.integers(0, LATEST_NS), max_size=5))
def test_texts_sort_as_the_moments_do(moments: list[int]) -> None:
    assert sorted(map(to_iso, moments)) == [to_iso(ns) for ns in sorted(moments)]


@pytest.mark.parametrize(
    "text",
    ["2026-03-29T01:30:00Z", "2026-03-29t02:30:00+01:00", "2026-03-29 02:30+0100", "2026-03-28T20:30:00,0-05:00"],
)
def test_every_offset_means_the_same_moment(text: str) -> None:
    assert to_iso(from_iso(text)) == "2026-03-29T01:30:00.000000000+00:00"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-03-29T01:30:00", "no offset"),
        ("2026-03-29", "not a moment"),
        ("2026-13-29T01:30:00Z", "not a moment"),
        ("2026-02-30T01:30:00Z", "not a moment"),
        ("2026-03-29T25:30:00Z", "not a moment"),
        ("1969-12-31T23:59:59Z", "1970"),
        ("0001-01-01T00:00:00+14:00", "1970"),
        ("٢٠٢٦-03-29T01:30:00Z", "not a moment"),
        ("Z" * 10_000, "not a moment"),
    ],
)
def test_what_is_no_moment_is_refused_with_an_example(text: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        from_iso(text)


@given(st.text(max_size=70))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidError):
        assert 0 <= from_iso(text) <= LATEST_NS

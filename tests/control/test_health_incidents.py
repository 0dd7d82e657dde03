"""What is said to whom: once, once more when it is over, together where it began together."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from health_rig import NOW, at
from overt.control.health.incidents import News, Open, Standing, Terms, What, by_trouble, news, succeeded
from overt.control.health.severity import Severity
from overt.control.health.wording import MAX_NAMED, MAX_NEWS, headline, message, trial

MINUTE = dt.timedelta(minutes=1)
TERMS = Terms(frozenset(), Severity.NOTICE, None, MINUTE, None)
LONDON = ZoneInfo("Europe/London")
PAGE = "https://cctv.northshire.example/health"


def lost(
    number: int, since: float = -90, until: float | None = None, site: str = "Market Hall", **fields: str
) -> Standing:
    """A camera that is lost; of each site another number."""
    values = {
        "kind": "camera-lost",
        "subject": f"camera:c{number}",
        "title": f"Camera {number} is lost",
        "words": "It cannot be reached.",
        "camera": f"c{number}",
        "site": site,
    } | fields
    ended = None if until is None else at(until)
    return Standing(id=number, severity=Severity.URGENT, since=at(since), until=ended, **values)


def told(standing: list[Standing], incidents: list[Open] | None = None, terms: Terms = TERMS) -> list[News]:
    return news(terms, standing, [succeeded(each, by_trouble(standing)) for each in incidents or []], NOW)


def said(*conditions: Standing, place: str = "", some_back: bool = False, ago: float = 600) -> Open:
    return Open(1, place, at(-ago), some_back, conditions)


def test_what_stands_for_less_than_the_delay_is_not_said() -> None:
    assert told([lost(1, -59)]) == []
    assert [each.what for each in told([lost(1, -60)])] == [What.BEGAN]


def test_what_was_said_is_not_said_again() -> None:
    assert told([lost(1, -900)], [said(lost(1, -900))]) == []


def test_what_is_over_is_said_once_it_stayed_so() -> None:
    assert told([], [said(lost(1, -900, -59))]) == []
    over = told([], [said(lost(1, -900, -60))])
    assert [(each.what, headline(each)) for each in over] == [(What.OVER, "Over: Camera 1 is lost")]


def test_a_camera_that_is_lost_again_within_the_delay_is_the_same_trouble() -> None:
    again = lost(2, -5, subject="camera:c1", camera="c1")
    assert told([again], [said(lost(1, -900, -30))]) == []


def test_a_camera_that_is_lost_first_and_then_refuses_is_the_same_trouble() -> None:
    refuses = lost(2, -70, kind="camera-refused", subject="camera:c1", camera="c1")
    assert told([refuses], [said(lost(1, -900, -70))]) == []


def test_a_switch_that_dies_is_one_message() -> None:
    standing = [lost(number, -60 - number) for number in range(12)] + [lost(99, -70, site="Library")]
    found = told(standing)
    assert sorted(headline(each) for each in found) == ["12 cameras lost at Market Hall", "Camera 99 is lost"]


def test_those_that_were_lost_a_moment_later_go_with_the_others() -> None:
    found = told([lost(1, -61), lost(2, -10), lost(3, -3)])
    assert [len(each.conditions) for each in found] == [3]


def test_cameras_of_several_sites_on_one_network_are_one_message() -> None:
    standing = [lost(number, site=f"Site {number}", network="192.0.2.0/24") for number in range(5)]
    assert [headline(each) for each in told(standing)] == ["5 cameras lost at 192.0.2.0/24"]


def test_losses_at_other_times_are_messages_of_their_own() -> None:
    standing = [lost(1, -3600), lost(2, -1800), lost(3, -61)]
    assert [headline(each) for each in told(standing)] == [f"Camera {n} is lost" for n in (1, 2, 3)]


def test_two_cameras_are_no_group() -> None:
    assert [each.place for each in told([lost(1), lost(2)])] == ["", ""]


def test_of_a_group_it_is_said_once_who_is_back_and_once_that_all_are() -> None:
    some = said(lost(1, -900, -70), lost(2, -900, -80), lost(3, -900), place="Market Hall")
    standing = [lost(3, -900)]
    found = told(standing, [some])
    assert [headline(each) for each in found] == ["2 of 3 cameras back at Market Hall, 1 still lost"]
    assert told(standing, [replace(some, some_back=True)]) == []
    everyone = said(*(lost(n, -900, -70) for n in (1, 2, 3)), place="Market Hall", some_back=True)
    assert [headline(each) for each in told([], [everyone])] == ["All 3 cameras back at Market Hall"]


def test_while_cameras_come_back_one_after_the_other_nothing_is_said() -> None:
    some = said(lost(1, -900, -70), lost(2, -900, -5), lost(3, -900), place="Market Hall")
    assert told([lost(3, -900)], [some]) == []


def test_it_is_said_again_only_where_the_rule_asks_for_it() -> None:
    incident = said(lost(1, -9000), ago=3600)
    assert told([lost(1, -9000)], [incident]) == []
    hourly = replace(TERMS, repeat=dt.timedelta(hours=1))
    assert [headline(each) for each in told([lost(1, -9000)], [incident], hourly)] == ["Still: Camera 1 is lost"]
    assert told([lost(1, -9000)], [replace(incident, said_at=at(-3599))], hourly) == []


def test_a_rule_covers_what_it_names() -> None:
    assert told([lost(1)], terms=replace(TERMS, kinds=frozenset({"disk-full"}))) == []
    assert told([replace(lost(1), severity=Severity.NOTICE)], terms=replace(TERMS, severity=Severity.WARNING)) == []
    assert told([lost(1)], terms=replace(TERMS, cameras=frozenset({"c2"}))) == []
    assert told([lost(1, camera="")], terms=replace(TERMS, cameras=frozenset({"c1"}))) == []
    assert len(told([lost(1)], terms=replace(TERMS, cameras=frozenset({"c1"})))) == 1


conditions = st.lists(
    st.builds(
        lambda number, since, site, kind: lost(number, -since, site=site, kind=kind),
        st.integers(0, 30),
        st.integers(0, 400),
        st.sampled_from(["Market Hall", "Library", ""]),
        st.sampled_from(["camera-lost", "no-frames", "camera-clock"]),
    ),
    max_size=20,
    unique_by=lambda each: each.id,
)


@given(conditions)
def test_each_condition_is_told_in_one_message_and_none_that_is_due_is_forgotten(standing: list[Standing]) -> None:
    found = [each.id for one in told(standing) for each in one.conditions]
    assert len(found) == len(set(found))
    assert {each.id for each in standing if NOW - each.since >= MINUTE} <= set(found)


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_message_says_what_since_when_and_what_to_do() -> None:
    words = message(told([lost(1)]), "Northshire Council", PAGE, LONDON)
    assert words.subject == "Camera 1 is lost"
    for part in ("It cannot be reached.", "Since 25 November 2026, 13:58:30 GMT.", "What to do: Check its power", PAGE):
        assert part in words.body
    assert words.data["news"][0]["conditions"][0]["camera"] == "c1"


def test_a_message_about_a_group_names_a_few_and_counts_the_rest() -> None:
    words = message(told([lost(number) for number in range(40)]), "Northshire Council", PAGE, LONDON)
    assert words.subject == "40 cameras lost at Market Hall"
    assert words.body.count("is lost") == MAX_NAMED
    assert f"and {40 - MAX_NAMED} more" in words.body
    assert "such as a switch" in words.body


def test_a_flood_of_things_is_one_message_of_limited_length() -> None:
    standing = [lost(number, -3600 * number - 61) for number in range(500)]
    words = message(told(standing), "Northshire Council", PAGE, LONDON)
    assert words.subject.startswith("500 messages: ")
    assert len(words.body) < 20_000
    assert words.data["more"] == 500 - MAX_NEWS


hostile = st.text(max_size=200) | st.just("a\r\nBcc: thief@example.org\r\n\r\nx")


@given(hostile, hostile)
def test_no_name_breaks_a_line_of_the_subject(title: str, site: str) -> None:
    for count in (1, 4):
        standing = [lost(number, title=title, site=site) for number in range(count)]
        words = message(told(standing), title, PAGE, LONDON)
        assert len(words.subject) <= 180
        assert not {"\r", "\n", "\x00", "\u202e"} & set(words.subject)
    assert "\n" not in trial(title, site, PAGE).subject

"""Numbers of a month: counted from the ledger, without names, and safe to publish."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from acts_rig import fresh_ledger
from control_rig import camera_at, person_with, signed_in, site_in
from overt.clock import SECOND
from overt.contract.opened import ENDED, EXPORTED, VIEWED, ledger_of
from overt.control.acts.actor import Actor
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.control.audit import numbers
from overt.control.audit.numbers import UNKNOWN, WITHHELD, count, month_of, shown
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import rights_of
from overt.errors import InvalidError
from overt.ledger.leaves import Entry
from overt.ledger.ledger import Ledger
from overt.ledger.note import NoteSigner

CRIME, SAFETY = "Prevention and detection of crime", "Safety of people on the site"
LEAST = 5


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path, settings: Settings, db: None) -> Iterator[Ledger]:
    settings.CONTROL = settings.CONTROL.model_copy(update={"footage": tmp_path / "footage"})
    with fresh_ledger(tmp_path / "ledger") as ledger:
        yield ledger


def look(kind: Kind, person: Person, purpose: str = "", grant: str = "g", *cameras: str) -> int:
    more = {"grant": grant, **({"purpose": {"name": purpose}} if purpose else {})}
    return record(kind, by=Actor(person.pk, person.name), cameras=cameras or ["market"], more=more)


def test_a_month_is_counted_by_purpose_and_people(ledger: Ledger) -> None:
    olive, sam = person_with(name="Olive Operator"), person_with(name="Sam Supervisor")
    for _ in range(3):
        look(Kind.LOOK_LIVE, olive, grant="page 1")
    look(Kind.LOOK_LIVE, sam, grant="page 2")
    for person in (olive, sam, sam):
        look(Kind.LOOK_OPENED, person, CRIME)
    look(Kind.LOOK_REPLAYED, olive, SAFETY)
    pruned = look(Kind.CLIP_TAKEN, sam, CRIME)
    look(Kind.LOOK_REFUSED, olive)
    record(Kind.ROLE_GIVEN)
    ledger.prune([pruned])
    found = count(month_of(""))
    assert (found.live, found.watchers, found.refused, found.unknown, found.commands) == (2, 2, 1, 1, None)
    lines = [(line.name, line.cells, line.people) for line in shown(found)]
    assert lines == [
        (CRIME, ("0", "3", "0"), "2"),
        (UNKNOWN, ("0", "0", "1"), "0"),
        (SAFETY, ("1", "0", "0"), "1"),
        ("All", ("1", "3", "1"), "2"),
    ]
    assert "Olive" not in repr(found)
    assert str(olive.pk) not in repr(found)


def test_a_month_is_that_of_the_councils_time_zone(ledger: Ledger) -> None:
    first, after = numbers._span(dt.date(2026, 10, 1))
    assert dt.datetime.fromtimestamp(first // SECOND, dt.UTC).isoformat() == "2026-09-30T23:00:00+00:00"
    assert dt.datetime.fromtimestamp(after // SECOND, dt.UTC).isoformat() == "2026-11-01T00:00:00+00:00"
    look(Kind.LOOK_OPENED, person_with(), CRIME)
    this = month_of("")
    before = (this - dt.timedelta(days=1)).replace(day=1)
    assert count(before).total.counts.total() == 0
    assert count(this).total.counts.total() == 1


def test_who_reads_at_one_group_counts_its_cameras_alone(ledger: Ledger) -> None:
    library = site_in("Libraries", "Central Library")
    camera_at(library, "foyer")
    lena = person_with(Action.READ_LEDGER, group=library.group, name="Lena Library")
    look(Kind.LOOK_OPENED, lena, CRIME, "g", "market")
    look(Kind.LOOK_OPENED, lena, CRIME, "g", "market", "foyer")
    assert count(month_of(""), rights_of(lena)).total.counts[Kind.LOOK_OPENED] == 1
    assert count(month_of("")).total.counts[Kind.LOOK_OPENED] == 2


def test_commands_are_counted_and_their_ends_are_not(ledger: Ledger, tmp_path: Path) -> None:
    with Ledger.create(ledger_of(tmp_path / "footage"), NoteSigner.generate("opened")) as other:
        other.append_all([Entry(kind, {"cameras": ["market"]}) for kind in (VIEWED, ENDED, EXPORTED)])
    assert count(month_of("")).commands == 2


@pytest.mark.parametrize("text", ["yesterday", "2026-13", "1026-01", "2026-11-01", "0000-00"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(InvalidError, match="Enter a month"):
        month_of(text)


# --- for the public ---------------------------------------------------------------------------------------------------


def possible(cells: list[str], total: str, least: int) -> list[set[int]]:
    """What each small number may be, for who sees the cells of a column and its total, and knows the rules."""
    known = [int(cell) for cell in cells if cell.isdigit()]
    small = sum(cell.startswith("fewer") for cell in cells)
    withheld = sum(cell == WITHHELD for cell in cells)
    lawful = set(range(1, least))
    if not total.isdigit():
        return [lawful] * small
    rest = int(total) - sum(known)
    reach = {0}
    for _ in range(small - 1):
        reach = {each + more for each in reach for more in lawful}
    may = set()
    for one in lawful:
        left = [rest - one - each for each in reach]
        if any(each == 0 or (withheld and each >= withheld * least) for each in left):
            may.add(one)
    return [may] * small


@given(values=st.lists(st.integers(0, 40), min_size=1, max_size=6), least=st.integers(2, 9))
def test_no_small_number_can_be_worked_out(values: list[int], least: int) -> None:
    *cells, total = numbers._column(values, sum(values), least)
    assert all(int(cell) == value for cell, value in zip(cells, values, strict=True) if cell.isdigit())
    assert not any(cell.isdigit() and 0 < int(cell) < least for cell in (*cells, total))
    for each in possible(cells, total, least):
        assert each == set(range(1, least)), (cells, total)


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([12, 9], ["12", "9", "21"]),
        ([0, 9], ["0", "9", "9"]),
        ([3, 0], ["fewer than 5", "0", "fewer than 5"]),
        ([3, 9, 40], ["fewer than 5", WITHHELD, "40", "52"]),
        ([1, 2], ["fewer than 5", "fewer than 5", "fewer than 5"]),
    ],
)
def test_small_numbers_are_not_told(values: list[int], cells: list[str]) -> None:
    assert numbers._column(values, sum(values), LEAST) == cells


# --- pages ------------------------------------------------------------------------------------------------------------


def test_the_page_shows_both_and_no_name(ledger: Ledger) -> None:
    olive = person_with(name="Olive Operator")
    for _ in range(7):
        look(Kind.LOOK_OPENED, olive, "<b>Crime</b>")
    look(Kind.LOOK_REPLAYED, olive, SAFETY)
    client = signed_in(person_with(Action.READ_LEDGER, name="Ada Auditor"))
    answer = client.get("/acts/numbers")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "fewer than 5" in page
    for secret in ("Olive", "<b>Crime", str(olive.pk)):
        assert secret not in page
    assert "Enter a month" in client.get("/acts/numbers?month=never").content.decode()
    month = f"{timezone.localdate():%Y-%m}"
    exact, public = (
        list(csv.reader(io.StringIO(client.get(f"/acts/numbers.csv?month={month}{more}").content.decode("utf-8-sig"))))
        for more in ("", "&public=1")
    )
    assert exact[0] == public[0]
    assert exact[-1] == ["All", "", "1", "7", "0", "1"]
    assert public[-1] == ["All", "", "fewer than 5", "7", "0", "fewer than 5"]
    assert client.get("/acts/numbers.csv?month=never").status_code == 400


def test_a_program_gets_what_may_be_published_unless_it_asks(ledger: Ledger, settings: Settings) -> None:
    look(Kind.LOOK_OPENED, person_with(name="Olive Operator"), CRIME)
    client = signed_in(person_with(Action.READ_LEDGER, name="Ada Auditor"))
    told = client.get("/api/v1/acts/numbers").json()
    assert told["lines"][0] == {
        "purpose": CRIME,
        "replayed": "0",
        "opened": "fewer than 5",
        "clips": "0",
        "people": "fewer than 5",
    }
    assert client.get("/api/v1/acts/numbers?public=false").json()["lines"][0]["opened"] == "1"
    settings.CONTROL = settings.CONTROL.model_copy(update={"numbers_least": 0})
    assert client.get("/api/v1/acts/numbers").json()["lines"][0]["opened"] == "1"
    assert client.get("/api/v1/acts/numbers?month=never").status_code in {400, 422}

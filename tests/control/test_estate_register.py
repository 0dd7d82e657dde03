"""The register: found, filtered, sorted, paged, saved as a spreadsheet, for who may know of it."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from control_rig import camera_at, person_with, signed_in, site_in
from estate_rig import text_of
from overt.control.estate.models import Camera, Site
from overt.control.estate.register import Filter, found
from overt.control.estate.spreadsheet import defused, plain, written
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import Rights

pytestmark = pytest.mark.django_db
ALL = Rights(frozenset(Action))


@pytest.fixture
def manager() -> Person:
    return person_with(Action.CHANGE_CAMERAS)


def names(wanted: Filter, today: dt.date = dt.date(2026, 11, 25), rights: Rights = ALL) -> list[str]:
    return [each.key for each in found(rights, wanted, today)]


def test_cameras_are_found_by_words_site_group_and_state(manager: Person) -> None:
    market, pool = site_in("Town centre", "Market Hall"), site_in("Leisure", "Swimming Pool")
    camera_at(market, "door", location="the north door", owner=manager)
    camera_at(market, "yard", state=Camera.State.OFF)
    camera_at(pool, "cash-desk")
    assert names(Filter(text="NORTH robin")) == ["door"]
    assert names(Filter(text="swim")) == ["cash-desk"]
    assert names(Filter(site=market.pk)) == ["door", "yard"]
    assert names(Filter(group=pool.group_id)) == ["cash-desk"]
    assert names(Filter(state="off")) == ["yard"]
    assert names(Filter(text="%")) == []
    assert names(Filter(sort="name")) == ["cash-desk", "door", "yard"]


def test_what_needs_attention_is_found(manager: Person) -> None:
    site = site_in()
    whole: dict[str, Any] = {
        "purpose": "Safety",
        "legal_basis": "Public task",
        "owner": manager,
        "review_on": dt.date(2026, 11, 25),
        "retention_reason": "Reports come late",
    }
    camera_at(site, "good", **whole)
    camera_at(site, "late", **{**whole, "review_on": dt.date(2026, 11, 24)})
    camera_at(site, "aimless", **{**whole, "purpose": ""})
    camera_at(site, "orphan", **{**whole, "owner": None})
    camera_at(site, "gone", state=Camera.State.RETIRED)
    assert names(Filter(attention="overdue")) == ["late"]
    assert names(Filter(attention="purpose")) == ["aimless"]
    assert names(Filter(attention="owner")) == ["orphan"]
    assert names(Filter(attention="device")) == ["aimless", "good", "late", "orphan"]


def test_the_page_says_what_each_camera_lacks(manager: Person) -> None:
    camera_at(site_in(), "door", owner=manager, review_on=timezone.localdate() - dt.timedelta(days=1))
    page = text_of(signed_in(manager).get("/cameras")).lower().partition("<tbody")[2]
    assert "no purpose" in page
    assert "review overdue" in page
    assert "no owner" not in page


def test_nonsense_in_the_filter_finds_everything_and_breaks_nothing(manager: Person) -> None:
    camera_at(site_in(), "door")
    for query in (
        "site=x",
        "state=nowhere",
        "attention=%3Cscript%3E",
        "sort=password",
        "page=999999",
        "page=-1",
        "q=%00",
    ):
        answer = signed_in(manager).get(f"/cameras?{query}")
        assert answer.status_code == 200
        assert "1 camera" in text_of(answer) or query == "q=%00"


def test_thousands_of_cameras_cost_as_many_queries_as_a_few(manager: Person) -> None:
    sites = [site_in("Town centre", f"Site {number}") for number in range(5)]

    def fill(count: int) -> None:
        have = Camera.objects.count()
        Camera.objects.bulk_create(
            Camera(site=sites[number % 5], key=f"camera-{number}", name=f"Camera {number}", owner=manager)
            for number in range(have, count)
        )

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path).status_code == 200
        return len(asked)

    client = signed_in(manager)
    fill(5)
    paths = ("/cameras", "/cameras?page=2&attention=any", "/cameras.csv", "/sites")
    queries("/cameras")  # a session's first request notes its browser
    few = {path: queries(path) for path in paths}
    fill(5000)
    assert {path: queries(path) for path in paths} == few
    page = text_of(client.get("/cameras?page=100"))
    assert "4951 to 5000 shown" in page
    assert "Page 99" in page


def test_the_spreadsheet_has_what_the_list_has(manager: Person) -> None:
    site = site_in()
    camera_at(site, "door", purpose='Safety, "at night"\nand by day', owner=manager)
    camera_at(site, "yard", state=Camera.State.OFF)
    answer = signed_in(manager).get("/cameras.csv?state=draft")
    assert answer["content-type"] == "text/csv; charset=utf-8"
    assert answer["content-disposition"].startswith("attachment")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert row["key"] == "door"
    assert row["purpose"] == 'Safety, "at night"\nand by day'
    assert row["owner"] == manager.email


def test_attack_a_camera_named_like_a_formula_computes_nothing_in_a_spreadsheet(manager: Person) -> None:
    camera_at(
        site_in(name="@SUM(A1)"), "door", name='=HYPERLINK("http://evil.example","x")', location=" +1", purpose="\t=1"
    )
    page = signed_in(manager).get("/cameras.csv").content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(page, newline=""))
    for cell in ("name", "site", "location", "purpose"):
        assert row[cell].startswith("'"), cell


@given(st.lists(st.lists(st.text(), min_size=1, max_size=4), max_size=4))
def test_no_cell_is_a_formula_and_every_cell_comes_back(rows: list[list[str]]) -> None:
    rows = [[cell.replace("\0", "") for cell in row] for row in rows]
    back = list(csv.reader(io.StringIO(written(rows).removeprefix("\ufeff"), newline="")))
    assert [[plain(cell) for cell in row] for row in back] == rows
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for row in back for cell in row)


@given(st.text())
def test_defusing_is_undone(text: str) -> None:
    assert plain(defused(text)) == text


def test_the_register_of_other_groups_is_not_there() -> None:
    ours, theirs = site_in("Town centre", "Market Hall"), site_in("Leisure", "Swimming Pool")
    camera_at(ours, "door", name="Market door")
    other = camera_at(theirs, "cash-desk", name="Cash desk")
    client = signed_in(person_with(Action.LIVE, group=ours.group))
    page = text_of(client.get("/cameras"))
    assert "Market door" in page
    for hidden in ("Cash desk", "Swimming Pool", "Leisure"):
        assert hidden not in page
        assert hidden not in text_of(client.get(f"/cameras?site={theirs.pk}"))
        assert hidden not in text_of(client.get("/sites"))
        assert hidden not in client.get("/cameras.csv").content.decode()
    assert client.get(f"/cameras/{other.pk}").status_code == 404


@pytest.mark.parametrize(
    "action", [Action.LIVE, Action.INSPECT, Action.PLAN, Action.READ_LEDGER, Action.CHANGE_CAMERAS, Action.RECORDED]
)
def test_who_has_to_do_with_cameras_reads_the_register(action: Action) -> None:
    camera = camera_at(site_in(), "door")
    client = signed_in(person_with(action))
    assert client.get("/cameras").status_code == 200
    assert client.get(f"/cameras/{camera.pk}").status_code == 200
    assert Site.objects.count() == 1


@pytest.mark.parametrize("action", [Action.MANAGE_PEOPLE, Action.EXPORT, Action.REPLAY])
def test_who_has_not_does_not(action: Action) -> None:
    camera = camera_at(site_in(), "door")
    client = signed_in(person_with(action))
    assert client.get("/cameras").status_code == 403
    assert client.get(f"/cameras/{camera.pk}").status_code == 403

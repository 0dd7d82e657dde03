"""Whose looks are read by name is told so; who reads them is written down, whichever way they read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from acts_rig import Written, fresh_ledger
from control_rig import browser, person_with, signed_in
from overt.control.acts import indexing
from overt.control.acts.actor import Actor
from overt.control.acts.kinds import Kind
from overt.control.acts.models import ActReviewed
from overt.control.acts.recording import record
from overt.control.acts.reviews import reviews_of
from overt.control.audit import sought
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.tokens import make_token
from overt.errors import UnavailableError
from overt.ledger.ledger import Ledger

pytestmark = pytest.mark.django_db


@pytest.fixture(name="ledger", autouse=True)
def _ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger") as ledger:
        yield ledger


@pytest.fixture(name="auditor")
def _auditor() -> Person:
    return person_with(Action.READ_LEDGER, name="Ada Auditor")


@pytest.fixture(name="olive")
def _olive() -> Person:
    person = person_with(Action.LIVE, name="Olive Operator")
    record(Kind.LOOK_LIVE, by=Actor(person.pk, person.name), cameras=["market"])
    return person


def account(person: Person) -> str:
    return signed_in(person).get("/account").content.decode()


def test_who_is_searched_by_name_is_told_by_whom_and_not_why(auditor: Person, olive: Person) -> None:
    assert "Your looks were reviewed" not in account(olive)
    signed_in(auditor).get("/acts?person=olive&camera=market")
    page = account(olive)
    assert "Your looks were reviewed" in page
    assert "Ada Auditor&#39;s role" in page, "the role by which they read"
    assert "market" not in page
    assert "reviewed" not in account(auditor)
    [told] = Written(0).bodies("ledger.read")
    assert told["reviewed"] == [{"id": str(olive.pk), "name": "Olive Operator"}]
    assert told["as"] == ["Ada Auditor's role"]


def test_the_name_is_told_where_the_scheme_says_so_or_nothing(
    auditor: Person, olive: Person, settings: Settings
) -> None:
    signed_in(auditor).get("/acts?person=olive")
    settings.CONTROL = settings.CONTROL.model_copy(update={"reviewer_shown": "name"})
    assert "Ada Auditor</td>" in account(olive)
    settings.CONTROL = settings.CONTROL.model_copy(update={"tell_reviewed": False})
    assert "reviewed" not in account(olive)


@pytest.mark.parametrize(
    "address",
    [
        "/acts?person=olive",
        "/acts?person=o&theme=looking",
        "/acts.csv?person=olive",
        "/acts?person=olive&before=9007199254740992",
        "/api/v1/acts?person=olive",
        "/api/v1/acts?person=olive&before=9007199254740992",
    ],
)
def test_no_way_to_somebodys_looks_is_without_its_leaf(auditor: Person, olive: Person, address: str) -> None:
    client = signed_in(auditor)
    assert client.get(address).status_code == 200
    assert len(reviews_of(olive.pk)) == 1


def test_a_token_is_its_owners_search(auditor: Person, olive: Person) -> None:
    _, token = make_token(auditor, "export", ["read-ledger"], timezone.now() + dt.timedelta(days=3))
    browser().get("/api/v1/acts?person=olive", headers={"authorization": f"Bearer {token}"})
    assert [each.roles for each in reviews_of(olive.pk)] == [("Ada Auditor's role",)]


@pytest.mark.parametrize(
    "address", ["/acts", "/acts?camera=market", "/acts?person=sam", "/acts?person=olive&theme=people"]
)
def test_who_was_not_searched_by_name_or_whose_looks_were_not_found_is_not_told(
    auditor: Person, olive: Person, address: str
) -> None:
    signed_in(auditor).get(address)
    assert reviews_of(olive.pk) == []


def test_ones_own_looks_may_be_read_without_being_told(olive: Person) -> None:
    reader = person_with(Action.READ_LEDGER, name="Rita Reader")
    record(Kind.LOOK_LIVE, by=Actor(reader.pk, reader.name))
    signed_in(reader).get("/acts?person=rita")
    assert reviews_of(reader.pk) == []
    assert len(Written(0).leaves("ledger.read")) == 1


def test_going_on_to_older_ones_is_the_same_search(auditor: Person, olive: Person) -> None:
    client = signed_in(auditor)
    client.get("/acts?person=olive")
    client.get("/acts?person=olive&before=1")
    assert len(reviews_of(olive.pk)) == 1
    client.get("/acts?reference=x")
    client.get("/acts?person=olive&before=1")
    assert len(reviews_of(olive.pk)) == 2


def test_many_who_are_found_are_all_told(auditor: Person, olive: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sought, "IN_A_LEAF", 2)
    people = [olive]
    for name in ("Otto Operator", "Ona Operator", "Oki Operator", "Ola Operator"):
        people.append(person_with(name=name))
        record(Kind.LOOK_REPLAYED, by=Actor(people[-1].pk, name))
    signed_in(auditor).get("/acts?person=operator")
    assert [len(reviews_of(each.pk)) for each in people] == [1] * 5
    assert len(Written(0).leaves("ledger.read")) == 3


def test_looks_are_not_read_where_that_cannot_be_written_down(
    auditor: Person, olive: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(auditor)

    def full(*_: object) -> None:
        raise UnavailableError("the ledger’s disk is full")

    monkeypatch.setattr(Ledger, "append", full)
    for address in ("/acts?person=olive", "/acts.csv?person=olive", "/api/v1/acts?person=olive"):
        answer = client.get(address)
        assert answer.status_code == 503
        assert "Olive Operator" not in answer.content.decode()


def test_reviews_are_found_again_from_the_ledger_alone(auditor: Person, olive: Person) -> None:
    signed_in(auditor).get("/acts?person=olive")
    before = reviews_of(olive.pk)
    ActReviewed.objects.all().delete()
    indexing._empty()
    assert reviews_of(olive.pk) == before


def test_the_account_page_opens_while_the_ledger_cannot_be_read(olive: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise UnavailableError("the disk is gone")

    monkeypatch.setattr("overt.control.acts.indexing.reader", broken)
    assert "cannot be said just now" in account(olive)

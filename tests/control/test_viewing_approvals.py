"""Approvals for a shift: whom and for how long they answer, what they leave, and that they open nothing more."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from acts_rig import Written, purpose
from control_rig import camera_at, person_with, signed_in, site_in
from overt.clock import SECOND
from overt.control.people.actions import Action
from overt.control.people.models import Person, SiteGroup
from overt.control.people.rights import Rights, rights_of
from overt.control.viewing import approval_pages, approvals
from overt.control.viewing.approvals import MOST, OVER, Asked
from overt.control.viewing.granting import Wish
from overt.control.viewing.grants import Holder, Viewer
from overt.control.viewing.models import Approval, Purpose
from overt.control.viewing.purposes import stated
from overt.control.viewing.reasons import Reason
from overt.errors import ConflictError, ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.ledger.ledger import Ledger
from viewing_rig import DIGEST, FakeCustody, FakeMedia, HandClock, held_by, viewer

pytestmark = pytest.mark.django_db
ALL = (Action.LIVE, Action.REPLAY, Action.RECORDED, Action.EXPORT, Action.SHIFT)
HOUR = 3600 * SECOND


@dataclass
class House:
    media: FakeMedia
    clock: HandClock
    holder: Holder
    person: Person
    viewer: Viewer
    purpose: Purpose
    town: SiteGroup
    library: SiteGroup
    client: Client

    def open(self, hours: int = 8, groups: tuple[int, ...] | None = None) -> Approval:
        asked = Asked(self.purpose.pk, "OP-1", groups or (self.town.pk,), hours)
        return approvals.open_approval(self.person, rights_of(self.person), asked, "OP-1")

    def reason(self, approval: Approval) -> Reason:
        return Reason(0, approval=str(approval.pk))

    def recorded(self, reason: Reason, *cameras: str) -> Wish:
        now = self.clock.now_ns
        return Wish((), cameras, now - HOUR, now, reason)


@pytest.fixture(name="house")
def _house() -> House:
    site, other = site_in(), site_in("Libraries", "Central Library")
    camera_at(site, "market")
    camera_at(other, "foyer")
    person = person_with(*ALL, name="Sam Supervisor")
    client = signed_in(person)
    session = client.session.session_key
    assert session is not None
    media, clock = FakeMedia(), HandClock(int(timezone.now().timestamp()) * SECOND)
    holder = held_by(media, FakeCustody(), clock)
    made = purpose(may_stand=True)
    return House(media, clock, holder, person, viewer(person, session), made, site.group, other.group, client)


@pytest.fixture(name="written")
def _written(house: House) -> Written:
    return Written.from_now()


def test_it_answers_and_every_look_has_its_leaf_that_names_it(house: House, written: Written) -> None:
    approval = house.open()
    for _ in range(2):
        house.holder.give(house.viewer, DIGEST, house.recorded(house.reason(approval), "market"))
    [opened] = written.bodies("approval.opened")
    assert (opened["groups"], opened["reference"], opened["who"]["name"]) == (
        ["Town centre"],
        "OP-1",
        "The control room",
    )
    looks = written.bodies("look.opened")
    assert [(each["purpose"]["approval"], each["reference"]) for each in looks] == [(str(approval.pk), "OP-1")] * 2
    assert looks[0]["purpose"]["name"] == house.purpose.name


def test_it_covers_its_groups_alone(house: House) -> None:
    reason = house.reason(house.open())
    given = house.holder.give(house.viewer, DIGEST, house.recorded(reason, "market", "foyer"))
    assert given.decision.recorded == ("market",)
    assert "does not cover Foyer" in given.decision.refusals[0].words
    live = house.holder.give(house.viewer, DIGEST, Wish(live=("market", "foyer"), reason=reason)).decision
    assert (live.replay, live.live) == (("market",), ("foyer",))


def test_it_opens_nothing_that_its_holder_may_not_see(house: House) -> None:
    reason = house.reason(house.open())
    weak = Viewer(house.person.pk, house.person.name, house.viewer.session, Rights(everywhere=frozenset({Action.LIVE})))
    with pytest.raises(ForbiddenError, match="needs the right"):
        house.holder.give(weak, DIGEST, house.recorded(reason, "market"))


def test_nobody_uses_anothers(house: House) -> None:
    approval = house.open()
    olive = person_with(*ALL, name="Olive Operator")
    with pytest.raises(ForbiddenError, match="is over"):
        stated(house.reason(approval), olive.pk)
    with pytest.raises(ForbiddenError, match="is over"):
        stated(Reason(house.purpose.pk, "X", approval="nonsense"), house.person.pk)


def test_at_its_end_what_it_opened_closes_and_it_answers_no_more(house: House) -> None:
    approval = house.open(hours=1)
    given = house.holder.give(house.viewer, DIGEST, house.recorded(house.reason(approval), "market"))
    other = house.holder.give(house.viewer, DIGEST, Wish(live=("market",)))
    house.clock.now_ns += HOUR + SECOND
    house.holder.look()
    assert given.id in house.media.revoked
    assert other.id not in house.media.revoked or house.media.revoked.index(given.id) == 0
    with pytest.raises(MissingError, match="approval for this shift is over"):
        house.holder.heard(given.id, house.viewer)
    now = timezone.now()
    Approval.objects.update(begins_at=now - dt.timedelta(hours=2), until=now - dt.timedelta(hours=1))
    with pytest.raises(ForbiddenError, match=OVER[:20]):
        stated(house.reason(approval), house.person.pk)
    assert house.open() != approval, "another may be opened then"


def test_it_can_be_ended_at_once(house: House, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    approval = house.open()
    given = house.holder.give(house.viewer, DIGEST, house.recorded(house.reason(approval), "market"))
    monkeypatch.setattr(approval_pages, "holder", lambda: house.holder)
    assert "You look back for" in house.client.get("/purposes/shift").content.decode()
    house.client.post("/purposes/shift/end")
    assert house.media.revoked == [given.id]
    [ended] = written.bodies("approval.ended")
    assert (ended["who"]["name"], ended["approval"]) == ("Sam Supervisor", str(approval.pk))
    with pytest.raises(ForbiddenError):
        stated(house.reason(approval), house.person.pk)
    assert house.client.post("/purposes/shift/end").status_code == 404


def test_one_at_a_time(house: House) -> None:
    house.open()
    with pytest.raises(ConflictError, match="end it first"):
        house.open()
    assert Approval.objects.count() == 1


@pytest.mark.parametrize("hours", [0, -1, 13, 10**6])
def test_it_lasts_at_most_twelve_hours(house: House, hours: int) -> None:
    with pytest.raises(InvalidError, match="from 1 to 12 hours"):
        house.open(hours)
    assert dt.timedelta(hours=12) == MOST


def test_a_purpose_has_to_allow_it_also_later(house: House) -> None:
    approval = house.open()
    Purpose.objects.update(may_stand=False)
    with pytest.raises(ForbiddenError):
        stated(house.reason(approval), house.person.pk)
    approvals.end_approval(house.person)
    with pytest.raises(InvalidError, match="may not be approved"):
        house.open()
    Purpose.objects.update(may_stand=True, in_use=False)
    with pytest.raises(InvalidError, match="may not be approved"):
        house.open()


def test_it_needs_the_right_at_each_group(house: House) -> None:
    lena = person_with(Action.SHIFT, group=house.library, name="Lena Library")
    asked = Asked(house.purpose.pk, "OP-1", (house.library.pk, house.town.pk), 8)
    with pytest.raises(ForbiddenError, match="Open a purpose for a shift"):
        approvals.open_approval(lena, rights_of(lena), asked, "OP-1")
    with pytest.raises(InvalidError, match="at least one group"):
        approvals.open_approval(lena, rights_of(lena), Asked(house.purpose.pk, "", (), 8), "")


def test_it_does_not_hold_where_it_cannot_be_written_down(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise UnavailableError("the ledger’s disk is full")

    monkeypatch.setattr(Ledger, "append", full)
    with pytest.raises(UnavailableError):
        house.open()
    assert not Approval.objects.exists()


# --- pages ------------------------------------------------------------------------------------------------------------


def form(house: House, **values: Any) -> dict[str, Any]:
    return {"purpose": house.purpose.pk, "reference": "OP-1", "groups": [house.town.pk], "hours": 8} | values


def test_it_is_opened_on_a_page_and_shown_above_the_pictures(house: House, written: Written) -> None:
    assert house.client.post("/purposes/shift", form(house)).status_code == 302
    approval = Approval.objects.get()
    assert written.bodies("approval.opened")[0]["who"]["name"] == "Sam Supervisor"
    for address in ("/wall", "/review"):
        page = house.client.get(address).content.decode()
        assert f'data-approval="{approval.pk}"' in page
        assert "End it now" in page
    Approval.objects.update(ended_at=timezone.now())
    assert "data-approval" not in house.client.get("/review").content.decode()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"reference": ""}, "needs a reference"),
        ({"groups": []}, "at least one group"),
        ({"hours": 13}, "less than or equal to 12"),
        ({"hours": ""}, "Say how long"),
        ({"purpose": 999999}, "Select a valid choice"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(house: House, wrong: dict[str, Any], words: str) -> None:
    answer = house.client.post("/purposes/shift", form(house, **wrong))
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    assert not Approval.objects.exists()


def test_auditors_see_whose_and_where(house: House) -> None:
    house.open()
    everywhere = signed_in(person_with(Action.READ_LEDGER, name="Ada Auditor"))
    there = signed_in(person_with(Action.READ_LEDGER, group=house.library, name="Lena Library"))
    assert "Sam Supervisor" in everywhere.get("/purposes/shifts").content.decode()
    assert "Sam Supervisor" not in there.get("/purposes/shifts").content.decode()

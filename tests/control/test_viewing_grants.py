"""Grants in force: given, renewed, given anew, and revoked by everything that ends them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError

from acts_rig import Written, purpose, reason
from control_rig import camera_at, person_with, signed_in, site_in
from overt.clock import SECOND
from overt.contract.instant import to_iso
from overt.control.people.actions import Action
from overt.control.people.models import Appointment, Person
from overt.control.viewing import grants
from overt.control.viewing.catalogue import Place
from overt.control.viewing.granting import RING_NS, Wish
from overt.control.viewing.grants import HEARD_S, LIFETIME_S, MAX_PER_SESSION, RENEW_S, Holder, Viewer
from overt.control.viewing.models import Purpose
from overt.control.viewing.reasons import Reason
from overt.control.viewing.standing import standing
from overt.errors import ConflictError, ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.ledger.ledger import Ledger
from viewing_rig import DIGEST, FakeCustody, FakeMedia, HandClock, held_by, viewer, windows

pytestmark = pytest.mark.django_db
ALL = (Action.LIVE, Action.REPLAY, Action.RECORDED, Action.EXPORT)
HOUR = 3600 * SECOND
LIVE = Wish(live=("market",))


@dataclass
class House:
    media: FakeMedia
    custody: FakeCustody
    clock: HandClock
    holder: Holder
    person: Person
    viewer: Viewer
    reason: Reason
    written: Written

    def recorded(self, *cameras: str, hours: float = 1) -> Wish:
        now = self.clock.now_ns
        return Wish((), cameras, now - int(hours * HOUR), now + HOUR, self.reason)


@pytest.fixture(name="house")
def _house() -> House:
    site = site_in()
    camera_at(site, "market")
    camera_at(site_in("Libraries", "Central Library"), "foyer")
    media, custody, clock = FakeMedia(), FakeCustody(), HandClock()
    person = person_with(*ALL, group=site.group)
    session = signed_in(person).session.session_key
    holder = held_by(media, custody, clock)
    return House(media, custody, clock, holder, person, viewer(person, session), reason(), Written.from_now())


def test_a_grant_is_given_to_the_media_plane_bound_to_the_secret(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, LIVE)
    [grant] = house.media.given[given.id]
    assert (grant.binding.secret, grant.person) == (DIGEST, "Robin Field")
    assert grant.expires_s - grant.issued_s == LIFETIME_S
    assert "eyJ" not in repr(given)


def test_nothing_is_given_where_nothing_is_allowed(house: House) -> None:
    with pytest.raises(ForbiddenError, match="foyer"):
        house.holder.give(house.viewer, DIGEST, Wish(live=("foyer",)))
    assert house.media.given == {}


def test_what_is_refused_is_written_down_once_however_often_a_page_asks(house: House) -> None:
    for _ in range(5):
        with pytest.raises(ForbiddenError):
            house.holder.give(house.viewer, DIGEST, Wish(live=("foyer",)))
    wish = house.recorded("foyer", "market")
    given = house.holder.give(house.viewer, DIGEST, wish)
    for _ in range(5):
        house.holder.change(given.id, house.viewer, wish)
    told = house.written.bodies("look.refused")
    assert [(each["cameras"], each["lacking"]) for each in told] == [
        (["foyer"], ["Watch live"]),
        (["foyer"], ["Look back at recorded footage"]),
    ]
    assert told[1]["footage"] == {"from": to_iso(wish.from_ns), "to": to_iso(wish.to_ns)}
    assert told[0]["who"]["name"] == "Robin Field"


def test_a_page_that_asks_without_a_purpose_yet_is_no_refused_look(house: House) -> None:
    now = house.clock.now_ns
    with pytest.raises(ForbiddenError, match="purpose"):
        house.holder.give(house.viewer, DIGEST, Wish((), ("market",), now - HOUR, now))
    assert house.written.bodies("look.refused") == []


def test_it_is_renewed_while_the_page_asks_and_ends_when_it_does_not(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, LIVE)
    for _ in range(4):
        house.clock.pass_s(RENEW_S - 10)
        house.holder.heard(given.id, house.viewer)
        house.holder.look()
    issued = [grant.issued_s for grant in house.media.given[given.id]]
    assert len(issued) == 3
    assert issued == sorted(set(issued))
    house.clock.pass_s(HEARD_S + 1)
    house.holder.look()
    assert house.media.revoked == [given.id]
    with pytest.raises(MissingError, match="This page was closed"):
        house.holder.heard(given.id, house.viewer)


def test_a_page_that_closes_ends_it_at_once(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, LIVE)
    house.holder.close(given.id, house.viewer.session)
    assert house.media.revoked == [given.id]


def test_what_a_page_asks_for_while_it_is_looked_after_is_not_taken_for_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera_at(house.person.appointments.get().group.sites.get(), "street")
    given = house.holder.give(house.viewer, DIGEST, house.recorded("market"))
    both = house.recorded("market", "street")
    known = grants.places

    def meanwhile(cameras: Collection[str]) -> Mapping[str, Place]:
        """The page comes in between what is known of its wish and what follows from that."""
        found = known(cameras)
        monkeypatch.setattr(grants, "places", known)
        house.holder.change(given.id, house.viewer, both)
        return found

    monkeypatch.setattr(grants, "places", meanwhile)
    house.holder.look()
    assert house.holder.heard(given.id, house.viewer).decision.recorded == ("market", "street")
    assert house.media.revoked == []
    # It is looked after at the next turn already, and what has ended meanwhile ends.
    house.person.appointments.all().delete()
    house.clock.pass_s(1)
    house.holder.look()
    assert house.media.revoked == [given.id]


def test_a_media_process_that_began_anew_is_given_grant_and_keys_again(house: House) -> None:
    period = uuid4()
    house.custody.periods[period] = ("market", house.clock.now_ns - HOUR, house.clock.now_ns)
    given = house.holder.give(house.viewer, DIGEST, house.recorded("market"))
    assert set(house.media.roots[given.id]) == {period}
    house.media.restart()
    house.holder.look()
    assert set(house.media.roots[given.id]) == {period}


def test_keys_of_what_begins_while_somebody_looks_are_released(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, house.recorded("market"))
    assert house.media.roots[given.id] == {}
    fresh, foreign, old = uuid4(), uuid4(), uuid4()
    now = house.clock.now_ns
    house.custody.periods |= {
        fresh: ("market", now, now + HOUR),
        foreign: ("foyer", now, now + HOUR),
        old: ("market", now - 9 * HOUR, now - 8 * HOUR),
    }
    house.clock.pass_s(5)
    house.holder.look()
    assert set(house.media.roots[given.id]) == {fresh}


def test_only_the_keys_of_the_hours_asked_for_are_released(house: House) -> None:
    now = house.clock.now_ns
    inside, outside, other = uuid4(), uuid4(), uuid4()
    house.custody.periods |= {
        inside: ("market", now - HOUR, now),
        outside: ("market", now - 30 * HOUR, now - 29 * HOUR),
        other: ("foyer", now - HOUR, now),
    }
    given = house.holder.give(house.viewer, DIGEST, house.recorded("market", "foyer"))
    assert set(house.media.roots[given.id]) == {inside}


# --- what is written down ---------------------------------------------------------------------------------------------


def test_looking_back_is_written_down_before_anything_is_opened(house: House) -> None:
    house.media.away = True
    wish = house.recorded("market")
    with pytest.raises(UnavailableError):
        house.holder.give(house.viewer, DIGEST, wish)
    [(_, look), (_, end)] = house.written.leaves("look.")
    assert look["who"] == {"id": str(house.person.pk), "name": "Robin Field", "via": "page"}
    assert (look["cameras"], look["reference"]) == (["market"], "INC-7")
    assert look["purpose"] == {"name": "Prevention and detection of crime", "legal_basis": "Public task"}
    assert look["footage"] == {"from": to_iso(wish.from_ns), "to": to_iso(wish.to_ns)}
    assert end["why"] == "It could not be given."
    house.media.away = False
    given = house.holder.give(house.viewer, DIGEST, wish)
    assert house.written.leaves("look.")[-1][0] == "look.opened"
    house.holder.close(given.id, house.viewer.session)
    kind, end = house.written.leaves("look.")[-1]
    assert (kind, end["grant"], end["cameras"], end["why"]) == (
        "look.ended",
        str(given.id),
        ["market"],
        "This page was closed.",
    )


def test_watching_live_is_written_down_once_for_each_camera_of_a_page(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, LIVE)
    house.holder.change(given.id, house.viewer, LIVE)
    for _ in range(4):
        house.clock.pass_s(RENEW_S - 10)
        house.holder.heard(given.id, house.viewer)
        house.holder.look()
    assert [(kind, body["cameras"]) for kind, body in house.written.leaves("look.")] == [("look.live", ["market"])]


def test_without_a_purpose_nothing_that_is_past_is_shown(house: House) -> None:
    wish = house.recorded("market")
    with pytest.raises(ForbiddenError, match="Say for what purpose"):
        house.holder.give(house.viewer, DIGEST, Wish((), wish.recorded, wish.from_ns, wish.to_ns))
    given = house.holder.give(house.viewer, DIGEST, LIVE)
    assert windows(house.media.given[given.id][-1]) == {("market", "live"): house.clock.now_ns}
    assert [kind for kind, _ in house.written.leaves("look.")] == ["look.live"]


def test_the_last_minutes_need_a_purpose_and_no_key(house: House) -> None:
    house.custody.unlocked = False
    given = house.holder.give(house.viewer, DIGEST, Wish(live=("market",), reason=house.reason))
    assert windows(house.media.given[given.id][-1]) == {("market", "live"): house.clock.now_ns - RING_NS}
    assert [kind for kind, _ in house.written.leaves("look.")] == ["look.live", "look.replayed"]


def test_a_purpose_opens_what_the_register_says_of_it(house: House) -> None:
    wish = house.recorded("market")
    checking = purpose(name="Checking", needs_reference=False, opens=["replay"])
    with pytest.raises(ForbiddenError, match="“Checking” does not open recorded footage"):
        house.holder.give(house.viewer, DIGEST, replace(wish, reason=Reason(checking.pk)))
    looking = purpose(name="Looking", needs_reference=False, opens=["recorded"])
    given = house.holder.give(house.viewer, DIGEST, replace(wish, reason=Reason(looking.pk)))
    assert given.decision.export == ()
    with pytest.raises(ForbiddenError, match="Export footage"):
        house.holder.take(given.id, house.viewer, ["market"], wish.from_ns, wish.from_ns + SECOND)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("", "enter the incident number"),
        ("  ", "enter the incident number"),
        ("x" * 65, "at most 64"),
        ("a\nb", "one line"),
    ],
)
def test_a_reference_that_is_missing_or_none_is_refused(house: House, reference: str, words: str) -> None:
    wish = replace(house.recorded("market"), reason=Reason(house.reason.purpose, reference))
    with pytest.raises(InvalidError, match=words):
        house.holder.give(house.viewer, DIGEST, wish)
    assert house.written.leaves("look.opened") == []


def test_a_purpose_that_is_not_in_use_opens_nothing(house: House) -> None:
    Purpose.objects.update(in_use=False)
    with pytest.raises(InvalidError, match="not in use"):
        house.holder.give(house.viewer, DIGEST, house.recorded("market"))


def test_another_purpose_is_another_look(house: House) -> None:
    wish = house.recorded("market")
    given = house.holder.give(house.viewer, DIGEST, wish)
    house.holder.change(given.id, house.viewer, replace(wish, reason=None))
    house.holder.change(given.id, house.viewer, replace(wish, reason=Reason(house.reason.purpose, "INC-8", "RIPA 3")))
    looks = house.written.bodies("look.opened")
    assert [each["reference"] for each in looks] == ["INC-7", "INC-8"]
    assert [each["purpose"].get("authorisation") for each in looks] == [None, "RIPA 3"]


def test_what_cannot_be_written_down_is_not_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    held = house.holder.give(house.viewer, DIGEST, LIVE)

    def full(*_: object, **__: object) -> None:
        raise UnavailableError("the disk of the ledger is full")

    monkeypatch.setattr(Ledger, "append", full)
    for wish in (house.recorded("market"), LIVE):
        with pytest.raises(UnavailableError, match="ledger is full"):
            house.holder.give(house.viewer, DIGEST, wish)
    assert list(house.media.given) == [held.id]
    house.holder.look()
    assert house.media.revoked[:2] == house.media.revoked, "what was given goes on"
    assert held.id not in house.media.revoked


def test_a_clip_needs_the_right_and_open_footage_and_is_written_down(house: House) -> None:
    wish = house.recorded("market")
    given = house.holder.give(house.viewer, DIGEST, wish)
    begin = wish.from_ns
    house.holder.take(given.id, house.viewer, ["market"], begin, begin + SECOND)
    [clip] = house.written.bodies("clip.taken")
    assert (clip["cameras"], clip["reference"], clip["grant"]) == (["market"], "INC-7", str(given.id))
    assert clip["footage"] == {"from": to_iso(begin), "to": to_iso(begin + SECOND)}
    with pytest.raises(ForbiddenError, match="Export footage"):
        house.holder.take(given.id, house.viewer, ["foyer"], begin, begin + SECOND)
    with pytest.raises(ForbiddenError, match="not open"):
        house.holder.take(given.id, house.viewer, ["market"], begin - HOUR, begin)
    assert len(house.written.bodies("clip.taken")) == 1


# --- what ends it -----------------------------------------------------------------------------------------------------


def removed(house: House) -> None:
    Person.objects.filter(pk=house.person.pk).update(is_active=False)
    house.holder.rights_changed([house.person.pk])


def appointment_taken(house: House) -> None:
    Appointment.objects.filter(person=house.person).delete()
    house.holder.rights_changed([house.person.pk])


def signed_out(house: House) -> None:
    house.holder.session_ended(house.viewer.session)


def session_gone(house: House) -> None:
    Session.objects.all().delete()
    house.clock.pass_s(6)


def account_expired(house: House) -> None:
    Person.objects.filter(pk=house.person.pk).update(expires_at="2020-01-01T00:00:00Z")
    house.clock.pass_s(6)


@pytest.mark.parametrize("ends", [removed, appointment_taken, signed_out, session_gone, account_expired])
def test_it_is_revoked_when(house: House, ends: Callable[[House], None]) -> None:
    given = house.holder.give(house.viewer, DIGEST, house.recorded("market"))
    house.holder.look()
    assert house.media.revoked == []
    ends(house)
    house.holder.look()
    assert house.media.revoked == [given.id]
    with pytest.raises(MissingError):
        house.holder.heard(given.id, house.viewer)


def test_less_is_given_when_one_right_of_several_is_taken(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, Wish(live=("market",), reason=house.reason))
    role = house.person.appointments.get().role
    role.actions = [Action.LIVE.value]
    role.save()
    house.holder.rights_changed([house.person.pk])
    house.holder.look()
    last = house.media.given[given.id][-1]
    assert windows(last) == {("market", "live"): house.clock.now_ns}
    assert house.media.revoked == []


def test_a_right_that_is_taken_ends_released_keys(house: House) -> None:
    wish = house.recorded("market")
    given = house.holder.give(
        house.viewer, DIGEST, Wish(("market",), ("market",), wish.from_ns, wish.to_ns, house.reason)
    )
    role = house.person.appointments.get().role
    role.actions = [Action.LIVE.value, Action.REPLAY.value]
    role.save()
    house.holder.rights_changed([house.person.pk])
    house.holder.look()
    assert house.media.revoked == [given.id]


def test_what_could_not_be_revoked_is_tried_again(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, LIVE)
    house.media.away = True
    house.holder.session_ended(house.viewer.session)
    with pytest.raises(UnavailableError):
        house.holder.look()
    house.media.away = False
    house.holder.look()
    assert house.media.revoked == [given.id]


def test_a_database_that_is_away_ends_nothing(house: House) -> None:
    away = False

    def ask(*asked: object) -> object:
        if away:
            raise OperationalError("gone")
        return standing(*asked)  # type: ignore[arg-type]

    holder = held_by(house.media, house.custody, house.clock, ask=ask)
    given = holder.give(house.viewer, DIGEST, LIVE)
    away = True
    for _ in range(30):
        house.clock.pass_s(10)
        holder.look()
    assert house.media.revoked == []
    assert len(house.media.given[given.id]) > 3
    away = False
    house.clock.pass_s(HEARD_S + 10)
    holder.look()
    assert house.media.revoked == [given.id]


def test_stopping_revokes_everything(house: House) -> None:
    given = [house.holder.give(house.viewer, DIGEST, LIVE).id for _ in range(3)]
    house.holder.stop()
    assert sorted(house.media.revoked) == sorted(given)


# --- attacks ----------------------------------------------------------------------------------------------------------


def test_anothers_grant_is_not_there(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, LIVE)
    other = person_with(*ALL, name="Mallory Other")
    foe = viewer(other, signed_in(other).session.session_key)
    for attempt in (
        lambda: house.holder.heard(given.id, foe),
        lambda: house.holder.change(given.id, foe, LIVE),
        lambda: house.holder.take(given.id, foe, ["market"], 0, 1),
    ):
        with pytest.raises(MissingError, match="no such grant"):
            attempt()
    house.holder.close(given.id, foe.session)
    assert house.media.revoked == []
    house.holder.heard(given.id, house.viewer)


def test_pages_of_one_sign_in_are_bounded(house: House) -> None:
    for _ in range(MAX_PER_SESSION):
        house.holder.give(house.viewer, DIGEST, LIVE)
    with pytest.raises(ConflictError, match="Close some"):
        house.holder.give(house.viewer, DIGEST, LIVE)


def test_a_change_cannot_add_what_is_not_allowed(house: House) -> None:
    given = house.holder.give(house.viewer, DIGEST, LIVE)
    changed = house.holder.change(given.id, house.viewer, Wish(live=("market", "foyer")))
    assert changed.decision.cameras == ("market",)
    assert set(windows(house.media.given[given.id][-1])) == {("market", "live")}

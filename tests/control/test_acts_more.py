"""Acts beside looks: refused proofs and looks, plans, layouts, alerts, and what commands of this machine do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from pytest_django import Settings

from acts_rig import Written, fresh_ledger
from control_rig import PASSWORD, browser, camera_at, person_with, signed_in, site_in
from overt.contract import local_socket
from overt.control.acts import outside
from overt.control.acts.actor import Actor
from overt.control.acts.kinds import Kind
from overt.control.acts.outside import SOCKET, Doorway, write_down
from overt.control.configuration import ControlSettings
from overt.control.health.models import AlertRule
from overt.control.health.rules import delete_rule, save_rule
from overt.control.people.actions import Action
from overt.control.people.models import Person, SiteGroup
from overt.control.people.rights import Rights, rights_of
from overt.control.viewing import layouts, pictures, plans
from overt.control.viewing.messages import NewLayout, NewTour
from overt.control.viewing.models import FloorPlan, Layout, Tour
from overt.control.viewing.refused import AGAIN_NS, MAX_LEAVES, RefusedLooks
from overt.errors import ForbiddenError, UnavailableError
from overt.ledger.ledger import Ledger
from viewing_rig import HandClock

pytestmark = pytest.mark.django_db
ALL = Rights(everywhere=frozenset(Action))


@pytest.fixture(name="written")
def _written() -> Written:
    cache.clear()
    return Written.from_now()


@pytest.fixture(name="full")
def _full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be written any more."""

    def full(*_: object) -> None:
        raise UnavailableError("the ledger’s disk is full")

    monkeypatch.setattr(Ledger, "append", full)


# --- proofs that are refused ------------------------------------------------------------------------------------------


def passkey_of(person: Person) -> str:
    """What a browser might send, with nothing in it that proves anything."""
    handle = "".join(format(each, "02x") for each in person.pk.bytes)
    response = {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA", "userHandle": handle}
    return json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": response})


def test_a_wrong_code_of_the_second_step_is_written_down(written: Written) -> None:
    person, client = person_with(Action.LIVE, name="Olive Operator"), browser()
    TOTP.activate(person, generate_totp_secret())
    client.post("/sign-in", {"login": person.email, "password": PASSWORD})
    client.post("/sign-in/second-step", {"code": "000000"})
    [failed] = written.bodies("sign-in.failed")
    assert (failed["person"]["name"], failed["address"]) == ("Olive Operator", "127.0.0.1")
    assert failed["how"].startswith("with a code")
    assert failed["who"]["name"] == "Somebody who is not signed in"
    assert "000000" not in str(failed)


def test_tries_that_are_not_even_made_are_not_written_down(written: Written) -> None:
    person, client = person_with(Action.LIVE, name="Olive Operator"), browser()
    TOTP.activate(person, generate_totp_secret())
    client.post("/sign-in", {"login": person.email, "password": PASSWORD})
    for _ in range(9):
        client.post("/sign-in/second-step", {"code": "000000"})
    assert 1 <= len(written.bodies("sign-in.failed")) <= 6


def test_a_passkey_that_proves_nothing_is_written_down(written: Written) -> None:
    person = person_with(Action.LIVE, name="Olive Operator")
    client = browser()
    client.get("/sign-in/passkey", headers={"x-requested-with": "XMLHttpRequest"})
    for credential in (passkey_of(person), '{"id": 7}', '{"response": []}'):
        answer = client.post("/sign-in/passkey", {"credential": credential})
        assert answer.status_code == 302
    found = written.bodies("sign-in.failed")
    assert [each["how"] for each in found] == ["with a passkey"] * 3
    assert client.session.get("_auth_user_id") is None


def test_a_passkey_as_second_step_is_tried_on_an_account_that_is_known(written: Written) -> None:
    person, client = person_with(Action.LIVE, name="Olive Operator"), browser()
    TOTP.activate(person, generate_totp_secret())
    client.post("/sign-in", {"login": person.email, "password": PASSWORD})
    client.post("/sign-in/second-step", {"credential": passkey_of(person)})
    [failed] = written.bodies("sign-in.failed")
    assert (failed["how"], failed["person"]["name"]) == ("with a passkey", "Olive Operator")


def test_who_is_signed_in_and_fails_to_prove_it_again_is_named(written: Written) -> None:
    person = person_with(Action.LIVE, name="Olive Operator")
    client = signed_in(person)
    TOTP.activate(person, generate_totp_secret())
    kind = Authenticator.Type.WEBAUTHN
    Authenticator.objects.create(user=person, type=kind, data={"name": "Key", "credential": {}})
    client.post("/account/confirm/code", {"code": "000000"})
    client.post("/account/confirm/passkey", {"credential": passkey_of(person)})
    found = written.bodies("sign-in.proof-failed")
    assert [each["who"]["name"] for each in found] == ["Olive Operator"] * 2


# --- plans, layouts, alerts -------------------------------------------------------------------------------------------


@dataclass
class Place:
    group: SiteGroup
    plan: FloorPlan
    camera: Any
    person: Person

    def layout(self, name: str, group: int | None, *cells: str) -> Layout:
        asked = NewLayout(name=name, group=group, tiles=4, cells=cells)
        return layouts.save_layout(self.person, rights_of(self.person), asked)


@pytest.fixture(name="place")
def _place() -> Place:
    site = site_in()
    camera = camera_at(site, "market")
    person = person_with(Action.LIVE, Action.CHANGE_CAMERAS, name="Max Manager")
    plan = FloorPlan.objects.create(site=site, name="Ground floor", width=800, height=600)
    return Place(site.group, plan, camera, person)


def test_plans_are_written_down(place: Place, written: Written) -> None:
    made = plans.add_plan(place.plan.site, "First floor", pictures.Picture(b"RIFF", 10, 10))
    plans.put_pins(made, [plans.Place(place.camera.pk, 10, 20, 90)])
    plans.remove_plan(made)
    told = written.bodies("plan.changed")
    assert [(each["what"], each.get("cameras")) for each in told] == [
        ("It was added.", None),
        ("Its cameras were placed.", ["market"]),
        ("It was removed.", ["market"]),
    ]
    assert {each["plan"]["name"] for each in told} == {"First floor"}


def test_a_plan_that_cannot_be_written_down_is_not_changed(place: Place, full: None) -> None:
    with pytest.raises(UnavailableError):
        plans.add_plan(place.plan.site, "First floor", pictures.Picture(b"RIFF", 10, 10))
    with pytest.raises(UnavailableError):
        plans.put_pins(place.plan, [plans.Place(place.camera.pk, 10, 20, 90)])
    with pytest.raises(UnavailableError):
        plans.remove_plan(place.plan)
    assert [str(each) for each in FloorPlan.objects.all()] == [str(place.plan)]
    assert not place.plan.pins.exists()


def test_layouts_are_written_down_once_others_can_show_them(place: Place, written: Written) -> None:
    group = place.group.pk
    place.layout("Mine", None, "market")
    assert written.bodies() == []
    place.layout("Mine", group, "market")
    place.layout("Mine", group, "market")
    shared = place.layout("Mine", group, "market", "foyer")
    asked = NewTour(name="Round", group=group, steps=({"layout": shared.pk, "seconds": 10},))
    tour = layouts.save_tour(place.person, rights_of(place.person), asked)
    layouts.remove_tour(place.person, tour.pk)
    place.layout("Mine", None, "market")
    layouts.remove_layout(place.person, shared.pk)
    told = [
        [(change["field"], change["before"], change["after"]) for change in each["changes"]]
        for each in written.bodies("layout.changed")
    ]
    assert told == [
        [("shared_with", "", "Town centre"), ("cameras", "", "market")],
        [("cameras", "market", "market, foyer")],
        [("shared_with", "", "Town centre"), ("layouts", "", "Mine")],
        [("shared_with", "Town centre", ""), ("layouts", "Mine", "")],
        [("shared_with", "Town centre", ""), ("cameras", "market, foyer", "")],
    ]


def test_a_layout_is_not_shared_where_that_cannot_be_written_down(place: Place, full: None) -> None:
    place.layout("Mine", None, "market")
    with pytest.raises(UnavailableError):
        place.layout("Mine", place.group.pk, "market")
    assert Layout.objects.get().group is None
    assert not Tour.objects.exists()


def duty(**values: Any) -> AlertRule:
    return AlertRule(**{"name": "Duty", "channel": "email", **values})


def test_alert_rules_are_written_down_without_address_and_secret(written: Written) -> None:
    rule = save_rule(duty(), ALL, address="duty@northshire.example", secret="s3cret")
    rule.severity = "urgent"
    save_rule(rule, ALL, address="", secret=None, version=rule.version)
    delete_rule(rule, ALL)
    made, changed, gone = written.bodies("alert.changed")
    assert {"field": "name", "before": "", "after": "Duty"} in made["changes"]
    assert {"field": "address", "before": "", "after": "another one"} in made["changes"]
    assert changed["changes"] == [{"field": "severity", "before": "warning", "after": "urgent"}]
    assert (gone["rule"]["name"], gone["what"]) == ("Duty", "It was deleted.")
    for secret in ("northshire", "s3cret"):
        assert secret not in str(written.bodies("alert."))


def test_an_alert_rule_that_cannot_be_written_down_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = save_rule(duty(), ALL, address="duty@northshire.example", secret=None)

    def full(*_: object) -> None:
        raise UnavailableError("the ledger’s disk is full")

    monkeypatch.setattr(Ledger, "append", full)
    rule.severity = "urgent"
    with pytest.raises(UnavailableError):
        save_rule(rule, ALL, address="", secret=None)
    with pytest.raises(UnavailableError):
        delete_rule(AlertRule.objects.get(), ALL)
    assert AlertRule.objects.get().severity == "warning"


# --- looks that are refused -------------------------------------------------------------------------------------------

WHO = Actor(None, "Olive Operator")


def test_a_refused_look_is_written_down_once_for_a_camera_of_a_sign_in(written: Written) -> None:
    clock = HandClock()
    refused = RefusedLooks(clock)
    for _ in range(100):
        refused.note("s1", WHO, [("foyer", Action.LIVE), ("foyer", Action.LIVE)])
    refused.note("s1", WHO, [("foyer", Action.LIVE), ("vault", Action.RECORDED)])
    refused.note("s2", WHO, [("foyer", Action.LIVE)])
    told = [(each["cameras"], each["lacking"]) for each in written.bodies("look.refused")]
    assert told == [
        (["foyer"], ["Watch live"]),
        (["vault"], ["Look back at recorded footage"]),
        (["foyer"], ["Watch live"]),
    ]
    clock.now_ns += AGAIN_NS
    refused.note("s1", WHO, [("foyer", Action.LIVE)])
    assert len(written.bodies("look.refused")) == 4


def test_who_asks_for_a_thousand_cameras_does_not_fill_the_ledger(written: Written) -> None:
    refused = RefusedLooks(HandClock())
    for number in range(3 * MAX_LEAVES):
        refused.note("s1", WHO, [(f"camera-{number}", Action.LIVE)])
    told = written.bodies("look.refused")
    assert len(told) == MAX_LEAVES
    assert "not written down" in told[-1]["more"]


def test_a_refusal_that_cannot_be_written_down_stays_a_refusal(full: None) -> None:
    RefusedLooks(HandClock()).note("s1", WHO, [("foyer", Action.LIVE)])


# --- commands of this machine -----------------------------------------------------------------------------------------


@pytest.fixture(name="room")
def _room(tmp_path: Path, settings: Settings) -> Iterator[ControlSettings]:
    """A control room that runs: it has the ledger open, and listens."""
    told = ControlSettings.read({"data": tmp_path / "room", "plain_http": True}, "test")
    told.data.mkdir()
    settings.CONTROL = told
    doorway = Doorway(told.data / SOCKET)
    with fresh_ledger(told.ledger):
        doorway.start()
        try:
            yield told
        finally:
            doorway.stop()
    assert not (told.data / SOCKET).exists()


def test_a_command_has_the_running_room_write_for_it(room: ControlSettings) -> None:
    assert write_down(room, Kind.BACKED_UP, {"file": "x.age"}) == 0
    assert write_down(room, Kind.BACKED_UP, {"file": "y.age"}) == 1
    first, second = Written(0).bodies("system.backup")
    assert (first["file"], second["file"]) == ("x.age", "y.age")
    assert first["who"]["via"] == "command"
    assert first["who"]["name"].endswith("on the control room’s machine")


def test_a_command_writes_itself_where_no_room_runs(tmp_path: Path) -> None:
    told = ControlSettings.read({"data": tmp_path, "plain_http": True}, "test")
    assert [write_down(told, Kind.BACKED_UP, {}) for _ in range(2)] == [0, 1]


def test_commands_write_about_their_own_kinds_alone(room: ControlSettings) -> None:
    with pytest.raises(ForbiddenError, match="no act of a command"):
        write_down(room, Kind.LOOK_OPENED, {})
    assert Written(0).leaves() == []


@pytest.mark.parametrize("said", [b"\n", b"no json\n", b"[]\n", b'{"kind": "gossip", "more": {}}\n', b'{"kind": 1}\n'])
def test_what_is_no_act_is_refused_and_the_next_is_heard(room: ControlSettings, said: bytes) -> None:
    with local_socket.connect(room.data / SOCKET, 30) as connection, connection.makefile("rwb") as stream:
        stream.write(said)
        stream.flush()
        assert json.loads(stream.readline())["error"]["kind"] == "invalid"
    assert write_down(room, Kind.BACKED_UP, {}) == 0


def test_somebody_else_of_this_machine_is_not_heard(room: ControlSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_PEER", _Peer())
    with pytest.raises(ForbiddenError, match="only root and the user"):
        write_down(room, Kind.BACKED_UP, {})


class _Peer:
    """As the kernel says it of user 65534."""

    size = 12

    @staticmethod
    def unpack(_: bytes) -> tuple[int, int, int]:
        return (1, 65534, 65534)


def test_a_room_that_has_the_ledger_and_does_not_listen_is_waited_for_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    told = ControlSettings.read({"data": tmp_path, "plain_http": True}, "test")
    settings.CONTROL = told
    monkeypatch.setattr(outside, "TRIES_S", 0.0)
    with fresh_ledger(told.ledger), pytest.raises(UnavailableError, match="no control room answers"):
        write_down(told, Kind.BACKED_UP, {})
    monkeypatch.setattr(outside, "TRIES_S", 120.0)
    with fresh_ledger(told.ledger):
        doorway = Doorway(told.data / SOCKET)
        found: list[int] = []
        command = threading.Thread(target=lambda: found.append(write_down(told, Kind.BACKED_UP, {})))
        command.start()
        doorway.start()
        command.join(120)
        doorway.stop()
    assert found == [0]


def test_what_cannot_be_written_is_not_done(room: ControlSettings, full: None) -> None:
    with pytest.raises(UnavailableError, match="disk is full"):
        write_down(room, Kind.BACKED_UP, {})

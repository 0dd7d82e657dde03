"""Acts are written down before they take effect, with who did them; what cannot be written down does not happen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from pydantic import SecretStr
from pytest_django import Settings

from acts_rig import Written, fresh_ledger, purpose
from control_rig import PASSWORD, browser, camera_at, person_with, signed_in, site_in
from overt.control.acts import indexing
from overt.control.acts.actor import Actor, acting
from overt.control.acts.kinds import THEMES, WORDS, Kind, Theme, kinds_of, theme_of, words_of
from overt.control.acts.models import Act, ActCamera
from overt.control.acts.recording import record
from overt.control.estate.changes import change_camera, put_device, save_site
from overt.control.estate.equipment import DeviceInput, StreamInput
from overt.control.estate.models import Camera, Site
from overt.control.people import managing, roles
from overt.control.people.actions import Action
from overt.control.people.models import Appointment, Person, Role, SiteGroup
from overt.control.people.rights import Rights
from overt.control.people.tokens import make_token, owner_of
from overt.control.viewing import holding, purposes
from overt.control.viewing.models import Purpose
from overt.errors import UnavailableError
from overt.ledger.ledger import Ledger

pytestmark = pytest.mark.django_db
ALL = Rights(everywhere=frozenset(Action))


@pytest.fixture(name="written")
def _written() -> Written:
    cache.clear()
    return Written.from_now()


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise UnavailableError("the ledger’s disk is full")

    monkeypatch.setattr(Ledger, "append", full)


def test_every_kind_has_words_and_a_theme() -> None:
    assert set(WORDS) == set(Kind)
    assert sorted(kind for theme in Theme for kind in kinds_of(theme)) == sorted(Kind)
    assert set(THEMES) == set(Theme)
    assert (words_of("later.kind"), theme_of("later.kind")) == ("later.kind", Theme.SYSTEM)


# --- who --------------------------------------------------------------------------------------------------------------


def test_what_is_done_on_a_page_is_its_persons(written: Written) -> None:
    manager = person_with(Action.MANAGE_PEOPLE, name="Max Manager")
    client = signed_in(manager)
    client.post("/people/roles/add", {"name": "Watcher", "actions": ["live"]})
    [changed] = written.bodies("role.changed")
    assert changed["who"] == {"id": str(manager.pk), "name": "Max Manager", "via": "page"}
    assert changed["changes"] == [
        {"field": "name", "before": "", "after": "Watcher"},
        {"field": "actions", "before": "", "after": "live"},
    ]


def test_what_a_program_does_is_its_tokens_person(written: Written) -> None:
    manager = person_with(Action.MANAGE_PEOPLE, name="Max Manager")
    _, token = make_token(manager, "payroll", ["manage-people"], timezone.now() + timedelta(days=3))
    answer = browser().post(
        "/api/v1/groups",
        {"name": "Harbour"},
        content_type="application/json",
        headers={"authorization": f"Bearer {token}"},
    )
    assert answer.status_code < 300, answer.content
    [made] = written.bodies("group.changed")
    assert made["who"] == {"id": str(manager.pk), "name": "Max Manager", "via": "token"}
    [told] = written.bodies("token.made")
    assert token not in str(told)
    assert owner_of(token) is not None


def test_who_acts_is_forgotten_with_the_request() -> None:
    with acting(Actor(None, "Somebody")):
        record(Kind.READ)
    start = Written.from_now()
    record(Kind.READ)
    assert start.bodies()[0]["who"] == {"name": "The control room", "via": "system"}


# --- signing in -------------------------------------------------------------------------------------------------------


def test_signing_in_failing_to_and_leaving_are_written_down(written: Written) -> None:
    person = person_with(Action.LIVE, name="Olive Operator")
    client = browser()
    client.post("/sign-in", {"login": person.email, "password": "wrong"})
    client.post("/sign-in", {"login": "nobody@northshire.example", "password": "wrong"})
    client.post("/sign-in", {"login": person.email, "password": PASSWORD})
    client.post("/sign-out")
    kinds = [kind for kind, _ in written.leaves("sign-in.")]
    assert kinds == ["sign-in.failed", "sign-in.failed", "sign-in.done", "sign-in.ended"]
    failed, unknown = written.bodies("sign-in.failed")
    assert (failed["person"]["name"], failed["email"], failed["address"]) == (
        "Olive Operator",
        person.email,
        "127.0.0.1",
    )
    assert (unknown["email"], "person" in unknown) == ("nobody@northshire.example", False)
    assert PASSWORD not in str(written.leaves())


def test_somebody_can_sign_in_to_mend_a_ledger_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    person = person_with(Action.LIVE, name="Olive Operator")
    refuse(monkeypatch)
    answer = browser().post("/sign-in", {"login": person.email, "password": PASSWORD})
    assert answer.status_code == 302


# --- what cannot be written down does not happen ----------------------------------------------------------------------


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "right.given": lambda made: managing.appoint(ALL, made["person"].pk, made["role"].pk, None),
    "right.taken": lambda made: managing.withdraw(ALL, made["person"].pk, made["appointment"].pk),
    "person.added": lambda made: managing.add_person(
        ALL, email="new@northshire.example", name="New", employer="council", expires_at=None,
        role_id=made["role"].pk, group_id=None,
    ),
    "person.removed": lambda made: managing.remove_person(ALL, made["person"].pk),
    "person.changed": lambda made: managing.change_person(
        ALL, made["person"].pk, 0, name="Another Name", employer="council", expires_at=None
    ),
    "role.changed": lambda made: roles.change_role(ALL, made["role"].pk, 0, "Watcher", ["live", "recorded"]),
    "group.changed": lambda made: roles.rename_group(ALL, made["site"].group_id, 0, "Harbour"),
    "camera.changed": lambda made: change_camera(made["camera"].pk, 0, {"retention_days": 7}, None),
    "site.changed": lambda made: save_site(Site(name="Library", group=made["site"].group), 0),
    "purpose.changed": lambda made: purposes.change_purpose(ALL, made["purpose"].pk, 0, {"needs_reference": False}),
}  # fmt: skip


def world() -> dict[str, Any]:
    """Something of everything that can be changed."""
    site = site_in()
    person = person_with(Action.LIVE, group=site.group, name="Olive Operator")
    person_with(*Action, name="Max Manager")
    return {
        "site": site,
        "person": person,
        "appointment": person.appointments.get(),
        "role": Role.objects.create(name="Watcher", actions=["live"]),
        "camera": camera_at(site, retention_days=31),
        "purpose": purpose(),
    }


def rows() -> list[object]:
    """All that the changes could change."""
    found: list[object] = []
    for model in (Person, Role, Appointment, SiteGroup, Site, Camera, Purpose):
        found += sorted(map(str, model.objects.values_list()))
    return found


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_written_down(kind: str, written: Written) -> None:
    CHANGES[kind](world())
    assert kind in [each for each, _ in written.leaves()]


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_that_cannot_be_written_down_does_not_happen(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world()
    before = rows()
    refuse(monkeypatch)
    with pytest.raises(UnavailableError, match="disk is full"):
        CHANGES[kind](made)
    assert rows() == before


def test_a_page_says_that_the_ledger_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(person_with(Action.MANAGE_PEOPLE, name="Max Manager"))
    refuse(monkeypatch)
    answer = client.post("/people/roles/add", {"name": "Watcher", "actions": ["live"]})
    assert (answer.status_code, "disk is full" in answer.content.decode()) == (503, True)
    assert not Role.objects.filter(name="Watcher").exists()


def test_a_device_is_written_down_without_its_address_and_password(written: Written) -> None:
    camera = camera_at(site_in())
    device = DeviceInput(
        "192.0.2.7", 554, "viewer", SecretStr("s3cret"), streams=(StreamInput("main", "rtsp://192.0.2.7/1"),)
    )
    put_device(camera.pk, camera.version, device, None)
    [told] = written.bodies("device.changed")
    assert told["changes"] == [{"field": "device_address", "before": "", "after": "another one"}]
    assert "192.0.2.7" not in str(told)
    assert "s3cret" not in str(told)


def test_a_passphrase_file_opens_nothing_that_is_not_written_down(
    written: Written, monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    settings.CONTROL = settings.CONTROL.model_copy(update={"custodian_passphrase_file": tmp_path / "passphrase"})
    opened: list[Path] = []
    monkeypatch.setattr(holding, "custody", lambda: SimpleNamespace(unlock_from=opened.append))
    monkeypatch.setattr(holding, "holder", lambda: SimpleNamespace(start=lambda: None))
    holding.start()
    assert (len(opened), len(written.bodies("key.unlocked"))) == (1, 1)
    refuse(monkeypatch)
    holding.start()
    assert len(opened) == 1


# --- the table by which they are found --------------------------------------------------------------------------------


def test_the_table_follows_the_ledger_and_is_made_anew(tmp_path: Path) -> None:
    person = person_with(name="Olive Operator")
    with fresh_ledger(tmp_path / "ledger"):
        for number in range(5):
            record(Kind.LOOK_OPENED, by=Actor(person.pk, person.name), cameras=["a", f"c{number}"], reference="INC-1")
        assert (indexing.catch_up(), indexing.catch_up()) == (5, 0)
        record(Kind.ROLE_GIVEN, person=(person.pk, person.name))
        assert indexing.catch_up() == 1
        first = list(Act.objects.values_list("number", "kind", "actor", "person", "reference"))
        assert first[0] == (5, "right.given", None, person.pk, "")
        assert first[1] == (4, "look.opened", person.pk, None, "INC-1")
        assert ActCamera.objects.filter(camera="a").count() == 5
        Act.objects.filter(number__in=(1, 2)).delete()
        assert indexing.catch_up() == 6, "somebody deleted rows: it is made anew"
        assert list(Act.objects.values_list("number", "kind", "actor", "person", "reference")) == first

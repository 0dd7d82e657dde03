"""Old details of looks and sign-ins go, by a setting: out of ledger and table, while every proof stays."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pydantic import ValidationError

from acts_rig import fresh_ledger
from control_rig import person_with, signed_in
from overt.cli.main import main
from overt.control.acts import indexing, pruning
from overt.control.acts.actor import Actor
from overt.control.acts.kinds import Kind
from overt.control.acts.models import Act, ActCamera
from overt.control.acts.pruning import keep_for, prune
from overt.control.acts.recording import record
from overt.control.configuration import ControlSettings
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.errors import UnavailableError
from overt.ledger.ledger import Ledger

pytestmark = pytest.mark.django_db
NAME = "Olive Operator"
GONE = (Kind.LOOK_LIVE, Kind.LOOK_OPENED, Kind.CLIP_TAKEN, Kind.SIGNED_IN, Kind.SIGN_IN_FAILED)
KEPT = (Kind.ROLE_GIVEN, Kind.CAMERA_CHANGED, Kind.READ)


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger") as ledger:
        yield ledger


@pytest.fixture(name="olive")
def _olive() -> Person:
    return person_with(name=NAME)


def later(days: float = 100) -> dt.datetime:
    return timezone.now() + dt.timedelta(days=days)


def write(olive: Person) -> dict[Kind, int]:
    who, person = Actor(olive.pk, olive.name), (olive.pk, olive.name)
    return {kind: record(kind, by=who, person=person, cameras=["market"], reference="INC-7") for kind in (*KEPT, *GONE)}


def test_details_go_from_ledger_and_table_and_the_ledger_verifies(
    ledger: Ledger, olive: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write(olive)
    root = ledger.checkpoint.root
    assert prune(90, later()) == len(GONE)
    reader = ledger.reader()
    for kind, number in made.items():
        assert (reader.body(number) is None) == (kind in GONE), kind
        row = Act.objects.get(number=number)
        assert row.pruned == (kind in GONE)
        assert (row.actor, row.person, row.reference) == (
            (None, None, "") if row.pruned else (olive.pk, olive.pk, "INC-7")
        )
        assert ActCamera.objects.filter(act=number).exists() == (kind in KEPT)
    assert reader.root(len(made)) == root
    assert main(["ledger", "verify", str(ledger.directory)]) == 0
    assert "5" in capsys.readouterr().out


def test_a_leaf_says_what_was_removed_before_it_is(
    ledger: Ledger, olive: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write(olive)

    def broken(*_: Any) -> int:
        raise UnavailableError("the disk refuses")

    monkeypatch.setattr(Ledger, "prune", broken)
    with pytest.raises(UnavailableError):
        prune(90, later())
    last = ledger.reader().body(ledger.size - 1)
    assert last is not None
    assert {name: last.value()[name] for name in ("leaves", "first", "below", "keep_days")} == {
        "leaves": len(GONE),
        "first": made[GONE[0]],
        "below": made[GONE[-1]] + 1,
        "keep_days": 90,
    }
    monkeypatch.undo()
    assert prune(90, later()) == len(GONE), "the next run does it"


def test_nothing_is_removed_where_that_cannot_be_written_down(
    ledger: Ledger, olive: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write(olive)

    def full(*_: Any) -> None:
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(Ledger, "append", full)
    with pytest.raises(UnavailableError):
        prune(90, later())
    assert all(ledger.reader().body(number) is not None for number in made.values())


def test_what_is_not_old_stays_and_nothing_is_said_of_nothing(ledger: Ledger, olive: Person) -> None:
    made = write(olive)
    assert prune(90, later(89)) == 0
    assert ledger.size == len(made)
    assert prune(90, later()) == len(GONE)
    assert (prune(90, later()), ledger.size) == (0, len(made) + 1)


def test_many_are_removed_in_parts(ledger: Ledger, olive: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    for _ in range(7):
        record(Kind.LOOK_LIVE, by=Actor(olive.pk, olive.name))
        record(Kind.ROLE_GIVEN, person=(olive.pk, olive.name))
    assert prune(90, later()) == 7
    assert Act.objects.filter(pruned=True).count() == 7
    assert Act.objects.filter(person=olive.pk).count() == 7


def test_a_table_that_is_made_anew_is_as_it_was(ledger: Ledger, olive: Person) -> None:
    write(olive)
    prune(90, later())
    indexing.catch_up()
    columns = ("number", "kind", "actor", "person", "reference", "pruned")
    before = list(Act.objects.values_list(*columns))
    indexing._empty()
    indexing.catch_up()
    assert list(Act.objects.values_list(*columns)) == before
    assert prune(90, later()) == 0


def test_pages_say_when(ledger: Ledger, olive: Person) -> None:
    number = write(olive)[Kind.LOOK_OPENED]
    client = signed_in(person_with(Action.READ_LEDGER, name="Ada Auditor"))
    assert NAME in client.get(f"/acts/{number}").content.decode()
    prune(90, later())
    second = record(Kind.LOOK_LIVE, by=Actor(olive.pk, olive.name))
    third = record(Kind.LOOK_LIVE, by=Actor(olive.pk, olive.name))
    prune(90, later())
    today = timezone.localdate()
    words = f"was removed on {today.day} {today:%B %Y} under the scheme’s retention"
    for each in (number, second, third):
        page = client.get(f"/acts/{each}").content.decode()
        assert words in page
        assert NAME not in page
    assert client.get("/acts").content.decode().count(words) == len(GONE) + 3, "hers to sign in too"
    assert words in client.get("/acts.csv").content.decode("utf-8-sig")
    assert client.get(f"/acts/{number}/proof").status_code == 200


def test_a_body_that_was_pruned_by_hand_has_no_day(ledger: Ledger, olive: Person) -> None:
    number = write(olive)[Kind.ROLE_GIVEN]
    prune(90, later())
    after = record(Kind.ROLE_TAKEN, person=(olive.pk, olive.name))
    ledger.prune([after])
    client = signed_in(person_with(Action.READ_LEDGER, name="Ada Auditor"))
    assert "removed under the ledger’s own retention" in client.get(f"/acts/{after}").content.decode()
    assert NAME in client.get(f"/acts/{number}").content.decode()


@pytest.mark.parametrize("days", [30, 0, -1])
def test_less_than_a_month_is_refused(tmp_path: Path, days: int) -> None:
    with pytest.raises(ValidationError):
        ControlSettings.model_validate({"data": tmp_path, "acts_keep_days": days})
    assert ControlSettings.model_validate({"data": tmp_path}).acts_keep_days is None
    assert ControlSettings.model_validate({"data": tmp_path, "acts_keep_days": 31}).acts_keep_days == 31


def test_the_thread_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []

    def fails_once(days: int) -> int:
        asked.append(days)
        if len(asked) == 1:
            raise UnavailableError("the disk is gone")
        return 3

    monkeypatch.setattr(pruning, "prune", fails_once)
    monkeypatch.setattr(pruning, "AGAIN_S", 0.0)
    pruner = keep_for(40)
    pruner.start()
    deadline = time.monotonic() + 120
    while len(asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    pruner.stop()
    assert asked == [40, 40]
    assert "the disk is gone" in caplog.text

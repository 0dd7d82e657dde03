"""Who did what, as auditors read it: found by what it is about, each with its proof, and only by who may."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from acts_rig import Written, fresh_ledger
from control_rig import camera_at, person_with, signed_in, site_in
from overt.clock import SECOND
from overt.contract.opened import EXPORTED, VIEWED, ledger_of
from overt.control.acts.actor import Actor
from overt.control.acts.book import book
from overt.control.acts.kinds import Kind, Theme
from overt.control.acts.recording import Span, record
from overt.control.audit import commands, details, finding
from overt.control.audit.finding import Wanted
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import rights_of
from overt.errors import CorruptError, MissingError
from overt.ledger.leaves import Entry
from overt.ledger.ledger import Ledger
from overt.ledger.note import NoteSigner
from overt.ledger.proof_file import Proof
from overt.ledger.tiles import bodies_path

pytestmark = pytest.mark.django_db
XSS = "<img src=x onerror=alert(1)>"
NINE = 1_774_774_800 * SECOND
"""2026-03-29T09:00:00Z, in summer time since that night."""


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger") as ledger:
        yield ledger


@pytest.fixture(name="auditor")
def _auditor() -> Person:
    return person_with(Action.READ_LEDGER, name="Ada Auditor")


def look(person: Person, *cameras: str, reference: str = "INC-1") -> int:
    return record(
        Kind.LOOK_OPENED,
        by=Actor(person.pk, person.name),
        cameras=cameras,
        footage=Span(NINE, NINE + 3600 * SECOND),
        reference=reference,
        more={"purpose": {"name": "Prevention and detection of crime", "legal_basis": "Public task"}, "grant": "g"},
    )


def numbers(who: Person, wanted: Wanted | None = None) -> list[int]:
    return [each.number for each in finding.find(rights_of(who), wanted or Wanted()).rows]


def test_what_auditors_ask(ledger: Ledger, auditor: Person) -> None:
    site = site_in()
    camera_at(site, "market", name="Market Square")
    olive, sam = person_with(name="Olive Operator"), person_with(name="Sam Supervisor")
    first, second = look(olive, "market"), look(sam, "market", "foyer", reference="INC-2")
    given = record(Kind.ROLE_GIVEN, person=(olive.pk, olive.name), more={"role": {"name": "Watcher", "actions": []}})
    changed = record(Kind.CAMERA_CHANGED, cameras=["market"])
    today = timezone.localdate()

    assert numbers(auditor) == [changed, given, second, first]
    # Who looked at this camera on this day?
    looking = Wanted(theme=Theme.LOOKING, camera="Market Sq", first_day=today, last_day=today)
    assert numbers(auditor, looking) == [second, first]
    assert numbers(auditor, Wanted(theme=Theme.LOOKING, camera="foyer")) == [second]
    assert numbers(auditor, Wanted(camera="market", last_day=today - dt.timedelta(days=1))) == []
    # What did this person do, and what was done about them?
    assert numbers(auditor, Wanted(person="olive")) == [given, first]
    # What was opened for this reference?
    assert numbers(auditor, Wanted(reference="INC-2")) == [second]
    # What changed in rights this month?
    assert numbers(auditor, Wanted(theme=Theme.PEOPLE, first_day=today.replace(day=1))) == [given]
    assert numbers(auditor, Wanted(person="nobody of this name")) == []


def test_a_look_reads_as_a_sentence(ledger: Ledger, auditor: Person) -> None:
    camera_at(site_in(), "market", name="Market Square")
    number = look(person_with(name="Olive Operator"), "market", "gone")
    act = finding.one(rights_of(auditor), number)
    assert (act.who, act.what) == ("Olive Operator", "Opened recorded footage")
    assert dict(details.lines(act)) == {
        "Cameras": "Market Square, gone",
        "Footage": "29 March 2026, 10:00:00 BST to 29 March 2026, 11:00:00 BST",
        "Purpose": "Prevention and detection of crime",
        "Legal basis": "Public task",
        "Reference": "INC-1",
        "Grant": "g",
    }


def test_pages_go_back_without_leaving_one_out(ledger: Ledger, auditor: Person) -> None:
    made = [record(Kind.LOOK_LIVE) for _ in range(7)]
    found, before = [], None
    while True:
        page = finding.find(rights_of(auditor), Wanted(), before, 3)
        found += [each.number for each in page.rows]
        if page.older is None:
            break
        before = page.older
    assert found == made[::-1]


def test_who_reads_at_one_group_reads_about_its_cameras_alone(ledger: Ledger) -> None:
    town, library = site_in(), site_in("Libraries", "Central Library")
    camera_at(town, "market")
    camera_at(library, "foyer")
    reader = person_with(Action.READ_LEDGER, group=library.group, name="Lena Library")
    olive = person_with(name="Olive Operator")
    theirs, both, others = look(olive, "foyer"), look(olive, "foyer", "market"), look(olive, "market")
    rights = record(Kind.ROLE_GIVEN, person=(olive.pk, olive.name))
    assert numbers(reader) == [both, theirs]
    for number in (others, rights):
        with pytest.raises(MissingError, match="you may not read it"):
            finding.one(rights_of(reader), number)
        assert signed_in(reader).get(f"/acts/{number}/proof").status_code == 404


# --- pages ------------------------------------------------------------------------------------------------------------


def opened(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_the_page_shows_them_with_their_numbers_and_nothing_as_markup(ledger: Ledger, auditor: Person) -> None:
    number = look(person_with(name="Olive Operator"), XSS, reference=XSS)
    client = signed_in(auditor)
    for address in ("/acts", f"/acts?reference={XSS}", f"/acts/{number}"):
        page = opened(client, address)
        assert XSS not in page
        assert "Olive Operator" in page
    assert f'href="/acts/{number}"' in opened(client, "/acts")


def test_a_search_that_cannot_be_read_says_so(ledger: Ledger, auditor: Person) -> None:
    page = opened(signed_in(auditor), "/acts?first_day=yesterday&theme=gossip&before=-1")
    assert "Enter a valid date" in page


def test_that_somebody_searched_is_written_down_too(ledger: Ledger, auditor: Person) -> None:
    written = Written.from_now()
    client = signed_in(auditor)
    opened(client, "/acts")
    assert written.bodies("ledger.read") == []
    opened(client, "/acts?person=olive")
    client.get("/acts.csv")
    told = written.bodies("ledger.read")
    assert [(each["who"]["name"], each["sought"], each["how"]) for each in told] == [
        ("Ada Auditor", {"person": "olive"}, "page"),
        ("Ada Auditor", {}, "spreadsheet"),
    ]


def test_the_spreadsheet_has_all_of_them_and_no_formula(ledger: Ledger, auditor: Person) -> None:
    olive = person_with(name="Olive Operator")
    made = [look(olive, "market", reference="=cmd()") for _ in range(3)]
    answer = signed_in(auditor).get("/acts.csv?theme=looking")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [int(row["leaf"]) for row in rows] == made[::-1]
    assert rows[0]["who"] == "Olive Operator"
    assert dt.datetime.fromisoformat(rows[0]["time"]).tzinfo is not None
    assert "Reference: =cmd()" in rows[0]["details"]


def test_a_proof_is_true_on_its_own(ledger: Ledger, auditor: Person) -> None:
    number = look(person_with(name="Olive Operator"), "market")
    for _ in range(40):
        record(Kind.LOOK_LIVE)
    answer = signed_in(auditor).get(f"/acts/{number}/proof")
    assert answer["content-disposition"] == f'attachment; filename="leaf-{number}.tlog-proof"'
    proof = Proof.parse(answer.content)
    proof.verify([ledger.key])
    assert proof.body is not None
    assert (proof.index, proof.body.value()["who"]["name"]) == (number, "Olive Operator")
    forged = answer.content.replace(b"index 0", b"index 1")
    with pytest.raises(CorruptError):
        Proof.parse(forged).verify([ledger.key])


def test_the_checkpoint_is_handed_out_to_be_kept(ledger: Ledger, auditor: Person) -> None:
    record(Kind.LOOK_LIVE)
    answer = signed_in(auditor).get("/acts/checkpoint")
    assert answer.content == book().checkpoint.encode()


# --- attacks ----------------------------------------------------------------------------------------------------------


def test_details_that_somebody_edited_on_the_disk_are_shown_as_such(ledger: Ledger, auditor: Person) -> None:
    number = look(person_with(name="Olive Operator"), "market")
    path = ledger.directory / bodies_path(0)
    path.write_bytes(path.read_bytes().replace(b"Olive Operator", b"Sarah Scapegoat"))
    page = opened(signed_in(auditor), f"/acts/{number}")
    assert "This cannot be relied on." in page
    assert "was altered" in page
    assert "Sarah Scapegoat" not in page
    assert "was altered" in opened(signed_in(auditor), "/acts")


def test_details_that_were_pruned_leave_the_leaf(ledger: Ledger, auditor: Person) -> None:
    number = look(person_with(name="Olive Operator"), "market")
    client = signed_in(auditor)
    opened(client, "/acts")
    ledger.prune([number])
    page = opened(client, f"/acts/{number}")
    assert "removed under the ledger’s own retention" in page
    assert "Opened recorded footage" in page
    assert "Olive" not in page


def test_rows_of_the_database_prove_nothing(ledger: Ledger, auditor: Person) -> None:
    olive = person_with(name="Olive Operator")
    number = look(olive, "market")
    numbers(auditor)
    finding.Act.objects.filter(number=number).delete()
    assert numbers(auditor) == [number], "what somebody deletes there comes back from the ledger"


# --- commands on the recorder's machine -------------------------------------------------------------------------------


def test_what_commands_opened_is_shown_to_who_may_read_it(auditor: Person, tmp_path: Path, settings: Settings) -> None:
    settings.CONTROL = settings.CONTROL.model_copy(update={"footage": tmp_path})
    assert "No command has opened anything" in opened(signed_in(auditor), "/acts/commands")
    town, library = site_in(), site_in("Libraries", "Central Library")
    camera_at(town, "market", name="Market Square")
    camera_at(library, "foyer", name="The Foyer")
    lena = person_with(Action.READ_LEDGER, group=library.group, name="Lena Library")
    key = NoteSigner.generate("opened")
    with Ledger.create(ledger_of(tmp_path), key) as ledger:
        for camera in ("market", "foyer"):
            purpose = {"name": XSS}
            who = {"name": "root", "via": "command"}
            footage = {"from": "2026-03-29T09:00:00.000000Z"}
            body = {"who": who, "cameras": [camera], "purpose": purpose, "reference": "INC-7", "footage": footage}
            ledger.append(Entry(VIEWED, body))
        for _ in range(commands.PER_PAGE):
            ledger.append(Entry(EXPORTED, {"who": {"name": "root"}, "cameras": ["market"]}))
    page = opened(signed_in(auditor), "/acts/commands")
    assert "Exported footage" in page
    assert "The Foyer" not in page, "further back"
    older = opened(signed_in(auditor), f"/acts/commands?before={ledger.size - commands.PER_PAGE}")
    assert "The Foyer" in older
    assert "to what is being recorded" in older
    assert XSS not in older
    theirs = opened(signed_in(lena), "/acts/commands")
    assert "The Foyer" in theirs
    assert "Market Square" not in theirs
    path = ledger.directory / bodies_path(0)
    path.write_bytes(path.read_bytes().replace(b"INC-7", b"INC-8"))
    assert "was altered" in opened(signed_in(auditor), f"/acts/commands?before={ledger.size - commands.PER_PAGE}")

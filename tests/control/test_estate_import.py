"""Cameras from a file: what is wrong is said row by row, what is right is done whole, and no password is repeated."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from control_rig import camera_at, person_with, signed_in, site_in
from estate_rig import text_of
from overt.control.estate import csv_import
from overt.control.estate.credentials import revealed
from overt.control.estate.csv_reading import COLUMNS, MAX_ROWS, read
from overt.control.estate.models import Camera, Device, Pending, Site
from overt.control.people.actions import Action
from overt.control.people.models import Person

pytestmark = pytest.mark.django_db
SECRET = "kestrel over the moor"


@pytest.fixture
def manager() -> Person:
    return person_with(Action.CHANGE_CAMERAS)


@pytest.fixture
def client(manager: Person) -> Client:
    return signed_in(manager)


@pytest.fixture
def site(db: None) -> Site:
    return site_in()


def file_of(*rows: dict[str, str], delimiter: str = ",", mark: str = "\ufeff") -> bytes:
    """Rows as a spreadsheet saves them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return (mark + text.getvalue()).encode()


def send(client: Client, content: bytes, name: str = "cameras.csv") -> Any:
    """Upload a file; the page that comes."""
    return client.post("/cameras/import", {"file": SimpleUploadedFile(name, content, "text/csv")}, follow=True)


def wrong(answer: Any) -> list[tuple[str, str]]:
    """Row and heading of each fault that a page tells of."""
    rows = re.findall(
        r"<tr[^>]*>(.*?)</tr>", text_of(answer).partition('id="faults"')[2].partition("</table>")[0], re.DOTALL
    )
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]
    return [(each[0], each[1]) for each in cells if each]


def do(client: Client, content: bytes) -> Any:
    """Upload a file and confirm it; the page that comes."""
    answer = send(client, content)
    assert answer.redirect_chain, wrong(answer)
    return client.post(answer.redirect_chain[-1][0], follow=True)


def test_cameras_are_added_and_changed_and_the_rest_stays(client: Client, site: Site, manager: Person) -> None:
    camera_at(site, "yard", name="Yard", purpose="Safety", location="the gate")
    camera_at(site, "same", name="Same")
    content = file_of(
        {"name": "North door", "site": "market hall", "owner": manager.email.upper(), "review_on": "31/3/2031"},
        {"key": "yard", "purpose": "To deter", "retention_days": "7"},
        {"key": "same", "name": "Same"},
    )
    answer = send(client, content)
    page = text_of(answer)
    assert "1 added, 1 changed, 1 as they are" in page
    assert "Purpose, Days footage is kept" in page
    assert Camera.objects.count() == 2
    done = client.post(answer.redirect_chain[-1][0], follow=True)
    assert "Added: 1. Changed: 1." in text_of(done)
    door = Camera.objects.get(key="north-door")
    assert (door.owner, door.review_on, door.state) == (manager, dt.date(2031, 3, 31), Camera.State.DRAFT)
    yard = Camera.objects.get(key="yard")
    assert (yard.purpose, yard.retention_days, yard.location) == ("To deter", 7, "the gate")
    assert Camera.objects.get(key="same").version == 0
    assert not Pending.objects.exists()


def test_devices_come_with_their_passwords_and_no_page_shows_them(client: Client, site: Site) -> None:
    row = {"name": "Door", "site": site.name, "device_address": "192.0.2.7", "main_url": "rtsp://192.0.2.7/1"}
    for more in (
        {"username": "admin", "password": SECRET},
        {"main_url": f"rtsp://admin:{SECRET.replace(' ', '%20')}@192.0.2.7/1"},
    ):
        answer = send(client, file_of({**row, **more}))
        assert "kestrel" not in text_of(answer)
        (kept,) = Pending.objects.all()
        assert "kestrel" not in kept.sealed
        done = client.post(answer.redirect_chain[-1][0], follow=True)
        assert "kestrel" not in text_of(done)
    for device in Device.objects.all():
        assert (device.username, revealed(device.password_sealed).get_secret_value()) == ("admin", SECRET)
    # A second time nothing changes; with another address another device hangs there.
    key = Camera.objects.order_by("created_at")[0].key
    again = {"key": key, "device_address": "192.0.2.7", "main_url": "rtsp://192.0.2.7/1", "username": "admin"}
    assert "0 added, 0 changed, 1 as they are" in text_of(send(client, file_of(again)))
    moved = {"key": key, "device_address": "192.0.2.9", "main_url": "rtsp://192.0.2.9/1"}
    assert "Another device" in text_of(send(client, file_of(moved)))
    do(client, file_of(moved))
    old, new = Camera.objects.get(key=key).installations.order_by("since")
    assert (old.device.host, new.device.host) == ("192.0.2.7", "192.0.2.9")
    assert new.device.password_sealed == ""


def test_what_is_wrong_is_said_with_row_and_heading(client: Client, site: Site, manager: Person) -> None:
    retired = camera_at(site, "gone", state=Camera.State.RETIRED)
    good = {"name": "A", "site": site.name}
    rows: list[dict[str, str]] = [
        {**good, "site": "Markt Hall"},
        {**good, "review_on": "soon"},
        {**good, "retention_days": "0"},
        {**good, "retention_days": "999999999999999999999"},
        {**good, "audio": "perhaps"},
        {**good, "audio": "yes"},
        {**good, "owner": "nobody@northshire.example"},
        {**good, "key": "No Good"},
        {**good, "name": "x" * 121},
        {"site": site.name},
        {"key": retired.key, "name": "x"},
        {**good, "device_address": "169.254.169.254"},
        {**good, "device_address": "192.0.2.7", "rtsp_port": "x"},
        {**good, "device_address": "192.0.2.7", "main_url": "rtsp://198.51.100.9/"},
        {**good, "device_address": "192.0.2.7", "password": SECRET},
        {**good, "username": "admin"},
        {**good, "key": "twice"},
        {**good, "key": "twice"},
    ]
    answer = send(client, file_of(*rows))
    assert answer.status_code == 400
    assert wrong(answer) == [
        ("2", "site"),
        ("3", "review_on"),
        ("4", "retention_days"),
        ("5", "retention_days"),
        ("6", "audio"),
        ("7", "audio_reason"),
        ("8", "owner"),
        ("9", "key"),
        ("10", "name"),
        ("11", "name"),
        ("12", "key"),
        ("13", "device_address"),
        ("14", "rtsp_port"),
        ("15", "main_url"),
        ("16", "username"),
        ("17", "device_address"),
        ("19", "key"),
    ]
    page = text_of(answer)
    assert "Did you mean Market Hall?" in page
    assert "A whole number from 1 to 3650" in page
    assert SECRET not in page
    assert Camera.objects.count() == 1
    assert not Pending.objects.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "It is empty"),
        (b"\n\n", "It is empty"),
        (b"name,site\n", "no cameras"),
        ("name;site\nCaf\u00e9;Hall".encode("cp1252"), "Windows-1252"),
        ("name,site\nA,Hall".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "a workbook"),
        (b"name,site\nA\0,Hall", "zero"),
        (b"nam,site\nA,Hall", "Did you mean name?"),
        (b"name,name\nA,B", "stands twice"),
        (b"site\nHall", "neither a heading"),
        (b"name,site\nA,Hall,more", "3 cells"),
        (b'name,site\n"A,Hall', "cannot be read"),
        (b"name,site\n" + b"A,Hall\n" * (MAX_ROWS + 1), "more than"),
        (b"name,site\n" + b"A" * 3_000_000, "larger than 2 MB"),
        (b"name,site\n" + b"A" * 140_000, "cannot be read"),
    ],
)
def test_attack_a_file_that_is_none_is_refused_with_words(client: Client, content: bytes, words: str) -> None:
    answer = send(client, content)
    assert answer.status_code == 400
    assert words in text_of(answer)


def test_semicolons_no_mark_and_the_registers_own_spreadsheet_are_read(client: Client, site: Site) -> None:
    for delimiter, mark in ((";", ""), ("\t", "\ufeff"), (",", "")):
        name = f"Door, {ord(delimiter)}"
        do(client, file_of({"name": name, "site": site.name}, delimiter=delimiter, mark=mark))
        assert Camera.objects.filter(name=name).exists()
    camera_at(site, "sum", name="=SUM(A1)", purpose="'quoted")
    exported = client.get("/cameras.csv").content
    assert "0 added, 0 changed, 4 as they are" in text_of(send(client, exported))


def test_the_template_has_every_heading_and_is_read(client: Client) -> None:
    answer = client.get("/cameras/import/template.csv")
    assert next(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))) == list(COLUMNS)
    assert wrong(send(client, answer.content)) == [("2", "site"), ("2", "owner")]


def test_all_or_nothing(client: Client, site: Site) -> None:
    yard = camera_at(site, "yard", name="Yard")
    answer = send(
        client, file_of({"key": "", "name": "A", "site": site.name}, {"key": "yard", "name": "Y", "site": ""})
    )
    there = answer.redirect_chain[-1][0]
    Camera.objects.filter(pk=yard.pk).update(version=5)
    again = client.post(there)
    assert again.status_code == 409
    assert "Nothing was changed" in text_of(again)
    assert Camera.objects.count() == 1
    Camera.objects.filter(pk=yard.pk).update(state=Camera.State.RETIRED)
    refused = client.post(there)
    assert refused.status_code == 409
    assert Camera.objects.count() == 1
    Camera.objects.filter(pk=yard.pk).update(state=Camera.State.DRAFT)
    assert client.post(there).status_code == 409  # what was shown last had a fault
    assert client.post(there).status_code == 302
    assert Camera.objects.count() == 2


def test_a_fault_in_the_middle_undoes_what_was_done(
    client: Client, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = send(client, file_of(*({"name": f"Door {number}", "site": site.name} for number in range(5))))
    add, calls = csv_import.changes.add_camera, []

    def failing(*arguments: Any) -> Camera:
        calls.append(arguments)
        if len(calls) == 4:
            raise csv_import.InvalidError("the fourth")
        return add(*arguments)

    monkeypatch.setattr(csv_import.changes, "add_camera", failing)
    assert client.post(answer.redirect_chain[-1][0]).status_code == 409
    assert Camera.objects.count() == 0


def test_attack_no_camera_or_site_of_another_group_is_changed_by_a_file(site: Site) -> None:
    theirs = site_in("Leisure", "Swimming Pool")
    hidden = camera_at(theirs, "cash-desk", name="Cash desk")
    client = signed_in(person_with(Action.CHANGE_CAMERAS, name="Sam Hill", group=site.group))
    rows = file_of(
        {"key": "cash-desk", "name": "Mine", "site": site.name}, {"key": "", "name": "x", "site": theirs.name}
    )
    answer = send(client, rows)
    assert wrong(answer) == [("2", "key"), ("3", "site")]
    assert "Swimming Pool" not in text_of(answer)
    assert "Cash desk" not in text_of(answer)
    hidden.refresh_from_db()
    assert hidden.name == "Cash desk"


def test_attack_a_file_of_somebody_else_is_not_there(client: Client, site: Site) -> None:
    there = send(client, file_of({"name": "A", "site": site.name})).redirect_chain[-1][0]
    other = signed_in(person_with(Action.CHANGE_CAMERAS, name="Sam Hill"))
    assert other.get(there).status_code == 404
    assert other.post(there).status_code == 404
    assert Camera.objects.count() == 0


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "<script>alert(1)</script>.csv", "a" * 300, "con", "\u202ecsv.exe"]
)
def test_attack_the_name_of_a_file_is_not_used(client: Client, site: Site, name: str) -> None:
    answer = send(client, file_of({"name": "A", "site": site.name}), name)
    assert "1 added" in text_of(answer)
    assert "<script>alert" not in text_of(answer)


def test_attack_cells_that_are_markup_stay_words(client: Client, site: Site) -> None:
    evil = "<script>alert(1)</script>"
    for row in ({"name": evil, "site": site.name}, {"name": evil, "site": evil}, {evil: "x", "name": "x"}):
        assert "<script>alert" not in text_of(send(client, file_of(row)))


@pytest.mark.timeout(600)
def test_as_many_cameras_as_a_file_may_have(client: Client, site: Site, manager: Person) -> None:
    rows = [
        {
            "name": f"Door {number}",
            "site": site.name,
            "owner": manager.email,
            "device_address": f"10.0.{number // 200}.{number % 200 + 1}",
            "username": "admin",
            "password": SECRET,
            "main_url": f"rtsp://10.0.{number // 200}.{number % 200 + 1}/1",
        }
        for number in range(300)
    ]
    assert "Added: 300" in text_of(do(client, file_of(*rows)))
    assert Device.objects.count() == 300


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_faults(content: bytes) -> None:
    rows, faults = read(content)
    assert rows or faults
    assert all(each.wrong for each in faults)


CELLS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(list(COLUMNS)), CELLS, min_size=1, max_size=5).map(
            lambda row: {"name": "A", **row}
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_what_is_written_is_read(rows: list[dict[str, str]], delimiter: str) -> None:
    found, faults = read(file_of(*rows, delimiter=delimiter))
    if not faults:
        expected = [{name: cell.strip() for name, cell in row.items() if cell.strip()} for row in rows]
        cells = [each.cells for each in found]
        unquoted = [{name: cell.removeprefix("'") for name, cell in row.items()} for row in cells]
        assert cells == [each for each in expected if each] or unquoted == [
            {name: cell.removeprefix("'") for name, cell in row.items()} for row in expected if row
        ]


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(list(COLUMNS)),
            CELLS
            | st.sampled_from(["Market Hall", "door", "yes", "7", "192.0.2.7", "rtsp://192.0.2.7/1", "2031-03-31"]),
            max_size=8,
        ),
        max_size=4,
    )
)
def test_every_file_gives_a_plan_or_faults(rows: list[dict[str, str]]) -> None:
    site = Site.objects.filter(name="Market Hall").first() or site_in()
    Camera.objects.filter(key="door").exists() or camera_at(site, "door")
    found, faults = read(file_of({"name": "A"}, *rows))
    plans, wrong_cells = csv_import.planned(found, csv_import.Rights(frozenset(Action)))
    told = {each.row for each in (*faults, *wrong_cells)}
    assert all((each.number in told) != (each.number in {one.row for one in plans}) for each in found)

"""`overt backup` and `overt restore`: what comes back, what is refused, what is in no backup."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from control_rig import person_with
from overt.cli.serving.asking import ask
from overt.cli.serving.backup import MODULE
from overt.control.configuration import ControlSettings
from overt.control.people.actions import Action
from overt.control.people.models import Appointment, Person, Role
from overt.control.project.backup import make_backup, restore_backup
from overt.control.secrets import grant_key, session_key
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError
from overt.ledger.reader import LedgerReader
from overt.sealing.age import open_bytes, seal_bytes
from serve_rig import make_site_key

COUNCIL = "overt.cli.demo_council"
PASSPHRASE = "a passphrase of the backup"
SECRETS = ("secrets/session.key", "secrets/credentials.key", "secrets/grant.key")
CAMERA = {
    "host": "127.0.0.1",
    "port": 554,
    "username": "viewer",
    "password": "s3cret-of-the-camera",
    "streams": {"main": "rtsp://127.0.0.1/main"},
}


def settings_of(folder: Path) -> ControlSettings:
    return ControlSettings.read({"data": folder, "plain_http": True, "camera_ranges": ["127.0.0.0/8"]}, "test")


@pytest.fixture(name="council")
def _council(tmp_path: Path, db: None) -> ControlSettings:
    """Somebody in the database of this test, and the files of a data directory."""
    settings = settings_of(tmp_path / "council")
    person_with(Action.LIVE)
    session_key(settings.secrets)
    (settings.data / "custodian.key").write_text("a key under a passphrase")
    return settings


_made: list[bytes] = []


@pytest.fixture(name="backup")
def _backup(council: ControlSettings, tmp_path: Path) -> Path:
    """A backup of the council, made once."""
    file = tmp_path / "council.age"
    if not _made:
        told = make_backup(council, {"file": str(file), "passphrase": PASSPHRASE})
        assert told["bytes"] == file.stat().st_size
        _made.append(file.read_bytes())
    file.write_bytes(_made[0])
    return file


@pytest.fixture(name="other")
def _other(tmp_path: Path) -> ControlSettings:
    """A data directory in which nothing is."""
    (tmp_path / "other").mkdir()
    return settings_of(tmp_path / "other")


def restored(settings: ControlSettings, file: Path, passphrase: str = PASSPHRASE) -> dict[str, Any]:
    return restore_backup(settings, {"file": str(file), "passphrase": passphrase})


@functools.cache
def opened(sealed: bytes) -> bytes:
    """What is in a backup; opened once, since passphrases are slow on purpose."""
    return open_bytes(sealed, PASSPHRASE, "it")


def archive_of(file: Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(opened(file.read_bytes())), mode="r:gz")


def rows_of(file: Path) -> list[dict[str, Any]]:
    with archive_of(file) as tar:
        member = tar.extractfile("rows.rows")
        assert member is not None
        return [json.loads(line) for line in member.read().splitlines()]


def tables_of(settings: ControlSettings) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table of ours."""
    with contextlib.closing(sqlite3.connect(settings.data / "control.sqlite")) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        ours = [name for name in names if name.startswith(("people_", "estate_", "viewing_", "health_", "mfa_"))]
        return {name: sorted(database.execute(f'SELECT * FROM "{name}"'), key=repr) for name in ours}


def ledger_of(settings: ControlSettings) -> list[tuple[str, dict[str, Any] | None]]:
    """Return what the ledger of a data directory says."""
    ledger = LedgerReader(settings.ledger)
    bodies = ((leaf.kind, ledger.body(leaf.index)) for leaf in ledger.leaves())
    return [(kind, body and body.value()) for kind, body in bodies]


def with_changed(file: Path, target: Path, change: Any) -> Path:
    """Write a backup whose archive was changed by somebody who knows the passphrase."""
    changed = io.BytesIO()
    with archive_of(file) as old, tarfile.open(fileobj=changed, mode="w:gz") as new:
        for member in old.getmembers():
            content = old.extractfile(member)
            data = b"" if content is None else content.read()
            put, data = change(member, data)
            put.size = len(data)
            new.addfile(put, io.BytesIO(data))
    target.write_bytes(seal_bytes(changed.getvalue(), PASSPHRASE))
    return target


def test_everything_but_footage_comes_back(tmp_path: Path) -> None:
    """In processes of their own, as the commands do it."""
    council, other, file = settings_of(tmp_path / "council"), settings_of(tmp_path / "other"), tmp_path / "council.age"
    make_site_key(council.data)
    grant_key(council.secrets)
    ask(COUNCIL, council, {"cameras": {"high-street": CAMERA}})
    (council.data / "uploads" / "plans").mkdir(parents=True)
    (council.data / "uploads" / "plans" / "1.png").write_bytes(b"a picture")
    (council.data / "footage").mkdir()
    (council.data / "footage" / "keys.sqlite").write_bytes(b"wrapped keys")
    ask(MODULE, council, {"act": "backup", "file": str(file), "passphrase": PASSPHRASE})
    ask(MODULE, other, {"act": "restore", "file": str(file), "passphrase": PASSPHRASE})
    for name in ("custodian.key", "recipients.json", "uploads/plans/1.png", *SECRETS):
        assert (other.data / name).read_bytes() == (council.data / name).read_bytes(), name
    assert not (other.data / "footage").exists()
    assert tables_of(other) == tables_of(council)
    assert tables_of(other)["estate_device"], "a camera's device is among the rows"
    kept, back = ledger_of(council), ledger_of(other)
    assert kept[-1][0] == "system.backup"
    assert (kept[-1][1] or {})["file"] == "council.age"
    assert back[:-1] == kept
    assert back[-1][0] == "system.restored"
    kinds = {row["model"] for row in rows_of(file)}
    assert not any(kind.startswith(("sessions.", "usersessions.")) for kind in kinds)
    with archive_of(file) as tar:
        assert not any("keys.sqlite" in name or name.startswith("footage") for name in tar.getnames())
    for secret in (b"northshire.example", b"s3cret-of-the-camera", b"rows.rows"):
        assert secret not in file.read_bytes()


def test_another_passphrase_opens_nothing(backup: Path, other: ControlSettings) -> None:
    with pytest.raises(ForbiddenError, match="is not opened by this passphrase"):
        restored(other, backup, "another passphrase")


def test_a_flipped_byte_is_found(backup: Path, other: ControlSettings, tmp_path: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[-100] ^= 1
    file = tmp_path / "flipped.age"
    file.write_bytes(content)
    with pytest.raises(ForbiddenError, match="or was altered"):
        restored(other, file)


def test_a_system_in_use_is_not_overwritten(council: ControlSettings, backup: Path) -> None:
    with pytest.raises(ConflictError, match="restore into a data directory that is empty"):
        restored(council, backup)


def test_a_file_that_exists_is_not_overwritten(council: ControlSettings, backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(ConflictError, match="exists already and is not overwritten"):
        make_backup(council, {"file": str(backup), "passphrase": PASSPHRASE})
    assert backup.read_bytes() == before


def test_what_never_ran_has_nothing_to_keep(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="is no data directory of a control room"):
        make_backup(settings_of(tmp_path / "nothing"), {"file": str(tmp_path / "x.age"), "passphrase": PASSPHRASE})


def test_a_backup_of_another_version_is_refused_with_its_version(
    backup: Path, other: ControlSettings, tmp_path: Path
) -> None:
    def older(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name == "manifest.json":
            told = json.loads(data)
            data = json.dumps(told | {"made_by": "0.0.7", "migrations": told["migrations"][1:]}).encode()
        return member, data

    file = with_changed(backup, tmp_path / "older.age", older)
    with pytest.raises(InvalidError, match=r"was made by version 0\.0\.7.*restore it with that version, then upgrade"):
        restored(other, file)


@pytest.mark.django_db(transaction=True)
def test_rows_that_cannot_be_read_change_nothing(backup: Path, other: ControlSettings, tmp_path: Path) -> None:
    def broken(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        return member, data + b'{"model": "people.nothing"}\n' if member.name == "rows.rows" else data

    Appointment.objects.all().delete()
    Role.objects.all().delete()
    Person.objects.all().delete()
    with pytest.raises(CorruptError, match="its rows cannot be read"):
        restored(other, with_changed(backup, tmp_path / "broken.age", broken))
    assert not Person.objects.exists()
    assert list(other.data.iterdir()) == []
    restored(other, backup)  # nothing stands in the way
    assert Person.objects.get().name == "Robin Field"


def test_a_database_in_use_is_not_overwritten(backup: Path, other: ControlSettings) -> None:
    with pytest.raises(ConflictError, match="the database is in use already"):
        restored(other, backup)
    assert list(other.data.iterdir()) == []


def test_an_archive_cannot_reach_outside(backup: Path, other: ControlSettings, tmp_path: Path) -> None:
    def outside(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name == "custodian.key":
            member.name = "../../escaped"
        return member, data

    with pytest.raises(CorruptError, match="or a damaged one"):
        restored(other, with_changed(backup, tmp_path / "out.age", outside))
    assert not list(tmp_path.rglob("escaped"))

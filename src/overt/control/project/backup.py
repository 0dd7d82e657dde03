"""Backup and restore of everything but footage: rows, keys, certificates, floor plans, in one encrypted file.

The file is a tar archive under a passphrase (age, scrypt): `manifest.json`, `rows.rows` (JSON lines, which no kind of
database is needed for), the ledger as one checkpoint has it, and the files as they lie in the data directory. Sessions
are left out: everybody signs in again. Wrapped keys of footage are left out too: with them, what retention destroys
would live on in backups. So is the table by which acts are found: it is made anew from the ledger.
"""

from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from django.core.management import CommandError, call_command
from django.core.serializers.base import DeserializationError
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader

from overt.control.acts.actor import SYSTEM
from overt.control.acts.book import open_ledger
from overt.control.acts.kinds import Kind
from overt.control.acts.outside import write_down
from overt.control.configuration import ControlSettings
from overt.control.project.server import bring_up_to_date
from overt.errors import ConflictError, CorruptError, InvalidError, MissingError, UnavailableError
from overt.ledger.copying import copy
from overt.ledger.leaves import Entry
from overt.new_file import write_new
from overt.sealing.age import open_bytes, seal_bytes

FORMAT: Final = "overt control room backup"
FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
ROWS: Final = "rows.rows"
LEDGER: Final = "ledger"
DIRECTORIES: Final = ("secrets", "tls", "uploads", LEDGER)
FILES: Final = ("custodian.key", "recipients.json")
LEFT_OUT: Final = ("contenttypes", "auth.permission", "sessions", "usersessions", "acts")
"""Rows that are made anew, or are nobody's any more."""
MAX_BACKUP: Final = 4 * 1024**3


def make_backup(settings: ControlSettings, asked: dict[str, Any]) -> dict[str, Any]:
    """Write a backup to the file `asked["file"]` under `asked["passphrase"]`; return its size and what is in it.

    That one is made is written into the ledger first, by the control room where it runs.

    Raises:
        MissingError: there is nothing to keep: the control room has never run with this data directory.
        ConflictError: the file exists.
        UnavailableError: disk, database or ledger refuses.
    """
    path = Path(asked["file"])
    if not settings.secrets.is_dir():
        msg = f"{settings.data} is no data directory of a control room: nothing to keep"
        raise MissingError(msg)
    if path.exists():
        msg = f"{path} exists already and is not overwritten: choose another name, or move it away"
        raise ConflictError(msg)
    write_down(settings, Kind.BACKED_UP, {"file": path.name})
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar, TemporaryDirectory() as scratch:
        rows = Path(scratch) / ROWS
        try:
            with transaction.atomic():
                call_command("dumpdata", format="rows", exclude=list(LEFT_OUT), output=str(rows), verbosity=0)
        except DatabaseError as error:
            msg = f"the database does not answer: {error}"
            raise UnavailableError(msg) from error
        except CommandError as error:
            msg = f"the rows cannot be kept: {error}: has `overt serve` of this version run with this data directory?"
            raise ConflictError(msg) from error
        manifest = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "made_by": version("overt"),
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "migrations": _migrations(),
        }
        _add(tar, MANIFEST, json.dumps(manifest, indent=2).encode())
        tar.add(rows, ROWS)
        kept = [name for name in (*DIRECTORIES, *FILES) if (settings.data / name).exists()]
        for name in kept:
            if name == LEDGER:
                copy(settings.ledger, Path(scratch) / name)  # it is written meanwhile: as one checkpoint has it
            tar.add(Path(scratch) / name if name == LEDGER else settings.data / name, name)
    sealed = seal_bytes(archive.getvalue(), asked["passphrase"])
    write_new(path, sealed, 0o600)
    return {"file": str(path), "bytes": len(sealed), "files": kept, "made_by": manifest["made_by"]}


def restore_backup(settings: ControlSettings, asked: dict[str, Any]) -> dict[str, Any]:
    """Put a backup's rows and files where nothing is yet; all of it or nothing.

    Raises:
        MissingError: there is no such file.
        ForbiddenError: the passphrase does not open it.
        CorruptError: it is no backup, or a damaged one.
        ConflictError: the data directory or the database is in use.
        InvalidError: another version made it.
        UnavailableError: disk or database refuses.
    """
    path = Path(asked["file"])
    try:
        if path.stat().st_size > MAX_BACKUP:
            msg = f"{path} is no backup of a control room: it is too long"
            raise CorruptError(msg)
        sealed = path.read_bytes()
    except FileNotFoundError as error:
        msg = f"{path}: there is no such file"
        raise MissingError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise UnavailableError(msg) from error
    archive = open_bytes(sealed, asked["passphrase"], str(path))
    taken = [name for name in (*DIRECTORIES, *FILES) if name != "secrets" and (settings.data / name).exists()]
    if taken:
        msg = f"{settings.data} has {', '.join(taken)} already: restore into a data directory that is empty"
        raise ConflictError(msg)
    with TemporaryDirectory(dir=settings.data) as scratch:
        place = Path(scratch)
        manifest = _unpacked(archive, place, path)
        _same_version(manifest, path)
        bring_up_to_date()
        _restore_rows(place / ROWS, path)
        for name in (*DIRECTORIES, *FILES):
            if (place / name).exists():
                _put(place / name, settings.data / name)
    with open_ledger(settings) as ledger:
        told = {"made_at": manifest["made_at"], "made_by": manifest["made_by"]}
        ledger.append(Entry(Kind.RESTORED.value, {"who": SYSTEM.to_json(), **told}))
    return {"file": str(path), "made_by": manifest["made_by"], "made_at": manifest["made_at"]}


def _unpacked(archive: bytes, place: Path, path: Path) -> dict[str, Any]:
    """Unpack into `place`; return the manifest."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            tar.extractall(place, filter="data")
        manifest: dict[str, Any] = json.loads((place / MANIFEST).read_bytes())
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        msg = f"{path} is no backup of a control room, or a damaged one: {error}"
        raise CorruptError(msg) from error
    if manifest.get("format") != FORMAT or manifest.get("version") != FORMAT_VERSION:
        msg = f"{path} is no backup that this version reads"
        raise InvalidError(msg)
    return manifest


def _same_version(manifest: dict[str, Any], path: Path) -> None:
    """Refuse rows of tables that have another form."""
    if manifest["migrations"] != _migrations():
        msg = (
            f"{path} was made by version {manifest['made_by']}, whose tables have another form: restore it with that "
            "version, then upgrade"
        )
        raise InvalidError(msg)


def _restore_rows(rows: Path, path: Path) -> None:
    """Load rows into tables that are empty."""
    from_elsewhere = "the database is in use already: restore into one that is empty"
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT COUNT(*) FROM people_person")
                (count,) = cursor.fetchone() or (0,)
            if count:
                raise ConflictError(from_elsewhere)
            call_command("loaddata", str(rows), format="rows", verbosity=0)
    except DeserializationError as error:
        msg = f"{path}: its rows cannot be read: {error}"
        raise CorruptError(msg) from error
    except DatabaseError as error:
        msg = f"the database refuses the rows: {error}"
        raise UnavailableError(msg) from error


def _put(source: Path, target: Path) -> None:
    """Move a file or directory in; the key files that this process made for itself give way."""
    if target.is_dir():
        for each in source.iterdir():
            each.replace(target / each.name)
    else:
        source.replace(target)


def _migrations() -> list[str]:
    """Return the names of all migrations of this version: what the form of its tables is known by."""
    return sorted(f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def act(settings: ControlSettings, asked: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked of a process (`overt.control.project.one_off`): `act` is `backup` or `restore`."""
    return make_backup(settings, asked) if asked["act"] == "backup" else restore_backup(settings, asked)

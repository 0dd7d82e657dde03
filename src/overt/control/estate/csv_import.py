"""Adds and changes cameras from a file, all of them or none: checked whole first, shown, then done.

A row whose `key` is that of a camera changes it, and an empty cell leaves what is there; any other row adds a camera.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from pydantic import SecretStr

from overt.control.estate import changes, equipment
from overt.control.estate.addresses import look_up
from overt.control.estate.credentials import MAX_PASSWORD, bare
from overt.control.estate.csv_reading import COLUMNS, ROW, Fault, Row
from overt.control.estate.equipment import DeviceInput, FieldError, StreamInput, described
from overt.control.estate.forms import DATES
from overt.control.estate.history import FIELDS, compared, label_of, values_of
from overt.control.estate.models import Camera, Installation, Site
from overt.control.estate.register import cameras_for, sites_for
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import Rights
from overt.errors import InvalidError, OvertError
from overt.ids import checked_name

DEVICE_COLUMNS: Final = {
    "device_address": "host",
    "rtsp_port": "port",
    "username": "username",
    "password": "password",
    "main_url": "main_url",
    "sub_url": "sub_url",
}
"""Columns about the device, and what `FieldError` calls them."""
_COLUMN_OF: Final = {name: column for column, name in DEVICE_COLUMNS.items()}
_YES, _NO = frozenset({"yes", "y", "true", "1"}), frozenset({"no", "n", "false", "0"})


@dataclass(frozen=True, slots=True)
class Planned:
    """What becomes of one row."""

    row: int
    act: str
    """`add`, `change` or `same`."""
    key: str
    name: str
    values: dict[str, Any]
    what: tuple[str, ...] = ()
    """What changes, as pages name it."""
    camera: Camera | None = None
    device: DeviceInput | None = field(default=None, repr=False)
    replace: bool = False

    @property
    def mark(self) -> tuple[str, str, int]:
        """What has to be the same when it is done as when it was shown."""
        return self.act, self.key, self.camera.version if self.camera else -1


class _CellError(Exception):
    """A cell is wrong; the message says how."""


def planned(rows: Iterable[Row], rights: Rights) -> tuple[list[Planned], list[Fault]]:
    """Say what becomes of each row, and what is wrong, for somebody with these rights. Changes nothing."""
    rows = list(rows)
    keys = [each.cells["key"] for each in rows if "key" in each.cells]
    book = _Book(
        sites={each.name.lower(): each for each in sites_for(rights, Action.CHANGE_CAMERAS)},
        owners={each.email: each for each in Person.objects.filter(is_active=True)},
        cameras={
            each.key: each
            for part in _parts(keys)
            for each in cameras_for(rights, Action.CHANGE_CAMERAS)
            .select_related("site__group", "owner")
            .filter(key__in=part)
        },
        taken={
            key for part in _parts(keys) for key in Camera.objects.filter(key__in=part).values_list("key", flat=True)
        },
        all_keys=frozenset(Camera.objects.values_list("key", flat=True)),
    )
    present = Installation.objects.filter(until=None, camera__in=[each.pk for each in book.cameras.values()])
    book.hanging = {each.camera_id: each for each in present.select_related("device").prefetch_related("streams")}
    plans: list[Planned] = []
    faults: list[Fault] = []
    for each in rows:
        found, wrong = _row(each, book)
        faults += wrong
        if found is not None and not wrong:
            plans.append(found)
    return plans, faults


@transaction.atomic
def apply(rows: list[Row], marks: list[tuple[str, str, int]], rights: Rights, by: Person) -> list[Planned] | None:
    """Do what was shown (`marks`), in one transaction: what was done; None if it would not be the same any more.

    Raises:
        InvalidError: a row is not lawful any more. Nothing is changed.
    """
    plans, faults = planned(rows, rights)
    if faults:
        msg = f"Row {faults[0].row}, {faults[0].column}: {faults[0].wrong}"
        raise InvalidError(msg)
    if [each.mark for each in plans] != marks:
        return None
    for each in plans:
        camera = each.camera
        if each.act == "add":
            camera = changes.add_camera(each.values, by, each.key)
        elif camera is not None and each.values:
            camera = changes.change_camera(camera.pk, camera.version, each.values, by)
        if each.device is not None and camera is not None:
            row = changes.locked(camera.pk)
            equipment.set_device(row, row.version, each.device, by, replace=each.replace)
    return plans


def _parts(keys: list[str], most: int = 500) -> Iterable[list[str]]:
    """Cut a list into pieces that a query takes."""
    return (keys[start : start + most] for start in range(0, len(keys), most))


@dataclass(slots=True)
class _Book:
    """What rows are looked up in."""

    sites: dict[str, Site]
    owners: dict[str, Person]
    cameras: dict[str, Camera]
    taken: set[str]
    all_keys: frozenset[str]
    hanging: dict[Any, Installation] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    """Short names of this file, and their rows."""
    resolve: Callable[[str], list[str]] = field(default_factory=lambda: functools.lru_cache(maxsize=4096)(look_up))


def _row(row: Row, book: _Book) -> tuple[Planned | None, list[Fault]]:
    faults: list[Fault] = []

    def wrong(column: str, words: str) -> None:
        faults.append(Fault(row.number, column, words, COLUMNS.get(column, "").capitalize()))

    key = row.cells.get("key", "")
    camera = book.cameras.get(key)
    values = _values(row, book, camera, wrong)
    if camera is None:
        key = _new_key(row, book, wrong)
    elif camera.state == Camera.State.RETIRED:
        wrong("key", "This camera is retired: what is written about it stays as it is.")
    if key and key in book.used:
        wrong("key", f"The same camera stands in row {book.used[key]} already.")
    book.used.setdefault(key, row.number)
    device, replace = _device(row, book, camera, wrong)
    if faults:
        return None, faults
    subject = camera or Camera(key=key)
    before = values_of(camera) if camera else {}
    for name, value in values.items():
        setattr(subject, name, value)
    try:
        subject.clean_fields(exclude=["site", "owner"])
        subject.clean()
    except ValidationError as error:
        for name, said in error.message_dict.items():
            wrong(name if name in COLUMNS else ROW, " ".join(said))
        return None, faults
    what = [label_of(each.field) for each in compared(before, values_of(subject))] if camera else []
    if device is not None:
        what.append("Another device" if replace and camera and camera.pk in book.hanging else "Device")
    act = "add" if camera is None else "change" if what else "same"
    return Planned(row.number, act, key, subject.name, values, tuple(what), camera, device, replace), []


def _values(row: Row, book: _Book, camera: Camera | None, wrong: Callable[[str, str], None]) -> dict[str, Any]:
    """Return the fields that the row gives."""
    values: dict[str, Any] = {}
    for name in FIELDS:
        cell = row.cells.get(name)
        if cell is None:
            continue
        try:
            values[name] = _READ[name](cell, book) if name in _READ else cell
        except _CellError as error:
            wrong(name, str(error))
    if camera is None:
        for name in ("name", "site"):
            if name not in row.cells:
                wrong(name, "A new camera needs it.")
    return values


def _new_key(row: Row, book: _Book, wrong: Callable[[str, str], None]) -> str:
    key = row.cells.get("key", "")
    if not key:
        names = changes.numbered(row.cells.get("name", ""))
        return next(each for each in names if each not in book.all_keys and each not in book.used)
    try:
        checked_name(key, "short name")
    except InvalidError:
        wrong("key", "It is no short name: 1 to 63 lower-case letters, digits, '-' or '_'.")
    if key in book.taken:
        wrong("key", "This short name is or was that of a camera that you may not change: choose another.")
    return key


def _device(
    row: Row, book: _Book, camera: Camera | None, wrong: Callable[[str, str], None]
) -> tuple[DeviceInput | None, bool]:
    """Return the device that the row gives, and whether it replaces the one that hangs there."""
    cells = {name: row.cells[column] for column, name in DEVICE_COLUMNS.items() if column in row.cells}
    if not cells:
        return None, False
    present = book.hanging.get(camera.pk) if camera else None
    known = described(present) if present else None
    if "host" not in cells and known is None:
        wrong("device_address", "A device needs an address.")
        return None, False
    host = cells.get("host", known.host if known else "")
    replace = known is None or host.lower() != known.host
    base = DeviceInput(host) if known is None or replace else known
    port = cells.get("port", str(base.port))
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        wrong("rtsp_port", "It is no port.")
        return None, False
    for name in ("username", "password"):
        if len(cells.get(name, "")) > MAX_PASSWORD:
            wrong(name, "It is too long.")
    user, secret = cells.get("username", base.username), cells.get("password")
    streams = {each.kind: each for each in base.streams}
    for kind in ("main", "sub"):
        if f"{kind}_url" in cells:
            url, named, inside = bare(cells[f"{kind}_url"])
            streams[kind] = StreamInput(kind, url)
            if named:
                user, secret = user or named, secret or inside.get_secret_value()
    password = SecretStr(secret) if secret else None
    device = DeviceInput(host, int(port), user, password, base.onvif_port, streams=tuple(streams.values()))
    try:
        good = equipment.checked(device, settings.CONTROL.camera_ranges, book.resolve)
        equipment.password_for(None if replace else present, good)
        equipment.whole(None if replace else present, good.streams)
    except FieldError as error:
        wrong(_COLUMN_OF.get(error.field, ROW), f"It {error}." if str(error)[:1].islower() else str(error))
        return None, False
    except OvertError as error:
        wrong(ROW, str(error))
        return None, False
    same = known is not None and not replace and password is None and _bare(good) == _bare(known)
    return (None if same else good), replace


def _bare(device: DeviceInput) -> tuple[Any, ...]:
    return device.host, device.port, device.username, {each.kind: each.url for each in device.streams}


def _site(text: str, book: _Book) -> Site:
    found = book.sites.get(text.lower())
    if found is None:
        near = difflib.get_close_matches(text.lower(), book.sites, n=1)
        hint = f" Did you mean {book.sites[near[0]].name}?" if near else " Add it first."
        msg = f"There is no such site at which you may change cameras.{hint}"
        raise _CellError(msg)
    return found


def _owner(text: str, book: _Book) -> Person:
    found = book.owners.get(text.lower())
    if found is None:
        msg = "Nobody has an account with this address."
        raise _CellError(msg)
    return found


def _day(text: str, book: _Book) -> dt.date:
    del book
    for pattern in DATES:
        try:
            return dt.datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    msg = "It is no day."
    raise _CellError(msg)


def _days(text: str, book: _Book) -> int:
    del book
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 3650):
        msg = "It is no number of days from 1 to 3650."
        raise _CellError(msg)
    return int(text)


def _sound(text: str, book: _Book) -> bool:
    del book
    if text.lower() not in _YES | _NO:
        msg = "It is neither yes nor no."
        raise _CellError(msg)
    return text.lower() in _YES


_READ: Final[dict[str, Callable[[str, _Book], Any]]] = {
    "site": _site,
    "owner": _owner,
    "review_on": _day,
    "retention_days": _days,
    "audio": _sound,
}

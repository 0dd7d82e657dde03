"""What may be done to cameras and sites: each act a function, one transaction, written down, told to the recorder.

Who may do it is asked before (`estate.register`); that what is saved makes sense is asked here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import changes_of, record
from overt.control.estate import equipment, revisions
from overt.control.estate.equipment import DeviceInput
from overt.control.estate.history import ChangedMeanwhileError, compared, note, since, values_of
from overt.control.estate.models import Camera, Site
from overt.control.people.models import Person, SiteGroup
from overt.errors import ConflictError, InvalidError, MissingError

_MATTERS: Final = frozenset({"retention_days", "audio"})
"""Fields that the recorder is told of."""


def key_from(name: str) -> str:
    """Make a short name of a name: `Market Hall, north door` → `market-hall-north-door`."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower().replace("'", "")).strip("-")[:56].strip("-")
    return plain or "camera"


def numbered(name: str) -> Iterator[str]:
    """Yield short names made of a name: the plain one, then with 2, 3, ... behind."""
    base = key_from(name)
    yield base
    yield from (f"{base}-{number}" for number in itertools.count(2))


def free_key(name: str) -> str:
    """Return a short name that no camera has or ever had."""
    used = frozenset(Camera.objects.filter(key__startswith=key_from(name)).values_list("key", flat=True))
    return next(key for key in numbered(name) if key not in used)


def locked(camera: UUID) -> Camera:
    """Return a camera that nobody else changes until the transaction is over."""
    found = Camera.objects.select_for_update(of=("self",)).select_related("site__group", "owner").filter(pk=camera)
    row = found.first()
    if row is None:
        msg = "this camera is not in the register any more"
        raise MissingError(msg)
    return row


def save_site(site: Site, version: int, new_group: str = "") -> Site:
    """Add a site, or change one that is still at the version at which somebody began; `new_group` is made for it.

    Raises:
        ConflictError: somebody else changed it meanwhile.
        django.core.exceptions.ValidationError: a field is wrong.
    """
    with transaction.atomic():
        if new_group:
            site.group = SiteGroup.objects.create(name=new_group)
            record(Kind.GROUP_CHANGED, changes=changes_of({}, {"name": new_group}))
        site.full_clean()
        if site.pk is None:
            site.save()
            _record_site({}, site)
            return site
        stored = Site.objects.select_related("group").filter(pk=site.pk).first()
        before = _site_values(stored) if stored is not None else {}
        values = {"name": site.name, "address": site.address, "group": site.group, "version": version + 1}
        if not Site.objects.filter(pk=site.pk, version=version).update(**values):
            now = Site.objects.select_related("group").filter(pk=site.pk).first()
            what = f"It is now {now.name} ({now.group}), {now.address or 'without address'}. " if now else ""
            msg = f"Somebody else changed this site meanwhile. {what}Save again to put yours in its place."
            raise ConflictError(msg)
        site.version = version + 1
        _record_site(before, site)
    return site


def _site_values(site: Site) -> dict[str, object]:
    return {"name": site.name, "address": site.address, "group": site.group.name}


def _record_site(before: Mapping[str, object], site: Site) -> None:
    if changes := changes_of(before, _site_values(site)):
        record(Kind.SITE_CHANGED, changes=changes, more={"site": {"id": str(site.pk), "name": site.name}})


@transaction.atomic
def add_camera(values: Mapping[str, Any], by: Person | None, key: str = "") -> Camera:
    """Add a camera that is still being set up; without `key`, its short name is made of its name.

    Raises:
        django.core.exceptions.ValidationError: a field is wrong.
    """
    camera = Camera(**values, key=key or free_key(str(values["name"])))
    camera.full_clean()
    camera.save()
    was = values_of(Camera(site=camera.site)) | {"site": None}
    note(camera, by, "Added", compared(was, values_of(camera)), Kind.CAMERA_ADDED)
    return camera


@transaction.atomic
def change_camera(camera: UUID, version: int, values: Mapping[str, Any], by: Person | None) -> Camera:
    """Change fields of a camera, if it is still at the version at which somebody began.

    Raises:
        ChangedMeanwhileError: it is not.
        ConflictError: it is retired.
        django.core.exceptions.ValidationError: a field is wrong.
    """
    row = locked(camera)
    if row.version != version:
        raise ChangedMeanwhileError(row, since(row, version))
    if row.state == Camera.State.RETIRED:
        msg = f"{row.name} is retired: what is written about it stays as it is."
        raise ConflictError(msg)
    before = values_of(row)
    for name, value in values.items():
        setattr(row, name, value)
    row.full_clean()
    differences = compared(before, values_of(row))
    if not differences:
        return row
    row.save()
    note(row, by, "Changed", differences)
    if row.state == Camera.State.RECORDING and any(each.field in _MATTERS for each in differences):
        revisions.changed(row.recorder)
    return row


@transaction.atomic
def go_live(camera: UUID, by: Person | None) -> Camera:
    """Have a camera recorded.

    Raises:
        InvalidError: something is wanting; the message says what.
        ConflictError: it is retired.
    """
    row = locked(camera)
    if row.state == Camera.State.RETIRED:
        msg = f"{row.name} is retired and is not recorded again: add a camera with a short name of its own."
        raise ConflictError(msg)
    if row.state == Camera.State.RECORDING:
        return row
    wanting = row.wanting
    if row.audio and not row.audio_reason.strip():
        wanting.append("Say why sound is needed, or do not record it.")
    if wanting:
        msg = f"{row.name} cannot go live yet. {' '.join(wanting)}"
        raise InvalidError(msg)
    return _put(row, Camera.State.RECORDING, by, "Went live")


@transaction.atomic
def switch_off(camera: UUID, by: Person | None) -> Camera:
    """Record a camera no more, for now; what is recorded stays as long as it was to be kept.

    Raises:
        ConflictError: it is not recorded.
    """
    row = locked(camera)
    if row.state == Camera.State.OFF:
        return row
    if row.state != Camera.State.RECORDING:
        msg = f"{row.name} is not recorded ({row.get_state_display().lower()})."
        raise ConflictError(msg)
    return _put(row, Camera.State.OFF, by, "Switched off")


@transaction.atomic
def retire(camera: UUID, by: Person | None) -> Camera:
    """End a camera for good: its device is taken down, its short name is never used again."""
    row = locked(camera)
    if row.state == Camera.State.RETIRED:
        return row
    equipment.take_down(row)
    return _put(row, Camera.State.RETIRED, by, "Retired")


def _put(row: Camera, state: Camera.State, by: Person | None, did: str) -> Camera:
    matters = Camera.State.RECORDING in (row.state, state)
    row.state = state
    row.save(update_fields=["state"])
    note(row, by, did, kind=Kind.CAMERA_STATE)
    if matters:
        revisions.changed(row.recorder)
    return row


def put_device(
    camera: UUID,
    version: int,
    device: DeviceInput,
    by: Person | None,
    *,
    replace: bool = False,
    new_password: bool | None = None,
) -> Camera:
    """Put a device behind a camera, or change the one that is there (`replace`: another one hangs there from now on).

    `new_password`: whether its password is written down as changed; by default if one is given.

    Raises:
        FieldError: something about the device is wrong; `field` says what.
        ChangedMeanwhileError: somebody changed the camera since `version`.
        ConflictError: the camera is retired.
    """
    good = equipment.checked(device, settings.CONTROL.camera_ranges)  # looks names up: not while others wait
    with transaction.atomic():
        row = locked(camera)
        equipment.set_device(row, version, good, by, replace=replace, new_password=new_password)
    return row

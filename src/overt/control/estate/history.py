"""What changed about a camera: compared, written down, told to who saves a form that somebody else saved meanwhile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Change, record
from overt.control.estate.models import Camera, CameraChange, Site
from overt.control.people.models import Person
from overt.errors import ConflictError

FIELDS: Final = (
    "name",
    "site",
    "location",
    "purpose",
    "legal_basis",
    "owner",
    "review_on",
    "retention_days",
    "retention_reason",
    "audio",
    "audio_reason",
)
"""What is changed on the form of a camera."""
DEVICE_ADDRESS: Final = "device_address"
"""As a field of a change: where the device is. Only who works on equipment is told."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that changed: values as forms take them, and as people read them."""

    field: str
    before: str
    after: str
    words_before: str
    words_after: str

    @property
    def label(self) -> str:
        """The field as pages name it."""
        return label_of(self.field)

    def to_row(self) -> dict[str, str]:
        """Return what is stored."""
        return {name: getattr(self, name) for name in self.__slots__}


class ChangedMeanwhileError(ConflictError):
    """Somebody else saved the camera first."""

    def __init__(self, camera: Camera, changes: list[CameraChange]) -> None:
        """Tell of `changes`, oldest first, since the version that the form began with."""
        self.version, self.changes = camera.version, changes
        who = ", ".join(dict.fromkeys(each.person.name if each.person else "the system" for each in changes))
        labels = ", ".join(dict.fromkeys(each.label for change in changes for each in differences_of(change)))
        what = f" ({labels})" if labels else ""
        super().__init__(
            f"{camera.name} was changed by {who or 'somebody else'} meanwhile{what}: "
            f"it is at version {camera.version}. Look at what it is now, then save again."
        )


def label_of(name: str) -> str:
    """Return a field as pages name it."""
    if name == DEVICE_ADDRESS:
        return "Address of the device"
    field = Camera._meta.get_field(name)  # noqa: SLF001 - Django's documented API
    return str(getattr(field, "verbose_name", name))


def form_value(value: Any) -> str:
    """Return a field's value as a form carries it."""
    if value is None or value is False:
        return ""
    if value is True:
        return "on"
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value.pk) if isinstance(value, Site | Person) else str(value)


def words(value: Any) -> str:
    """Return a field's value as people read it."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value.day} {value:%B %Y}" if isinstance(value, dt.date) else str(value)


def values_of(camera: Camera) -> dict[str, Any]:
    """Return the fields of a camera that forms change."""
    return {name: getattr(camera, name) for name in FIELDS}


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what differs, in the order of the form."""
    return [
        Difference(name, form_value(before[name]), form_value(after[name]), words(before[name]), words(after[name]))
        for name in FIELDS
        if name in after and form_value(before[name]) != form_value(after[name])
    ]


def differences_of(change: CameraChange) -> list[Difference]:
    """Return the fields of a change that is written down."""
    return [Difference(**row) for row in change.fields]


def note(
    camera: Camera,
    person: Person | None,
    did: str,
    differences: Iterable[Difference] = (),
    kind: Kind = Kind.CAMERA_CHANGED,
) -> None:
    """Raise the camera's version and write down what was done, in the register and in the ledger.

    To be called within the transaction that does it, as its last step.

    Raises:
        UnavailableError, CorruptError: as `acts.recording.record`; nothing is to be changed then.
    """
    differences = list(differences)
    camera.version += 1
    camera.save(update_fields=["version"])
    CameraChange.objects.create(
        camera=camera,
        version=camera.version,
        at=timezone.now(),
        person=person,
        did=did,
        fields=[each.to_row() for each in differences],
    )
    # Who reads the ledger need not know where devices are: that it is another place is enough.
    changes = [
        Change(each.field, "", "another one")
        if each.field == DEVICE_ADDRESS
        else Change(each.field, each.words_before, each.words_after)
        for each in differences
    ]
    record(kind, cameras=[camera.key], changes=changes, more={"did": did, "name": camera.name})


def since(camera: Camera, version: int) -> list[CameraChange]:
    """Return what was changed after a version, oldest first."""
    return list(camera.changes.filter(version__gt=version).select_related("person").order_by("version"))


def merged(theirs: Iterable[CameraChange], mine: Mapping[str, str]) -> tuple[dict[str, str], list[Difference]]:
    """Bring somebody's unsaved form together with what others saved: (the form's values, fields that both changed).

    A field that only others changed takes their value; one that both changed keeps the form's, and is named.
    """
    base: dict[str, Difference] = {}
    for change in theirs:
        for each in differences_of(change):
            first = base.get(each.field)
            base[each.field] = (
                each
                if first is None
                else Difference(each.field, first.before, each.after, first.words_before, each.words_after)
            )
    values, both = dict(mine), []
    for name, each in base.items():
        if mine.get(name, "") == each.before:
            values[name] = each.after
        elif mine.get(name, "") != each.after:
            both.append(each)
    return values, both

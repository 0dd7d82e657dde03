"""The council of `overt demo`: people, sites and cameras of a place that is not there, entered as a person would.

Runs in a process of the control room (`overt.control.project.one_off`); a second run finds what the first made, and
brings the addresses of the simulated cameras up to date.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.utils import timezone
from pydantic import SecretStr

from overt.cli.demo_words import ACCOUNTS, CAMERAS, PASSWORD, DemoCamera
from overt.control.configuration import ControlSettings
from overt.control.estate import changes
from overt.control.estate.equipment import DeviceInput, StreamInput
from overt.control.estate.models import Camera, Site
from overt.control.people.models import Person, SiteGroup
from overt.control.people.setting_up import make_person, make_starting_roles
from overt.control.project.server import bring_up_to_date

REVIEW: Final = timedelta(days=180)
CONTRACT: Final = timedelta(days=90)


def act(settings: ControlSettings, asked: dict[str, Any]) -> dict[str, Any]:
    """Make the council unless it is there; put its cameras' devices at the addresses of `asked["cameras"]`."""
    del settings
    bring_up_to_date()
    if not Person.objects.exists():
        _make_people()
    manager = Person.objects.get_by_natural_key(ACCOUNTS[0].email)
    for key, device in asked["cameras"].items():
        camera = Camera.objects.filter(key=key).first() or _make_camera(CAMERAS[key], key, manager)
        row = changes.put_device(camera.pk, camera.version, _device(device), manager)
        if row.state == Camera.State.DRAFT:
            changes.go_live(row.pk, manager)
    return {"cameras": sorted(asked["cameras"])}


def _make_people() -> None:
    make_starting_roles()
    for account in ACCOUNTS:
        group = SiteGroup.objects.get_or_create(name=account.group)[0] if account.group else None
        make_person(
            account.email,
            account.name,
            PASSWORD,
            account.roles,
            group=group,
            employer=Person.Employer.CONTRACTOR if account.contractor else Person.Employer.COUNCIL,
            expires_at=timezone.now() + CONTRACT if account.contractor else None,
        )


def _make_camera(described: DemoCamera, key: str, owner: Person) -> Camera:
    group, _ = SiteGroup.objects.get_or_create(name=described.group)
    site, _ = Site.objects.get_or_create(name=described.site, defaults={"group": group, "address": described.address})
    values = {
        "name": described.name,
        "site": site,
        "location": described.looks_at,
        "purpose": described.purpose,
        "legal_basis": described.legal_basis,
        "owner": owner,
        "review_on": (timezone.now() + REVIEW).date(),
        "retention_days": described.days,
        "retention_reason": described.retention_reason,
    }
    return changes.add_camera(values, owner, key)


def _device(told: dict[str, Any]) -> DeviceInput:
    return DeviceInput(
        host=told["host"],
        port=told["port"],
        username=told["username"],
        password=SecretStr(told["password"]),
        streams=tuple(StreamInput(kind, url) for kind, url in told["streams"].items()),
    )

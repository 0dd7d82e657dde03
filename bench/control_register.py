"""Fills a register, for `control_pages.py`: runs in a process of the control room (`overt.control.project.one_off`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from overt.control.configuration import ControlSettings
from overt.control.estate.models import Camera, Device, Installation, Site, Stream
from overt.control.people.models import SiteGroup
from overt.control.people.setting_up import make_person, make_starting_roles
from overt.control.project.server import bring_up_to_date

CAMERAS_A_SITE = 10
SITES_A_GROUP = 25


def act(settings: ControlSettings, asked: dict[str, Any]) -> dict[str, Any]:
    """Make somebody who may do everything, and `asked["cameras"]` cameras that are switched off."""
    del settings
    bring_up_to_date()
    make_starting_roles()
    owner = make_person(asked["email"], "Bench", asked["password"], ("CCTV manager", "Administrator", "Auditor"))
    count = asked["cameras"]
    sites: list[Site] = []
    for number in range(-(-count // CAMERAS_A_SITE)):
        group, _ = SiteGroup.objects.get_or_create(name=f"District {number // SITES_A_GROUP:03}")
        sites.append(Site.objects.create(name=f"Building {number:04}", group=group))
    cameras = [
        Camera(
            key=f"camera-{number:05}",
            name=f"Camera {number:05}",
            site=sites[number // CAMERAS_A_SITE],
            state=Camera.State.OFF,
            purpose="Safety of staff at the issue desk, after three assaults in a year.",
            legal_basis="Public task: UK GDPR Article 6(1)(e)",
            owner=owner,
            review_on=(timezone.now() + timedelta(days=number % 400 - 20)).date(),
            retention_reason="Incidents are reported within a month.",
        )
        for number in range(count)
    ]
    Camera.objects.bulk_create(cameras, batch_size=500)
    devices = [Device(host=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", maker="Maker", model="M1") for n in range(count)]
    Device.objects.bulk_create(devices, batch_size=500)
    installations = [
        Installation(camera=camera, device=device) for camera, device in zip(cameras, devices, strict=True)
    ]
    Installation.objects.bulk_create(installations, batch_size=500)
    Stream.objects.bulk_create(
        [Stream(installation=each, kind="main", url=f"rtsp://{each.device.host}/1") for each in installations],
        batch_size=500,
    )
    return {"cameras": Camera.objects.count()}

"""A council with something behind every page of the control room, for tests that walk through all of them."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any, Final
from uuid import uuid4

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from playwright.sync_api import Page
from pydantic import SecretStr

from address_table import make_world, rows
from control_rig import PASSWORD, camera_at, person_with, signed_in
from estate_rig import WHY
from health_rig import COUNCIL_NAMES, forty_days_of, wrong
from matrix import World
from overt.control.estate import looks, pending
from overt.control.estate.equipment import DeviceInput
from overt.control.estate.models import Camera, Device, Installation, Stream
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import rights_of
from overt.control.people.tokens import make_token
from overt.control.viewing import approvals, custody_pages, plans
from overt.control.viewing.models import Purpose
from overt.control.viewing.pictures import checked
from page_rig import with_authenticator
from probe_rig import ProbeServer, keyframe, onvif, small, stream

HOST: Final = "192.0.2.7"


@dataclass
class StandInCustody:
    """Custody of a key that is made and opened at once."""

    made: bool = True
    unlocked: bool = False
    key_file: Path = field(default=Path("/var/lib/overt/custodian.key"))

    def make(self, site: str, passphrase: str) -> str:
        return "7Q4M-K2RA-90VX-5TDE-MM1C-Z8GH-4PWS-NE3B"


class Council:
    """People, cameras, alerts and plans; and for each page somebody who has signed in and may do everything."""

    def __init__(self, page: Page, address: str, server: ProbeServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world: World = make_world()
        self.page, self.address = page, address
        self.custody = StandInCustody()
        monkeypatch.setattr(custody_pages, "custody", lambda: self.custody)
        self.owner = person_with(name="Ada Field")
        self.cameras = [
            camera_at(self.world.site, f"c{number}", name=name, state="recording", owner=self.owner, **_why())
            for number, name in enumerate(COUNCIL_NAMES)
        ]
        forty_days_of(self.cameras)
        with_device(self.cameras[1])
        Camera.objects.filter(pk=self.cameras[2].pk).update(state="off")
        Camera.objects.filter(pk=self.cameras[3].pk).update(state="retired")
        wrong(self.cameras[0], "camera-lost", "urgent", "is lost", "It cannot be reached, and is not recorded.")
        wrong(self.cameras[1], "camera-clock", "warning", "has a clock that is slow", "It is 2 seconds slow.")
        wrong(self.world.camera, "review-overdue", "notice", "is due for review", "It was to be reviewed by 1 May.")
        self.plan = plans.add_plan(self.world.site, "First floor", checked(io.BytesIO(drawing()), len(drawing())))
        places = [(self.cameras[0], 20.0, 30.0, 90), (self.cameras[1], 70.0, 60.0, 270)]
        plans.put_pins(self.plan, [plans.Place(camera.pk, x, y, to) for camera, x, y, to in places])
        server.answer = {
            "onvif": onvif(),
            "streams": [
                stream(f"rtsp://{HOST}/1", gop_s=4.0, picture=keyframe()),
                small(f"rtsp://{HOST}/2", codec="H.265"),
                small(f"rtsp://{HOST}/3", error="nobody answers"),
            ],
            "errors": ["ONVIF gave no third stream"],
        }

    def somebody(self) -> tuple[Person, Client]:
        """Return somebody who may do everything and has just signed in."""
        person = person_with(*Action, name=f"Robin Field {uuid4().hex[:6]}")
        client = signed_in(person)
        session = client.session
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time(), "email": person.email}]
        session.save()
        return person, client

    def paths(self, name: str, person: Person, client: Client) -> Iterable[str]:
        """Return each address that a page is looked at under."""
        special = SPECIAL.get(name)
        if special is not None:
            return special(self, person, client)
        return [reverse(name, kwargs=dict(rows()[name].arguments(self.world, person)))]


def _why() -> dict[str, Any]:
    return WHY | {"review_on": dt.date(2031, 3, 31), "retention_days": 31}


def drawing() -> bytes:
    """A white picture."""
    out = io.BytesIO()
    Image.new("RGB", (800, 600), "white").save(out, "PNG")
    return out.getvalue()


def with_device(camera: Camera) -> None:
    """Put a device with two streams behind a camera."""
    device = Device.objects.create(host=HOST, maker="Acme", model="Dome 4", firmware="1.2.3", serial_number="A-77")
    there = Installation.objects.create(camera=camera, device=device)
    for kind, width, height in (("main", 1920, 1080), ("sub", 640, 360)):
        Stream.objects.create(installation=there, kind=kind, url=f"rtsp://{HOST}/{kind}", width=width, height=height)


# --- pages that want more than a row of the table gives ---------------------------------------------------------------


def of_each_camera(name: str) -> Special:
    """A page of a camera, for cameras in every state."""

    def paths(council: Council, person: Person, client: Client) -> Iterable[str]:
        there = [council.world.camera, *council.cameras[:4]]
        return [reverse(name, kwargs={"camera": camera.pk}) for camera in there]

    return paths


def health_of_cameras(council: Council, person: Person, client: Client) -> Iterable[str]:
    return [reverse("health:camera", kwargs={"camera_id": camera.pk}) for camera in council.cameras[::4]]


def devices(council: Council, person: Person, client: Client) -> Iterable[str]:
    return [reverse("estate:device", kwargs={"camera": camera.pk}) for camera in council.cameras[:2]]


def replacing(council: Council, person: Person, client: Client) -> Iterable[str]:
    return [reverse("estate:replace-device", kwargs={"camera": council.cameras[1].pk})]


def look(council: Council, person: Person, client: Client) -> Iterable[str]:
    camera = council.cameras[0]
    asked = DeviceInput(HOST, username="admin", password=SecretStr("-"))
    made = looks.begin(asked, camera, None, camera.version, person, replace=False)
    return [reverse("estate:look", kwargs={"camera": camera.pk, "look": made})]


def look_picture(council: Council, person: Person, client: Client) -> Iterable[str]:
    return [f"{path}/0.mp4" for path in look(council, person, client)]


def import_shown(council: Council, person: Person, client: Client) -> Iterable[str]:
    file = f"key,name,site\n,New door,{council.world.site.name}\nc0,Renamed,\n".encode()
    kept = {"file": base64.b64encode(file).decode(), "marks": []}
    return [reverse("estate:import-shown", kwargs={"file": pending.keep(pending.FILE, person, json.dumps(kept))})]


def footage_key(council: Council, person: Person, client: Client) -> Iterable[str]:
    for council.custody.unlocked in (True, False):
        yield reverse("viewing:footage-key")


def make_footage_key(council: Council, person: Person, client: Client) -> Iterable[str]:
    council.custody.made = False
    yield reverse("viewing:make-footage-key")
    council.custody.made = True


def plan(name: str) -> Special:
    """A page of the plan that has a picture and pins."""

    def paths(council: Council, person: Person, client: Client) -> Iterable[str]:
        return [reverse(name, kwargs={"plan": council.plan.pk})]

    return paths


def account(council: Council, person: Person, client: Client) -> Iterable[str]:
    TOTP.activate(person, generate_totp_secret())
    Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop"})
    make_token(person, "Nightly export", ["live"], timezone.now() + dt.timedelta(days=1))
    return [reverse("people:account")]


def nobody(name: str) -> Special:
    """A page for who has not signed in."""

    def paths(council: Council, person: Person, client: Client) -> Iterable[str]:
        client.logout()
        return [reverse(name)]

    return paths


def second_step(council: Council, person: Person, client: Client) -> Iterable[str]:
    """Between password and code."""
    TOTP.activate(person, generate_totp_secret())
    page = council.page
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**" + reverse("mfa_authenticate"))
    for each in page.context.cookies():
        client.cookies[each["name"]] = each["value"]
    return [reverse("mfa_authenticate")]


def passkey_again(council: Council, person: Person, client: Client) -> Iterable[str]:
    """Has a passkey, of an authenticator of the browser's."""
    page = council.page
    page.context.clear_cookies()
    cookie = client.cookies["overt_session"].value
    page.context.add_cookies([{"name": "overt_session", "value": cookie, "url": council.address}])
    with_authenticator(page)
    page.goto(reverse("mfa_add_webauthn"))
    page.get_by_role("button", name="Add a passkey", exact=True).click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    return [reverse("mfa_reauthenticate_webauthn")]


def people(council: Council, person: Person, client: Client) -> Iterable[str]:
    removed = person_with(name=f"Sue Long {uuid4().hex[:6]}", is_active=False)
    guest = person_with(
        Action.LIVE, name=f"Max Dent {uuid4().hex[:6]}", expires_at=timezone.now() + dt.timedelta(days=3)
    )
    there = [council.world.person, removed, guest]
    return [reverse("people:person", kwargs={"person": each.pk}) for each in there]


def with_shift(name: str) -> Special:
    """A page without and with an approval for a shift."""

    def seen(council: Council, person: Person, client: Client) -> Iterable[str]:
        made, _ = Purpose.objects.get_or_create(
            name="Patrol of the market", defaults={"legal_basis": "Public task", "opens": ["replay"], "may_stand": True}
        )
        yield reverse(name)
        asked = approvals.Asked(made.pk, "OP-1", (council.world.group.pk,), 8)
        approvals.open_approval(person, rights_of(person), asked, "OP-1")
        yield reverse(name)

    return seen


Special = Callable[[Council, Person, Client], Iterable[str]]
SPECIAL: Final[Mapping[str, Special]] = {
    "account_login": nobody("account_login"),
    "mfa_reauthenticate_webauthn": passkey_again,
    "mfa_authenticate": second_step,
    "people:account": account,
    "people:person": people,
    "estate:camera": of_each_camera("estate:camera"),
    "estate:device": devices,
    "estate:replace-device": replacing,
    "estate:look": look,
    "estate:look-picture": look_picture,
    "estate:import-shown": import_shown,
    "health:camera": health_of_cameras,
    "viewing:footage-key": footage_key,
    "viewing:make-footage-key": make_footage_key,
    "viewing:review": with_shift("viewing:review"),
    "viewing:shift": with_shift("viewing:shift"),
    "viewing:shifts": with_shift("viewing:shifts"),
    "viewing:plan": plan("viewing:plan"),
    "viewing:change-plan": plan("viewing:change-plan"),
    "viewing:plan-picture": plan("viewing:plan-picture"),
}

"""People, sites and cameras of a council that is not there."""

from __future__ import annotations

from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client

from overt.control.estate.models import Camera, Site
from overt.control.people.actions import Action
from overt.control.people.models import Appointment, Person, Role, SiteGroup
from overt.control.people.second_factor import SETTLED

PASSWORD = "correct horse battery staple"


class Browser(Client):
    """A browser that speaks HTTPS, whatever it is told."""

    def generic(self, *positional: Any, secure: bool = True, **named: Any) -> Any:
        return super().generic(*positional, secure=True, **named)


def person_with(
    *actions: Action, group: SiteGroup | None = None, name: str = "Robin Field", **fields: object
) -> Person:
    """Make somebody who may do these, at a group or everywhere."""
    email = f"{name.lower().replace(' ', '.')}@northshire.example"
    person = Person.objects.create_user(email, name, PASSWORD, **fields)
    if actions:
        role = Role.objects.create(name=f"{name}'s role", actions=[each.value for each in actions])
        Appointment.objects.create(person=person, role=role, group=group)
    return person


def signed_in(person: Person) -> Client:
    """Return a browser of somebody who has signed in, with a second factor; it speaks HTTPS."""
    client = browser()
    client.force_login(person)
    session = client.session
    session[SETTLED] = True
    session.save()
    return client


def browser(**more: Any) -> Client:
    """Return a browser that nobody has signed in with; it speaks HTTPS."""
    return Browser(**more)


def site_in(group: str = "Town centre", name: str = "Market Hall") -> Site:
    """Make a site, and its group unless it is there."""
    found, _ = SiteGroup.objects.get_or_create(name=group)
    return Site.objects.create(name=name, group=found)


def camera_at(site: Site, key: str = "market", **fields: object) -> Camera:
    """Make a camera that is still being set up."""
    return Camera.objects.create(site=site, key=key, name=fields.pop("name", key.title()), **fields)


def code_of(secret: str) -> str:
    """Return the code that an authenticator app with this secret shows now."""
    taken = list(yield_hotp_counters_from_time())  # those of half a minute ago and to come too: the middle one is now
    return format_hotp_value(hotp_value(secret, taken[len(taken) // 2]))

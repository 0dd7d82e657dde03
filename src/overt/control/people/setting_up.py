"""The first account, the roles that a new system begins with, and people as a program makes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction

from overt.control.acts.actor import Actor, Via, acting
from overt.control.acts.kinds import Kind
from overt.control.people import writing_down
from overt.control.people.actions import STARTING_ROLES
from overt.control.people.links import opened, use
from overt.control.people.models import Appointment, OneTimeLink, Person, Role, SiteGroup
from overt.control.people.sessions import end_all
from overt.errors import InvalidError

FIRST_ROLES: Final = ("Administrator", "CCTV manager")
"""What the first account may do, everywhere."""


def make_starting_roles() -> dict[str, Role]:
    """Make the roles that a new system begins with, those that are not there; return them by name."""
    made = {}
    for name, actions in STARTING_ROLES.items():
        made[name], _ = Role.objects.get_or_create(name=name, defaults={"actions": [each.value for each in actions]})
    return made


@transaction.atomic
def make_person(
    email: str,
    name: str,
    password: str | None,
    roles: Iterable[str] = (),
    *,
    group: SiteGroup | None = None,
    employer: Person.Employer = Person.Employer.COUNCIL,
    expires_at: datetime | None = None,
) -> Person:
    """Make somebody who has roles (by name) at a group of sites, or everywhere.

    Raises:
        InvalidError: an address that is none or is known already, or a role that does not exist.
    """
    try:
        person = Person.objects.create_user(email, name, password, employer=employer, expires_at=expires_at)
    except ValidationError as error:
        raise InvalidError(f"{email}: {' '.join(error.messages)}") from error
    for wanted in roles:
        role = Role.objects.filter(name=wanted).first()
        if role is None:
            raise InvalidError(f"There is no role “{wanted}”.")
        Appointment.objects.create(person=person, role=role, group=group)
        writing_down.role_at(Kind.ROLE_GIVEN, person, role, group)
    writing_down.about(Kind.PERSON_ADDED, person, email=person.email)
    return person


@transaction.atomic
def make_first_account(token: str, email: str, name: str, password: str) -> Person:
    """Make the first account with the link of the first start, and the starting roles.

    Raises:
        MissingError: the link does not work any more.
        InvalidError: as `make_person`.
    """
    link = opened(OneTimeLink.Purpose.SETUP, token)
    make_starting_roles()
    with acting(Actor(None, "Whoever has the link of the first start", Via.PAGE)):
        person = make_person(email, name, password, FIRST_ROLES)
    use(link)
    return person


@transaction.atomic
def choose_password(token: str, password: str) -> Person:
    """Set the password of who was invited, and end their sessions; the link works no more.

    Raises:
        MissingError: the link does not work any more.
    """
    link = opened(OneTimeLink.Purpose.INVITATION, token)
    person = link.person
    if person is None:  # the table does not allow it
        raise InvalidError("This invitation is nobody's.")
    person.set_password(password)
    person.save(update_fields=["password"])
    use(link)
    transaction.on_commit(lambda: end_all(person))
    with acting(Actor(person.pk, person.name)):
        writing_down.about(Kind.PROOFS_CHANGED, person, what="A password was chosen with a link.")
    return person

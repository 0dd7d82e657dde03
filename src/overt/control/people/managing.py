"""Changes to people and their rights. Each function asks whether the manager may, does it, and tells who is concerned.

Rules are in `managing_rules`. What a manager may not know of is missing (404); what they see but may not do is
forbidden (403); what somebody else changed meanwhile is a conflict (409).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.db.models import QuerySet

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import changes_of
from overt.control.people import sessions, writing_down
from overt.control.people.actions import Action
from overt.control.people.links import Link, invitation
from overt.control.people.managing_rules import Appointed, manages_everywhere, may_change, may_give, may_see
from overt.control.people.models import Appointment, OneTimeLink, Person, Role, SiteGroup
from overt.control.people.rights import Rights
from overt.control.people.signals import rights_changed
from overt.control.people.versions import save
from overt.errors import ConflictError, ForbiddenError, InvalidError, MissingError

NOT_YOURS: Final = (
    "You may not change this account: it has rights that you could not give. Ask whoever manages people everywhere."
)
NOT_GIVEN: Final = (
    "You may not give this: it needs the right to manage people there, and every right of the role yourself."
)


def people_of(manager: Rights) -> QuerySet[Person]:
    """Return the people whose accounts are the manager's business, by name."""
    people = Person.objects.order_by("name", "email")
    where = manager.where(Action.MANAGE_PEOPLE)
    return people if where is None else people.filter(appointments__group__in=where).distinct()


def person_of(manager: Rights, person_id: UUID) -> Person:
    """Return somebody whose account is the manager's business.

    Raises:
        MissingError: there is nobody of this id, or the manager may not know of them.
    """
    person = Person.objects.filter(pk=person_id).first()
    if person is None or not may_see(manager, appointed(person)):
        raise MissingError("There is nobody here, or you may not know of them.")
    return person


def appointed(person: Person) -> list[Appointed]:
    """Return what roles somebody has, as the rules take it."""
    return list(person.appointments.values_list("role__actions", "group_id"))


def changes(manager: Rights, person: Person) -> bool:
    """Whether the manager may change the account itself."""
    return may_change(manager, appointed(person))


def groups_of(manager: Rights) -> QuerySet[SiteGroup]:
    """Return the groups at which the manager may give rights."""
    where = manager.where(Action.MANAGE_PEOPLE)
    return SiteGroup.objects.all() if where is None else SiteGroup.objects.filter(pk__in=where)


def add_person(
    manager: Rights,
    *,
    email: str,
    name: str,
    employer: str,
    expires_at: datetime | None,
    role_id: int,
    group_id: int | None,
) -> tuple[Person, Link]:
    """Make an account with its first role; return it with the link by which its owner chooses a password.

    Raises:
        InvalidError, MissingError, ForbiddenError: see the module; Django's ValidationError names fields.
    """
    with transaction.atomic():
        role, group = _role(role_id), _group(manager, group_id)
        if not may_give(manager, role.actions, group_id):
            raise ForbiddenError(NOT_GIVEN)
        person = Person.objects.create_user(email, name, None, employer=employer, expires_at=expires_at)
        Appointment.objects.create(person=person, role=role, group=group)
        link = invitation(person)
        writing_down.about(Kind.PERSON_ADDED, person, changes_of({}, _values(person)), email=person.email)
        writing_down.role_at(Kind.ROLE_GIVEN, person, role, group)
        return person, link


def change_person(
    manager: Rights, person_id: UUID, version: int, *, name: str, employer: str, expires_at: datetime | None
) -> Person:
    """Change somebody's name, employer, or the end of their account.

    Raises:
        ConflictError: somebody else changed it since `version`, or nobody would be left who manages people everywhere.
        MissingError, ForbiddenError: see the module; Django's ValidationError names fields.
    """
    with somebody_left():
        person = _changed(manager, person_id)
        before = _values(person)
        person.name, person.employer, person.expires_at = name, employer, expires_at
        person.full_clean(exclude=["password"])
        save(person, version, "name", "employer", "expires_at")
        _tell([person.pk])
        if changes := changes_of(before, _values(person)):
            writing_down.about(Kind.PERSON_CHANGED, person, changes)
        if not person.may_sign_in:
            transaction.on_commit(lambda: sessions.end_all(person))
    return person


def appoint(manager: Rights, person_id: UUID, role_id: int, group_id: int | None) -> Appointment:
    """Give somebody a role at a group of sites, or (None) everywhere; what they have already stays.

    Raises:
        MissingError, ForbiddenError: see the module.
    """
    with transaction.atomic():
        person, role, group = person_of(manager, person_id), _role(role_id), _group(manager, group_id)
        if not may_give(manager, role.actions, group_id):
            raise ForbiddenError(NOT_GIVEN)
        if not person.is_active:
            raise ConflictError(f"{person.name} was removed: restore the account first.")
        made, new = Appointment.objects.get_or_create(person=person, role=role, group=group)
        _tell([person.pk])
        if new:
            writing_down.role_at(Kind.ROLE_GIVEN, person, role, group)
    return made


def withdraw(manager: Rights, person_id: UUID, appointment_id: int) -> Person:
    """Take a role from somebody.

    Raises:
        ConflictError: nobody would be left who manages people everywhere.
        MissingError, ForbiddenError: see the module.
    """
    with somebody_left():
        person = person_of(manager, person_id)
        found = person.appointments.select_related("role", "group").filter(pk=appointment_id).first()
        if found is None:
            raise MissingError(f"{person.name} does not have this role any more.")
        if not may_give(manager, found.role.actions, found.group_id):
            raise ForbiddenError("You may not take this role away: you could not give it either.")
        found.delete()
        _tell([person.pk])
        writing_down.role_at(Kind.ROLE_TAKEN, person, found.role, found.group)
    return person


def remove_person(manager: Rights, person_id: UUID) -> Person:
    """Close an account: it signs in no more, its sessions, roles, tokens and passkeys end. What it did stays its.

    Raises:
        ConflictError: nobody would be left who manages people everywhere.
        MissingError, ForbiddenError: see the module.
    """
    with somebody_left():
        person = _changed(manager, person_id)
        person.is_active = False
        person.set_unusable_password()
        person.last_login = None
        save(person, person.version, "is_active", "password", "last_login")
        for rows in (person.appointments, person.tokens, person.links):
            rows.all().delete()
        _forget_proofs(person)
        _tell([person.pk])
        transaction.on_commit(lambda: sessions.end_all(person))
        writing_down.about(Kind.PERSON_REMOVED, person)
    return person


def restore_person(manager: Rights, person_id: UUID) -> Link:
    """Open an account that was removed, without roles; return the link by which its owner chooses a password.

    Raises:
        MissingError, ForbiddenError: see the module.
    """
    with transaction.atomic():
        person = _changed(manager, person_id)
        person.is_active = True
        save(person, person.version, "is_active")
        link = invitation(person)
        writing_down.about(Kind.PERSON_RESTORED, person)
        return link


def invite_again(manager: Rights, person_id: UUID) -> Link:
    """Make a new link by which somebody chooses a password; the one they had works no more.

    Raises:
        ConflictError: the account was removed or has ended.
        MissingError, ForbiddenError: see the module.
    """
    with transaction.atomic():
        person = _changed(manager, person_id)
        if not person.may_sign_in:
            raise ConflictError(f"The account of {person.name} does not work: change its end, or restore it, first.")
        link = invitation(person)
        writing_down.about(Kind.PERSON_INVITED, person)
        return link


def forget_second_factor(manager: Rights, person_id: UUID) -> Person:
    """Forget somebody's passkeys and codes, which they lost, and end their sessions: they set up others.

    Raises:
        MissingError, ForbiddenError: see the module.
    """
    with transaction.atomic():
        person = _changed(manager, person_id)
        _forget_proofs(person)
        transaction.on_commit(lambda: sessions.end_all(person))
        writing_down.about(Kind.PROOFS_CHANGED, person, what="All were forgotten.")
    return person


@contextlib.contextmanager
def somebody_left() -> Iterator[None]:
    """Carry out a change in one transaction, unless it takes away the last person who manages people everywhere.

    Raises:
        ConflictError: it would; nothing is changed.
    """
    with transaction.atomic():
        before = _keepers()
        list(Person.objects.select_for_update().filter(pk__in=before).order_by("pk"))
        yield
        if before and not _keepers():
            raise ConflictError(
                "Nobody would be left who manages people everywhere, without an end to their account. "
                "Give somebody else such a role first."
            )


def tell_holders(role: Role) -> None:
    """Say, after the transaction, that the rights of everybody who has a role changed."""
    _tell(list(role.appointments.values_list("person_id", flat=True).distinct()))


def _values(person: Person) -> dict[str, object]:
    """Return what is changed on the form of somebody, as it is written down."""
    end = person.expires_at.isoformat(timespec="seconds") if person.expires_at else ""
    return {"name": person.name, "employer": str(person.employer), "expires_at": end}


def _keepers() -> list[UUID]:
    """Return who manages people everywhere, can sign in by now, and has no end."""
    rows = Appointment.objects.filter(
        group__isnull=True, person__is_active=True, person__expires_at__isnull=True
    ).select_related("person", "role")
    return [row.person_id for row in rows if Action.MANAGE_PEOPLE.value in row.role.actions and row.person.has_arrived]


def _changed(manager: Rights, person_id: UUID) -> Person:
    person = person_of(manager, person_id)
    if not changes(manager, person):
        raise ForbiddenError(NOT_YOURS)
    return person


def _role(role_id: int) -> Role:
    role = Role.objects.filter(pk=role_id).first()
    if role is None:
        raise InvalidError("There is no such role: choose one from the list.")
    return role


def _group(manager: Rights, group_id: int | None) -> SiteGroup | None:
    if group_id is None:
        if not manages_everywhere(manager):
            raise ForbiddenError(NOT_GIVEN)
        return None
    group = groups_of(manager).filter(pk=group_id).first()
    if group is None:
        raise MissingError("There is no such group of sites, or you may not know of it.")
    return group


def _forget_proofs(person: Person) -> None:
    Authenticator.objects.filter(user=person).delete()
    SocialAccount.objects.filter(user=person).delete()
    OneTimeLink.objects.filter(person=person).delete()


def _tell(people: Iterable[UUID]) -> None:
    concerned = list(people)
    transaction.on_commit(lambda: rights_changed.send(sender=Person, people=concerned))

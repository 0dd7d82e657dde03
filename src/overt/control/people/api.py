"""The API of people: accounts, roles, groups of sites, appointments, tokens. What the pages do, by the same functions.

Tokens are made on the account page alone, so that no token can make a greater one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from overt.control.people import managing, roles
from overt.control.people.actions import Action
from overt.control.people.api_access import caller_of
from overt.control.people.gate import Asked, asks, for_anyone_signed_in
from overt.control.people.invitations import send
from overt.control.people.links import Link
from overt.control.people.models import MAX_NAME, ApiToken, Appointment, Person, Role, SiteGroup
from overt.control.people.people_pages import filtered
from overt.control.people.rights import Rights
from overt.control.people.tokens import end_token

router = Router(tags=["People"])
manages = asks(Action.MANAGE_PEOPLE)
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=r"^[^\x00]*$")]
Employer = Literal["council", "contractor", "police"]
Number = Annotated[int, Field(ge=0, le=2**31 - 1)]
Actions = Annotated[list[Action], Field(min_length=1, max_length=len(Action))]


class Asking(Schema):
    """What somebody sends: fields that are not known are refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class AppointmentOut(Schema):
    """A role of somebody, at a group of sites or (null) everywhere."""

    id: int
    role: int
    role_name: str
    group: int | None
    group_name: str | None


class PersonOut(Schema):
    """An account."""

    id: UUID
    email: str
    name: str
    employer: Employer
    expires_at: datetime | None
    active: bool
    arrived: bool
    version: int
    appointments: list[AppointmentOut]


class PeopleOut(Schema):
    """A page of accounts."""

    total: int
    items: list[PersonOut]


class LinkOut(Schema):
    """A link by which somebody chooses a password; nobody gets to see it again."""

    url: str
    expires_at: datetime
    sent: bool


class InvitedOut(Schema):
    """An account that was made, and the link for its owner."""

    person: PersonOut
    link: LinkOut


class Sought(Schema):
    """Which accounts are wanted, and which page of them."""

    q: Words = ""
    role: Number | None = None
    state: Literal["", "invited", "ending", "ended", "removed"] = ""
    offset: Number = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class NewPersonIn(Asking):
    """Somebody new, with their first role; without a group they have it everywhere."""

    email: Annotated[str, StringConstraints(max_length=254)]
    name: Name
    employer: Employer = "council"
    expires_at: AwareDatetime | None = None
    role: Number
    group: Number | None = None


class PersonIn(Asking):
    """What can be changed of an account, and the version that the change was made of."""

    name: Name
    employer: Employer
    expires_at: AwareDatetime | None
    version: Number


class AppointmentIn(Asking):
    """A role to give; without a group, everywhere."""

    role: Number
    group: Number | None = None


class RoleOut(Schema):
    """A role."""

    id: int
    name: str
    actions: list[str]
    version: int


class NewRoleIn(Asking):
    """A new role."""

    name: Name
    actions: Actions


class RoleIn(NewRoleIn):
    """A role, and the version that the change was made of."""

    version: Number


class GroupOut(Schema):
    """A group of sites."""

    id: int
    name: str
    version: int


class NewGroupIn(Asking):
    """A new group of sites."""

    name: Name


class GroupIn(NewGroupIn):
    """A group of sites, and the version that the change was made of."""

    version: Number


class TokenOut(Schema):
    """A token, without what it is made of."""

    id: int
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class MeOut(Schema):
    """Who calls, and what they may do: of each action the ids of groups, or null for everywhere."""

    id: UUID
    email: str
    name: str
    rights: dict[str, list[int] | None]


@router.get("/me", response=MeOut, summary="Who calls, and what they may do")
@for_anyone_signed_in
def me(request: Asked) -> MeOut:
    """Say who calls."""
    person = caller_of(request)
    where = {action: request.rights.where(action) for action in Action if request.rights.anywhere(action)}
    rights = {action.value: None if ids is None else sorted(ids) for action, ids in where.items()}
    return MeOut(id=person.pk, email=person.email, name=person.name, rights=rights)


@router.get("/tokens", response=list[TokenOut], summary="One's own tokens")
@for_anyone_signed_in
def tokens(request: Asked) -> list[ApiToken]:
    """List one's own tokens."""
    return list(caller_of(request).tokens.all())


@router.delete("/tokens/{token}", response={204: None}, summary="End a token of one's own")
@for_anyone_signed_in
def drop_token(request: Asked, token: int) -> Status[None]:
    """End a token of one's own."""
    end_token(caller_of(request), token)
    return Status(204, None)


@router.get("/people", response=PeopleOut, summary="The accounts that one manages")
@manages
def people(request: Asked, sought: Query[Sought]) -> PeopleOut:
    """List accounts, by name."""
    found = filtered(managing.people_of(request.rights), sought.dict())
    page = found.prefetch_related("appointments__role", "appointments__group")[
        sought.offset : sought.offset + sought.limit
    ]
    return PeopleOut(total=found.count(), items=[_person(request.rights, each) for each in page])


@router.post("/people", response={201: InvitedOut}, summary="Make an account")
@manages
def add_person(request: Asked, told: NewPersonIn) -> Status[InvitedOut]:
    """Make an account with its first role, and invite its owner."""
    values = told.dict()
    person, link = managing.add_person(
        request.rights, role_id=values.pop("role"), group_id=values.pop("group"), **values
    )
    return Status(201, InvitedOut(person=_person(request.rights, person), link=_link(person, link)))


@router.get("/people/{person}", response=PersonOut, summary="An account")
@manages
def person(request: Asked, person: UUID) -> PersonOut:
    """Show an account."""
    return _person(request.rights, managing.person_of(request.rights, person))


@router.put("/people/{person}", response=PersonOut, summary="Change an account")
@manages
def change_person(request: Asked, person: UUID, told: PersonIn) -> PersonOut:
    """Change an account's name, employer and end."""
    values = told.dict()
    changed = managing.change_person(request.rights, person, values.pop("version"), **values)
    return _person(request.rights, changed)


@router.delete("/people/{person}", response={204: None}, summary="Remove somebody")
@manages
def remove_person(request: Asked, person: UUID) -> Status[None]:
    """Close an account and end its sessions."""
    managing.remove_person(request.rights, person)
    return Status(204, None)


@router.post("/people/{person}/restore", response=LinkOut, summary="Restore somebody who was removed")
@manages
def restore_person(request: Asked, person: UUID) -> LinkOut:
    """Open an account again, without roles, and invite its owner."""
    link = managing.restore_person(request.rights, person)
    return _link(managing.person_of(request.rights, person), link)


@router.post("/people/{person}/invitation", response=LinkOut, summary="A new link to choose a password")
@manages
def invite_person(request: Asked, person: UUID) -> LinkOut:
    """Make a new link for somebody."""
    link = managing.invite_again(request.rights, person)
    return _link(managing.person_of(request.rights, person), link)


@router.delete("/people/{person}/second-step", response={204: None}, summary="Forget lost passkeys and codes")
@manages
def forget_second_factor(request: Asked, person: UUID) -> Status[None]:
    """Forget what somebody lost."""
    managing.forget_second_factor(request.rights, person)
    return Status(204, None)


@router.post("/people/{person}/appointments", response={201: AppointmentOut}, summary="Give a role")
@manages
def appoint(request: Asked, person: UUID, told: AppointmentIn) -> Status[AppointmentOut]:
    """Give somebody a role."""
    return Status(201, _appointment(managing.appoint(request.rights, person, told.role, told.group)))


@router.delete("/people/{person}/appointments/{appointment}", response={204: None}, summary="Take a role away")
@manages
def withdraw(request: Asked, person: UUID, appointment: int) -> Status[None]:
    """Take a role from somebody."""
    managing.withdraw(request.rights, person, appointment)
    return Status(204, None)


@router.get("/roles", response=list[RoleOut], summary="The roles")
@manages
def list_roles(request: Asked) -> list[Role]:
    """List the roles."""
    del request
    return list(Role.objects.all())


@router.post("/roles", response={201: RoleOut}, summary="Make a role")
@manages
def add_role(request: Asked, told: NewRoleIn) -> Status[Role]:
    """Make a role."""
    return Status(201, roles.add_role(request.rights, told.name, told.actions))


@router.put("/roles/{role}", response=RoleOut, summary="Change a role")
@manages
def change_role(request: Asked, role: int, told: RoleIn) -> Role:
    """Change a role, for everybody who has it."""
    return roles.change_role(request.rights, role, told.version, told.name, told.actions)


@router.delete("/roles/{role}", response={204: None}, summary="Delete a role that nobody has")
@manages
def delete_role(request: Asked, role: int) -> Status[None]:
    """Delete a role."""
    roles.delete_role(request.rights, role)
    return Status(204, None)


@router.get("/groups", response=list[GroupOut], summary="The groups of sites at which one manages people")
@manages
def list_groups(request: Asked) -> list[SiteGroup]:
    """List groups of sites."""
    return list(managing.groups_of(request.rights))


@router.post("/groups", response={201: GroupOut}, summary="Make a group of sites")
@manages
def add_group(request: Asked, told: NewGroupIn) -> Status[SiteGroup]:
    """Make a group of sites."""
    return Status(201, roles.add_group(request.rights, told.name))


@router.put("/groups/{group}", response=GroupOut, summary="Rename a group of sites")
@manages
def rename_group(request: Asked, group: int, told: GroupIn) -> SiteGroup:
    """Rename a group of sites."""
    return roles.rename_group(request.rights, group, told.version, told.name)


@router.delete("/groups/{group}", response={204: None}, summary="Delete a group without sites")
@manages
def delete_group(request: Asked, group: int) -> Status[None]:
    """Delete a group of sites."""
    roles.delete_group(request.rights, group)
    return Status(204, None)


def _person(rights: Rights, person: Person) -> PersonOut:
    shown = [
        each
        for each in person.appointments.select_related("role", "group")
        if rights.may(Action.MANAGE_PEOPLE, each.group_id)
    ]
    return PersonOut(
        id=person.pk,
        email=person.email,
        name=person.name,
        employer=person.employer,  # type: ignore[arg-type]
        expires_at=person.expires_at,
        active=person.is_active,
        arrived=person.has_arrived,
        version=person.version,
        appointments=[_appointment(each) for each in shown],
    )


def _appointment(row: Appointment) -> AppointmentOut:
    return AppointmentOut(
        id=row.pk,
        role=row.role_id,
        role_name=row.role.name,
        group=row.group_id,
        group_name=row.group.name if row.group else None,
    )


def _link(person: Person, link: Link) -> LinkOut:
    return LinkOut(url=link.url, expires_at=link.expires_at, sent=send(person, link))

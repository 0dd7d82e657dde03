"""Changes to roles and to groups of sites: for who manages people everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from overt.control.acts.recording import changes_of
from overt.control.people import writing_down
from overt.control.people.actions import Action
from overt.control.people.managing import somebody_left, tell_holders
from overt.control.people.models import Role, SiteGroup
from overt.control.people.rights import Rights, require
from overt.control.people.versions import save
from overt.errors import ConflictError, MissingError


def role_of(role_id: int) -> Role:
    """Return a role.

    Raises:
        MissingError: there is none of this id.
    """
    role = Role.objects.filter(pk=role_id).first()
    if role is None:
        raise MissingError("There is no such role any more.")
    return role


def add_role(manager: Rights, name: str, actions: Iterable[str]) -> Role:
    """Make a role.

    Raises:
        ForbiddenError: the manager does not manage people everywhere. Django's ValidationError names fields.
    """
    require(manager, Action.MANAGE_PEOPLE)
    with transaction.atomic():
        role = Role(name=name, actions=in_order(actions))
        role.full_clean()
        role.save()
        writing_down.role_changed(role, changes_of({}, _values(role)))
    return role


def change_role(manager: Rights, role_id: int, version: int, name: str, actions: Iterable[str]) -> Role:
    """Change what a role is called and allows, for everybody who has it.

    Raises:
        ConflictError: somebody else changed it since `version`, or nobody would be left who manages people everywhere.
        MissingError, ForbiddenError: there is none, or not for this manager. Django's ValidationError names fields.
    """
    require(manager, Action.MANAGE_PEOPLE)
    with somebody_left():
        role = role_of(role_id)
        before = _values(role)
        role.name, role.actions = name, in_order(actions)
        role.full_clean()
        save(role, version, "name", "actions")
        tell_holders(role)
        writing_down.role_changed(role, changes_of(before, _values(role)))
    return role


def delete_role(manager: Rights, role_id: int) -> None:
    """Delete a role that nobody has.

    Raises:
        ConflictError: somebody has it.
        MissingError, ForbiddenError: there is none, or not for this manager.
    """
    require(manager, Action.MANAGE_PEOPLE)
    with transaction.atomic():
        role = role_of(role_id)
        count = role.appointments.values("person").distinct().count()
        if count:
            raise ConflictError(f"{count} people have the role “{role.name}”. Take it from them first.")
        role.delete()
        writing_down.role_changed(role, changes_of(_values(role), {"name": None, "actions": None}))


def group_of(group_id: int) -> SiteGroup:
    """Return a group of sites.

    Raises:
        MissingError: there is none of this id.
    """
    group = SiteGroup.objects.filter(pk=group_id).first()
    if group is None:
        raise MissingError("There is no such group of sites any more.")
    return group


def add_group(manager: Rights, name: str) -> SiteGroup:
    """Make a group of sites.

    Raises:
        ForbiddenError: the manager does not manage people everywhere. Django's ValidationError names fields.
    """
    require(manager, Action.MANAGE_PEOPLE)
    with transaction.atomic():
        group = SiteGroup(name=name)
        group.full_clean()
        group.save()
        writing_down.group_changed(group, "", name)
    return group


def rename_group(manager: Rights, group_id: int, version: int, name: str) -> SiteGroup:
    """Rename a group of sites.

    Raises:
        ConflictError: somebody else changed it since `version`.
        MissingError, ForbiddenError: there is none, or not for this manager. Django's ValidationError names fields.
    """
    require(manager, Action.MANAGE_PEOPLE)
    with transaction.atomic():
        group = group_of(group_id)
        before, group.name = group.name, name
        group.full_clean()
        save(group, version, "name")
        if before != name:
            writing_down.group_changed(group, before, name)
    return group


def delete_group(manager: Rights, group_id: int) -> None:
    """Delete a group that has no sites and at which nobody has a role.

    Raises:
        ConflictError: it has, or somebody has.
        MissingError, ForbiddenError: there is none, or not for this manager.
    """
    require(manager, Action.MANAGE_PEOPLE)
    with transaction.atomic():
        group = group_of(group_id)
        sites, appointments = group.sites.count(), group.appointments.count()
        if sites or appointments:
            raise ConflictError(
                f"“{group.name}” has {sites} sites, and {appointments} roles are held there. "
                "Move the sites and take the roles away first."
            )
        group.delete()
        writing_down.group_changed(group, group.name, "")


def in_order(actions: Iterable[str]) -> list[str]:
    """Return actions once each, in the order in which pages show them; what is no action stays, to be refused."""
    given = set(actions)
    known = [each.value for each in Action]
    return [each for each in known if each in given] + sorted(given.difference(known))


def _values(role: Role) -> dict[str, object]:
    return {"name": role.name, "actions": [*role.actions]}

"""Leaves about people and rights. Each is called inside the transaction that changes the rows, as its last step."""

from __future__ import annotations

from collections.abc import Iterable

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Change, record
from overt.control.people.models import Person, Role, SiteGroup

EVERYWHERE = "everywhere"


def about(kind: Kind, person: Person, changes: Iterable[Change] = (), **more: str) -> None:
    """Write down an act about somebody's account."""
    record(kind, person=(person.pk, person.name), changes=changes, more={**more})


def role_at(kind: Kind, person: Person, role: Role, group: SiteGroup | None) -> None:
    """Write down that somebody is given a role, or loses one."""
    record(
        kind,
        person=(person.pk, person.name),
        more={
            "role": {"name": role.name, "actions": [*role.actions]},
            "where": group.name if group is not None else EVERYWHERE,
        },
    )


def role_changed(role: Role, changes: Iterable[Change]) -> None:
    """Write down that a role is made, changed or deleted."""
    if changed := list(changes):
        record(Kind.ROLE_CHANGED, changes=changed, more={"role": {"name": role.name}})


def group_changed(group: SiteGroup, before: str, after: str) -> None:
    """Write down that a group of sites is made, renamed or deleted; what is not there has no name."""
    change = Change("name", before, after)
    record(Kind.GROUP_CHANGED, changes=[change], more={"group": {"id": group.pk, "name": after or before}})

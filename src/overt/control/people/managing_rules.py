"""Who may give which rights, and whose account they may change. Plain rules on plain values.

Somebody who manages people everywhere may give any role anywhere. Somebody who manages people at some groups of sites
may give rights there alone, and only actions that they hold there themselves; they change an account only if every
role of it is one that they could have given. So nobody gets more, through somebody else's account, than they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overt.control.people.actions import Action
from overt.control.people.rights import EVERYWHERE, Rights, combined

Appointed = tuple[Iterable[str], int | None]
"""The actions of a role, and the group at which it is held (None: everywhere)."""


def manages_everywhere(manager: Rights) -> bool:
    """Whether somebody manages people at all sites, those to come too."""
    return manager.may(Action.MANAGE_PEOPLE)


def may_give(manager: Rights, actions: Iterable[str], group: int | None) -> bool:
    """Whether somebody may give these actions at a group (None: everywhere), or take them away."""
    if manages_everywhere(manager):
        return True
    if group is EVERYWHERE or not manager.may(Action.MANAGE_PEOPLE, group):
        return False
    given = combined([(actions, group)])
    return all(manager.may(action, group) for action in given.groups)


def may_see(manager: Rights, appointments: Iterable[Appointed]) -> bool:
    """Whether somebody's account is the manager's business: they have a role where the manager manages people."""
    return manages_everywhere(manager) or any(
        group is not EVERYWHERE and manager.may(Action.MANAGE_PEOPLE, group) for _, group in appointments
    )


def may_change(manager: Rights, appointments: Sequence[Appointed]) -> bool:
    """Whether the manager may change the account itself: its name, its end, its password."""
    if manages_everywhere(manager):
        return True
    return bool(appointments) and all(may_give(manager, actions, group) for actions, group in appointments)

"""May this person do that here? The one place that decides; every page, API call and grant asks it.

Rights are read from the database at each question: what was taken away is gone with the next one. Decisions on plain
values (`Rights`) need no database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from overt.control.people.actions import WORDS, Action
from overt.control.people.models import Appointment
from overt.errors import ForbiddenError

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from overt.control.people.models import Person

EVERYWHERE: Final = None
"""As a group: all sites, those to come too."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do: of each action the ids of groups, and the actions that hold everywhere."""

    everywhere: frozenset[Action] = frozenset()
    groups: dict[Action, frozenset[int]] = field(default_factory=dict)

    def may(self, action: Action, group: int | None = EVERYWHERE) -> bool:
        """Whether the action is allowed at a group of sites; at EVERYWHERE only who may do it everywhere."""
        return action in self.everywhere or (group is not EVERYWHERE and group in self.groups.get(action, ()))

    def anywhere(self, action: Action) -> bool:
        """Whether there is any site at which the action is allowed."""
        return action in self.everywhere or bool(self.groups.get(action))

    def where(self, action: Action) -> frozenset[int] | None:
        """Return the ids of groups at which the action is allowed; None: everywhere."""
        return None if action in self.everywhere else self.groups.get(action, frozenset())

    def only(self, actions: Collection[Action]) -> Rights:
        """Return what is left of them where some actions alone are allowed: those of a token."""
        return Rights(
            self.everywhere & frozenset(actions),
            {action: ids for action, ids in self.groups.items() if action in actions},
        )


NONE: Final = Rights()


def rights_of(person: Person | AnonymousUser | None) -> Rights:
    """Return what somebody may do now; nothing for who is not signed in, was removed, or whose account has ended."""
    if person is None or not person.is_authenticated or not person.may_sign_in:
        return NONE
    rows = Appointment.objects.filter(person_id=person.pk).values_list("role__actions", "group_id")
    return combined(rows)


def combined(appointments: Iterable[tuple[Iterable[str], int | None]]) -> Rights:
    """Add up appointments: (actions, group id or None for everywhere). Actions that are not known allow nothing."""
    everywhere: set[Action] = set()
    groups: dict[Action, set[int]] = {}
    known = {each.value: each for each in Action}
    for actions, group in appointments:
        for action in (known[name] for name in actions if name in known):
            if group is EVERYWHERE:
                everywhere.add(action)
            else:
                groups.setdefault(action, set()).add(group)
    return Rights(frozenset(everywhere), {action: frozenset(ids) for action, ids in groups.items()})


def require(rights: Rights, action: Action, group: int | None = EVERYWHERE) -> None:
    """Go on only if the action is allowed there.

    Raises:
        ForbiddenError: it is not.
    """
    if not rights.may(action, group):
        msg = f"You may not do this here: it needs the right “{WORDS[action]}”. Ask whoever manages people."
        raise ForbiddenError(msg)

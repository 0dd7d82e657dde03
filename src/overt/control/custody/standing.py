"""What of keys in hand whoever looks after a system has to know: plain values, for the page of health."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from overt.control.custody.keyrings import keyring_of
from overt.control.custody.models import KeyRequest
from overt.control.custody.policies import ROLE_WORDS, ROLES
from overt.control.custody.switching import drill_is_due, lacking, policy_now

LOUD: Final = dt.timedelta(days=7)
"""For so long it is said that a recovery was used, or that footage did not open."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A recovery on paper was used."""

    at: dt.datetime
    person: str
    """Who asked for what it answered."""
    kind: str
    """Of the request."""


@dataclass(frozen=True, slots=True)
class KeysInHand:
    """How it stands with them."""

    recovered: tuple[Recovery, ...] = ()
    """Within `LOUD`, newest first."""
    failed: int = 0
    """Key periods that did not open within `LOUD`."""
    failed_since: dt.datetime | None = None
    lacking: tuple[str, ...] = ()
    """What the policy in force asks for and is not there, in words."""
    undrilled: tuple[str, ...] = ()
    """Roles in force whose keyring nobody has tried for a quarter, in words."""


def keys_in_hand(now: dt.datetime) -> KeysInHand:
    """Look how it stands."""
    recent = KeyRequest.objects.select_related("asked_by").filter(asked__gt=now - LOUD)
    used = [
        Recovery(each.recovered, each.asked_by.name, each.kind)
        for each in recent.filter(recovered__isnull=False)
        if each.recovered is not None
    ]
    failed = list(recent.filter(failed__gt=0).values_list("failed", "asked").order_by("asked"))
    policy = policy_now()
    due = []
    for role in ROLES[policy]:
        found = keyring_of(role)
        # One that was just founded need not be tried at once.
        if found is not None and drill_is_due(found.drilled or found.founded, now):
            due.append(ROLE_WORDS[role])
    return KeysInHand(
        recovered=tuple(used),
        failed=sum(count for count, _ in failed),
        failed_since=failed[0][1] if failed else None,
        lacking=tuple(lacking(policy)) if ROLES[policy] else (),
        undrilled=tuple(due),
    )

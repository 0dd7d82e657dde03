"""Which custody policy is in force, and how another is put in force: from then on, for what is recorded from then on.

What was sealed before stays sealed to whom it was. A policy that needs keys in hand is switched on by whoever keeps
keys; it is left only if the keys in force agree.
"""

from __future__ import annotations

import datetime as dt
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Change, Json, record
from overt.control.custody.enrolling import is_good
from overt.control.custody.keyrings import is_up_to_date, keyring_of
from overt.control.custody.models import PolicyInForce, SecurityKey
from overt.control.custody.policies import LEAST_KEYS, POLICY_WORDS, ROLE_WORDS, ROLES, KeyRole, Policy
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import Rights, require
from overt.errors import ConflictError, ForbiddenError
from overt.sealing.roles import Recipient

DRILL_DAYS: Final = 92
"""A key is tried so often: each quarter."""


def policy_now() -> Policy:
    """Return the policy in force; before anybody chose, the custodian's."""
    found = PolicyInForce.objects.order_by("-id").values_list("policy", flat=True).first()
    return Policy(found) if found else Policy.CUSTODIAN


def roles_now() -> tuple[KeyRole, ...]:
    """Return whose keys have to be touched to open recorded footage now; none: the passphrase was enough."""
    return ROLES[policy_now()]


def lacking(policy: Policy) -> list[str]:
    """Say what is missing before a policy can be put in force: in words, empty if nothing is."""
    found = []
    for role in ROLES[policy]:
        words, keyring = ROLE_WORDS[role], keyring_of(role)
        good = sum(is_good(each) for each in SecurityKey.objects.select_related("holder").filter(role=role))
        if keyring is None:
            found.append(f"“{words}” has no keyring yet: found one, with its recovery on paper.")
            continue
        if good < LEAST_KEYS:
            found.append(f"“{words}” has {good} security keys in use, and needs {LEAST_KEYS}: keys are lost.")
        if not is_up_to_date(role):
            found.append(f"The keyring of “{words}” is not sealed to the keys of now: seal it anew.")
    return found


def recipients_of(policy: Policy) -> tuple[Recipient, ...]:
    """Return to whom footage is sealed under a policy with keys in hand, innermost layer first.

    Raises:
        ConflictError: a role has no keyring.
    """
    found = []
    for role in reversed(ROLES[policy]):
        keyring = keyring_of(role)
        if keyring is None:
            raise ConflictError(f"“{ROLE_WORDS[role]}” has no keyring yet.")
        found.append(Recipient(role.value, bytes.fromhex(keyring.public_key)))
    return tuple(found)


def may_switch(rights: Rights, policy: Policy) -> None:
    """Go on only if somebody may put a policy in force, and nothing is missing.

    Raises:
        ForbiddenError: they do not keep keys.
        ConflictError: it is in force, or something is missing.
    """
    require(rights, Action.KEEP_KEYS)
    if policy == policy_now():
        raise ConflictError(f"The policy “{POLICY_WORDS[policy]}” is in force already.")
    if missing := lacking(policy):
        raise ConflictError(" ".join(missing))


def switch(person: Person, rights: Rights, policy: Policy, *, agreed: UUID | None = None) -> PolicyInForce:
    """Put a policy in force. `agreed`: the request that the keys of the policy of now have answered.

    The caller hands the recorder its new recipients within the same transaction.

    Raises:
        ForbiddenError, ConflictError: as `may_switch`; the keys in force have not agreed.
    """
    with transaction.atomic():
        may_switch(rights, policy)
        before = policy_now()
        if ROLES[before] and agreed is None:
            raise ForbiddenError(f"The keys of the policy “{POLICY_WORDS[before]}” have to agree first.")
        made = PolicyInForce.objects.create(policy=policy, since=timezone.now(), by=person)
        change = Change("policy", POLICY_WORDS[before], POLICY_WORDS[policy])
        more: dict[str, Json] = {"policy": policy.value}
        if agreed:
            more["request"] = str(agreed)
        record(Kind.POLICY_CHANGED, changes=[change], more=more)
    return made


def drill_is_due(drilled: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a keyring has not been tried for a quarter."""
    return drilled is None or now - drilled > dt.timedelta(days=DRILL_DAYS)

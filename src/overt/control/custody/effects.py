"""What happens once every key that a request asked has answered. Looks are opened by `viewing`, which asks for them."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, record
from overt.control.custody import texts
from overt.control.custody.enrolling import approval_needs_key, approve, key_of, may_approve
from overt.control.custody.handing_over import hand_over
from overt.control.custody.models import KeyRequest, Keyring
from overt.control.custody.policies import POLICY_WORDS, ROLES, Policy
from overt.control.custody.requests import Brought, ask
from overt.control.custody.switching import may_switch, policy_now, switch
from overt.control.people.models import Person
from overt.control.people.rights import Rights, rights_of
from overt.errors import ConflictError


def ask_to_approve(person: Person, rights: Rights, key_id: UUID) -> KeyRequest:
    """Ask a key of the other role to approve a security key. Raises as `enrolling.may_approve`."""
    key = key_of(key_id)
    may_approve(person, rights, key)
    needed = approval_needs_key(key)
    if needed is None:
        raise ConflictError("No key of the other role is in use: this one is approved without.")
    told: dict[str, Json] = {
        "key": {"id": str(key.pk), "name": key.label, "holder": key.holder.name, "recipient": key.recipient},
        "key_role": key.role,
    }
    return ask("approve", person, [needed], told)


def ask_to_switch(person: Person, rights: Rights, policy: Policy) -> KeyRequest:
    """Ask the keys in force whether another policy may follow. Raises as `switching.may_switch`."""
    may_switch(rights, policy)
    before = policy_now()
    if not ROLES[before]:
        raise ConflictError("No keys are in force that could be asked.")
    return ask("policy", person, ROLES[before], {"policy": policy.value, "before": before.value})


def answered(brought: Brought) -> str:
    """Let what was asked for happen; return what has, in words. Empty: others have to answer yet, or a look waits.

    Raises: as what was asked for does; then nothing has happened, and the request is over.
    """
    request = brought.request
    if not brought.done:
        return ""
    told = texts.read(request.text)
    asker = request.asked_by
    if request.kind == "approve":
        key = approve(asker, rights_of(asker), UUID(told["key"]["id"]), touched=request.pk)
        return f"“{key.label}” of {key.holder.name} is approved. The keyring is to be sealed anew."
    if request.kind == "policy":
        with transaction.atomic():
            made = switch(asker, rights_of(asker), Policy(told["policy"]), agreed=request.pk)
            hand_over()
        return f"The policy “{POLICY_WORDS[Policy(made.policy)]}” is in force."
    if request.kind == "drill":
        return _drilled(brought)
    return ""


def _drilled(brought: Brought) -> str:
    request = brought.request
    opened, failed = len(brought.roots), len(brought.failed)
    with transaction.atomic():
        if not failed:
            Keyring.objects.filter(role__in=request.roles).update(drilled=timezone.now())
        record(Kind.KEYRING_DRILLED, more={"request": str(request.pk), "opened": opened, "failed": failed})
    if failed:
        return f"{failed} key periods did NOT open, {opened} did. Tell whoever looks after this system at once."
    return f"{opened} key periods opened, as they should. What they hold was not looked at."

"""Security keys from their proposal to their end: who may hold one, and who says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, record
from overt.control.custody.models import Keyring, SecurityKey
from overt.control.custody.policies import ROLE_WORDS, KeyRole
from overt.control.custody.signatures import Registered
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import Rights, require, rights_of
from overt.errors import ConflictError, ForbiddenError, MissingError
from overt.sealing.keyring import checked_recipient

HOLDING: Final = (Action.RECORDED, Action.KEEP_KEYS)
"""Who may hold a security key: whoever may do one of these somewhere."""
IN_USE: Final = (SecurityKey.State.PROPOSED, SecurityKey.State.APPROVED, SecurityKey.State.ADMITTED)


def key_of(key: UUID) -> SecurityKey:
    """Return a security key. Raises MissingError."""
    found = SecurityKey.objects.select_related("holder").filter(pk=key).first()
    if found is None:
        raise MissingError("There is no such security key.")
    return found


def may_hold(person: Person, role: KeyRole) -> None:
    """Go on only if somebody may hold a key of a role.

    Raises:
        ConflictError: they may not open footage, or hold a key of the other role: four eyes are two people's.
    """
    rights = rights_of(person)
    if not any(rights.anywhere(each) for each in HOLDING):
        msg = f"{person.name} may hold no security key: it needs the right to look back at footage, or to keep keys."
        raise ConflictError(msg)
    other = SecurityKey.objects.filter(holder=person, state__in=IN_USE).exclude(role=role).first()
    if other is not None:
        msg = (
            f"{person.name} holds the key “{other.label}” of the role “{other.get_role_display()}”. "
            "Nobody holds keys of both: four eyes are two people’s."
        )
        raise ConflictError(msg)


def propose(person: Person, role: KeyRole, label: str, key: Registered, recipient: str, rp_id: str) -> SecurityKey:
    """Write a security key down that somebody has touched to register it; it opens nothing yet.

    Raises:
        ConflictError: as `may_hold`; the key is known already.
        InvalidError: `recipient` is none. Django's ValidationError names fields.
    """
    with transaction.atomic():
        may_hold(person, role)
        if SecurityKey.objects.filter(credential_id=key.credential_id).exists():
            raise ConflictError("This security key is registered already.")
        found = SecurityKey(
            role=role,
            holder=person,
            label=label,
            credential_id=key.credential_id,
            credential=key.credential,
            rp_id=rp_id,
            recipient=checked_recipient(recipient),
            sign_count=key.sign_count,
            proposed=timezone.now(),
        )
        found.full_clean()
        found.save()
        record(Kind.SECURITY_KEY_PROPOSED, person=(person.pk, person.name), more=_told(found) | {"model": key.model})
    return found


def other_role(role: KeyRole) -> KeyRole:
    """Return the other one."""
    return KeyRole.APPROVER if role == KeyRole.VIEWER else KeyRole.VIEWER


def approval_needs_key(key: SecurityKey) -> KeyRole | None:
    """Return the role whose key has to be touched to approve this one; None while the other role has none in use."""
    other = other_role(KeyRole(key.role))
    return other if Keyring.objects.filter(role=other).exists() else None


def may_approve(person: Person, rights: Rights, key: SecurityKey) -> None:
    """Go on only if somebody may approve a key.

    Raises:
        ForbiddenError: they do not keep keys, or hold it themselves.
        ConflictError: it does not wait for approval.
    """
    require(rights, Action.KEEP_KEYS)
    if key.holder_id == person.pk:
        raise ForbiddenError("Nobody approves their own security key: somebody else who keeps keys does.")
    if key.state != SecurityKey.State.PROPOSED:
        raise ConflictError(f"“{key.label}” does not wait for approval any more.")


def approve(person: Person, rights: Rights, key_id: UUID, *, touched: UUID | None = None) -> SecurityKey:
    """Let a key be sealed to. `touched`: the request that a key of the other role has answered.

    Raises:
        ForbiddenError, ConflictError: as `may_approve`; a key of the other role has to be touched.
        MissingError: there is no such key.
    """
    with transaction.atomic():
        key = _locked(key_id)
        may_approve(person, rights, key)
        needed = approval_needs_key(key)
        if needed is not None and touched is None:
            msg = f"To approve this key, a key of the role “{ROLE_WORDS[needed]}” has to be touched."
            raise ForbiddenError(msg)
        may_hold(key.holder, KeyRole(key.role))
        key.state, key.approved_by = SecurityKey.State.APPROVED, person
        key.save(update_fields=["state", "approved_by"])
        more = _told(key) | ({"request": str(touched)} if touched else {})
        record(Kind.SECURITY_KEY_APPROVED, person=(key.holder_id, key.holder.name), more=more)
    return key


def end(person: Person, rights: Rights, key_id: UUID, why: str) -> SecurityKey:
    """Take a key out of use, at once: it was lost, is broken, or its holder leaves.

    What was sealed to it stays so until the keyring is sealed anew.

    Raises:
        ForbiddenError: somebody else's, and they do not keep keys.
        ConflictError: it is out of use already.
        MissingError: there is no such key.
    """
    with transaction.atomic():
        key = _locked(key_id)
        if key.holder_id != person.pk:
            require(rights, Action.KEEP_KEYS)
        if key.state == SecurityKey.State.ENDED:
            raise ConflictError(f"“{key.label}” is out of use already.")
        key.state, key.ended, key.ended_why = SecurityKey.State.ENDED, timezone.now(), why
        key.full_clean()
        key.save(update_fields=["state", "ended", "ended_why"])
        record(Kind.SECURITY_KEY_ENDED, person=(key.holder_id, key.holder.name), more=_told(key) | {"why": why})
    return key


def holders_left(keys: Iterable[SecurityKey]) -> set[UUID]:
    """Return the ids of keys whose holder's account has ended, or who may hold none any more."""
    return {key.pk for key in keys if not any(rights_of(key.holder).anywhere(each) for each in HOLDING)}


def is_good(key: SecurityKey) -> bool:
    """Whether a key counts among those of its role: in use, and its holder has an account that works."""
    return key.state == SecurityKey.State.ADMITTED and not holders_left([key])


def _locked(key_id: UUID) -> SecurityKey:
    key = SecurityKey.objects.select_for_update(of=("self",)).select_related("holder").filter(pk=key_id).first()
    if key is None:
        raise MissingError("There is no such security key.")
    return key


def _told(key: SecurityKey) -> dict[str, Json]:
    return {
        "key": {"id": str(key.pk), "name": key.label},
        "key_role": key.role,
        "credential": key.credential,
        "recipient": key.recipient,
        "rp_id": key.rp_id,
    }

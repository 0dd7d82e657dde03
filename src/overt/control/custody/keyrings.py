"""Keyrings of roles: founded, sealed anew when keys come and go, and given a new role key.

A keyring is made in the page of somebody who touches a key of the role; this program sees it sealed. What it can check
is that it is an age file with as many recipients as the request said.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, record
from overt.control.custody import texts
from overt.control.custody.enrolling import holders_left
from overt.control.custody.models import KeyRequest, Keyring, SecurityKey
from overt.control.custody.policies import ROLE_WORDS, KeyRole
from overt.control.custody.requests import ask, locked, state_of
from overt.control.people.models import Person
from overt.errors import ConflictError, ForbiddenError, InvalidError
from overt.sealing.keyring import checked_recipient, recipient_count
from overt.sealing.roles import key_id

_PUBLIC: Final = re.compile(r"[0-9a-f]{64}")
SEALABLE: Final = (SecurityKey.State.APPROVED, SecurityKey.State.ADMITTED)


def keyring_of(role: KeyRole) -> Keyring | None:
    """Return the keyring of a role; None before it was founded."""
    return Keyring.objects.filter(role=role).first()


def to_be_sealed_to(role: KeyRole) -> list[SecurityKey]:
    """Return the keys that a keyring is to be sealed to: approved or in use, of people who may hold one."""
    keys = list(SecurityKey.objects.select_related("holder").filter(role=role, state__in=SEALABLE))
    left = holders_left(keys)
    return [each for each in keys if each.pk not in left]


def is_up_to_date(role: KeyRole) -> bool:
    """Whether a role's keyring is sealed to exactly those keys that it should be."""
    found = keyring_of(role)
    return found is not None and sorted(found.sealed_to) == sorted(str(each.pk) for each in to_be_sealed_to(role))


def ask_to_seal(person: Person, role: KeyRole, public_key: str, recovery: str) -> KeyRequest:
    """Ask a key of a role to seal its keyring to the keys of this moment.

    `public_key`: of a new role key that the page has made, hexadecimal; needed to found a keyring, else empty: the role
    keeps its key. `recovery`: age recipient of a new recovery on paper; the same.

    Raises:
        InvalidError: one of them is missing or none.
        ConflictError: no key is there to seal to.
    """
    found, keys = keyring_of(role), to_be_sealed_to(role)
    if found is None and not (public_key and recovery):
        msg = "a keyring is founded with a role key and a recovery on paper"
        raise InvalidError(msg)
    if public_key and _PUBLIC.fullmatch(public_key) is None:
        msg = "the role key that the page made is no X25519 public key"
        raise InvalidError(msg)
    if not keys:
        msg = f"No security key of the role “{ROLE_WORDS[role]}” is approved: register some, and have them approved."
        raise ConflictError(msg)
    members: dict[str, Json] = {
        "role": role.value,
        "keys": [
            {"id": str(each.pk), "name": each.label, "holder": each.holder.name, "recipient": each.recipient}
            for each in keys
        ],
        "recovery": checked_recipient(recovery) if recovery else (found.recovery if found else ""),
        "new_public_key": public_key,
    }
    return ask("seal", person, [role], members)


def seal(request_id: UUID, person: Person, sealed: str) -> Keyring:
    """Keep a keyring that a page has sealed, once a key of the role has answered the request for it.

    Raises:
        ForbiddenError: no key has, or it is not theirs.
        ConflictError: keys have come or gone meanwhile.
        InvalidError: it is no age file with as many recipients.
    """
    with transaction.atomic():
        request = locked(request_id)
        waiting = [each for each in request.given if not each["back"]]
        if request.kind != "seal" or state_of(request) != KeyRequest.State.OPEN or not waiting:
            raise ForbiddenError("No key has answered this request: touch one first.")
        if waiting[0]["person"]["id"] != str(person.pk):
            raise ForbiddenError("Somebody else’s key has answered this request.")
        told = texts.read(request.text)
        role, keys = KeyRole(told["role"]), to_be_sealed_to(KeyRole(told["role"]))
        if [str(each.pk) for each in keys] != [each["id"] for each in told["keys"]]:
            raise ConflictError("Keys have come or gone while you sealed the keyring: do it once more.")
        count = recipient_count(sealed)
        if count != len(keys) + 1:
            msg = f"the keyring is sealed to {count} recipients, not to {len(keys)} keys and the recovery on paper"
            raise InvalidError(msg)
        found, now = keyring_of(role), timezone.now()
        made = Keyring(
            role=role,
            sealed=sealed,
            public_key=told["new_public_key"] or (found.public_key if found else ""),
            recovery=told["recovery"],
            sealed_to=[str(each.pk) for each in keys],
            sealed_at=now,
            founded=found.founded if found else now,
            drilled=found.drilled if found else None,
        )
        made.save(force_insert=found is None)
        SecurityKey.objects.filter(pk__in=[each.pk for each in keys]).update(state=SecurityKey.State.ADMITTED)
        waiting[0]["back"] = True
        request.state = KeyRequest.State.DONE
        request.save(update_fields=["given", "state"])
        kind = Kind.KEYRING_SEALED if found else Kind.KEYRING_FOUNDED
        more: dict[str, Json] = {
            "request": str(request.pk),
            "key_role": role.value,
            "public_key": made.public_key,
            "key_id": key_id(bytes.fromhex(made.public_key)),
            "new_role_key": bool(told["new_public_key"]),
            "recipients": [each["recipient"] for each in told["keys"]],
            "recovery": made.recovery,
        }
        record(kind, more=more)
    return made

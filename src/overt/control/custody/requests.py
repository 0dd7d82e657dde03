"""Requests that security keys answer: asked, touched by one person after the other, and done.

Each step is written into the ledger, with what the key has signed, before anything that it opens leaves this program.
A request is answered once by each role; it ends by itself. What is left to be opened lies in its row, sealed to those
who have not answered yet; the roots that come out at the end are kept in no row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from fido2.utils import websafe_decode

from overt.contract.grant import from_text, to_text
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, record
from overt.control.custody import texts
from overt.control.custody.assertions import kept
from overt.control.custody.models import KeyRequest, Keyring, SecurityKey
from overt.control.custody.policies import ROLE_WORDS, TOGETHER, KeyRole
from overt.control.custody.signatures import Place, verified
from overt.control.people.models import Person
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError
from overt.ids import new_id
from overt.sealing.ratchet import KEY_SIZE
from overt.sealing.wraps import OVERHEAD, WrappedKey

ALONE: Final = dt.timedelta(minutes=10)
"""How long a request waits for somebody who sits before it."""
KEPT: Final = dt.timedelta(days=31)
"""How long a request's row is kept after it has ended."""
MAX_PERIODS: Final = 20_000
AGAIN: Final = "Ask once more."


@dataclass(frozen=True, slots=True)
class Material:
    """What whoever has touched a key is given: their role's keyring, and what their layer is to be opened of."""

    role: KeyRole
    keyring: str
    """Armoured age file; empty before it was founded."""
    sealed: dict[str, dict[str, str]] = field(repr=False)
    """By key period: its wrap, and what is left of it."""


def ask(
    kind: str,
    person: Person,
    roles: Sequence[KeyRole],
    members: Mapping[str, Json],
    wraps: Mapping[UUID, WrappedKey] | None = None,
) -> KeyRequest:
    """Put a request: `members` become part of the text that is signed; `wraps` are what it is to open.

    Raises:
        InvalidError: it would open too much at once.
    """
    wraps = wraps or {}
    if len(wraps) > MAX_PERIODS:
        msg = f"This would open {len(wraps)} key periods at once: ask for fewer cameras or hours."
        raise InvalidError(msg)
    tidy()
    now, request_id = timezone.now(), new_id()
    told: dict[str, Json] = {
        "id": str(request_id),
        "asked": now.isoformat(timespec="seconds"),
        "person": {"id": str(person.pk), "name": person.name},
        "roles": [each.value for each in roles],
        **members,
    }
    sealed = {
        str(period): {"wrap": to_text(wrap.encode()), "left": to_text(wrap.sealed)} for period, wrap in wraps.items()
    }
    return KeyRequest.objects.create(
        id=request_id,
        kind=kind,
        text=texts.text_of(kind, told),
        asked_by=person,
        asked=now,
        expires=now + (ALONE if len(roles) < 2 else TOGETHER),
        roles=[each.value for each in roles],
        sealed=sealed,
    )


def request_of(request: UUID) -> KeyRequest:
    """Return a request. Raises MissingError."""
    found = KeyRequest.objects.select_related("asked_by").filter(pk=request).first()
    if found is None:
        raise MissingError("There is no such request.")
    return found


def turn_of(request: KeyRequest) -> KeyRole | None:
    """Return the role whose key is asked now; None if it is over, or somebody's page is opening their layer."""
    if state_of(request) != KeyRequest.State.OPEN:
        return None
    at = sum(1 for each in request.given if each["back"])
    return KeyRole(request.roles[at]) if at < len(request.roles) else None


def state_of(request: KeyRequest) -> str:
    """Return how a request stands at this moment."""
    if request.state == KeyRequest.State.OPEN and request.expires <= timezone.now():
        return KeyRequest.State.EXPIRED
    return str(request.state)


def why_not(request: KeyRequest, person: Person) -> str:
    """Say why somebody cannot answer a request now; empty: they can."""
    state = state_of(request)
    if state != KeyRequest.State.OPEN:
        return {"done": "This request was answered.", "refused": "This request was refused."}.get(
            state, f"This request is too old. {AGAIN}"
        )
    role = turn_of(request)
    if role is None:
        return f"This request was answered. {AGAIN}"
    if any(each["person"]["id"] == str(person.pk) for each in request.given if each["role"] != role.value):
        return "You have answered this request already: the other key is another person’s."
    mine = request.asked_by_id == person.pk
    if role == KeyRole.VIEWER and request.kind == "look" and not mine:
        return f"This is for {request.asked_by.name} to answer: whoever looks touches their own key."
    if role == KeyRole.APPROVER and mine and request.kind == "look":
        return "You have asked for this: somebody else approves it."
    if not usable(request, person, role):
        return f"You hold no security key of the role “{ROLE_WORDS[role]}” that is in use."
    return ""


def usable(request: KeyRequest, person: Person, role: KeyRole) -> list[SecurityKey]:
    """Return the keys with which somebody can answer: those in use; before a keyring is founded, those approved."""
    founding = request.kind == "seal" and not Keyring.objects.filter(role=role).exists()
    state = SecurityKey.State.APPROVED if founding else SecurityKey.State.ADMITTED
    return list(SecurityKey.objects.filter(holder=person, role=role, state=state))


def consent(request_id: UUID, person: Person, answer: Mapping[str, Any], place: Place) -> Material:
    """Take the answer of somebody's security key; return what that key's layer is to be opened of.

    Raises:
        ForbiddenError: it is not theirs to answer now, or the signature is not good; nothing has changed then.
        InvalidError: the answer carries what must stay in the page.
        MissingError: there is no such request.
        UnavailableError: it cannot be written down.
    """
    _refuse_secrets(answer)
    with transaction.atomic():
        request = locked(request_id)
        if words := why_not(request, person):
            raise ForbiddenError(words)
        role = _turn(request)
        key = next((each for each in usable(request, person, role) if each.credential_id == answer.get("id")), None)
        if key is None:
            raise ForbiddenError("This security key is not yours, not of this role, or out of use.")
        counted = verified(place, texts.challenge_of(request.text), key.credential, answer)
        if counted <= key.sign_count and (counted or key.sign_count):
            msg = (
                f"“{key.label}” has counted {counted} signatures, and {key.sign_count} before: there may be a copy of "
                "it. Nothing was opened. Take it out of use and tell whoever keeps keys."
            )
            raise ForbiddenError(msg)
        SecurityKey.objects.filter(pk=key.pk).update(sign_count=counted)
        used: dict[str, Json] = {"id": str(key.pk), "name": key.label}
        more: dict[str, Json] = {"key": used, "credential": key.credential, "assertion": {**kept(answer)}}
        kind = Kind.LOOK_TOUCHED if request.kind == "look" else Kind.KEY_TOUCHED
        return _given(request, person, role, kind, used, more)


def consent_with_recovery(request_id: UUID, person: Person) -> Material:
    """Take it that somebody has shown the recovery on paper of the role whose turn it is (`breaking_glass`).

    Raises: as `consent`.
    """
    with transaction.atomic():
        request = locked(request_id)
        role = turn_of(request)
        if role is None:
            raise ForbiddenError(why_not(request, person))
        if any(each["person"]["id"] == str(person.pk) for each in request.given if each["role"] != role.value):
            raise ForbiddenError("You have answered this request already: the other recovery is another person’s.")
        if role == KeyRole.VIEWER and request.kind == "look" and request.asked_by_id != person.pk:
            raise ForbiddenError(f"This is for {request.asked_by.name} to answer.")
        return _given(request, person, role, Kind.GLASS_BROKEN, {"name": "Recovery on paper"}, {})


def _given(
    request: KeyRequest, person: Person, role: KeyRole, kind: Kind, used: dict[str, Json], more: dict[str, Json]
) -> Material:
    """Write an answer down and give out what it opens; the last steps of a transaction."""
    keyring = Keyring.objects.filter(role=role).first()
    # Whoever answers once more in the same role, because their page was closed, takes the place of their first answer.
    request.given = [each for each in request.given if each["back"]]
    request.given.append(
        {
            "role": role.value,
            "person": {"id": str(person.pk), "name": person.name},
            "key": used,
            "at": timezone.now().isoformat(timespec="seconds"),
            "back": False,
        }
    )
    if kind is Kind.GLASS_BROKEN:
        request.recovered = timezone.now()
    request.save(update_fields=["given", "recovered"])
    told = texts.read(request.text)
    record(
        kind,
        cameras=told.get("cameras", []),
        reference=str(told.get("reference", "")),
        more={"request": str(request.pk), "text": request.text, "key_role": role.value, **more},
    )
    layer = {period: each for period, each in request.sealed.items() if _layer(each) == role}
    return Material(role, "" if keyring is None else keyring.sealed, layer)


@dataclass(frozen=True, slots=True)
class Brought:
    """What is known after a layer was opened: whether that was the last, and then the roots."""

    request: KeyRequest
    done: bool
    roots: dict[UUID, bytes] = field(repr=False)
    failed: tuple[UUID, ...] = ()
    """Periods whose layer did not open: their wraps were altered, or sealed to another's key."""


def bring(request_id: UUID, person: Person, opened: Mapping[str, str], failed: Sequence[str] = ()) -> Brought:
    """Take what a page has opened with the keyring of whoever touched their key.

    Raises:
        ForbiddenError: it is not theirs to bring.
        InvalidError: it is not what was to be opened.
        MissingError: there is no such request.
    """
    with transaction.atomic():
        request = locked(request_id)
        if state_of(request) != KeyRequest.State.OPEN:
            raise ForbiddenError(why_not(request, person))
        waiting = [each for each in request.given if not each["back"]]
        if not waiting or waiting[0]["person"]["id"] != str(person.pk):
            raise ForbiddenError(f"Nobody waits for this from you. {AGAIN}")
        role = KeyRole(waiting[0]["role"])
        layer = {period for period, each in request.sealed.items() if _layer(each) == role}
        if set(opened) | set(failed) != layer or set(opened) & set(failed):
            msg = "the page has opened other key periods than were asked for"
            raise InvalidError(msg)
        roots: dict[UUID, bytes] = {}
        for period, text in opened.items():
            before = websafe_decode(request.sealed[period]["left"])
            data = from_text(text, len(before) - OVERHEAD, "a layer that the page has opened")
            if len(data) == KEY_SIZE:
                roots[UUID(period)] = data
                # A root lies in no row: it is worth footage.
                del request.sealed[period]
            else:
                request.sealed[period]["left"] = to_text(data)
        for period in failed:
            del request.sealed[period]
        waiting[0]["back"] = True
        done = len(request.given) == len(request.roles)
        if roots and not done:
            msg = "the key periods were opened before everybody had answered"
            raise CorruptError(msg)
        if done:
            request.state, request.sealed = KeyRequest.State.DONE, {}
        request.failed += len(failed)
        request.save(update_fields=["given", "sealed", "state", "failed"])
        if failed:
            record(
                Kind.WRAPS_ALTERED,
                more={
                    "request": str(request.pk),
                    "key_role": role.value,
                    "periods": list[Json](failed[:100]),
                    "count": len(failed),
                },
            )
    return Brought(request, done, roots, tuple(UUID(each) for each in failed))


def refuse(request_id: UUID, person: Person) -> KeyRequest:
    """Refuse a request that waits for somebody's answer, or take one's own back.

    Raises:
        ForbiddenError: it is not theirs to refuse.
        ConflictError: it is over.
    """
    with transaction.atomic():
        request = locked(request_id)
        if state_of(request) != KeyRequest.State.OPEN:
            raise ConflictError("This request is over already.")
        if request.asked_by_id != person.pk and (words := why_not(request, person)):
            raise ForbiddenError(words)
        request.state, request.sealed = KeyRequest.State.REFUSED, {}
        request.save(update_fields=["state", "sealed"])
        record(Kind.REQUEST_REFUSED, more={"request": str(request.pk), "text": request.text})
    return request


def waiting_for(person: Person) -> list[KeyRequest]:
    """Return the requests that somebody can answer now, newest first."""
    now = timezone.now()
    found = KeyRequest.objects.select_related("asked_by").filter(state=KeyRequest.State.OPEN, expires__gt=now)
    return [each for each in found if not why_not(each, person)]


def tidy() -> int:
    """Close requests that are too old, and forget what was sealed in them; return how many.

    Those that were over a month ago are removed: who asked for what is in the ledger, for as long as the scheme says.
    """
    now = timezone.now()
    KeyRequest.objects.filter(expires__lt=now - KEPT).delete()
    found = KeyRequest.objects.filter(state=KeyRequest.State.OPEN, expires__lte=now)
    return found.update(state=KeyRequest.State.EXPIRED, sealed={})


def locked(request_id: UUID) -> KeyRequest:
    """Return a request, to be changed by this transaction alone. Raises MissingError."""
    found = KeyRequest.objects.select_for_update(of=("self",)).select_related("asked_by").filter(pk=request_id).first()
    if found is None:
        raise MissingError("There is no such request.")
    return found


def _turn(request: KeyRequest) -> KeyRole:
    role = turn_of(request)
    if role is None:
        raise ForbiddenError(f"This request was answered. {AGAIN}")
    return role


def _layer(sealed: Mapping[str, str]) -> str:
    """Return the role of the outermost layer that is still closed."""
    wrap = WrappedKey.decode(websafe_decode(sealed["wrap"]))
    left = (len(websafe_decode(sealed["left"])) - KEY_SIZE) // OVERHEAD
    return wrap.layers[left - 1].role


def _refuse_secrets(answer: Mapping[str, Any]) -> None:
    """What the key's PRF gave opens a keyring: a page that sends it is not ours."""
    outputs = answer.get("clientExtensionResults")
    prf = outputs.get("prf") if isinstance(outputs, Mapping) else None
    if isinstance(prf, Mapping) and "results" in prf:
        msg = (
            "The page has sent more than the signature of the security key. Reload it; if that does not help, tell us."
        )
        raise InvalidError(msg)

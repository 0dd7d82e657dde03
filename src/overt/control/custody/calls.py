"""What the pages about keys in hand ask and bring, without being loaded anew (`people.json_calls`)."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final, cast
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from fido2.utils import websafe_decode
from pydantic import BaseModel, ConfigDict, Field

from overt.contract.grant import from_text, to_text
from overt.control.custody import effects, enrolling, keyrings, requests
from overt.control.custody.breaking_glass import GLASS, NUMBER_SIZE
from overt.control.custody.handing_over import hand_over
from overt.control.custody.models import KeyRequest, SecurityKey
from overt.control.custody.policies import ROLE_WORDS, KeyRole, Policy, key_role
from overt.control.custody.requests import Material
from overt.control.custody.signatures import Place, registered, registration_options
from overt.control.custody.switching import roles_now
from overt.control.people.actions import Action
from overt.control.people.gate import Asked
from overt.control.people.json_calls import call, read
from overt.control.people.models import MAX_NAME, Person
from overt.errors import ForbiddenError
from overt.sealing.keyring import MAX_ARMOURED

TOUCHING: Final = (Action.RECORDED, Action.KEEP_KEYS)
CHALLENGE: Final = "overt_key_challenge"
"""In a session: what a security key that is being registered has to sign."""
MAX_BROUGHT: Final = 8 * 1024 * 1024
_STRICT: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
Recipient = Annotated[str, Field(max_length=80)]


class NewKey(BaseModel):
    """A security key that was touched to be registered."""

    model_config = _STRICT

    role: KeyRole
    label: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    registration: dict[str, Any] = Field(repr=False)
    recipient: Recipient


class ToSeal(BaseModel):
    """What a keyring is to be sealed with besides the keys that are known; empty: what it has."""

    model_config = _STRICT

    public_key: Annotated[str, Field(max_length=64)] = ""
    recovery: Recipient = ""


class Sealed(BaseModel):
    """A keyring as a page has sealed it."""

    model_config = _STRICT

    request: UUID
    sealed: Annotated[str, Field(max_length=MAX_ARMOURED)]


class ToSwitch(BaseModel):
    """A policy to be put in force."""

    model_config = _STRICT

    policy: Policy


class Answer(BaseModel):
    """What a security key has signed."""

    model_config = _STRICT

    assertion: dict[str, Any] = Field(repr=False)


class Number(BaseModel):
    """What the recovery on paper has opened."""

    model_config = _STRICT

    number: Annotated[str, Field(min_length=43, max_length=43, repr=False)]


class Opened(BaseModel):
    """A layer that a page has opened, by key period, and the periods whose layer did not open."""

    model_config = _STRICT

    opened: Annotated[dict[UUID, Annotated[str, Field(max_length=200)]], Field(repr=False)] = {}
    failed: list[UUID] = []


def place_of(request: HttpRequest) -> Place:
    """Return where keys are asked: the name in the address of the page."""
    host = request.get_host()
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    return Place(name, f"{request.scheme}://{host}")


def person_of(request: HttpRequest) -> Person:
    """Return who asks."""
    return cast("Person", request.user)  # the gate lets nobody else pass


# --- registering -----------------------------------------------------------------------------------------------------


@call("POST", actions=TOUCHING)
def key_options(request: HttpRequest) -> dict[str, Any]:
    """Begin to register a security key."""
    person, place = person_of(request), place_of(request)
    challenge = secrets.token_bytes(32)
    request.session[CHALLENGE] = to_text(challenge)
    known = SecurityKey.objects.filter(holder=person, rp_id=place.rp_id).values_list("credential", flat=True)
    return registration_options(
        place, person.pk.bytes, person.email, settings.CONTROL.organisation, challenge, list(known)
    )


@call("POST", actions=TOUCHING)
def new_key(request: HttpRequest) -> dict[str, Any]:
    """Register a security key: it waits for somebody else's approval."""
    asked = read(request, NewKey)
    challenge = request.session.pop(CHALLENGE, None)
    if challenge is None:
        raise ForbiddenError("This page has begun nothing of the kind: load it anew, and touch the key once more.")
    place = place_of(request)
    found = registered(place, websafe_decode(challenge), asked.registration)
    made = enrolling.propose(person_of(request), asked.role, asked.label, found, asked.recipient, place.rp_id)
    return {"id": str(made.pk)}


@call("POST", actions=(Action.KEEP_KEYS,))
def ask_to_approve(request: Asked, key: UUID) -> dict[str, Any]:
    """Ask a key of the other role to approve a security key."""
    return described(effects.ask_to_approve(person_of(request), request.rights, key), person_of(request))


# --- keyrings and policy ----------------------------------------------------------------------------------------------


@call("POST", actions=TOUCHING)
def ask_to_seal(request: HttpRequest, role: str) -> dict[str, Any]:
    """Ask a key of a role to seal its keyring."""
    asked = read(request, ToSeal)
    made = keyrings.ask_to_seal(person_of(request), key_role(role), asked.public_key, asked.recovery)
    return described(made, person_of(request))


@call("POST", actions=TOUCHING)
def seal(request: HttpRequest) -> dict[str, Any]:
    """Keep a keyring that a page has sealed; footage is sealed to a new role key at once."""
    asked = read(request, Sealed, MAX_ARMOURED + 1024)
    made = keyrings.seal(asked.request, person_of(request), asked.sealed)
    if KeyRole(made.role) in roles_now():
        hand_over()
    return {"said": f"The keyring of “{made.get_role_display()}” is sealed to {len(made.sealed_to)} security keys."}


@call("POST", actions=(Action.KEEP_KEYS,))
def ask_to_switch(request: Asked) -> dict[str, Any]:
    """Ask the keys in force whether another policy may follow."""
    asked = read(request, ToSwitch)
    return described(effects.ask_to_switch(person_of(request), request.rights, asked.policy), person_of(request))


# --- answering --------------------------------------------------------------------------------------------------------


@call("GET", actions=TOUCHING)
def state(request: HttpRequest, request_id: UUID) -> dict[str, Any]:
    """Say how a request stands."""
    return described(requests.request_of(request_id), person_of(request))


@call("POST", actions=TOUCHING)
def consent(request: HttpRequest, request_id: UUID) -> dict[str, Any]:
    """Answer a request with a security key."""
    asked = read(request, Answer)
    return _material(requests.consent(request_id, person_of(request), asked.assertion, place_of(request)))


@call("POST", actions=(Action.KEEP_KEYS,))
def begin_recovery(request: Asked, request_id: UUID) -> dict[str, Any]:
    """Ask whoever has the recovery on paper to show it."""
    role, number = GLASS.begin(request_id, person_of(request), request.rights)
    return {"role": role.value, "number": number}


@call("POST", actions=(Action.KEEP_KEYS,))
def recover(request: Asked, request_id: UUID) -> dict[str, Any]:
    """Answer a request with the recovery on paper."""
    number = from_text(read(request, Number).number, NUMBER_SIZE, "'number'")
    return _material(GLASS.shown(request_id, person_of(request), request.rights, number))


@call("POST", actions=TOUCHING)
def bring(request: HttpRequest, request_id: UUID) -> dict[str, Any]:
    """Take the layer that a page has opened; what was asked for happens with the last one."""
    if requests.request_of(request_id).kind == "look":
        return _brought_of_look(request, request_id)
    brought = _brought(request, request_id)
    return {"done": brought.done, "said": effects.answered(brought)}


@call("POST", actions=TOUCHING)
def refuse(request: HttpRequest, request_id: UUID) -> dict[str, Any]:
    """Refuse a request, or take it back."""
    return described(requests.refuse(request_id, person_of(request)), person_of(request))


def _brought_of_look(request: HttpRequest, request_id: UUID) -> dict[str, Any]:
    """Take a layer of a look that is not the last: with that one, `viewing` opens the footage."""
    found = requests.request_of(request_id)
    if len(found.given) >= len(found.roles):
        raise ForbiddenError("What opens footage is brought by the page that shows it.")
    brought = _brought(request, request_id)
    return {"done": False, "said": f"Approved. {brought.request.asked_by.name} may open it now."}


def _brought(request: HttpRequest, request_id: UUID) -> requests.Brought:
    asked = read(request, Opened, MAX_BROUGHT)
    return brought_by(person_of(request), request_id, asked)


def brought_by(person: Person, request_id: UUID, asked: Opened) -> requests.Brought:
    """Take what a page has opened. Raises as `requests.bring`."""
    opened = {str(period): text for period, text in asked.opened.items()}
    return requests.bring(request_id, person, opened, [str(each) for each in asked.failed])


def described(found: KeyRequest, person: Person) -> dict[str, Any]:
    """Return what a page needs to know of a request."""
    role = requests.turn_of(found)
    words = requests.why_not(found, person)
    keys = [] if words or role is None else requests.usable(found, person, role)
    return {
        "id": str(found.pk),
        "kind": found.kind,
        "state": requests.state_of(found),
        "text": found.text,
        "turn": None if role is None else role.value,
        "turn_words": "" if role is None else ROLE_WORDS[role],
        "why_not": words,
        "credentials": [each.credential_id for each in keys],
        "given": [{"role": each["role"], "person": each["person"]["name"], "at": each["at"]} for each in found.given],
        "expires": found.expires.isoformat(timespec="seconds"),
    }


def _material(material: Material) -> dict[str, Any]:
    return {"role": material.role.value, "keyring": material.keyring, "sealed": material.sealed}

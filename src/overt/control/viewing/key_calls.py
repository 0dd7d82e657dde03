"""Looks that security keys open: asked for by the page that shows them, and opened by it (`people.json_calls`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from overt.contract.instant import to_iso
from overt.control.acts.recording import Json
from overt.control.custody import requests, texts
from overt.control.custody.calls import MAX_BROUGHT, Opened, brought_by, described, person_of, place_of
from overt.control.custody.policies import ROLES, KeyRole, Policy
from overt.control.custody.switching import policy_now, roles_now
from overt.control.people.actions import Action
from overt.control.people.json_calls import read
from overt.control.viewing import messages
from overt.control.viewing.calls import call, viewer_of
from overt.control.viewing.catalogue import places, recorded_keys
from overt.control.viewing.held import Shut
from overt.control.viewing.holding import custody, holder
from overt.errors import ConflictError, ForbiddenError
from overt.sealing.wraps import WrappedKey

DRILL_CAMERAS: Final = 50
"""Of which one key period each is opened to try it."""
DAY_NS: Final = 24 * 3600 * 10**9


def _roles_for(wraps: Sequence[WrappedKey]) -> tuple[KeyRole, ...]:
    """Return whose keys are asked: those of the policy of now, and those that the footage is sealed to, if more."""
    needed = {*roles_now(), *(KeyRole(layer.role) for wrap in wraps for layer in wrap.layers)}
    return tuple(each for each in ROLES[Policy.FOUR_EYES] if each in needed)


def _names(keys: Collection[str]) -> list[Json]:
    """Return the cameras as people call them, in the same order: what is signed is what was read."""
    found = places(keys)
    return [found[key].name if key in found else key for key in keys]


def _members(shut: Shut, grant: UUID, origin: str) -> dict[str, Json]:
    return {
        "site": str(custody().site),
        "system": origin,
        "organisation": settings.CONTROL.organisation,
        "grant": str(grant),
        "cameras": list(shut.cameras),
        "camera_names": _names(shut.cameras),
        "footage": shut.span.to_json(),
        "purpose": {**shut.why.to_json()},
        "reference": shut.why.reference,
    }


@call("POST", actions=(Action.RECORDED,))
def ask(request: HttpRequest, grant: UUID) -> dict[str, Any]:
    """Ask the security keys to open what a page may look at and cannot open."""
    shut = holder().shut(grant, viewer_of(request))
    person = person_of(request)
    members = _members(shut, grant, place_of(request).origin)
    return described(requests.ask("look", person, _roles_for([*shut.wraps.values()]), members, shut.wraps), person)


@call("POST", actions=(Action.RECORDED,))
def opened(request: HttpRequest, grant: UUID, request_id: UUID) -> dict[str, Any]:
    """Take the last layer that the page has opened; release the footage."""
    viewer, person = viewer_of(request), person_of(request)
    asked = read(request, Opened, MAX_BROUGHT)
    found = requests.request_of(request_id)
    told = texts.read(found.text)
    if found.kind != "look" or told.get("grant") != str(grant) or found.asked_by_id != person.pk:
        raise ForbiddenError("This request is not this page’s: ask once more.")
    if len(found.given) < len(found.roles):
        raise ConflictError("Somebody else has to answer first.")
    shut = holder().shut(grant, viewer)
    if any(told.get(name) != value for name, value in _members(shut, grant, place_of(request).origin).items()):
        raise ConflictError("Your page shows something else by now: ask once more.")
    brought = brought_by(person, request_id, asked)
    given = holder().opened(grant, viewer, shut, request_id, brought.roots)
    return messages.given(given, settings.CONTROL.media_port) | {"failed": len(brought.failed)}


@call("POST", actions=(Action.KEEP_KEYS, Action.RECORDED))
def drill(request: HttpRequest) -> dict[str, Any]:
    """Ask the keys in force to open a key period of each camera of yesterday, to see that they can."""
    person = person_of(request)
    if not roles_now():
        raise ConflictError("Under this policy no security key opens footage: there is nothing to try.")
    now = timezone.now()
    until_ns = int(now.timestamp()) * 10**9
    cameras = recorded_keys()[:DRILL_CAMERAS]
    found = custody().in_hand(cameras, until_ns - DAY_NS, until_ns)
    chosen: dict[str, WrappedKey] = {}
    wanted = {each.value for each in roles_now()}
    for wrap in found.values():
        if {layer.role for layer in wrap.layers} == wanted:
            chosen.setdefault(wrap.key.camera, wrap)
    if not chosen:
        raise ConflictError("Nothing was recorded under this policy since yesterday: there is nothing to try yet.")
    members: dict[str, Json] = {
        "policy": policy_now().value,
        "cameras": list[Json](sorted(chosen)),
        "camera_names": _names(sorted(chosen)),
        "footage": {"from": to_iso(until_ns - DAY_NS), "to": to_iso(until_ns)},
    }
    wraps = {wrap.period_id: wrap for wrap in chosen.values()}
    return described(requests.ask("drill", person, roles_now(), members, wraps), person)

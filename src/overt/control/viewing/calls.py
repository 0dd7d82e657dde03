"""What the pages of wall, review and plans ask without being loaded anew (`people.json_calls`)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from overt.control.custody.switching import roles_now
from overt.control.estate.register import site_groups_for
from overt.control.people import json_calls
from overt.control.people.actions import Action
from overt.control.people.rights import Rights
from overt.control.viewing import layouts, messages, purposes
from overt.control.viewing.catalogue import VIEWING, shown_to
from overt.control.viewing.held import Viewer
from overt.control.viewing.holding import custody, holder

call = functools.partial(json_calls.call, actions=VIEWING)


def viewer_of(request: HttpRequest) -> Viewer:
    """Return who asks."""
    person: Any = request.user
    rights: Any = request.rights  # type: ignore[attr-defined]
    return Viewer(person.pk, person.name, request.session.session_key or "", rights)


@call("GET")
def catalogue(request: HttpRequest) -> dict[str, Any]:
    """Say which cameras somebody may look at, and what else a page begins with."""
    viewer = viewer_of(request)
    found = shown_to(viewer.rights)
    letters = _letters(viewer.rights, (each.group for each in found))
    shared = site_groups_for(viewer.rights, Action.LIVE)
    return {
        "cameras": [
            [each.key, each.name, each.site_name, each.group_name, each.state, letters[each.group]] for each in found
        ],
        "layouts": _layouts(request, {each.key for each in found}),
        "tours": [layouts.described_tour(each, request.user) for each in layouts.tours_of(request.user, viewer.rights)],  # type: ignore[arg-type]
        "groups": [{"id": each.pk, "name": each.name} for each in shared],
        "time_zone": settings.TIME_ZONE,
        "person": viewer.name,
        "unlocked": custody().unlocked or bool(roles_now()),
        "purposes": [purposes.described(each) for each in purposes.offered(viewer.rights)],
        "why": request.session.get(LAST_REASON),
    }


LAST_REASON: Final = "overt_reason"
"""In a session: for what purpose somebody looked last."""
LETTERS: Final = (("l", Action.LIVE), ("p", Action.REPLAY), ("r", Action.RECORDED), ("e", Action.EXPORT))
"""By which a page is told what may be done with a camera: it is told of thousands."""


def _letters(rights: Rights, groups: Iterable[int]) -> dict[int, str]:
    """Return what may be done at each group."""
    return {group: "".join(letter for letter, action in LETTERS if rights.may(action, group)) for group in set(groups)}


def _layouts(request: HttpRequest, visible: set[str]) -> list[dict[str, Any]]:
    person: Any = request.user
    rights = viewer_of(request).rights
    return [layouts.described_layout(each, person, visible) for each in layouts.layouts_of(person, rights)]


@call("POST")
def new_grant(request: HttpRequest) -> dict[str, Any]:
    """Give a page a grant."""
    asked = json_calls.read(request, messages.NewGrant)
    given = holder().give(viewer_of(request), asked.digest, asked.wish())
    _keep(request, asked)
    return _given(given)


@call("POST")
def change_grant(request: HttpRequest, grant: UUID) -> dict[str, Any]:
    """Let a page see something else."""
    asked = json_calls.read(request, messages.Wanted)
    given = holder().change(grant, viewer_of(request), asked.wish())
    _keep(request, asked)
    return _given(given)


@call("POST")
def heartbeat(request: HttpRequest, grant: UUID) -> dict[str, Any]:
    """Hear that a page is still there."""
    return _given(holder().heard(grant, viewer_of(request)))


@call("POST")
def close_grant(request: HttpRequest, grant: UUID) -> None:
    """Hear that a page is closed."""
    holder().close(grant, viewer_of(request).session)


@call("POST", actions=(Action.EXPORT,))
def clip(request: HttpRequest, grant: UUID) -> None:
    """Write down that a clip is about to be saved."""
    asked = json_calls.read(request, messages.Clip)
    holder().take(grant, viewer_of(request), asked.cameras, asked.from_us * 1000, asked.to_us * 1000)


def _keep(request: HttpRequest, asked: messages.Wanted) -> None:
    """Keep, for as long as somebody is signed in, why they looked: it is offered again."""
    if asked.why is not None:
        request.session[LAST_REASON] = asked.why.model_dump(exclude={"approval"})


def _given(given: Any) -> dict[str, Any]:
    return messages.given(given, settings.CONTROL.media_port)


@call("POST", actions=(Action.LIVE,))
def save_layout(request: HttpRequest) -> dict[str, Any]:
    """Save a layout."""
    viewer, person = viewer_of(request), request.user
    made = layouts.save_layout(person, viewer.rights, json_calls.read(request, messages.NewLayout))  # type: ignore[arg-type]
    return layouts.described_layout(made, person, {each.key for each in shown_to(viewer.rights)})  # type: ignore[arg-type]


@call("POST", actions=(Action.LIVE,))
def remove_layout(request: HttpRequest, layout: int) -> None:
    """Remove a layout of one's own."""
    layouts.remove_layout(request.user, layout)  # type: ignore[arg-type]


@call("POST", actions=(Action.LIVE,))
def save_tour(request: HttpRequest) -> dict[str, Any]:
    """Save a tour."""
    asked = json_calls.read(request, messages.NewTour)
    made = layouts.save_tour(request.user, viewer_of(request).rights, asked)  # type: ignore[arg-type]
    return layouts.described_tour(made, request.user)  # type: ignore[arg-type]


@call("POST", actions=(Action.LIVE,))
def remove_tour(request: HttpRequest, tour: int) -> None:
    """Remove a tour of one's own."""
    layouts.remove_tour(request.user, tour)  # type: ignore[arg-type]

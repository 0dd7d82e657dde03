"""The API of viewing: grants, layouts and tours, by the same functions as the pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from ninja import Router, Schema, Status

from overt.control.people.actions import Action
from overt.control.people.api_access import caller_of
from overt.control.people.gate import Asked, asks
from overt.control.viewing import layouts, messages, purposes
from overt.control.viewing.catalogue import VIEWING, shown_to
from overt.control.viewing.held import Viewer
from overt.control.viewing.holding import holder
from overt.control.viewing.purpose_pages import SEEING
from overt.errors import ForbiddenError

router = Router(tags=["Viewing"])
sees = asks(*VIEWING)
watches = asks(Action.LIVE)
sets_up = asks(Action.CHANGE_CAMERAS)


class CameraOut(Schema):
    """A camera that somebody may look at."""

    key: str
    name: str
    site: str
    group: str
    state: str


class RefusedOut(Schema):
    """What was not granted of a wish."""

    camera: str
    right: str
    words: str


class GrantOut(Schema):
    """A grant, and what of the wish it covers."""

    id: UUID
    grant: str
    expires_us: int
    media_port: int
    live: list[str]
    replay: list[str]
    recorded: list[str]
    export: list[str]
    refused: list[RefusedOut]


class PurposeOut(Schema):
    """A purpose of the register."""

    id: int
    name: str
    legal_basis: str
    needs_reference: bool
    reference_name: str
    opens: list[str]
    may_stand: bool
    in_use: bool
    version: int


class LayoutOut(Schema):
    """A saved layout."""

    id: int
    name: str
    tiles: int
    cells: list[str | None]
    group: int | None
    mine: bool
    owner: str


class StepOut(Schema):
    """One layout of a tour."""

    layout: int
    seconds: int


class TourOut(Schema):
    """A saved tour."""

    id: int
    name: str
    steps: list[StepOut]
    group: int | None
    mine: bool
    owner: str


def _viewer(request: Asked) -> Viewer:
    """Return who asks. A grant belongs to a sign-in, which a token has not.

    Raises:
        ForbiddenError: a token asks.
    """
    person = caller_of(request)
    session = request.session.session_key
    if not session or request.session.get(SESSION_KEY) != str(person.pk):
        msg = "Pictures are for people at a page: sign in. A token opens none."
        raise ForbiddenError(msg)
    return Viewer(person.pk, person.name, session, request.rights)


@router.get("/viewing/cameras", response=list[CameraOut])
@sees
def cameras(request: Asked) -> list[dict[str, Any]]:
    """List the cameras that may be looked at."""
    return [
        {"key": each.key, "name": each.name, "site": each.site_name, "group": each.group_name, "state": each.state}
        for each in shown_to(request.rights)
    ]


@router.post("/viewing/grants", response={201: GrantOut})
@sees
def give(request: Asked, asked: messages.NewGrant) -> Status[dict[str, Any]]:
    """Ask for a grant, bound to a secret of which the SHA-256 is sent; it lasts while its heartbeat is heard."""
    found = holder().give(_viewer(request), asked.digest, asked.wish())
    return Status(201, messages.given(found, settings.CONTROL.media_port))


@router.put("/viewing/grants/{uuid:grant}", response=GrantOut)
@sees
def change(request: Asked, grant: UUID, asked: messages.Wanted) -> dict[str, Any]:
    """Ask for other cameras or hours under the same grant."""
    return messages.given(holder().change(grant, _viewer(request), asked.wish()), settings.CONTROL.media_port)


@router.post("/viewing/grants/{uuid:grant}/heartbeat", response=GrantOut)
@sees
def heartbeat(request: Asked, grant: UUID) -> dict[str, Any]:
    """Keep a grant: to be called at least once a minute."""
    return messages.given(holder().heard(grant, _viewer(request)), settings.CONTROL.media_port)


@router.delete("/viewing/grants/{uuid:grant}", response={204: None})
@sees
def close(request: Asked, grant: UUID) -> Status[None]:
    """Give a grant back."""
    holder().close(grant, _viewer(request).session)
    return Status(204, None)


@router.get("/viewing/purposes", response=list[PurposeOut])
@asks(*SEEING)
def list_purposes(request: Asked) -> list[dict[str, Any]]:
    """List the register of purposes."""
    del request
    return [purposes.whole(each) for each in purposes.all_purposes()]


@router.post("/viewing/purposes", response={201: PurposeOut})
@sets_up
def add_purpose(request: Asked, asked: messages.NewPurpose) -> Status[dict[str, Any]]:
    """Put a purpose into the register."""
    return Status(201, purposes.whole(purposes.add_purpose(request.rights, asked.model_dump())))


@router.put("/viewing/purposes/{int:purpose}", response=PurposeOut)
@sets_up
def change_purpose(request: Asked, purpose: int, asked: messages.ChangedPurpose) -> dict[str, Any]:
    """Change a purpose that is still at `version`; what was looked at for it keeps the words of its time."""
    values = asked.model_dump(exclude={"version"})
    return purposes.whole(purposes.change_purpose(request.rights, purpose, asked.version, values))


@router.get("/viewing/layouts", response=list[LayoutOut])
@watches
def list_layouts(request: Asked) -> list[dict[str, Any]]:
    """List one's own layouts, and those that are shared."""
    person = caller_of(request)
    visible = {each.key for each in shown_to(request.rights)}
    return [layouts.described_layout(each, person, visible) for each in layouts.layouts_of(person, request.rights)]


@router.post("/viewing/layouts", response=LayoutOut)
@watches
def save_layout(request: Asked, asked: messages.NewLayout) -> dict[str, Any]:
    """Save a layout; one's own of the same name is replaced."""
    person = caller_of(request)
    made = layouts.save_layout(person, request.rights, asked)
    return layouts.described_layout(made, person, {each.key for each in shown_to(request.rights)})


@router.delete("/viewing/layouts/{int:layout}", response={204: None})
@watches
def remove_layout(request: Asked, layout: int) -> Status[None]:
    """Remove a layout of one's own."""
    layouts.remove_layout(caller_of(request), layout)
    return Status(204, None)


@router.get("/viewing/tours", response=list[TourOut])
@watches
def list_tours(request: Asked) -> list[dict[str, Any]]:
    """List one's own tours, and those that are shared."""
    person = caller_of(request)
    return [layouts.described_tour(each, person) for each in layouts.tours_of(person, request.rights)]


@router.post("/viewing/tours", response=TourOut)
@watches
def save_tour(request: Asked, asked: messages.NewTour) -> dict[str, Any]:
    """Save a tour; one's own of the same name is replaced."""
    person = caller_of(request)
    return layouts.described_tour(layouts.save_tour(person, request.rights, asked), person)


@router.delete("/viewing/tours/{int:tour}", response={204: None})
@watches
def remove_tour(request: Asked, tour: int) -> Status[None]:
    """Remove a tour of one's own."""
    layouts.remove_tour(caller_of(request), tour)
    return Status(204, None)

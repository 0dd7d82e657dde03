"""`media.sock`: the control room's side of the media plane. Its mode 0600 lets in the recorder's own user."""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from overt.contract.grant import from_text
from overt.errors import InvalidError
from overt.recorder.http import body, error_handlers
from overt.recorder.media_plane.released_keys import MAX_PERIODS
from overt.recorder.media_plane.sessions import Sessions
from overt.sealing.ratchet import KEY_SIZE

MAX_BODY: Final = 8 * 1024 * 1024


class Status(Protocol):
    """Says how the media plane fares."""

    def __call__(self) -> dict[str, Any]:
        """Return plain values that JSON takes."""
        ...


class _Period(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)

    period: Annotated[UUID, Field(strict=False)]
    root: Annotated[str, Field(repr=False)]


class _Given(BaseModel):
    """Body of PUT /grants/ID."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)

    grant: Annotated[str, Field(repr=False)]
    periods: Annotated[list[_Period], Field(max_length=MAX_PERIODS)] = []


def control_application(sessions: Sessions, status: Status) -> ASGIApp:
    """Return the application that is served on the Unix socket."""

    async def put_grant(request: Request) -> Response:
        grant_id = _grant_id(request)
        try:
            given = _Given.model_validate_json(await body(request, MAX_BODY))
        except ValidationError:
            msg = "the body must be a JSON object with 'grant' and 'periods', a list of {'period', 'root'}"
            raise InvalidError(msg) from None
        roots = {each.period: from_text(each.root, KEY_SIZE, "'root'") for each in given.periods}
        await sessions.register(grant_id, given.grant, roots)
        return Response(status_code=204)

    async def delete_grant(request: Request) -> Response:
        await sessions.revoke(_grant_id(request))
        return Response(status_code=204)

    async def get_status(_request: Request) -> Response:
        return JSONResponse(status())

    return Starlette(
        routes=[
            Route("/grants/{grant}", put_grant, methods=["PUT"]),
            Route("/grants/{grant}", delete_grant, methods=["DELETE"]),
            Route("/status", get_status, methods=["GET"]),
        ],
        exception_handlers=error_handlers("media-plane.md"),
    )


def _grant_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["grant"])
    except ValueError:
        msg = "a grant's id is a UUID"
        raise InvalidError(msg) from None

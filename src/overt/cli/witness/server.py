"""The HTTP that a witness answers (C2SP tlog-witness): one operation, and no memory but the witness's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from overt.errors import (
    ConflictError,
    CorruptError,
    ForbiddenError,
    InvalidError,
    MissingError,
    OvertError,
    UnavailableError,
)
from overt.ledger.witness_protocol import MAX_BODY, PATH, SIZE_TYPE, AddCheckpoint, encode_answer
from overt.ledger.witnessing import OtherSizeError, Witness

STATUS: Final[Mapping[type[OvertError], int]] = {
    InvalidError: 400,
    ForbiddenError: 403,
    MissingError: 404,
    ConflictError: 409,
    CorruptError: 422,
    UnavailableError: 503,
}
"""What “add-checkpoint” of tlog-witness says; a proof that does not hold is `CorruptError`."""


def application(witness: Witness) -> ASGIApp:
    """Return the application of a witness."""

    async def add_checkpoint(request: Request) -> Response:
        data = b""
        async for part in request.stream():
            data += part
            if len(data) > MAX_BODY:
                return PlainTextResponse("the request is too long\n", 413)
        try:
            line = await run_in_threadpool(lambda: witness.add_checkpoint(AddCheckpoint.parse(data)))
        except OtherSizeError as error:
            return Response(f"{error.size}\n", 409, media_type=SIZE_TYPE)
        except OvertError as error:
            status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
            return PlainTextResponse(f"{error}\n", status)
        return PlainTextResponse(encode_answer([line]))

    async def key(_request: Request) -> Response:
        return PlainTextResponse(f"{witness.key}\n")

    return Starlette(routes=[Route(f"/{PATH}", add_checkpoint, methods=["POST"]), Route("/", key)])

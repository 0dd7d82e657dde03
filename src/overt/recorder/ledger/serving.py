"""The ledger over the recorder's Unix socket: checkpoint, tiles, entry bundles (C2SP tlog-tiles), leaves with bodies.

Read from the files, without a lock, while the ledger is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from overt.errors import InvalidError
from overt.ledger import base64text
from overt.ledger.checkpoint import read_decimal
from overt.ledger.leaves import time_text
from overt.ledger.marker import MARKER
from overt.ledger.reader import LedgerReader
from overt.ledger.recovery import CHECKPOINT
from overt.ledger.tiles import DirectorySource, parse_path

TEXT: Final = "text/plain; charset=utf-8"
BINARY: Final = "application/octet-stream"


def ledger_routes(directory: Path) -> list[Route]:
    """Return the routes below /ledger of the ledger in a directory, which need not exist yet."""

    async def checkpoint(_request: Request) -> Response:
        return Response(await run_in_threadpool(_read, directory, CHECKPOINT), media_type=TEXT)

    async def marker(_request: Request) -> Response:
        return Response(await run_in_threadpool(_read, directory, MARKER), media_type="application/json")

    async def tile(request: Request) -> Response:
        path = f"tile/{request.path_params['path']}"
        parse_path(path)
        return Response(await run_in_threadpool(_read, directory, path), media_type=BINARY)

    async def leaf(request: Request) -> Response:
        index = read_decimal(request.path_params["index"], "the number of the leaf")
        return JSONResponse(await run_in_threadpool(_leaf, directory, index))

    return [
        Route(f"/ledger/{CHECKPOINT}", checkpoint, methods=["GET"]),
        Route(f"/ledger/{MARKER}", marker, methods=["GET"]),
        Route("/ledger/tile/{path:path}", tile, methods=["GET"]),
        Route("/ledger/leaves/{index}", leaf, methods=["GET"]),
    ]


def _read(directory: Path, path: str) -> bytes:
    return DirectorySource(directory).read(path)


def _leaf(directory: Path, index: int) -> dict[str, Any]:
    """Return a leaf with its body and the salt that the leaf commits to it with; both null where it was pruned."""
    reader = LedgerReader(directory)
    leaf = reader.leaf(index)
    body = reader.body(index)
    value: dict[str, Any] = {"leaf": index, "time": time_text(leaf.time_ns), "kind": leaf.kind}
    value["envelope"] = leaf.envelope().decode()
    try:
        value["body"] = None if body is None else body.value()
    except InvalidError as error:
        value["error"] = str(error)
    value["salt"] = None if body is None else base64text.encode(body.salt)
    return value

"""The plain page at `/` and what it consists of, as the build put it into the package (`static/`), with strict headers.

Nothing here needs a grant, and nothing here is about a site: the page asks for all that with its session's token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

STATIC: Final = Path(__file__).parent / "static"
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    # The ticket stands in the link by which the page is opened.
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), display-capture=()"),
)
"""On every answer of the media plane."""
_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Overt: the page is not built</title>
<h1>The page is not built</h1>
<p>This recorder runs from its sources, and the page's own have not been bundled yet.
Run <code>make web</code> in the directory of the sources, then load this page again.</p>
<p>Recording is not affected.</p>
</html>
"""


def page_routes(static: Path = STATIC) -> list[BaseRoute]:
    """Return the routes of the page; files are looked up at every request, so that a build is seen at once."""

    async def page(_request: Request) -> Response:
        index = static / "index.html"
        if not index.is_file():
            return HTMLResponse(_NOT_BUILT, 503)
        return FileResponse(index, media_type="text/html", headers={"cache-control": "no-cache"})

    # No file is looked for outside the directory, and no symbolic link is followed out of it.
    files = StaticFiles(directory=static / "assets", check_dir=False)

    async def assets(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (static / "assets").is_dir():
            raise HTTPException(404)
        await files(scope, receive, send)

    return [Route("/", page, methods=["GET"]), Mount("/assets", assets)]

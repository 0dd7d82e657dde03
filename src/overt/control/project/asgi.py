"""The ASGI application: Django, and what runs beside it for as long as it does (`overt.control.project.background`)."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from django.core.asgi import get_asgi_application

from overt.control.project.bodies import App, Receive, Scope, Send, limited

pages: Final[App] = limited(get_asgi_application())
# Apps are loaded by the line above; what runs beside the pages may import them only now.
from overt.control.project import background  # noqa: E402
from overt.control.project.reporting import tell  # noqa: E402

_LOG: Final = logging.getLogger(__name__)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or begin and end with the server (ASGI lifespan, version 2.0)."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http":
        await pages(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await asyncio.to_thread(background.start)
            except Exception as error:  # noqa: BLE001 - whatever it was, the server has to hear of it
                _LOG.exception("the control room cannot begin")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            tell(started=True)
        else:
            await asyncio.to_thread(background.stop)
            await send({"type": "lifespan.shutdown.complete"})
            return

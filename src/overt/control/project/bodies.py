"""How much a request may bring: more is refused while it comes, since a body lies on the disk until a page has it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY: Final = 12 * 1024 * 1024
"""Bytes: the largest picture of a floor plan, and what stands around it."""
WORDS: Final = "This is larger than anything that is taken here (12 MB): nothing of it was kept."


def limited(pages: App, most: int = MAX_BODY) -> App:
    """Stand before an ASGI application: a body of more than `most` bytes, announced or not, is answered 413."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not announced.isdigit() or int(announced[:20]) > most:
            await _refuse(scope, send)
            return
        seen, over = 0, False

        async def counted() -> Mapping[str, Any]:
            nonlocal seen, over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen <= most:
                return message
            over = True
            return {"type": "http.disconnect"}

        await pages(scope, counted, send)
        if over:
            await _refuse(scope, send)

    return answer


async def _refuse(scope: Scope, send: Send) -> None:
    api = scope["path"].startswith("/api/")
    body = (json.dumps({"error": {"kind": "invalid", "message": WORDS}}) if api else WORDS).encode()
    kind = b"application/json" if api else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})

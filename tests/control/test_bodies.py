"""Requests that bring more than anything that is taken: refused while they arrive, whoever sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from django.core.asgi import get_asgi_application

from overt.control.project.bodies import MAX_BODY, limited

CHUNK = b"x" * 65_536


def asked(app: Any, headers: list[tuple[bytes, bytes]], most_chunks: int) -> tuple[list[Mapping[str, Any]], int]:
    """Send a body in chunks until somebody has had enough: what was answered, how many were taken."""
    sent: list[Mapping[str, Any]] = []
    taken = 0

    async def receive() -> Mapping[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": CHUNK, "more_body": taken < most_chunks}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/sign-in",
        "query_string": b"",
        "scheme": "https",
        "server": ("localhost", 443),
        "headers": [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=x"), *headers],
    }
    asyncio.run(app(scope, receive, send))
    return sent, taken


def test_attack_an_announced_huge_body_is_not_read() -> None:
    sent, taken = asked(limited(get_asgi_application()), [(b"content-length", str(MAX_BODY + 1).encode())], 10)
    assert (sent[0]["status"], taken) == (413, 0)


@pytest.mark.parametrize("told", [b"-1", b"x", b"9" * 400])
def test_attack_a_length_that_is_none_is_refused(told: bytes) -> None:
    sent, taken = asked(limited(get_asgi_application()), [(b"content-length", told)], 10)
    assert (sent[0]["status"], taken) == (413, 0)


def test_attack_a_body_without_end_is_cut_off() -> None:
    sent, taken = asked(limited(get_asgi_application()), [], 100_000)
    assert sent[0]["status"] == 413
    assert taken == MAX_BODY // len(CHUNK) + 1


def test_what_is_not_too_much_is_passed_on() -> None:
    async def pages(scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while True:
            message = await receive()
            size += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "size": size})

    sent, taken = asked(limited(pages), [], MAX_BODY // len(CHUNK))
    assert sent == [{"type": "http.response.start", "status": 200, "size": MAX_BODY}]
    assert taken == MAX_BODY // len(CHUNK)

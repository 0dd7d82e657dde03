"""A council's directory that is not there: an OpenID Connect provider in a process of its own, on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.test import Client

from ports import free_port


@dataclass(frozen=True)
class Directory:
    """Where it is."""

    issuer: str

    def knows(self, sub: str, **claims: Any) -> None:
        """Let it know somebody by what it says of them."""
        httpx.put(f"{self.issuer}/users/{sub}", json=claims).raise_for_status()

    def lets_in(self, client: Client, sub: str | None, **more: str) -> Any:
        """Go to it from the sign-in page as somebody (None: refuse there), and come back; returns the last answer."""
        there = client.post("/sign-in/directory/go", more)
        assert there.status_code == 302, there.status_code
        assert there["location"].startswith(self.issuer + "/")
        form = {"sub": sub} if sub else {"action": "deny"}
        back = httpx.post(there["location"], data=form)
        assert back.status_code == 302, back.text
        parts = urlsplit(back.headers["location"])
        assert (parts.scheme, parts.netloc, parts.path) == ("https", "testserver", "/sign-in/directory/back")
        return client.get(f"{parts.path}?{parts.query}")


@contextlib.contextmanager
def directory() -> Iterator[Directory]:
    """Run it."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            found = Directory(f"http://127.0.0.1:{port}")
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(f"{found.issuer}/.well-known/openid-configuration").raise_for_status()
                    break
                assert time.monotonic() < deadline
                assert process.poll() is None, "it ended"
                time.sleep(0.05)
            yield found
        finally:
            process.terminate()

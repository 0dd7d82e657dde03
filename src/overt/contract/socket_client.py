"""Asking a running recorder over its Unix sockets: `recorder.sock` and `media.sock`, JSON over HTTP."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from overt.contract import local_socket
from overt.contract.grant import to_text
from overt.errors import BY_KIND, UnavailableError

TIMEOUT_S: Final = 5.0
PROBE_TIMEOUT_S: Final = 20.0
"""What POST /probes may take; a recorder answers within 15 s."""
MAX_ANSWER: Final = 32 * 1024 * 1024


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a Unix socket, whose path may be longer than the kernel's own limit."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path, self._timeout_s = path, timeout_s

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = local_socket.connect(self._path, self._timeout_s)


class SocketClient:
    """One request at a time, a connection each. May be used from any thread."""

    def __init__(self, path: Path) -> None:
        """Ask whoever listens at `path`; nobody need do so yet."""
        self._path = path

    def get(self, path: str) -> Any:
        """Return the JSON of a GET; raises as `ask`."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: object = None, *, timeout_s: float = TIMEOUT_S) -> Any:
        """Send a request, `body` as JSON; return the answer's JSON, None where there is no content.

        `timeout_s` is for each step: to connect, and to go on answering. A probe of a camera needs `PROBE_TIMEOUT_S`.

        An answer of another status than 2xx that is no refusal (health of a recorder that is failing) is an answer.

        Raises:
            UnavailableError: nobody listens there, or does not answer, or is no recorder.
            OvertError: the recorder's own, of the kind and with the words that it answers.
        """
        status, data = self._asked(method, path, None if body is None else json.dumps(body), timeout_s)
        told = self._told(data)
        if status >= http.client.BAD_REQUEST and not isinstance(told, dict):
            msg = f"{method} {path} was answered {status} at {self._path}"
            raise UnavailableError(msg)
        return told

    def read(self, path: str) -> bytes:
        """Return the bytes of a GET that is answered with a file; raises as `ask`, MissingError if there is none."""
        status, data = self._asked("GET", path, None, TIMEOUT_S)
        if status != http.client.OK:
            self._told(data)
            msg = f"GET {path} was answered {status} at {self._path}"
            raise UnavailableError(msg)
        return data

    def _asked(self, method: str, path: str, content: str | None, timeout_s: float) -> tuple[int, bytes]:
        """Send a request; return the answer's status and bytes."""
        connection = _UnixConnection(self._path, timeout_s)
        try:
            connection.request(method, path, content, {} if content is None else {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            msg = f"no recorder answers at {self._path} ({error}): is it running, and is this its footage directory?"
            raise UnavailableError(msg) from error
        finally:
            connection.close()

    def _told(self, data: bytes) -> Any:
        """Return an answer's JSON; raises what it refuses with."""
        told: Any = None
        if data:
            try:
                told = json.loads(data)
            except ValueError as error:
                msg = f"what answers at {self._path} is no recorder"
                raise UnavailableError(msg) from error
        refusal = told.get("error") if isinstance(told, dict) else None
        if isinstance(refusal, dict):
            raise BY_KIND.get(str(refusal.get("kind")), UnavailableError)(str(refusal.get("message")))
        return told


@dataclass(frozen=True, slots=True)
class PeriodKey:
    """A key period of footage, and its wrapped key: what `overt.sealing.wraps.WrappedKey.decode` reads."""

    period: UUID
    camera: str
    stream: str
    wrap: bytes = field(repr=False)


CAMERAS_AT_ONCE: Final = 100
PERIODS_AT_ONCE: Final = 5000


def periods(client: SocketClient, cameras: Sequence[str], from_us: int, to_us: int) -> Iterator[PeriodKey]:
    """Yield the key periods of cameras' footage in a span, as GET /periods of `recorder.sock` answers, page by page.

    Moments are microseconds since the Unix epoch. Raises as `SocketClient.ask`.
    """
    span = [("from_us", str(from_us)), ("to_us", str(to_us)), ("limit", str(PERIODS_AT_ONCE))]
    for at in range(0, len(cameras), CAMERAS_AT_ONCE):
        asked = [("camera", camera) for camera in cameras[at : at + CAMERAS_AT_ONCE]] + span
        page = _page(client, asked)
        yield from page
        while len(page) == PERIODS_AT_ONCE:
            page = _page(client, [*asked, ("after", str(page[-1].period))])
            yield from page


def _page(client: SocketClient, asked: Sequence[tuple[str, str]]) -> list[PeriodKey]:
    told = client.get(f"/periods?{urlencode(asked)}")
    try:
        return [
            PeriodKey(UUID(each["period"]), each["camera"], each["stream"], _bytes_of(each["wrap"])) for each in told
        ]
    except (KeyError, TypeError, ValueError) as error:
        msg = "what answers at recorder.sock does not know GET /periods: is the recorder as new as this program?"
        raise UnavailableError(msg) from error


def _bytes_of(text: str) -> bytes:
    """Read base64url without padding; raises `ValueError`."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


class MediaControl:
    """`media.sock`: giving grants to the media plane (docs/reference/media-plane.md)."""

    def __init__(self, path: Path) -> None:
        """Speak to the media process that listens at `path`."""
        self._client = SocketClient(path)

    def give(self, grant_id: UUID, token: str, roots: dict[UUID, bytes]) -> None:
        """Register or renew a grant and release roots under it; raises as `SocketClient.ask`."""
        periods = [{"period": str(period), "root": to_text(root)} for period, root in roots.items()]
        self._client.ask("PUT", f"/grants/{grant_id}", {"grant": token, "periods": periods})

    def revoke(self, grant_id: UUID) -> None:
        """End a grant for good; raises as `SocketClient.ask`."""
        self._client.ask("DELETE", f"/grants/{grant_id}")

    def started_us(self) -> int:
        """Return since when the media process runs: when another than before, grants have to be given anew."""
        told = self._client.get("/status")
        if not isinstance(told, dict) or not isinstance(told.get("started_us"), int):
            msg = "what answers at media.sock is no media process"
            raise UnavailableError(msg)
        return int(told["started_us"])

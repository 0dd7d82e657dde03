"""Reading RTSP requests from a byte stream (RFC 2326 4, 6, 10.12), with bounds; and the form of replies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from overt.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 64 * 1024
REASONS: Final = {
    200: "OK",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are lower case; of a repeated header the last counts."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """Path and query of the URL, without the slash before it."""
        parts = urlsplit(self.url)
        return urlunsplit(("", "", parts.path, parts.query, "")).lstrip("/")

    @property
    def base(self) -> str:
        """The URL without credentials and query: what the client believes the camera is called."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@dataclass(frozen=True, slots=True)
class InterleavedData:
    """A packet that the client sent between its requests, normally RTCP."""

    channel: int
    data: bytes


class RequestReader:
    """Cuts a byte stream into requests and interleaved packets. Holds at most one incomplete message."""

    def __init__(self) -> None:
        """Begin with an empty buffer."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Request | InterleavedData]:
        """Take more bytes; return what is complete.

        Raises:
            InvalidError: if the bytes are no RTSP, or a message is longer than the bounds above.
        """
        self._buffer += data
        found: list[Request | InterleavedData] = []
        while self._buffer:
            item = self._packet() if self._buffer[0] == 0x24 else self._request()
            if item is None:
                break
            found.append(item)
        return found

    def _packet(self) -> InterleavedData | None:
        buffer = self._buffer
        if len(buffer) < 4 or len(buffer) < (end := 4 + int.from_bytes(buffer[2:4], "big")):
            return None
        item = InterleavedData(buffer[1], bytes(buffer[4:end]))
        del buffer[:end]
        return item

    def _request(self) -> Request | None:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        if end < 0:
            if len(buffer) >= MAX_HEAD_BYTES:
                msg = f"a request head of more than {MAX_HEAD_BYTES} bytes"
                raise InvalidError(msg)
            return None
        lines = buffer[:end].decode("latin-1").lstrip("\r\n").split("\r\n")
        first = re.fullmatch(r"([A-Z_]{1,32}) (\S+) RTSP/\d\.\d", lines[0])
        if first is None:
            msg = f"not an RTSP request line: {lines[0][:80]!r}"
            raise InvalidError(msg)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        size = headers.get("content-length", "0")
        if not re.fullmatch(r"[0-9]{1,6}", size) or int(size) > MAX_BODY_BYTES:
            msg = f"a Content-Length of {size[:20]!r} (at most {MAX_BODY_BYTES})"
            raise InvalidError(msg)
        if len(buffer) < end + 4 + int(size):
            return None
        try:
            urlsplit(first[2])
        except ValueError as error:
            msg = f"not a URL: {first[2][:80]!r}"
            raise InvalidError(msg) from error
        request = Request(first[1], first[2], headers, bytes(buffer[end + 4 : end + 4 + int(size)]))
        del buffer[: end + 4 + int(size)]
        return request


def reply_bytes(status: int, headers: list[str], body: str = "") -> bytes:
    """Return a reply: status line, header lines as given, length and body."""
    lines = [f"RTSP/1.0 {status} {REASONS.get(status, 'Unknown')}", *headers]
    payload = body.encode()
    if payload:
        lines.append(f"Content-Length: {len(payload)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + payload

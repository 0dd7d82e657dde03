"""RTSP messages: requests written, replies and server requests read (RFC 2326 §4 to §7), tolerant and bounded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from overt.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_START_LINE_BYTES: Final = 8 * 1024
MAX_HEADER_BYTES: Final = 64 * 1024
"""Start line and all header lines of one message, line ends included."""
MAX_HEADER_LINES: Final = 512
MAX_BODY_BYTES: Final = 1024 * 1024

INTERLEAVED_MAGIC: Final = 0x24
"""`$`, the first byte of an interleaved binary frame (RFC 2326 §10.12)."""

_STATUS_LINE: Final = re.compile(rb"RTSP/(\d\.\d)[ \t]+(\d{3})(?![0-9])[ \t]*(.*)", re.IGNORECASE | re.DOTALL)
_REQUEST_LINE: Final = re.compile(rb"([A-Z][A-Z_]{2,31})[ \t]+(\S+)[ \t]+RTSP/(\d\.\d)[ \t]*")
_HTTP_STATUS_LINE: Final = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]", re.IGNORECASE)
_MARKUP: Final = re.compile(rb"[ \t]*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_FORBIDDEN_IN_HEADER: Final = re.compile(r"[\x00-\x1f\x7f]")
_CR_LF: Final = b"\r\n"


def readable(text: str | bytes, limit: int = 80) -> str:
    """Return text from the wire fit for a message: printable ASCII, at most `limit` characters."""
    if isinstance(text, bytes):
        text = text[: limit + 1].decode("latin-1")
    shown = "".join(c if " " <= c <= "~" else "." for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


class Headers:
    """Header fields in the order of the wire; names compare without case; a name may occur more than once."""

    __slots__ = ("fields",)

    def __init__(self, fields: tuple[tuple[str, str], ...] = ()) -> None:
        """Keep `fields`, pairs of name and value."""
        self.fields = fields

    def get(self, name: str) -> str | None:
        """Return the first value of `name`, or None."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        """Return every value of `name` in order."""
        wanted = name.lower()
        return [value for key, value in self.fields if key.lower() == wanted]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Iterate over the pairs."""
        return iter(self.fields)

    def __eq__(self, other: object) -> bool:
        """Equal when the pairs are equal."""
        return isinstance(other, Headers) and self.fields == other.fields

    def __hash__(self) -> int:
        """Hash of the pairs."""
        return hash(self.fields)

    def __repr__(self) -> str:
        """Names only: values may hold a credential."""
        return f"Headers({', '.join(name for name, _ in self.fields)})"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the client sends (RFC 2326 §6). Its URL must not hold userinfo."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """Return the bytes on the wire, with Content-Length where there is a body.

        Raises:
            InvalidError: if a control character would break the line structure, or a character is above U+00FF.
        """
        return _encode(f"{self.method} {self.url} RTSP/1.0", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """A reply of the server (RFC 2326 §7)."""

    status: int
    reason: str
    headers: Headers
    body: bytes = field(default=b"", repr=False)
    position: int = 0
    """Offset of its first byte in the connection, as far as the owner of the parser keeps `position` true."""
    unparsed: tuple[str, ...] = ()
    """Header lines without a colon, kept for whoever looks for the cause of trouble."""
    version: str = "1.0"

    @property
    def cseq(self) -> int | None:
        """The CSeq header as a number, or None where it is missing or no number."""
        return _number(self.headers.get("CSeq"))


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """A request that the server sends to us (RFC 2326 §10: OPTIONS, ANNOUNCE, GET_PARAMETER, REDIRECT, ...)."""

    method: str
    url: str
    headers: Headers
    body: bytes = field(default=b"", repr=False)
    position: int = 0
    unparsed: tuple[str, ...] = ()
    version: str = "1.0"

    def reply(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
        """Return the bytes of our answer; CSeq and Session are those of the request."""
        echoed = tuple((name, v) for name in ("CSeq", "Session") if (v := self.headers.get(name)) is not None)
        cleaned = tuple((name, _FORBIDDEN_IN_HEADER.sub(" ", value)) for name, value in echoed)
        return _encode(f"RTSP/1.0 {status} {reason}", cleaned + headers, b"")


ServerMessage = Response | ServerRequest


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and _DIGITS.fullmatch(value) else None


def _encode(start_line: str, headers: tuple[tuple[str, str], ...], body: bytes) -> bytes:
    lines = [start_line, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    for line in lines:
        if _FORBIDDEN_IN_HEADER.search(line):
            msg = f"an RTSP line would contain a control character: {readable(line.partition(':')[0], 24)!r}"
            raise InvalidError(msg)
    try:
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    except UnicodeEncodeError as error:
        msg = "an RTSP line would contain a character above U+00FF: percent-encode it"
        raise InvalidError(msg) from error


class ServerParser:
    """Incremental parser of the text that a server sends between interleaved frames.

    The owner of the socket cuts out `$` frames itself and hands the rest to `feed`. Not thread-safe. Memory is
    bounded by `MAX_HEADER_BYTES` + `MAX_BODY_BYTES`. After an `InvalidError` the parser is back between messages;
    the connection has lost its structure: close it, or look for the next frame with `desync`.
    """

    __slots__ = (
        "_begun",
        "_body",
        "_deferred",
        "_fields",
        "_head",
        "_length",
        "_line",
        "_lines",
        "_open",
        "_start",
        "_unparsed",
        "position",
    )

    def __init__(self) -> None:
        """Begin between messages at position 0."""
        self.position = 0
        """Offset in the connection of the next byte that will be fed. The owner adds what it consumed itself."""
        self._begun = 0
        self._line = bytearray()
        self._body = bytearray()
        self._deferred: InvalidError | None = None
        self._reset()

    def _reset(self) -> None:
        self._start: tuple[str, ...] = ()
        self._fields: list[tuple[str, str]] = []
        self._unparsed: list[str] = []
        self._head = 0
        self._lines = 0
        self._length: int | None = None
        self._open = False
        self._line.clear()
        self._body.clear()

    @property
    def mid_message(self) -> bool:
        """A message has begun and has not ended: the next bytes belong to it, even a `$`."""
        return bool(self._head or self._line)

    @property
    def awaiting_silence(self) -> bool:
        """The body has no stated length: it ends where something else begins, or at `finish_silent`."""
        return self._open

    def pending_text(self) -> str:
        """Say what is incomplete, for the message of a time-out; empty between messages."""
        if not self.mid_message:
            return ""
        begun = f"message begun at byte {self._begun}"
        if self._length is not None:
            return f"{begun}: {len(self._body)} of {self._length} body bytes came"
        return f"{begun}: {'body of no stated length' if self._open else 'header not complete'}"

    def feed(self, data: bytes | bytearray | memoryview) -> tuple[list[ServerMessage], int]:
        """Take bytes; return the messages that became complete, and how many bytes were consumed.

        Consumption stops before a `$` that stands between messages. If fewer bytes were consumed than given, then
        either the next byte is such a `$`, or the next bytes are malformed and the next call says so (the messages
        that came before them are not lost). An incomplete message is consumed and kept.

        Raises:
            InvalidError: no RTSP, endless or malformed header, bad Content-Length; says the position.
        """
        if self._deferred is not None:
            error, self._deferred = self._deferred, None
            raise error
        chunk = bytes(data)
        messages: list[ServerMessage] = []
        offset, origin, whole = 0, self.position, 0
        try:
            while offset < len(chunk):
                if not self.mid_message:
                    if chunk[offset] == INTERLEAVED_MAGIC:
                        break
                    whole, self._begun = offset, origin + offset
                    if chunk[offset] in _CR_LF:
                        offset += 1
                        continue
                complete = len(messages)
                offset = self._step(chunk, offset, messages)
                self.position = origin + offset
                if len(messages) > complete:
                    whole = offset
        except InvalidError as error:
            self._reset()
            self.position = origin + whole
            if not messages:
                raise
            self._deferred = error
            return messages, whole
        self.position = origin + offset
        return messages, offset

    def finish_silent(self) -> list[ServerMessage]:
        """Complete a body of no stated length; call after about a second of silence, or when the connection ended.

        Raises:
            InvalidError: if Content-Length promised more bytes than came.
        """
        if self._open:
            self._body += self._line
            self._line.clear()
            messages: list[ServerMessage] = []
            self._complete(messages)
            return messages
        if self._length is not None:
            msg = f"{self.pending_text()}: the Content-Length is wrong, or the connection broke"
            self._reset()
            raise InvalidError(msg)
        return []

    def _step(self, chunk: bytes, offset: int, messages: list[ServerMessage]) -> int:
        """Consume one header line or one piece of body from `chunk`; return the new offset."""
        if self._open:
            return self._open_body(chunk, offset, messages)
        if self._length is not None:
            take = min(self._length - len(self._body), len(chunk) - offset)
            self._body += chunk[offset : offset + take]
            if len(self._body) == self._length:
                self._complete(messages)
            return offset + take
        end = chunk.find(b"\n", offset)
        stop = len(chunk) if end < 0 else end + 1
        total = self._head + len(self._line) + stop - offset
        limit = MAX_HEADER_BYTES if self._start else MAX_START_LINE_BYTES
        if total > limit:
            what = "header" if self._start else "first line"
            shown = readable(bytes(self._line) + chunk[offset : offset + 60], 60)
            msg = f"the camera's {what} has no end after {limit} bytes{self._where()}: {shown!r}"
            raise InvalidError(msg)
        self._line += chunk[offset:stop]
        if end >= 0:
            line = bytes(self._line).rstrip(_CR_LF)
            if not self._start:
                self._start = _start_line(line, self._where())
            elif not line:
                self._head = total
                self._line.clear()
                self._end_of_header(messages, self._where())
                return stop
            else:
                self._header_line(line)
            self._head = total
            self._line.clear()
        return stop

    def _where(self) -> str:
        return f", in the message at byte {self._begun}"

    def _header_line(self, line: bytes) -> None:
        self._lines += 1
        if self._lines > MAX_HEADER_LINES:
            msg = f"the camera's header has no end after {MAX_HEADER_LINES} lines{self._where()}"
            raise InvalidError(msg)
        text = line.decode("latin-1")
        if text[0] in " \t":
            if self._fields:
                name, value = self._fields[-1]
                self._fields[-1] = (name, f"{value} {text.strip()}".strip())
            return
        name, colon, value = text.partition(":")
        if colon and name.strip():
            self._fields.append((name.strip(), value.strip()))
        else:
            self._unparsed.append(text)

    def _end_of_header(self, messages: list[ServerMessage], where: str) -> None:
        headers = Headers(tuple(self._fields))
        lengths = set(headers.get_all("Content-Length"))
        if len(lengths) > 1:
            msg = f"the camera sent contradicting Content-Length headers{where}: {readable(', '.join(sorted(lengths)))}"
            raise InvalidError(msg)
        if lengths:
            stated = lengths.pop()
            length = _number(stated)
            if length is None:
                msg = f"the camera sent a Content-Length that is no number{where}: {readable(stated)!r}"
                raise InvalidError(msg)
            if length > MAX_BODY_BYTES:
                msg = f"the camera announced a body of {length} bytes{where}: more than {MAX_BODY_BYTES} is refused"
                raise InvalidError(msg)
            if length:
                self._length = length
                return
        elif _is_sdp(headers) and len(self._start) == 3 and self._start[1] == "200":
            self._open = True
            return
        self._complete(messages)

    def _open_body(self, chunk: bytes, offset: int, messages: list[ServerMessage]) -> int:
        """Read an SDP without Content-Length: lines of the form `x=...` up to anything else (RFC 8866 §5)."""
        known = len(self._line)
        first = self._line[0] if known else chunk[offset]
        if first not in _CR_LF:
            if known >= 2:
                second: int | None = self._line[1]
            else:
                at = offset + 1 - known
                second = chunk[at] if at < len(chunk) else None
            if not 0x61 <= first <= 0x7A or (second is not None and second != 0x3D):
                # Not a line of SDP, so the body ended before it. A kept first letter must be parsed again.
                kept = bytes(self._line)
                self._complete(messages)
                self._line += kept
                self._begun = self.position - len(kept)
                return offset
        end = chunk.find(b"\n", offset)
        stop = len(chunk) if end < 0 else end + 1
        self._line += chunk[offset:stop]
        if len(self._body) + len(self._line) > MAX_BODY_BYTES:
            msg = f"the camera's description has no end after {MAX_BODY_BYTES} bytes{self._where()}"
            raise InvalidError(msg)
        if end >= 0:
            self._body += self._line
            self._line.clear()
        return stop

    def _complete(self, messages: list[ServerMessage]) -> None:
        headers, body, unparsed = Headers(tuple(self._fields)), bytes(self._body), tuple(self._unparsed)
        begun = self._begun
        if len(self._start) == 3:
            version, status, reason = self._start
            messages.append(Response(int(status), reason, headers, body, begun, unparsed, version))
        else:
            version, method, url, _ = self._start
            messages.append(ServerRequest(method, url, headers, body, begun, unparsed, version))
        self._reset()


def _is_sdp(headers: Headers) -> bool:
    return (headers.get("Content-Type") or "").lower().startswith("application/sdp")


def _start_line(line: bytes, where: str) -> tuple[str, ...]:
    """Return (version, status, reason) of a reply or (version, method, url, "") of a request."""
    if match := _STATUS_LINE.fullmatch(line):
        version, status, reason = match.groups()
        return version.decode(), status.decode(), reason.decode("latin-1").strip()
    if match := _REQUEST_LINE.fullmatch(line):
        method, url, version = match.groups()
        return version.decode(), method.decode(), url.decode("latin-1"), ""
    if _HTTP_STATUS_LINE.match(line) or _MARKUP.match(line):
        msg = f"an HTTP server answered, not an RTSP server ({readable(line, 60)!r}{where}): check the port of the URL"
        raise InvalidError(msg)
    msg = f"the camera sent something that is not RTSP: {readable(line, 60)!r}{where}"
    raise InvalidError(msg)

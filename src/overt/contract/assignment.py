"""Assignment: what the control room tells a recorder to record, from where, and for how long it is kept.

Everything here is immutable and checked when it is built. Secrets (passwords, and those that some makers put into
the address itself) appear in no `repr`, no log and no JSON, except in `Assignment.to_wire`, which is the message.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    SerializationInfo,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from overt.contract.instant import from_iso, ns_of
from overt.errors import InvalidError
from overt.ids import MAIN, StreamKey, checked_name

MAX_CAMERAS: Final = 4096
"""Cameras of one recorder; far beyond what one machine carries, so that a runaway file is refused."""
MAX_URLS: Final = 8
MAX_URL: Final = 2048
MAX_HOLDS: Final = 10_000
MAX_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes of the longest assignment message that is read."""
MASK: Final = "***"
REVEAL: Final = {"reveal": True}

Location = tuple[int | str, ...]
"""Where in a message something stands: keys and positions from the outside in."""
Transport = Literal["auto", "tcp", "udp"]
Engine = Literal["auto", "native", "pyav"]
StreamName = Literal["main", "sub"]

_SECRET_PARAMETER: Final = re.compile(
    r"((?:^|[?&;/_])(?:pass(?:word|wd|phrase)?|pwd|psw|pw|secret|token|auth|user(?:name)?|usr|key|sig(?:nature)?)=)"
    r".*?(?=[&;?#/]|_[A-Za-z0-9]+=|$)",
    re.IGNORECASE,
)
_NO_VALUES: Final = ConfigDict(
    frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True, str_max_length=4096
)


def shown_url(url: str) -> str:
    """Return an address fit for display: no user and password, and no secret that a maker puts into path or query.

    >>> shown_url("rtsp://admin:1234@cam/stream?password=1234&channel=1")
    'rtsp://cam/stream?password=***&channel=1'
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return MASK
    authority = re.match(r"[^/?#]*", rest)
    end = authority.end() if authority else 0
    host = rest[:end].rpartition("@")[2]
    path = _SECRET_PARAMETER.sub(lambda found: found[1] + MASK, rest[end:])
    return f"{scheme}://{host}{path}"


def _checked_url(value: object) -> str:
    """Return a camera address that can be connected to; messages never show what may be a secret."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_URL:
        msg = f"must be an address of at most {MAX_URL} characters, such as rtsp://192.0.2.7:554/stream1"
        raise ValueError(msg)
    if any(character <= " " or character == "\x7f" for character in value):
        msg = "must be an address without blanks and control characters"
        raise ValueError(msg)
    try:
        parts: SplitResult = urlsplit(value)
        port = parts.port
    except ValueError as error:
        msg = "must be an address whose host and port can be read, such as rtsp://192.0.2.7:554/stream1"
        raise ValueError(msg) from error
    if parts.scheme.lower() not in {"rtsp", "rtsps"} or "://" not in value:
        msg = "must be an address that begins with rtsp:// or rtsps://"
        raise ValueError(msg)
    if not parts.hostname or port == 0:
        msg = "must be an address that names a host, such as rtsp://192.0.2.7/stream1"
        raise ValueError(msg)
    return value


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """Take user and password out of an address: (address without them, user, password), both percent-decoded.

    The user information ends at the last `@` before the path, since people do type passwords with an `@` inside.
    """
    scheme, _, rest = url.partition("://")
    cut = len(rest) - len(rest.lstrip("/"))
    end = next((i for i, character in enumerate(rest[cut:], cut) if character in "/?#"), len(rest))
    information, found, host = rest[:end].rpartition("@")
    if not found:
        return url, None, None
    user, _, password = information.partition(":")
    return f"{scheme}://{host}{rest[end:]}", unquote(user), unquote(password)


class Span(BaseModel):
    """A span of time, start included and end excluded; in TOML and JSON `from` and `to`, both with offset."""

    model_config = ConfigDict(**_NO_VALUES, populate_by_name=True)

    start: Annotated[AwareDatetime, Field(alias="from")]
    end: Annotated[AwareDatetime, Field(alias="to")]
    reason: Annotated[str, Field(max_length=500)] = ""

    @field_validator("start", "end", mode="before")
    @classmethod
    def _moment(cls, value: object) -> object:
        """Refuse numbers and local times, whose meaning would be a guess."""
        if isinstance(value, datetime):
            if value.tzinfo is None:
                msg = "must have an offset from UTC: end it with 'Z', or with an offset such as '+01:00'"
                raise ValueError(msg)
            return value
        if isinstance(value, str):
            try:
                from_iso(value)
            except InvalidError as error:
                raise ValueError(str(error)) from error
            return value
        msg = "must be a moment such as 2026-03-29T14:05:00Z"
        raise ValueError(msg)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """Refuse a span that ends before it begins."""
        if self.end <= self.start:
            msg = "'to' must be later than 'from'"
            raise ValueError(msg)
        return self

    @property
    def start_ns(self) -> int:
        """Start in nanoseconds since the Unix epoch, UTC."""
        return ns_of(self.start)

    @property
    def end_ns(self) -> int:
        """End in nanoseconds since the Unix epoch, UTC."""
        return ns_of(self.end)


class Retention(BaseModel):
    """How long footage of one camera may be kept: a maximum that is enforced; what is reached first counts."""

    model_config = _NO_VALUES

    days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] | None = 31
    """Days; None: no limit by age."""
    bytes: ByteSize | None = None
    """Bytes on disk of all streams of the camera; text such as "500GB" is read too. None: no limit by size."""

    @field_validator("bytes")
    @classmethod
    def _some(cls, value: ByteSize | None) -> ByteSize | None:
        """Refuse a limit that would delete each segment as it is written."""
        if value is not None and value < 10_000_000:
            msg = "must be at least 10MB"
            raise ValueError(msg)
        return value


class Tls(BaseModel):
    """How the certificate of an `rtsps://` camera is judged: by a council's own CA, or by its pinned fingerprint."""

    model_config = _NO_VALUES

    ca_file: Path | None = None
    """PEM file with the certificate authorities to trust instead of the system's."""
    fingerprint_sha256: str | None = None
    """SHA-256 of the camera's certificate (DER), 64 hexadecimal digits, colons allowed; kept in lower case without."""

    @field_validator("fingerprint_sha256")
    @classmethod
    def _digest(cls, value: str | None) -> str | None:
        """Normalise a fingerprint as browsers and openssl print it."""
        if value is None:
            return None
        digits = value.replace(":", "").replace(" ", "").lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digits):
            msg = "must be a SHA-256 fingerprint: 64 hexadecimal digits, colons between pairs allowed"
            raise ValueError(msg)
        return digits

    @model_validator(mode="after")
    def _one(self) -> Self:
        """Refuse two rules at once: it would be unclear which one protects."""
        if self.ca_file is not None and self.fingerprint_sha256 is not None:
            msg = "give 'ca_file' or 'fingerprint_sha256', not both"
            raise ValueError(msg)
        return self


def _listed(value: object) -> object:
    """Take a single address where a list of them is expected."""
    return (value,) if isinstance(value, str) else value


class StreamAssignment(BaseModel):
    """One encoded stream of a camera and the addresses at which it is found, in order of preference."""

    model_config = _NO_VALUES

    name: StreamName = "main"
    urls: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_URLS, repr=False), BeforeValidator(_listed)]
    """Addresses without credentials: those in an address move to the camera when the assignment is built."""
    transport: Transport = "auto"
    """`auto`: TCP-interleaved, and UDP where the camera refuses it."""
    engine: Engine = "auto"
    """`auto`: Overt's own engine, and PyAV in a process of its own where it cannot speak to the camera."""

    @field_validator("urls")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Check each address."""
        return tuple(_checked_url(url) for url in value)

    @field_serializer("urls")
    def _masked(self, value: tuple[str, ...], info: SerializationInfo) -> tuple[str, ...]:
        """Hide what may be a secret inside an address, except in the message itself."""
        return value if _revealing(info) else tuple(shown_url(url) for url in value)

    @property
    def shown_urls(self) -> tuple[str, ...]:
        """The addresses as they may be displayed and logged."""
        return tuple(shown_url(url) for url in self.urls)


class CameraAssignment(BaseModel):
    """One camera: its streams, how it is reached, what is kept and for how long."""

    model_config = _NO_VALUES

    name: str
    streams: Annotated[tuple[StreamAssignment, ...], Field(min_length=1, max_length=2)]
    username: str | None = None
    password: SecretStr | None = None
    audio: bool = False
    """Sound is recorded only where this says so."""
    retention: Retention = Retention()
    holds: Annotated[tuple[Span, ...], Field(max_length=MAX_HOLDS)] = ()
    """Spans in which nothing of this camera is deleted until the hold is lifted."""
    tls: Tls = Tls()
    stall_timeout_s: Annotated[float, Field(ge=1, le=120, allow_inf_nan=False)] = 4.0
    """Silence after which the camera counts as stalled and is reconnected."""
    target_fragment_ms: Annotated[int, Field(ge=100, le=500)] = 400
    """Length at which a fragment is closed; a keyframe closes it earlier."""

    @model_validator(mode="before")
    @classmethod
    def _credentials_out_of_urls(cls, value: object) -> object:
        """Move user and password from the addresses into the fields meant for them."""
        if not isinstance(value, dict) or not isinstance(value.get("streams"), list | tuple):
            return value
        found: set[tuple[str, str]] = set()
        streams = [_without_credentials(stream, found) for stream in value["streams"]]
        moved = {**value, "streams": streams}
        if not found:
            return moved
        if len(found) > 1:
            msg = "the addresses carry different users or passwords; a camera has one: set 'username' and 'password'"
            raise ValueError(msg)
        ((user, password),) = found
        if value.get("username") is None and value.get("password") is None:
            moved["username"], moved["password"] = user, password
        elif (value.get("username"), _plain(value.get("password"))) != (user, password):
            msg = "the address and 'username'/'password' contradict each other: keep one of them"
            raise ValueError(msg)
        return moved

    @field_validator("name")
    @classmethod
    def _lawful_name(cls, value: str) -> str:
        """Refuse names that could not be a folder, a label and a TOML key."""
        try:
            return checked_name(value, "camera")
        except InvalidError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse two streams of one name, a password without a user, and a camera without its main stream."""
        names = [stream.name for stream in self.streams]
        if len(set(names)) != len(names):
            msg = "has two streams of one name: 'main' and 'sub' may each stand once"
            raise ValueError(msg)
        if MAIN not in names:
            msg = "has no stream 'main', the one that is recorded at full quality"
            raise ValueError(msg)
        if self.password is not None and self.username is None:
            msg = "has a 'password' and no 'username'"
            raise ValueError(msg)
        return self

    @field_serializer("password")
    def _hidden(self, value: SecretStr | None, info: SerializationInfo) -> str | None:
        """Hide the password, except in the message itself."""
        if value is None:
            return None
        return value.get_secret_value() if _revealing(info) else MASK

    @property
    def keys(self) -> tuple[StreamKey, ...]:
        """The streams' keys, in the order in which the streams stand."""
        return tuple(StreamKey(self.name, stream.name) for stream in self.streams)

    def captured_like(self, other: CameraAssignment) -> bool:
        """True if capture need not be interrupted to go over to `other`: only retention or holds differ."""
        return self == other.model_copy(update={"retention": self.retention, "holds": self.holds})


class Assignment(BaseModel):
    """All that one recorder is to record. A later revision replaces an earlier one whole."""

    model_config = _NO_VALUES

    revision: Annotated[int, Field(ge=0, le=2**53 - 1)]
    cameras: Annotated[tuple[CameraAssignment, ...], Field(max_length=MAX_CAMERAS)] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        """Refuse two cameras of one name: their footage would be mixed."""
        seen: set[str] = set()
        for camera in self.cameras:
            if camera.name in seen:
                msg = f"camera {camera.name!r} stands twice"
                raise ValueError(msg)
            seen.add(camera.name)
        return self

    def camera(self, name: str) -> CameraAssignment | None:
        """Return the camera of that name, or None."""
        return next((camera for camera in self.cameras if camera.name == name), None)

    def to_wire(self) -> bytes:
        """Encode the message as JSON, secrets included: for a socket that only the recorder reads, never for a log."""
        return self.model_dump_json(by_alias=True, context=REVEAL).encode()

    @classmethod
    def from_wire(cls, message: bytes) -> Assignment:
        """Decode what `to_wire` writes.

        Raises:
            InvalidError: naming every wrong key and its lawful values, and no secret.
        """
        if len(message) > MAX_MESSAGE:
            msg = f"the assignment is longer than {MAX_MESSAGE} bytes"
            raise InvalidError(msg)
        try:
            return cls.model_validate_json(message)
        except ValidationError as error:
            raise InvalidError("the assignment is refused: " + "; ".join(problems(error, cls))) from error


def dotted(location: Location) -> str:
    """Write a place in a message as a path; entries of lists are counted from 1."""
    return ".".join(str(part) if isinstance(part, str) else str(part + 1) for part in location)


def problems(error: ValidationError, model: type[BaseModel], place: Callable[[Location], str] = dotted) -> list[str]:
    """Say in sentences what pydantic found: where, what is wrong, what would be lawful. Values are never repeated.

    `place` writes a location as the reader knows it. At most 20 sentences; the rest is counted.
    """
    found = error.errors(include_url=False, include_input=False)
    places = {detail["loc"] for detail in found}
    sentences = [
        _sentence(detail, place(detail["loc"]), model)
        for detail in found
        if detail["type"] != "too_short" or not any(_inside(other, detail["loc"]) for other in places)
    ]
    return sentences[:20] + ([f"and {len(sentences) - 20} more"] if len(sentences) > 20 else [])


def _inside(place: Location, outer: Location) -> bool:
    """True where `place` lies within `outer`: a list is not too short merely because an entry was refused."""
    return len(place) > len(outer) and place[: len(outer)] == outer


def key_names(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table as they are written in TOML and JSON."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _sentence(detail: ErrorDetails, place: str, model: type[BaseModel]) -> str:
    """Turn one finding into a sentence."""
    where = f"'{place}'" if place else "it"
    location, kind, message, context = detail["loc"], detail["type"], detail["msg"], detail.get("ctx")
    if kind == "extra_forbidden":
        keys = key_names(_model_at(model, location[:-1]))
        near = difflib.get_close_matches(str(location[-1]), keys, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        return f"unknown key {where}{hint}; the keys here are {', '.join(keys)}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "literal_error" and context:
        return f"{where} must be {context['expected']}"
    text = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{where} {text[0].lower()}{text[1:]}" if text.startswith(("M", "I", "U")) else f"{where} {text}"


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    """Return the model of the table at a place inside `model`."""
    for part in location:
        if isinstance(part, int):
            continue
        named = (field for name, field in model.model_fields.items() if part in {name, field.alias})
        field = next(named, None)
        for inner in _models_in(field.annotation if field else None):
            model = inner
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a field's annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _models_in(argument)]


def _revealing(info: SerializationInfo) -> bool:
    """True where the caller writes the message itself."""
    return bool(info.context and info.context.get("reveal"))


def _plain(value: object) -> object:
    """Return a secret's text, or the value itself."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _without_credentials(stream: object, found: set[tuple[str, str]]) -> object:
    """Return stream input whose addresses carry no credentials; they are added to `found`."""
    if isinstance(stream, StreamAssignment):
        stream = {"name": stream.name, "urls": stream.urls, "transport": stream.transport, "engine": stream.engine}
    if not isinstance(stream, dict):
        return stream
    urls = _listed(stream.get("urls"))
    if not isinstance(urls, list | tuple):
        return stream
    clean: list[object] = []
    for url in urls:
        if not isinstance(url, str) or "://" not in url:
            clean.append(url)
            continue
        bare, user, password = split_credentials(url)
        if user is not None:
            found.add((user, password or ""))
        clean.append(bare)
    return {**stream, "urls": clean}

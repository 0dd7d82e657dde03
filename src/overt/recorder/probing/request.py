"""What a probe is asked, and what it answers: plain values. No `repr` shows a password."""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from overt.contract.assignment import problems
from overt.errors import InvalidError
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.urls import parse_camera_url

MAX_URLS: Final = 8
MAX_BODY: Final = 64 * 1024
RTSP_PORT: Final = 554
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")
_Port = Annotated[int, Field(ge=1, le=65535)]


def _nothing(value: object) -> object:
    return None if value == "" else value


class ProbeRequest(BaseModel):
    """Body of POST /probes."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True, str_max_length=2048)

    host: str
    """Name or address of the camera; an IPv6 address without brackets."""
    username: Annotated[str | None, BeforeValidator(_nothing)] = None
    password: Annotated[SecretStr | None, BeforeValidator(_nothing)] = None
    rtsp_port: _Port = RTSP_PORT
    """Where well-known paths are tried."""
    onvif_port: _Port | None = None
    """None: where ONVIF is usually found."""
    urls: Annotated[tuple[str, ...], Field(max_length=MAX_URLS, repr=False)] = ()
    """Addresses to try; none: those that ONVIF names, else well-known ones."""

    @field_validator("host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            pass
        if not _HOST.fullmatch(value):
            msg = "must be a name or an address such as 192.0.2.7, without port and path"
            raise ValueError(msg)
        return value.lower()

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            try:
                parse_camera_url(url)
            except InvalidError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _usable_credentials(self) -> Self:
        try:
            _ = self.credentials
        except InvalidError as error:
            raise ValueError(str(error)) from None
        if self.password is not None and self.username is None:
            msg = "has a 'password' and no 'username'"
            raise ValueError(msg)
        return self

    @property
    def credentials(self) -> Credentials | None:
        """User and password, if a user is given."""
        if self.username is None:
            return None
        return Credentials(self.username, self.password.get_secret_value() if self.password is not None else "")

    @classmethod
    def from_json(cls, body: bytes) -> ProbeRequest:
        """Read a body; raises `InvalidError`, which repeats no value."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise InvalidError("the probe is refused: " + "; ".join(problems(error, cls))) from None


@dataclass(slots=True)
class StreamFound:
    """What one address showed."""

    url: str
    codec: str | None = None
    codecs: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    gop_s: float | None = None
    gop_is_least: bool = False
    """`gop_s` is how long was waited for another keyframe in vain: the distance is at least that."""
    bitrate_bps: int | None = None
    audio: str | None = None
    clock_offset_s: float | None = None
    picture: bytes | None = field(default=None, repr=False)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON takes."""
        told: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return told | {"picture": None if self.picture is None else base64.b64encode(self.picture).decode("ascii")}


@dataclass(frozen=True, slots=True)
class ProfileFound:
    """A media profile of ONVIF, and its address; empty where the device does not tell it."""

    name: str
    url: str
    width: int | None
    height: int | None
    codec: str | None
    fps: int | None
    gop: int | None


@dataclass(slots=True)
class OnvifFound:
    """What ONVIF said."""

    maker: str = ""
    model: str = ""
    firmware: str = ""
    serial_number: str = ""
    profiles: list[ProfileFound] = field(default_factory=list)
    clock_offset_s: float | None = None

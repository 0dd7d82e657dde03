"""Personas: what simulated cameras are like, as YAML files or as objects in tests."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, SecretStr, ValidationError, field_validator
from pydantic import model_validator as after_all

from overt.errors import InvalidError, MissingError
from overt.simulator.authentication import Scheme
from overt.simulator.dialects import Maker
from overt.simulator.faults import Fault
from overt.simulator.paths import SourcePath, packaged

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PERSONA_BYTES: Final = 256 * 1024
MAX_CAMERAS: Final = 4096
MAX_NESTING: Final = 20
_Told = Annotated[str, Field(max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraClock(_Part):
    """The camera's own clock, and whether it tells the time (RTCP sender reports, RFC 3550 6.4.1)."""

    offset_s: float = 0.0
    """Wall clock ahead of UTC."""
    drift_ppm: Annotated[float, Field(ge=-10_000, le=10_000)] = 0.0
    """Wall clock and RTP clock run this much too fast."""
    sender_reports: bool = True
    interval_s: PositiveFloat = 5.0


class OnvifPersona(_Part):
    """What the camera's ONVIF service says, on a port of its own."""

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0: any free port."""
    maker: _Told = "Overt"
    model: _Told = "Simulated camera"
    firmware: _Told = "1.0"
    serial_number: _Told = "0"
    auth: Literal["token", "digest"] = "token"
    """How it asks for the camera's user and password: WS-UsernameToken, or HTTP Digest."""
    media: Annotated[tuple[Literal["media1", "media2"], ...], Field(min_length=1)] = ("media1", "media2")
    """Services it has. Media1 leaves H.265 out."""
    profiles: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    """Paths of the cameras of the file that are this device's streams; empty: itself."""


class CameraPersona(_Part):
    """One camera, or `count` of the same kind."""

    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-][A-Za-z0-9._~/?=&-]{0,199}$")]
    """Path of its URL, perhaps with a query. With `count` each gets `-1`, `-2`, ... appended."""
    title: str = ""
    source: SourcePath
    maker: Maker = "plain"
    user: Annotated[str, Field(pattern=r'^[^:"\\\s]*$')] = ""
    password: SecretStr = SecretStr("")
    auth: Scheme = "none"
    nonce_lifetime_s: PositiveFloat | None = None
    transport: Annotated[tuple[Literal["tcp", "udp"], ...], Field(min_length=1)] = ("tcp", "udp")
    """What SETUP accepts; anything else is answered 461."""
    audio: Literal["none", "pcma", "pcmu", "aac"] = "none"
    """G.711 is a synthesised tone; AAC comes from the source."""
    parameter_sets: Literal["sdp", "inband", "both"] = "sdp"
    mtu: Annotated[int, Field(ge=200, le=65_000)] = 1400
    """Longest RTP packet in bytes, its header included."""
    aggregate: bool = False
    """Small NAL units share a packet (STAP-A, AP)."""
    clock: CameraClock = CameraClock()
    onvif: OnvifPersona | None = None
    """Its ONVIF service; it has none if this is not said."""
    speed: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Frame rate as a multiple of the source's; time stamps say so too."""
    number_frames: bool = True
    """Every H.264 or H.265 frame carries a frame mark (`marks`)."""
    join: Literal["idr", "keyframe", "any"] = "idr"
    """What a new session gets first: a keyframe made for it, the next one that comes, or whatever is next."""
    session_timeout_s: Annotated[int, Field(ge=1, le=3600)] | None = None
    """A session without a sign of life for so long is dropped. Without it 60 s are announced and nothing is dropped."""
    keep_alive: tuple[Literal["OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "RTCP"], ...] = (
        "OPTIONS",
        "GET_PARAMETER",
        "SET_PARAMETER",
        "RTCP",
    )
    """What counts as a sign of life (PLAY always does)."""
    unsupported: tuple[str, ...] = ()
    """Methods that are left out of `Public` and answered 501."""
    faults: tuple[Fault, ...] = ()
    count: Annotated[int, Field(ge=1, le=1024)] = 1

    @after_all(mode="after")
    def _password_is_given(self) -> Self:
        if self.auth != "none" and not (self.user and self.password.get_secret_value()):
            msg = f"auth {self.auth} needs a user and a password"
            raise ValueError(msg)
        return self

    @after_all(mode="after")
    def _onvif_ports_differ(self) -> Self:
        if self.onvif is not None and self.onvif.port and self.count > 1:
            msg = "onvif: cameras of a count cannot share one port: leave it out"
            raise ValueError(msg)
        return self


class Tls(_Part):
    """RTSP over TLS (`rtsps`): PEM files."""

    certificate: SourcePath
    key: SourcePath


class Persona(_Part):
    """A set of cameras. Each is a device of its own and listens on a port of its own."""

    listen: str = "127.0.0.1"
    """Address; anything but loopback must be allowed when the simulator is started."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of the first camera, those of the others follow; 0: any free ports."""
    tls: Tls | None = None
    cameras: Annotated[tuple[CameraPersona, ...], Field(min_length=1)]

    @field_validator("listen")
    @classmethod
    def _listen_is_an_address(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError as error:
            msg = "must be an IP address, for example 127.0.0.1"
            raise ValueError(msg) from error

    @after_all(mode="after")
    def _cameras_fit(self) -> Self:
        paths = [camera.path for camera in self.each_camera()]
        if len(paths) > MAX_CAMERAS:
            msg = f"{len(paths)} cameras are more than {MAX_CAMERAS}"
            raise ValueError(msg)
        twice = sorted({path for path in paths if paths.count(path) > 1}) if len(set(paths)) < len(paths) else []
        if twice:
            msg = f"two cameras have the path {twice[0]!r}"
            raise ValueError(msg)
        named = {path for camera in self.cameras if camera.onvif is not None for path in camera.onvif.profiles}
        if unknown := sorted(named.difference(paths)):
            msg = f"onvif: profiles: no camera has the path {unknown[0]!r}"
            raise ValueError(msg)
        if self.port and self.port + len(paths) - 1 > 65535:
            msg = f"port {self.port} leaves too few ports above it for {len(paths)} cameras"
            raise ValueError(msg)
        return self

    def each_camera(self) -> list[CameraPersona]:
        """Return one persona a camera, `count` written out."""
        result = []
        for camera in self.cameras:
            if camera.count == 1:
                result.append(camera)
                continue
            result += [
                camera.model_copy(update={"path": f"{camera.path}-{number}", "count": 1})
                for number in range(1, camera.count + 1)
            ]
        return result

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the cameras."""
        return ipaddress.ip_address(self.listen).is_loopback


def demo_persona() -> Path:
    """Return the path of the persona of the demonstration: four cameras of a council that does not exist."""
    return packaged("personas", "demo.yaml")


def load_persona(path: Path) -> Persona:
    """Read a persona file.

    Raises:
        MissingError: if there is no such file.
        InvalidError: if it is no YAML or describes no lawful persona; the message names file, line and field.
    """
    if not path.is_file():
        msg = f"persona {path}: there is no such file"
        raise MissingError(msg)
    if path.stat().st_size > MAX_PERSONA_BYTES:
        msg = f"persona {path}: larger than {MAX_PERSONA_BYTES >> 10} KiB"
        raise InvalidError(msg)
    try:
        text = path.read_text(encoding="utf-8")
        return parse_persona(text, str(path), path.parent)
    except UnicodeDecodeError as error:
        msg = f"persona {path}: not UTF-8 at byte {error.start}"
        raise InvalidError(msg) from error


def parse_persona(text: str, name: str, folder: Path) -> Persona:
    """Read a persona from YAML text; `name` stands in messages, sources are relative to `folder`.

    Raises:
        InvalidError: as `load_persona`.
    """
    try:
        _refuse_excess(text, name)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark is not None else ""
        msg = f"persona {name}:{where} not YAML: {getattr(error, 'problem', None) or error}"
        raise InvalidError(msg) from error
    if not isinstance(data, dict):
        msg = f"persona {name}: must be a mapping with `cameras`"
        raise InvalidError(msg)
    _refuse_doubles(tree, name)
    try:
        return Persona.model_validate(data, context={"folder": folder})
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            line, field = _place(tree, problem["loc"])
            lines.append(f"persona {name}: line {line}: {field}: {problem['msg'].removeprefix('Value error, ')}")
        raise InvalidError("\n".join(lines)) from error


def _refuse_excess(text: str, name: str) -> None:
    """Aliases could make a small file huge, and deep nesting slow; personas have no use for either."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_NESTING:
            msg = f"persona {name}: not YAML of a persona: more than {MAX_NESTING} levels deep"
            raise InvalidError(msg)
        if isinstance(event, yaml.AliasEvent):
            where = f"line {event.start_mark.line + 1}" if event.start_mark is not None else "somewhere"
            msg = f"persona {name}: {where}: aliases (*{event.anchor}) are not allowed"
            raise InvalidError(msg)


def _refuse_doubles(node: yaml.Node | None, name: str) -> None:
    """A key that stands twice would silently lose its first value."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if str(key.value) in seen:
                    msg = f"persona {name}: line {key.start_mark.line + 1}: {key.value}: stands twice"
                    raise InvalidError(msg)
                seen.add(str(key.value))
                waiting.append(value)


def _place(node: yaml.Node | None, location: Sequence[int | str]) -> tuple[int, str]:
    """Return the line and the name of the field at `location`, as far as the tree goes."""
    line = node.start_mark.line + 1 if node is not None else 1
    field = ""
    for step in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line, field = node.start_mark.line + 1, f"{field}[{step}]"
            continue
        if isinstance(step, int):
            continue
        # A union puts its tag into the location; no such key stands in the file, nor may one that is missing.
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        entry = next((pair for pair in pairs if pair[0].value == step), None)
        if entry is not None:
            line, node = entry[0].start_mark.line + 1, entry[1]
        if entry is not None or step == location[-1]:
            field = f"{field}.{step}" if field else step
    return line, field or "(whole file)"

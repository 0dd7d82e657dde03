"""What the recorder is told in a TOML file or on the command line: its own settings, and the assignment of cameras.

Every key is known or refused, and a refusal names file, table, key and what would be lawful; no message repeats a
value, since it may be a password. The tables and keys are described in docs/reference/configuration.md.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError, field_validator, model_validator

from overt.contract.assignment import Assignment, CameraAssignment, Location, dotted, problems
from overt.contract.grant import read_public_key
from overt.errors import InvalidError, MissingError, UnavailableError
from overt.footage.options import StoreOptions
from overt.recorder.time_zone import is_time_zone, system_time_zone

MAX_FILE: Final = 4 * 1024 * 1024
"""Bytes of the longest configuration file that is read."""
MAX_SECRET_FILE: Final = 4096
DEFAULT_LISTEN: Final = "127.0.0.1:9470"
DEFAULT_MEDIA_LISTEN: Final = "127.0.0.1:9471"
NO_LISTEN: Final = "off"
RECIPIENTS_FILE: Final = "recipients.json"
"""Copy of the site's public keys in the footage directory."""

_STORE: Final = StoreOptions()
TOP_KEYS: Final = ("recorder", "defaults", "cameras")
SHARED_KEYS: Final = (
    "username",
    "password",
    "password_file",
    "audio",
    "transport",
    "engine",
    "stall_timeout_s",
    "target_fragment_ms",
    "retention",
    "tls",
)
"""Keys of a camera's table that `[defaults]` may set for all."""
CAMERA_KEYS: Final = ("url", "urls", "sub_url", "sub_urls", *SHARED_KEYS, "holds")
_CREDENTIALS: Final = frozenset({"username", "password", "password_file"})
_STREAM_KEYS: Final = {"main": ("url", "urls"), "sub": ("sub_url", "sub_urls")}
_ADDRESS: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\s\[\]/]+)):(?P<port>\d{1,5})")

_ORIGIN: Final = re.compile(r"https?://(?:\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?")


def split_address(text: str) -> tuple[str, int]:
    """Split `HOST:PORT` (an IPv6 host in brackets) into host and port; port 0 lets the system choose.

    Raises:
        InvalidError: if it is neither.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        msg = "must be HOST:PORT, such as 127.0.0.1:9470 or [::1]:9470, or 'off'"
        raise InvalidError(msg)
    return match["six"] or match["host"], int(match["port"])


class RecorderSettings(BaseModel):
    """How this recorder runs; a change needs a restart. Table `[recorder]` of the file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True, str_max_length=4096
    )

    footage: Path
    """Footage directory: index, facts, and the first storage location."""
    locations: tuple[Path, ...] = ()
    """Further storage locations."""
    recipients: Path | None = None
    """File with the site's public keys; needed once, when the footage directory is new."""
    listen: str = DEFAULT_LISTEN
    """Address of /health, /streams, /metrics and /facts over TCP; `off` for none."""
    socket: Path | None = None
    """Unix socket of the same and of PUT /assignments; by default `recorder.sock` in the footage directory."""
    media_listen: str = DEFAULT_MEDIA_LISTEN
    """Address of the media plane; empty for none."""
    grant_keys: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    """Ed25519 public keys (32 raw bytes, base64url) whose grants are accepted; without any, there is no media plane."""
    media_origins: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Origins besides its own whose pages may ask the media plane, such as `https://cctv.example.org`."""
    media_certificate: Path | None = None
    """PEM file with the certificate of the media plane and its chain: it then speaks HTTPS alone."""
    media_private_key: Path | None = None
    """PEM file with its private key, without a passphrase."""
    ring_s: Annotated[float, Field(ge=10, le=3600, allow_inf_nan=False)] = 600.0
    """How far back the live right reaches."""
    time_zone: Annotated[str, Field(default_factory=system_time_zone)]
    """IANA name of the zone in which the site's day begins."""
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """Capture processes; 0: one per core."""
    flush_interval_s: Annotated[float, Field(ge=0.1, le=60, allow_inf_nan=False)] = _STORE.flush_interval_s
    """Longest time between flushes to the device: what a power cut may cost."""
    on_full: Literal["stop", "delete-oldest"] = "stop"
    """What happens when every location is full and nothing has reached the end of its retention."""
    min_free: ByteSize = ByteSize(_STORE.min_free_bytes)
    """Bytes that are left free at each location."""

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        """Refuse what cannot be listened at."""
        if value != NO_LISTEN:
            try:
                split_address(value)
            except InvalidError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("media_listen")
    @classmethod
    def _media_address(cls, value: str) -> str:
        """Refuse what cannot be listened at."""
        if value:
            try:
                split_address(value)
            except InvalidError:
                msg = 'must be HOST:PORT, such as 127.0.0.1:9471 or [::1]:9471, or "" for none'
                raise ValueError(msg) from None
        return value

    @field_validator("grant_keys")
    @classmethod
    def _public_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what is no public key."""
        for text in value:
            try:
                read_public_key(text)
            except InvalidError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("media_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what no browser sends as an origin (RFC 6454 §6.2)."""
        if not all(_ORIGIN.fullmatch(origin) for origin in value):
            msg = "must be origins without a path, in lower case, such as https://cctv.example.org"
            raise ValueError(msg)
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        """Refuse a zone that this machine does not know."""
        if not is_time_zone(value):
            msg = "must be a zone of the IANA time zone database, such as Europe/London"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        """Refuse a certificate without its key: it would be unclear whether pictures are encrypted."""
        if (self.media_certificate is None) != (self.media_private_key is None):
            msg = "give 'media_certificate' and 'media_private_key' together, or neither"
            raise ValueError(msg)
        return self

    @property
    def media_files(self) -> tuple[Path, Path] | None:
        """Certificate and private key of the media plane; None: it speaks plain HTTP."""
        if self.media_certificate is None or self.media_private_key is None:
            return None
        return self.media_certificate, self.media_private_key

    @property
    def serves_media(self) -> bool:
        """True if there is to be a media plane."""
        return bool(self.media_listen and self.grant_keys)

    @property
    def socket_path(self) -> Path:
        """The Unix socket's path."""
        return self.socket or self.footage / "recorder.sock"

    @property
    def recipients_path(self) -> Path:
        """The file with the site's public keys: the one given, or the copy that the footage directory keeps."""
        return self.recipients or self.footage / RECIPIENTS_FILE

    @property
    def worker_count(self) -> int:
        """Capture processes, counted: at least one."""
        return self.workers or len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Configuration:
    """What one reading of the file (and the command line) yields."""

    settings: RecorderSettings
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class ConfigurationSource:
    """Where the configuration comes from, so that it can be read again while the recorder runs."""

    path: Path | None = None
    overrides: tuple[tuple[str, object], ...] = ()
    """Settings from the command line: (key, value); they win over the file."""
    cameras: tuple[CameraAssignment, ...] = ()
    """Cameras from the command line, in addition to the file's."""
    place: str = "the command line"
    """Where the overrides come from, as refusals say."""

    def load(self, revision: int = 1) -> Configuration:
        """Read everything; the assignment gets the number `revision`.

        Raises:
            InvalidError: naming file, table, key and the lawful values.
            MissingError: if the file, or one that it names, is not there.
            UnavailableError: if it cannot be read.
        """
        document = {} if self.path is None else read_toml(self.path)
        place = self.place if self.path is None else str(self.path)
        base = Path() if self.path is None else self.path.parent
        known_keys(document, TOP_KEYS, place, "")
        settings = _settings(sub_table(document, "recorder", place), dict(self.overrides), place, base)
        defaults = sub_table(document, "defaults", place)
        known_keys(defaults, SHARED_KEYS, place, "[defaults]")
        tables = sub_table(document, "cameras", place)
        cameras = [_camera(name, sub_table(tables, name, place), defaults, place, base) for name in tables]
        try:
            assignment = Assignment(revision=revision, cameras=(*cameras, *self.cameras))
        except ValidationError as error:
            raise InvalidError(f"{place}: {'; '.join(problems(error, Assignment))}") from error
        return Configuration(settings, assignment)


def camera_argument(text: str) -> CameraAssignment:
    """Read a camera from the command line: `NAME=RTSP_URL`.

    Raises:
        InvalidError: naming what is wrong, never repeating the address.
    """
    name, equals, url = text.partition("=")
    if not equals or "://" in name:
        msg = "--camera must be NAME=RTSP_URL, such as --camera front-door=rtsp://192.0.2.7/stream1"
        raise InvalidError(msg)
    return _camera(name, {"url": url}, {}, "--camera", Path())


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of bounded size.

    Raises:
        MissingError, UnavailableError: it cannot be read.
        InvalidError: it is too long, or no TOML.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
    except FileNotFoundError as error:
        msg = f"{path}: there is no such file; docs/reference/configuration.md shows one"
        raise MissingError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise UnavailableError(msg) from error
    if len(text) > MAX_FILE:
        msg = f"{path}: is longer than {MAX_FILE} bytes"
        raise InvalidError(msg)
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        msg = f"{path}: is not valid TOML: {error if isinstance(error, ValueError) else 'nested too deeply'}"
        raise InvalidError(msg) from error


def sub_table(parent: dict[str, Any], name: str, place: str) -> dict[str, Any]:
    """Return a table of a table; an absent one is empty.

    Raises:
        InvalidError: it is no table.
    """
    found = parent.get(name, {})
    if not isinstance(found, dict):
        msg = f"{place}: '{name}' must be a table"
        raise InvalidError(msg)
    return found


def known_keys(table: dict[str, Any], known: tuple[str, ...], place: str, heading: str) -> None:
    """Refuse keys that mean nothing: a misspelt one would otherwise be believed to protect.

    Raises:
        InvalidError: naming the key, one like it, and those that are known.
    """
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            where = f"{place}: {heading} " if heading else f"{place}: "
            msg = f"{where}unknown key '{key}'{hint}; the keys here are {', '.join(known)}"
            raise InvalidError(msg)


def _settings(table: dict[str, Any], overrides: dict[str, object], place: str, base: Path) -> RecorderSettings:
    """Build the settings; paths in the file are relative to the file."""
    merged = dict(table)
    for key in ("footage", "recipients", "socket", "media_certificate", "media_private_key"):
        if isinstance(merged.get(key), str):
            merged[key] = base / merged[key]
    if isinstance(merged.get("locations"), list):
        merged["locations"] = [base / path if isinstance(path, str) else path for path in merged["locations"]]
    merged.update(overrides)
    if "footage" not in merged:
        msg = f"{place}: there is no footage directory: give --footage DIR, or 'footage' in the table [recorder]"
        raise InvalidError(msg)
    try:
        return RecorderSettings.model_validate(merged)
    except ValidationError as error:
        raise InvalidError(f"{place}: [recorder] {'; '.join(problems(error, RecorderSettings))}") from error


def _camera(name: str, table: dict[str, Any], defaults: dict[str, Any], place: str, base: Path) -> CameraAssignment:
    """Build a camera from its table and the defaults."""
    heading = place if place == "--camera" else f"{place}: [cameras.{name}]"
    known_keys(table, CAMERA_KEYS, place, f"[cameras.{name}]")
    # A user of the camera's own, be it in its address, must not be joined with the password of the defaults.
    own = bool(_CREDENTIALS & table.keys()) or _carries_credentials(table)
    inherited = {key: value for key, value in defaults.items() if not (own and key in _CREDENTIALS)}
    merged: dict[str, Any] = {**inherited, **table}
    if "password" in merged and "password_file" in merged:
        msg = f"{heading}: give 'password' or 'password_file', not both"
        raise InvalidError(msg)
    if "password_file" in merged:
        merged["password"] = _secret_file(merged.pop("password_file"), heading, base)
    if isinstance(merged.get("tls"), dict) and isinstance(merged["tls"].get("ca_file"), str):
        merged["tls"] = {**merged["tls"], "ca_file": base / merged["tls"]["ca_file"]}
    shared: dict[str, Any] = {key: merged.pop(key) for key in ("transport", "engine") if key in merged}
    streams: list[dict[str, Any]] = []
    for stream, keys in _STREAM_KEYS.items():
        given = [key for key in keys if key in merged]
        if len(given) > 1:
            msg = f"{heading}: give '{keys[0]}' or '{keys[1]}', not both"
            raise InvalidError(msg)
        if given:
            streams.append({"name": stream, "urls": merged.pop(given[0]), **shared})
    if not streams or streams[0]["name"] != "main":
        msg = f"{heading}: 'url' is missing: the address of the stream that is recorded at full quality"
        raise InvalidError(msg)
    try:
        return CameraAssignment.model_validate(merged | {"name": name, "streams": streams})
    except ValidationError as error:
        sentences = problems(error, CameraAssignment, _written_as)
        raise InvalidError(f"{heading}: {'; '.join(sentences)}") from error


def _carries_credentials(table: dict[str, Any]) -> bool:
    """True if an address in a camera's table has its own user; it then wins over the defaults."""
    given = (table.get(key) for keys in _STREAM_KEYS.values() for key in keys)
    urls = (url for value in given for url in (value if isinstance(value, list) else [value]))
    return any(isinstance(url, str) and re.match(r"[A-Za-z]+://[^/?#]*@", url) for url in urls)


def _written_as(location: Location) -> str:
    """Name a place in a camera as its TOML table writes it."""
    if len(location) >= 3 and location[0] == "streams" and isinstance(location[1], int):
        key = str(location[2])
        return ("url" if location[1] == 0 else "sub_url") if key == "urls" else key
    return dotted(location)


def _secret_file(path: object, heading: str, base: Path) -> str:
    """Read a password from a file of its own: its first line."""
    if not isinstance(path, str):
        msg = f"{heading}: 'password_file' must be a path"
        raise InvalidError(msg)
    try:
        with (base / path).open("rb") as file:
            text = file.read(MAX_SECRET_FILE + 1)
        secret = text.decode("utf-8").split("\n", 1)[0].rstrip("\r")
    except OSError as error:
        msg = f"{heading}: 'password_file' {base / path} cannot be read: {error.strerror}"
        raise UnavailableError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{heading}: 'password_file' {base / path} is not UTF-8 text"
        raise InvalidError(msg) from error
    if not secret or len(text) > MAX_SECRET_FILE:
        msg = f"{heading}: 'password_file' {base / path} must hold the password in its first line"
        raise InvalidError(msg)
    return secret


@dataclass(frozen=True, slots=True)
class AssignmentChange:
    """What it takes to go from one assignment to another."""

    start: tuple[CameraAssignment, ...]
    stop: tuple[str, ...]
    change: tuple[CameraAssignment, ...]
    """Cameras whose capture must be begun again: address, credentials, transport, audio, ..."""
    adjust: tuple[CameraAssignment, ...]
    """Cameras of which only retention or holds differ: capture goes on undisturbed."""

    def __bool__(self) -> bool:
        """True if anything differs."""
        return bool(self.start or self.stop or self.change or self.adjust)


def diff(old: Assignment, new: Assignment) -> AssignmentChange:
    """Return what differs between two assignments, camera by camera."""
    before = {camera.name: camera for camera in old.cameras}
    after = {camera.name: camera for camera in new.cameras}
    kept = [(before[name], camera) for name, camera in after.items() if name in before and before[name] != camera]
    return AssignmentChange(
        start=tuple(camera for name, camera in after.items() if name not in before),
        stop=tuple(name for name in before if name not in after),
        change=tuple(camera for was, camera in kept if not was.captured_like(camera)),
        adjust=tuple(camera for was, camera in kept if was.captured_like(camera)),
    )

"""What the control room is told in the table `[control]` of the configuration file: addresses, files, limits.

What an official may change (people, purposes, retention, alerts) is a row in the database, not a setting.
"""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from overt.contract.assignment import problems
from overt.errors import InvalidError

DATA_VARIABLE: Final = "OVERT_CONTROL_SETTINGS"
"""Environment variable that holds the settings, as JSON, for the control room's own processes."""
DEFAULT_LISTEN: Final = "127.0.0.1:8443"
LEAST_ACTS_DAYS: Final = 31
"""For so long at least a scheme keeps what leaves say about looks and sign-ins."""
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]")
_STRICT: Final = ConfigDict(
    frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True, str_max_length=4096
)


class MailSettings(BaseModel):
    """The mail server that takes alerts and invitations. Table `[control.mail]`."""

    model_config = _STRICT

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    sender: str
    username: str = ""
    password_file: Path | None = None
    encryption: Annotated[str, Field(pattern="^(starttls|tls|none)$")] = "starttls"


class SingleSignOn(BaseModel):
    """An OpenID Connect provider, such as the council's directory. Table `[control.single_sign_on]`."""

    model_config = _STRICT

    name: str
    """What the button on the sign-in page says after "Sign in with"."""
    issuer: str
    """Address under which `/.well-known/openid-configuration` is found."""
    client_id: str
    client_secret_file: Path
    verified_domains: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    """Domains of e-mail addresses that the provider has checked without saying so, as Microsoft Entra ID does not."""


class ControlSettings(BaseModel):
    """How the control room runs; a change needs a restart."""

    model_config = _STRICT

    data: Path
    """Directory of database, secrets, and uploaded floor plans."""
    listen: str = DEFAULT_LISTEN
    """HOST:PORT of the pages."""
    names: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    """Host names by which browsers call it, besides localhost; the first stands in links that it sends."""
    footage: Path | None = None
    """Footage directory of this machine's recorder, where its sockets are; by default `footage` in `data`."""
    media_port: Annotated[int, Field(ge=0, le=65535)] = 8444
    """Port at which browsers reach the recorder's media plane, under the name by which they reach the pages."""
    certificate: Path | None = None
    """PEM file: the certificate and those that lead to its root. Without one, it makes its own."""
    private_key: Path | None = None
    plain_http: bool = False
    """No encryption, for a proxy on this machine or for trying it out: on loopback alone."""
    database: SecretStr = SecretStr("")
    """`postgresql://user:password@host/name`; empty: SQLite in `data`."""
    organisation: Annotated[str, Field(max_length=120)] = "Overt"
    """Whose system it is: stands at the head of each page."""
    time_zone: str = "Europe/London"
    camera_ranges: Annotated[tuple[IPvAnyNetwork, ...], Field(max_length=256)] = ()
    """Networks in which cameras may be; empty: all but loopback, link-local and multicast ones."""
    alert_ranges: Annotated[tuple[IPvAnyNetwork, ...], Field(max_length=256)] = ()
    """Networks to which alerts may be sent by webhook and MQTT, besides public addresses."""
    session_idle_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = 30
    second_factor: Literal["required", "optional"] = "required"
    """Whether who signs in with a password must have a passkey or codes of an app besides."""
    session_hours: Annotated[int, Field(ge=1, le=24)] = 12
    serve_ledger: bool = False
    """Whether anybody may read checkpoint, hashes and entries (kind and time of each act, no more) of the ledger at
    `/ledger`, as witnesses and monitors do; without it, who is signed in saves checkpoints by hand."""
    custodian_passphrase_file: Path | None = None
    """Opens the custodian's key when the control room starts; without it, somebody has to on the page."""
    numbers_least: Annotated[int, Field(ge=0, le=100)] = 5
    """In numbers of looks that are meant for the public, smaller ones than this are not told; 0: all are."""
    tell_reviewed: bool = True
    """Whether somebody is told on their account page that their looks were searched for by their name."""
    reviewer_shown: Literal["role", "name"] = "role"
    """Whether they are told the reviewer's roles or name."""
    acts_keep_days: Annotated[int, Field(ge=LEAST_ACTS_DAYS, le=36_500)] | None = None
    """After so many days the details of looks and sign-ins are removed from the ledger; None: never."""
    mail: MailSettings | None = None
    single_sign_on: SingleSignOn | None = None

    @field_validator("names")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST.fullmatch(name) for name in value):
            msg = "must be host names in lower case, without scheme and port, such as cctv.example.org"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            msg = "'certificate' and 'private_key' belong together: give both, or neither"
            raise ValueError(msg)
        if self.plain_http and self.host not in {"127.0.0.1", "localhost", "::1"}:
            msg = "'plain_http' is for loopback alone: listen at 127.0.0.1, or leave it out"
            raise ValueError(msg)
        return self

    @property
    def host(self) -> str:
        """The host that is listened at."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port that is listened at."""
        return int(self.listen.rpartition(":")[2])

    @property
    def secrets(self) -> Path:
        """Directory of the control room's own keys."""
        return self.data / "secrets"

    @property
    def ledger(self) -> Path:
        """Directory of the control room's ledger."""
        return self.data / "ledger"

    @property
    def witness(self) -> Path:
        """Directory of what the control room, as a witness, remembers of its recorder's ledger."""
        return self.data / "witness"

    @property
    def recipients(self) -> Path:
        """The site's public keys: nothing is recorded before the file is there."""
        return self.data / "recipients.json"

    @property
    def recorder_socket(self) -> Path:
        """Unix socket of the recorder: health, facts, assignments."""
        return (self.footage or self.data / "footage") / "recorder.sock"

    @property
    def media_socket(self) -> Path:
        """Unix socket of its media process: grants."""
        return (self.footage or self.data / "footage") / "media.sock"

    @property
    def media_origins(self) -> tuple[str, ...]:
        """Origins at which a page may ask for pictures, those of WebSockets among them."""
        schemes = ("http", "ws") if self.plain_http else ("https", "wss")
        return tuple(f"{scheme}://{host}:{self.media_port}" for host in self.hosts for scheme in schemes)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name that a request may call it by."""
        return tuple(dict.fromkeys((*self.names, "localhost", "127.0.0.1", "[::1]", socket.gethostname().lower())))

    @property
    def origin(self) -> str:
        """Scheme, host and port by which links that it sends name it."""
        scheme = "http" if self.plain_http else "https"
        return f"{scheme}://{self.names[0] if self.names else 'localhost'}:{self.port}"

    @classmethod
    def read(cls, table: dict[str, Any], place: str) -> Self:
        """Check a table of settings.

        Raises:
            InvalidError: naming `place`, each wrong key and what would be lawful; values are never repeated.
        """
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise InvalidError(f"{place}: [control] {'; '.join(problems(error, cls))}") from error

    @classmethod
    def from_environment(cls) -> Self:
        """Return what the program that started this process handed on; outside of one, a place that is not there."""
        told = os.environ.get(DATA_VARIABLE)
        if told is None:
            return cls(data=Path("overt-data"), plain_http=True)
        return cls.model_validate(json.loads(told))

    def to_environment(self) -> str:
        """Return what `from_environment` reads."""
        return json.dumps(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return all of it, the database's password too: for a process of ours, never for a log."""
        return self.model_dump(mode="json") | {"database": self.database.get_secret_value()}

"""The one configuration of `overt serve`: a TOML file with `[control]` and `[recorder]`, and what the options say.

What the two programs must agree on (addresses, keys, certificate, time zone) is said once, in `[control]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from overt.cli.serving.certificate import OwnCertificate, own_certificate
from overt.contract.grant import to_text
from overt.control.configuration import ControlSettings
from overt.control.secrets import grant_public_key
from overt.errors import InvalidError
from overt.recorder.configuration import ConfigurationSource, known_keys, read_toml, sub_table

TOP_KEYS: Final = ("control", "recorder")
SHARED: Final = (
    "footage",
    "recipients",
    "socket",
    "media_listen",
    "media_origins",
    "media_certificate",
    "media_private_key",
    "grant_keys",
    "time_zone",
)
"""Settings of the recorder that follow from those of the control room."""
TLS: Final = "tls"
_CONTROL_PATHS: Final = ("data", "footage", "certificate", "private_key", "custodian_passphrase_file")
_RECORDER_PATHS: Final = ("locations",)


@dataclass(frozen=True, slots=True)
class ServeConfiguration:
    """What is run."""

    control: ControlSettings
    recorder: dict[str, Any] = field(default_factory=dict)
    """Settings of the recorder's table that are its own."""
    own: OwnCertificate | None = None
    """The certificate made here; None where one is given, or nothing is encrypted."""

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        """Certificate and private key that pages and pictures are served with."""
        if self.own is not None:
            return self.own.certificate, self.own.private_key
        if self.control.certificate is not None and self.control.private_key is not None:
            return self.control.certificate, self.control.private_key
        return None

    def recorder_overrides(self) -> dict[str, Any]:
        """Return all settings of the recorder, as `ConfigurationSource.overrides` takes them (JSON values)."""
        control, scheme = self.control, "http" if self.control.plain_http else "https"
        host = f"[{control.host}]" if ":" in control.host else control.host
        told: dict[str, Any] = {
            **self.recorder,
            "footage": str(control.footage or control.data / "footage"),
            "recipients": str(control.recipients),
            "media_listen": f"{host}:{control.media_port}",
            "media_origins": [f"{scheme}://{name}:{control.port}" for name in control.hosts],
            "grant_keys": [to_text(grant_public_key(control.secrets))],
            "time_zone": control.time_zone,
        }
        if self.certificate is not None:
            told["media_certificate"], told["media_private_key"] = (str(path) for path in self.certificate)
        return told


def read_configuration(path: Path | None, options: dict[str, Any], *, own: bool = True) -> ServeConfiguration:
    """Read the file (None: there is none) and the options, which win; with `own`, make and check what running takes.

    Raises:
        InvalidError: naming file, table, key and what would be lawful.
        MissingError, UnavailableError, CorruptError: a file that is named cannot be used.
    """
    place = "the command line" if path is None else str(path)
    document = {} if path is None else read_toml(path)
    base = Path() if path is None else path.parent
    if "cameras" in document or "defaults" in document:
        msg = f"{place}: cameras are entered on the pages of the control room, or imported there as CSV: not here"
        raise InvalidError(msg)
    known_keys(document, TOP_KEYS, place, "")
    control = _based(sub_table(document, "control", place), _CONTROL_PATHS, base) | options
    control.setdefault("data", Path("overt-data"))
    recorder = _based(sub_table(document, "recorder", place), _RECORDER_PATHS, base)
    for key in SHARED:
        if key in recorder:
            msg = f"{place}: [recorder] '{key}' follows from [control]: leave it out here"
            raise InvalidError(msg)
    settings = ControlSettings.read(control, place)
    if not own:
        return ServeConfiguration(settings, recorder)
    made = None
    if settings.certificate is None and not settings.plain_http:
        made = own_certificate(settings.data / TLS, settings.hosts)
    found = ServeConfiguration(settings, recorder, made)
    # Refused here, the recorder's settings are refused before anything runs.
    ConfigurationSource(overrides=tuple(found.recorder_overrides().items()), place=place).load()
    return found


def _based(values: dict[str, Any], paths: tuple[str, ...], base: Path) -> dict[str, Any]:
    """Return a table whose paths are relative to the file that they stand in."""
    found = dict(values)
    for key in paths:
        if isinstance(found.get(key), str):
            found[key] = str(base / found[key])
        elif isinstance(found.get(key), list):
            found[key] = [str(base / each) for each in found[key] if isinstance(each, str)]
    return found

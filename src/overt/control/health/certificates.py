"""How long the certificate of pages and pictures still holds, by its PEM file."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Final

from cryptography import x509

from overt.control.configuration import ControlSettings
from overt.control.health.situation import Certificate
from overt.errors import OvertError
from overt.new_file import read_small

MAX_FILE: Final = 256 * 1024
OWN: Final = Path("tls")
"""Directory in DATA with the certificate that is made where none is given, and its authority."""
NAMES: Final = {"certificate.pem": "pages and pictures", "authority.pem": "this system's own authority"}


def certificates(settings: ControlSettings) -> list[Certificate]:
    """Return the certificates that browsers meet; none where nothing is encrypted here."""
    if settings.certificate is not None:
        return [_read(settings.certificate, NAMES["certificate.pem"])]
    if settings.plain_http:
        return []
    own = settings.data / OWN
    return [_read(own / file, name) for file, name in NAMES.items() if (own / file).exists()]


def _read(path: Path, name: str) -> Certificate:
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        return Certificate(name, None, f"{path}: {error.strerror}.")
    return _read_once(path, name, changed)


@functools.lru_cache(maxsize=8)
def _read_once(path: Path, name: str, changed_ns: int) -> Certificate:
    """Read a file as it was at a time; of a chain, the one that ends first counts."""
    del changed_ns
    try:
        found = x509.load_pem_x509_certificates(read_small(path, MAX_FILE, "certificate"))
    except (OvertError, ValueError) as error:
        return Certificate(name, None, f"{path} is no certificate: {error}")
    return Certificate(name, min(each.not_valid_after_utc for each in found).astimezone(dt.UTC))

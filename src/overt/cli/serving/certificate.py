"""The certificate that pages and pictures are served with where none is given: issued by an authority of its own.

Browsers trust it once they are told to trust `authority.pem`, whose key never leaves the machine. A certificate that
names other hosts than are wanted, or has less than a month to go, is issued anew.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from overt.errors import CorruptError, UnavailableError
from overt.new_file import read_small, replace

AUTHORITY: Final = "authority.pem"
AUTHORITY_KEY: Final = "authority.key"
CERTIFICATE: Final = "certificate.pem"
PRIVATE_KEY: Final = "certificate.key"
AUTHORITY_DAYS: Final = 3650
CERTIFICATE_DAYS: Final = 397
"""No browser accepts a longer one of a public authority; ours keeps to the same."""
RENEW_DAYS: Final = 30
CLOCK_SKEW: Final = timedelta(hours=1)
MAX_FILE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Files of a certificate issued here; `fingerprint` is of its authority: SHA-256, as browsers print it."""

    certificate: Path
    private_key: Path
    authority: Path
    fingerprint: str


def own_certificate(directory: Path, names: Iterable[str], now: datetime | None = None) -> OwnCertificate:
    """Return a certificate for host names and addresses; made where it is missing, other, or near its end.

    Args:
        directory: where the files are kept; made if it is not there.
        names: host names, and IP addresses as text (IPv6 with or without brackets).
        now: the moment it must be good at; the wall clock's if None.

    Raises:
        UnavailableError: the disk refuses.
        CorruptError: a file of the authority is not what it should be.
    """
    now = now or datetime.now(UTC)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{directory} cannot be made: {error.strerror}"
        raise UnavailableError(msg) from error
    authority, key = _authority(directory, now)
    wanted = _general_names(names)
    path, key_path = directory / CERTIFICATE, directory / PRIVATE_KEY
    if not _good(path, key_path, authority, wanted, now):
        fresh = ec.generate_private_key(ec.SECP256R1())
        issued = _issued(authority, key, fresh, wanted, now)
        replace(key_path, _pem(fresh), 0o600)
        chain = issued.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM)
        replace(path, chain, 0o644)
    digits = authority.fingerprint(hashes.SHA256()).hex(":").upper()
    return OwnCertificate(path, key_path, directory / AUTHORITY, digits)


def _authority(directory: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the authority's certificate and key; made at first, and where it would end before what it issues."""
    path, key_path = directory / AUTHORITY, directory / AUTHORITY_KEY
    if path.exists() and key_path.exists():
        certificate, key = _read(path), _read_key(key_path)
        if certificate.not_valid_after_utc > now + timedelta(days=CERTIFICATE_DAYS):
            return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Overt authority of this machine")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    replace(key_path, _pem(key), 0o600)
    replace(path, certificate.public_bytes(Encoding.PEM), 0o644)
    return certificate, key


def _issued(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(names[0].value)[:64])])
    return (
        _builder(subject, authority.subject, key.public_key(), now, CERTIFICATE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _good(
    path: Path, key_path: Path, authority: x509.Certificate, names: list[x509.GeneralName], now: datetime
) -> bool:
    """Whether the certificate that is there will do. One that cannot be read will not."""
    with contextlib.suppress(CorruptError, x509.ExtensionNotFound, ValueError):
        if not path.exists() or not key_path.exists():
            return False
        certificate, key = _read(path), _read_key(key_path)
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (
            certificate.issuer == authority.subject
            and certificate.public_key() == key.public_key()
            and set(named) == set(names)
            and certificate.not_valid_before_utc <= now
            and certificate.not_valid_after_utc > now + timedelta(days=RENEW_DAYS)
        )
    return False


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(name.strip("[]") for name in names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_small(path, MAX_FILE, "certificate"))
    except ValueError as error:
        msg = f"{path} is no certificate: move it away, and another is made"
        raise CorruptError(msg) from error


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    msg = f"{path} is no key of ours: move it and the certificate beside it away, and others are made"
    try:
        key = load_pem_private_key(read_small(path, MAX_FILE, "private key"), None)
    except (ValueError, TypeError) as error:
        raise CorruptError(msg) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CorruptError(msg)
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

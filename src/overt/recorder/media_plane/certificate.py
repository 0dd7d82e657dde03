"""The certificate with which the media plane encrypts: read, judged, and read again when its files change.

A changed certificate is used for connections that begin from then on; those that are open stay as they are.
"""

from __future__ import annotations

import logging
import ssl
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from cryptography import x509

from overt.contract.instant import ns_of
from overt.errors import InvalidError, OvertError, UnavailableError

MAX_FILE: Final = 1024 * 1024
_Signature = tuple[tuple[int, int, int] | None, ...]
_LOG: Final = logging.getLogger(__name__)


class ServerCertificate:
    """A certificate with its chain, and its private key, in two PEM files. Belongs to one thread."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """Read the files.

        Raises:
            UnavailableError: one of them cannot be read.
            InvalidError: one of them is not what it should be, or they do not belong together.
        """
        self._certificate, self._private_key = certificate, private_key
        self._seen = self._pending = self._signature()
        self.context, self._ends = _loaded(certificate, private_key)
        self.trouble = ""
        """Why files that have changed since are not used; empty if there is nothing to say."""

    @property
    def ends_ns(self) -> int:
        """The moment after which browsers refuse it: nanoseconds since the Unix epoch."""
        return ns_of(self._ends)

    def look(self) -> None:
        """Use files that have changed, once they have stood unchanged from one look to the next."""
        signature = self._signature()
        settled, self._pending = signature == self._pending, signature
        if not settled or signature == self._seen:
            return
        self._seen = signature
        try:
            self.context, self._ends = _loaded(self._certificate, self._private_key)
        except OvertError as error:
            self.trouble = f"the changed certificate is not used, the one before goes on: {error}"
            _LOG.error("media plane: %s", self.trouble)
        else:
            self.trouble = ""
            _LOG.warning("media plane: certificate renewed, good until %s", self._ends.isoformat())

    def _signature(self) -> _Signature:
        """Return what changes when a file is written or replaced."""
        found: list[tuple[int, int, int] | None] = []
        for path in (self._certificate, self._private_key):
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)


def _loaded(certificate: Path, private_key: Path) -> tuple[ssl.SSLContext, datetime]:
    """Return what encrypts, and when the certificate ends; raises as `ServerCertificate`."""
    try:
        chain = x509.load_pem_x509_certificates(_read(certificate))
    except ValueError as error:
        msg = f"{certificate} is no certificate in PEM form: it must begin with -----BEGIN CERTIFICATE-----"
        raise InvalidError(msg) from error
    if b"PRIVATE KEY-----" not in _read(private_key):
        msg = f"{private_key} is no private key in PEM form: it must begin with -----BEGIN PRIVATE KEY-----"
        raise InvalidError(msg)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])

    def no_passphrase() -> NoReturn:
        msg = f"{private_key} is locked by a passphrase, which nobody could type at a start: give it without one"
        raise InvalidError(msg)

    try:
        context.load_cert_chain(certificate, private_key, no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            msg = f"{private_key} is not the private key of the certificate in {certificate}: give the two that were "
            msg += "issued together, the server's own certificate first and its chain after it"
        else:
            msg = f"{certificate} and {private_key} cannot be used: {error.reason or 'no reason is known'}"
        raise InvalidError(msg) from error
    except OSError as error:
        msg = f"{certificate} and {private_key} cannot be read: {error.strerror}"
        raise UnavailableError(msg) from error
    return context, chain[0].not_valid_after_utc


def _read(path: Path) -> bytes:
    """Return a file's content; raises `UnavailableError`, `InvalidError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise UnavailableError(msg) from error
    if len(data) > MAX_FILE:
        msg = f"{path} is longer than {MAX_FILE} bytes: it cannot be a certificate or key"
        raise InvalidError(msg)
    return data

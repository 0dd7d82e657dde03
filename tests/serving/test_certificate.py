"""The certificate that `overt serve` makes where none is given."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509

from overt.cli.serving.certificate import AUTHORITY, AUTHORITY_KEY, PRIVATE_KEY, own_certificate
from overt.errors import CorruptError

NAMES = ("cctv.northshire.example", "localhost", "127.0.0.1", "[::1]")


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_client_that_trusts_the_authority_trusts_the_certificate(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, NAMES)
    server = HTTPServer(("127.0.0.1", 0), Page)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.private_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.handle_request, daemon=True).start()
    trusting = ssl.create_default_context(cafile=str(made.authority))
    connection = HTTPSConnection("localhost", server.server_address[1], context=trusting, timeout=60)
    connection.request("GET", "/")
    assert connection.getresponse().status == 204
    connection.close()
    server.server_close()


def test_it_names_what_it_is_for_and_nothing_else(tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(own_certificate(tmp_path, NAMES).certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cctv.northshire.example", "localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_stays_while_it_is_good(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, NAMES).certificate.read_bytes()
    assert own_certificate(tmp_path, NAMES).certificate.read_bytes() == first


@pytest.mark.parametrize("days", [368, 396, 400])
def test_near_its_end_another_is_issued_by_the_same_authority(tmp_path: Path, days: int) -> None:
    made = own_certificate(tmp_path, NAMES)
    first = made.certificate.read_bytes()
    again = own_certificate(tmp_path, NAMES, datetime.now(UTC) + timedelta(days=days))
    assert again.certificate.read_bytes() != first
    assert again.fingerprint == made.fingerprint


def test_other_names_need_another(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, NAMES).certificate.read_bytes()
    assert own_certificate(tmp_path, ("other.example",)).certificate.read_bytes() != first


def test_an_authority_near_its_end_is_replaced(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, NAMES)
    again = own_certificate(tmp_path, NAMES, datetime.now(UTC) + timedelta(days=3650))
    assert again.fingerprint != made.fingerprint


def test_keys_are_read_by_their_owner_alone(tmp_path: Path) -> None:
    own_certificate(tmp_path, NAMES)
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in (AUTHORITY_KEY, PRIVATE_KEY)} == {"0o600"}


def test_a_damaged_authority_is_not_replaced_unasked(tmp_path: Path) -> None:
    own_certificate(tmp_path, NAMES)
    (tmp_path / AUTHORITY).write_text("something else")
    with pytest.raises(CorruptError, match=r"authority\.pem is no certificate: move it away"):
        own_certificate(tmp_path, NAMES)

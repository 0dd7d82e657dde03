"""Connections to cameras: refusal, silence, certificates, and the UDP pair."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificates import self_signed
from overt.errors import ForbiddenError, MissingError, UnavailableError
from overt.media.link import Endpoint, TcpLink, TlsTrust, UdpPair
from overt.media.resolve import Resolver


def endpoint(port: int) -> Endpoint:
    return Endpoint(socket.AF_INET, ("127.0.0.1", port), "127.0.0.1")


def opened(link: TcpLink, seconds: float = 60) -> TcpLink:
    """Drive a link until it is open, as the reactor would."""
    deadline = time.monotonic() + seconds
    while not link.progress():
        assert time.monotonic() < deadline, "the link did not open"
        select.select([link.fileno], [link.fileno] if link.wants_write else [], [], 0.05)
    return link


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path, str]:
    """A self-signed certificate for 127.0.0.1: its PEM, its key, its SHA-256."""
    return self_signed(tmp_path)


@contextmanager
def tls_echo(pem: Path, key_file: Path) -> Iterator[int]:
    """A TLS server that sends back what it gets, for one connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key_file)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(60)
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.sendall(secured.recv(100))
        except (OSError, ssl.SSLError):
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(60)
        listener.close()


def read_some(link: TcpLink) -> bytes:
    buffer = memoryview(bytearray(1000))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        select.select([link.fileno], [], [], 0.05)
        count = link.receive_into(buffer)
        if count is not None:
            return bytes(buffer[:count])
    pytest.fail("nothing came back")


def send_without_end(link: TcpLink) -> None:
    for _ in range(10_000):
        link.send(bytes(64 * 1024))


def test_a_refused_connection_says_so() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        link = TcpLink(endpoint(port), None)
        with pytest.raises(UnavailableError, match="refused the connection"):
            opened(link)
        link.close()


def test_bytes_go_both_ways_and_the_end_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = TcpLink(endpoint(listener.getsockname()[1]), None)
        camera, _ = listener.accept()
        opened(link)
        link.send(b"OPTIONS")
        assert camera.recv(100) == b"OPTIONS"
        camera.sendall(b"200")
        assert read_some(link) == b"200"
        camera.close()
        assert read_some(link) == b""
        link.close()


def test_a_camera_that_never_reads_fails_with_a_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = opened(TcpLink(endpoint(listener.getsockname()[1]), None))
        with pytest.raises(UnavailableError, match="does not read"):
            send_without_end(link)
        link.close()


@pytest.mark.parametrize("way", ["pin", "ca"])
def test_tls_with_a_pin_or_a_ca_of_ones_own(certificate: tuple[Path, Path, str], way: str) -> None:
    pem, key_file, fingerprint = certificate
    trust = TlsTrust(fingerprint_sha256=fingerprint) if way == "pin" else TlsTrust(ca_file=str(pem))
    with tls_echo(pem, key_file) as port:
        link = opened(TcpLink(endpoint(port), trust))
        link.send(b"hello")
        assert read_some(link) == b"hello"
        link.close()


def test_another_certificate_than_the_pinned_one_is_forbidden(certificate: tuple[Path, Path, str]) -> None:
    pem, key_file, _ = certificate
    with tls_echo(pem, key_file) as port:
        link = TcpLink(endpoint(port), TlsTrust(fingerprint_sha256="00" * 32))
        with pytest.raises(ForbiddenError, match="another certificate than the pinned one"):
            opened(link)
        link.close()


def test_an_unknown_ca_is_forbidden(certificate: tuple[Path, Path, str]) -> None:
    pem, key_file, _ = certificate
    with tls_echo(pem, key_file) as port:
        link = TcpLink(endpoint(port), TlsTrust())
        with pytest.raises(ForbiddenError, match="not trusted"):
            opened(link)
        link.close()


def test_a_server_without_tls_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = TcpLink(endpoint(listener.getsockname()[1]), TlsTrust())
        camera, _ = listener.accept()
        camera.sendall(b"RTSP/1.0 400 Bad Request\r\n\r\n")
        with pytest.raises(UnavailableError, match="is the port an rtsps port"):
            opened(link)
        camera.close()
        link.close()


def test_a_ca_file_that_is_not_there() -> None:
    with pytest.raises(UnavailableError, match="cannot be used"):
        TlsTrust(ca_file="/nonexistent/ca.pem").context()


def test_a_udp_pair_is_even_and_odd() -> None:
    pair = UdpPair(socket.AF_INET, "127.0.0.1")
    media, control = pair.ports
    assert media % 2 == 0
    assert control == media + 1
    pair.close()


def test_every_address_of_a_name_is_returned_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::7", 554, 0, 0))
    four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 554))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [six, four, six])
    resolver = Resolver()
    found = resolver.resolve("camera.example", 554).result(60)
    resolver.close()
    assert [each.address for each in found] == [("2001:db8::7", 554, 0, 0), ("192.0.2.7", 554)]
    assert {each.host for each in found} == {"camera.example"}


def test_names_and_literals_resolve() -> None:
    resolver = Resolver()
    assert resolver.resolve("127.0.0.1", 554).result(0) == (Endpoint(socket.AF_INET, ("127.0.0.1", 554), "127.0.0.1"),)
    assert [each.address for each in resolver.resolve("::1", 554).result(0)] == [("::1", 554, 0, 0)]
    assert {each.address[1] for each in resolver.resolve("localhost", 554).result(60)} == {554}
    with pytest.raises(MissingError, match="cannot be resolved"):
        resolver.resolve("no-such-camera.invalid", 554).result(60)
    resolver.close()

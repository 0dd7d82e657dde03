"""The control and media connection to a camera: non-blocking TCP, or TLS over it (rtsps), and UDP pairs.

Nothing here blocks: names are resolved elsewhere, connecting and handshaking are steps of `progress`. All errors
become `UnavailableError` (try again), or `ForbiddenError` where the other side is not who it should be.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Final

from overt.errors import ForbiddenError, UnavailableError

MAX_UNSENT: Final = 256 * 1024
"""Requests a camera does not read are not kept beyond this: the link has failed then."""

_WOULD_BLOCK: Final = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINPROGRESS, errno.EALREADY)
_WORDS: Final = {
    errno.ECONNREFUSED: "refused the connection",
    errno.EHOSTUNREACH: "cannot be reached (no route to the host, or it does not answer ARP)",
    errno.ENETUNREACH: "cannot be reached (no route to its network)",
    errno.ECONNRESET: "reset the connection",
    errno.EPIPE: "closed the connection",
    errno.ETIMEDOUT: "stopped acknowledging packets",
    errno.EADDRNOTAVAIL: "cannot be reached from any address of this machine",
}


class LinkError(UnavailableError):
    """The kernel says that the connection cannot be made, or is broken; not that the camera ended it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A resolved address: what `socket.connect` takes, and the name the certificate must bear."""

    family: int
    address: tuple[str, int] | tuple[str, int, int, int]
    host: str


@dataclass(frozen=True, slots=True)
class TlsTrust:
    """How a camera's certificate is judged. Exactly one way: a pin, a CA file of one's own, or the system's CAs.

    `fingerprint_sha256` is the SHA-256 of the certificate's DER form, lower-case hex.
    """

    fingerprint_sha256: str | None = None
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return a client context of TLS 1.2 or newer. Raises UnavailableError if the CA file cannot be read."""
        if self.fingerprint_sha256 is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if self.ca_file is None:
            return _system_context()
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            msg = f"the CA file {self.ca_file} cannot be used ({error}); give a PEM file of certificates"
            raise UnavailableError(msg) from error

    def check(self, certificate: bytes | None, host: str) -> None:
        """Compare a peer certificate (DER) with the pin, if there is one. Raises ForbiddenError."""
        if self.fingerprint_sha256 is None:
            return
        found = hashlib.sha256(certificate).hexdigest() if certificate else "none"
        if found != self.fingerprint_sha256.replace(":", "").lower():
            msg = (
                f"{host} shows another certificate than the pinned one (SHA-256 {found}): if the camera's "
                "certificate was renewed, pin the new one; otherwise somebody stands between"
            )
            raise ForbiddenError(msg)


@functools.cache
def _system_context() -> ssl.SSLContext:
    """Trust the system's CAs. Made once: reading them takes tens of milliseconds, which the capture thread has not."""
    return ssl.create_default_context()


def failure(host: str, error: OSError) -> LinkError:
    """Return the error that a reader understands for a socket error."""
    words = _WORDS.get(error.errno or 0, f"failed ({error.strerror or error})")
    return LinkError(f"{host} {words}")


class TcpLink:
    """One non-blocking stream connection; owned by the reactor thread.

    States follow each other: connecting, handshaking (TLS only), open. `progress` moves it on whenever the socket is
    ready; `receive_into` and `send` may be called once `is_open`.
    """

    def __init__(self, endpoint: Endpoint, trust: TlsTrust | None) -> None:
        """Begin to connect. Raises UnavailableError if the kernel refuses at once."""
        self.host = endpoint.host
        self.is_connected = False
        """The camera has accepted the connection; with TLS the handshake may still be under way."""
        self.is_open = False
        self._trust = trust
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        try:
            plain = socket.socket(endpoint.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except OSError as error:
            # No descriptor is left, or this machine does not speak IPv6.
            raise failure(self.host, error) from error
        self._socket: socket.socket = plain
        try:
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A camera that lost power never says goodbye: let the kernel notice on an idle connection.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
            code = plain.connect_ex(endpoint.address)
        except OSError as error:
            plain.close()
            raise failure(self.host, error) from error
        if code not in (0, *_WOULD_BLOCK):
            plain.close()
            raise failure(self.host, OSError(code, os.strerror(code)))

    @property
    def fileno(self) -> int:
        """The socket's descriptor, for epoll."""
        return self._socket.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether epoll should report that the socket can be written."""
        return not self.is_connected or bool(self._unsent)

    @property
    def pending(self) -> int:
        """Bytes that TLS has decrypted and holds, of which epoll knows nothing; 0 without TLS."""
        return self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def progress(self) -> bool:
        """Move connecting and handshaking on, and send what waits; return True once the link is open.

        Raises:
            UnavailableError: the connection or the handshake failed.
            ForbiddenError: the certificate is not trusted.
        """
        if not self.is_connected:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise failure(self.host, OSError(code, os.strerror(code)))
            try:
                self._socket.getpeername()
            except OSError:
                return False
            self.is_connected = True
            if self._trust is not None:
                self._socket = self._secured(self._trust)
        if not self.is_open:
            self.is_open = self._handshaken()
        if self.is_open:
            self._flush()
        return self.is_open

    def _secured(self, trust: TlsTrust) -> ssl.SSLSocket:
        try:
            return trust.context().wrap_socket(self._socket, server_hostname=self.host, do_handshake_on_connect=False)
        except OSError as error:
            # The camera went away, or spoke before the handshake.
            raise failure(self.host, error) from error

    def _handshaken(self) -> bool:
        if not isinstance(self._socket, ssl.SSLSocket) or self._trust is None:
            return True
        try:
            self._socket.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except ssl.SSLCertVerificationError as error:
            msg = f"{self.host} shows a certificate that is not trusted: {error.verify_message}"
            raise ForbiddenError(msg) from error
        except OSError as error:
            msg = f"{self.host} did not complete the TLS handshake ({error}); is the port an rtsps port?"
            raise UnavailableError(msg) from error
        self._trust.check(self._socket.getpeercert(binary_form=True), self.host)
        return True

    def receive_into(self, view: memoryview) -> int | None:
        """Read what is there into `view`; None if nothing is, 0 if the camera closed. Raises UnavailableError."""
        try:
            return self._socket.recv_into(view)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLEOFError:
            return 0
        except OSError as error:
            raise failure(self.host, error) from error

    def drained(self, count: int, asked: int) -> bool:
        """Whether a read of `count` bytes of `asked` emptied the socket. TLS hides what it holds: read until None."""
        return count < asked and not isinstance(self._socket, ssl.SSLSocket)

    def send(self, data: bytes) -> None:
        """Send, or keep for when the socket takes it. Raises UnavailableError if the camera reads nothing."""
        if not data:
            return
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        if self._unsent_bytes > MAX_UNSENT:
            msg = f"{self.host} does not read what it is sent ({self._unsent_bytes} bytes wait)"
            raise UnavailableError(msg)
        if self.is_open:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            data = self._unsent[0]
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            except OSError as error:
                raise failure(self.host, error) from error
            self._unsent_bytes -= sent
            if sent < len(data):
                self._unsent[0] = data[sent:]
                return
            self._unsent.popleft()

    def close(self) -> None:
        """Close the socket; never raises."""
        self._socket.close()


class UdpPair:
    """An even port for RTP and the odd one after it for RTCP (RFC 3550 §11), bound on this machine."""

    RECEIVE_BUFFER: Final = 4 * 1024 * 1024
    ATTEMPTS: Final = 64

    def __init__(self, family: int, local_address: str) -> None:
        """Bind a free pair. Raises UnavailableError if there is none."""
        self.media, self.control = self._bind(family, local_address)

    @classmethod
    def _bind(cls, family: int, local_address: str) -> tuple[socket.socket, socket.socket]:
        for _ in range(cls.ATTEMPTS):
            media = cls._socket(family)
            try:
                control = cls._socket(family)
            except UnavailableError:
                media.close()
                raise
            try:
                media.bind((local_address, 0))
                port = media.getsockname()[1]
                if port % 2 == 0:
                    control.bind((local_address, port + 1))
                    return media, control
            except OSError:
                pass  # The odd neighbour is taken: another pair is tried, and running out of tries is an error.
            media.close()
            control.close()
        msg = f"no free pair of UDP ports on {local_address} after {cls.ATTEMPTS} tries"
        raise UnavailableError(msg)

    @classmethod
    def _socket(cls, family: int) -> socket.socket:
        try:
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        except OSError as error:
            msg = f"no socket for UDP ({error.strerror}): is the limit of open files too low, or IPv6 switched off?"
            raise UnavailableError(msg) from error
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, cls.RECEIVE_BUFFER)
        return made

    @property
    def ports(self) -> tuple[int, int]:
        """The RTP and the RTCP port."""
        return self.media.getsockname()[1], self.control.getsockname()[1]

    def open_way(self, camera: Endpoint, server_ports: tuple[int, int | None]) -> None:
        """Send an empty packet to each of the camera's ports, so that a stateful firewall lets its media through."""
        _send_to(self.media, _EMPTY_RTP, camera, server_ports[0])
        self.send_report(camera, server_ports, _EMPTY_RTCP)

    def send_report(self, camera: Endpoint, server_ports: tuple[int, int | None], report: bytes) -> None:
        """Send a receiver report to the camera's RTCP port; one that is lost is no matter, another follows."""
        rtp, rtcp = server_ports
        _send_to(self.control, report, camera, rtcp if rtcp is not None else rtp + 1)

    def close(self) -> None:
        """Close both sockets; never raises."""
        self.media.close()
        self.control.close()


_EMPTY_RTP: Final = b"\x80" + bytes(11)
_EMPTY_RTCP: Final = b"\x80\xc9\x00\x01" + bytes(4)


def _send_to(sender: socket.socket, data: bytes, camera: Endpoint, port: int) -> None:
    """Send one datagram as far as the machine can: UDP promises nothing, so a refusal ends no session."""
    # Port 0 and ports above 65535 are what a camera may have granted; the interface of IPv6 stays that of the endpoint.
    with contextlib.suppress(OSError, OverflowError):
        sender.sendto(data, (camera.address[0], port, *camera.address[2:]))

"""Names to addresses, off the capture thread: `getaddrinfo` blocks for as long as a broken DNS server likes."""

from __future__ import annotations

import ipaddress
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from overt.errors import MissingError
from overt.media.link import Endpoint

THREADS: Final = 4
"""Look-ups under way at once; further ones wait their turn, and captures that wait are simply not connected yet."""


class Resolver:
    """Resolves host names on a few threads of its own. Thread-safe."""

    def __init__(self) -> None:
        """Make the pool; its threads start with the first look-up."""
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="resolve")

    def resolve(self, host: str, port: int) -> Future[tuple[Endpoint, ...]]:
        """Return a future of the stream endpoints of `host`, at least one, in the order of preference (RFC 6724).

        The future is done at once for a literal address. It raises MissingError if the name is not known.
        """
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return self._pool.submit(_look_up, host, port)
        done: Future[tuple[Endpoint, ...]] = Future()
        try:
            done.set_result(_look_up(host, port, socket.AI_NUMERICHOST))
        except MissingError as error:
            done.set_exception(error)
        return done

    def close(self) -> None:
        """Drop look-ups that have not begun; those under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, flags: int = 0) -> tuple[Endpoint, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError) as error:
        msg = f"the name {host!r} cannot be resolved ({error}); check the camera's address and this machine's DNS"
        raise MissingError(msg) from error
    # An address may stand there twice, in the hosts file and in the DNS.
    return tuple(dict.fromkeys(_endpoint(family, address, host, port) for family, _, _, _, address in found))


def _endpoint(family: int, address: tuple[str | bytes | int, ...], host: str, port: int) -> Endpoint:
    if family == socket.AF_INET6:
        # The last part is the interface of a link-local address (RFC 4007 §11), without which it leads nowhere.
        return Endpoint(family, (str(address[0]), port, 0, int(address[-1])), host)
    return Endpoint(family, (str(address[0]), port), host)

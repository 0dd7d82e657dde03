"""What a channel is, and where messages may go."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from overt.errors import ForbiddenError, UnavailableError

TIMEOUT_S: Final = 10.0
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way."""

    id: int
    subject: str
    body: str
    data: dict[str, Any]
    address: str = field(repr=False)
    secret: str = field(default="", repr=False)


class Channel(Protocol):
    """A way by which a message leaves. Values without state; used in the thread `health-alerts`."""

    @property
    def name(self) -> str:
        """As it is stored."""

    @property
    def words(self) -> str:
        """As pages name it."""

    @property
    def secret_words(self) -> str:
        """What its secret is; empty: it has none."""

    def check(self, address: str) -> str:
        """Return the address in its normal form; raises InvalidError saying what one looks like."""

    def shown(self, address: str) -> str:
        """Return as much of an address as anybody may see who may see the rule."""

    def send(self, letter: Letter, ranges: Sequence[Network]) -> None:
        """Send; returns when the other side has it.

        `ranges` are networks that are allowed besides public ones.

        Raises:
            OvertError: it did not get there; the words name no secret.
        """


def allowed_addresses(host: str, port: int, ranges: Sequence[Network]) -> list[str]:
    """Return the addresses of a host, all of which messages may go to.

    Raises:
        UnavailableError: the name is not known.
        ForbiddenError: one of them is in a network that is not public, and not in `ranges`.
    """
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        msg = f"the name {host} cannot be found: {error}"
        raise UnavailableError(msg) from error
    found = list(dict.fromkeys(str(row[4][0]) for row in rows))
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if not _allowed(address, ranges):
            msg = (
                f"{host} is at {address}, which is no public address. If alerts may go there, name its network in "
                "'alert_ranges' of [control]."
            )
            raise ForbiddenError(msg)
    return found


def _allowed(address: Address, ranges: Sequence[Network]) -> bool:
    mapped = getattr(address, "ipv4_mapped", None) or address
    if any(mapped.version == each.version and mapped in each for each in ranges):
        return True
    return bool(mapped.is_global and not mapped.is_multicast and not mapped.is_reserved)

"""Where a camera may be: which addresses the recorder may be sent to, and how they have to be written.

Without this, whoever may add a camera could have the recorder speak to services of its own machine, or to the address
at which a cloud hands out credentials. A name is looked up, and each of its addresses has to be allowed; it is looked
up again whenever an assignment is built, since names move.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from overt.contract.assignment import StreamAssignment, problems
from overt.control.estate.credentials import bare
from overt.errors import InvalidError, MissingError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str], Iterable[str]]
"""Returns the addresses of a name, as text; raises MissingError where there is none."""

METADATA: Final = frozenset(
    ipaddress.ip_address(each)
    for each in (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
"""Where clouds hand out credentials to machines of theirs: never a camera, whatever the ranges say."""
_EMBEDDING: Final = tuple(
    ipaddress.ip_network(each) for each in ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")
)
"""IPv6 addresses with an IPv4 address inside."""
_NOWHERE: Final = (ipaddress.ip_network("0.0.0.0/8"), ipaddress.ip_network("::/128"))
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
MAX_HOST: Final = 253
EXAMPLE: Final = "such as 192.0.2.7 or camera-3.example.org"


def refusal(address: Address, ranges: tuple[Network, ...]) -> str | None:
    """Say why no camera may be at an address; None if one may.

    `ranges` are the networks in which cameras are; without any, all but those that never hold one.
    """
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return "is an IPv4 address inside an IPv6 one: write it as an IPv4 address"
    if address in METADATA:
        return "is where a cloud hands out credentials, never a camera"
    if address.is_multicast or any(address in each for each in _NOWHERE) or str(address) == "255.255.255.255":
        return "is not the address of one device"
    if ranges:
        if any(address in each for each in ranges):
            return None
        return f"is outside the networks for cameras ({', '.join(map(str, ranges))}; setting camera_ranges)"
    if address.is_loopback:
        return "is this machine itself (setting camera_ranges allows it)"
    if address.is_link_local:
        return "is a link-local address: give the camera a fixed one (setting camera_ranges allows it)"
    if any(address in each for each in _EMBEDDING):
        return "is an IPv4 address inside an IPv6 one: write it as an IPv4 address"
    return None


def written(text: str) -> Address | str:
    """Read a host as it is typed: an address, or a name in lower case.

    Raises:
        InvalidError: it is neither, or an address in a spelling that others read differently.
    """
    host = text.strip().lower()
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    try:
        if "%" not in host:
            return ipaddress.ip_address(host)
    except ValueError:
        pass
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        msg = f"must be written as four numbers from 0 to 255 with dots between, or be a name, {EXAMPLE}"
        raise InvalidError(msg)
    if len(host) > MAX_HOST or not all(_LABEL.fullmatch(each) for each in labels):
        msg = f"must be the address or the name of a device and nothing else, {EXAMPLE}"
        raise InvalidError(msg)
    return host.removesuffix(".")


def look_up(name: str) -> list[str]:
    """Return the addresses of a name from this machine's DNS.

    Raises:
        MissingError: there is no such name, or nobody answers.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        msg = f"the name {name} is not known to this machine's DNS: check it, or give the address in numbers"
        raise MissingError(msg) from error
    return sorted({str(address[0]) for _, _, _, _, address in found})


def checked_host(text: str, ranges: tuple[Network, ...], resolve: Lookup = look_up) -> str:
    """Return the host of a camera as it is kept, once each of its addresses is allowed.

    Raises:
        InvalidError: it is none, or one of its addresses is not allowed.
        MissingError: it is a name that nobody knows.
    """
    host = written(text)
    if not isinstance(host, str):
        why = refusal(host, ranges)
        if why is not None:
            msg = f"{host} {why}"
            raise InvalidError(msg)
        return str(host)
    for each in resolve(host):
        why = refusal(ipaddress.ip_address(each.partition("%")[0]), ranges)
        if why is not None:
            msg = f"{host} leads to {each}, which {why}"
            raise InvalidError(msg)
    return host


def host_of(url: str) -> str:
    """Return the host that a checked stream address names, without brackets."""
    return urlsplit(url).hostname or ""


def checked_url(url: str, ranges: tuple[Network, ...], resolve: Lookup = look_up) -> str:
    """Return the address of a stream as it is kept, once the recorder may be sent there.

    Raises:
        InvalidError: it is no such address, carries a user or password, or leads where no camera may be.
        MissingError: it names a host that nobody knows.
    """
    if bare(url)[0] != url.strip():
        msg = "must not have a user or password in it: they have fields of their own"
        raise InvalidError(msg)
    try:
        (checked,) = StreamAssignment(urls=(url.strip(),)).urls
    except ValidationError as error:
        raise InvalidError(problems(error, StreamAssignment)[0].removeprefix("'urls' ")) from None
    authority = re.split(r"[/?#]", checked.partition("://")[2], maxsplit=1)[0]
    if "\\" in checked or "@" in authority or "#" in checked:
        msg = "must be an address such as rtsp://192.0.2.7:554/stream1, without '\\', '#', and '@' in the host"
        raise InvalidError(msg)
    checked_host(host_of(checked), ranges, resolve)
    return checked

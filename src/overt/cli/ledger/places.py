"""Where a ledger is read from, and whose keys it is held against, as people type them."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from overt.errors import InvalidError, MissingError, UnavailableError
from overt.ledger.marker import read_marker
from overt.ledger.note import VerifierKey
from overt.ledger.tiles import DirectorySource, Source
from overt.new_file import read_small

MAX_RESPONSE: Final = 64 << 20
MAX_KEYS_FILE: Final = 64 * 1024
TIMEOUT_S: Final = 30.0

KeysOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="VKEY", help="The ledger's public key, or a file with it. (the one the ledger names itself)"
    ),
]
WitnessesOption = Annotated[
    list[str] | None,
    typer.Option("--witness", metavar="VKEY", help="A witness's public key, or a file with it; may be repeated."),
]
QuorumOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="How many of the witnesses must have cosigned. (all)")
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option("--authority", metavar="FILE", help="Authority to trust for https, PEM. (those of the system)"),
]


class HttpSource:
    """The files of a ledger below an address on a web server (C2SP tlog-tiles). Threads may share it."""

    def __init__(self, address: str, client: httpx.Client) -> None:
        """Read below `address` with a client."""
        self._address, self._client = address.rstrip("/"), client

    def __str__(self) -> str:
        """Return the address."""
        return self._address

    def read(self, path: str) -> bytes:
        """Return a file (`overt.ledger.tiles.Source.read`)."""
        url = f"{self._address}/{path}"
        try:
            with self._client.stream("GET", url) as response:
                if response.status_code in {404, 410}:
                    msg = f"{url} is not there"
                    raise MissingError(msg)
                if response.status_code != 200:
                    msg = f"{url} answers {response.status_code} {response.reason_phrase}"
                    raise UnavailableError(msg)
                data = b""
                for part in response.iter_bytes():
                    data += part
                    if len(data) > MAX_RESPONSE:
                        msg = f"{url} is too large to be part of a ledger"
                        raise UnavailableError(msg)
                return data
        except (httpx.HTTPError, ssl.SSLError) as error:
            msg = f"{url} does not answer: {error}"
            raise UnavailableError(msg) from error


@contextmanager
def opened(place: str, authority: Path | None = None) -> Iterator[Source]:
    """Read from a directory, or from an http or https address.

    Raises:
        MissingError: there is no such directory.
        InvalidError: the address or the authority's file is none.
    """
    if not place.startswith(("http://", "https://")):
        directory = Path(place)
        if not directory.is_dir():
            msg = f"{directory} is no directory"
            raise MissingError(msg)
        yield DirectorySource(directory)
        return
    with client_for(place, authority) as client:
        yield HttpSource(place, client)


def client_for(address: str, authority: Path | None) -> httpx.Client:
    """Return a client for an http or https address.

    Raises:
        InvalidError: the address or the authority's file is none.
    """
    try:
        if httpx.URL(address).scheme not in {"http", "https"}:
            msg = f"{address!r} is no http or https address"
            raise InvalidError(msg)
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    except (OSError, httpx.InvalidURL) as error:
        msg = f"{address} cannot be asked: {error}"
        raise InvalidError(msg) from error
    return httpx.Client(verify=context, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)


def read_keys(given: Iterable[str]) -> list[VerifierKey]:
    """Return keys that were typed, or that stand in files, one a line.

    Raises:
        InvalidError: one is malformed.
        MissingError, UnavailableError: a file cannot be read.
    """
    keys: list[VerifierKey] = []
    for each in given:
        path = Path(each)
        lines = [each]
        if each.count("+") < 2 or path.is_file():
            lines = read_small(path, MAX_KEYS_FILE, "file with a verifier key").decode("utf-8", "replace").splitlines()
        keys += [VerifierKey.parse(line.strip()) for line in lines if line.strip()]
    return keys


def ledger_keys(source: Source, given: list[str] | None) -> tuple[list[VerifierKey], bool]:
    """Return the keys of a ledger, and whether the ledger itself named them.

    Raises:
        InvalidError: none was given, and the ledger is not on this machine.
        OvertError: as `read_keys`, and as `overt.ledger.marker.read_marker`.
    """
    if given:
        return read_keys(given), False
    if not isinstance(source, DirectorySource):
        msg = f"{source}: give the ledger's key with --key; one that comes with the ledger would prove nothing"
        raise InvalidError(msg)
    return [read_marker(source.directory).key], True

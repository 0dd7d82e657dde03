"""The recorder's ledger over its Unix socket, as a source of tiles."""

from __future__ import annotations

from overt.contract.socket_client import SocketClient


class SocketSource:
    """Files of the ledger below `/ledger` of `recorder.sock`. Any thread."""

    def __init__(self, client: SocketClient) -> None:
        """Ask through `client`."""
        self._client = client

    def __str__(self) -> str:
        """Name the place for a reader."""
        return "the recorder's ledger"

    def read(self, path: str) -> bytes:
        """Return a file (`overt.ledger.tiles.Source.read`)."""
        return self._client.read(f"/ledger/{path}")

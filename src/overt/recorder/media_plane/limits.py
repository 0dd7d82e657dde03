"""How much one grant, one client address and all together may use of the media plane at a time.

Counters alone: no threads, no clock. All calls belong to the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeVar
from uuid import UUID

from overt.errors import UnavailableError

Kind = Literal["socket", "request"]
_Key = TypeVar("_Key")


class TooManyError(UnavailableError):
    """A limit is reached; what is open must end first."""

    http_status: ClassVar[int] = 429


@dataclass(frozen=True, slots=True)
class Bound:
    """Most of one kind at a time."""

    per_grant: int
    per_address: int
    all_together: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a media plane. A wall of 16 tiles beside a review of nine cameras fits four times into a grant."""

    sockets: Bound = Bound(128, 256, 1024)
    """Live WebSockets."""
    requests: Bound = Bound(32, 64, 256)
    """Requests being answered."""
    sessions_per_grant: int = 8
    """One more ends the oldest: only its own holder can begin it."""
    connections_per_address: int = 512
    """TCP connections, whether they ask for anything or not."""
    connections: int = 2048


@dataclass(slots=True)
class Usage:
    """What is in use now."""

    limits: Limits = field(default_factory=Limits)
    _grants: dict[Kind, Counter[UUID]] = field(default_factory=lambda: {"socket": Counter(), "request": Counter()})
    _addresses: dict[Kind, Counter[str]] = field(default_factory=lambda: {"socket": Counter(), "request": Counter()})
    _all: Counter[Kind] = field(default_factory=Counter)
    _connections: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def one(self, kind: Kind, address: str | None, grant: UUID | None = None) -> Iterator[None]:
        """Count one use for as long as the block runs: under its address, under its grant, or both.

        Raises:
            TooManyError: if a limit is reached; nothing is counted then.
        """
        bound = self.limits.sockets if kind == "socket" else self.limits.requests
        what = "live sockets" if kind == "socket" else "requests at a time"
        grants, addresses = self._grants[kind], self._addresses[kind]
        if grant is not None and grants[grant] >= bound.per_grant:
            msg = f"this grant has {bound.per_grant} {what} already: close some first"
            raise TooManyError(msg)
        if address is not None and addresses[address] >= bound.per_address:
            msg = f"this address has {bound.per_address} {what} already: close some first"
            raise TooManyError(msg)
        if address is not None and self._all[kind] >= bound.all_together:
            msg = f"the recorder serves {bound.all_together} {what} already: try again later"
            raise TooManyError(msg)
        if grant is not None:
            grants[grant] += 1
        if address is not None:
            addresses[address] += 1
            self._all[kind] += 1
        try:
            yield
        finally:
            if address is not None:
                self._all[kind] -= 1
                _less(addresses, address)
            if grant is not None:
                _less(grants, grant)

    def count(self, kind: Kind) -> int:
        """Return how many are in use."""
        return self._all[kind]

    def connect(self, address: str) -> bool:
        """Count a connection; False, and not counted, if there are too many."""
        limits = self.limits
        if self._connections[address] >= limits.connections_per_address:
            return False
        if self._connections.total() >= limits.connections:
            return False
        self._connections[address] += 1
        return True

    def disconnect(self, address: str) -> None:
        """Take back what `connect` counted."""
        _less(self._connections, address)


def _less(counter: Counter[_Key], key: _Key) -> None:
    """Count down, and forget what is at zero: addresses come and go without end."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]

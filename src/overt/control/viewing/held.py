"""Grants as the holder keeps them, and as their pages get them: plain values."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from overt.control.acts.actor import Actor
from overt.control.acts.recording import Span
from overt.control.people.rights import Rights
from overt.control.viewing.granting import Decision, Wish
from overt.control.viewing.reasons import Stated
from overt.sealing.wraps import WrappedKey


class Media(Protocol):
    """What is needed of the recorder's media plane (`contract.socket_client.MediaControl`)."""

    def give(self, grant_id: UUID, token: str, roots: dict[UUID, bytes]) -> None:
        """Register or renew a grant and release roots under it."""
        ...

    def revoke(self, grant_id: UUID) -> None:
        """End a grant for good."""
        ...

    def started_us(self) -> int:
        """Return since when the media process runs."""
        ...


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: somebody who is signed in."""

    person: UUID
    name: str
    session: str = field(repr=False)
    rights: Rights

    @property
    def actor(self) -> Actor:
        """Who it is, as it is written down."""
        return Actor(self.person, self.name)


@dataclass(frozen=True, slots=True)
class Given:
    """A grant as its page gets it."""

    id: UUID
    token: str = field(repr=False)
    expires_s: int
    decision: Decision
    shut: bool = False
    """Whether recorded footage that may be looked at waits for security keys to be touched."""
    opened_until_ns: int = 0
    """What was recorded later than this waits for them too; 0: nothing does."""


@dataclass(frozen=True, slots=True)
class Shut:
    """What of a grant waits for security keys, and for what it is to be opened."""

    cameras: tuple[str, ...]
    span: Span
    why: Stated
    wraps: dict[UUID, WrappedKey] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Held:
    """A grant in force, as it stands. Who changes it has its turn."""

    id: UUID
    viewer: Viewer
    secret: bytes = field(repr=False)
    """SHA-256 of the page's secret."""
    wish: Wish
    heard_ns: int
    """Monotonic."""
    decision: Decision = field(default_factory=Decision)
    token: str = field(default="", repr=False)
    issued_s: int = 0
    began_us: int = 0
    """Of the media process that it was given to last."""
    released: set[UUID] = field(default_factory=set)
    spans: list[tuple[frozenset[str], int, int]] = field(default_factory=list)
    """Recorded footage that was opened under it, by cameras and hours."""
    why: Stated | None = None
    """For what purpose the page looks at what is past."""
    until: dict[tuple[object, ...], int] = field(default_factory=dict)
    """Of hours that security keys have opened, with cameras and purpose: what was recorded by then (nanoseconds)."""
    written: set[tuple[object, ...]] = field(default_factory=set)
    """What the ledger has of it: a camera watched live; one replayed, or hours opened, each with the purpose."""
    over: bool = False
    turn: threading.RLock = field(default_factory=threading.RLock, repr=False)

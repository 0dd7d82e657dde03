"""Who acts at this moment: set where it is found out who asks, read where an act is written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID


class Via(StrEnum):
    """How somebody came to act. The values are stored."""

    PAGE = "page"
    TOKEN = "token"  # noqa: S105 - a word, no secret
    SYSTEM = "system"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as it is written down."""

    id: UUID | None
    """Of their account; None is the control room itself, or somebody whom it does not know."""
    name: str
    via: Via = Via.PAGE

    def to_json(self) -> dict[str, str]:
        """Return it as it stands in a leaf's body."""
        return ({"id": str(self.id)} if self.id else {}) | {"name": self.name, "via": self.via.value}


SYSTEM: Final = Actor(None, "The control room", Via.SYSTEM)
NOBODY: Final = Actor(None, "Somebody who is not signed in")
_now: Final[ContextVar[Actor]] = ContextVar("overt_actor", default=SYSTEM)


def actor() -> Actor:
    """Return who acts in this context (task or thread); where nobody was named, the control room itself."""
    return _now.get()


@contextmanager
def acting(who: Actor) -> Iterator[None]:
    """Let somebody be who acts, until the end of the block."""
    token = _now.set(who)
    try:
        yield
    finally:
        _now.reset(token)


def found_to_be(who: Actor) -> None:
    """Let somebody be who acts for the rest of the enclosing `acting`: it was found out meanwhile."""
    _now.set(who)

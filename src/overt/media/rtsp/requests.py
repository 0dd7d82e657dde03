"""What a request was sent for, and which reply answers which (RFC 2326 §1.1, §12.17)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_UNANSWERED: Final = 8
"""Requests without a reply that are remembered; older ones are forgotten."""


class Phase(StrEnum):
    """Where a dialogue stands; named after the request that awaits its reply."""

    IDLE = "idle"
    OPTIONS = "options"
    DESCRIBE = "describe"
    SETUP = "setup"
    PLAY = "play"
    PLAYING = "playing"
    REDIRECTED = "redirected"
    """Close the connection and go on with `redirected()`."""
    TEARDOWN = "teardown"
    CLOSED = "closed"


@dataclass(slots=True)
class SentRequest:
    """What is known of a request until its reply comes."""

    cseq: int
    method: str
    url: str = field(repr=False)
    purpose: Phase
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    authorized: bool
    """It carried credentials."""
    retried: bool
    """It repeats one that was answered by a challenge."""


class Unanswered:
    """The requests of one connection, in the order in which they were sent. Not thread-safe."""

    __slots__ = ("_abandoned", "_requests")

    def __init__(self) -> None:
        """Begin with none."""
        self._requests: list[SentRequest] = []
        self._abandoned: set[int] = set()

    def sent(self, request: SentRequest) -> None:
        """Remember a request; beyond `MAX_UNANSWERED` the oldest is forgotten."""
        del self._requests[: 1 - MAX_UNANSWERED]
        self._requests.append(request)

    def forget(self, purpose: Phase) -> None:
        """Let requests of one purpose stay unanswered; a late reply is taken for that of the next request."""
        self._requests = [each for each in self._requests if each.purpose is not purpose]

    def abandon(self) -> None:
        """Forget all; a reply that comes late after all is not taken for that of the next request."""
        self._abandoned = {each.cseq for each in self._requests}
        self._requests.clear()

    def take(self, cseq: int | None) -> SentRequest | None:
        """Return the request that a reply answers: that of its CSeq, else (servers err) the oldest unanswered one."""
        for index, request in enumerate(self._requests):
            if request.cseq == cseq:
                # Replies come in order (RFC 2326 §1.1): what was asked before stays unanswered.
                del self._requests[: index + 1]
                return request
        if cseq in self._abandoned:
            self._abandoned.discard(cseq)
            return None
        return self._requests.pop(0) if self._requests else None

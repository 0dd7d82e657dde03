"""Gaps: spans in which a stream was not recorded, each with its cause. Pure values; nothing here touches a disk.

A gap reaches exactly from the end of the last stored fragment to the start of the next one. When the reason changes
in between (the recorder was stopped, then the network failed) it becomes several gaps that touch each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from overt.contract.fact import GapCause as FactCause
from overt.ids import StreamKey, new_id

MAX_DETAIL: Final = 500
"""Characters of a gap's detail; what a camera sends cannot make rows grow."""


class GapCause(StrEnum):
    """Why nothing was recorded."""

    CAMERA = "camera"
    NETWORK = "network"
    AUTHENTICATION = "authentication"
    DISK = "disk"
    RECORDER = "stopped"
    CLOCK = "clock"
    DELETED = "deleted"
    """Only said when reading: there was footage, and it was deleted by its retention."""
    UNKNOWN = "unknown"
    """Only said when reading: no row tells why."""

    @property
    def sentence(self) -> str:
        """Return the cause in words for people."""
        return _SENTENCES[self]

    @property
    def fact(self) -> FactCause:
        """Return the cause as the contract has it; those that only reading knows have none."""
        return _FACT_CAUSES[self]


_SENTENCES: Final = {
    GapCause.CAMERA: "The camera sent no usable picture.",
    GapCause.NETWORK: "The camera could not be reached over the network.",
    GapCause.AUTHENTICATION: "The camera refused the user name or the password.",
    GapCause.DISK: "The disk did not take the footage.",
    GapCause.RECORDER: "The recorder was not running, not told to record this camera, or failed at it.",
    GapCause.CLOCK: "The clock was set forward; this time never passed.",
    GapCause.DELETED: "The footage was deleted at the end of its retention.",
    GapCause.UNKNOWN: "No record tells why nothing is here.",
}
_FACT_CAUSES: Final[dict[GapCause, FactCause]] = {
    GapCause.CAMERA: "camera",
    GapCause.NETWORK: "network",
    GapCause.AUTHENTICATION: "authentication",
    GapCause.DISK: "disk",
    GapCause.RECORDER: "stopped",
    GapCause.CLOCK: "clock",
}
ANNOUNCED: Final = frozenset(_FACT_CAUSES)
"""The causes that may be stored."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One span without footage. `end_ns` is None while it lasts."""

    gap_id: UUID
    key: StreamKey
    start_ns: int
    end_ns: int | None
    cause: GapCause
    detail: str


class GapTracker:
    """The open gap of one stream, if any. Owned by the writer thread.

    Every method returns the rows to be stored, in order; a row replaces the one with the same id.
    """

    __slots__ = ("_key", "current")

    def __init__(self, key: StreamKey, current: Gap | None = None) -> None:
        """Begin with the gap that an earlier run left open."""
        self._key = key
        self.current = current

    def begin(self, cause: GapCause, detail: str, start_ns: int) -> list[Gap]:
        """Open a gap at `start_ns`; if one is open, close it there and open another, unless the cause is the same."""
        current = self.current
        detail = detail[:MAX_DETAIL]
        if current is None:
            self.current = Gap(new_id(), self._key, start_ns, None, cause, detail)
            return [self.current]
        if current.cause == cause:
            return []
        if start_ns <= current.start_ns:
            self.current = Gap(current.gap_id, self._key, current.start_ns, None, cause, detail)
            return [self.current]
        closed = Gap(current.gap_id, self._key, current.start_ns, start_ns, current.cause, current.detail)
        self.current = Gap(new_id(), self._key, start_ns, None, cause, detail)
        return [closed, self.current]

    def end(self, end_ns: int) -> list[Gap]:
        """Close the open gap at the start of the fragment that was stored; an empty gap ends where it began."""
        current = self.current
        if current is None:
            return []
        self.current = None
        stop = max(end_ns, current.start_ns)
        return [Gap(current.gap_id, self._key, current.start_ns, stop, current.cause, current.detail)]

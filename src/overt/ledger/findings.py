"""What a verification found, in sentences for an auditor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from overt.ledger.cosignature import Cosignature
from overt.ledger.leaves import Leaf, time_text

MAX_OF_A_KIND: Final = 20
"""Findings of one kind that are listed; further ones are counted."""


class FindingKind(StrEnum):
    """Kinds of finding; those after `PRUNED` are told, and no fault."""

    CHECKPOINT = "checkpoint"
    """The checkpoint is missing or malformed."""
    KEY = "key"
    """Another key signed than the one that should have."""
    SIGNATURE = "signature"
    """A signature or cosignature is false."""
    REWRITTEN = "rewritten"
    """A leaf is not the one that was there, or signed for."""
    DELETED = "deleted"
    """A leaf was taken out."""
    INSERTED = "inserted"
    """A leaf was put in between."""
    SHORTENED = "shortened"
    """Leaves at the end are gone that were signed for."""
    FORKED = "forked"
    """The key signed two trees that are not each other's beginning."""
    MISSING = "missing"
    """A tile or an entry bundle is gone."""
    TILE = "tile"
    """A tile is not what the leaves make it."""
    LEAF = "leaf"
    """A leaf is no envelope."""
    BACKWARDS = "backwards"
    """A leaf is dated before the one in front of it."""
    BODY_ALTERED = "body-altered"
    """A body is not the one that its leaf commits to."""
    BODY_MISSING = "body-missing"
    """A body is gone without the mark of pruning."""
    WITNESS = "witness"
    """Fewer witnesses cosigned than must have."""
    TIMESTAMP = "timestamp"
    """A time-stamp token does not hold."""
    PRUNED = "pruned"
    """Bodies were pruned."""
    UNKNOWN_WITNESS = "unknown-witness"
    """Somebody cosigned whose key was not given."""
    UNWITNESSED = "unwitnessed"
    """Leaves are newer than what witnesses cosigned."""
    LATE = "late"
    """A leaf is dated before a witness saw that it was not there yet."""
    CLOCK = "clock"
    """The machine's clock was behind."""

    @property
    def fault(self) -> bool:
        """Whether it means that something is wrong."""
        return self not in _TOLD


_TOLD = frozenset(
    {
        FindingKind.PRUNED,
        FindingKind.UNKNOWN_WITNESS,
        FindingKind.UNWITNESSED,
        FindingKind.LATE,
        FindingKind.CLOCK,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    kind: FindingKind
    text: str
    leaf: int | None = None
    """Index of the first leaf it is about."""
    leaf_kind: str | None = None
    time_ns: int | None = None

    @classmethod
    def about(cls, kind: FindingKind, text: str, leaf: Leaf) -> Finding:
        """Return a finding about a leaf that can be read."""
        return cls(kind, text, leaf.index, leaf.kind, leaf.time_ns)

    def to_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "kind": self.kind.value,
            "fault": self.kind.fault,
            "leaf": self.leaf,
            "leaf_kind": self.leaf_kind,
            "time": None if self.time_ns is None else time_text(self.time_ns),
            "text": self.text,
        }


@dataclass(slots=True)
class Report:
    """What was verified, and what was found."""

    origin: str = ""
    size: int = 0
    root: bytes = b""
    leaves: int = 0
    """Leaves that were read and hashed."""
    bodies: int = 0
    """Bodies that were held against their leaves."""
    pruned: int = 0
    own_key: bool = False
    """Whether the only key at hand was the one that the ledger itself names."""
    cosigned: list[tuple[int, Cosignature]] = field(default_factory=list)
    """Tree sizes that the given witnesses cosigned, each with the cosignature."""
    stamped: list[tuple[int, int]] = field(default_factory=list)
    """Tree sizes that were stamped, each with the authority's time: nanoseconds since the Unix epoch."""
    findings: list[Finding] = field(default_factory=list)
    """The first `MAX_OF_A_KIND` of each kind."""
    counts: dict[FindingKind, int] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Add a finding."""
        count = self.counts[finding.kind] = self.counts.get(finding.kind, 0) + 1
        if count <= MAX_OF_A_KIND:
            self.findings.append(finding)

    @property
    def faults(self) -> Iterator[Finding]:
        """Findings that mean that something is wrong."""
        return (each for each in self.findings if each.kind.fault)

    @property
    def fault_count(self) -> int:
        """Number of faults, also of those that are not listed."""
        return sum(count for kind, count in self.counts.items() if kind.fault)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.fault_count

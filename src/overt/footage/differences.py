"""What a comparison of files and index may find. Plain values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from overt.ids import StreamKey


class DifferenceKind(StrEnum):
    """What may differ."""

    INDEX_DAMAGED = "index-damaged"
    FILE_WITHOUT_ROW = "file-without-row"
    ROW_WITHOUT_FILE = "row-without-file"
    SIZE = "size"
    ROW = "row"
    """The row says other than the file: times, counts, period."""
    TORN = "torn"
    """The file stops inside a record: a kill or a power cut."""
    EMPTY = "empty"
    """Begun, and killed before anything was in it."""
    UNFINISHED = "unfinished"
    """A row that is still open, or still marked for deletion, though no recorder runs."""
    DAMAGED = "damaged"
    """Bytes in the file are not what was written."""
    MERKLE_ROOT = "merkle-root"
    """The file is sound in itself and is not the one that was indexed."""
    MISPLACED = "misplaced"
    FOREIGN = "foreign"
    OVERLAP = "overlap"
    MISSING_KEY = "missing-key"
    ORPHAN_KEY = "orphan-key"
    JOURNAL = "journal"
    LOCATION = "location"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be."""

    kind: DifferenceKind
    where: str
    """The file, or what it is about."""
    detail: str
    repaired: bool = False
    key: StreamKey | None = None


@dataclass(slots=True)
class Comparison:
    """What a comparison found."""

    differences: list[Difference] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    bytes: int = 0
    """Read, in a deep comparison."""

    def count(self, kind: DifferenceKind) -> int:
        """Return how many differences there are of a kind."""
        return Counter(each.kind for each in self.differences)[kind]

"""How bad a condition is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """In order, the worst first. The values are stored."""

    URGENT = "urgent"
    WARNING = "warning"
    NOTICE = "notice"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


SEVERITY_WORDS: Final[dict[Severity, str]] = {
    Severity.URGENT: "Urgent",
    Severity.WARNING: "Warning",
    Severity.NOTICE: "Notice",
}
"""Each as pages name it."""

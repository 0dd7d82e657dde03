"""Why somebody looks at what is past: as they say it, and as the register of purposes has it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from overt.control.people.actions import Action


@dataclass(frozen=True, slots=True)
class Reason:
    """Why somebody looks: as they said it, not yet held against the register."""

    purpose: int
    """Id of a purpose."""
    reference: str = ""
    authorisation: str = ""
    """Of following one person or vehicle (Regulation of Investigatory Powers Act 2000, Part II); empty: nobody is."""


@dataclass(frozen=True, slots=True)
class Stated:
    """Why somebody looks, found in the register and complete."""

    purpose: int
    name: str
    legal_basis: str
    opens: frozenset[Action]
    """Of replay, recorded, export: those that the purpose allows, whatever somebody's rights are."""
    reference: str = ""
    authorisation: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as it stands in a leaf's body; the reference has a place of its own there."""
        found = {"name": self.name, "legal_basis": self.legal_basis}
        return found | ({"authorisation": self.authorisation} if self.authorisation else {})

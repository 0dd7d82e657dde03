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
    approval: str = ""
    """Id of their approval for a shift, which then says purpose and reference; empty: they say it themselves."""


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
    approval: str = ""
    """Id of the approval for a shift that answered; empty: they did."""
    groups: frozenset[int] | None = None
    """Ids of the groups of sites that the approval is for; None: all."""
    until_ns: int = 0
    """When the approval ends, UTC; 0: it is none."""

    def covers(self, group: int) -> bool:
        """Whether this is said for cameras of a group of sites."""
        return self.groups is None or group in self.groups

    def to_json(self) -> dict[str, str]:
        """Return it as it stands in a leaf's body; the reference has a place of its own there."""
        found = {"name": self.name, "legal_basis": self.legal_basis}
        more = {"authorisation": self.authorisation, "approval": self.approval}
        return found | {name: value for name, value in more.items() if value}

"""Names and words of the demonstration's council."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ORGANISATION: Final = "Northshire Council (demonstration)"
PASSWORD: Final = "seven cats on a warm wall"  # noqa: S105
"""Of every account of the demonstration; known to everybody."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """Somebody who can sign in."""

    email: str
    name: str
    roles: tuple[str, ...]
    group: str = ""
    """Group of sites at which they have them; empty: everywhere."""
    contractor: bool = False


ACCOUNTS: Final = (
    DemoAccount("manager@northshire.example", "Morgan Lee", ("CCTV manager", "Administrator")),
    DemoAccount("operator@northshire.example", "Sam Okafor", ("Operator",), "Town centre"),
    DemoAccount("dpo@northshire.example", "Alex Reid", ("Data protection officer",)),
    DemoAccount("technician@fitters.example", "Jo Price", ("Technician",), "Libraries", contractor=True),
)
"""The first is who looks around."""


@dataclass(frozen=True, slots=True)
class DemoCamera:
    """Why a camera is there."""

    name: str
    group: str
    site: str
    address: str
    looks_at: str
    purpose: str
    legal_basis: str
    days: int
    retention_reason: str


_TASK: Final = "Public task: UK GDPR Article 6(1)(e); Crime and Disorder Act 1998, section 17"
_MONTH: Final = "Incidents are reported within a month; the town centre partnership reviewed this in May."
CAMERAS: Final = {
    "high-street": DemoCamera(
        "High Street, north",
        "Town centre",
        "High Street",
        "High Street, Northshire",
        "Pavement and taxi rank",
        "Prevention and detection of assault and theft at the taxi rank at night.",
        _TASK,
        31,
        _MONTH,
    ),
    "market-square": DemoCamera(
        "Market Square",
        "Town centre",
        "Market Square",
        "Market Square, Northshire",
        "The square and the bus stop",
        "Public safety at the market and at the bus stop.",
        _TASK,
        31,
        _MONTH,
    ),
    "library-foyer": DemoCamera(
        "Library foyer",
        "Libraries",
        "Central Library",
        "2 Castle Street, Northshire",
        "Entrance and issue desk",
        "Safety of staff at the issue desk, after three assaults in a year.",
        "Public task: UK GDPR Article 6(1)(e); Health and Safety at Work Act 1974, section 2",
        14,
        "Assaults are reported the same week; two weeks are enough.",
    ),
    "back-stairs": DemoCamera(
        "Library back stairs",
        "Libraries",
        "Central Library",
        "2 Castle Street, Northshire",
        "Fire exit and stairs",
        "Misuse of the fire exit, which has set off the alarm without cause.",
        "Public task: UK GDPR Article 6(1)(e)",
        7,
        "The alarm's log is compared every week.",
    ),
}
"""By the short names under which they are simulated."""

"""The custody policies of a site, and the two roles whose keys are in hand: plain values."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Final

from overt.errors import MissingError


class KeyRole(StrEnum):
    """Whose key a layer of footage is sealed to. The values stand in wraps, keyrings and the ledger."""

    VIEWER = "viewer"
    """Who looks at the footage."""
    APPROVER = "approver"
    """Who lets them: another person."""


def key_role(text: str) -> KeyRole:
    """Return the role of a name. Raises MissingError."""
    try:
        return KeyRole(text)
    except ValueError as error:
        raise MissingError("There is no such role of keys.") from error


class Policy(StrEnum):
    """What it takes to open recorded footage. The values are stored."""

    CUSTODIAN = "custodian"
    """A key in the control room's memory, unlocked by a passphrase after each start."""
    PRESENCE = "presence"
    """A security key that is touched by whoever looks."""
    FOUR_EYES = "four-eyes"
    """Two security keys, touched by two people."""


ROLES: Final[dict[Policy, tuple[KeyRole, ...]]] = {
    Policy.CUSTODIAN: (),
    Policy.PRESENCE: (KeyRole.VIEWER,),
    Policy.FOUR_EYES: (KeyRole.APPROVER, KeyRole.VIEWER),
}
"""Whose keys a policy needs, in the order in which they open: the outermost layer first."""
ROLE_WORDS: Final[dict[KeyRole, str]] = {
    KeyRole.VIEWER: "Who looks",
    KeyRole.APPROVER: "Who approves",
}
POLICY_WORDS: Final[dict[Policy, str]] = {
    Policy.CUSTODIAN: "Passphrase",
    Policy.PRESENCE: "Key in hand",
    Policy.FOUR_EYES: "Four eyes",
}
POLICY_MEANING: Final[dict[Policy, str]] = {
    Policy.CUSTODIAN: (
        "The key is in the control room’s memory once somebody has given its passphrase. Whoever has the right may "
        "then look back."
    ),
    Policy.PRESENCE: (
        "Recorded footage cannot be opened without a registered security key being touched by the person who looks."
    ),
    Policy.FOUR_EYES: (
        "Recorded footage cannot be opened without two registered security keys being touched, by two people."
    ),
}
TOGETHER: Final = dt.timedelta(hours=1)
"""How long a request waits at most, from when it was asked: somebody else may have to answer too."""
LEAST_KEYS: Final = 3
"""Security keys that each role has before a policy that needs them can be switched on: keys are lost."""

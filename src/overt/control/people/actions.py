"""The actions that rights are about. A right is an action at a group of sites, or everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What somebody may do. The values are stored; they are never given another meaning."""

    LIVE = "live"
    REPLAY = "replay"
    RECORDED = "recorded"
    EXPORT = "export"
    SHIFT = "shift"
    REDACT = "redact"
    MOVE = "move"
    CHANGE_CAMERAS = "change-cameras"
    INSPECT = "inspect"
    PLAN = "plan"
    MANAGE_PEOPLE = "manage-people"
    READ_LEDGER = "read-ledger"
    KEEP_KEYS = "keep-keys"


WORDS: Final[dict[Action, str]] = {
    Action.LIVE: "Watch live",
    Action.REPLAY: "Replay the last minutes",
    Action.RECORDED: "Look back at recorded footage",
    Action.EXPORT: "Export footage",
    Action.SHIFT: "Open a purpose for a shift",
    Action.REDACT: "Redact footage",
    Action.MOVE: "Move a camera",
    Action.CHANGE_CAMERAS: "Add and change sites and cameras",
    Action.INSPECT: "Inspect equipment",
    Action.PLAN: "Plan replacement",
    Action.MANAGE_PEOPLE: "Manage people and rights",
    Action.READ_LEDGER: "Read who did what",
    Action.KEEP_KEYS: "Keep the keys of footage",
}
"""Each action as pages name it."""

STARTING_ROLES: Final[dict[str, tuple[Action, ...]]] = {
    "Operator": (Action.LIVE, Action.REPLAY, Action.MOVE),
    "Supervisor": (
        Action.LIVE,
        Action.REPLAY,
        Action.RECORDED,
        Action.EXPORT,
        Action.SHIFT,
        Action.REDACT,
        Action.MOVE,
    ),
    "CCTV manager": tuple(each for each in Action if each is not Action.READ_LEDGER),
    "Technician": (Action.LIVE, Action.MOVE, Action.CHANGE_CAMERAS, Action.INSPECT),
    "Data protection officer": (Action.RECORDED, Action.EXPORT, Action.REDACT, Action.READ_LEDGER, Action.KEEP_KEYS),
    "Senior responsible owner": (Action.PLAN, Action.READ_LEDGER),
    "Auditor": (Action.READ_LEDGER,),
    "Administrator": (Action.CHANGE_CAMERAS, Action.MANAGE_PEOPLE),
}
"""Roles that a new system begins with, as councils name them; they can be changed."""

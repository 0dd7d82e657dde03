"""The kinds of acts, as they stand in the ledger, and the words that pages have for them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Theme(StrEnum):
    """What acts are about, for who looks for some. The values stand in addresses."""

    LOOKING = "looking"
    PEOPLE = "people"
    CAMERAS = "cameras"
    SIGN_IN = "sign-in"
    SYSTEM = "system"


THEMES: Final[dict[Theme, str]] = {
    Theme.LOOKING: "Looking at pictures",
    Theme.PEOPLE: "People and their rights",
    Theme.CAMERAS: "Sites, cameras, purposes and retention",
    Theme.SIGN_IN: "Signing in",
    Theme.SYSTEM: "The system and its keys",
}


class Kind(StrEnum):
    """What was done. The values are written into the ledger: none is ever given another meaning."""

    LOOK_LIVE = "look.live"
    LOOK_ASKED = "look.asked"
    LOOK_TOUCHED = "look.touched"
    LOOK_OPENED = "look.opened"
    LOOK_REPLAYED = "look.replayed"
    LOOK_ENDED = "look.ended"
    LOOK_REFUSED = "look.refused"
    CLIP_TAKEN = "clip.taken"
    APPROVAL_OPENED = "approval.opened"
    APPROVAL_ENDED = "approval.ended"

    SIGNED_IN = "sign-in.done"
    SIGN_IN_FAILED = "sign-in.failed"
    SIGNED_OUT = "sign-in.ended"
    PROOF_FAILED = "sign-in.proof-failed"

    PERSON_ADDED = "person.added"
    PERSON_CHANGED = "person.changed"
    PERSON_REMOVED = "person.removed"
    PERSON_RESTORED = "person.restored"
    PERSON_INVITED = "person.invited"
    PROOFS_CHANGED = "person.proofs"
    ROLE_GIVEN = "right.given"
    ROLE_TAKEN = "right.taken"
    ROLE_CHANGED = "role.changed"
    GROUP_CHANGED = "group.changed"
    TOKEN_MADE = "token.made"  # noqa: S105 - a word, no secret
    TOKEN_ENDED = "token.ended"  # noqa: S105 - a word, no secret

    SITE_CHANGED = "site.changed"
    CAMERA_ADDED = "camera.added"
    CAMERA_CHANGED = "camera.changed"
    CAMERA_STATE = "camera.state"
    DEVICE_CHANGED = "device.changed"
    DEVICE_PROBED = "device.probed"
    PURPOSE_CHANGED = "purpose.changed"
    LAYOUT_CHANGED = "layout.changed"
    PLAN_CHANGED = "plan.changed"
    ALERT_CHANGED = "alert.changed"

    KEY_MADE = "key.made"
    KEY_UNLOCKED = "key.unlocked"
    KEY_LOCKED = "key.locked"
    KEY_REFUSED = "key.refused"
    KEY_TRIED = "key.tried"
    SECURITY_KEY_PROPOSED = "key.proposed"
    SECURITY_KEY_APPROVED = "key.approved"
    SECURITY_KEY_ENDED = "key.ended"
    KEYRING_FOUNDED = "keyring.founded"
    KEYRING_SEALED = "keyring.sealed"
    KEYRING_DRILLED = "keyring.drilled"
    KEY_TOUCHED = "key.touched"
    GLASS_BROKEN = "key.recovery-used"
    REQUEST_REFUSED = "key.request-refused"
    WRAPS_ALTERED = "key.does-not-open"
    POLICY_CHANGED = "custody.changed"
    STARTED = "system.started"
    STOPPED = "system.stopped"
    BACKED_UP = "system.backup"
    RESTORED = "system.restored"
    READ = "ledger.read"
    PRUNED = "ledger.pruned"
    RECORDER_LEDGER = "recorder.ledger"
    RECORDER_CHECKPOINT = "recorder.checkpoint"
    RECORDER_REFUSED = "recorder.refused"


WORDS: Final[dict[Kind, str]] = {
    Kind.LOOK_LIVE: "Watched live",
    Kind.LOOK_ASKED: "Asked for recorded footage, which security keys open",
    Kind.LOOK_TOUCHED: "Touched a security key to open recorded footage",
    Kind.LOOK_OPENED: "Opened recorded footage",
    Kind.LOOK_REPLAYED: "Replayed the last minutes",
    Kind.LOOK_ENDED: "Stopped looking",
    Kind.LOOK_REFUSED: "Asked for pictures that they may not see",
    Kind.CLIP_TAKEN: "Saved a clip",
    Kind.APPROVAL_OPENED: "Opened a purpose for a shift",
    Kind.APPROVAL_ENDED: "Ended a purpose for a shift",
    Kind.SIGNED_IN: "Signed in",
    Kind.SIGN_IN_FAILED: "Failed to sign in",
    Kind.SIGNED_OUT: "Signed out",
    Kind.PROOF_FAILED: "Failed to prove who they are",
    Kind.PERSON_ADDED: "Added an account",
    Kind.PERSON_CHANGED: "Changed an account",
    Kind.PERSON_REMOVED: "Removed an account",
    Kind.PERSON_RESTORED: "Restored an account",
    Kind.PERSON_INVITED: "Sent a link to choose a password",
    Kind.PROOFS_CHANGED: "Changed how somebody proves who they are",
    Kind.ROLE_GIVEN: "Gave a role",
    Kind.ROLE_TAKEN: "Took a role away",
    Kind.ROLE_CHANGED: "Changed a role",
    Kind.GROUP_CHANGED: "Changed a group of sites",
    Kind.TOKEN_MADE: "Made a token for programs",
    Kind.TOKEN_ENDED: "Ended a token",
    Kind.SITE_CHANGED: "Changed a site",
    Kind.CAMERA_ADDED: "Added a camera",
    Kind.CAMERA_CHANGED: "Changed a camera",
    Kind.CAMERA_STATE: "Switched a camera on or off",
    Kind.DEVICE_CHANGED: "Changed a camera’s device",
    Kind.DEVICE_PROBED: "Had a device looked at, with pictures of it",
    Kind.PURPOSE_CHANGED: "Changed a purpose",
    Kind.LAYOUT_CHANGED: "Changed a layout or tour that is shared",
    Kind.PLAN_CHANGED: "Changed a floor plan",
    Kind.ALERT_CHANGED: "Changed an alert rule",
    Kind.KEY_MADE: "Made the site’s key",
    Kind.KEY_UNLOCKED: "Unlocked recorded footage",
    Kind.KEY_LOCKED: "Locked recorded footage",
    Kind.KEY_REFUSED: "Tried a wrong passphrase on the site’s key",
    Kind.KEY_TRIED: "Tried whether yesterday’s footage opens",
    Kind.SECURITY_KEY_PROPOSED: "Registered a security key",
    Kind.SECURITY_KEY_APPROVED: "Approved a security key",
    Kind.SECURITY_KEY_ENDED: "Took a security key out of use",
    Kind.KEYRING_FOUNDED: "Founded a keyring",
    Kind.KEYRING_SEALED: "Sealed a keyring anew",
    Kind.KEYRING_DRILLED: "Tried that footage can be opened with a key",
    Kind.KEY_TOUCHED: "Touched a security key",
    Kind.GLASS_BROKEN: "Used the recovery on paper in place of a security key",
    Kind.REQUEST_REFUSED: "Refused what security keys were asked for",
    Kind.WRAPS_ALTERED: "Found footage that its keys do not open",
    Kind.POLICY_CHANGED: "Changed the custody policy",
    Kind.STARTED: "Started",
    Kind.STOPPED: "Stopped",
    Kind.BACKED_UP: "Made a backup",
    Kind.RESTORED: "Restored a backup",
    Kind.READ: "Looked into who did what",
    Kind.PRUNED: "Removed old details from the ledger",
    Kind.RECORDER_LEDGER: "Began to witness the recorder’s ledger",
    Kind.RECORDER_CHECKPOINT: "Witnessed the recorder’s ledger",
    Kind.RECORDER_REFUSED: "The recorder’s ledger does not continue what was seen",
}

_ABOUT: Final[dict[str, Theme]] = {
    "look": Theme.LOOKING,
    "clip": Theme.LOOKING,
    "approval": Theme.LOOKING,
    "sign-in": Theme.SIGN_IN,
    "person": Theme.PEOPLE,
    "right": Theme.PEOPLE,
    "role": Theme.PEOPLE,
    "group": Theme.PEOPLE,
    "token": Theme.PEOPLE,
    "site": Theme.CAMERAS,
    "camera": Theme.CAMERAS,
    "device": Theme.CAMERAS,
    "purpose": Theme.CAMERAS,
    "layout": Theme.CAMERAS,
    "plan": Theme.CAMERAS,
    "alert": Theme.SYSTEM,
    "key": Theme.SYSTEM,
    "keyring": Theme.SYSTEM,
    "custody": Theme.SYSTEM,
    "system": Theme.SYSTEM,
    "ledger": Theme.SYSTEM,
    "recorder": Theme.SYSTEM,
}
"""By what stands before the point of a kind."""


def theme_of(kind: str) -> Theme:
    """Return what a kind is about; one that is not known (of a later version) is the system's."""
    return _ABOUT.get(kind.partition(".")[0], Theme.SYSTEM)


def words_of(kind: str) -> str:
    """Return a kind as pages name it; one that is not known, as it stands in the ledger."""
    try:
        return WORDS[Kind(kind)]
    except ValueError:
        return kind


def kinds_of(theme: Theme) -> tuple[Kind, ...]:
    """Return the kinds of a theme, in the order in which pages show them."""
    return tuple(each for each in Kind if theme_of(each) == theme)

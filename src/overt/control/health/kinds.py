"""The kinds of conditions: how bad each is, what it is called, and what to do (docs/reference/conditions.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from overt.control.health.severity import Severity


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of condition."""

    name: str
    severity: Severity
    words: str
    """What it is called in lists."""
    advice: str
    """What to do."""
    heard: bool = True
    """Only a recorder that answers can say whether it stands; while it is away, nothing is decided."""


CAMERA_LOST: Final = Kind(
    "camera-lost",
    Severity.URGENT,
    "Camera lost",
    "Check its power and its network. If others of the same site are lost too, look at the switch that they share.",
)
CAMERA_REFUSED: Final = Kind(
    "camera-refused",
    Severity.URGENT,
    "Camera refuses",
    "Check user name, password and stream address of its device; somebody may have changed them at the camera.",
)
NO_FRAMES: Final = Kind(
    "no-frames",
    Severity.URGENT,
    "Connected, but no pictures",
    "Restart the camera. If it happens again, check its firmware and how many others draw pictures from it.",
)
CAPTURE_FAILED: Final = Kind(
    "capture-failed",
    Severity.URGENT,
    "Capture failed",
    "This is a fault of Overt's own. The log has the details: report it.",
)
RECORDING_GAP: Final = Kind(
    "recording-gap",
    Severity.URGENT,
    "Not recorded",
    "Look at the cause. If it is the disk, mend that first: recording goes on by itself.",
)
SUBSTREAM_LOST: Final = Kind(
    "substream-lost",
    Severity.NOTICE,
    "Small stream lost",
    "The camera is recorded; walls may show no picture. Check that its substream is switched on.",
)
PICTURE_SUSPECT: Final = Kind(
    "picture-suspect",
    Severity.WARNING,
    "Picture may be frozen or black",
    "This is a sign and no finding: look at the picture. If it is good, nothing need be done.",
)
CAMERA_CLOCK: Final = Kind(
    "camera-clock",
    Severity.WARNING,
    "Camera clock wrong",
    "Give the camera a time server (NTP). Footage is dated by the recorder's clock; the time in the picture is wrong.",
)
NOT_TAKEN: Final = Kind(
    "camera-not-taken",
    Severity.URGENT,
    "Recorder does not record it",
    "The register says that it is recorded. Save the camera again; if that does not help, look at the recorder's log.",
)
REVIEW_OVERDUE: Final = Kind(
    "review-overdue",
    Severity.NOTICE,
    "Review overdue",
    "Decide whether the camera is still needed, write down why, and set the day of the next review.",
    heard=False,
)
RECORDER_AWAY: Final = Kind(
    "recorder-away",
    Severity.URGENT,
    "Recorder does not answer",
    "Check that the recorder runs. It records on its own if only the way to it is cut.",
    heard=False,
)
NOT_BEGUN: Final = Kind(
    "not-begun",
    Severity.NOTICE,
    "Recording has not begun",
    "Make the site's key on the page “Footage key”: everything is sealed to it, so nothing is recorded before.",
    heard=False,
)
RECORDER_CLOCK: Final = Kind(
    "recorder-clock",
    Severity.WARNING,
    "Recorder clock stepped",
    "Check the time server (NTP) of the machine. Times of footage on either side of a step do not match each other.",
)
WORKER_RESTARTED: Final = Kind(
    "worker-restarted",
    Severity.WARNING,
    "Capture worker restarted",
    "If it happens again and again, look at the recorder's log and at the memory of the machine.",
)
WORKER_DOWN: Final = Kind(
    "worker-down",
    Severity.URGENT,
    "Capture worker down",
    "It is restarted by itself. If it stays so, look at the recorder's log.",
)
MEDIA_DOWN: Final = Kind(
    "media-down",
    Severity.WARNING,
    "Nobody can watch",
    "Recording is not affected. The media process is restarted by itself; if it stays so, look at the recorder's log.",
)
ASSIGNMENT_REFUSED: Final = Kind(
    "assignment-refused",
    Severity.URGENT,
    "Recorder refused a change",
    "It goes on with what it had. Correct the camera that the reason names, and save it.",
    heard=False,
)
ASSIGNMENT_WAITING: Final = Kind(
    "assignment-waiting",
    Severity.URGENT,
    "Change not taken by the recorder",
    "Until the recorder takes it, it goes on with what it had. Look at the reason, and at the recorder's log.",
)
SEALED_TO_OTHERS: Final = Kind(
    "sealed-to-others",
    Severity.URGENT,
    "Sealed to a key that is not the site’s",
    "Find out who changed recipients.json at the recorder, and put the site's own in its place: it is followed within "
    "seconds. Whoever has that other key can open what was recorded meanwhile, and you cannot.",
)
KEYS_REFUSED: Final = Kind(
    "keys-refused",
    Severity.URGENT,
    "Recorder refused the site’s keys",
    "It goes on sealing to the keys that it had. Look at the reason, and put a good recipients.json in its place.",
)
NOT_OPENED: Final = Kind(
    "footage-not-opened",
    Severity.URGENT,
    "Yesterday’s footage cannot be opened",
    "Try to look at yesterday on the page. If that fails too, stop changing keys, keep keys.sqlite as it is, and find "
    "out what happened to it: footage whose wrapped key is altered or lost can never be opened again.",
    heard=False,
)
RECOVERY_USED: Final = Kind(
    "recovery-used",
    Severity.URGENT,
    "Recovery on paper used",
    "Ask whoever did it why, and look at what it opened (who did what). If nobody knows of it, give the role a new key "
    "and a new recovery at once.",
    heard=False,
)
KEYS_DO_NOT_OPEN: Final = Kind(
    "keys-do-not-open",
    Severity.URGENT,
    "Keys in hand did not open footage",
    "Compare the key ids that the recorder seals to with those of the keyrings. What was sealed to another's key can "
    "never be opened with the site's.",
    heard=False,
)
KEYS_LACKING: Final = Kind(
    "keys-lacking",
    Severity.WARNING,
    "Too few keys in hand",
    "Register keys and seal the keyring anew, on the page of keys in hand: when the last key is lost, the paper alone "
    "opens what is recorded.",
    heard=False,
)
DRILL_DUE: Final = Kind(
    "drill-due",
    Severity.NOTICE,
    "Keys not tried for a quarter",
    "Try on the page of keys in hand that footage can be opened.",
    heard=False,
)
FACTS_FAILING: Final = Kind(
    "facts-failing",
    Severity.WARNING,
    "Recorder cannot keep its facts",
    "Mend the disk that the recorder's footage directory is on, or gaps will be missing from this page.",
)
LEDGER_FAILING: Final = Kind(
    "recorder-ledger-failing",
    Severity.WARNING,
    "Recorder cannot keep its ledger",
    "Recording is not affected. Mend what is named: until then nothing proves what is recorded; the ledger catches up.",
)
LEDGER_REFUSED: Final = Kind(
    "recorder-ledger-refused",
    Severity.URGENT,
    "Recorder's ledger was altered",
    "Change nothing on the recorder, keep copies, tell the data protection officer and the auditor. If a backup was "
    "put back, or the disk replaced, begin anew under “Who did what”, “The recorder’s ledger”, and say why.",
    heard=False,
)
RECORDER_TROUBLE: Final = Kind(
    "recorder-trouble",
    Severity.WARNING,
    "Recorder has trouble",
    "Look at what it says, and at its log.",
)
DISK_FULL: Final = Kind(
    "disk-full",
    Severity.URGENT,
    "Disk full",
    "Nothing is written there. Make room, add a storage location, or shorten retention.",
)
DISK_READ_ONLY: Final = Kind(
    "disk-read-only",
    Severity.URGENT,
    "Disk cannot be written",
    "Check the file system and the recorder's permissions. Disks go read-only when they begin to fail.",
)
DISK_MISSING: Final = Kind(
    "disk-missing",
    Severity.URGENT,
    "Disk missing",
    "Check that the disk is connected and mounted. Nothing is deleted or written there meanwhile.",
)
DISK_FAILING: Final = Kind(
    "disk-failing",
    Severity.URGENT,
    "Disk failing",
    "Replace the disk. Export what is needed from it first.",
)
DISK_SLOW: Final = Kind(
    "disk-slow",
    Severity.WARNING,
    "Disk slow",
    "Look for what else uses the disk. A disk that stays slow loses footage, and may be about to fail.",
)
DISK_FILLING: Final = Kind(
    "disk-filling",
    Severity.WARNING,
    "Disk filling",
    "Add a disk, or shorten retention, before the day on which it will be full.",
)
RECORDING_BEHIND: Final = Kind(
    "recording-behind",
    Severity.WARNING,
    "Disk does not keep up",
    "Much footage waits to be written. Look for what else uses the disk.",
)
RETENTION_SHORT: Final = Kind(
    "retention-short",
    Severity.URGENT,
    "Footage deleted before its days",
    "The disk was full, and the oldest footage went. Add a disk, or set a retention that the disk can hold.",
    heard=False,
)
RETENTION_OVERDUE: Final = Kind(
    "retention-overdue",
    Severity.WARNING,
    "Footage kept too long",
    "It is older than its retention allows. Look at the recorder's log for what keeps it from deleting.",
)
CERTIFICATE: Final = Kind(
    "certificate-expiring",
    Severity.WARNING,
    "Certificate expires",
    "Renew the certificate. After its last day, browsers refuse the pages.",
    heard=False,
)

KINDS: Final[dict[str, Kind]] = {
    each.name: each
    for each in (
        CAMERA_LOST,
        CAMERA_REFUSED,
        NO_FRAMES,
        CAPTURE_FAILED,
        RECORDING_GAP,
        NOT_TAKEN,
        SUBSTREAM_LOST,
        PICTURE_SUSPECT,
        CAMERA_CLOCK,
        REVIEW_OVERDUE,
        RECORDER_AWAY,
        NOT_BEGUN,
        RECORDER_CLOCK,
        WORKER_DOWN,
        WORKER_RESTARTED,
        MEDIA_DOWN,
        ASSIGNMENT_REFUSED,
        ASSIGNMENT_WAITING,
        SEALED_TO_OTHERS,
        KEYS_REFUSED,
        NOT_OPENED,
        RECOVERY_USED,
        KEYS_DO_NOT_OPEN,
        KEYS_LACKING,
        DRILL_DUE,
        FACTS_FAILING,
        LEDGER_FAILING,
        LEDGER_REFUSED,
        RECORDER_TROUBLE,
        DISK_FULL,
        DISK_READ_ONLY,
        DISK_MISSING,
        DISK_FAILING,
        DISK_SLOW,
        DISK_FILLING,
        RECORDING_BEHIND,
        RETENTION_SHORT,
        RETENTION_OVERDUE,
        CERTIFICATE,
    )
}
"""Every kind by its name, in the order of lists."""
LOSSES: Final = frozenset({CAMERA_LOST.name, NO_FRAMES.name, RECORDING_GAP.name})
"""Kinds that come to many cameras at once when a switch or a building loses its power."""
UNRECORDED: Final = frozenset(
    each.name for each in (CAMERA_LOST, CAMERA_REFUSED, NO_FRAMES, CAPTURE_FAILED, RECORDING_GAP, NOT_TAKEN)
)
"""Kinds that say of a camera that it is not recorded: one after the other is the same trouble going on."""
NAMING: Final = frozenset(
    {
        ASSIGNMENT_REFUSED.name,
        ASSIGNMENT_WAITING.name,
        RECORDER_TROUBLE.name,
        SEALED_TO_OTHERS.name,
        NOT_OPENED.name,
        RECOVERY_USED.name,
    }
)
"""Kinds about a recorder whose words may name any camera: for those alone who may know of all."""

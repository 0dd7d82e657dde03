"""What is wrong now? Plain functions on plain values; each finding says what, since when, and what to do (`kinds`).

The same situation always yields the same findings, so that what is kept changes only when something changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from overt.control.health import kinds
from overt.control.health.disks import Outlook
from overt.control.health.kinds import Kind
from overt.control.health.plain_text import plain
from overt.control.health.report import DiskReport, StreamReport
from overt.control.health.severity import Severity
from overt.control.health.site_keys import keys_in_words
from overt.control.health.situation import Found, Situation
from overt.ids import MAIN

LOST_AFTER_S: Final = 15.0
"""A camera may take this long to be connected (again) before it counts as lost."""
SILENT_AFTER_S: Final = 10.0
"""Without a frame for so long, a camera sends no pictures, whatever it says."""
CAMERA_OFFSET_S: Final = 2.0
RECORDER_OFFSET_S: Final = 0.5
STEP_TOLD: Final = dt.timedelta(hours=1)
"""A step of the clock, and the restart of a worker, are told for so long."""
OFTEN: Final = 3
"""Restarts within that time from which on they are urgent."""
NOT_TAKEN_AFTER: Final = dt.timedelta(seconds=60)
AWAY_AFTER: Final = dt.timedelta(seconds=5)
FULL_WITHIN: Final = dt.timedelta(days=7)
SHORT_TOLD: Final = dt.timedelta(days=1)
OVERDUE_SLACK: Final = dt.timedelta(days=1)
BEHIND_SHARE: Final = 0.5
SUSPECT_AFTER: Final = dt.timedelta(minutes=5)
NAMED: Final = 5
"""Cameras that are named, of those whose footage is sealed to others."""
EXPIRES_WITHIN: Final = (1, 7, 30)
"""Days before a certificate's end at which it is said, and said more urgently."""


def find(situation: Situation) -> list[Found]:
    """Return everything that is wrong, each thing once."""
    found: dict[tuple[str, str], Found] = {}
    for rule in _RULES:
        for each in rule(situation):
            found.setdefault(each.identity, each)
    return list(found.values())


# --- cameras ----------------------------------------------------------------------------------------------------------


def _about(
    situation: Situation,
    key: str,
    kind: Kind,
    title: str,
    words: str,
    since: dt.datetime | None = None,
    *,
    part: str = "",
) -> Found:
    """Build what is found about a camera; `title` is said of its name."""
    known = situation.cameras.get(key)
    name = plain(known.name, 200) if known else plain(key, 80)
    subject = f"camera:{plain(key, 80)}{part}"
    network = known.network if known else ""
    return Found(kind, subject, f"{name} {title}", words, since, camera=key[:63], network=network)


def _because(reason: str) -> str:
    said = plain(reason).rstrip(".")
    return f" The recorder says: {said}." if said else ""


def _streams(situation: Situation) -> Iterator[Found]:
    if situation.report is None:
        return
    for stream in situation.report.streams:
        if stream.state == "stopped":
            continue
        if stream.stream != MAIN:
            yield from _substream(situation, stream)
            continue
        found = _lost(situation, stream)
        if found is not None:
            yield found
            continue
        yield from _recorded(situation, stream)


def _lost(situation: Situation, stream: StreamReport) -> Found | None:
    """Say why a main stream is not recorded, by its state; None if the state is good, or young."""
    since = stream.since or (situation.report.started if situation.report else situation.now)
    gap = situation.gaps.get(stream.camera)
    begun = min(since, gap.start) if gap else since
    age_s = (situation.now - since).total_seconds()
    key, because = stream.camera, _because(stream.reason)
    if stream.state in {"unreachable", "connecting"} and (gap is not None or age_s >= LOST_AFTER_S):
        if gap is not None and (situation.now - begun).total_seconds() < LOST_AFTER_S:
            return None
        return _about(
            situation, key, kinds.CAMERA_LOST, "is lost", f"It cannot be reached, and is not recorded.{because}", begun
        )
    if stream.state == "refused":
        words = f"It answers, and refuses its pictures. It is not recorded.{because}"
        return _about(situation, key, kinds.CAMERA_REFUSED, "refuses its pictures", words, begun)
    if stream.state == "stalled":
        words = f"It is connected and sends no pictures. It is not recorded.{because}"
        return _about(situation, key, kinds.NO_FRAMES, "sends no pictures", words, begun)
    if stream.state == "failed":
        words = f"Its pictures cannot be taken, by a fault of Overt's own. It is not recorded.{because}"
        return _about(situation, key, kinds.CAPTURE_FAILED, "cannot be captured", words, begun)
    return None


def _recorded(situation: Situation, stream: StreamReport) -> Iterator[Found]:
    """Say what is wrong with a main stream that is (about to be) recorded."""
    key = stream.camera
    if (
        stream.state == "recording"
        and stream.last_frame_age_s is not None
        and stream.last_frame_age_s >= SILENT_AFTER_S
    ):
        words = "It counts as recorded, and its last picture is old: nothing comes any more."
        since = situation.now - dt.timedelta(seconds=stream.last_frame_age_s)
        yield _about(situation, key, kinds.NO_FRAMES, "sends no pictures", words, since.replace(microsecond=0))
    gap = situation.gaps.get(key)
    if (
        gap is not None
        and stream.state == "recording"
        and situation.now - gap.start >= dt.timedelta(seconds=LOST_AFTER_S)
    ):
        words = f"Nothing of it is recorded; cause: {gap.cause}.{_because(gap.reason)}"
        yield _about(situation, key, kinds.RECORDING_GAP, "is not recorded", words, gap.start)
    if stream.queue_share >= BEHIND_SHARE:
        words = "More than half of what may wait to be written waits. When no more may wait, footage is lost."
        yield _about(situation, key, kinds.RECORDING_BEHIND, "waits for the disk", words)
    offset = stream.camera_offset_s
    if offset is not None and abs(offset) > CAMERA_OFFSET_S:
        way = "fast" if offset > 0 else "slow"
        words = f"Its clock is more than {CAMERA_OFFSET_S:g} seconds {way}."
        yield _about(situation, key, kinds.CAMERA_CLOCK, f"has a clock that is {way}", words)
    suspect = situation.suspects.get(key)
    if stream.state == "recording" and suspect is not None and situation.now - suspect.since >= SUSPECT_AFTER:
        words = (
            f"It sends far less than it usually does (about {suspect.usual_bit_rate / 1_000_000:.1f} Mbit/s). "
            "A picture that is frozen or black looks like this; so may a very quiet scene."
        )
        yield _about(situation, key, kinds.PICTURE_SUSPECT, "may show nothing", words, suspect.since)


def _substream(situation: Situation, stream: StreamReport) -> Iterator[Found]:
    main = situation.report.main_streams.get(stream.camera) if situation.report else None
    since = stream.since
    if main is None or main.state != "recording" or stream.state == "recording" or since is None:
        return
    if (situation.now - since).total_seconds() >= LOST_AFTER_S:
        words = f"Its small stream, which walls show, is {stream.state}.{_because(stream.reason)}"
        title = "has no small stream"
        yield _about(
            situation, stream.camera, kinds.SUBSTREAM_LOST, title, words, since, part=f"/{plain(stream.stream, 63)}"
        )


def _register(situation: Situation) -> Iterator[Found]:
    report = situation.report
    there = report.main_streams.keys() if report else frozenset[str]()
    for camera in situation.cameras.values():
        if report is not None and camera.recorded and camera.key not in there:
            old_enough = camera.changed_at is None or situation.now - camera.changed_at >= NOT_TAKEN_AFTER
            if old_enough and situation.now - report.started >= NOT_TAKEN_AFTER:
                words = "The register says that it is to be recorded, and the recorder does not know it."
                if camera.key in situation.left_out:
                    words = f"It cannot be put to the recorder: {plain(situation.left_out[camera.key])}"
                yield _about(situation, camera.key, kinds.NOT_TAKEN, "is not recorded", words)
        if camera.review_on is not None and camera.review_on < situation.today:
            on = f"{camera.review_on.day} {camera.review_on:%B %Y}"
            words = f"The need for it was to be reviewed by {on}."
            midnight = dt.datetime.combine(camera.review_on + dt.timedelta(days=1), dt.time(), situation.now.tzinfo)
            yield _about(situation, camera.key, kinds.REVIEW_OVERDUE, "is due for review", words, midnight)


# --- recorder ---------------------------------------------------------------------------------------------------------


def _recorder(situation: Situation) -> Iterator[Found]:
    subject = f"recorder:{situation.recorder}"
    if situation.away_since is not None and not situation.key_made:
        words = "The site has no key yet, to which footage could be sealed."
        yield Found(kinds.NOT_BEGUN, subject, "Recording has not begun", words, situation.away_since)
    elif situation.away_since is not None and situation.now - situation.away_since >= AWAY_AFTER:
        words = f"Whether cameras are recorded is not known. What was met: {plain(situation.away_reason)}"
        yield Found(kinds.RECORDER_AWAY, subject, "The recorder does not answer", words, situation.away_since)
    if situation.refused_at is not None:
        words = f"It goes on with what it had.{_because(situation.refused_reason)}"
        title = "The recorder refused a change of cameras"
        yield Found(kinds.ASSIGNMENT_REFUSED, subject, title, words, situation.refused_at)
    if situation.ledger_refused_at is not None:
        words = f"It is not the one that was seen before, or not all of it: {plain(situation.ledger_refused_words)}"
        title = "The recorder's ledger does not continue what was seen"
        yield Found(kinds.LEDGER_REFUSED, subject, title, words, situation.ledger_refused_at)
    report = situation.report
    if report is None:
        return
    if situation.waiting_since is not None and situation.now - situation.waiting_since >= NOT_TAKEN_AFTER:
        words = f"What was changed about cameras is not in force.{_because(situation.waiting_reason)}"
        title = "The recorder has not taken a change of cameras"
        yield Found(kinds.ASSIGNMENT_WAITING, subject, title, words, situation.waiting_since)
    if report.facts.error:
        words = f"Facts wait in memory.{_because(report.facts.error)}"
        yield Found(kinds.FACTS_FAILING, subject, "The recorder cannot write its facts", words)
    if report.ledger.error:
        words = f"Recording goes on, and nothing proves what is recorded.{_because(report.ledger.error)}"
        title = "The recorder cannot write its ledger"
        yield Found(kinds.LEDGER_FAILING, subject, title, words, report.ledger.since)
    if report.media.state in {"silent", "restarting"}:
        words = "The process that serves pictures does not answer. Cameras are recorded all the same."
        yield Found(kinds.MEDIA_DOWN, subject, "Nobody can watch", words)
    if report.troubles:
        words = plain(" ".join(report.troubles), 1000)
        yield Found(kinds.RECORDER_TROUBLE, subject, "The recorder has trouble", words)
    for worker in report.workers:
        if worker.state in {"silent", "restarting"}:
            words = f"It is {worker.state}; the streams that it carries are not recorded."
            yield Found(kinds.WORKER_DOWN, f"worker:{worker.worker}", f"Capture worker {worker.worker} is down", words)


def _keys(situation: Situation) -> Iterator[Found]:
    subject = f"recorder:{situation.recorder}"
    foreign = situation.sealed.foreign
    if foreign is not None:
        strangers = ", ".join(plain(each, 16) for each in foreign.strangers)
        title = f"Footage is being sealed to a key that is not the site’s: {strangers}"
        if not strangers:
            title = "Footage is not being sealed to the keys that the site’s policy names"
        used = "; ".join(keys_in_words(each) for each in foreign.used)
        words = f"It is sealed to {used}. The site’s is {keys_in_words(foreign.wanted)}."
        if foreign.same_ids:
            words += " The ids agree, and the public keys do not."
        words += _of_cameras(situation, foreign.cameras)
        yield Found(kinds.SEALED_TO_OTHERS, subject, title, words, foreign.since)
    if situation.sealed.own_problem:
        title = "The control room’s own file of public keys cannot be believed"
        words = f"Whom footage is sealed to cannot be compared with it: {plain(situation.sealed.own_problem)}."
        yield Found(kinds.SEALED_TO_OTHERS, "recipients", title, words)
    sealing = situation.report.sealing if situation.report else None
    if sealing is not None and sealing.trouble:
        words = f"Footage goes on being sealed to the keys before.{_because(sealing.trouble)}"
        yield Found(kinds.KEYS_REFUSED, subject, "The recorder refused the site’s public keys", words)
    if situation.unopened:
        words = f"The site’s key was tried on it, and does not open it: {plain(situation.unopened, 600)}."
        title = "Yesterday’s footage cannot be opened"
        yield Found(kinds.NOT_OPENED, subject, title, words, situation.unopened_since)


def _in_hand(situation: Situation) -> Iterator[Found]:
    now = situation.in_hand
    if now.recovered:
        first = now.recovered[0]
        times = "once" if len(now.recovered) == 1 else f"{len(now.recovered)} times"
        words = f"It was used {times} within a week; last for what {plain(first.person, 80)} asked ({first.kind})."
        yield Found(kinds.RECOVERY_USED, "keys", "A recovery on paper was used in place of a key", words, first.at)
    if now.failed:
        words = f"{now.failed} key periods did not open with the keys that were touched."
        yield Found(kinds.KEYS_DO_NOT_OPEN, "keys", "Keys in hand did not open footage", words, now.failed_since)
    if now.lacking:
        yield Found(kinds.KEYS_LACKING, "keys", "Too few keys in hand for the policy in force", " ".join(now.lacking))
    if now.undrilled:
        words = f"Nobody has tried the keyring of {' and '.join(f'“{each}”' for each in now.undrilled)} for a quarter."
        yield Found(kinds.DRILL_DUE, "keys", "It was not tried for a quarter that footage can be opened", words)


def _of_cameras(situation: Situation, cameras: Sequence[str]) -> str:
    """Name the first of them; empty where the recorder alone says so."""
    if not cameras:
        return " No footage was found sealed so yet: the recorder says it."
    names = [plain(known.name if (known := situation.cameras.get(key)) else key, 80) for key in cameras[:NAMED]]
    more = f" and {len(cameras) - NAMED} more" if len(cameras) > NAMED else ""
    return f" Cameras: {', '.join(names)}{more}."


def _clock(situation: Situation) -> Iterator[Found]:
    if situation.report is None:
        return
    recent = [each for each in situation.steps if situation.now - each.at < STEP_TOLD]
    if not recent and abs(situation.report.clock.offset_s) <= RECORDER_OFFSET_S:
        return
    if recent:
        last = recent[-1]
        words = f"It was set {'forward' if last.seconds > 0 else 'back'} by {abs(last.seconds):.1f} seconds."
        since = recent[0].at
    else:
        words, since = "It differs from the recorder's own line of time.", None
    title = "The recorder's clock was set, or is off"
    yield Found(kinds.RECORDER_CLOCK, f"recorder:{situation.recorder}", title, words, since)


def _restarts(situation: Situation) -> Iterator[Found]:
    for worker in sorted({each.worker for each in situation.restarts}):
        recent = [e for e in situation.restarts if e.worker == worker and situation.now - e.at < STEP_TOLD]
        if situation.report is None or not recent:
            continue
        often = len(recent) >= OFTEN
        times = "again and again" if often else "once" if len(recent) == 1 else "twice"
        words = f"It ended unasked {times} within an hour, and was started again.{_because(recent[-1].reason)}"
        yield Found(
            kinds.WORKER_RESTARTED,
            f"worker:{worker}",
            f"Capture worker {worker} was restarted",
            words,
            recent[0].at,
            severity=Severity.URGENT if often else None,
        )


# --- disks and retention ----------------------------------------------------------------------------------------------

_DISK_KINDS: Final[dict[str, tuple[Kind, str]]] = {
    "full": (kinds.DISK_FULL, "is full"),
    "read-only": (kinds.DISK_READ_ONLY, "cannot be written"),
    "missing": (kinds.DISK_MISSING, "is missing"),
    "failing": (kinds.DISK_FAILING, "is failing"),
    "slow": (kinds.DISK_SLOW, "is slow"),
}


def _disks(situation: Situation) -> Iterator[Found]:
    for disk in situation.report.disks if situation.report else ():
        where = plain(disk.location, 200)
        kind = _DISK_KINDS.get(disk.state)
        if kind is not None:
            words = (_because(disk.reason) or "The recorder gives no reason.").strip()
            yield Found(kind[0], f"disk:{where}", f"Disk {where} {kind[1]}", words, disk.since)
        elif (filling := _filling(situation, disk)) is not None:
            yield Found(
                kinds.DISK_FILLING,
                f"disk:{where}",
                f"Disk {where} is filling",
                filling,
                disk.since if disk.state == "low" else None,
            )


def _filling(situation: Situation, disk: DiskReport) -> str | None:
    """Say that a disk fills; None if it does not, or not soon."""
    full_at = situation.outlooks.get(disk.location, Outlook(None, known=False)).full_at
    if full_at is not None and full_at - situation.now <= FULL_WITHIN:
        return f"At the rate of the last days it will be full on {full_at.day} {full_at:%B %Y}."
    return "Little is free." if disk.state == "low" else None


def _retention(situation: Situation) -> Iterator[Found]:
    for gone in situation.short:
        if situation.today - gone.at <= SHORT_TOLD:
            words = "The disk was full, and its oldest footage went to make room."
            title = "lost footage before its days were over"
            yield _about(situation, gone.camera, kinds.RETENTION_SHORT, title, words)
    for each in situation.report.unassigned if situation.report else ():
        if each.start is None or each.retention_days is None:
            continue
        due = each.start + dt.timedelta(days=each.retention_days)
        if situation.now > due + OVERDUE_SLACK:
            words = f"It was to be deleted after {each.retention_days:g} days."
            title = "has footage that is kept too long"
            yield _about(situation, each.camera, kinds.RETENTION_OVERDUE, title, words, due)


def _certificates(situation: Situation) -> Iterator[Found]:
    for each in situation.certificates:
        subject = f"certificate:{each.name}"
        if each.expires is None:
            words = plain(each.problem)
            yield Found(kinds.CERTIFICATE, subject, f"The certificate of {each.name} cannot be read", words)
            continue
        left = each.expires - situation.now
        if left > dt.timedelta(days=EXPIRES_WITHIN[-1]):
            continue
        on = f"{each.expires.day} {each.expires:%B %Y}"
        ended = left <= dt.timedelta(0)
        within = next(days for days in EXPIRES_WITHIN if left <= dt.timedelta(days=days))
        words = f"It ended on {on}: browsers refuse it." if ended else f"It ends on {on}, within {_days(within)}."
        title = f"The certificate of {each.name} {'has ended' if ended else 'ends soon'}"
        urgent = within < EXPIRES_WITHIN[-1]
        # Each nearer mark is said anew: what is within a day is another condition than what is within a month.
        subject = f"{subject}:{'ended' if ended else within}"
        yield Found(kinds.CERTIFICATE, subject, title, words, severity=Severity.URGENT if urgent else None)


def _days(count: int) -> str:
    return "a day" if count == 1 else f"{count} days"


_RULES: Final = (_streams, _register, _recorder, _keys, _in_hand, _clock, _restarts, _disks, _retention, _certificates)

"""Judgement: from what is observed of streams, disks, workers and clock to a level and sentences for a person.

`failing`: footage is being lost that this machine should save (a disk, a worker, Overt itself, or every camera).
`degraded`: a camera is not recorded, or something will become a loss if nobody acts. Pure functions, no state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from overt.contract.instant import SECOND
from overt.recorder.health import DiskHealth, Level, RecorderHealth, StreamHealth, WorkerHealth

CONNECTING_GRACE_S: Final = 15.0
"""A camera may take this long to be connected before that is worth a sentence."""
QUEUE_SHARE: Final = 0.5
"""A queue that is this full says that the disk does not keep up."""
OFFSET_S: Final = 5.0
"""A camera's clock that is off by more is worth correcting."""
RECENT_DAMAGE: Final = 0.01
"""Share of damaged frames from which a stream counts as damaged."""
RECENT_DEFECT_S: Final = 3600.0
"""A fault of Overt's own is worth a sentence for so long, even if the camera is recorded again."""
CERTIFICATE_DAYS: Final = 14
"""So long before its end a certificate is worth a sentence."""
BEHIND_S: Final = 30.0
"""Streams may take this long to be sealed to public keys that have changed."""
DAY_NS: Final = 86_400 * SECOND
MAX_SENTENCES: Final = 200

_FAILING_DISK: Final = frozenset({"full", "read-only", "missing", "failing"})

Finding = tuple[Level, str]


def assess(health: RecorderHealth) -> RecorderHealth:
    """Return the same observations with `level` and `sentences` set, the worst sentences first."""
    findings = [finding for disk in health.disks for finding in _disk(disk)]
    findings += [finding for worker in health.workers for finding in _worker(worker)]
    findings += _streams(health)
    findings += [("degraded", trouble) for trouble in health.troubles]
    if abs(health.clock.offset_s) > 0.5:
        sentence = f"The clock differs from the recorder's line of time by {health.clock.offset_s:+.1f} s: check NTP."
        findings.append(("degraded", sentence))
    if health.facts.error:
        findings.append(("degraded", f"Facts cannot be written ({health.facts.error}); {health.facts.waiting} wait."))
    if health.ledger.error:
        sentence = (
            f"The footage ledger cannot be written; recording is not affected: {health.ledger.error.rstrip('.')}."
        )
        findings.append(("degraded", sentence))
    if health.media.state in {"silent", "restarting"}:
        sentence = f"The media process is {health.media.state}: nobody can watch for now; recording is not affected."
        findings.append(("degraded", sentence))
    findings += _certificate(health)
    findings += _sealing(health)
    findings.sort(key=lambda finding: finding[0] != "failing")
    level: Level = findings[0][0] if findings else "ok"
    sentences = [sentence for _, sentence in findings[:MAX_SENTENCES]]
    if len(findings) > MAX_SENTENCES:
        sentences.append(f"And {len(findings) - MAX_SENTENCES} more.")
    return replace(health, level=level, sentences=sentences)


def _certificate(health: RecorderHealth) -> list[Finding]:
    """Judge the certificate of the media plane: what viewers' browsers will refuse, before they do."""
    media = health.media
    findings: list[Finding] = []
    if media.certificate_trouble:
        findings.append(("degraded", f"The media plane's certificate: {media.certificate_trouble.rstrip('.')}."))
    left_ns = media.certificate_ends_ns - health.time_ns
    if media.certificate_ends_ns and left_ns <= 0:
        findings.append(("degraded", "The media plane's certificate has expired: browsers refuse it; renew it."))
    elif media.certificate_ends_ns and left_ns < CERTIFICATE_DAYS * DAY_NS:
        sentence = f"The media plane's certificate expires in {left_ns // DAY_NS} days: renew it before."
        findings.append(("degraded", sentence))
    return findings


def _sealing(health: RecorderHealth) -> list[Finding]:
    """Judge whether footage is sealed to the public keys that the recorder was given last."""
    sealing = health.sealing
    findings: list[Finding] = []
    if sealing.trouble:
        sentence = "The site's public keys were changed and are not followed, footage is sealed to those before: "
        findings.append(("degraded", f"{sentence}{sealing.trouble.rstrip('.')}."))
    if sealing.behind and health.time_ns - sealing.since_ns > BEHIND_S * SECOND:
        counted = "1 stream is" if sealing.behind == 1 else f"{sealing.behind} streams are"
        findings.append(("degraded", f"{counted} still sealed to the site's public keys from before they changed."))
    return findings


def _disk(disk: DiskHealth) -> list[Finding]:
    """Judge a storage location."""
    if disk.state == "ok":
        return []
    level: Level = "failing" if disk.state in _FAILING_DISK else "degraded"
    return [(level, f"Storage {disk.location} is {disk.state}: {disk.reason or 'no reason is known'}.")]


def _worker(worker: WorkerHealth) -> list[Finding]:
    """Judge a capture process."""
    if worker.state in {"silent", "restarting"}:
        sentence = f"Capture worker {worker.worker} is {worker.state}; its {worker.streams} streams are not recorded."
        return [("failing", sentence)]
    return []


def _streams(health: RecorderHealth) -> list[Finding]:
    """Judge the streams, one by one and as a whole."""
    findings = [finding for stream in health.streams for finding in _stream(stream, health)]
    assigned = [stream for stream in health.streams if stream.state != "stopped"]
    waited = [stream for stream in assigned if not _in_grace(stream, health.time_ns, health.started_ns)]
    if len(assigned) > 1 and waited == assigned and all(stream.state != "recording" for stream in assigned):
        findings.insert(0, ("failing", f"None of the {len(assigned)} streams is recorded: check the network."))
    return findings


def _in_grace(stream: StreamHealth, time_ns: int, started_ns: int) -> bool:
    """True while a stream may still be connecting for the first time; one whose worker has not reported counts too."""
    return stream.state == "connecting" and time_ns - (stream.since_ns or started_ns) < CONNECTING_GRACE_S * SECOND


def _stream(stream: StreamHealth, health: RecorderHealth) -> list[Finding]:
    """Judge one stream."""
    time_ns, since_ns = health.time_ns, stream.since_ns or health.started_ns
    if stream.state == "stopped" or _in_grace(stream, time_ns, health.started_ns):
        return []
    if stream.state != "recording":
        level: Level = "failing" if stream.state == "failed" else "degraded"
        seconds = max(0, time_ns - since_ns) // SECOND
        reason = stream.reason.rstrip(".") or "no reason is known"
        return [(level, f"{stream.key} is not recorded: {stream.state} for {seconds} s ({reason}).")]
    findings: list[Finding] = []
    if stream.queue_share >= QUEUE_SHARE:
        share = round(stream.queue_share * 100)
        findings.append(("degraded", f"{stream.key}: {share} % of its write queue is used; the disk does not keep up."))
    if stream.defects and time_ns - stream.last_defect_ns < RECENT_DEFECT_S * SECOND:
        counted = f"a defect of Overt has ended {stream.defects} of its sessions"
        findings.append(("degraded", f"{stream.key}: {counted}; the log has the traceback: report it."))
    if stream.frames and stream.damaged_frames / stream.frames >= RECENT_DAMAGE:
        damaged = f"{stream.damaged_frames} of {stream.frames} frames"
        findings.append(("degraded", f"{stream.key}: {damaged} arrived damaged; check its network."))
    if stream.camera_offset_s is not None and abs(stream.camera_offset_s) > OFFSET_S:
        findings.append(("degraded", f"{stream.key}: the camera's clock is off by {stream.camera_offset_s:+.1f} s."))
    return findings

"""What a recorder answers to `GET /health`, as far as the control room needs it (docs/reference/recorder-http.md).

Keys that are not known, of a newer recorder, are passed over.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from overt.contract.fact import DiskState, StreamState
from overt.control.health.plain_text import plain
from overt.errors import UnavailableError
from overt.ids import MAIN

MAX_TEXT: Final = 2000
_READ: Final = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
Text = Annotated[str, AfterValidator(lambda text: plain(text, MAX_TEXT))]
"""On one line, without what a database or a page cannot take."""


class StreamReport(BaseModel):
    """One stream."""

    model_config = _READ

    camera: Text
    stream: Text
    state: StreamState
    reason: Text = ""
    since: dt.datetime | None = None
    bit_rate: float = 0.0
    last_frame_age_s: float | None = None
    camera_offset_s: float | None = None
    queue_share: float = 0.0


class DiskReport(BaseModel):
    """One storage location."""

    model_config = _READ

    location: Text
    state: DiskState
    reason: Text = ""
    since: dt.datetime | None = None
    free_bytes: int = 0
    total_bytes: int = 0


class WorkerReport(BaseModel):
    """One capture process."""

    model_config = _READ

    worker: int
    state: Text
    streams: int = 0
    restarts: int = 0


class ClockReport(BaseModel):
    """The recorder's clock against its own line of time."""

    model_config = _READ

    offset_s: float = 0.0


class FactsReport(BaseModel):
    """The outbox of facts."""

    model_config = _READ

    waiting: int = 0
    error: Text = ""


class LedgerReport(BaseModel):
    """The recorder's own ledger."""

    model_config = _READ

    leaves: int = 0
    error: Text = ""
    since: dt.datetime | None = None


class MediaReport(BaseModel):
    """The process that serves viewers."""

    model_config = _READ

    state: Text = "off"


class UnassignedReport(BaseModel):
    """Footage of a camera that is not recorded any more."""

    model_config = _READ

    camera: Text
    start: dt.datetime | None = None
    retention_days: float | None = None


class RoleReport(BaseModel):
    """A role that footage is sealed to."""

    model_config = _READ

    role: Text
    key_id: Text
    public_key: Text = ""


class SealingReport(BaseModel):
    """Whom footage is sealed to, as the recorder says."""

    model_config = _READ

    policy: Text = ""
    roles: list[RoleReport] = []
    since: dt.datetime | None = None
    trouble: Text = ""
    """Why a change of the public keys was refused; empty: none was."""


class Report(BaseModel):
    """A recorder at one moment."""

    model_config = _READ

    time: dt.datetime
    started: dt.datetime
    revision: int = 0
    level: Text = "ok"
    sentences: list[Text] = []
    streams: list[StreamReport] = []
    disks: list[DiskReport] = []
    workers: list[WorkerReport] = []
    unassigned: list[UnassignedReport] = []
    troubles: list[Text] = []
    clock: ClockReport = ClockReport()
    facts: FactsReport = FactsReport()
    ledger: LedgerReport = LedgerReport()
    media: MediaReport = MediaReport()
    sealing: SealingReport | None = None
    """None: a recorder that does not tell."""

    @property
    def main_streams(self) -> dict[str, StreamReport]:
        """The recorded stream of each camera that is to be recorded."""
        return {each.camera: each for each in self.streams if each.stream == MAIN and each.state != "stopped"}


class Summary(BaseModel):
    """What is kept of a report for pages."""

    model_config = _READ

    started: dt.datetime
    revision: int
    level: str
    cameras: int
    recorded: int
    disks: list[DiskReport]
    workers: int
    media: str
    sealing: SealingReport | None = None


def read_report(told: Any) -> Report:
    """Read the answer to `GET /health`.

    Raises:
        UnavailableError: what answered is no recorder.
    """
    try:
        return Report.model_validate(told)
    except ValidationError as error:
        raise UnavailableError("what answers at the recorder's socket is no recorder of this version") from error


def summary_of(report: Report) -> dict[str, Any]:
    """Return what is kept of a report, as JSON."""
    states = Counter(each.state for each in report.main_streams.values())
    return Summary(
        started=report.started,
        revision=report.revision,
        level=report.level,
        cameras=states.total(),
        recorded=states["recording"],
        disks=report.disks,
        workers=len(report.workers),
        media=report.media.state,
        sealing=report.sealing,
    ).model_dump(mode="json")

"""All that is known at one moment, and what may be found in it: plain values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overt.control.custody.standing import KeysInHand
from overt.control.health.disks import Outlook
from overt.control.health.kinds import Kind
from overt.control.health.report import Report
from overt.control.health.severity import Severity
from overt.control.health.site_keys import Sealed


@dataclass(frozen=True, slots=True)
class Found:
    """Something is wrong."""

    kind: Kind
    subject: str
    """What it is about: `camera:KEY`, `disk:LOCATION`, `recorder:NAME`, `worker:N`, `certificate:NAME`, `recipients`
    (the control room's own file), `keys` (those in hand)."""
    title: str
    words: str
    since: dt.datetime | None = None
    """None: since it was noticed."""
    camera: str = ""
    severity: Severity | None = None
    """None: that of its kind."""
    network: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        """What makes it the same thing as a moment ago."""
        return self.kind.name, self.subject


@dataclass(frozen=True, slots=True)
class KnownCamera:
    """A camera of the register."""

    key: str
    name: str
    site: str
    recorded: bool
    """Whether it is to be recorded."""
    changed_at: dt.datetime | None = None
    review_on: dt.date | None = None
    network: str = ""


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A stream is not recorded."""

    cause: str
    reason: str
    start: dt.datetime


@dataclass(frozen=True, slots=True)
class Restart:
    """A capture worker ended unasked."""

    worker: int
    at: dt.datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """The recorder's clock was found to differ."""

    at: dt.datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class ShortDeletion:
    """Footage of a camera was deleted because the disk was full."""

    camera: str
    at: dt.date
    newest: dt.datetime


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of ours: what it is for, and its last moment; None where its file cannot be read."""

    name: str
    expires: dt.datetime | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A camera sends far less than it usually does."""

    since: dt.datetime
    usual_bit_rate: float


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known at one moment."""

    now: dt.datetime
    today: dt.date
    recorder: str = "local"
    report: Report | None = None
    """None: the recorder does not answer."""
    away_since: dt.datetime | None = None
    away_reason: str = ""
    ledger_refused_at: dt.datetime | None = None
    """Since when its ledger does not continue what was seen of it; None: it does."""
    ledger_refused_words: str = ""
    key_made: bool = True
    """Whether the site has a key; before, there is nothing that a recorder could seal to, and none runs."""
    refused_at: dt.datetime | None = None
    refused_reason: str = ""
    waiting_since: dt.datetime | None = None
    """Since when there is a change of cameras that the recorder has not taken."""
    waiting_reason: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Cameras that cannot be put to the recorder, and why."""
    cameras: Mapping[str, KnownCamera] = field(default_factory=dict)
    gaps: Mapping[str, OpenGap] = field(default_factory=dict)
    """Of main streams, by camera."""
    restarts: Sequence[Restart] = ()
    steps: Sequence[Step] = ()
    short: Sequence[ShortDeletion] = ()
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)
    """By storage location."""
    suspects: Mapping[str, Suspect] = field(default_factory=dict)
    """Cameras that send far less than they usually do."""
    certificates: Sequence[Certificate] = ()
    sealed: Sealed = field(default_factory=Sealed)
    """Whom footage is sealed to."""
    unopened: str = ""
    """Why yesterday's footage does not open; empty: nothing says so."""
    unopened_since: dt.datetime | None = None
    in_hand: KeysInHand = field(default_factory=KeysInHand)

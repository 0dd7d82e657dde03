"""The recorder as one program: supervisor, outbox, HTTP and configuration watch, started and stopped in order.

Who decides what is recorded: the configuration file and the command line where they name cameras; else the control
room, by PUT /assignments, and then its last assignment is kept beside the footage (mode 0600: it holds the cameras'
passwords) so that a recorder without its control room goes on.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from overt.clock import Clock, SystemClock
from overt.contract import local_socket
from overt.contract.assignment import MAX_MESSAGE, Assignment, CameraAssignment
from overt.contract.fact import (
    AssignmentApplied,
    AssignmentRefused,
    Fact,
    FactData,
    Kept,
    RecorderStarted,
    RecorderStopped,
    new_fact,
)
from overt.errors import ConflictError, OvertError, UnavailableError
from overt.new_file import replace as replace_file
from overt.recorder.configuration import (
    NO_LISTEN,
    RECIPIENTS_FILE,
    Configuration,
    ConfigurationSource,
    diff,
    split_address,
)
from overt.recorder.health import FactsHealth, MediaHealth, RecorderHealth
from overt.recorder.http import Endpoint, HttpPlane, application, bind_tcp, names_of
from overt.recorder.ledger.keeping import FootageLedger
from overt.recorder.media_plane.host import MediaHost
from overt.recorder.outbox import FactOutbox
from overt.recorder.probing.prober import Prober
from overt.recorder.site_keys import SiteKeys, said
from overt.recorder.status import assess
from overt.recorder.watch import ConfigurationWatch, WatchCallbacks
from overt.recorder.wrapped_periods import WrappedPeriods
from overt.sealing.roles import Recipients

ASSIGNMENT_FILE: Final = "assignment.json"
STOP_TIMEOUT_S: Final = 20.0
MEDIA_STOP_S: Final = 6.0
LEDGER_STOP_S: Final = 8.0
SECONDS_A_DAY: Final = 86_400
_LOG: Final = logging.getLogger(__name__)


class Capture(Protocol):
    """What the program needs of the supervisor of the capture workers."""

    def start(self) -> None:
        """Start the workers."""
        ...

    def apply(self, assignment: Assignment) -> None:
        """Go over to an assignment; raises `OvertError` if it is refused."""
        ...

    def seal_to(self, recipients: Recipients) -> None:
        """Have everything sealed to these public keys from now on."""
        ...

    def health(self) -> RecorderHealth:
        """Return what is observed now."""
        ...

    def stop(self, timeout_s: float) -> None:
        """Store what is in hand and end the workers."""
        ...

    def on_fact(self, callback: Callable[[Fact], None]) -> None:
        """Call `callback` for every fact, in any thread."""
        ...


class RecorderProgram:
    """One running recorder. `start` and `stop` belong to one thread; the rest may be called from any."""

    def __init__(
        self,
        source: ConfigurationSource,
        configuration: Configuration,
        capture: Callable[[Configuration], Capture],
        clock: Clock | None = None,
        recipients: Path | None = None,
    ) -> None:
        """Build the parts; `capture` makes the supervisor from the configuration with the assignment in force.

        `recipients`: file with the site's public keys that is followed while the recorder runs; None: they stay.
        """
        self._clock = clock or SystemClock()
        self._source = source
        self._settings = configuration.settings
        self._named_here = bool(configuration.assignment.cameras)
        in_file = configuration
        if not self._named_here:
            configuration = replace(configuration, assignment=kept_assignment(self._settings.footage))
        self._configuration = configuration
        self._assignment = configuration.assignment
        self._applying = threading.RLock()
        self._outbox = FactOutbox(self._settings.footage, self._clock)
        self._ledger = FootageLedger(self._settings.footage, self._outbox, self._clock)
        self._listeners: list[Callable[[Fact], None]] = [self._outbox.append, self._ledger.heard]
        self._capture = capture(configuration)
        self._capture.on_fact(self._tell)
        self._prober = Prober()
        self._running = False
        self._plane: HttpPlane | None = None
        self._media: MediaHost | None = None
        self._listening = ""
        callbacks = WatchCallbacks(self._apply_file, self._refuse, _LOG.warning)
        # What the file says is held against what it said before, never against what the control room assigned.
        in_file = replace(in_file, settings=in_file.settings.model_copy(update={"recipients": recipients}))
        kept = self._settings.footage / RECIPIENTS_FILE
        self._keys = SiteKeys(recipients, kept, self._capture.seal_to, self._tell_now) if recipients else None
        followed = (recipients, self._keys.follow) if recipients and self._keys else None
        self._watch = ConfigurationWatch(source, in_file, callbacks, followed)

    @property
    def listening(self) -> str:
        """`HOST:PORT` of the TCP server once started; empty if there is none."""
        return self._listening

    @property
    def media_listening(self) -> str:
        """`HOST:PORT` of the media plane once started; empty if there is none."""
        return self._media.listening if self._media is not None else ""

    @property
    def media_address(self) -> str:
        """Origin at which the media plane is served once started, `https://HOST:PORT`; empty if there is none."""
        if not self.media_listening:
            return ""
        return f"{'http' if self._settings.media_files is None else 'https'}://{self.media_listening}"

    def on_fact(self, callback: Callable[[Fact], None]) -> None:
        """Call `callback` for every fact too, in whatever thread it arises; before `start`."""
        self._listeners.append(callback)

    def start(self) -> None:
        """Bind, start capture, then serve and watch.

        Raises:
            UnavailableError: if an address cannot be used. Nothing keeps running then.
            OvertError: as the media plane's certificate is refused; the same.
        """
        endpoints = self._bind()
        self._plane = HttpPlane(endpoints)
        try:
            self._capture.start()
            self._running = True
            self._tell_now(RecorderStarted(version("overt")))
            self._ledger.start()
            self._plane.start()
            if self._media is not None:
                self._media.start()
        except BaseException:
            self.stop()
            raise
        names = tuple(camera.name for camera in self._assignment.cameras)
        applied = AssignmentApplied(self._assignment.revision, names, (), (), _kept(self._assignment.cameras))
        self._tell_now(applied)
        if self._keys is not None:
            self._tell_now(said(self._keys.current))
        self._watch.start()

    def reload(self) -> None:
        """Read the configuration file now (SIGHUP); safe in a signal handler."""
        self._watch.wake()

    def health(self) -> RecorderHealth:
        """Return the present health, judged."""
        outbox = self._outbox.health()
        facts = FactsHealth(waiting=outbox.waiting, lost=outbox.lost, error=outbox.error)
        media = self._media.health() if self._media is not None else MediaHealth()
        health = self._capture.health()
        sealing = replace(health.sealing, trouble=self._keys.trouble if self._keys is not None else "")
        return assess(replace(health, facts=facts, media=media, sealing=sealing, ledger=self._ledger.health()))

    def apply(self, assignment: Assignment) -> None:
        """Go over to an assignment of the control room, and keep it.

        Raises:
            ConflictError: if cameras are named here, or the revision is not newer.
            OvertError: as the supervisor refuses it.
        """
        if self._named_here:
            where = self._source.path or "the command line"
            msg = f"the cameras of this recorder are named in {where}: change them there"
            raise ConflictError(msg)
        with self._applying:
            current = self._assignment
            if assignment == current:
                return
            if assignment.revision <= current.revision:
                msg = f"revision {assignment.revision} is not newer than {current.revision}, which is in force"
                raise ConflictError(msg)
            try:
                # Kept first: a recorder that dies between the two then follows the newer one.
                keep_assignment(self._settings.footage, assignment)
                self._apply(assignment)
            except OvertError as error:
                self._refuse(str(error))
                keep_assignment(self._settings.footage, current)
                raise

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop in order: no more changes, requests and viewers, capture to its last fragment, facts to disk."""
        self._watch.stop()
        self._prober.close()
        if self._plane is not None:
            self._plane.stop()
        if self._media is not None:
            self._media.stop(MEDIA_STOP_S)
        self._capture.stop(timeout_s)
        if self._running:
            self._running = False
            self._tell_now(RecorderStopped())
            # What is not on disk by then has its leaf after the next start.
            self._outbox.flush(LEDGER_STOP_S)
            if not self._ledger.stop(LEDGER_STOP_S):
                _LOG.error(
                    "the footage ledger did not end within %g s; it catches up after the next start", LEDGER_STOP_S
                )
        self._outbox.close()

    def _bind(self) -> list[Endpoint]:
        """Take the addresses before anything runs, so that a second recorder on the same footage ends here."""
        path = self._settings.socket_path
        periods = WrappedPeriods(self._settings.footage)
        private = application(
            self, self._outbox, writable=True, periods=periods, probes=self._prober, ledger=self._ledger.path
        )
        endpoints = [Endpoint(private, local_socket.listen(path), path)]
        if self._settings.listen != NO_LISTEN:
            host, port = split_address(self._settings.listen)
            try:
                tcp = bind_tcp(host, port)
            except UnavailableError:
                HttpPlane(endpoints).stop()
                raise
            self._listening = f"{f'[{host}]' if ':' in host else host}:{tcp.getsockname()[1]}"
            app = application(self, self._outbox, writable=False, hosts=names_of(host))
            endpoints.append(Endpoint(app, tcp))
        if self._settings.serves_media:
            try:
                self._media = MediaHost(self._settings)
            except OvertError:
                HttpPlane(endpoints).stop()
                raise
        return endpoints

    def _apply_file(self, assignment: Assignment) -> None:
        """Go over to what the configuration file says now.

        Raises:
            ConflictError: if the cameras are the control room's; what it assigned goes on.
        """
        if not self._named_here:
            msg = f"{self._source.path} names cameras, and this recorder was started without: those of the control "
            raise ConflictError(msg + "room go on; take the cameras out of the file, or start the recorder again")
        self._apply(assignment)

    def _apply(self, assignment: Assignment) -> None:
        """Go over to an assignment and say so."""
        with self._applying:
            change = diff(self._assignment, assignment)
            self._capture.apply(assignment)
            self._assignment = assignment
        fact = AssignmentApplied(
            revision=assignment.revision,
            started=tuple(camera.name for camera in change.start),
            changed=tuple(camera.name for camera in (*change.change, *change.adjust)),
            stopped=change.stop,
            retention=_kept((*change.start, *change.change, *change.adjust)),
        )
        self._tell(new_fact(fact, self._clock.utc_ns()))

    def _refuse(self, reason: str) -> None:
        """Say that an assignment was refused."""
        source = str(self._source.path) if self._named_here and self._source.path else "control room"
        _LOG.error("assignment refused, the old one goes on: %s", reason)
        self._tell(new_fact(AssignmentRefused(self._assignment.revision, source, reason), self._clock.utc_ns()))

    def _tell_now(self, data: FactData) -> None:
        """Pass on what has just happened."""
        self._tell(new_fact(data, self._clock.utc_ns()))

    def _tell(self, fact: Fact) -> None:
        """Pass a fact to everybody who listens."""
        for listener in self._listeners:
            listener(fact)


def _kept(cameras: Iterable[CameraAssignment]) -> tuple[Kept, ...]:
    """Return how long footage of cameras is kept: those together that are kept alike."""
    alike: dict[tuple[int | None, int | None], list[str]] = defaultdict(list)
    for camera in cameras:
        days = camera.retention.days
        alike[None if days is None else round(days * SECONDS_A_DAY), camera.retention.bytes].append(camera.name)
    return tuple(Kept(tuple(names), seconds, most) for (seconds, most), names in alike.items())


def kept_assignment(footage: Path) -> Assignment:
    """Return the assignment that the control room gave last; an empty one of revision 0 if it never did.

    Raises:
        InvalidError: if the file is not what was written.
        UnavailableError: if it cannot be read.
    """
    path = footage / ASSIGNMENT_FILE
    try:
        with path.open("rb") as file:
            return Assignment.from_wire(file.read(MAX_MESSAGE + 1))
    except FileNotFoundError:
        return Assignment(revision=0)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise UnavailableError(msg) from error


def keep_assignment(footage: Path, assignment: Assignment) -> None:
    """Write the assignment beside the footage, whole or not at all, readable by the recorder's user alone.

    Raises:
        UnavailableError: if it cannot be written.
    """
    replace_file(footage / ASSIGNMENT_FILE, assignment.to_wire(), 0o600)

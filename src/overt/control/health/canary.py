"""The canary: is footage sealed to the site's keys, and does yesterday's footage open?

What the recorder says of itself, and what its wrapped keys say, is held against the control room's own files all the
time. Once a day, while a key of the site is in memory, some wrapped keys of yesterday are opened and forgotten: a label
can lie, a key that opens cannot. Used by the thread `health-reading` alone.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, Protocol

from django.utils import timezone
from pydantic import BaseModel, ConfigDict

from overt.contract.socket_client import SocketClient, periods
from overt.control.acts.actor import SYSTEM
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.control.health.plain_text import plain
from overt.control.health.report import Report
from overt.control.health.site_keys import Expected, Sealed, Wraps, compared, expected, keys_in_words
from overt.errors import CorruptError, InvalidError, OvertError
from overt.sealing.wraps import WrappedKey

FOLLOWS_WITHIN: Final = dt.timedelta(seconds=60)
"""A recorder may take this long to seal to keys that were changed here."""
LOOK_BACK: Final = dt.timedelta(minutes=2)
"""Wraps of footage of this time are looked at."""
EVERY: Final = dt.timedelta(seconds=60)
"""How often each camera is looked at, where they are few."""
ROUNDS: Final = 20
"""Where they are many: in how many rounds each is looked at once."""
LEAST_AT_ONCE: Final = 100
"""Cameras that are looked at in one round, or more where there are so many."""
TRY_AGAIN: Final = dt.timedelta(hours=1)
"""After yesterday's footage could not be opened, or not be asked for."""
OPENED: Final = 5
"""Wrapped keys of yesterday that are opened, of as many cameras."""
ASKED: Final = 300
"""Cameras that are asked for until some have footage of yesterday."""
_LOG: Final = logging.getLogger(__name__)
_random: Final = secrets.SystemRandom()


class Keys(Protocol):
    """The private keys of the site that are in the control room's memory. Any thread."""

    @property
    def key_ids(self) -> frozenset[str]:
        """Their ids; empty: recorded footage is locked, or its keys are in somebody's hand."""
        ...

    def attempt(self, wrapped: WrappedKey) -> None:
        """Open a wrapped key and forget it; raises `ForbiddenError`, or `CorruptError` where it does not open."""
        ...


class CanaryState(BaseModel):
    """What is known of yesterday's footage, kept with the recorder's row."""

    model_config = ConfigDict(extra="ignore")

    done_on: dt.date | None = None
    """The day on which nothing more need be tried."""
    tried_at: dt.datetime | None = None
    opened_at: dt.datetime | None = None
    """When footage of the day before was opened last."""
    nothing: str = ""
    """Why there was nothing to be opened on `done_on`, though nothing is wrong."""
    failure: str = ""
    """Why yesterday's footage does not open; empty: nothing says so."""
    failed_at: dt.datetime | None = None
    blind_since: dt.datetime | None = None
    """Since when it could not be tried; None: it could."""
    blind: str = ""
    """Why it cannot be tried."""


class Canary:
    """Looks at one recorder, round by round."""

    def __init__(self, client: SocketClient, data: Path, keys: Callable[[], Keys] | None = None) -> None:
        """Look at the recorder that `client` asks; `data` is the control room's directory.

        `keys`: gives what is in memory of the site's private keys; None: nothing ever is.
        """
        self._client, self._data, self._keys = client, data, keys
        self._wraps = Wraps()
        self._whole_at: dt.datetime | None = None
        self._next = 0
        self._expected: Expected | None = None
        self._last: Sealed = Sealed()
        self._trouble = ""

    # --- whom footage is sealed to -----------------------------------------------------------------------------------

    def look(self, report: Report, now: dt.datetime) -> Sealed:
        """Compare whom the recorder seals to with whom it should; what was found before, while a change is young."""
        wanted = self._wanted(now)
        if wanted.recipients is None:
            self._last = Sealed(None, wanted.problem)
            return self._last
        if now - wanted.changed_at < FOLLOWS_WITHIN:
            self._whole_at = None
            self._wraps = Wraps()
            return self._last
        cameras = sorted({each.camera for each in report.streams})
        self._wraps.keep(cameras)
        self._ask(self._due(cameras, now), max(wanted.changed_at + FOLLOWS_WITHIN, now - LOOK_BACK), now)
        self._last = Sealed(compared(wanted, report.sealing, self._wraps.by_camera), wanted.problem)
        return self._last

    def _wanted(self, now: dt.datetime) -> Expected:
        """Return what should be; a file with another content than before is new, whatever its date says."""
        found, before = expected(self._data, now), self._expected
        if before is not None and before.recipients == found.recipients:
            found = Expected(found.recipients, before.changed_at, found.problem)
        elif before is not None:
            found = Expected(found.recipients, now, found.problem)
        self._expected = found
        return found

    def _due(self, cameras: Sequence[str], now: dt.datetime) -> Sequence[str]:
        """Return the cameras that are looked at in this round: all at first, then some of them in turn."""
        if self._whole_at is None:
            self._whole_at = now
            return cameras
        count = max(LEAST_AT_ONCE, -(-len(cameras) // ROUNDS))
        if len(cameras) <= count:
            if now - self._whole_at < EVERY:
                return ()
            self._whole_at = now
            return cameras
        begin = self._next % len(cameras)
        self._next = begin + count
        return cameras[begin : begin + count]

    def _ask(self, cameras: Sequence[str], begin: dt.datetime, end: dt.datetime) -> None:
        if not cameras or begin >= end:
            return
        try:
            found, _ = self._read(cameras, begin, end)
        except OvertError as error:
            self._say(f"whom footage is sealed to cannot be looked at now: {error}")
            return
        self._trouble = ""
        self._wraps.saw(cameras, found)

    def _read(
        self, cameras: Sequence[str], begin: dt.datetime, end: dt.datetime
    ) -> tuple[list[WrappedKey], list[tuple[str, str]]]:
        """Return the wraps of cameras' footage in a span, and those (camera, why) that cannot be read.

        Raises: as `SocketClient.ask`.
        """
        found: list[WrappedKey] = []
        broken: list[tuple[str, str]] = []
        for row in periods(self._client, cameras, _microseconds(begin), _microseconds(end)):
            try:
                wrapped = WrappedKey.decode(row.wrap)
            except (CorruptError, InvalidError) as error:
                broken.append((plain(row.camera, 63), str(error)))
                continue
            found.append(wrapped)
        return found, broken

    # --- whether footage opens ---------------------------------------------------------------------------------------

    def attempt(self, state: CanaryState, report: Report, now: dt.datetime) -> CanaryState:
        """Open some of yesterday's footage if that is due; return what is known then."""
        today = timezone.localdate(now)
        if state.done_on == today:
            return state
        wanted = self._expected or self._wanted(now)
        held = self._keys().key_ids if self._keys is not None else frozenset[str]()
        if wanted.recipients is None:
            return state
        if not {layer.key_id for layer in wanted.layers} <= held:
            why = "locked" if not held and len(wanted.layers) == 1 else "elsewhere"
            return state.model_copy(update={"blind_since": state.blind_since or now, "blind": why})
        state = state.model_copy(update={"blind_since": None, "blind": ""})
        if (
            state.tried_at is not None
            and now - state.tried_at < TRY_AGAIN
            and timezone.localdate(state.tried_at) == today
        ):
            return state
        return self._attempt(state, wanted, sorted({each.camera for each in report.streams}), held, now)

    def _attempt(
        self, state: CanaryState, wanted: Expected, cameras: list[str], held: Collection[str], now: dt.datetime
    ) -> CanaryState:
        begin, end = yesterday(now)
        _random.shuffle(cameras)
        tried = state.model_copy(update={"tried_at": now})
        try:
            found, broken = self._sample(cameras, begin, end)
            nothing, failure = self._tried(wanted, found, broken, held, begin)
        except OvertError as error:
            self._say(f"whether yesterday's footage opens cannot be tried now: {error}")
            return tried
        if failure:
            _LOG.error("yesterday's footage cannot be opened: %s", failure)
            since = state.failed_at if state.failure else now
            return tried.model_copy(update={"failure": plain(failure, 600), "failed_at": since})
        done = {"done_on": timezone.localdate(now), "nothing": nothing, "failure": "", "failed_at": None}
        return tried.model_copy(update=done | ({} if nothing else {"opened_at": now}))

    def _sample(
        self, cameras: Sequence[str], begin: dt.datetime, end: dt.datetime
    ) -> tuple[list[WrappedKey], list[tuple[str, str]]]:
        for at in range(0, min(len(cameras), ASKED), LEAST_AT_ONCE):
            found, broken = self._read(cameras[at : at + LEAST_AT_ONCE], begin, end)
            if found or broken:
                return found, broken
        return [], []

    def _tried(
        self,
        wanted: Expected,
        found: Sequence[WrappedKey],
        broken: Sequence[tuple[str, str]],
        held: Collection[str],
        begin: dt.datetime,
    ) -> tuple[str, str]:
        """Open some; return why there is nothing to be opened, and why something does not open (empty: neither).

        Raises:
            UnavailableError: it cannot be written down.
        """
        if broken:
            return "", f"{broken[0][0]}: {broken[0][1]}"
        ours = {each.key.camera: each for each in found if {layer.key_id for layer in each.layers} <= set(held)}
        others = [each for each in found if not {layer.key_id for layer in each.layers} <= set(held)]
        if others and wanted.changed_at < begin:
            # All of yesterday the keys were those of now.
            return "", f"{others[0].key} is sealed to {keys_in_words(others[0].layers)}, not to the site's"
        if not ours:
            return ("it was sealed to keys from before" if others else "nothing was recorded"), ""
        chosen = _random.sample(sorted(ours), min(OPENED, len(ours)))
        record(Kind.KEY_TRIED, by=SYSTEM, cameras=chosen)
        for camera in chosen:
            try:
                if self._keys is not None:
                    self._keys().attempt(ours[camera])
            except CorruptError as error:
                return "", str(error)
        return "", ""

    def _say(self, trouble: str) -> None:
        """Log what lasts once."""
        if trouble != self._trouble:
            _LOG.warning("%s", trouble)
        self._trouble = trouble


def yesterday(now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return the day before, midnight to midnight in the control room's time zone."""
    zone = timezone.get_default_timezone()
    today = timezone.localdate(now)
    begin = dt.datetime.combine(today - dt.timedelta(days=1), dt.time(), zone)
    return begin.astimezone(dt.UTC), dt.datetime.combine(today, dt.time(), zone).astimezone(dt.UTC)


def _microseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1_000_000)

"""Looks that were refused for want of a right: written down once for each camera, not each time that a page asks.

A page asks again by itself, and somebody may ask a thousand times: of one sign-in each camera is written down once an
hour, and at most `MAX_LEAVES` leaves an hour.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from overt.clock import SECOND, Clock
from overt.control.acts.actor import Actor
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, Span, record
from overt.control.people.actions import WORDS, Action
from overt.errors import OvertError

AGAIN_NS: Final = 3600 * SECOND
MAX_LEAVES: Final = 60
"""Of one sign-in in `AGAIN_NS`; the last says that it is."""
MAX_SIGN_INS: Final = 4096
_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Told:
    """What was written of one sign-in since `began_ns`."""

    began_ns: int
    leaves: int = 0
    cameras: set[tuple[str, Action]] = field(default_factory=set)


class RefusedLooks:
    """Remembers what was written down. Any thread may call."""

    def __init__(self, clock: Clock) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, session: str, who: Actor, asked: Iterable[tuple[str, Action]], footage: Span | None = None) -> None:
        """Write down what was refused; what cannot be written is logged, since nothing was shown.

        Args:
            session: of the sign-in.
            who: asked.
            asked: cameras, each with the right that is lacking.
            footage: hours that were asked for.
        """
        with self._lock:
            told = self._of(session, self._clock.monotonic_ns())
            fresh = [each for each in dict.fromkeys(asked) if each not in told.cameras]
            if not fresh or told.leaves >= MAX_LEAVES:
                return
            told.cameras.update(fresh)
            told.leaves += 1
            last = told.leaves == MAX_LEAVES
        lacking = [each for each in Action if any(action is each for _, action in fresh)]
        more: dict[str, Json] = {"lacking": [WORDS[each] for each in lacking]}
        if last:
            more["more"] = "Further refusals of this hour are not written down."
        span = footage if any(action is not Action.LIVE for _, action in fresh) else None
        try:
            record(Kind.LOOK_REFUSED, by=who, cameras=[camera for camera, _ in fresh], footage=span, more=more)
        except OvertError as error:
            _LOG.error("a look that was refused could not be written down: %s", error)

    def _of(self, session: str, now_ns: int) -> _Told:
        told = self._told.get(session)
        if told is None or now_ns - told.began_ns >= AGAIN_NS:
            told = self._told[session] = _Told(now_ns)
        self._told.move_to_end(session)
        while len(self._told) > MAX_SIGN_INS:
            self._told.popitem(last=False)
        return told

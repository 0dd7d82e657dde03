"""Several addresses of one camera under probe: one first, the others side by side once the camera knows us.

Cameras lock accounts after a few refusals, so the password is shown at one address until that is answered. Of
well-known paths, which are guesses, those of another family are left out once one shows a picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from overt.clock import SECOND, RecorderClock, SystemClock
from overt.errors import OvertError
from overt.media.reactor import DefectError, Reactor
from overt.media.resolve import Resolver
from overt.media.rtsp.auth import Credentials
from overt.media.rtsp.urls import parse_camera_url
from overt.recorder.probing.request import StreamFound
from overt.recorder.probing.stream import StreamProbe

AT_ONCE: Final = 3
"""Cameras have few sessions to give, and may be recorded by others meanwhile."""
NOT_TRIED: Final = "not tried, since the camera refused the user name or password at another address"
NO_TIME: Final = "there was no time left to try this address"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address to try."""

    url: str
    family: str = ""
    """Of a well-known path, whose it is."""


class StreamsProbe:
    """A participant of the reactor that begins and ends sessions. `run` belongs to one thread."""

    def __init__(self, candidates: Sequence[Candidate], credentials: Credentials | None, deadline_s: float) -> None:
        """Prepare; all is over at `deadline_s` of the monotonic clock, and a moment for goodbyes."""
        self._reactor = Reactor(SystemClock(), lambda: None)
        self._clock = RecorderClock(SystemClock())
        self._deadline_ns = int(deadline_s * SECOND)
        self._resolver = Resolver()
        self._begun: list[tuple[Candidate, StreamProbe]] = []
        self._all: list[tuple[Candidate, StreamProbe]] = []
        for candidate in candidates:
            place, own = parse_camera_url(candidate.url)
            probe = StreamProbe(self._reactor, self._clock, place, own or credentials)
            self._all.append((candidate, probe))
        self._waiting = list(self._all)

    def run(self) -> list[StreamFound]:
        """Try the addresses; return what each showed, of well-known ones only those that showed something."""
        if not self._all:
            return []
        self._reactor.add(self)
        self._reactor.run()
        self._resolver.close()
        return [probe.found for candidate, probe in self._all if not candidate.family or probe.shows]

    def first_error(self) -> str:
        """Return why the first address that was tried showed nothing."""
        return next((probe.found.error for _, probe in self._all if probe.found.error), "nothing answered in time")

    # Participant

    def ready(self, descriptor: int, events: int, now_ns: int) -> None:
        """Never called: it watches no descriptor."""

    def housekeeping(self, now_ns: int) -> None:
        """Begin what may begin, end what has shown enough."""
        for _, probe in self._begun:
            probe.look(now_ns)
        if now_ns >= self._deadline_ns:
            self._leave_out(lambda _: True, NO_TIME)
            for _, probe in self._begun:
                probe.close()
        self._look()

    def failed(self, error: Exception) -> None:
        """A defect of ours: end all."""
        raise DefectError(error)

    def _look(self) -> None:
        """Go on as far as it can be gone on now."""
        begun = [probe for _, probe in self._begun]
        if any(probe.refused for probe in begun):
            self._leave_out(lambda _: True, NOT_TRIED)
        shown = {candidate.family for candidate, probe in self._begun if probe.shows}
        if shown:
            self._leave_out(lambda candidate: bool(candidate.family) and candidate.family not in shown, "")
        if begun and begun[0].over and begun[0].mute and not begun[0].shows:
            self._leave_out(lambda candidate: bool(candidate.family), begun[0].found.error or "")
        running = sum(not probe.over for probe in begun)
        # The first alone, until the camera has let it in or it is over.
        room = AT_ONCE if begun and (begun[0].admitted or begun[0].over) else 1
        while self._waiting and running < room:
            candidate, probe = self._waiting.pop(0)
            self._begun.append((candidate, probe))
            self._begin(probe)
            running += not probe.over
        if not self._waiting and all(probe.over for _, probe in self._begun):
            self._reactor.remove(self)
            self._reactor.stop()

    def _leave_out(self, left_out: Callable[[Candidate], bool], why: str) -> None:
        """Try those that wait no more for which `left_out` is true."""
        for candidate, probe in self._waiting:
            if left_out(candidate):
                probe.found.error, probe.over = why, True
        self._waiting = [each for each in self._waiting if not each[1].over]

    def _begin(self, probe: StreamProbe) -> None:
        left_s = max(0.1, self._deadline_ns / SECOND - time.monotonic())
        try:
            endpoint = self._resolver.resolve(probe.place.host, probe.place.port).result(left_s)[0]
        except OvertError as error:
            probe.give_up(str(error))
        except TimeoutError:
            probe.give_up(f"the name {probe.place.host} was not resolved in time: check this machine's DNS")
        else:
            probe.begin(endpoint)

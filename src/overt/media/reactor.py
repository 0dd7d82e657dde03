"""The capture thread's loop: every socket of a worker, drained on a tick instead of per packet.

A tick of 20 ms lets the kernel gather what a camera sends, so that one `recv` brings a whole frame; the cost of a
camera is then that of its bytes and not of its packets. No participant may block, decode, touch a disk or a database
here: what it produces leaves through its own hand-over.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from overt.clock import SECOND, Clock
from overt.errors import OvertError

TICK_NS: Final = 20_000_000
HOUSEKEEPING_NS: Final = 200_000_000
"""How often time-outs are looked at and silent streams are asked for what they hold."""
LINGER_NS: Final = SECOND
"""How long a reactor that is stopped waits for participants that still say goodbye."""
RECEIVE_BUFFER: Final = 1 << 20
"""Bytes of the one buffer that all sockets are read into."""
READ_LIMIT: Final = 512 * 1024
"""Bytes one camera may have read in one tick: 200 Mb/s at the shortest tick, 50 Mb/s at the longest that is used. What
is beyond waits in the kernel, so that a flooding camera is slowed by TCP and never delays another."""


class DefectError(OvertError):
    """A fault of Overt's own came to light while one camera was served; its cause is the exception that told so."""

    def __init__(self, error: Exception) -> None:
        """Say what was raised."""
        super().__init__(f"a defect of Overt ended the session ({type(error).__name__}: {str(error)[:200]})")
        self.__cause__ = error


class Participant(Protocol):
    """What the reactor drives: all calls come from the reactor's thread and must return at once."""

    def ready(self, descriptor: int, events: int, now_ns: int) -> None:
        """A descriptor of the participant is ready (epoll events); `now_ns` is the monotonic clock.

        Never for what was reported before the descriptor was watched, even if its number was another's before.
        """
        ...

    def housekeeping(self, now_ns: int) -> None:
        """Look at time-outs; called about every 200 ms, and once more when a stopped reactor waits no longer."""
        ...

    def failed(self, error: Exception) -> None:
        """Take what escaped from `ready` or `housekeeping`: give up what was being done, and tell the owner.

        It is a defect of ours, met by what this one camera sends: no other participant may notice. Must not raise.
        """
        ...


@dataclass(slots=True)
class ReactorStatistics:
    """Growing counts, read by health."""

    ticks: int = 0
    late_ticks: int = 0
    """Ticks that began more than one tick late: the machine or the interpreter was busy."""
    longest_tick_ns: int = 0
    """Longest work of one tick since whoever reports it last set it to 0."""


class Reactor:
    """Runs participants on one thread. `call` and `stop` may be used from any thread, all else from its own."""

    def __init__(self, clock: Clock, after_tick: Callable[[], None], tick_ns: int = TICK_NS) -> None:
        """Prepare; `after_tick` runs at the end of each tick (to hand over what was gathered in it)."""
        self.buffer: Final = memoryview(bytearray(RECEIVE_BUFFER))
        self.statistics: Final = ReactorStatistics()
        self._clock = clock
        self._after_tick = after_tick
        self.tick_ns = tick_ns
        """May be changed at any time by the reactor's thread."""
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Participant] = {}
        self._fresh: set[int] = set()
        """Descriptors watched since the last poll: an event reported for such a number is that of a closed one."""
        self._participants: dict[Participant, None] = {}
        self._hasty: set[Participant] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._stopping = threading.Event()
        self._stop_by_ns = 0

    def add(self, participant: Participant) -> None:
        """Take a participant into the housekeeping round."""
        self._participants[participant] = None

    def remove(self, participant: Participant) -> None:
        """Forget a participant and its descriptors, before it closes them."""
        self._participants.pop(participant, None)
        self._hasty.discard(participant)
        for descriptor in [fd for fd, owner in self._by_descriptor.items() if owner is participant]:
            self.unwatch(descriptor)

    def hasten(self, participant: Participant) -> None:
        """Say that what waits for this participant between two ticks has little room, unlike what TCP holds back."""
        self._hasty.add(participant)

    @property
    def hasty(self) -> bool:
        """Some participant has asked for short ticks, and is still there."""
        return bool(self._hasty)

    def watch(self, descriptor: int, participant: Participant, *, write: bool = False) -> None:
        """Report when a descriptor can be read, and written if asked; again to change what is asked."""
        mask = select.EPOLLIN | select.EPOLLRDHUP | (select.EPOLLOUT if write else 0)
        if descriptor in self._by_descriptor:
            self._epoll.modify(descriptor, mask)
        else:
            self._epoll.register(descriptor, mask)
            self._fresh.add(descriptor)
        self._by_descriptor[descriptor] = participant

    def unwatch(self, descriptor: int) -> None:
        """Stop reporting a descriptor; must come before it is closed, since numbers are used again."""
        if self._by_descriptor.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def now_ns(self) -> int:
        """The monotonic clock."""
        return self._clock.monotonic_ns()

    def call(self, action: Callable[[], None]) -> None:
        """Run `action` on the reactor's thread within a tick. Thread-safe."""
        self._calls.append(action)

    def stop(self) -> None:
        """Let `run` return once no participant is left, or `LINGER_NS` has passed. Thread-safe.

        Those that are left then have one more round of housekeeping, in which to end.
        """
        self._stopping.set()

    def run(self) -> None:
        """Tick until stopped; call once.

        An exception of a participant is a defect of ours, and that participant's to deal with (`failed`). One that
        belongs to no participant, or that comes out of `failed`, ends the worker loudly.
        """
        next_tick = self._clock.monotonic_ns()
        next_housekeeping = next_tick
        statistics = self.statistics
        try:
            while not self._ended():
                now = self._clock.monotonic_ns()
                if now < next_tick:
                    time.sleep((next_tick - now) / SECOND)
                    now = self._clock.monotonic_ns()
                elif now - next_tick > self.tick_ns:
                    statistics.late_ticks += 1
                    next_tick = now
                next_tick += self.tick_ns
                self._tick(now)
                if now >= next_housekeeping:
                    next_housekeeping = now + HOUSEKEEPING_NS
                    self._round(now)
                self._after_tick()
                statistics.ticks += 1
                statistics.longest_tick_ns = max(statistics.longest_tick_ns, self._clock.monotonic_ns() - now)
            self._round(self._clock.monotonic_ns())
            self._after_tick()
        finally:
            self._epoll.close()

    def _ended(self) -> bool:
        if not self._stopping.is_set():
            return False
        now = self._clock.monotonic_ns()
        self._stop_by_ns = self._stop_by_ns or now + LINGER_NS
        return not self._participants or now >= self._stop_by_ns

    def _round(self, now: int) -> None:
        participants = self._participants
        for participant in tuple(participants):
            # One may have removed another.
            if participant in participants:
                try:
                    participant.housekeeping(now)
                except Exception as error:  # noqa: BLE001 - the participant's own; see `failed`
                    participant.failed(error)

    def _tick(self, now: int) -> None:
        while self._calls:
            self._calls.popleft()()
        owners, fresh = self._by_descriptor, self._fresh
        fresh.clear()
        for descriptor, events in self._epoll.poll(0):
            owner = owners.get(descriptor)
            if owner is not None and descriptor not in fresh:
                try:
                    owner.ready(descriptor, events, now)
                except Exception as error:  # noqa: BLE001 - the participant's own; see `failed`
                    owner.failed(error)

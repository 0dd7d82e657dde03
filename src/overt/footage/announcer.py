"""Facts go to subscribers from a thread of their own, so that a slow subscriber delays neither disk nor index."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from overt.contract.fact import Fact, FactData, new_fact
from overt.ids import StreamKey

MAX_FACTS: Final = 10_000
"""Facts that wait for slow subscribers; then the oldest are dropped and counted."""
_logger = logging.getLogger(__name__)


class Announcer:
    """A queue of facts and the thread that hands them out. The thread also runs `watch` about four times a second."""

    def __init__(self, utc_ns: Callable[[], int], watch: Callable[[], None], interval_s: float = 0.25) -> None:
        """Take the clock by which facts are stamped, and what is to be watched."""
        self._utc_ns = utc_ns
        self._watch = watch
        self._interval_s = interval_s
        self._condition = threading.Condition()
        self._facts: deque[Fact] = deque(maxlen=MAX_FACTS)
        self._subscribers: tuple[Callable[[Fact], None], ...] = ()
        self._stopping = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="footage-facts", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def subscribe(self, subscriber: Callable[[Fact], None]) -> None:
        """Have facts handed to `subscriber`, in the announcer's thread; what it raises is logged, no more."""
        with self._condition:
            self._subscribers = (*self._subscribers, subscriber)

    def announce(self, data: FactData, stream: StreamKey | None = None) -> None:
        """Hand over a fact; never blocks. Any thread."""
        fact = new_fact(data, max(0, self._utc_ns()), stream)
        with self._condition:
            if len(self._facts) == MAX_FACTS:
                self.dropped += 1
            self._facts.append(fact)
            self._condition.notify()

    def stop(self, timeout_s: float) -> bool:
        """Hand out what waits and end the thread; False if a subscriber did not let it."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        """Hand out facts and watch."""
        while True:
            with self._condition:
                if not self._facts and not self._stopping:
                    self._condition.wait(self._interval_s)
                fact = self._facts.popleft() if self._facts else None
                subscribers, stopping = self._subscribers, self._stopping
            if fact is None:
                if stopping:
                    return
                self._guarded(self._watch)
                continue
            for subscriber in subscribers:
                self._guarded(lambda s=subscriber, f=fact: s(f))  # type: ignore[misc]

    def _guarded(self, call: Callable[[], None]) -> None:
        """Run what is not ours; its failure must not end the thread."""
        try:
            call()
        except Exception:
            _logger.exception("a subscriber of the footage store failed")

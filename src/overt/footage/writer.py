"""The queue between capture and disk, and the writer thread.

Capture threads hand fragments over and never wait; what does not fit into the queue is refused, counted, and becomes a
gap. One thread takes what has gathered, about every 20 ms, and seals and writes it in order. All state of the streams
belongs to that thread; anything else that concerns them is done by it too (`call`), in its place in the queue.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from overt.errors import OvertError
from overt.footage.gaps import GapCause
from overt.footage.options import StoreOptions
from overt.footage.periods import ReadyPeriod
from overt.footage.stream_writer import StreamStatus, StreamWriter
from overt.ids import StreamKey
from overt.media.samples import Fragment

MAX_CALLS: Final = 10_000
"""Calls that wait while the writer is held up; further ones are dropped, and the gap then has no better reason."""
_logger = logging.getLogger(__name__)

Call = Callable[[StreamWriter], None]


@dataclass(slots=True, eq=False)
class Entry:
    """One stream on both sides of the queue."""

    status: StreamStatus
    writer: StreamWriter | None = None
    """None until the writer thread has looked at what earlier runs left."""
    error: OvertError | None = None
    """Why the stream cannot be written at all, such as another process writing it."""
    refusing: bool = False
    """The last fragment was refused."""
    parked: deque[_Item] = field(default_factory=deque)
    """What waits for the first key period; it counts as queued."""


_Item = tuple[Entry, UUID | None, Fragment | Call]


class Writer:
    """The queue and its thread."""

    def __init__(self, options: StoreOptions, attach: Callable[[StreamStatus], StreamWriter]) -> None:
        """Take the bounds, and what makes the writing side of a stream (called in the writer thread; may raise)."""
        self._options = options
        self._attach = attach
        self._condition = threading.Condition()
        self._inbox: deque[_Item] = deque()
        self._ready: deque[ReadyPeriod] = deque()
        self._entries: dict[StreamKey, Entry] = {}
        self._bytes = 0
        self._calls = 0
        self._stopping = self._ended = False
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="footage-writer", daemon=True)
        self.why_waiting: Callable[[], str | None] = lambda: None
        """Says why key periods cannot be stored, if they cannot."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    # --- capture's side: never blocks --------------------------------------------------------------------------------

    def offer(self, fragments: Iterable[tuple[StreamKey, UUID, Fragment]]) -> int:
        """Take fragments, in order; returns how many were taken. Any thread."""
        taken = 0
        with self._condition:
            if self._stopping:
                return 0
            empty = not self._inbox
            for key, session_id, fragment in fragments:
                entry = self._entries.get(key)
                if entry is None:
                    entry = self._entries[key] = Entry(StreamStatus(key))
                size = len(fragment.payload)
                if entry.error is not None or not self._fits(entry, size):
                    self._refuse(entry)
                    continue
                entry.refusing = False
                entry.status.queued_bytes += size
                self._bytes += size
                self._inbox.append((entry, session_id, fragment))
                taken += 1
            if empty and self._inbox:
                self._condition.notify()
        return taken

    def _fits(self, entry: Entry, size: int) -> bool:
        """Hold a fragment against the bounds: a stream may use its share at any time, more while half is free."""
        limit = self._options.queue_bytes
        total, own = self._bytes + size, entry.status.queued_bytes + size
        return total <= limit and (own <= limit // len(self._entries) or total <= limit // 2)

    def _refuse(self, entry: Entry) -> None:
        """Count a refused fragment; the first of several also opens a gap, after what was taken before it."""
        entry.status.refused += 1
        if entry.refusing or entry.error is not None:
            return
        entry.refusing = True
        self._calls += 1
        why = self.why_waiting() if entry.status.waiting_for_key else None
        detail = f"no key could be stored: {why}" if why else "the disk is too slow: the queue before it is full"
        self._inbox.append((entry, None, lambda stream: stream.refused(detail)))

    def call(self, key: StreamKey, call: Call) -> bool:
        """Have `call` done with the stream in the writer thread, in its place in the queue; False if too many wait."""
        with self._condition:
            if self._stopping or self._calls >= MAX_CALLS:
                return False
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry(StreamStatus(key))
            self._calls += 1
            self._inbox.append((entry, None, call))
            self._condition.notify()
        return True

    # --- other threads -----------------------------------------------------------------------------------------------

    def take_period(self, ready: ReadyPeriod) -> None:
        """Take a key period for a stream, ahead of what is queued. Called by the thread that stores wraps."""
        with self._condition:
            self._ready.append(ready)
            self._condition.notify()

    def wake(self) -> None:
        """Look at the queue soon: a location became usable, or ceased to be."""
        with self._condition:
            self._condition.notify()

    def entries(self) -> list[Entry]:
        """Return all streams."""
        with self._condition:
            return list(self._entries.values())

    @property
    def queued_bytes(self) -> int:
        """Payload bytes that wait."""
        return self._bytes

    def entry(self, key: StreamKey) -> Entry | None:
        """Return a stream, if anything was ever handed over of it. Never waits."""
        return self._entries.get(key)

    def retry(self, key: StreamKey) -> None:
        """Look again at a stream that could not be written."""
        with self._condition:
            entry = self._entries.get(key)
            if entry is not None:
                entry.error = None

    def drained(self) -> bool:
        """True if nothing waits."""
        return not self._inbox and self._bytes == 0 and self._calls == 0

    def stop(self, deadline: float) -> bool:
        """Write what waits, until `deadline` (`time.monotonic`), and end the thread; False if it hangs in the disk.

        Nothing is taken from here on. Call `finish` afterwards.
        """
        with self._condition:
            self._stopping = True
            self._condition.notify()
            self._hurry.set()
            while not self.drained() and self._thread.is_alive() and time.monotonic() < deadline:
                self._condition.wait(max(0.0, min(0.1, deadline - time.monotonic())))
            self._ended = True
            self._condition.notify()
        if self._thread.ident is not None:
            self._thread.join(max(0.1, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def finish(self, cause: GapCause, detail: str) -> list[UUID]:
        """Close every stream; only after `stop` returned True. Returns the key periods that sealed nothing."""
        unused = [ready.period.period_id for ready in self._ready]
        for entry in self._entries.values():
            for _, session_id, item in entry.parked:
                entry.status.refused += session_id is not None and isinstance(item, Fragment)
            if entry.writer is not None:
                entry.writer.finish(cause, detail)
                unused += entry.writer.unused_periods()
        return unused

    # --- the writer thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Work off what has gathered, a tick at a time."""
        tick = self._options.tick_s
        while True:
            with self._condition:
                while not (self._inbox or self._ready or self._ended):
                    self._condition.wait()
                items, self._inbox = self._inbox, deque()
            if self._ended and not items and not self._ready:
                return
            started = time.monotonic()
            self._take_periods()
            for item in items:
                self._handle(item)
                if self._ready:
                    self._take_periods()
            if self._stopping:
                with self._condition:
                    self._condition.notify_all()
            elif (rest := tick - (time.monotonic() - started)) > 0:
                self._hurry.wait(rest)

    def _take_periods(self) -> None:
        """Give periods that are ready to their streams, and the streams what waited for them."""
        while self._ready:
            ready = self._ready.popleft()
            entry = self._entries[ready.key]
            if entry.writer is not None:
                entry.writer.take_period(ready)
                parked, entry.parked = entry.parked, deque()
                for item in parked:
                    self._handle(item)

    def _handle(self, item: _Item) -> None:
        """Do one item, or park it behind others of its stream that wait for a key."""
        entry, session_id, work = item
        if entry.parked or not self._done(entry, session_id, work):
            entry.parked.append(item)
            return
        with self._condition:
            if isinstance(work, Fragment):
                self._bytes -= len(work.payload)
                entry.status.queued_bytes -= len(work.payload)
            elif self._calls:
                self._calls -= 1

    def _done(self, entry: Entry, session_id: UUID | None, work: Fragment | Call) -> bool:
        """Do the work; False if it must wait for a key period. A failure of ours loses one fragment, not the thread."""
        try:
            if entry.writer is None and entry.error is None:
                entry.writer = self._attach(entry.status)
            stream = entry.writer
            if stream is None:
                return True
            if not isinstance(work, Fragment):
                work(stream)
                return True
            return session_id is None or stream.store(session_id, work)
        except OvertError as error:
            if entry.writer is None:
                entry.error = error
            _logger.error("%s: cannot be stored: %s", entry.status.key, error)
            self._failed(entry, str(error))
        except Exception as error:
            _logger.exception("%s: cannot be stored", entry.status.key)
            self._failed(entry, f"{type(error).__name__}: {error}")
        return True

    def _failed(self, entry: Entry, why: str) -> None:
        """Count what could not be done, and open a gap if the stream is able to."""
        entry.status.refused += 1
        if entry.writer is not None:
            entry.writer.refused(why)

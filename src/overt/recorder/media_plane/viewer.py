"""What waits for one viewer: bounded, and then cut to the next keyframe. Belongs to the event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from overt.media.records import dropped_record

QUEUE_BYTES: Final = 4 << 20
"""What may wait for a viewer, besides the group of pictures that it begins with."""
QUEUE_S: Final = 3.0
"""How long it may wait."""
MESSAGE_BYTES: Final = 256 << 10
"""Records that wait are joined up to this size; a larger record goes alone."""
STUCK_S: Final = 30.0
"""A viewer that takes nothing for so long, though something waits, is too slow for good."""


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """What a decoder must know: its number among those of one stream, and its record."""

    number: int
    record: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A fragment or a frame, serialised once for all."""

    record: bytes = field(repr=False)
    configuration: Configuration | None
    """None: it is no footage, but says what is missing."""
    keyframe: bool
    fragments: int = 0
    samples: int = 0


class Viewer:
    """An asynchronous iterator of messages, each of whole records. Iterate in one task; `close` in any of the loop."""

    def __init__(self, closed: Callable[[Viewer], None], dropped: Callable[[int], None]) -> None:
        """Begin with nothing; the first item taken is a keyframe.

        Args:
            closed: told when the viewer has gone.
            dropped: told how much was dropped.
        """
        self._on_closed, self._on_dropped = closed, dropped
        self._queue: deque[tuple[float, Item]] = deque()
        self._bytes = 0
        self._allowance = QUEUE_BYTES
        self._state: bytes | None = None
        self._waiting = True
        self._missed = [0, 0]
        """Fragments and samples that were dropped and not yet spoken of."""
        self._told: deque[Configuration] = deque(maxlen=16)
        self._ready = asyncio.Event()
        self._closed = False
        self._progress_s = time.monotonic()

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Return what waits, as soon as something does; ends when the viewer was closed."""
        while True:
            if self._closed:
                raise StopAsyncIteration
            message = self._message()
            if message:
                return message
            self._ready.clear()
            await self._ready.wait()

    async def close(self) -> None:
        """Go; what waits is forgotten."""
        self.end()

    def end(self) -> None:
        """As `close`, for those who serve."""
        if self._closed:
            return
        self._closed = True
        self._queue.clear()
        self._bytes = 0
        self._ready.set()
        self._on_closed(self)

    def stuck(self, now_s: float) -> bool:
        """Return whether the viewer is too slow for good (monotonic seconds)."""
        return bool(self._queue) and now_s - self._progress_s > STUCK_S

    # What the channel gives

    def begin(self, group: Sequence[Item]) -> None:
        """Take what was shown since the last keyframe; it may be more than else may wait."""
        for item in group:
            self.offer(item, lead=True)

    def state(self, record: bytes) -> None:
        """Take the stream's state; one that still waits is replaced."""
        self._state = record
        self._ready.set()

    def offer(self, item: Item, *, lead: bool = False) -> None:
        """Take a fragment or frame; a viewer that is too slow loses what waits, up to the next keyframe.

        What belongs to the `lead` comes at once, and may wait besides what else may.
        """
        if self._closed:
            return
        if lead:
            self._allowance += len(item.record)
        late = self._queue and (
            self._bytes + len(item.record) > self._allowance or time.monotonic() - self._queue[0][0] > QUEUE_S
        )
        if late:
            self._drop([waiting for _, waiting in self._queue])
            self._queue.clear()
            self._bytes = 0
            self._waiting = True
        if self._waiting and not item.keyframe:
            if any(self._missed):
                self._drop([item])
            return
        self._waiting = False
        fragments, samples = self._missed
        if fragments or samples:
            self._missed = [0, 0]
            told = dropped_record(fragments=fragments, samples=samples)
            self._put(Item(told, None, keyframe=False, fragments=fragments, samples=samples))
        self._put(item)

    def skip(self, *, fragments: int = 0, samples: int = 0) -> None:
        """Something is missing in what comes: wait for the next keyframe."""
        self._waiting = True
        self._missed[0] += fragments
        self._missed[1] += samples

    def _drop(self, items: Sequence[Item]) -> None:
        self._missed[0] += sum(item.fragments for item in items)
        self._missed[1] += sum(item.samples for item in items)
        self._on_dropped(sum(item.configuration is not None for item in items))

    def _put(self, item: Item) -> None:
        now = time.monotonic()
        if not self._queue:
            self._progress_s = now
        self._queue.append((now, item))
        self._bytes += len(item.record)
        self._ready.set()

    # What the connection takes

    def _message(self) -> bytes:
        """Return the records of one message, with each configuration before what first needs it; empty: nothing."""
        parts: list[bytes] = []
        if self._state is not None:
            parts.append(self._state)
            self._state = None
        size = 0
        while self._queue and (not size or size + len(self._queue[0][1].record) <= MESSAGE_BYTES):
            _, item = self._queue.popleft()
            if item.configuration is not None and item.configuration not in self._told:
                self._told.append(item.configuration)
                parts.append(item.configuration.record)
            parts.append(item.record)
            size += len(item.record)
        self._bytes -= size
        if not self._queue:
            self._allowance = QUEUE_BYTES
        self._progress_s = time.monotonic()
        return parts[0] if len(parts) == 1 else b"".join(parts)

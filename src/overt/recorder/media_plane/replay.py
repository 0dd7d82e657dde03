"""Replay: recorded footage for whoever the media plane serves, without ever holding up its event loop.

A few reading threads have a `FootageReader` each. An answer belongs to one of them and is made in pieces, each only
when the one before has been taken: a viewer that does not read holds neither a thread nor more than a piece in memory,
and one that goes away is done with as soon as the piece at hand is made. Between two pieces others have their turn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from overt.errors import OvertError, UnavailableError
from overt.footage.index_connection import IndexDamagedError
from overt.footage.opening import OpenedFragment, OpenPeriod
from overt.footage.reading import FootageReader
from overt.ids import StreamKey
from overt.media.records import error_record
from overt.recorder.media_plane.replay_records import (
    fragment_records,
    keyframe_records,
    recent_fragments,
    span_facts,
    still_records,
)

PIECE_BYTES: Final = 512 << 10
"""A piece is sent when it has grown to this; the first is sent with the first records."""
PIECE_S: Final = 0.02
"""A piece is sent after so long in any case, so that others have their turn."""
READ_TIMEOUT_S: Final = 10.0
"""A disk that has given nothing for so long is said to hang."""

_T = TypeVar("_T")
_Records = Generator[bytes, None, None]
_Produce = Callable[[FootageReader], _Records]


@dataclass(slots=True)
class _Open:
    """A reader and how many answers use it."""

    reader: FootageReader
    users: int = 0
    stale: bool = False
    """Its index was found damaged: whoever comes next gets another."""


class _ReadingThread:
    """One thread with a reader of its own. `submit` and the counts belong to the event loop, all else to the thread."""

    def __init__(self, footage: Path, locations: Sequence[Path], number: int) -> None:
        """Open nothing yet."""
        self._footage, self._locations = footage, tuple(locations)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"replay-{number}")
        self._open: _Open | None = None
        self._pieces: set[_Pieces] = set()
        self._lock = threading.Lock()
        self._waiting = 0
        self.answers = 0
        """Answers under way."""

    @property
    def load(self) -> tuple[int, int]:
        """Pieces that are waited for, and answers under way: the less the better."""
        with self._lock:
            return self._waiting, self.answers

    def submit(self, work: Callable[[], _T]) -> Future[_T]:
        """Have something done in the thread.

        Raises:
            UnavailableError: if it was shut down.
        """
        try:
            future = self._executor.submit(work)
        except RuntimeError as error:
            raise _stopping() from error
        with self._lock:
            self._waiting += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: Future[Any]) -> None:
        with self._lock:
            self._waiting -= 1

    def shut_down(self) -> None:
        """Close everything once what is being read now is read; what waits is not done any more."""
        self._executor.shutdown(cancel_futures=True)
        for pieces in list(self._pieces):
            pieces.close()
        if self._open is not None:
            self._open.reader.close()
            self._open = None

    # --- in the thread -----------------------------------------------------------------------------------------------

    def take(self) -> _Open:
        """Return the reader for one more answer, opening it where there is none that is sound."""
        if self._open is None or self._open.stale:
            self._open = _Open(FootageReader(self._footage, self._locations))
        self._open.users += 1
        return self._open

    def give_back(self, opened: _Open) -> None:
        """End the use of a reader; one that is stale is closed with its last use."""
        opened.users -= 1
        if opened.stale and not opened.users:
            opened.reader.close()
            if self._open is opened:
                self._open = None

    @contextmanager
    def understood(self, opened: _Open | None) -> Iterator[None]:
        """Let errors of the footage directory come as errors that say nothing of where it lies."""
        try:
            yield
        except OvertError as error:
            if opened is not None and isinstance(error, IndexDamagedError):
                opened.stale = True
            text = str(error)
            for place in (self._footage, *self._locations):
                text = text.replace(f"{place}/", "").replace(str(place), place.name)
            if text == str(error):
                raise
            raise type(error)(text) from error
        except OSError as error:
            msg = f"the footage cannot be read now: {error.strerror or type(error).__name__}"
            raise UnavailableError(msg) from error

    def call(self, work: Callable[[FootageReader], _T]) -> _T:
        """Do one thing with the reader."""
        with self.understood(None):
            opened = self.take()
        try:
            with self.understood(opened):
                return work(opened.reader)
        finally:
            self.give_back(opened)

    def begin(self, pieces: _Pieces) -> None:
        """Remember an answer that is to be closed with the thread."""
        self._pieces.add(pieces)

    def end(self, pieces: _Pieces) -> None:
        """Forget an answer that was closed."""
        self._pieces.discard(pieces)


class _Pieces:
    """One answer, made a piece at a time. Everything but construction happens in its thread."""

    def __init__(self, thread: _ReadingThread, produce: _Produce) -> None:
        """Do nothing before the first piece is asked for."""
        self._thread, self._produce = thread, produce
        self._opened: _Open | None = None
        self._records: _Records | None = None
        self._error: OvertError | None = None

    def next(self, budget: int) -> bytes | None:
        """Return the next records, about `budget` bytes of them, perhaps none yet; None: that was all.

        Raises:
            OvertError: after the records that came before it.
        """
        if self._error is not None:
            raise self._error
        made: list[bytes] = []
        size, until = 0, time.monotonic() + PIECE_S
        try:
            if self._records is None:
                with self._thread.understood(None):
                    self._opened = self._thread.take()
                self._thread.begin(self)
                self._records = self._produce(self._opened.reader)
            with self._thread.understood(self._opened):
                while size < budget and (not made or time.monotonic() < until):
                    record = next(self._records, None)
                    if record is None:
                        return b"".join(made) if made else None
                    made.append(record)
                    size += len(record)
        except OvertError as error:
            if not made:
                raise
            self._error = error
        return b"".join(made)

    def close(self) -> None:
        """Close files, and end the use of the reader; may be called twice."""
        records, self._records = self._records, None
        if records is not None:
            records.close()
        opened, self._opened = self._opened, None
        if opened is not None:
            self._thread.end(self)
            self._thread.give_back(opened)


class Replay:
    """Reads a footage directory for the media plane. For one event loop; keys are asked for in the reading threads.

    What `open_period` gives is used in one thread at a time for each answer; where answers share keys, those keys must
    bear several threads.
    """

    def __init__(self, footage: Path, locations: Sequence[Path] = (), threads: int = 2) -> None:
        """Read `footage` and further `locations`; nothing is opened before it is asked for."""
        self._threads = [_ReadingThread(footage, locations, number) for number in range(1, threads + 1)]
        self._closed = False

    def close(self) -> None:
        """End every answer and close what is open; waits for what is being read at this moment. May be called twice."""
        if not self._closed:
            self._closed = True
            for thread in self._threads:
                thread.shut_down()

    async def streams(self) -> list[StreamKey]:
        """Return every stream of which anything is known, recorded now or not.

        Raises:
            OvertError: the index cannot be read.
        """
        return await self._call(lambda reader: reader.streams())

    async def spans(self, key: StreamKey, start_ns: int, end_ns: int, now_ns: int) -> dict[str, Any]:
        """Return what is recorded in a span, and why the rest is not: `spans`, `gaps`, `now_us`.

        Raises:
            OvertError: the index cannot be read.
        """
        return await self._call(lambda reader: span_facts(reader, key, start_ns, end_ns, now_ns))

    def fragments(
        self, key: StreamKey, start_ns: int, end_ns: int, open_period: OpenPeriod, *, lead: bool = False
    ) -> AsyncIterator[bytes]:
        """Yield whole records, some at a time: what overlaps a span, the gaps in it, and `end`.

        An error before the first record is raised, a later one is the last record. Whoever stops early closes it
        (`aclose`), which lets files go.

        Args:
            key: the stream.
            start_ns: from here on; with `lead`, from the last keyframe at or before it in the same run of footage.
            end_ns: up to here, excluded; at most an hour or 64 MiB are given, and `end` then says where to go on.
            open_period: gives the keys.
            lead: see `start_ns`.

        Raises:
            ForbiddenError: the keys open nothing of it.
            UnavailableError: disk or index do not answer, or the recorder is stopping.
        """
        return self._stream(lambda reader: fragment_records(reader, key, start_ns, end_ns, open_period, lead=lead))

    def keyframes(
        self, key: StreamKey, start_ns: int, end_ns: int, open_period: OpenPeriod, *, every_ns: int = 0
    ) -> AsyncIterator[bytes]:
        """Yield whole records, some at a time: the keyframe track of the keyframes that begin in a span, and `end`.

        No two are closer than `every_ns`; at most 2,000 or 64 MiB are given. Raises as `fragments`.
        """
        return self._stream(
            lambda reader: keyframe_records(reader, key, start_ns, end_ns, open_period, every_ns=every_ns)
        )

    async def still(self, key: StreamKey, at_ns: int, open_period: OpenPeriod) -> bytes:
        """Return two records: the configuration, and the keyframe at or before a moment in the same run of footage.

        Raises:
            MissingError: nothing is recorded at that moment.
            ForbiddenError: the keys do not open it.
            CorruptError: it cannot be given back.
        """
        return await self._call(lambda reader: still_records(reader, key, at_ns, open_period))

    async def recent(
        self, key: StreamKey, open_period: OpenPeriod, after_ns: int | None = None
    ) -> list[OpenedFragment]:
        """Return the newest fragments on disk: from the last keyframe on, or all that begin at or after `after_ns`.

        None of them is older than ten seconds before the newest; empty where no keyframe is.

        Raises:
            ForbiddenError: the keys open nothing of it.
        """
        return await self._call(lambda reader: recent_fragments(reader, key, open_period, after_ns))

    def _idlest(self) -> _ReadingThread:
        """Return the thread with the least to do."""
        return min(self._threads, key=lambda thread: thread.load)

    async def _call(self, work: Callable[[FootageReader], _T]) -> _T:
        thread = self._idlest()
        return await _answered(thread.submit(lambda: thread.call(work)))

    async def _stream(self, produce: _Produce) -> AsyncGenerator[bytes, None]:
        thread = self._idlest()
        pieces = _Pieces(thread, produce)
        thread.answers += 1
        begun = False
        try:
            while True:
                budget = PIECE_BYTES if begun else 1
                try:
                    records = await _answered(thread.submit(partial(pieces.next, budget)))
                except OvertError as error:
                    if not begun:
                        raise
                    yield error_record(error)
                    return
                if records is None:
                    return
                if records:
                    begun = True
                    yield records
        finally:
            thread.answers -= 1
            if not self._closed:
                # Behind a piece that is still being made; with nobody to wait for it.
                thread.submit(pieces.close)


def _stopping() -> UnavailableError:
    """Return the error for whoever asks while everything is being closed."""
    return UnavailableError("the recorder is stopping: ask again in a moment")


async def _answered(future: Future[_T]) -> _T:
    """Wait for a reading thread.

    Raises:
        UnavailableError: it took longer than `READ_TIMEOUT_S`, or the thread was shut down.
    """
    try:
        # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes together with the answer.
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await asyncio.wrap_future(future)
    except TimeoutError as error:
        msg = f"the footage could not be read within {READ_TIMEOUT_S:g} s: the disk hangs or has too much to do"
        raise UnavailableError(msg) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Not whoever waits was cancelled, but what was waited for, by `shut_down`.
        raise _stopping() from error

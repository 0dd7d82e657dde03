"""One capture worker's connection, as the media process sees it. Belongs to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from overt.errors import UnavailableError
from overt.media.records import Record, RecordParser, record
from overt.recorder.live_wire import Mode, Wire, unpack_states
from overt.sealing.ratchet import RingState

READ_BYTES: Final = 1 << 18
RING_S: Final = 2.0
"""How long a worker may take to answer."""


class WorkerLink:
    """What a worker says, and what it is asked (`overt.recorder.live_wire`)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection that a worker has made."""
        self._reader, self._writer = reader, writer
        self._parser = RecordParser()
        self._asked: dict[int, asyncio.Future[list[RingState]]] = {}
        self._last_request = 0

    async def records(self) -> AsyncIterator[Record]:
        """Yield what the worker says until it goes; answers to `ring` are kept back.

        Raises:
            InvalidError: if it is not to be understood.
        """
        try:
            while data := await self._reader.read(READ_BYTES):
                for each in self._parser.feed(data):
                    if each.kind == Wire.RING:
                        self._answered(each)
                    else:
                        yield each
        except ConnectionError:
            return
        finally:
            self.close()

    def watch(self, stream: int, mode: Mode) -> None:
        """Ask for a stream in a form."""
        self._say(Wire.WATCH, stream=stream, mode=mode)

    def unwatch(self, stream: int, mode: Mode) -> None:
        """Ask for it no longer."""
        self._say(Wire.UNWATCH, stream=stream, mode=mode)

    async def ring(self, stream: int) -> list[RingState]:
        """Ask for the ring of a stream.

        Raises:
            UnavailableError: if the worker does not answer, or has gone.
        """
        self._last_request += 1
        request = self._last_request
        answer: asyncio.Future[list[RingState]] = asyncio.get_running_loop().create_future()
        self._asked[request] = answer
        self._say(Wire.GET_RING, stream=stream, request=request)
        try:
            async with asyncio.timeout(RING_S):
                return await answer
        except TimeoutError:
            msg = f"the capture worker did not say within {RING_S:g} s what opens the last minutes: try again"
            raise UnavailableError(msg) from None
        finally:
            self._asked.pop(request, None)

    def close(self) -> None:
        """Close the connection; whoever waits for an answer gets none."""
        self._writer.close()
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            if not answer.done():
                answer.set_exception(UnavailableError("the capture worker has gone: try again in a moment"))

    def _say(self, kind: Wire, **header: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(record(kind, header))

    def _answered(self, each: Record) -> None:
        answer = self._asked.get(each.header.get("request", 0))
        if answer is not None and not answer.done():
            answer.set_result(unpack_states(each.payload))

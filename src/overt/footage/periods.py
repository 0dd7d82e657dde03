"""Key periods made ready before they are needed, so that a locked or slow keys.sqlite never holds up recording.

One thread a store. A period is asked for an hour ahead; its wrap is on the device before the period is handed over, and
only what was handed over seals footage. While keys.sqlite cannot be written the request is repeated; a stream then goes
on with the period that it has. When the site's public keys change (`seal_to`), nothing is wrapped to those before any
more, and what was made ready for them is thrown away unused.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.errors import OvertError
from overt.footage.index import Index
from overt.footage.keystore import KeyStore, StoredKey
from overt.footage.layout import INDEX
from overt.ids import StreamKey
from overt.sealing.ratchet import KeyPeriod
from overt.sealing.roles import Recipients
from overt.sealing.wraps import WrappedKey, begin_period

RETRY_S: Final = 0.25
_LOG: Final = logging.getLogger(__name__)
MAX_AT_ONCE: Final = 64
"""Periods whose wraps are stored in one transaction: alone, each would cost a flush of its own, and a recorder of many
cameras would begin seconds late."""


@dataclass(frozen=True, slots=True)
class ReadyPeriod:
    """A period whose wrap is stored."""

    key: StreamKey
    start_ns: int
    period: KeyPeriod
    generation: int
    """Which of the store's recipients it is sealed to (`PeriodSource.generation`)."""


@dataclass(slots=True)
class _Request:
    key: StreamKey
    start_ns: int
    made: tuple[KeyPeriod, WrappedKey] | None = None
    generation: int = 0


class PeriodSource:
    """The thread that makes periods and stores their wraps."""

    def __init__(
        self,
        path: Path,
        recipients: Recipients,
        deliver: Callable[[ReadyPeriod], None],
        utc_ns: Callable[[], int],
    ) -> None:
        """Take keys.sqlite, whom to seal to, and who is given each period (called in this thread)."""
        self._path = path
        self._sealing = (0, recipients)
        self._deliver = deliver
        self._utc_ns = utc_ns
        self._condition = threading.Condition()
        self._requests: deque[_Request] = deque()
        self._unused: list[UUID] = []
        self._stopping = False
        self.trouble: str | None = None
        """Why periods cannot be stored at present; None if they can."""
        self._thread = threading.Thread(target=self._run, name="footage-keys", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def generation(self) -> int:
        """Number of the recipients in force: 0 at first, one more with each change. Any thread."""
        return self._sealing[0]

    def seal_to(self, recipients: Recipients) -> bool:
        """Wrap whatever is made from here on to other recipients; False if they are those in force. Any thread."""
        with self._condition:
            number, current = self._sealing
            if recipients == current:
                return False
            self._sealing = (number + 1, recipients)
        return True

    def discard(self, period_id: UUID) -> None:
        """Have the wrap of a period destroyed that has sealed nothing and will not; never blocks for the disk."""
        with self._condition:
            self._unused.append(period_id)
            self._condition.notify()

    def request(self, key: StreamKey, start_ns: int) -> None:
        """Ask for a period that begins at `start_ns`; never blocks for the disk."""
        with self._condition:
            self._requests.append(_Request(key, start_ns))
            self._condition.notify()

    def stop(self, timeout_s: float) -> bool:
        """End the thread; False if it did not end in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def destroy(self, unused: list[UUID]) -> None:
        """Destroy the wraps of periods that sealed nothing; after `stop`."""
        self._destroy([*self._unused, *unused])

    def _destroy(self, unused: list[UUID]) -> None:
        """Destroy wraps; what cannot be destroyed now is nothing to stop for."""
        if not unused:
            return
        try:
            with KeyStore(self._path, create=False) as keys:
                keys.destroy(unused)
        except OvertError as error:
            # Retention sweeps up what nothing was sealed with.
            _LOG.warning("%d spare keys are left for retention to sweep up: %s", len(unused), error)

    def _run(self) -> None:
        """Serve requests in order, trying again while the file cannot be written."""
        while True:
            with self._condition:
                while not self._requests and not self._unused and not self._stopping:
                    self._condition.wait()
                if self._stopping:
                    return
                requests = list(islice(self._requests, MAX_AT_ONCE))
                # What streams wait for comes first.
                unused, self._unused = (self._unused, []) if not requests else ([], self._unused)
            self._destroy(unused)
            if requests and not self._serve(requests):
                with self._condition:
                    self._condition.wait_for(lambda: self._stopping, RETRY_S)
                continue
            with self._condition:
                for _ in requests:
                    self._requests.popleft()

    def _index_id(self) -> bytes:
        """Return the identity of the index; empty while it cannot be read, which keeps the key from being swept up."""
        try:
            with Index(self._path.parent / INDEX, create=False) as index:
                return index.identity()
        except (OvertError, OSError):
            return b""

    def _serve(self, requests: list[_Request]) -> bool:
        """Make, store and deliver periods; False if all of them must be tried again."""
        generation, recipients = self._sealing
        made: list[tuple[KeyPeriod, WrappedKey]] = []
        for request in requests:
            if request.made is None or request.generation != generation:
                request.made, request.generation = begin_period(recipients, request.key), generation
            made.append(request.made)
        try:
            # Opened each time: a file that was put in another's place is noticed, and none is held open.
            with KeyStore(self._path, create=False) as keys:
                now_ns, index_id = self._utc_ns(), self._index_id()
                keys.put(
                    *(
                        StoredKey(period.period_id, request.key, request.start_ns, now_ns, wrapped.encode(), index_id)
                        for request, (period, wrapped) in zip(requests, made, strict=True)
                    )
                )
        except OvertError as error:
            self.trouble = f"{error} (since {time.strftime('%H:%M:%S', time.gmtime())} UTC)"
            return False
        self.trouble = None
        for request, (period, _) in zip(requests, made, strict=True):
            self._deliver(ReadyPeriod(request.key, request.start_ns, period, generation))
            request.made = None
        return True

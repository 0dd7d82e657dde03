"""Released roots of key periods: in memory alone, each under the grant with which it came, gone when that ends.

May be called from any thread. No `repr` shows a key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from uuid import UUID

from overt.errors import ForbiddenError, UnavailableError
from overt.sealing.ratchet import MessageKeys, PeriodKeys

OpenPeriod = Callable[[UUID], MessageKeys]
"""Gives the keys of a period; raises `ForbiddenError` for one that was not released."""
MAX_PERIODS: Final = 65_536
"""Periods under all grants together: three weeks of 64 cameras with two streams, some tens of megabytes."""
STEP: Final = 64
"""Keys that are taken under one turn of the lock."""


class SharedPeriodKeys(PeriodKeys):
    """A period's keys for several reading threads at a time."""

    __slots__ = ("_turn",)

    def __init__(self, root: bytes) -> None:
        """Begin with the released root; raises `InvalidError` if it is not 32 bytes long."""
        super().__init__(root)
        self._turn = threading.Lock()

    def key(self, index: int) -> bytes:
        """Return the key of message `index`; as `PeriodKeys.key`."""
        with self._turn:
            return super().key(index)

    def keys(self, first: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Yield (message index, key); as `PeriodKeys.keys`."""
        for begin in range(first, stop, STEP):
            with self._turn:
                some = list(super().keys(begin, min(begin + STEP, stop)))
            yield from some


class ReleasedKeys:
    """What is released at present."""

    def __init__(self, max_periods: int = MAX_PERIODS) -> None:
        """Begin with nothing released."""
        self._max_periods = max_periods
        self._grants: dict[UUID, dict[UUID, SharedPeriodKeys]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Count, and show no key."""
        return f"ReleasedKeys({self.count} periods)"

    @property
    def count(self) -> int:
        """Periods released, counted under each grant."""
        with self._lock:
            return sum(len(periods) for periods in self._grants.values())

    def release(self, grant: UUID, roots: Mapping[UUID, bytes]) -> None:
        """Add roots under a grant.

        Raises:
            InvalidError: if a root is not 32 bytes long; nothing is added then.
            UnavailableError: if there would be too many.
        """
        fresh = {period: SharedPeriodKeys(root) for period, root in roots.items()}
        with self._lock:
            known = self._grants.get(grant, {})
            others = sum(len(periods) for each, periods in self._grants.items() if each != grant)
            if others + len(known.keys() | fresh.keys()) > self._max_periods:
                msg = f"more than {self._max_periods} key periods would be released at a time: release shorter spans"
                raise UnavailableError(msg)
            if fresh:
                self._grants[grant] = known | fresh

    def forget(self, grant: UUID) -> None:
        """Forget what was released under a grant."""
        with self._lock:
            self._grants.pop(grant, None)

    def opener(self, grant: UUID) -> OpenPeriod:
        """Return what opens the periods released under a grant; once they are forgotten it opens none."""

        def open_period(period: UUID) -> MessageKeys:
            with self._lock:
                found = self._grants.get(grant, {}).get(period)
            if found is None:
                msg = "the keys of this footage were not released with the grant"
                raise ForbiddenError(msg)
            return found

        return open_period

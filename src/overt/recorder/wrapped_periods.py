"""The wrapped keys of footage, for a control room that has the roles' private keys: as they lie on disk, in pages.

A wrapped key opens nothing by itself. Whoever is given it still needs the private keys of all its roles.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.errors import MissingError
from overt.footage.keystore import KeyStore, StoredKey
from overt.footage.layout import INDEX, KEYS
from overt.footage.reading import FootageReader

MAX_PERIODS: Final = 5000
"""Of one page: about two megabytes of JSON."""
MAX_CAMERAS: Final = 128
"""Of one request: what fits into a request's head."""


@dataclass(frozen=True, slots=True)
class PeriodsPage:
    """Some of the key periods that were asked for, in the order of their ids."""

    periods: tuple[StoredKey, ...] = field(repr=False)
    next: UUID | None
    """Ask for those after this one; None: there are no more."""


class WrappedPeriods:
    """Reads the wrapped keys of one footage directory. May be called from any thread."""

    def __init__(self, directory: Path) -> None:
        """Read from `directory` when asked; a directory that is new has none."""
        self._directory = directory

    def page(
        self,
        cameras: Collection[str],
        start_ns: int,
        end_ns: int,
        *,
        after: UUID | None = None,
        limit: int = MAX_PERIODS,
    ) -> PeriodsPage:
        """Return the periods under which footage of some cameras in a span is sealed, at most `limit`, after `after`.

        Those whose wrapped key was destroyed, with the footage or before it, are left out.

        Raises:
            CorruptError, UnavailableError: index or keys cannot be read.
        """
        if not (self._directory / INDEX).exists() or not (self._directory / KEYS).exists():
            return PeriodsPage((), None)
        try:
            with FootageReader(self._directory) as reader:
                found = sorted(reader.periods(cameras, start_ns, end_ns))
        except MissingError:
            return PeriodsPage((), None)  # A recorder that is new has no index yet.
        left = [period for period in found if after is None or period > after]
        chosen = left[:limit]
        with KeyStore(self._directory / KEYS, write=False) as store:
            stored = [store.get(period) for period in chosen]
        periods = tuple(each for each in stored if each is not None)
        return PeriodsPage(periods, chosen[-1] if len(left) > limit else None)

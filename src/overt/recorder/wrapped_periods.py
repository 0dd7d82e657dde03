"""The wrapped keys of footage, for a control room that has the roles' private keys: as they lie on disk, in pages.

A wrapped key opens nothing by itself. Whoever is given it still needs the private keys of all its roles.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.errors import MissingError
from overt.footage.keystore import KeyStore, StoredKey
from overt.footage.layout import INDEX, KEYS
from overt.footage.reading import FootageReader

MAX_PERIODS: Final = 20_000
"""Of one answer: some eight megabytes of JSON."""
MAX_CAMERAS: Final = 128
"""Of one request: what fits into a request's head."""


class WrappedPeriods:
    """Reads the wrapped keys of one footage directory. May be called from any thread."""

    def __init__(self, directory: Path) -> None:
        """Read from `directory` when asked; a directory that is new has none."""
        self._directory = directory

    def of(
        self, cameras: Collection[str], start_ns: int, end_ns: int, *, after: UUID | None = None, limit: int
    ) -> list[StoredKey]:
        """Return the periods under which footage of some cameras in a span is sealed, at most `limit`, by their ids.

        Those whose wrapped key was destroyed, with the footage or before it, are left out.

        Args:
            cameras: whose footage; all streams of each.
            start_ns: from here on.
            end_ns: up to here, excluded.
            after: only those whose id is greater than this.
            limit: how many at most; fewer means that there are no more.

        Raises:
            CorruptError, UnavailableError: index or keys cannot be read.
        """
        if not (self._directory / INDEX).exists() or not (self._directory / KEYS).exists():
            return []
        try:
            with FootageReader(self._directory) as reader:
                found = sorted(reader.periods(cameras, start_ns, end_ns))
        except MissingError:
            return []  # A recorder that is new has no index yet.
        with KeyStore(self._directory / KEYS, write=False) as store:
            kept = (store.get(period) for period in found if after is None or period > after)
            return list(islice((each for each in kept if each is not None), limit))

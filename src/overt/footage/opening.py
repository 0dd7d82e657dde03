"""Opening stored fragments: where the keys come from, and what comes back of a segment, its records opened one by one.

`SegmentOpener` is for one thread. What it is given to open keys with is called in that thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from overt.contract.instant import to_iso
from overt.errors import CorruptError, ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.footage.format import DAMAGED, DISCONTINUITY, KEYFRAME, TableRow
from overt.footage.keystore import KeyStore
from overt.footage.layout import KEYS
from overt.footage.rows import SegmentRow
from overt.footage.segment_reader import SegmentReader
from overt.ids import StreamKey
from overt.sealing.ratchet import MessageKeys, PeriodKeys
from overt.sealing.roles import RoleKey
from overt.sealing.wraps import WrappedKey, unwrap

OpenPeriod = Callable[[UUID], MessageKeys]
"""Gives the keys of a period.

Raises `ForbiddenError` if they are not released or cannot be opened by whoever asks; `MissingError` if nobody has them
any more, `CorruptError`, `InvalidError` or `UnavailableError` if they cannot be read: that footage counts as damaged.
The keys themselves may raise `ForbiddenError` for messages before the first that they open.
"""


@dataclass(frozen=True, slots=True)
class FragmentInfo:
    """What is known of a fragment besides its bytes."""

    key: StreamKey
    segment_id: UUID
    session_id: UUID
    start_ns: int
    duration_ns: int
    samples: int
    keyframe: bool
    discontinuity: bool
    """Not the direct continuation of the fragment before."""
    damaged: bool
    """Something of it was lost or malformed on its way from the camera."""

    @property
    def end_ns(self) -> int:
        """Start plus duration."""
        return self.start_ns + self.duration_ns


@dataclass(frozen=True, slots=True)
class OpenedFragment:
    """A fragment as the camera sent it: `initialisation` and `payload` together can be decoded."""

    info: FragmentInfo
    initialisation: bytes = field(repr=False)
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Damage:
    """Footage that is indexed and cannot be given back: altered, missing, or without its key."""

    key: StreamKey
    start_ns: int
    end_ns: int
    path: Path
    detail: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Footage that is there, and that the keys at hand do not open."""

    key: StreamKey
    start_ns: int
    end_ns: int
    detail: str
    early: bool
    """The keys are of its period, and begin after it: a ring reaches back only so far."""

    def error(self) -> ForbiddenError:
        """Return the error that names the time span."""
        return ForbiddenError(
            f"{self.key}: the footage from {to_iso(self.start_ns)} to {to_iso(self.end_ns)} "
            f"cannot be opened: {self.detail}"
        )


class StoredPeriods:
    """Opens the wrapped keys of a footage directory with the private keys of the site's roles: an `OpenPeriod`."""

    def __init__(self, directory: Path, keys: Sequence[RoleKey]) -> None:
        """Open the directory's keys when they are asked for; it need not be there yet."""
        self.directory: Final = directory
        self._keys: Final = tuple(keys)

    def __call__(self, period_id: UUID) -> PeriodKeys:
        """Return the keys of a period.

        Raises:
            MissingError: its wrapped key was destroyed.
            ForbiddenError: these private keys do not open it.
            CorruptError, InvalidError, UnavailableError: it cannot be read.
        """
        with KeyStore(self.directory / KEYS, write=False) as store:
            return PeriodKeys(self._root(store, period_id))

    def roots(self, periods: Iterable[UUID]) -> tuple[dict[UUID, bytes], dict[UUID, OvertError]]:
        """Return the roots of periods, for whoever is to open them elsewhere, and why some cannot be opened.

        Those that were destroyed meanwhile are in neither.

        Raises:
            CorruptError, InvalidError, UnavailableError: the file of keys cannot be read.
        """
        found: dict[UUID, bytes] = {}
        refused: dict[UUID, OvertError] = {}
        with KeyStore(self.directory / KEYS, write=False) as store:
            for period_id in periods:
                try:
                    found[period_id] = self._root(store, period_id)
                except MissingError:
                    continue
                except UnavailableError:
                    raise  # the file as a whole: later it may all be well
                except OvertError as error:
                    refused[period_id] = error
        return found, refused

    def _root(self, store: KeyStore, period_id: UUID) -> bytes:
        stored = store.get(period_id)
        if stored is None:
            msg = f"the wrapped key of period {period_id} was destroyed: nobody can open this footage any more"
            raise MissingError(msg)
        return unwrap(WrappedKey.decode(stored.wrap), self._keys)


class SegmentOpener:
    """Opens records of one segment after another; holds one file at a time, and every period's keys that it was given.

    A context manager. Not thread-safe.
    """

    def __init__(self, open_period: OpenPeriod) -> None:
        """Hold nothing yet."""
        self._open_period = open_period
        self._periods: dict[UUID, MessageKeys | OvertError] = {}
        self._reader: SegmentReader | None = None
        self._row: SegmentRow | None = None
        self._path = Path()
        self._configuration: TableRow | None = None
        self._initialisation = b""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the file at hand; may be called twice."""
        reader, self._reader, self._row = self._reader, None, None
        if reader is not None:
            reader.close()

    def begin(self, row: SegmentRow, path: Path) -> Damage | Refusal | None:
        """Go over to a segment; None if its records can be opened, else why nothing of it can (all of its time)."""
        self.close()
        keys = self._keys(row.period_id)
        if isinstance(keys, ForbiddenError):
            return Refusal(row.key, row.start_ns, row.end_ns, str(keys), early=False)
        try:
            if isinstance(keys, OvertError):
                raise keys
            self._reader = SegmentReader(path, keys)
        except (ForbiddenError, MissingError, UnavailableError, CorruptError, InvalidError) as error:
            # Forbidden here: the keys belong to the period by its id, so the file names a period that is not its own.
            return Damage(row.key, row.start_ns, row.end_ns, path, str(error))
        self._row, self._path, self._configuration = row, path, None
        return None

    def _keys(self, period_id: UUID) -> MessageKeys | OvertError:
        """Return the keys of a period, or why there are none; asks once."""
        found = self._periods.get(period_id)
        if found is None:
            try:
                found = self._open_period(period_id)
            except (ForbiddenError, MissingError, UnavailableError, CorruptError, InvalidError) as error:
                found = error
            self._periods[period_id] = found
        return found

    def open(self, configuration: TableRow | None, fragment: TableRow) -> OpenedFragment | Damage | Refusal:
        """Open one fragment record of the segment begun last, with the configuration record in force."""
        reader, row = self._reader, self._row
        if reader is None or row is None:
            msg = "no segment was begun"
            raise RuntimeError(msg)
        try:
            if configuration is None:
                msg = f"{self._path}: no configuration before the fragment at offset {fragment.offset}"
                raise CorruptError(msg)
            if configuration is not self._configuration:
                self._initialisation = reader.open(configuration)
                self._configuration = configuration
            payload = reader.open(fragment)
        except ForbiddenError as error:
            return Refusal(row.key, fragment.start_ns, fragment.end_ns, str(error), early=True)
        except (CorruptError, InvalidError, UnavailableError) as error:
            return Damage(row.key, fragment.start_ns, fragment.end_ns, self._path, str(error))
        info = FragmentInfo(
            key=row.key,
            segment_id=row.segment_id,
            session_id=row.session_id,
            start_ns=fragment.start_ns,
            duration_ns=fragment.duration_ns,
            samples=fragment.samples,
            keyframe=bool(fragment.flags & KEYFRAME),
            discontinuity=bool(fragment.flags & DISCONTINUITY),
            damaged=bool(fragment.flags & DAMAGED),
        )
        return OpenedFragment(info, self._initialisation, payload)

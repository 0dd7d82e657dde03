"""The custodian's key: opened once after each start of the control room, kept in its memory alone.

With it the keys of recorded footage are released, those of the cameras and hours that were asked for and no others.
It lies in `DATA/custodian.key` under a passphrase; the recorder has `DATA/recipients.json`, which opens nothing.
May be called from any thread.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.contract.instant import LATEST_NS
from overt.contract.socket_client import SocketClient, periods
from overt.control.custody.handing_over import KEY_FILE, RECIPIENTS_FILE
from overt.control.custody.policies import KeyRole
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, OvertError
from overt.new_file import read_small
from overt.sealing.custody import create_key_file, open_with_passphrase, read_key_file
from overt.sealing.recipients_file import write_recipients
from overt.sealing.roles import Recipients, RoleKey
from overt.sealing.wraps import WrappedKey, unwrap

ATTEMPTS: Final = 5
"""Wrong passphrases within `WINDOW_S`; after them nobody may try until the first of them is so old."""
WINDOW_S: Final = 600.0
MAX_PASSPHRASE_FILE: Final = 8 * 1024
MICROSECOND: Final = 1000
_LOG: Final = logging.getLogger(__name__)


class Custody:
    """The site's key in a directory: whether there is one, and while it is unlocked, the key."""

    def __init__(self, directory: Path, recorder_socket: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin locked. `recorder_socket`: of the recorder whose footage the key opens."""
        self._directory, self._recorder = directory, SocketClient(recorder_socket)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._key: RoleKey | None = None
        self._wrong: deque[float] = deque(maxlen=ATTEMPTS)

    @property
    def key_file(self) -> Path:
        """Where the key lies, sealed."""
        return self._directory / KEY_FILE

    @property
    def recipients_file(self) -> Path:
        """What the recorder is given."""
        return self._directory / RECIPIENTS_FILE

    @property
    def made(self) -> bool:
        """Whether the site has a key: before, nothing can be recorded."""
        return self.recipients_file.exists()

    @property
    def unlocked(self) -> bool:
        """Whether recorded footage can be opened now."""
        return self._key is not None

    @property
    def key_ids(self) -> frozenset[str]:
        """Ids of the private keys in memory; empty while recorded footage is locked."""
        key = self._key
        return frozenset() if key is None else frozenset({key.key_id})

    @property
    def site(self) -> UUID | None:
        """The site's id, which grants are addressed to; None while there is no key."""
        return read_key_file(self.key_file).site_id if self.key_file.exists() else None

    def make(self, site: str, passphrase: str) -> str:
        """Make the site's key and the recorder's part of it; return the recovery code, which is kept nowhere.

        It is unlocked from now on.

        Raises:
            InvalidError: passphrase or name of the site will not do.
            ConflictError: there is a key already.
            UnavailableError: the disk refuses.
        """
        with self._lock:
            if self.made:
                msg = "This site has a key already. Another would open nothing that was recorded until now."
                raise ConflictError(msg)
            if self.key_file.exists():
                msg = (
                    f"{self.key_file} is there and {RECIPIENTS_FILE} is not. If nothing was recorded yet, move the key "
                    "file away; else restore the other from a backup, or write it with 'overt keys recipients'."
                )
                raise ConflictError(msg)
            created = create_key_file(self.key_file, site, passphrase)
            key_file = created.key_file
            write_recipients(self.recipients_file, Recipients(key_file.site_id, key_file.site, (key_file.recipient,)))
            self._key = open_with_passphrase(key_file, passphrase)
        return created.recovery_code

    def unlock(self, passphrase: str) -> None:
        """Open the key.

        Raises:
            ForbiddenError: the passphrase is wrong, or was wrong too often of late.
            MissingError: there is no key file.
        """
        with self._lock:
            now = self._monotonic()
            if len(self._wrong) == ATTEMPTS and now - self._wrong[0] < WINDOW_S:
                minutes = math.ceil((WINDOW_S - (now - self._wrong[0])) / 60)
                msg = f"The passphrase was wrong {ATTEMPTS} times. Wait {minutes} minutes, then try again."
                raise ForbiddenError(msg)
            key_file = read_key_file(self.key_file)
            try:
                self._key = open_with_passphrase(key_file, passphrase)
            except ForbiddenError as error:
                self._wrong.append(now)
                _LOG.warning("somebody tried a wrong passphrase on the site's key")
                msg = "This is not the passphrase of the site’s key. Check capital letters and the keyboard’s language."
                raise ForbiddenError(msg) from error
            self._wrong.clear()

    def unlock_from(self, path: Path) -> None:
        """Open the key with the first line of a file; a failure is logged, and the page “Footage key” remains."""
        try:
            self.unlock(
                read_small(path, MAX_PASSPHRASE_FILE, "file with the custodian's passphrase").decode().split("\n")[0]
            )
        except (OvertError, UnicodeDecodeError) as error:
            _LOG.error("recorded footage stays locked: %s: %s", path, error)

    def lock(self) -> None:
        """Forget the key; keys that were released stay with the grants that they were released under."""
        self._key = None

    def attempt(self, wrapped: WrappedKey) -> None:
        """See whether a wrapped key opens; what was in it is forgotten at once.

        Raises:
            ForbiddenError: the key is locked, or is none of those that it was sealed to.
            CorruptError: it does not open: it was altered.
        """
        key = self._key
        if key is None:
            msg = "recorded footage is locked"
            raise ForbiddenError(msg)
        unwrap(wrapped, [key])

    def release(
        self, cameras: Collection[str], from_ns: int, to_ns: int, given: Collection[UUID] = ()
    ) -> dict[UUID, bytes]:
        """Return the roots of the key periods of these cameras that overlap a span, but for those in `given`.

        What is sealed to keys in hand is left out: `in_hand` has it.

        Raises:
            ForbiddenError: the key is locked, or is another site's.
            UnavailableError: the recorder does not answer.
        """
        key = self._key
        if key is None:
            msg = "recorded footage is locked"
            raise ForbiddenError(msg)
        roots: dict[UUID, bytes] = {}
        for wrapped in self._wraps(cameras, from_ns, to_ns):
            if wrapped.period_id in given or _is_in_hand(wrapped):
                continue
            try:
                roots[wrapped.period_id] = unwrap(wrapped, [key])
            except (CorruptError, InvalidError) as error:
                _LOG.warning("some recorded footage cannot be opened: %s", error)
        return roots

    def in_hand(
        self, cameras: Collection[str], from_ns: int, to_ns: int, given: Collection[UUID] = ()
    ) -> dict[UUID, WrappedKey]:
        """Return the wraps of the same periods that keys in hand open, and this one does not.

        Raises:
            UnavailableError: the recorder does not answer.
        """
        wraps = self._wraps(cameras, from_ns, to_ns)
        return {each.period_id: each for each in wraps if each.period_id not in given and _is_in_hand(each)}

    def _wraps(self, cameras: Collection[str], from_ns: int, to_ns: int) -> Iterator[WrappedKey]:
        begin_us, end_us = from_ns // MICROSECOND, -(-min(to_ns, LATEST_NS) // MICROSECOND)
        for row in periods(self._recorder, list(cameras), begin_us, end_us):
            try:
                wrapped = WrappedKey.decode(row.wrap)
            except (CorruptError, InvalidError) as error:
                _LOG.warning("some recorded footage cannot be opened: %s", error)
                continue
            # What is opened is decided here, not by who answers: a period names its own camera under its seal.
            if wrapped.key.camera in cameras:
                yield wrapped


def _is_in_hand(wrapped: WrappedKey) -> bool:
    """Whether a wrap is sealed to roles whose keys are in hand."""
    return any(layer.role in set(KeyRole) for layer in wrapped.layers)

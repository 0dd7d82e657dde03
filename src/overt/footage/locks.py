"""Who may write: one recorder a footage directory, one writer a stream. The kernel drops the locks of a dead process.

`recorder.lock` is held by the recorder's first process. `workers.lock` is held, shared, by every process that writes,
so that a recorder started while workers of a dead one still run is refused. A stream's own lock keeps two workers
apart. A child that is forked (not spawned) would inherit the locks: start workers by spawning.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from overt.errors import ConflictError, UnavailableError
from overt.footage.faults import disk_sentence
from overt.footage.layout import LOCKS
from overt.ids import StreamKey

RECORDER: Final = "recorder.lock"
WORKERS: Final = "workers.lock"


class FileLock:
    """An advisory lock on a small file (flock(2)), never waited for."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Take the lock.

        Raises:
            ConflictError: if another process (or another opening in this one) holds it.
            UnavailableError: if the disk refuses the file.
        """
        self.path: Final = path
        self._fd = -1
        try:
            path.parent.mkdir(exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            msg = f"{path}: held by another process"
            raise ConflictError(msg) from error
        except OSError as error:
            self.release()
            msg = f"{path}: cannot be locked: {disk_sentence(error.errno)}"
            raise UnavailableError(msg) from error

    def share(self) -> None:
        """Let others hold the lock too."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def touch(self) -> None:
        """Set the file's time to now: a sign of life."""
        with suppress(OSError):
            os.utime(self._fd)

    def release(self) -> None:
        """Let go; may be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class StoreLocks:
    """The locks that one process holds on a footage directory."""

    def __init__(self, directory: Path, *, shared: bool) -> None:
        """Take the recorder's locks, or with `shared` those of one of its workers.

        Raises:
            ConflictError: if another recorder writes here.
        """
        folder = directory / LOCKS
        self._folder = folder
        self._streams: dict[StreamKey, FileLock] = {}
        self.alive_ns = last_sign_of_life(directory)
        """When the recorder before this one last gave a sign of life, wall clock; None if there was none."""
        self._recorder: FileLock | None = None
        if shared:
            self._workers = FileLock(folder / WORKERS, shared=True)
            return
        try:
            self._recorder = FileLock(folder / RECORDER)
            self._workers = FileLock(folder / WORKERS)
            self._workers.share()
        except ConflictError as error:
            if self._recorder is not None:
                self._recorder.release()
            msg = f"{directory}: another recorder writes here ({error}); stop it first, or choose another directory"
            raise ConflictError(msg) from error

    def stream(self, key: StreamKey) -> None:
        """Take a stream's lock.

        Raises:
            ConflictError: if another worker writes this stream.
        """
        if key not in self._streams:
            self._streams[key] = FileLock(self._folder / f"{key.camera}.{key.stream}.lock")

    def drop(self, key: StreamKey) -> None:
        """Let a stream go."""
        lock = self._streams.pop(key, None)
        if lock is not None:
            lock.release()

    def sign_of_life(self) -> None:
        """Leave a sign of life."""
        if self._recorder is not None:
            self._recorder.touch()

    def release(self) -> None:
        """Let everything go."""
        for key in list(self._streams):
            self.drop(key)
        self._workers.release()
        if self._recorder is not None:
            self._recorder.release()


def last_sign_of_life(directory: Path) -> int | None:
    """Return when a recorder last gave a sign of life here, wall clock in nanoseconds; None if there was never one."""
    try:
        return (directory / LOCKS / RECORDER).stat().st_mtime_ns
    except OSError:
        return None


def is_locked(path: Path) -> bool:
    """True if some process holds the lock now."""
    if not path.exists():
        return False
    try:
        FileLock(path).release()
    except ConflictError:
        return True
    return False

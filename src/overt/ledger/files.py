"""The one place where a ledger's files are written, made durable and taken away."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from overt.errors import ConflictError, MissingError, UnavailableError

LOCK: Final = "lock"
FILE_MODE: Final = 0o640
FOLDER_MODE: Final = 0o750


class LedgerFiles:
    """Writes below a ledger's directory, by paths as `overt.ledger.tiles` makes them. Not thread-safe.

    Every method raises UnavailableError if the disk refuses.
    """

    def __init__(self, directory: Path) -> None:
        """Write below `directory`, which must exist."""
        self.directory = directory
        self._folders: set[Path] = set()
        self._fresh: set[Path] = {directory}
        """Folders that got a new name in them since they were last made durable."""

    def put(self, path: str, data: bytes) -> None:
        """Write a file aside and put it in its place at once; not yet durable."""
        self.put_aside(path, data)
        self.put_in_place(path)

    def put_unseen(self, path: str, data: bytes) -> None:
        """Write a file that nobody reads before something else points to it; not yet durable."""
        target = self.directory / path
        try:
            self._make_folder(target.parent)
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
            try:
                write_all(fd, data, 0)
            finally:
                os.close(fd)
        except OSError as error:
            raise refused(target, error) from error
        self._fresh.add(target.parent)

    def put_aside(self, path: str, data: bytes) -> None:
        """Write all of a file under the name it has until it is put in place."""
        target = self.directory / path
        try:
            self._make_folder(target.parent)
            fd = os.open(_aside(target), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
            try:
                write_all(fd, data, 0)
            finally:
                os.close(fd)
        except OSError as error:
            raise refused(target, error) from error

    def put_in_place(self, path: str) -> None:
        """Give a file written aside its name, in one step."""
        target = self.directory / path
        try:
            _aside(target).rename(target)
        except OSError as error:
            raise refused(target, error) from error
        self._fresh.add(target.parent)

    def write_at(self, path: str, data: bytes, offset: int) -> None:
        """Write into a file from an offset on, which becomes its new end; not yet durable."""
        target = self.directory / path
        try:
            self._make_folder(target.parent)
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                if os.fstat(fd).st_size > offset:
                    os.ftruncate(fd, offset)
                write_all(fd, data, offset)
            finally:
                os.close(fd)
        except OSError as error:
            raise refused(target, error) from error
        self._fresh.add(target.parent)

    def cut(self, path: str, length: int) -> None:
        """Shorten a file."""
        try:
            os.truncate(self.directory / path, length)
        except OSError as error:
            raise refused(self.directory / path, error) from error

    def remove(self, path: str) -> None:
        """Take a file away, and what was written aside for it; neither need be there."""
        target = self.directory / path
        try:
            target.unlink(missing_ok=True)
            _aside(target).unlink(missing_ok=True)
        except OSError as error:
            raise refused(target, error) from error

    def remove_partials(self, path: str) -> None:
        """Take away the partial tiles of a tile that is full, durable, and in its place."""
        folder = self.directory / f"{path}.p"
        try:
            for each in list(folder.iterdir()):
                each.unlink(missing_ok=True)
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise refused(folder, error) from error
        self._folders.discard(folder)
        self._fresh.discard(folder)

    def sync(self, path: str) -> None:
        """Make a file's bytes durable; its name becomes so with `sync_folders`."""
        _sync(self.directory / path, os.O_RDONLY)

    def sync_folders(self) -> None:
        """Make all new names durable, of folders too."""
        for folder in sorted(self._fresh, key=lambda each: len(each.parts), reverse=True):
            _sync(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._fresh.clear()

    def _make_folder(self, folder: Path) -> None:
        if folder in self._folders:
            return
        missing = [each for each in (folder, *folder.parents) if each.is_relative_to(self.directory)]
        for each in reversed(missing):
            try:
                each.mkdir(mode=FOLDER_MODE)
            except FileExistsError:
                continue
            self._fresh |= {each, each.parent}
        self._folders.add(folder)


class DirectoryLock:
    """An exclusive lock on a ledger's directory (flock(2)), never waited for; gone with the process that holds it."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            ConflictError: another process, or another part of this one, writes there.
            MissingError: there is no such directory.
            UnavailableError: the disk refuses.
        """
        self._path = directory / LOCK
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except FileNotFoundError as error:
            msg = f"{directory} is not there"
            raise MissingError(msg) from error
        except OSError as error:
            raise refused(self._path, error) from error
        self._pid = os.getpid()
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            msg = f"{directory} is being written by another process: a ledger has one writer"
            raise ConflictError(msg) from error

    def check(self) -> None:
        """See that the lock still protects anything.

        Raises:
            UnavailableError: the lock's file was replaced or removed, or this is a forked process.
        """
        try:
            named, held = self._path.stat(), os.fstat(self._fd)
        except OSError as error:
            msg = f"{self._path} is gone: was the ledger's directory moved or restored while it was in use? Start again"
            raise UnavailableError(msg) from error
        if (named.st_dev, named.st_ino) != (held.st_dev, held.st_ino) or os.getpid() != self._pid:
            msg = f"{self._path} is no longer the file that this process locked: another may write there. Start again"
            raise UnavailableError(msg)

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._fd)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one process at a time work in a directory; others wait.

    Raises:
        UnavailableError: the disk refuses.
    """
    path = directory / ".lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise refused(path, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write all bytes at an offset; raises OSError if the disk takes only some."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def refused(path: Path | PurePosixPath, error: OSError) -> UnavailableError:
    """Return the error that names the disk's refusal."""
    return UnavailableError(f"{path}: cannot write: {error.strerror or error}")


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _sync(path: Path, flags: int) -> None:
    try:
        fd = os.open(path, flags | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise refused(path, error) from error

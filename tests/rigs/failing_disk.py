"""A disk that fails at a chosen operation: it refuses, or the process dies there, or the power goes.

Stands between a program and the functions of `os` that change files, below one directory. It knows what a disk has
promised: the bytes of a file that was flushed, the names in a folder that was flushed, and nothing else.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGING = ("open", "pwrite", "ftruncate", "truncate", "fsync", "fdatasync", "rename", "unlink", "mkdir", "rmdir")


class Died(BaseException):
    """The process died here; whatever it still tries on its way out fails as well."""


class FailingDisk:
    """Counts the operations that change something; fails at number `at` (from 1; 0: never)."""

    def __init__(self, directory: Path, at: int = 0, *, dies: bool = False, lasting: bool = False) -> None:
        self.directory, self.at, self.dies, self.lasting = directory, at, dies, lasting
        self.count = 0
        self._ids: dict[int, int] = {}
        """Number of a file or folder by its inode, which is given to another once it is free."""
        self._next = 0
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._folders: set[int] = set()
        self._top = self._remember(directory)

    @property
    def failed(self) -> bool:
        return self.at > 0 and self.count >= self.at

    def _id(self, inode: int) -> int:
        if inode not in self._ids:
            self._ids[inode] = self._next
            self._next += 1
        return self._ids[inode]

    def _remember(self, path: Path) -> int:
        """All that is there at the beginning is durable."""
        number = self._id(path.stat().st_ino)
        if path.is_dir():
            self._folders.add(number)
            self._names[number] = {each.name: self._remember(each) for each in path.iterdir()}
        else:
            self._bytes[number] = path.read_bytes()
        return number

    def _flushed(self, fd: int) -> None:
        status = os.fstat(fd)
        number = self._id(status.st_ino)
        if stat.S_ISDIR(status.st_mode):
            folder = Path(f"/proc/self/fd/{fd}").readlink()
            self._folders |= {self._id(each.stat().st_ino) for each in folder.iterdir() if each.is_dir()} | {number}
            self._names[number] = {each.name: self._id(each.stat().st_ino) for each in folder.iterdir()}
        else:
            self._bytes[number] = Path(f"/proc/self/fd/{fd}").read_bytes()

    def _freed(self, path: Any) -> None:
        try:
            self._ids.pop(os.lstat(path).st_ino, None)
        except FileNotFoundError:
            return

    def cut_power(self) -> None:
        """Leave in the directory what was promised, and nothing else."""
        for each in list(self.directory.iterdir()):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        self._restore(self.directory, self._top)

    def _restore(self, path: Path, number: int) -> None:
        for name, inner in self._names.get(number, {}).items():
            if inner in self._folders:
                (path / name).mkdir()
                self._restore(path / name, inner)
            else:
                (path / name).write_bytes(self._bytes.get(inner, b""))

    def _step(self, half: Callable[[], object] | None = None) -> None:
        self.count += 1
        if self.at == 0 or self.count < self.at or (self.count > self.at and not (self.dies or self.lasting)):
            return
        if half is not None and self.count == self.at:
            half()
        if self.dies:
            raise Died
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _ours(self, place: Any) -> bool:
        path = Path(f"/proc/self/fd/{place}").readlink() if isinstance(place, int) else Path(os.fspath(place))
        return path.is_relative_to(self.directory)

    @contextmanager
    def in_place(self) -> Iterator[FailingDisk]:
        """Stand between for as long as this lasts."""
        real = {
            name: getattr(os, name)
            for name in (
                "open",
                "pwrite",
                "ftruncate",
                "truncate",
                "fsync",
                "fdatasync",
                "rename",
                "unlink",
                "mkdir",
                "rmdir",
            )
        }

        def opened(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & (os.O_CREAT | os.O_TRUNC) and self._ours(path):
                self._step()
            return int(real["open"](path, flags, *more, **named))

        def written(fd: int, data: Any, offset: int) -> int:
            if self._ours(fd):
                self._step(lambda: real["pwrite"](fd, bytes(data)[: len(data) // 2], offset))
            return int(real["pwrite"](fd, data, offset))

        def flushed(name: str) -> Callable[[int], None]:
            def flush(fd: int) -> None:
                real[name](fd)
                if self._ours(fd):
                    self._step()
                    self._flushed(fd)

            return flush

        def plain(name: str, frees: int | None = None) -> Callable[..., None]:
            def act(*arguments: Any, **named: Any) -> None:
                if self._ours(arguments[0]):
                    self._step()
                    if frees is not None:
                        self._freed(arguments[frees])
                real[name](*arguments, **named)

            return act

        ours = {
            "open": opened,
            "pwrite": written,
            "fsync": flushed("fsync"),
            "fdatasync": flushed("fdatasync"),
            "ftruncate": plain("ftruncate"),
            "truncate": plain("truncate"),
            "rename": plain("rename", 1),
            "unlink": plain("unlink", 0),
            "mkdir": plain("mkdir"),
            "rmdir": plain("rmdir", 0),
        }
        try:
            for name, function in ours.items():
                setattr(os, name, function)
            yield self
        finally:
            for name, function in real.items():
                setattr(os, name, function)

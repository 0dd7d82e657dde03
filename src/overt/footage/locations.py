"""Storage locations: health, free space, and the flushing of what was written there.

A location's state changes in any thread, under its own lock. Its caretaker thread flushes written files to the device
every `flush_interval_s`, completes closed ones (flush file, flush directory, report), reads the free space, and while
the location is failed tries a small write every `probe_interval_s`. A disk that hangs holds up its own caretaker only.

`usable` may be read by any thread without a lock.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.contract.fact import DiskState, DiskStateChanged
from overt.errors import OvertError
from overt.footage.faults import disk_sentence, disk_state
from overt.footage.layout import SEGMENTS
from overt.footage.marker import Marker, read_marker, sync_directory
from overt.footage.options import StoreOptions

MAX_CLOSING: Final = 4096
"""Closed files that wait for their flush; beyond it the location counts as slow and takes no new segment."""
_PROBE: Final = b"overt" * 820
_FAILED: Final = frozenset({"full", "read-only", "missing", "failing"})


@dataclass(slots=True, eq=False)
class OpenFile:
    """A segment file while it is written. The writer sets `dirty` after each write; the caretaker clears it."""

    path: Path
    dirty: bool = True
    entry_synced: bool = False
    """The directory's entry is on the device."""


@dataclass(frozen=True, slots=True)
class LocationStatus:
    """What is known of a location, for health and metrics."""

    location_id: UUID
    path: Path
    state: DiskState
    reason: str
    free_bytes: int
    total_bytes: int
    flush_s: float
    """How long the last round of flushing took."""
    flush_max_s: float
    flushed_monotonic: float
    """`time.monotonic` when everything written before was last on the device."""
    waiting: int
    """Closed files that wait for their flush."""


@dataclass(slots=True, eq=False)
class _Closing:
    """A closed file that is to be flushed, and who is told."""

    file: OpenFile
    done: Callable[[], None] = field(repr=False)


class Location:
    """One directory on some disk that holds segments."""

    def __init__(
        self,
        path: Path,
        expected: Marker,
        options: StoreOptions,
        report: Callable[[DiskStateChanged], None],
        wake_writer: Callable[[], None] = lambda: None,
    ) -> None:
        """Take a directory whose marker must be `expected`; it need not be there yet.

        Args:
            path: the directory.
            expected: its marker, as the store knows it.
            options: bounds and intervals.
            report: told of each change of state; called in any thread, must not block.
            wake_writer: called when the location becomes usable or ceases to be.
        """
        self.path: Final = path
        self.marker: Final = expected
        self.state: DiskState = "ok"
        self.reason = ""
        self.usable = True
        self.free = self.total = 0
        self.busy_since: float | None = None
        """`time.monotonic` when the writer went into an operation on this disk from which it has not come back."""
        self._options = options
        self._report = report
        self._wake_writer = wake_writer
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._open: dict[Path, OpenFile] = {}
        self._closing: deque[_Closing] = deque()
        self._fresh_directories: list[Path] = []
        self._flush_s = self._flush_max_s = 0.0
        self._flushed = time.monotonic()
        self._flushing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"footage-disk-{path.name}", daemon=True)

    # --- state -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look at the disk once, then start the caretaker."""
        self._look()
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Flush what waits and end the caretaker; False if the disk did not let it within the time."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> LocationStatus:
        """Return what is known now."""
        return LocationStatus(
            location_id=self.marker.location,
            path=self.path,
            state=self.state,
            reason=self.reason,
            free_bytes=self.free,
            total_bytes=self.total,
            flush_s=self._flush_s,
            flush_max_s=self._flush_max_s,
            flushed_monotonic=self._flushed,
            waiting=len(self._closing),
        )

    @property
    def free_share(self) -> float:
        """Free part of the disk, 0 to 1."""
        return self.free / self.total if self.total else 0.0

    def fail(self, code: int | None, what: str) -> None:
        """Leave this location: the disk refused `what` with this errno. The caretaker tries it again."""
        self._become(disk_state(code), f"{what}: {disk_sentence(code)}")
        self._wake.set()

    def check_slow(self) -> None:
        """Call a disk slow while an operation has not come back; called by the store's watch thread."""
        now = time.monotonic()
        since = min((s for s in (self.busy_since, self._flushing_since) if s is not None), default=None)
        if since is not None and now - since > self._options.slow_s:
            if self.state in {"ok", "low"}:
                self._become("slow", f"the disk has not answered for more than {self._options.slow_s:g} s")
        elif self.state == "slow" and len(self._closing) < MAX_CLOSING:
            self._become("ok", "the disk answers again")

    def _become(self, state: DiskState, reason: str) -> None:
        """Change state and report it once."""
        with self._lock:
            previous = self.state
            if previous == state:
                return
            self.state, self.reason = state, reason
            self.usable = state not in _FAILED and len(self._closing) < MAX_CLOSING
        self._report(DiskStateChanged(str(self.path), previous, state, reason, self.free, self.total))
        self._wake_writer()

    # --- files -------------------------------------------------------------------------------------------------------

    def opened(self, file: OpenFile, fresh_directories: list[Path]) -> None:
        """Take a new file into the round of flushing; `fresh_directories` were made for it."""
        with self._lock:
            self._open[file.path] = file
            self._fresh_directories += fresh_directories

    def closed(self, file: OpenFile, done: Callable[[], None]) -> None:
        """Take a file that is complete; `done` is called, in the caretaker's thread, when the device has it."""
        with self._lock:
            self._open.pop(file.path, None)
            self._closing.append(_Closing(file, done))
            full = len(self._closing) >= MAX_CLOSING
        self._wake.set()
        if full:
            self._become("slow", f"{MAX_CLOSING} closed files wait for their flush")
            self.usable = False

    # --- the caretaker -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Flush, look at the space, probe; until stopped."""
        options = self._options
        due_flush = time.monotonic() + options.flush_interval_s
        due_look = 0.0
        while True:
            now = time.monotonic()
            failed = self.state in _FAILED
            wait = min(due_flush, due_look) - now if not failed else options.probe_interval_s
            self._wake.wait(max(0.0, min(wait, options.space_interval_s)))
            self._wake.clear()
            stopping = self._stopping
            if self._closing:
                self._complete()
            now = time.monotonic()
            if now >= due_flush or stopping:
                self._flush()
                due_flush = now + options.flush_interval_s
            if stopping:
                return
            if now >= due_look or self.state in _FAILED:
                self._look()
                due_look = time.monotonic() + options.space_interval_s

    def _complete(self) -> None:
        """Flush closed files and their directories; then tell who waits for each."""
        self._flushing_since = time.monotonic()
        try:
            while self._closing:
                item = self._closing[0]
                if not self._sync(item.file):
                    return
                self._closing.popleft()
                item.done()
        finally:
            self._flushing_since = None

    def _flush(self) -> None:
        """Flush every open file that was written to since its last round."""
        started = self._flushing_since = time.monotonic()
        try:
            with self._lock:
                files = [file for file in self._open.values() if file.dirty]
            flushed = [self._sync(file) for file in files]
            if all(flushed):
                self._flushed = started
        finally:
            self._flushing_since = None
        self._flush_s = time.monotonic() - started
        self._flush_max_s = max(self._flush_max_s, self._flush_s)

    def _sync(self, file: OpenFile) -> bool:
        """Flush one file and, the first time, its directories; False if the disk refused."""
        try:
            with self._lock:
                fresh, self._fresh_directories = self._fresh_directories, []
            file.dirty = False
            flush_file(file.path)
            if not file.entry_synced:
                sync_directory(file.path.parent)
                file.entry_synced = True
            for directory in fresh:
                sync_directory(directory.parent)
        except FileNotFoundError as error:
            if file.path.parent.is_dir():
                # Deleted by somebody: nothing is left to flush. Comparing files and rows names it.
                return True
            self.fail(error.errno, f"flushing {file.path.name}")
            return False
        except OSError as error:
            file.dirty = True
            self.fail(error.errno, f"flushing {file.path.name}")
            return False
        return True

    def _look(self) -> None:
        """Read marker and free space; try a write if the location is failed; change state accordingly."""
        try:
            found = read_marker(self.path)
            if found != self.marker:
                self._become("missing", f"another footage directory is mounted at {self.path}")
                return
            space = os.statvfs(self.path)
            self.free, self.total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
        except OvertError as error:
            self._become("missing", str(error))
            return
        except OSError as error:
            self.fail(error.errno, "reading the free space")
            return
        reserve = self._options.min_free_bytes
        failed = self.state in _FAILED
        if self.free < reserve + (reserve // 16 if self.state == "full" else 0):
            if not failed or self.state == "full":
                self._become("full", f"{self.free} bytes are free, {reserve} are kept in reserve")
            return
        if failed:
            try:
                self._probe()
            except OSError as error:
                self._become(disk_state(error.errno), f"writing a trial: {disk_sentence(error.errno)}")
                return
        if self.state != "slow":
            low = self.free < 2 * reserve
            self._become("low" if low else "ok", f"{self.free} bytes are free" if low else "works")

    def _probe(self) -> None:
        """Write, flush and delete a small file."""
        path = self.path / SEGMENTS / f".overt-trial-{os.getpid()}"
        try:
            write_trial(path)
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def flush_file(path: Path) -> None:
    """Make a file's bytes survive a power cut.

    The file is opened anew, so that no descriptor of the writer's is used by another thread: the kernel flushes what
    any descriptor wrote.

    Raises:
        OSError: if the disk refuses.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def write_trial(path: Path) -> None:
    """Write and flush a small file where a failed location is tried again.

    Raises:
        OSError: if the disk refuses.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, _PROBE) < len(_PROBE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(fd)
    finally:
        os.close(fd)


def choose(locations: list[Location], options: StoreOptions) -> Location | None:
    """Return where the next segment goes; None if no location is usable."""
    usable = [location for location in locations if location.usable]
    if not usable:
        return None
    return usable[0] if options.choose == "in-order" else max(usable, key=lambda location: location.free_share)

"""Watch over files: a good change is applied, a bad one refused aloud while the old one goes on.

They are the configuration, and the site's public keys.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overt.contract.assignment import Assignment
from overt.errors import OvertError
from overt.recorder.configuration import Configuration, ConfigurationSource, RecorderSettings, diff

INTERVAL_S: Final = 1.0
"""How often the file's date is looked at."""

_Signature = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class WatchCallbacks:
    """Whom the watch tells; all are called in its thread."""

    apply: Callable[[Assignment], None]
    """A changed assignment; an `OvertError` that it raises refuses the assignment."""
    refuse: Callable[[str], None]
    """Why a changed file was refused; once per change."""
    notice: Callable[[str], None]
    """Something a person should know, such as a setting that a restart would change."""


class WatchedFile:
    """A file that is read again when its date, size or inode changes, or when that is asked for.

    A change of the date is believed once it has stood for one look: a file that is still being written could be lawful
    and yet lack half its cameras.
    """

    def __init__(self, path: Path, read: Callable[[], bool], *, known: bool) -> None:
        """Watch `path`; `known`: it was read as it is now. `read` returns False to be called again at the next look."""
        self._path, self._read = path, read
        self._pending: _Signature = _signature(path)
        self._due = not known

    def look(self, *, asked: bool) -> None:
        """Look once: read the file if it is `asked` for, or has changed and settled."""
        signature = _signature(self._path)
        settled = signature == self._pending
        self._due |= not settled
        self._pending = signature
        if asked or (settled and self._due):
            self._due = not self._read()


class ConfigurationWatch:
    """A thread that looks at the configuration file, and at the file with the site's public keys."""

    def __init__(
        self,
        source: ConfigurationSource,
        current: Configuration,
        callbacks: WatchCallbacks,
        site_keys: tuple[Path, Callable[[], bool]] | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Watch `source`, of which `current` was read; the thread begins with `start`.

        `site_keys`: the file with the public keys, and what reads it (`WatchedFile`); it is read at the first look,
        since it may have changed after the recorder was prepared.
        """
        self._source, self._current, self._callbacks, self._interval = source, current, callbacks, interval_s
        self._files = [] if source.path is None else [WatchedFile(source.path, self._reload, known=True)]
        if site_keys is not None:
            self._files.append(WatchedFile(*site_keys, known=False))
        self._event = threading.Event()
        self._asked = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="configuration-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch, if there is anything to be watched."""
        if self._files:
            self._thread.start()

    def wake(self) -> None:
        """Read the files now (SIGHUP); safe in a signal handler and in any thread."""
        self._asked = True
        self._event.set()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping = True
        self._event.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        """Look, and look again."""
        while not self._stopping:
            self._event.wait(self._interval)
            self._event.clear()
            if not self._stopping:
                self.look()

    def look(self) -> None:
        """Look once at each file: read it if that was asked for, or it has changed and settled."""
        asked, self._asked = self._asked, False
        for file in self._files:
            file.look(asked=asked)

    def _reload(self) -> bool:
        """Read the configuration and go over to it, or say why not."""
        old = self._current
        try:
            loaded = self._source.load(revision=old.assignment.revision + 1)
            changed = changed_settings(old.settings, loaded.settings)
            if diff(old.assignment, loaded.assignment):
                self._callbacks.apply(loaded.assignment)
                self._current = Configuration(old.settings, loaded.assignment)
        except OvertError as error:
            self._callbacks.refuse(str(error))
            return True
        if changed:
            self._callbacks.notice(f"changes of {', '.join(changed)} in [recorder] take effect at the next start")
        return True


def changed_settings(old: RecorderSettings, new: RecorderSettings) -> tuple[str, ...]:
    """Return the names of the settings that differ."""
    return tuple(name for name in RecorderSettings.model_fields if getattr(old, name) != getattr(new, name))


def _signature(path: Path) -> _Signature:
    """Return what changes when a file is written or replaced; None while it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)

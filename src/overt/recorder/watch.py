"""Watch over the configuration file: a good change is applied, a bad one refused aloud while the old one goes on."""

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


class ConfigurationWatch:
    """A thread that reads the file again when its date, size or inode changes, or when `wake` is called.

    A change of the date is believed once it has stood for one interval: a file that is still being written could
    be lawful and yet lack half its cameras.
    """

    def __init__(
        self,
        source: ConfigurationSource,
        current: Configuration,
        callbacks: WatchCallbacks,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Watch `source`, of which `current` was read; the thread begins with `start`."""
        self._source, self._current, self._callbacks, self._interval = source, current, callbacks, interval_s
        self._seen = _signature(source.path)
        self._pending: _Signature = self._seen
        self._event = threading.Event()
        self._asked = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="configuration-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def wake(self) -> None:
        """Read the file now (SIGHUP); safe in a signal handler and in any thread."""
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
        """Look once: read the file if it was asked for or its date has changed and settled."""
        signature = _signature(self._source.path)
        asked, self._asked = self._asked, False
        settled, self._pending = signature == self._pending, signature
        if asked or (settled and signature != self._seen):
            self._seen = signature
            self._reload()

    def _reload(self) -> None:
        """Read the file and go over to it, or say why not."""
        old = self._current
        try:
            loaded = self._source.load(revision=old.assignment.revision + 1)
            changed = changed_settings(old.settings, loaded.settings)
            if diff(old.assignment, loaded.assignment):
                self._callbacks.apply(loaded.assignment)
                self._current = Configuration(old.settings, loaded.assignment)
        except OvertError as error:
            self._callbacks.refuse(str(error))
            return
        if changed:
            self._callbacks.notice(f"changes of {', '.join(changed)} in [recorder] take effect at the next start")


def changed_settings(old: RecorderSettings, new: RecorderSettings) -> tuple[str, ...]:
    """Return the names of the settings that differ."""
    return tuple(name for name in RecorderSettings.model_fields if getattr(old, name) != getattr(new, name))


def _signature(path: Path | None) -> _Signature:
    """Return what changes when a file is written or replaced; None while it cannot be looked at."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)

"""How long something took, whatever else the machine had to do meanwhile."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

SECOND: Final = 1_000_000_000
STEAL: Final = 8
"""Field of the line `cpu` in /proc/stat: ticks that a hypervisor gave to other machines (proc(5))."""
TICKS_A_SECOND: Final = 100
LENIENT: Final = 10


class Stopwatch:
    """Runs from the moment that it is made.

    Of what it measures it takes off the time in which a thread of this process could have run and others did: the
    kernel counts that for each thread (/proc/PID/task/TID/schedstat, Documentation/scheduler/sched-stats.rst).
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before, self._stolen = _waited_ns(), _stolen_ticks()

    def within(self, seconds: float) -> bool:
        """Whether no more than so many seconds have passed; ten times as many where the kernel does not count."""
        taken = time.monotonic() - self._began
        now = _waited_ns()
        if not any(now.values()):
            return taken < seconds * LENIENT
        others = sum(waited - self._before.get(thread, 0) for thread, waited in now.items()) / SECOND
        return taken - others - (_stolen_ticks() - self._stolen) / TICKS_A_SECOND < seconds


def _waited_ns() -> dict[str, int]:
    """Return for how long each thread of this process was ready and did not run; nothing where nobody counts."""
    found = {}
    for thread in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it may end meanwhile
            found[thread.name] = int((thread / "schedstat").read_text().split()[1])
    return found


def _stolen_ticks() -> int:
    """Return how long a hypervisor let this machine wait for others so far."""
    try:
        return int(Path("/proc/stat").read_text().split(maxsplit=STEAL + 1)[STEAL])
    except (OSError, ValueError, IndexError):
        return 0

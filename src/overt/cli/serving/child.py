"""A process that is kept running: started, watched, started again with growing delays, told to stop.

One thread calls `tend` and `stop`; what the process says on standard output is heard on a thread of its own.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final

RESTART_DELAYS_S: Final = (0.2, 1.0, 2.0, 5.0, 10.0)
STEADY_S: Final = 60.0
"""Who ran so long and ends then is counted anew."""
_LOG: Final = logging.getLogger(__name__)


class Child:
    """One process of ours: a module run by this interpreter, its order on standard input."""

    def __init__(
        self,
        name: str,
        module: str,
        order: Callable[[], str],
        *,
        heard: Callable[[dict[str, Any]], None] | None = None,
        descriptors: Sequence[int] = (),
        log: Path | None = None,
    ) -> None:
        """Prepare; `tend` starts it.

        Args:
            name: what messages call it.
            module: run as `python -m MODULE`.
            order: gives the line that is written to its standard input at each start; the pipe stays open.
            heard: is given each JSON object that it writes to standard output; None: its output is ours.
            descriptors: open files that it inherits.
            log: file that its standard error is added to; None: it is ours.
        """
        self.name = name
        self.starts = 0
        self.refusal: int | None = None
        """Exit code of a first run that ended at once because of what it was told; it is not tried again."""
        self._module, self._order, self._heard, self._descriptors, self._log = module, order, heard, descriptors, log
        self._process: subprocess.Popen[str] | None = None
        self._began_s = self._next_s = 0.0
        self._failures = 0

    @property
    def running(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return None if self._process is None else self._process.pid

    def tend(self) -> None:
        """Look after it: start it if it is not there and its time has come."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._next_s and self.refusal is None:
                self._start(now)
            return
        code = self._process.poll()
        if code is None:
            return
        self._close()
        lived = now - self._began_s
        self._failures = 1 if lived > STEADY_S else self._failures + 1
        if self.starts == 1 and 2 <= code <= 5:  # the codes of `overt.errors` that waiting does not mend
            self.refusal = code
            return
        delay = RESTART_DELAYS_S[min(self._failures, len(RESTART_DELAYS_S)) - 1]
        self._next_s = now + delay
        _LOG.error(
            "%s ended after %.0f s with exit code %d; it is started again in %g s", self.name, lived, code, delay
        )

    def stop(self, timeout_s: float) -> None:
        """Ask it to end, and kill it if it does not in time."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _LOG.error("%s did not end within %g s and is killed", self.name, timeout_s)
            self._process.kill()
            self._process.wait()
        self._close()

    def _start(self, now: float) -> None:
        log: IO[str] | None = None if self._log is None else self._log.open("a", encoding="utf-8")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=None if self._heard is None else subprocess.PIPE,
                stderr=log,
                pass_fds=self._descriptors,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                process_group=0,  # Ctrl-C is ours; we tell it to end
            )
        finally:
            if log is not None:
                log.close()
        self.starts += 1
        self._began_s = now
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(self._order())
                self._process.stdin.flush()
            except BrokenPipeError:
                _LOG.warning("%s ended before it had read its order", self.name)
        if self._process.stdout is not None and self._heard is not None:
            arguments = (self._process.stdout, self._heard)
            threading.Thread(target=_listen, args=arguments, name="serve-reports", daemon=True).start()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                _LOG.debug("%s had ended already", self.name)
        self._process = None


def _listen(lines: IO[str], heard: Callable[[dict[str, Any]], None]) -> None:
    with lines:
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                _LOG.warning("unexpected output of a process of ours: %s", line.rstrip()[:200])
                continue
            if isinstance(told, dict):
                heard(told)

"""A process of ours that was started by another ends when that is gone: its standard input closes then."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """Begin to watch standard input; when it closes, this process gets SIGTERM, as if it had been told to end."""
    threading.Thread(target=_watch, name="parent-watch", daemon=True).start()


def _watch() -> None:
    while sys.stdin.readline():
        pass
    os.kill(os.getpid(), signal.SIGTERM)

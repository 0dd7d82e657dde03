"""On the path of a recorder under test: in its workers a thread computes without end and never waits for anything."""

import sys
import threading


def _compute() -> None:
    number = 0
    while True:
        number = (number * 1103515245 + 12345) % 2147483648


if any("worker_process" in argument for argument in sys.orig_argv):
    threading.Thread(target=_compute, name="busy", daemon=True).start()

"""Starting a worker's process: a fresh interpreter that imports the worker, and nothing of the program around it."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection
from typing import Final

from overt.recorder.child_process import ChildProcess
from overt.recorder.worker import WorkerOrder, run_worker

ALLOCATOR: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_TOP_PAD_": str(1 << 20),
}
"""Settings of glibc's allocator (mallopt(3)): fragments come and go hundreds of times a second, and giving their pages
back to the kernel each time costs 1,800 page faults a second at 32 cameras, instead of 6."""


class WorkerProcess(ChildProcess):
    """A worker's process. What it acknowledged is on disk, however it ends."""

    def __init__(self, order: WorkerOrder) -> None:
        """Start a worker on its order.

        Raises:
            OSError: if the system cannot start another process.
        """
        super().__init__(__spec__.name, order, str(order.number), environment=ALLOCATOR)


def main() -> None:
    """Take the order from the descriptor that is named, and work."""
    pipe = Connection(int(sys.argv[1]))
    run_worker(pipe.recv(), pipe)


if __name__ == "__main__":
    main()

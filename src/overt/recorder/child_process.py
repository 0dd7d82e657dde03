"""A process that this one starts and gives orders: a fresh interpreter with one module, a pipe to it, and its end.

`multiprocessing` would import the whole command line again in every child (its `__main__`): measured, 2 s of CPU until
a killed worker records again, and 20 MB each.
"""

from __future__ import annotations

import os
import queue
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

HALF_MESSAGE_S: Final = 5
"""Seconds that the rest of a report may take; a child that stops in the middle of one is given up."""
END_S: Final = 5.0
"""Seconds that a child which has closed its pipe may take to end."""


class ChildProcess:
    """A child, the pipe to it, and the thread that brings it its orders.

    `tell` may be called from any thread and never waits, whatever the child does: it may hang, and the pipe be full.
    """

    def __init__(
        self,
        module: str,
        order: object,
        name: str,
        *,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Start `python -m module FD` on its first order, which it finds in the pipe at descriptor FD.

        The order goes through the pipe, so that no password stands in the process list. The process inherits no other
        descriptors than those named, and thereby no lock. `environment` holds defaults, which its own wins over.

        Raises:
            OSError: if the system cannot start another process.
        """
        our_end, their_end = socket.socketpair()
        with our_end, their_end:
            our_end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", HALF_MESSAGE_S, 0))
            # -P: whatever directory the recorder was started in, nothing is imported from it.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                [sys.executable, "-P", "-m", module, str(their_end.fileno())],
                env={**(environment or {}), **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[their_end.fileno(), *descriptors],
            )
            self.pipe: Final = Connection(our_end.detach())
        self._orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._orders.put(order)
        self._bringer = threading.Thread(target=self._bring, name=f"orders-{name}", daemon=True)
        self._bringer.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def tell(self, order: object) -> None:
        """Have an order brought to the child, after those before it. Any thread."""
        self._orders.put(order)

    def kill(self) -> None:
        """Kill it, whatever it is doing."""
        self._process.kill()

    def close(self, timeout_s: float = END_S) -> int:
        """Wait for its end, killing it when the time is over; return its exit code (negative: the signal)."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._orders.put(None)
        self._bringer.join()
        self.pipe.close()
        return code

    def _bring(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self.pipe.send(order)
            except OSError:
                return  # It is gone; whoever reads the pipe hears that, and replaces it.

"""Messages to systemd by its notification protocol (sd_notify(3)): ready, still alive, stopping."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"


def notify(*assignments: str) -> bool:
    """Send `READY=1`, `WATCHDOG=1`, `STATUS=...` to the service manager; False where there is none.

    Never blocks and never raises: a manager that does not listen must not stop a recorder.
    """
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        # A name in the abstract namespace begins with a null byte (unix(7)).
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        channel.sendto("\n".join(assignments).encode(), address)
        return True
    return False

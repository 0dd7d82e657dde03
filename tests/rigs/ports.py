"""Ports for programs that are told where to listen, and for addresses where nobody does."""

import random
import socket
from pathlib import Path
from typing import Final

FIRST: Final = 10_000
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: Final[set[int]] = set()


def free_port() -> int:
    """A port of loopback at which nobody listens.

    It lies below those that the system hands out by itself (to connections, to listeners at port 0): such a port
    could be taken by any test that runs beside this one before the program that is told of it listens there. No port is
    given twice, and those of tests in other processes are other ones, as each draws by chance.
    """
    end = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(FIRST, end)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port

"""The recorder's Unix socket: private to its user, at a path of any length.

The kernel takes 107 bytes for a Unix socket's path (unix(7)), fewer than footage directories often have. A longer path
is reached through its directory's descriptor, `/proc/self/fd/N/NAME` (proc(5)), which names the same file.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from overt.errors import UnavailableError

PATH_LIMIT: Final = 107
"""Bytes that the kernel takes for a Unix socket's path (unix(7))."""
BACKLOG: Final = 64
PROBE_S: Final = 1.0


def connect(path: Path, timeout_s: float) -> socket.socket:
    """Return a socket connected to whoever listens at a path; its timeout is `timeout_s`.

    Raises:
        OSError: if nobody listens there, or the path cannot be reached.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        with _reachable(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def listen(path: Path) -> socket.socket:
    """Return a socket that listens at a path with mode 0600; what a recorder that died left there is replaced.

    Raises:
        UnavailableError: if the path cannot be used, or a running recorder listens there.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_dead(path)
        # Before bind: Linux gives the file the mode that the socket has, so that it is never open to others.
        os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        with _reachable(path) as address:
            listener.bind(address)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        msg = f"cannot listen at {path}: {error.strerror or error}"
        raise UnavailableError(msg) from error
    except UnavailableError:
        listener.close()
        raise
    return listener


def _remove_dead(path: Path) -> None:
    """Remove a socket at which nobody listens; anything else at the path is left and refused."""
    if not path.is_socket():
        return
    try:
        connect(path, PROBE_S).close()
    except (ConnectionRefusedError, FileNotFoundError):
        path.unlink(missing_ok=True)
        return
    msg = f"another recorder listens at {path}: stop it first, or give this one another footage directory"
    raise UnavailableError(msg)


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """Give an address for `bind` and `connect`: the path itself, or one through its directory's descriptor."""
    if len(os.fsencode(path)) <= PATH_LIMIT:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        address = f"/proc/self/fd/{directory}/{path.name}"
        if len(os.fsencode(address)) > PATH_LIMIT:
            msg = f"the socket's name {path.name!r} is too long; set a shorter 'socket' in [recorder]"
            raise UnavailableError(msg)
        yield address
    finally:
        os.close(directory)

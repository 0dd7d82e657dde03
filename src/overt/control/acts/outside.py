"""Acts of commands on this machine: written down by the control room that runs, or else by the command itself.

The ledger has one writer. While the control room runs, that is its process, which listens at `acts.sock` in its data
directory: a line of JSON in, a line of JSON out. Only root and the user as whom it runs are heard, and only about the
kinds of `FROM_OUTSIDE`. Who it was is asked of the kernel (SO_PEERCRED, unix(7)), not of them.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from overt.contract import local_socket
from overt.control.acts.actor import Actor, Via
from overt.control.acts.book import open_ledger
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, record
from overt.control.configuration import ControlSettings
from overt.errors import BY_KIND, ConflictError, ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.ledger.leaves import Entry

FROM_OUTSIDE: Final = frozenset({Kind.BACKED_UP})
SOCKET: Final = "acts.sock"
MAX_LINE: Final = 64 * 1024
TIMEOUT_S: Final = 10.0
TRIES_S: Final = 15.0
"""How long a command tries while a control room is starting or stopping: it has the ledger and does not listen."""
_LOG: Final = logging.getLogger(__name__)
_PEER: Final = struct.Struct("3i")
"""pid, uid, gid (socket(7))."""


def write_down(settings: ControlSettings, kind: Kind, more: Mapping[str, Json]) -> int:
    """Write down what a command is about to do; return the number of the leaf. For any process on this machine.

    Raises:
        UnavailableError: it cannot be written: the act must not happen.
        ForbiddenError: this user may not, or the ledger's key is another.
        CorruptError: the ledger on the disk is not the one that was written.
    """
    end_s = time.monotonic() + TRIES_S
    while True:
        try:
            return _by_ourselves(settings, kind, more)
        except ConflictError:
            pass  # a control room runs
        try:
            return _by_the_room(settings.data / SOCKET, kind, more)
        except OSError as error:
            if time.monotonic() > end_s:
                msg = (
                    f"{settings.ledger} is being written by another process, and no control room answers at "
                    f"{settings.data / SOCKET}: {error}"
                )
                raise UnavailableError(msg) from error
            time.sleep(0.2)


def _by_ourselves(settings: ControlSettings, kind: Kind, more: Mapping[str, Json]) -> int:
    with open_ledger(settings) as ledger:
        return ledger.append(Entry(kind.value, {"who": _user(os.getuid()).to_json(), **more})).index


def _by_the_room(path: Path, kind: Kind, more: Mapping[str, Json]) -> int:
    with local_socket.connect(path, TIMEOUT_S) as connection, connection.makefile("rwb") as stream:
        stream.write(json.dumps({"kind": kind.value, "more": dict(more)}).encode() + b"\n")
        stream.flush()
        line = stream.readline(MAX_LINE)
    if not line:
        raise ConnectionResetError("the control room ended")
    told: dict[str, Any] = json.loads(line)
    if refusal := told.get("error"):
        raise BY_KIND.get(str(refusal.get("kind")), UnavailableError)(str(refusal.get("message")))
    return int(told["number"])


def _user(uid: int) -> Actor:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user {uid}"
    return Actor(None, f"{name} on the control room’s machine", Via.COMMAND)


class _Handler(socketserver.StreamRequestHandler):
    """Hears one command."""

    timeout = TIMEOUT_S

    def handle(self) -> None:
        """Answer a line with a line."""
        try:
            answer: dict[str, Any] = {"number": self._written()}
        except OvertError as error:
            answer = {"error": {"kind": error.kind, "message": str(error)}}
        self.wfile.write(json.dumps(answer).encode() + b"\n")

    def _written(self) -> int:
        uid = _PEER.unpack(self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1]
        if uid not in {0, os.getuid()}:
            raise ForbiddenError("only root and the user of the control room may write acts of commands")
        try:
            told = json.loads(self.rfile.readline(MAX_LINE))
            kind, more = Kind(told["kind"]), dict(told["more"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidError(f"this is no act: {error}") from error
        if kind not in FROM_OUTSIDE:
            raise ForbiddenError(f"{kind.value} is no act of a command")
        return record(kind, by=_user(uid), more=more)


class _Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(("", 0), _Handler)
        self.socket = listener

    def fileno(self) -> int:
        """Say what `serve_forever` waits for."""
        return self.socket.fileno()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection."""
        return self.socket.accept()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        request.close()

    def close_request(self, request: Any) -> None:
        """Close a connection."""
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong: whoever asked is gone, or asked nothing."""
        del request, client_address
        _LOG.warning("an act of a command could not be answered", exc_info=True)


class Doorway:
    """Hears commands of this machine, in a thread `acts-outside`."""

    def __init__(self, path: Path) -> None:
        """Be ready to listen at a path; `start` begins."""
        self._path = path
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. Where that cannot be, it is logged: commands that have something to write are refused then."""
        try:
            self._server = _Server(local_socket.listen(self._path))
        except UnavailableError as error:
            _LOG.error("commands of this machine cannot write down what they do: %s", error)
            return
        self._thread = threading.Thread(target=self._server.serve_forever, name="acts-outside", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.socket.close()
        self._path.unlink(missing_ok=True)
        self._server = self._thread = None

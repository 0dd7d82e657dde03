"""Control room and recorder, each in a process of its own, kept running until the end.

The recorder begins when the site's public keys are there: before, there is nothing that footage could be sealed to.
Neither process waits for the other, and neither ends when the other does.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from overt.cli.serving.child import Child
from overt.cli.serving.configuration import ServeConfiguration
from overt.cli.serving.recorder_process import MODULE as RECORDER_MODULE
from overt.cli.serving.recorder_process import RecorderOrder
from overt.recorder.http import bind_tcp
from overt.recorder.systemd import notify

CONTROL_MODULE: Final = "overt.control.project.server"
LOOK_S: Final = 0.25
CONTROL_STOP_S: Final = 8.0
RECORDER_STOP_S: Final = 25.0
_LOG: Final = logging.getLogger(__name__)


class ServeProgram:
    """Runs both. `run` and `close` belong to one thread; what it hears is passed on from another."""

    def __init__(
        self,
        configuration: ServeConfiguration,
        order_control: Callable[[int], str],
        heard: Callable[[dict[str, Any]], None],
        *,
        as_json: bool,
        log: Path | None,
    ) -> None:
        """Bind the address of the pages; it stays bound while the control room is replaced.

        Args:
            configuration: of both.
            order_control: gives the control room's order for the descriptor of the bound socket.
            heard: what the control room says: `started`, or a link for the first account.
            as_json: the recorder prints facts as JSON.
            log: file for the control room's log; None: standard error.

        Raises:
            UnavailableError: the address cannot be used.
        """
        control = configuration.control
        self._configuration = configuration
        self._listener: Final[socket.socket] = bind_tcp(control.host, control.port, "'listen' in [control]")
        self.port: Final = int(self._listener.getsockname()[1])
        descriptor = self._listener.fileno()
        self.control = Child(
            "the control room",
            CONTROL_MODULE,
            lambda: order_control(descriptor),
            heard=heard,
            descriptors=(descriptor,),
            log=log,
        )
        order = RecorderOrder(configuration.recorder_overrides(), as_json)
        self.recorder = Child("the recorder", RECORDER_MODULE, order.to_line)

    def run(self, ended: threading.Event) -> int:
        """Keep both running until `ended`; return 0, or the exit code of one that refused its order."""
        children = (self.control, self.recorder)
        while not ended.wait(LOOK_S):
            for child in children:
                if child is self.control or child.running or self._configuration.control.recipients.exists():
                    child.tend()
                if child.refusal is not None:
                    return child.refusal
            notify("WATCHDOG=1", f"STATUS={self._status()}")
        return 0

    def close(self) -> None:
        """End both, the recorder last, and give the address back."""
        notify("STOPPING=1")
        self.control.stop(CONTROL_STOP_S)
        self.recorder.stop(RECORDER_STOP_S)
        self._listener.close()

    def _status(self) -> str:
        if self.recorder.running:
            return "control room and recorder are running"
        if self._configuration.control.recipients.exists():
            return "the recorder is being started again"
        return "waiting for the site's key: open the control room and set it up"

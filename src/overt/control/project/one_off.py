"""A process of the control room that does one thing: its order on standard input, its answer on standard output.

Both are a line of JSON. An error of ours is answered as `{"error": {"kind", "message"}}` with its exit code.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

from overt.control.configuration import ControlSettings
from overt.control.project.reporting import tell
from overt.control.project.server import settle
from overt.errors import OvertError


def answer(act: Callable[[ControlSettings, dict[str, Any]], dict[str, Any]]) -> int:
    """Make this process one of the control room, and do `act` with settings and what is asked; return the exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        order = json.loads(sys.stdin.readline())
        settings = ControlSettings.read(order["settings"], "the order")
        settle(settings)
        tell(**act(settings, order["asked"]))
    except OvertError as error:
        tell(error={"kind": error.kind, "message": str(error)})
        return error.exit_code
    return 0

"""A process of the control room that does one thing: its order on standard input, its answer on standard output.

Both are a line of JSON. The order names a module of ours, whose function `act` is given settings and question; it
is imported when Django is ready. An error of ours is answered as `{"error": {"kind", "message"}}` with its exit code.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
from typing import Any

from overt.control.configuration import ControlSettings
from overt.control.project.reporting import tell
from overt.control.project.server import settle
from overt.errors import OvertError


def main() -> int:
    """Be the process; return its exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    try:
        settings = ControlSettings.read(order["settings"], "the order")
        settle(settings)
        tell(**importlib.import_module(order["module"]).act(settings, order["asked"]))
    except OvertError as error:
        tell(error={"kind": error.kind, "message": str(error)})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

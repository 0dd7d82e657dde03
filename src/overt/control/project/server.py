"""The control room's process: takes its order, brings the database up to date, serves pages until it is told to stop.

Its order (`overt.control.order`) comes on standard input; when that closes, the program that started it is gone, and
it ends too.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import Final

import django
import uvicorn
from django.core.management import call_command
from django.db import OperationalError

from overt.control.configuration import DATA_VARIABLE, ControlSettings
from overt.control.order import ControlOrder
from overt.errors import OvertError, UnavailableError
from overt.parent import end_with_parent

APPLICATION: Final = "overt.control.project.asgi:application"
SETTINGS: Final = "overt.control.project.settings"
GOODBYE_S: Final = 5
SWITCH_S: Final = 0.0005
"""How long a thread may keep the interpreter from others. A page gives it up at each question to the database; with
Python's own 5 ms, it waits so long for each while the health of thousands of cameras is judged."""
_LOG: Final = logging.getLogger(__name__)


def main() -> int:
    """Be the process; return its exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        order = ControlOrder.from_line(sys.stdin.readline())
        settle(order.settings)
        bring_up_to_date()
    except OvertError as error:
        _LOG.error("the control room cannot work: %s", error)
        return error.exit_code
    end_with_parent()
    sys.setswitchinterval(SWITCH_S)
    server = uvicorn.Server(configured(order))
    with socket.socket(fileno=order.listener) as listener:
        server.run(sockets=[listener])
    return 0 if server.started else 1


def settle(settings: ControlSettings) -> None:
    """Make this process one of the control room with these settings: Django is ready afterwards."""
    os.umask(0o077)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Set here and not by the parent: what a process sets for itself is not in /proc/PID/environ.
    os.environ[DATA_VARIABLE] = settings.to_environment()
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    django.setup()


def bring_up_to_date() -> None:
    """Bring the tables to this version's form.

    Raises:
        UnavailableError: the database does not answer.
    """
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except OperationalError as error:
        msg = f"the database does not answer: {error}"
        raise UnavailableError(msg) from error


def configured(order: ControlOrder) -> uvicorn.Config:
    """Return how pages are served."""
    certificate, key = order.certificate or (None, None)
    return uvicorn.Config(
        APPLICATION,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=order.settings.plain_http,
        forwarded_allow_ips="127.0.0.1,::1",
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=GOODBYE_S,
    )


if __name__ == "__main__":
    sys.exit(main())

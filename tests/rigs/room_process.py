"""The control room in a process of its own, for tests in a browser: pages under uvicorn, grants held, and a back door.

Each line on standard input is Python, as JSON text, to be executed inside; what it leaves in `answer` comes back.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback

import django
import uvicorn
from django.core.management import call_command

READY = "ready"


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


def main() -> None:
    port = int(sys.argv[1])
    django.setup()
    call_command("migrate", verbosity=0)
    from overt.control.project.asgi import application  # noqa: PLC0415 - there are no settings before
    from overt.control.viewing import holding  # noqa: PLC0415

    holding.start()
    server = uvicorn.Server(uvicorn.Config(application, "127.0.0.1", port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    while not server.started:
        thread.join(0.02)
    say(READY)
    names: dict[str, object] = {}
    for line in sys.stdin:
        names["answer"] = None
        try:
            exec(json.loads(line), names)
        except Exception:  # noqa: BLE001 - whatever it was, the test has to hear of it
            say({"failed": traceback.format_exc()})
        else:
            say(names["answer"])
    holding.stop()
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()

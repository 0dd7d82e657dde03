"""Having a process of the control room do one thing: Django belongs to processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from overt.control.configuration import ControlSettings
from overt.errors import BY_KIND, UnavailableError

ONE_OFF: Final = "overt.control.project.one_off"


def ask(module: str, settings: ControlSettings, asked: dict[str, Any]) -> dict[str, Any]:
    """Have the function `act` of a module run in a process of the control room; return what it answers.

    Raises:
        OvertError: the process's own, of its kind and in its words.
        UnavailableError: it failed without a word; standard error has what it wrote.
    """
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", ONE_OFF],
        input=json.dumps({"settings": settings.to_json(), "module": module, "asked": asked}) + "\n",
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        msg = f"a process of the control room failed with exit code {done.returncode}; what it wrote stands above"
        raise UnavailableError(msg) from error
    refusal = told.get("error")
    if refusal is not None:
        raise BY_KIND.get(refusal["kind"], UnavailableError)(refusal["message"])
    return dict(told)

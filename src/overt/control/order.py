"""What the control room's process is told when it is started: one line of JSON on its standard input.

So nothing of it stands on a command line, or in an environment that others may read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from overt.control.configuration import ControlSettings
from overt.errors import InvalidError


@dataclass(frozen=True, slots=True)
class ControlOrder:
    """What the process is to do."""

    settings: ControlSettings
    listener: int
    """Descriptor of the bound socket; it stays bound while the process is replaced."""
    certificate: tuple[str, str] | None
    """Paths of certificate and private key; None: no encryption."""

    def to_line(self) -> str:
        """Return it as the line that `from_line` reads."""
        told = {"settings": self.settings.to_json(), "listener": self.listener, "certificate": self.certificate}
        return json.dumps(told) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read an order.

        Raises:
            InvalidError: it is none.
        """
        try:
            told: dict[str, Any] = json.loads(line)
            pair = told["certificate"]
            settings = ControlSettings.read(told["settings"], "the order")
            return cls(settings, int(told["listener"]), (str(pair[0]), str(pair[1])) if pair else None)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            msg = "the control room's process was started without an order: run `overt serve`"
            raise InvalidError(msg) from error

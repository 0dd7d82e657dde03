"""The recorder's process under `overt serve`: as `overt record`, its settings on standard input.

Its cameras are those of the assignment that the control room sends; until one comes, those of the last one. When
standard input closes, the program that started it is gone, and it ends too.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, Final, Self

from overt.cli.output import Output, report
from overt.cli.record import guard_process, logging_shown, run, supervised
from overt.errors import InvalidError, OvertError
from overt.parent import end_with_parent
from overt.recorder.configuration import ConfigurationSource

MODULE: Final = "overt.cli.serving.recorder_process"


@dataclass(frozen=True, slots=True)
class RecorderOrder:
    """What the process is to do."""

    overrides: dict[str, Any]
    """Settings, as the table `[recorder]` has them."""
    as_json: bool

    def to_line(self) -> str:
        """Return it as the line that `from_line` reads."""
        return json.dumps({"overrides": self.overrides, "as_json": self.as_json}) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read an order.

        Raises:
            InvalidError: it is none.
        """
        try:
            told = json.loads(line)
            return cls(dict(told["overrides"]), bool(told["as_json"]))
        except (ValueError, KeyError, TypeError) as error:
            msg = "the recorder's process was started without an order: run `overt serve`"
            raise InvalidError(msg) from error


def main() -> int:
    """Be the process; return its exit code."""
    as_json = False
    try:
        order = RecorderOrder.from_line(sys.stdin.readline())
        as_json = order.as_json
        source = ConfigurationSource(overrides=tuple(order.overrides.items()))
        guard_process()
        output = Output(as_json=as_json)
        end_with_parent()
        with logging_shown(output):
            run(source, source.load(), output, None, supervised)
    except OvertError as error:
        return report(error, as_json=as_json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""One place for what the commands print: tables for people, JSON for programs, errors on standard error.

With `--json` standard output holds JSON and nothing else; a command that goes on printing writes one value a line.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from overt.errors import OvertError

PIPED_WIDTH: Final = 200
"""Columns of a table that no terminal limits."""
UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


class Output:
    """Where a command prints to."""

    def __init__(self, *, as_json: bool) -> None:
        """Print JSON, or tables."""
        self.as_json = as_json
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(highlight=False, width=PIPED_WIDTH)
        self.notes = Console(stderr=True, highlight=False)

    def show(self, value: Any, shown: RenderableType) -> None:
        """Print a result: `value` with `--json`, `shown` otherwise."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
        else:
            # Text is not broken: paths in it are copied.
            self.console.print(shown, soft_wrap=isinstance(shown, Text))
        sys.stdout.flush()

    def line(self, value: Any, shown: RenderableType) -> None:
        """Print one of many results, on a line of its own."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
        else:
            self.console.print(shown, soft_wrap=True)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something beside the result, on standard error; silent with `--json`."""
        if not self.as_json:
            self.notes.print(Text(text), soft_wrap=True)


def plain(text: str) -> str:
    """Return text that came from elsewhere (a camera, a disk) without characters that would steer a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def report(error: OvertError, *, as_json: bool) -> int:
    """Print an error on standard error; return the exit code."""
    complain(error.kind, str(error), as_json=as_json)
    return error.exit_code


def complain(kind: str, message: str, *, as_json: bool) -> None:
    """Print an error of a kind on standard error."""
    if as_json:
        sys.stderr.write(json.dumps({"error": {"kind": kind, "message": message}}, ensure_ascii=False) + "\n")
        return
    lines = [plain(line) for line in message.splitlines()]
    sys.stderr.write("error: " + "\n".join(lines) + "\n")


def size(count: float) -> str:
    """Write a number of bytes for people, in powers of 1000."""
    unit = 0
    while abs(count) >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 or count >= 99.95 else f"{count:.1f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """Write a length of time for people: `0.8 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"

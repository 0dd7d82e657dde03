"""Identifiers: names that people give, and numbers that are given to things once."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final

from overt.errors import InvalidError

NAME_PATTERN: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
"""Camera and stream names: safe as a folder, a URL path, a metric label and a TOML key."""

MAIN: Final = "main"
"""The stream that is recorded at full quality."""


def checked_name(value: str, what: str) -> str:
    """Return `value` if it is a lawful name of a camera or stream.

    Raises:
        InvalidError: if it is not; the message names `what` and the rule.
    """
    if not NAME_PATTERN.fullmatch(value):
        msg = (
            f"{what} {value!r} is not a usable name: use 1 to 63 lower-case letters, digits, '-' or '_', "
            "beginning and ending with a letter or digit"
        )
        raise InvalidError(msg)
    return value


@dataclass(frozen=True, slots=True, order=True)
class StreamKey:
    """One encoded stream of one camera: the unit that is captured, sealed and indexed."""

    camera: str
    stream: str = MAIN

    def __post_init__(self) -> None:
        """Refuse names that could not be a folder."""
        checked_name(self.camera, "camera")
        checked_name(self.stream, "stream")

    def __str__(self) -> str:
        """Return `camera/stream`, as it is printed everywhere."""
        return f"{self.camera}/{self.stream}"


def new_id() -> uuid.UUID:
    """Return a random 128-bit identifier (RFC 9562, version 4)."""
    return uuid.uuid4()

"""The time zone in which a site's day begins, by its name in the IANA database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT: Final = "Europe/London"
"""Where the machine does not say."""
LOCALTIME: Final = Path("/etc/localtime")
_FOLDER: Final = "zoneinfo/"


def is_time_zone(name: str) -> bool:
    """True if the IANA database of this machine has a zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def system_time_zone(localtime: Path = LOCALTIME) -> str:
    """Return the machine's time zone: TZ, or where `/etc/localtime` leads (localtime(5)), else `DEFAULT`."""
    named = os.environ.get("TZ", "").removeprefix(":")
    if named and is_time_zone(named):
        return named
    try:
        target = str(localtime.readlink())
    except OSError:
        return DEFAULT
    name = target.rpartition(_FOLDER)[2] if _FOLDER in target else ""
    return name if name and is_time_zone(name) else DEFAULT

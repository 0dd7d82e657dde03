"""Moments as people type them: ISO 8601, `now`, `-5m`. What could mean two moments is refused, never guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from overt.contract.instant import LATEST_NS, SECOND, from_iso, ns_of, read_iso
from overt.errors import InvalidError

_RELATIVE: Final = re.compile(r"(?:now)?(?P<sign>[-+])(?P<parts>(?:\d{1,9}[smhdw])+)", re.ASCII)
_PART: Final = re.compile(r"(\d+)([smhdw])", re.ASCII)
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def time_zone(name: str | None) -> ZoneInfo | None:
    """Return a time zone by its name in the IANA database.

    Raises:
        InvalidError: if there is none of that name.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        msg = f"there is no time zone {name!r}: use a name of the IANA database, such as Europe/London"
        raise InvalidError(msg) from error


def moment(text: str, now_ns: int, zone: ZoneInfo | None = None) -> int:
    """Return what was typed as nanoseconds since the Unix epoch, UTC.

    `now`, `-90s`, `-5m`, `now-1h30m` count from `now_ns`; everything else is ISO 8601 with an offset or `Z`, or
    without one if `zone` says where the clock hangs.

    Raises:
        InvalidError: if it is malformed, local without a zone, or names no moment or two in that zone.
    """
    text = text.strip()
    if text == "now":
        return now_ns
    if relative := _RELATIVE.fullmatch(text):
        seconds = sum(int(count) * _UNIT_S[unit] for count, unit in _PART.findall(relative["parts"]))
        found = now_ns + (-seconds if relative["sign"] == "-" else seconds) * SECOND
        if not 0 <= found <= LATEST_NS:
            msg = f"{text!r} lies outside the years 1970 to 9999"
            raise InvalidError(msg)
        return found
    local, fraction = read_iso(text)
    if local.tzinfo is not None:
        return from_iso(text)
    if zone is None:
        msg = (
            f"{text!r} is a local time, which means another moment in another place and nothing or two moments when "
            f"the clocks change: end it with 'Z' or an offset such as '+01:00', or give --timezone Europe/London"
        )
        raise InvalidError(msg)
    return _in_zone(local, zone, text) + fraction


def _in_zone(local: datetime, zone: ZoneInfo, text: str) -> int:
    """Return the one moment at which a clock in `zone` shows `local`."""
    try:
        readings = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        lawful = sorted({reading for reading in readings if reading.astimezone(zone).replace(tzinfo=None) == local})
    except OverflowError as error:
        msg = f"{text!r} lies outside the calendar"
        raise InvalidError(msg) from error
    if not lawful:
        earlier, later = sorted(reading.astimezone(zone).isoformat() for reading in readings)
        msg = f"{text!r} never was in {zone.key}, since the clocks went forward: did you mean {earlier} or {later}?"
        raise InvalidError(msg)
    if len(lawful) > 1:
        first, second = (reading.astimezone(zone).isoformat() for reading in lawful)
        msg = f"{text!r} was twice in {zone.key}, since the clocks went back: write {first} or {second}"
        raise InvalidError(msg)
    ns = ns_of(lawful[0])
    if not 0 <= ns <= LATEST_NS:
        msg = f"{text!r} lies outside the years 1970 to 9999"
        raise InvalidError(msg)
    return ns


def shown(ns: int, zone: ZoneInfo | None = None) -> str:
    """Write a moment for people: to the millisecond, with its offset, in UTC or in `zone`."""
    moment_in_zone = datetime.fromtimestamp(ns // SECOND, zone or UTC)
    offset = moment_in_zone.strftime("%z")
    return f"{moment_in_zone:%Y-%m-%d %H:%M:%S}.{ns % SECOND // 1_000_000:03d}{offset[:3]}:{offset[3:]}"

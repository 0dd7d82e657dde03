"""Moments as text: ISO 8601 with offset, to the nanosecond, and back without loss.

Inside the programs a moment is an integer: nanoseconds since the Unix epoch, UTC. On the wire it is
`2026-03-29T01:00:00.000000000+00:00`, which sorts as text in the order of time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from overt.errors import InvalidError

SECOND: Final = 1_000_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
LATEST_NS: Final = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // MICROSECOND * 1000
"""No moment lies after this one (nor before the epoch): what a calendar of four-digit years can say."""
MAX_TEXT: Final = 64
"""Characters of the longest text that is looked at."""

_ISO: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d{1,9}))?"
    r"(?P<offset>[Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def ns_of(moment: datetime) -> int:
    """Return nanoseconds since the Unix epoch of an aware datetime."""
    return (moment - EPOCH) // MICROSECOND * 1000


def datetime_of(ns: int) -> datetime:
    """Return the aware datetime in UTC of a moment, cut to microseconds."""
    return EPOCH + timedelta(microseconds=ns // 1000)


def to_iso(ns: int) -> str:
    """Write a moment in UTC with nine decimals and the offset `+00:00`."""
    whole, fraction = divmod(ns, SECOND)
    return f"{(EPOCH + timedelta(seconds=whole)).strftime('%Y-%m-%dT%H:%M:%S')}.{fraction:09d}+00:00"


def read_iso(text: str) -> tuple[datetime, int]:
    """Split an ISO 8601 moment into a datetime in whole seconds (naive where it has no offset) and nanoseconds.

    Raises:
        InvalidError: if the text is not a date and a time of day in that form, or lies outside the calendar.
    """
    match = _ISO.fullmatch(text) if len(text) <= MAX_TEXT else None
    if match is None:
        msg = f"{text[:MAX_TEXT]!r} is not a moment: write it as 2026-03-29T14:05:00Z or 2026-03-29T15:05:00+01:00"
        raise InvalidError(msg)
    offset = (match["offset"] or "").upper()
    try:
        seconds = datetime.fromisoformat(f"{match['date']}T{match['time']}{'+00:00' if offset == 'Z' else offset}")
    except ValueError as error:
        msg = f"{text!r} is not a moment: {error}"
        raise InvalidError(msg) from error
    return seconds, int((match["fraction"] or "").ljust(9, "0"))


def from_iso(text: str) -> int:
    """Read what `to_iso` writes, or any ISO 8601 moment with an offset or `Z`; nanoseconds since the epoch.

    Raises:
        InvalidError: if it is malformed, has no offset, or lies before 1970 or after the year 9999.
    """
    seconds, fraction = read_iso(text)
    if seconds.tzinfo is None:
        msg = f"{text!r} has no offset from UTC: end it with 'Z', or with an offset such as '+01:00'"
        raise InvalidError(msg)
    ns = ns_of(seconds) + fraction
    if not 0 <= ns <= LATEST_NS:
        msg = f"{text!r} lies outside the years 1970 to 9999"
        raise InvalidError(msg)
    return ns

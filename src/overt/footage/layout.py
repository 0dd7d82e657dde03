"""Where things lie in a footage directory, and how segment files are named. Pure; nothing here touches a disk.

    DIR/overt-footage.json      marker: format, site, store, location
    DIR/index.sqlite            index; can be rebuilt from segments and journal
    DIR/keys.sqlite             wrapped period keys; cannot be rebuilt
    DIR/retention.json          last known retention of every camera, that of cameras that left too
    DIR/retention-clock.json    what retention believes of the wall clock
    DIR/journal/2026-11.jsonl   gaps, holds and deletions, which no segment file holds
    DIR/opened/                 ledger of what commands opened (overt.contract.opened)
    DIR/locks/                  recorder.lock, workers.lock, one file a stream
    DIR/segments/<camera>/<stream>/<YYYY-MM-DD>/<YYYYMMDDTHHMMSS.mmmZ>-<8 hex>.ovs

A further location has the marker and `segments/` alone. Date and time are those of the first fragment, in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.errors import InvalidError
from overt.footage.format import SUFFIX
from overt.ids import StreamKey

MARKER: Final = "overt-footage.json"
INDEX: Final = "index.sqlite"
KEYS: Final = "keys.sqlite"
JOURNAL: Final = "journal"
LOCKS: Final = "locks"
SEGMENTS: Final = "segments"

SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAME: Final = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}" + re.escape(SUFFIX), re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def segment_name(start_ns: int, segment_id: UUID) -> str:
    """Return the file name of a segment whose first fragment starts at `start_ns`."""
    seconds, rest = divmod(start_ns, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y%m%dT%H%M%S}.{rest // _MILLISECOND:03d}Z-{segment_id.hex[:8]}{SUFFIX}"


def date_folder(name: str) -> str:
    """Return the folder in which a segment of this name lies."""
    return f"{name[:4]}-{name[4:6]}-{name[6:8]}"


def segment_folder(location: Path, key: StreamKey, name: str) -> Path:
    """Return the directory of a segment."""
    return location / SEGMENTS / key.camera / key.stream / date_folder(name)


def segment_path(location: Path, key: StreamKey, name: str) -> Path:
    """Return the path of a segment."""
    return segment_folder(location, key, name) / name


def is_segment_name(name: str) -> bool:
    """True if a file is named as a segment is."""
    return _NAME.fullmatch(name) is not None


def is_date_folder(name: str) -> bool:
    """True if a folder is named as those that hold segments are."""
    return _DATE.fullmatch(name) is not None


def start_of_name(name: str) -> int:
    """Return the start in a segment's name, nanoseconds since the epoch, cut to milliseconds.

    Raises:
        InvalidError: if it is not the name of a segment.
    """
    match = _NAME.fullmatch(name)
    try:
        moment = datetime.strptime(name[:19] + "000+0000", "%Y%m%dT%H%M%S.%f%z") if match else None
    except ValueError:
        moment = None
    if moment is None:
        msg = f"{name!r} is not the name of a segment: it should look like 20260329T140500.000Z-1a2b3c4d{SUFFIX}"
        raise InvalidError(msg)
    return (moment - _EPOCH) // timedelta(milliseconds=1) * _MILLISECOND

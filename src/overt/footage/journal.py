"""The journal: gaps, holds and deletions as lines of JSON, so that a lost index loses no statement.

Segment files tell what was recorded; that and why nothing was, what is held, and what was deleted, they cannot tell.
Each such row is therefore also appended here, one line a row, `<crc32 hex> <json>`, one file a month. A line is written
by a single `write` to a file opened for appending, so that several processes may share it; a torn or altered line fails
its CRC and is passed over. A later line with the same id replaces an earlier one.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from overt.errors import InvalidError
from overt.footage.gaps import Gap, GapCause
from overt.footage.rows import Deletion, Hold
from overt.ids import StreamKey

MAX_LINE: Final = 64 * 1024
"""Bytes of the longest line that is read."""


class LiftedHold:
    """A hold that was lifted."""

    __slots__ = ("hold_id",)

    def __init__(self, hold_id: UUID) -> None:
        """Name the hold."""
        self.hold_id = hold_id


Entry = Gap | Hold | LiftedHold | Deletion


def encode(entry: Entry) -> bytes:
    """Return the line for one row."""
    value: dict[str, Any]
    match entry:
        case Gap():
            value = {
                "gap": str(entry.gap_id),
                "camera": entry.key.camera,
                "stream": entry.key.stream,
                "from": entry.start_ns,
                "to": entry.end_ns,
                "cause": entry.cause.value,
                "detail": entry.detail,
            }
        case Hold():
            value = {
                "hold": str(entry.hold_id),
                "camera": entry.camera,
                "from": entry.start_ns,
                "to": entry.end_ns,
                "reason": entry.reason,
            }
        case LiftedHold():
            value = {"lifted": str(entry.hold_id)}
        case Deletion():
            value = {
                "deletion": str(entry.deletion_id),
                "time": entry.time_ns,
                "reason": entry.reason,
                "camera": entry.key.camera,
                "stream": entry.key.stream,
                "from": entry.start_ns,
                "to": entry.end_ns,
                "segments": entry.segments,
                "bytes": entry.bytes,
                "periods": [str(period) for period in entry.periods],
            }
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> Entry | None:
    """Return the row of one line; None if it is torn, altered, or of a kind that is not known."""
    try:
        crc, body = line.rstrip(b"\n").split(b" ", 1)
        if len(line) > MAX_LINE or int(crc, 16) != zlib.crc32(body):
            return None
        value = json.loads(body)
        if "gap" in value:
            key = StreamKey(value["camera"], value["stream"])
            cause = GapCause(value["cause"])
            return Gap(UUID(value["gap"]), key, value["from"], value["to"], cause, value["detail"])
        if "hold" in value:
            return Hold(UUID(value["hold"]), value["camera"], value["from"], value["to"], value["reason"])
        if "lifted" in value:
            return LiftedHold(UUID(value["lifted"]))
        return Deletion(
            UUID(value["deletion"]),
            value["time"],
            value["reason"],
            StreamKey(value["camera"], value["stream"]),
            value["from"],
            value["to"],
            value["segments"],
            value["bytes"],
            tuple(UUID(period) for period in value["periods"]),
        )
    except (ValueError, KeyError, TypeError, InvalidError):
        return None


def append(folder: Path, entries: Sequence[Entry], now_ns: int) -> None:
    """Append rows to the month's file and write them through to the device.

    Raises:
        OSError: if the disk refuses, or the folder is not there (nothing is made on a disk that is not mounted); the
            caller keeps the rows and tries again.
    """
    if not entries:
        return
    month = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    path = folder / f"{month:%Y-%m}.jsonl"
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        # A line that a crash tore must not swallow the next one.
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        os.write(fd, (b"\n" if torn else b"") + b"".join(map(encode, entries)))
        os.fdatasync(fd)
    finally:
        os.close(fd)


def replay(folder: Path) -> Iterator[Entry | None]:
    """Yield every row of every month, in order; None for each line that cannot be read."""
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as lines:
            for line in lines:
                if line != b"\n":
                    yield decode(line)

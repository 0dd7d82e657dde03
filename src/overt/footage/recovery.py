"""What an earlier run left of one stream: its unfinished files brought into the index, its end, its last gap.

Done when a stream is attached, before its first fragment, for that stream alone and with its lock held. Only the newest
files are looked at; all others are compared with the index in the background (`overt.footage.reconcile`).
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID

from overt.errors import OvertError
from overt.footage.eras import ERA_NS, Eras
from overt.footage.from_file import report_file, truncate_torn
from overt.footage.gaps import Gap, GapCause
from overt.footage.index import Index
from overt.footage.layout import SEGMENTS, date_folder, is_date_folder, is_segment_name, start_of_name
from overt.footage.rows import SegmentRow, SegmentState
from overt.footage.stream_writer import StreamPast
from overt.ids import StreamKey, new_id

MAX_FILES: Final = 16
"""Files without a row that are read before recording goes on; the rest is left to the comparison."""
LOOKED_AT: Final = 64
"""The newest files whose rows are looked for; one that was being written is among them."""
KILLED: Final = "the recorder ended without stopping"
_logger = logging.getLogger(__name__)


def recover_stream(
    key: StreamKey, locations: dict[UUID, Path], index: Index | None, utc_ns: int, alive_ns: int | None
) -> tuple[StreamPast, list[SegmentRow], list[Gap]]:
    """Find out where a stream's footage ends, and finish what a killed run left open.

    Args:
        key: the stream.
        locations: where segments may lie, by location id; those that cannot be read are passed over.
        index: the index, open for writing; None or one that fails is done without.
        utc_ns: now.
        alive_ns: last sign of life of the run before; None: unknown.

    Returns:
        What to go on from, and rows of segments and of gaps that are to be stored, in order.
    """
    rows = _recovered(key, locations, index)
    spans = [(row.start_ns, row.end_ns) for row in rows]
    gaps: list[Gap] = []
    starts = [row.start_ns for row in rows]
    if index is not None:
        try:
            spans += index.eras(key, ERA_NS)
            gaps = [gap for gap in index.open_gaps() if gap.key == key]
            for gap in gaps:
                first = index.first_start(key, gap.start_ns)
                starts += [] if first is None else [first]
        except OvertError:
            _logger.warning("%s: the index cannot be read; going on from the files alone", key)
    eras = Eras(spans)
    ends = [end for _, end in spans]
    # Ends further ahead than a day are of a clock that was wrong.
    frontier = max((end for end in ends if end <= utc_ns + ERA_NS), default=max(ends, default=None))
    closing, current = _last_gap(key, gaps, starts, frontier, alive_ns)
    return StreamPast(eras, frontier, current), rows, closing


def _last_gap(
    key: StreamKey, gaps: list[Gap], starts: list[int], frontier: int | None, alive_ns: int | None
) -> tuple[list[Gap], Gap | None]:
    """Close gaps that footage has ended since, and open the one of a run that ended without stopping."""
    out: list[Gap] = []
    current: Gap | None = None
    for gap in gaps:
        if current is not None:
            # Two open gaps of one stream: the later one ended the earlier.
            out.append(replace(current, end_ns=gap.start_ns))
        after = min((start for start in starts if start >= gap.start_ns), default=None)
        if after is not None and frontier is not None and frontier > gap.start_ns:
            out.append(replace(gap, end_ns=after))
            current = None
        else:
            current = gap
    if current is None:
        if frontier is None:
            return out, None
        current = Gap(new_id(), key, frontier, None, GapCause.RECORDER, KILLED)
        return [*out, current], current
    if current.cause != GapCause.RECORDER:
        split = max(current.start_ns, alive_ns or current.start_ns)
        out.append(replace(current, end_ns=split))
        current = Gap(new_id(), key, split, None, GapCause.RECORDER, KILLED)
        out.append(current)
    return out, current


def _recovered(key: StreamKey, locations: dict[UUID, Path], index: Index | None) -> list[SegmentRow]:
    """Return rows for the newest files that the index does not know as finished, oldest first."""
    found: list[SegmentRow] = []
    for location_id, location in locations.items():
        try:
            candidates = _candidates(location, key, index)
        except OSError as error:
            _logger.warning("%s: cannot be listed: %s", location, error.strerror)
            continue
        for path in candidates:
            row = _recover_file(path, location_id, key, index)
            if row is not None:
                found.append(row)
    return sorted(found, key=lambda row: row.start_ns)


def _candidates(location: Path, key: StreamKey, index: Index | None) -> list[Path]:
    """Return the newest files of a stream at a location that are not finished in the index, oldest first."""
    folder = location / SEGMENTS / key.camera / key.stream
    if not folder.is_dir():
        return []
    known: dict[str, SegmentState] = {}
    names: list[str] = []
    opened: list[str] = []
    dates = sorted((entry.name for entry in os.scandir(folder) if is_date_folder(entry.name)), reverse=True)
    for date in dates[:2]:
        if len(names) < LOOKED_AT:
            names += [entry.name for entry in os.scandir(folder / date) if is_segment_name(entry.name)]
    names = sorted(names)[-LOOKED_AT:]
    if index is not None:
        with suppress(OvertError):
            opened = index.open_names(key)
            if names:
                known = index.names_since(key, start_of_name(names[0]))
    unfinished = {name for name in (*names, *opened) if known.get(name, SegmentState.OPEN) == SegmentState.OPEN}
    paths = [folder / date_folder(name) / name for name in sorted(unfinished)]
    return [path for path in paths if path.exists()][-MAX_FILES:]


def _recover_file(path: Path, location_id: UUID, key: StreamKey, index: Index | None) -> SegmentRow | None:
    """Return the row of one unfinished file, its torn end cut off; remove it if it holds nothing."""
    try:
        report = report_file(path, location_id)
        if report.empty:
            # The row first: killed in between, an empty file is left, which the next run removes.
            if index is not None:
                index.drop_named(key, path.name)
            path.unlink()
            return None
        if report.torn:
            truncate_torn(report)
    except (OvertError, OSError) as error:
        _logger.warning("%s: cannot be recovered now: %s", path, error)
        return None
    if report.row is None or report.row.key != key:
        # Damaged beyond its header, or misplaced: comparing names it.
        return None
    return report.row

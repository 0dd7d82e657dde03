"""`overt spans`: what is recorded, and for all the rest why not."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from overt.cli.moments import moment, shown, time_zone
from overt.cli.options import JsonOption, TimeZoneOption
from overt.cli.output import Output, duration, plain, size
from overt.clock import SECOND, SystemClock
from overt.contract.instant import to_iso
from overt.errors import InvalidError, MissingError
from overt.footage.gaps import Gap
from overt.footage.reading import FootageReader
from overt.footage.spans import Span
from overt.ids import StreamKey

COLUMNS = (
    "camera",
    "stream",
    "what",
    "from",
    "to",
    "seconds",
    "cause",
    "detail",
    "segments",
    "bytes",
    "frames",
    "damaged_frames",
    "lost_packets",
)


@dataclass(frozen=True, slots=True)
class StreamSpans:
    """What is known of one stream in the time that was asked about, in order."""

    key: StreamKey
    parts: list[Span | Gap]

    @property
    def recorded_ns(self) -> int:
        """Nanoseconds of footage."""
        return sum(part.end_ns - part.start_ns for part in self.parts if isinstance(part, Span))

    @property
    def gaps(self) -> list[Gap]:
        """The gaps alone."""
        return [part for part in self.parts if isinstance(part, Gap)]


def spans(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Footage directory.")],
    *,
    camera: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this camera; may be repeated.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="T", help="From this moment on: ISO 8601, 'now', '-5m'.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="Up to this moment. (now if not given)")] = None,
    timezone: TimeZoneOption = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show recorded spans, gaps and their causes."""
    if as_csv and as_json:
        msg = "give --csv or --json, not both"
        raise InvalidError(msg)
    zone, now_ns = time_zone(timezone), SystemClock().utc_ns()
    start_ns = 0 if start is None else moment(start, now_ns, zone)
    end_ns = now_ns if end is None else moment(end, now_ns, zone)
    if end_ns <= start_ns:
        msg = f"--to ({shown(end_ns, zone)}) must be later than --from ({shown(start_ns, zone)})"
        raise InvalidError(msg)
    found = look(directory, camera or [], start_ns, end_ns, now_ns)
    if as_csv:
        _write_csv(found)
        return
    Output(as_json=as_json).show(
        {
            "footage": str(directory),
            "from": to_iso(start_ns),
            "to": to_iso(end_ns),
            "streams": [_json(stream) for stream in found],
        },
        Group(*(_table(stream, zone) for stream in found)) if found else Text("nothing is recorded here yet"),
    )


def look(directory: Path, cameras: list[str], start_ns: int, end_ns: int, now_ns: int) -> list[StreamSpans]:
    """Return what is known of the streams of `cameras` (of all if there are none named).

    Raises:
        MissingError: if a camera has never been recorded here, or this is no footage directory.
    """
    with FootageReader(directory) as reader:
        streams = reader.streams()
        known = sorted({key.camera for key in streams})
        for name in cameras:
            if name not in known:
                msg = f"camera {name!r} was never recorded in {directory}; there are {', '.join(known) or 'none'}"
                raise MissingError(msg)
        wanted = [key for key in streams if not cameras or key.camera in cameras]
        return [StreamSpans(key, reader.spans(key, start_ns, end_ns, now_ns=now_ns)) for key in wanted]


def part_to_dict(part: Span | Gap) -> dict[str, Any]:
    """Return a span or a gap as it stands in JSON."""
    end_ns = part.end_ns if part.end_ns is not None else part.start_ns
    common = {"from": to_iso(part.start_ns), "to": to_iso(end_ns), "seconds": (end_ns - part.start_ns) / SECOND}
    if isinstance(part, Gap):
        return {"what": "gap", **common, "cause": part.cause.value, "detail": part.detail}
    return {
        "what": "recorded",
        **common,
        "segments": part.segments,
        "bytes": part.bytes,
        "frames": part.samples,
        "damaged_frames": part.damaged_samples,
        "lost_packets": part.lost_packets,
    }


def _json(stream: StreamSpans) -> dict[str, Any]:
    """Return one stream as it stands in JSON."""
    return {
        "camera": stream.key.camera,
        "stream": stream.key.stream,
        "recorded_seconds": stream.recorded_ns / SECOND,
        "gaps": len(stream.gaps),
        "parts": [part_to_dict(part) for part in stream.parts],
    }


def _table(stream: StreamSpans, zone: ZoneInfo | None) -> RenderableType:
    """Return one stream as a table."""
    gaps = stream.gaps
    missing = sum((gap.end_ns or gap.start_ns) - gap.start_ns for gap in gaps) / SECOND
    title = f"{stream.key}: {duration(stream.recorded_ns / SECOND)} recorded, {len(gaps)} gaps ({duration(missing)})"
    rows = Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    rows.add_column("From", no_wrap=True)
    rows.add_column("Length", justify="right", no_wrap=True)
    rows.add_column("What")
    for part in stream.parts:
        end_ns = part.end_ns if part.end_ns is not None else part.start_ns
        if isinstance(part, Gap):
            what = Text(f"gap ({part.cause.value}): {plain(part.detail) or part.cause.sentence}", style="yellow")
        else:
            what = Text(f"recorded, {size(part.bytes)}, {part.samples} frames", style="green")
            if part.damaged_samples or part.lost_packets:
                what.append(f", {part.damaged_samples} damaged, {part.lost_packets} packets lost", style="yellow")
        rows.add_row(shown(part.start_ns, zone), duration((end_ns - part.start_ns) / SECOND), what)
    return Group(rows, Text())


def _write_csv(found: list[StreamSpans]) -> None:
    """Print everything as comma-separated values (RFC 4180)."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, restval="")
    writer.writeheader()
    for stream in found:
        for part in stream.parts:
            row = part_to_dict(part)
            if "detail" in row:
                row["detail"] = _harmless(row["detail"])
            writer.writerow({"camera": stream.key.camera, "stream": stream.key.stream, **row})
    sys.stdout.flush()


def _harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: it may hold what a camera sent."""
    text = plain(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text

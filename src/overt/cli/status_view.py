"""The live view of a recorder: a table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from overt.cli.output import Output, duration, plain, size
from overt.contract.fact import StreamState
from overt.recorder.health import RecorderHealth, StreamHealth

REFRESH_S: Final = 0.5
LINE_S: Final = 5.0
"""Seconds between lines where there is no terminal."""
MAX_ROWS: Final = 60
"""Streams that the table shows; the worst come first."""
MAX_SENTENCES: Final = 5
MAX_STATE: Final = 24
"""Columns of a terminal for a state and its reason."""

_STYLES: Final[dict[StreamState, str]] = {
    "recording": "green",
    "connecting": "cyan",
    "stopped": "dim",
    "stalled": "yellow",
    "unreachable": "yellow",
    "refused": "red",
    "failed": "red",
}
_LEVEL_STYLES: Final = {"ok": "green", "degraded": "yellow", "failing": "bold red"}


def table(health: RecorderHealth) -> RenderableType:
    """Return the view of one snapshot."""
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Camera", "State", "Codec", "Picture"):
        # A reason is cut here, and stands in full below the table.
        rows.add_column(heading, no_wrap=True, max_width=MAX_STATE if heading == "State" else None)
    for heading in ("Rate", "Frames/s", "Recorded", "Gaps", "Lost", "Damaged"):
        rows.add_column(heading, justify="right", no_wrap=True)
    streams = sorted(health.streams, key=lambda stream: (stream.state == "recording", stream.camera, stream.stream))
    for stream in streams[:MAX_ROWS]:
        rows.add_row(*_cells(stream))
    parts: list[RenderableType] = [rows]
    if len(streams) > MAX_ROWS:
        parts.append(Text(f"and {len(streams) - MAX_ROWS} more"))
    parts.append(Text(summary(health), style=_LEVEL_STYLES[health.level]))
    parts += [Text(reason) for reason in _reasons(health)]
    return Group(*parts)


def _reasons(health: RecorderHealth) -> list[str]:
    """Return the worst of what is wrong, a line each."""
    reasons = [f"  {plain(sentence)}" for sentence in health.sentences[:MAX_SENTENCES]]
    more = len(health.sentences) - MAX_SENTENCES
    return [*reasons, f"  and {more} more"] if more > 0 else reasons


def summary(health: RecorderHealth) -> str:
    """Return one line that says how the recorder fares."""
    recording = sum(stream.state == "recording" for stream in health.streams)
    rate = sum(stream.bit_rate for stream in health.streams) / 1e6
    free = ", ".join(f"{size(disk.free_bytes)} free" for disk in health.disks)
    gaps = sum(stream.gap_count for stream in health.streams)
    lost = sum(stream.lost_packets for stream in health.streams)
    parts = [
        f"{health.level}: {recording} of {len(health.streams)} streams recording",
        f"{rate:.1f} Mb/s",
        f"{gaps} gaps",
        f"{lost} packets lost",
    ]
    return ", ".join([*parts, free] if free else parts)


def watch(
    output: Output,
    health: Callable[[], RecorderHealth],
    ended: threading.Event,
    on_tick: Callable[[RecorderHealth], None] = lambda _health: None,
) -> None:
    """Show `health` until `ended` is set; `on_tick` is called with each snapshot.

    On a terminal a live table; else a line at the start and every few seconds; with `--json` each line is a snapshot.
    """
    if output.as_json or not output.console.is_terminal:
        _lines(output, health, ended, on_tick)
        return
    with Live(table(health()), console=output.console, auto_refresh=False) as live:
        while not ended.wait(REFRESH_S):
            snapshot = health()
            on_tick(snapshot)
            live.update(table(snapshot), refresh=True)
        live.update(table(health()), refresh=True)


def _lines(
    output: Output,
    health: Callable[[], RecorderHealth],
    ended: threading.Event,
    on_tick: Callable[[RecorderHealth], None],
) -> None:
    """Print a line now and then."""
    due = time.monotonic() + 1.0
    while not ended.wait(REFRESH_S):
        snapshot = health()
        on_tick(snapshot)
        if time.monotonic() >= due:
            due += LINE_S
            output.line({"health": snapshot.to_public()}, Text("\n".join([summary(snapshot), *_reasons(snapshot)])))


def _cells(stream: StreamHealth) -> list[Text | str]:
    """Return the cells of one stream."""
    state = Text(stream.state, style=_STYLES[stream.state])
    if stream.reason and stream.state != "recording":
        state.append(f" ({plain(stream.reason[:60])})", style="dim")
    camera = stream.camera if stream.stream == "main" else str(stream.key)
    return [
        Text(camera),
        state,
        stream.codec.partition(".")[0],
        f"{stream.width}\u00d7{stream.height}" if stream.width else "",
        f"{stream.bit_rate / 1e6:.2f} Mb/s",
        f"{stream.frame_rate:.1f}",
        duration(stream.recorded_s),
        str(stream.gap_count),
        str(stream.lost_packets),
        str(stream.damaged_frames),
    ]

"""`overt bench capture` and `overt bench disk`: what this machine can record, as tables or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from overt.cli.bench.cameras import DEFAULT_SOURCE
from overt.cli.bench.capture import CaptureCost, Plan, measure_capture
from overt.cli.bench.disk import DiskSpeed, measure_disk
from overt.cli.options import JsonOption
from overt.cli.output import Output, size

app = typer.Typer(help="Measure what this machine can record.", no_args_is_help=True)

DirectoryOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Directory on the disk to measure; what is written there is removed again."),
]


@app.command("capture")
def capture(
    *,
    cameras: Annotated[int, typer.Option(min=1, max=1024, help="Simulated cameras.")] = 16,
    seconds: Annotated[float, typer.Option(min=1, help="Length of the window that is measured.")] = 30,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds of recording before it.")] = 5,
    source: Annotated[
        Path | None,
        typer.Option(metavar="FILE.mp4", help="What the cameras film. (640x480, 25 frames/s, 4 Mb/s if not given)"),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, max=256, help="Capture processes; 0: as many as overt record chooses.")
    ] = 0,
    directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record simulated cameras and say what it cost, and whether a frame was lost."""
    output = Output(as_json=as_json)
    output.note(f"recording {cameras} cameras for {seconds:g} s after {warm_up:g} s of warm-up, then reading all back")
    found = measure_capture(Plan(cameras, seconds, warm_up, source or DEFAULT_SOURCE, directory, workers))
    output.show(found.to_dict(), _capture_table(found))


@app.command("disk")
def disk(
    *,
    cameras: Annotated[int, typer.Option(min=1, max=1024, help="Streams to write.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long.")] = 10,
    directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Seal, hash, write and flush footage as fast as this machine can, and hold it against plain writing."""
    output = Output(as_json=as_json)
    output.note(f"storing fragments of {cameras} cameras for {seconds:g} s")
    found = measure_disk(cameras, seconds, directory)
    output.show(found.to_dict(), _disk_table(found))


def _capture_table(found: CaptureCost) -> Table:
    rows = _rows()
    rows.add_row("Cameras", f"{found.cameras}, {found.mbit_per_camera:.2f} Mb/s each")
    rows.add_row("Processor time", f"{found.cpu_s_per_camera_minute:.3f} CPU-s per camera-minute")
    rows.add_row("Memory (PSS)", f"{found.pss_mb_per_camera:.2f} MB a camera, {found.pss_mb:.0f} MB in all")
    rows.add_row("Frames sent, stored", f"{found.frames_sent}, {found.frames_stored}")
    rows.add_row(
        "Frames lost, doubled, out of order", f"{found.frames_lost}, {found.frames_doubled}, {found.frames_disordered}"
    )
    if found.fragments_unreadable:
        rows.add_row("Fragments unreadable", str(found.fragments_unreadable))
    if found.latency_p50_ms is not None and found.latency_p95_ms is not None:
        spread = f"{found.latency_p50_ms:.0f} / {found.latency_p95_ms:.0f} / {found.latency_longest_ms:.0f} ms"
        rows.add_row("Last packet to disk, p50 / p95 / longest", spread)
    rows.add_row("Late ticks", f"{found.late_ticks} of {found.ticks}")
    rows.add_row("Cameras late by up to", f"{found.camera_late_ms:.0f} ms")
    rows.add_row("Load of the machine", f"{found.load:.1f}")
    return rows


def _disk_table(found: DiskSpeed) -> Table:
    rows = _rows()
    rows.add_row("Stored", f"{size(found.bytes)} of {found.streams} streams in {found.seconds:.1f} s")
    rows.add_row(
        "Sealed, hashed, written, flushed", f"{found.stored_mb_s:.0f} MB/s, {found.cpu_s_per_gb:.2f} CPU-s a GB"
    )
    rows.add_row("Plain writing, flushed", f"{found.plain_mb_s:.0f} MB/s")
    rows.add_row("AES-256-GCM alone, SHA-256 alone", f"{found.seal_mb_s:.0f} MB/s, {found.hash_mb_s:.0f} MB/s")
    rows.add_row("Bytes of so many cameras of 3 Mb/s", str(found.cameras))
    if found.refused:
        rows.add_row("Fragments refused", str(found.refused))
    rows.add_row("Load of the machine", f"{found.load:.1f}")
    return rows


def _rows() -> Table:
    rows = Table(box=None, pad_edge=False, show_header=False)
    rows.add_column()
    rows.add_column()
    return rows

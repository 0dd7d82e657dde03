"""What the commands print: sizes, lengths of time, the live view with and without a terminal."""

from __future__ import annotations

import io
import json
import threading

import pytest
from rich.console import Console

from overt.cli.output import Output, complain, duration, size
from overt.cli.status_view import MAX_ROWS, summary, table, watch
from overt.recorder.health import RecorderHealth, StreamHealth


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_960, "100 kB"),
        (999_600, "1.0 MB"),
        (5e12, "5.0 TB"),
        (9e18, "9000 PB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (12, "12 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
        (273_600, "3 d 04 h"),
    ],
)
def test_lengths(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def health(count: int = 1) -> RecorderHealth:
    streams = [
        StreamHealth(
            camera=f"c{number}",
            stream="main",
            state="recording",
            codec="avc1.4d002a",
            width=1920,
            height=1080,
            bit_rate=3e6,
        )
        for number in range(count)
    ]
    refused = StreamHealth(camera="[bold]x", stream="main", state="refused", reason="[red]401", gaps={"network": 2})
    return RecorderHealth(
        time_ns=1, started_ns=1, revision=1, level="degraded", sentences=["s"] * 9, streams=[*streams, refused]
    )


def shown(view: object) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_shows_the_worst_first_and_no_markup_of_a_camera() -> None:
    text = shown(table(health()))
    assert text.index("[bold]x") < text.index("c0")
    assert "refused ([red]401)" in text
    assert "1920\u00d71080" in text
    assert "degraded: 1 of 2 streams recording, 3.0 Mb/s, 2 gaps, 0 packets lost" in text
    assert "and 4 more" in text


def test_the_table_is_bounded() -> None:
    assert f"and {200 + 1 - MAX_ROWS} more" in shown(table(health(200)))


def test_without_a_terminal_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        ended = threading.Event()
        ticks: list[RecorderHealth] = []

        def tick(snapshot: RecorderHealth, ticks: list[RecorderHealth] = ticks, ended: threading.Event = ended) -> None:
            ticks.append(snapshot)
            if len(ticks) == 3:
                ended.set()

        watch(Output(as_json=as_json), health, ended, tick)
        printed = capsys.readouterr().out.strip().splitlines()
        assert printed
        assert (json.loads(printed[0])["health"]["level"] == "degraded") if as_json else printed[0] == summary(health())


def test_errors_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    complain("invalid", "no 'x'", as_json=False)
    complain("invalid", "no 'x'", as_json=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    plain, coded = captured.err.splitlines()
    assert plain == "error: no 'x'"
    assert json.loads(coded) == {"error": {"kind": "invalid", "message": "no 'x'"}}

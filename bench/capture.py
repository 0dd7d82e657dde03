"""What recording costs: the recorder against one ffmpeg a camera, and against a bare loop of `recv` and `write`.

All three record the same cameras of the same farm one after the other in one run. The farm (any program that serves
`rtsp://127.0.0.1:PORT/main/N` for as many N as asked) is counted apart. Figures are CPU-seconds (user and system, whole
process tree) a camera-minute and proportional memory (PSS) a camera, over a window after a warm-up.

    python bench/capture.py --farm camera_farm.py --sources DIR --cameras 8 32 64 --seconds 60
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from overt.cli.bench.process_tree import cost

HERE = Path(__file__).parent
OVERT = str(Path(sys.executable).with_name("overt"))


@dataclass(frozen=True)
class Measured:
    """One recorder at one number of cameras."""

    recorder: str
    cameras: int
    cpu_s_per_camera_minute: float
    pss_mb_per_camera: float
    pss_mb_total: float
    farm_frames_dropped: int
    """Frames the farm threw away because this recorder did not read: footage lost."""
    mbit_per_camera: float


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def farm(script: Path, sources: Path, work: Path) -> Iterator[tuple[int, Callable[[], dict[str, object]]]]:
    """Run the camera farm; yield its port and a function that reads its statistics."""
    port, statistics = free_port(), work / "farm.json"
    command = [sys.executable, str(script), "--port", str(port), "--src", str(sources), "--stats", str(statistics)]
    process = subprocess.Popen([*command, "--preload", "main"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield port, lambda: json.loads(statistics.read_text())
    finally:
        process.terminate()
        process.wait()


def overt_command(urls: list[str], work: Path, extra: list[str]) -> list[list[str]]:
    """The recorder as it is used: sealed, hashed, indexed."""
    key, recipients = work / "key.json", work / "recipients.json"
    passphrase = work / "passphrase"
    passphrase.write_text("a passphrase for a benchmark")
    keys = [OVERT, "keys", "create", "--site", "bench", "--out", str(key), "--recipients", str(recipients)]
    subprocess.run([*keys, "--passphrase-file", str(passphrase)], check=True, capture_output=True)
    cameras = [part for n, url in enumerate(urls) for part in ("--camera", f"cam{n}={url}")]
    footage = ["--footage", str(work / "footage"), "--recipients", str(recipients)]
    return [[OVERT, "record", *cameras, *footage, "--listen", f"127.0.0.1:{free_port()}", "--json", *extra]]


def ffmpeg_commands(urls: list[str], work: Path) -> list[list[str]]:
    """One process a camera, remuxing into minute files: what most peers do underneath."""
    common = ["ffmpeg", "-v", "error", "-nostdin", "-rtsp_transport", "tcp"]
    target = ["-c", "copy", "-f", "segment", "-segment_time", "60", "-reset_timestamps", "1"]
    return [[*common, "-i", url, *target, str(work / f"{n}-%d.mp4")] for n, url in enumerate(urls)]


def floor_command(urls: list[str], work: Path, floor: Path) -> list[list[str]]:
    """The same bytes from socket to file with nothing in between, on the same tick."""
    return [[str(floor), str(work / "floor"), *urls]]


def measure(
    name: str, commands: list[list[str]], n: int, args: argparse.Namespace, statistics: Callable[[], dict[str, object]]
) -> Measured:
    """Start, warm up, measure a window, stop."""
    before = len(statistics()["sessions"])  # type: ignore[arg-type]  # JSON of the farm
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        time.sleep(args.warm_up)
        pids = [process.pid for process in processes]
        first, began = cost(pids), time.monotonic()
        bytes_before = farm_bytes(statistics(), before)
        time.sleep(args.seconds)
        last, elapsed = cost(pids), time.monotonic() - began
        told = statistics()
        sent = farm_bytes(told, before) - bytes_before
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)
    minutes = elapsed / 60
    dropped = sum(int(session["dropped"]) for session in told["sessions"][before:])  # type: ignore[index]  # JSON
    return Measured(
        name,
        n,
        (last.cpu_s - first.cpu_s) / n / minutes,
        last.pss_bytes / n / 1e6,
        last.pss_bytes / 1e6,
        dropped,
        sent * 8 / elapsed / n / 1e6,
    )


def farm_bytes(told: dict[str, object], first: int) -> int:
    """Bytes that the farm has sent to sessions from number `first` on."""
    return sum(int(session["bytes"]) for session in told["sessions"][first:])  # type: ignore[index]  # JSON


def build_floor(work: Path) -> Path | None:
    """Compile the bare loop, if there is a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = work / "floor-program"
    subprocess.run([compiler, "-O2", "-o", str(program), str(HERE / "floor.c")], check=True)
    return program


def main() -> None:
    """Run all recorders at each number of cameras and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--farm", type=Path, required=True)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--cameras", type=int, nargs="+", default=[8, 32, 64])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=15)
    parser.add_argument("--only", nargs="+", default=["overt", "ffmpeg", "floor"])
    parser.add_argument("--work", type=Path, help="directory on the disk to measure on; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("recorder_options", nargs="*", help="after --: further options of `overt record`")
    args = parser.parse_args()
    rows: list[Measured] = []
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.work)))
        floor = build_floor(base)
        for n in args.cameras:
            for name in args.only:
                with (
                    tempfile.TemporaryDirectory(dir=base) as folder,
                    farm(args.farm, args.sources, base) as (port, told),
                ):
                    work = Path(folder)
                    urls = [f"rtsp://127.0.0.1:{port}/main/{i}" for i in range(n)]
                    if name == "overt":
                        commands = overt_command(urls, work, args.recorder_options)
                    elif name == "ffmpeg":
                        commands = ffmpeg_commands(urls, work)
                    elif floor is not None:
                        commands = floor_command(urls, work, floor)
                    else:
                        continue
                    rows.append(measure(name, commands, n, args, told))
                    print(rows[-1], file=sys.stderr)
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for n in args.cameras:
        by = {row.recorder: row for row in rows if row.cameras == n}
        for row in by.values():
            ratios = "".join(
                f"  {row.cpu_s_per_camera_minute / by[peer].cpu_s_per_camera_minute:5.2f} x {peer}'s CPU"
                f"  {row.pss_mb_total / by[peer].pss_mb_total:6.3f} x {peer}'s PSS"
                for peer in by
                if row.recorder == "overt" and peer != "overt"
            )
            print(
                f"{n:4d} cameras  {row.recorder:7s} {row.cpu_s_per_camera_minute:.3f} CPU-s/camera-minute"
                f"  {row.pss_mb_per_camera:6.2f} MB/camera  {row.farm_frames_dropped} dropped{ratios}"
            )


if __name__ == "__main__":
    main()

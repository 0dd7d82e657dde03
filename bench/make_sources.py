"""Make the streams that the other scripts film: what cameras of 1080p25 at 3 Mb/s, and their substreams, really send.

Encoded by the `ffmpeg` command (Debian package `ffmpeg`): no B-frames, a keyframe every two seconds, a constant rate, a
moving picture with noise so that every frame differs and the rate is used up. Twenty seconds each, to be looped.

    python bench/make_sources.py DIR
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 20
KEYFRAME_S = 2


@dataclass(frozen=True)
class Stream:
    """One stream to be made."""

    name: str
    encoder: str
    size: str
    rate: int
    bits: str
    profile: str


STREAMS = (
    Stream("main.mp4", "libx264", "1920x1080", 25, "3000k", "high"),
    Stream("sub.mp4", "libx264", "640x360", 5, "256k", "main"),
    Stream("main265.mp4", "libx265", "1920x1080", 25, "2000k", "main"),
)


def command(stream: Stream, folder: Path) -> list[str]:
    """Return the command that makes a stream."""
    picture = f"testsrc2=size={stream.size}:rate={stream.rate},noise=alls=6:allf=t,format=yuv420p"
    frames = stream.rate * KEYFRAME_S
    if stream.encoder == "libx264":
        own = ["-x264-params", f"keyint={frames}:min-keyint={frames}:scenecut=0:bframes=0:nal-hrd=cbr"]
    else:
        own = ["-x265-params", f"keyint={frames}:min-keyint={frames}:scenecut=0:bframes=0", "-tag:v", "hvc1"]
    rate = ["-b:v", stream.bits, "-maxrate", stream.bits, "-minrate", stream.bits, "-bufsize", stream.bits]
    encode = ["-c:v", stream.encoder, "-preset", "veryfast", "-profile:v", stream.profile, *own, *rate]
    begin = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture, "-t", str(SECONDS)]
    return [*begin, *encode, str(folder / stream.name)]


def main() -> None:
    """Make all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        parser.error("the ffmpeg command is needed (apt-get install ffmpeg)")
    args.folder.mkdir(parents=True, exist_ok=True)
    for stream in STREAMS:
        subprocess.run(command(stream, args.folder), check=True)
        path = args.folder / stream.name
        print(f"{path}: {path.stat().st_size * 8 / SECONDS / 1e6:.2f} Mb/s")


if __name__ == "__main__":
    main()

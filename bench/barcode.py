"""Pictures that say which frame they are: twelve bits of its number and four to check them, in black and white blocks.

The stripe of sixteen blocks stands at the top, so large that no codec, no scaling and no colour space blurs it.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av

FRAMES = 500
"""Frames of a clip, to be looped: with 25 a second no latency of less than 20 s is ambiguous."""
BLOCKS = 16
STRIPE = 32
"""Rows of the stripe."""
READ = f"""(picture, pen) => {{
  const width = picture.videoWidth || picture.width;
  pen.drawImage(picture, 0, 8, width, 16, 0, 0, {BLOCKS * 4}, 1);
  const row = pen.getImageData(0, 0, {BLOCKS * 4}, 1).data;
  let bits = 0;
  for (let i = 0; i < {BLOCKS}; i++) bits = (bits << 1) | (row[(i * 4 + 2) * 4] > 128 ? 1 : 0);
  const number = bits >> 4;
  return (number * 7 & 15) === (bits & 15) && number < {FRAMES} ? number : -1;
}}"""
"""JavaScript: the number that a picture shows (a video or a canvas), -1 if it cannot be read; `pen` is a 2D context."""


def film(path: Path, width: int, height: int, bits_per_second: int, rate: int = 25, keyframe_s: int = 2) -> None:
    """Make a clip of `FRAMES` numbered frames: H.264 without B-frames, a moving noisy picture below the stripe."""
    bright, dark = bytes([235]) * (width // BLOCKS), bytes([16]) * (width // BLOCKS)
    size = width * (height - STRIPE)
    mask = int.from_bytes(b"\x1f" * size, "big")
    row = bytes(range(64, 192)) + bytes(range(192, 64, -1))
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        options = {"preset": "veryfast", "profile": "main", "bf": "0", "sc_threshold": "0", "tune": "zerolatency"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate, stream.gop_size = bits_per_second, rate * keyframe_s
        for number in range(FRAMES):
            bits = number << 4 | number * 7 & 15
            stripe = b"".join(bright if bits >> at & 1 else dark for at in reversed(range(BLOCKS))) * STRIPE
            shift = number * 3 % 256
            background = ((row[shift:] + row[:shift]) * (width // 256 + 1))[:width] * (height - STRIPE)
            noisy = (int.from_bytes(background, "big") ^ int.from_bytes(os.urandom(size), "big") & mask).to_bytes(
                size, "big"
            )
            frame = av.VideoFrame(width, height, "yuv420p")
            _fill(frame.planes[0], stripe + noisy, width)
            for plane in frame.planes[1:]:
                plane.update(b"\x80" * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def clips(folder: Path) -> tuple[Path, Path]:
    """Make the main stream and the substream of a camera: 1280x720 at 2 Mb/s, 640x360 at 0.5 Mb/s."""
    main, sub = folder / "main.mp4", folder / "sub.mp4"
    film(main, 1280, 720, 2_000_000)
    film(sub, 640, 360, 500_000)
    return main, sub


def _fill(plane: av.video.plane.VideoPlane, rows: bytes, width: int) -> None:
    """Copy rows into a plane whose lines may be longer."""
    if plane.line_size == width:
        plane.update(rows)
        return
    padding = bytes(plane.line_size - width)
    plane.update(b"".join(rows[at : at + width] + padding for at in range(0, len(rows), width)))

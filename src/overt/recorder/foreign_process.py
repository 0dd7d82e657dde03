"""The process that speaks to a camera which our own engine cannot: PyAV (FFmpeg) reads it, a pipe carries its frames.

A process of its own, because FFmpeg's demuxers block, and because closing one from another thread has been seen to
crash. It is started as `python -m overt.recorder.foreign_process`, takes one line of JSON on standard input (so that
no password stands in the process list), and writes records to standard output:

    u8 kind | u8 flags | u16 reserved | u32 length | i64 presentation time, 90 kHz | length bytes

Kind `V`: one access unit, each NAL unit behind a four-byte length. Kind `E`: the end, with the reason in UTF-8; flags 1
if the camera refused the credentials.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final, Literal

import av
from av.bitstream import BitStreamFilterContext

from overt.recorder.foreign_records import CORRUPT, END, KEYFRAME, RECORD, REFUSED, VIDEO, VIDEO_CLOCK

_FILTERS: Final = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}


def nal_units(annex_b: bytes) -> list[bytes]:
    """Split a byte stream at its start codes (ITU-T H.264 Annex B)."""
    units: list[bytes] = []
    begin = annex_b.find(b"\x00\x00\x01")
    while begin >= 0:
        begin += 3
        end = annex_b.find(b"\x00\x00\x01", begin)
        # Zero bytes before a start code belong to it (trailing_zero_8bits), never to the NAL unit.
        unit = annex_b[begin : end if end >= 0 else len(annex_b)].rstrip(b"\x00")
        if unit:
            units.append(unit)
        begin = end
    return units


def run(order: dict[str, Any], out: int) -> None:
    """Read the camera that `order` names and write its frames to descriptor `out` until it ends.

    Raises:
        av.FFmpegError: as PyAV meets it.
        ValueError: the stream is of a kind that is not recorded this way.
    """
    options = {"rtsp_transport": order["transport"], "timeout": str(int(order["timeout_s"] * 1_000_000))}
    with av.open(order["url"], options=options, timeout=order["timeout_s"]) as container:
        if not container.streams.video:
            msg = "the camera offers no video"
            raise ValueError(msg)
        stream = container.streams.video[0]
        name = stream.codec_context.name
        if name not in _FILTERS:
            msg = f"video in {name} is not recorded through PyAV; H.264 and H.265 are"
            raise ValueError(msg)
        normalise = BitStreamFilterContext(_FILTERS[name], stream)
        _write(out, VIDEO, 0, 0, name.encode())
        parameter_sets = bytes(stream.codec_context.extradata or b"")
        for packet in container.demux(stream):
            if packet.size == 0 or packet.pts is None or packet.time_base is None:
                continue
            pts = int(packet.pts * packet.time_base * VIDEO_CLOCK)
            flags = (KEYFRAME if packet.is_keyframe else 0) | (CORRUPT if packet.is_corrupt else 0)
            for filtered in normalise.filter(packet):
                units = nal_units(bytes(filtered))
                if parameter_sets:
                    units = nal_units(parameter_sets) + units
                    parameter_sets = b""
                _write(out, VIDEO, flags, pts, b"".join(len(unit).to_bytes(4, "big") + unit for unit in units))


def _write(out: int, kind: int, flags: int, pts: int, data: bytes) -> None:
    view = memoryview(RECORD.pack(kind, flags, 0, len(data), pts) + data)
    while view:
        view = view[os.write(out, view) :]


def main() -> Literal[0, 1]:
    """Run one order; always end with a record that says why."""
    order = json.loads(sys.stdin.readline())
    try:
        run(order, sys.stdout.fileno())
        reason, flags = "the camera ended the stream", 0
    except BrokenPipeError:
        return 0  # The recorder is gone or has closed us: nobody is there to tell.
    except (av.HTTPUnauthorizedError, av.HTTPForbiddenError) as error:
        reason, flags = f"the camera refuses the credentials ({error.strerror})", REFUSED
    except av.FFmpegError as error:
        # Its own text would repeat the address, password included.
        reason, flags = f"PyAV: {error.strerror or type(error).__name__}", 0
    except (ValueError, OSError) as error:
        reason, flags = f"PyAV: {error}", 0
    try:
        _write(sys.stdout.fileno(), END, flags, 0, reason.encode())
    except BrokenPipeError:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())

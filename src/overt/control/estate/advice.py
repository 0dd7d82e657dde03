"""What does not suit about a device as it is set, in words, and what to change on it: from a probe's result alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from overt.control.estate.probing import FoundStream, ProbeResult

LONGEST_GOP_S: Final = 2.0
SMART_GOP_S: Final = 6.0
"""Nobody sets keyframes so far apart: an encoder that stretches them by itself does."""
CLOCK_S: Final = 2.0
SUB_PIXELS: Final = 1280 * 720
SUB_BITRATE: Final = 1_500_000
LEAST_FPS: Final = 5.0
MOST_FPS: Final = 30.5


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that does not suit."""

    about: str
    """`main`, `sub`, or `device`."""
    matters: str
    """What is so, and what comes of it."""
    change: str
    """What to change on the device."""
    kind: str = ""
    """By which tests and translations know it."""


def advice(found: ProbeResult, main: int | None, sub: int | None, *, audio: bool) -> list[Advice]:
    """Say what does not suit, with the streams at these places as main stream and substream.

    `audio`: whether sound is to be recorded.
    """
    if main is None:
        return [
            Advice(
                "device",
                "No stream of this device gave a picture.",
                "Check address, user name and password, and that RTSP is switched on; or type the addresses of its "
                "streams, as its manual gives them.",
                "nothing",
            )
        ]
    said = [*_of_device(found, main, sub, audio), *_of_stream("main", found.streams[main])]
    if sub is not None:
        said += [*_of_stream("sub", found.streams[sub]), *_of_substream(found.streams[sub])]
    return said


def _of_device(found: ProbeResult, main: int, sub: int | None, audio: bool) -> Iterator[Advice]:
    used = [found.streams[place] for place in (main, sub) if place is not None]
    offsets = [found.onvif.clock_offset_s if found.onvif else None, *(each.clock_offset_s for each in used)]
    offset = max((each for each in offsets if each is not None), key=abs, default=0.0)
    if abs(offset) > CLOCK_S:
        side = "fast" if offset > 0 else "slow"
        yield Advice(
            "device",
            f"Its clock is {_duration(abs(offset))} {side}: the time that it writes into the picture is wrong.",
            "Set it to take its time from this network's time server (NTP), and its time zone to the right one.",
            "clock",
        )
    if sub is None:
        yield Advice(
            "device",
            "It has no substream, so that a wall of many pictures has to show the large one: it will be slow.",
            "Switch a second stream on: H.264, about 640 by 360, up to 12 frames a second.",
            "no-sub",
        )
    if any(each.audio for each in used) and not audio:
        yield Advice(
            "device",
            "It sends sound. Sound is not recorded here, but it leaves the device all the same.",
            "Switch its microphone off.",
            "audio",
        )
    if audio and not any(each.audio for each in used):
        yield Advice(
            "device",
            "Sound is to be recorded, and it sends none.",
            "Switch its microphone on, with AAC or G.711; or do not record sound.",
            "no-audio",
        )


def _of_stream(about: str, stream: FoundStream) -> Iterator[Advice]:
    which = "main stream" if about == "main" else "substream"
    apart = f"{_duration(stream.gop_s or 0)}{' or more' if stream.gop_is_least else ''}"
    if stream.family == "mjpeg":
        yield Advice(
            about,
            f"The {which} is Motion JPEG, which takes many times the disk and network of H.264.",
            "Set its codec to H.264.",
            "mjpeg",
        )
    elif stream.family == "h265" and about == "main":
        yield Advice(
            about,
            "The main stream is H.265: it is recorded and exported, but most browsers show nothing of it.",
            "Set it to H.264, unless the disk it saves matters more than looking at it in a browser.",
            "main-h265",
        )
    if stream.gop_s is not None and stream.gop_s > SMART_GOP_S:
        yield Advice(
            about,
            f"The {which} has a whole picture (keyframe) only every {apart}: this looks like a "
            "“smart” codec (H.264+, H.265+, Zipstream). A picture takes as long to appear, and times in recordings "
            "can be reached only so finely.",
            "Switch the smart codec off, and set the keyframe interval to 2 seconds or less.",
            "smart-codec",
        )
    elif stream.gop_s is not None and stream.gop_s > LONGEST_GOP_S * 1.1:
        frames = f" ({2 * stream.fps:.0f} frames)" if stream.fps else ""
        yield Advice(
            about,
            f"The {which} has a whole picture (keyframe) only every {apart}: so long can a picture take to appear.",
            f"Set the keyframe interval (I-frame interval, GOP) to 2 seconds{frames} or less.",
            "long-gop",
        )
    if stream.fps is not None and not LEAST_FPS <= stream.fps <= MOST_FPS:
        yield Advice(
            about,
            f"The {which} has {stream.fps:.3g} frames a second: "
            + ("people move in jumps." if stream.fps < LEAST_FPS else "more than anybody needs, at the cost of disk."),
            "Set it to between 10 and 25 frames a second, or what your policy says.",
            "fps",
        )


def _of_substream(stream: FoundStream) -> Iterator[Advice]:
    if stream.family == "h265":
        yield Advice(
            "sub",
            "The substream is H.265: the wall in most browsers shows nothing.",
            "Set the substream to H.264.",
            "sub-h265",
        )
    if stream.pixels > SUB_PIXELS or (stream.bitrate_bps or 0) > SUB_BITRATE:
        size = f"{stream.width:.0f} by {stream.height:.0f}" if stream.width and stream.height else "as large as it is"
        yield Advice(
            "sub",
            f"The substream is large ({size}): a wall of sixteen of them is slow.",
            "Set the substream to about 640 by 360 and 500 kb/s.",
            "large-sub",
        )


def _duration(seconds: float) -> str:
    """Write a length of time as people say it."""
    if seconds < 10:
        return f"{seconds:.1f} seconds"
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"

"""Which depacketiser reads a payload format, by the plain values of a session description."""

from __future__ import annotations

from collections.abc import Mapping

from overt.errors import InvalidError
from overt.media.aac import AacDepacketiser
from overt.media.g711 import G711Depacketiser
from overt.media.h264 import H264Depacketiser
from overt.media.h265 import H265Depacketiser
from overt.media.mjpeg import MjpegDepacketiser
from overt.media.payload import Depacketiser

VIDEO_CLOCK: int = 90_000


def depacketiser(encoding_name: str, clock_rate: int, channels: int, fmtp: Mapping[str, str]) -> Depacketiser:
    """Return a new depacketiser for an `a=rtpmap` encoding name (any case) and the parameters of its `a=fmtp`.

    Args:
        encoding_name: as registered: H264, H265, JPEG, MPEG4-GENERIC, PCMA, PCMU; some cameras' other names for them.
        clock_rate: ticks a second of the RTP clock; 0 where the description leaves it out.
        channels: of audio; 0 or 1 where the description leaves them out.
        fmtp: names in any case. Where they contradict the stream, the stream wins.

    Raises:
        InvalidError: the format is not one that Overt records, or its parameters cannot be understood.
    """
    parameters = {name.lower(): value for name, value in fmtp.items()}
    match encoding_name.upper():
        case "H264":
            return H264Depacketiser(clock_rate or VIDEO_CLOCK, parameters)
        case "H265" | "HEVC":
            return H265Depacketiser(clock_rate or VIDEO_CLOCK, parameters)
        case "JPEG":
            return MjpegDepacketiser(clock_rate or VIDEO_CLOCK, parameters)
        case "MPEG4-GENERIC":
            return AacDepacketiser(clock_rate, channels, parameters)
        case "PCMA" | "G711A":
            return G711Depacketiser("pcma", clock_rate, channels)
        case "PCMU" | "G711U":
            return G711Depacketiser("pcmu", clock_rate, channels)
        case _:
            msg = (
                f"the camera sends {encoding_name[:40]!r}, which is not recorded: choose H.264, H.265 or MJPEG for "
                "video and AAC or G.711 for audio in the camera"
            )
            raise InvalidError(msg)

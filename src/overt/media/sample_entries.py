"""Sample entry boxes: what a file says of a codec (ISO/IEC 14496-12 §12.1.3, §12.2.3; 14496-14; 14496-15).

Pure functions from the plain values of a codec to bytes.
"""

from __future__ import annotations

import struct
from typing import Final

from overt.errors import InvalidError
from overt.media.boxes import box, full_box

AAC_OBJECT_TYPE: Final = 0x40
"""objectTypeIndication of ISO/IEC 14496-3 audio."""
JPEG_OBJECT_TYPE: Final = 0x6C
"""objectTypeIndication of ISO/IEC 10918-1 pictures."""

_VISUAL_STREAM: Final = 0x04
_AUDIO_STREAM: Final = 0x05

_VISUAL: Final = struct.Struct(">6xH16xHHIIIH32sHh")
_AUDIO: Final = struct.Struct(">6xH8xHH4xI")
_SQUARE: Final = (1, 1)


def avc1(width: int, height: int, decoder_configuration: bytes, aspect: tuple[int, int] = _SQUARE) -> bytes:
    """Return an `avc1` entry around an AVCDecoderConfigurationRecord; `aspect` is that of a sample, width to height."""
    return _visual(b"avc1", width, height, box(b"avcC", decoder_configuration), _aspect(aspect))


def hvc1(width: int, height: int, decoder_configuration: bytes, aspect: tuple[int, int] = _SQUARE) -> bytes:
    """Return an `hvc1` entry around an HEVCDecoderConfigurationRecord."""
    return _visual(b"hvc1", width, height, box(b"hvcC", decoder_configuration), _aspect(aspect))


def mp4v_jpeg(width: int, height: int) -> bytes:
    """Return an `mp4v` entry whose object type says that each sample is a JPEG picture."""
    return _visual(b"mp4v", width, height, elementary_stream(JPEG_OBJECT_TYPE, _VISUAL_STREAM, b""))


def mp4a(sampling_rate: int, channels: int, specific_config: bytes) -> bytes:
    """Return an `mp4a` entry with an AudioSpecificConfig."""
    return _audio(b"mp4a", sampling_rate, channels, elementary_stream(AAC_OBJECT_TYPE, _AUDIO_STREAM, specific_config))


def g711(kind: bytes, sampling_rate: int, channels: int) -> bytes:
    """Return an `alaw` or `ulaw` entry (QuickTime's names, which players know)."""
    return _audio(kind, sampling_rate, channels)


def elementary_stream(object_type: int, stream_type: int, specific_info: bytes) -> bytes:
    """Return an `esds` box (ISO/IEC 14496-1 §7.2.6.5, 14496-14 §3.1). Bit rates are not known ahead, and 0.

    Raises:
        InvalidError: if `specific_info` is longer than the descriptors here can say (16 KiB).
    """
    info = _descriptor(0x05, specific_info) if specific_info else b""
    decoder = _descriptor(0x04, struct.pack(">BBxHII", object_type, stream_type << 2 | 1, 0, 0, 0), info)
    return full_box(b"esds", 0, 0, _descriptor(0x03, struct.pack(">HB", 0, 0), decoder, _descriptor(0x06, b"\x02")))


def _descriptor(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size >= 1 << 14:
        msg = f"a descriptor of {size} bytes is larger than any decoder expects"
        raise InvalidError(msg)
    # Sizes are written seven bits a byte, all but the last with the top bit set (14496-1 §8.3.3).
    length = bytes((size,)) if size < 0x80 else bytes((0x80 | size >> 7, size & 0x7F))
    return bytes((tag,)) + length + body


def _visual(kind: bytes, width: int, height: int, *boxes: bytes) -> bytes:
    """VisualSampleEntry (14496-12 §12.1.3): data in this file, 72 dpi, one frame a sample, no name, 24 bits."""
    fields = _VISUAL.pack(1, width, height, 0x00480000, 0x00480000, 0, 1, b"", 24, -1)
    return box(kind, fields, *boxes)


def _aspect(aspect: tuple[int, int]) -> bytes:
    """PixelAspectRatioBox (§12.1.4), left out for square samples."""
    return b"" if aspect[0] == aspect[1] else box(b"pasp", struct.pack(">II", *aspect))


def _audio(kind: bytes, sampling_rate: int, channels: int, *boxes: bytes) -> bytes:
    """AudioSampleEntry (§12.2.3), 16 bits; a rate that does not fit its 16 bits is 0 and told by the codec."""
    rate = sampling_rate << 16 if sampling_rate < 1 << 16 else 0
    return box(kind, _AUDIO.pack(1, channels, 16, rate), *boxes)

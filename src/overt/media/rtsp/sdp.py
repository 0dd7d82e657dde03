"""Session descriptions (RFC 8866), read as cameras write them, and the choice of what to record.

Tolerant of order, spaces, unknown and malformed lines; bounded in lines, media and formats. What an `a=rtpmap` says
wins over the static table of RFC 3551 §6, since cameras use static payload types for other codecs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from overt.errors import InvalidError, MissingError
from overt.media.rtsp.messages import readable

if TYPE_CHECKING:
    from overt.media.samples import Codec

MAX_LINES: Final = 4096
MAX_MEDIA: Final = 64
MAX_FORMATS: Final = 64

_STATIC: Final = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    5: ("DVI4", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    14: ("MPA", 90000, 1),
    15: ("G728", 8000, 1),
    18: ("G729", 8000, 1),
    26: ("JPEG", 90000, 0),
    31: ("H261", 90000, 0),
    32: ("MPV", 90000, 0),
    33: ("MP2T", 90000, 0),
    34: ("H263", 90000, 0),
}
_VIDEO_CODECS: Final[dict[str, Codec]] = {"H264": "h264", "H265": "h265", "HEVC": "h265", "JPEG": "mjpeg"}
_AUDIO_CODECS: Final[dict[str, Codec]] = {"PCMA": "pcma", "PCMU": "pcmu", "MPEG4-GENERIC": "aac"}
_PLAIN_PROFILES: Final = {"RTP/AVP", "RTP/AVPF", "RTP/AVP/TCP", "RTP/AVP/UDP", ""}
_LINE: Final = re.compile(r"([a-zA-Z])=(.*)")
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)
_DECIMAL: Final = re.compile(r"\d{1,5}(?:\.\d{1,12})?", re.ASCII)
_RTPMAP: Final = re.compile(r"(\d{1,3})\s+([^\s/]+)(?:\s*/\s*(\d{1,9}))?(?:\s*/\s*(\d{1,3}))?", re.ASCII)
_FMTP: Final = re.compile(r"(\d{1,3})(?:\s+(.*))?", re.ASCII)


class NoRecordableVideoError(MissingError):
    """The camera offers no video in a codec that is recorded here; the message names what it offers."""


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """One RTP payload type of a medium."""

    payload_type: int
    encoding: str
    """Encoding name of the rtpmap or of RFC 3551 §6, in upper case; empty where neither names it."""
    clock_rate: int
    """Hz; 90000 for video and 8000 for audio where the description says none."""
    channels: int = 1
    fmtp: str = ""
    """Format parameters as sent."""
    parameters: dict[str, str] = field(default_factory=dict)
    """Format parameters by name in lower case; the first of equal names; "" for one without a value."""


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One `m=` section."""

    kind: str
    """`video`, `audio`, `application`, ... in lower case."""
    port: int
    protocol: str
    """Such as `RTP/AVP`, in upper case."""
    formats: tuple[PayloadFormat, ...]
    control: str | None
    frame_rate: float | None
    """Frames a second as the camera claims; None where it says none or nonsense."""
    range: str | None
    direction: str
    """`recvonly`, `sendonly`, `inactive`, `sendrecv`, or "" where none is given."""
    attributes: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description."""

    name: str
    control: str | None
    range: str | None
    media: tuple[MediaDescription, ...]
    attributes: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ignored: tuple[str, ...] = ()
    """Lines that are no SDP, at most 16, made readable."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One medium that can be recorded, and which of its payload types."""

    media: MediaDescription
    format: PayloadFormat
    codec: Codec


class _Section:
    """The lines of one section while they are gathered."""

    __slots__ = ("attributes", "m_line")

    def __init__(self, m_line: str) -> None:
        self.m_line = m_line
        self.attributes: list[tuple[str, str]] = []

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.attributes if key == name), None)


def parse_sdp(body: bytes) -> SessionDescription:
    """Parse a description.

    Raises:
        InvalidError: if no line of it is SDP, or it exceeds `MAX_LINES`, `MAX_MEDIA` or `MAX_FORMATS`.
    """
    lines = body.decode("utf-8", "replace").replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MAX_LINES:
        msg = f"the camera's description has more than {MAX_LINES} lines"
        raise InvalidError(msg)
    sections = [_Section("")]
    name, understood = "", 0
    ignored: list[str] = []
    for line in lines:
        text = line.strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            if len(ignored) < 16:
                ignored.append(readable(text))
            continue
        understood += 1
        kind, value = match.group(1).lower(), match.group(2).strip()
        if kind == "m":
            if len(sections) > MAX_MEDIA:
                msg = f"the camera's description has more than {MAX_MEDIA} media"
                raise InvalidError(msg)
            sections.append(_Section(value))
        elif kind == "a":
            key, _, rest = value.partition(":")
            sections[-1].attributes.append((key.strip().lower(), rest.strip()))
        elif kind == "s" and len(sections) == 1:
            name = value
    if not understood:
        msg = f"the camera's description is not SDP: it begins with {readable(body, 60)!r}"
        raise InvalidError(msg)
    session = sections[0]
    return SessionDescription(
        name=name,
        control=session.first("control"),
        range=session.first("range"),
        media=tuple(_media(section) for section in sections[1:]),
        attributes=tuple(session.attributes),
        ignored=tuple(ignored),
    )


def _media(section: _Section) -> MediaDescription:
    words = section.m_line.split()
    kind = words[0].lower() if words else ""
    port = _NUMBER.match(words[1]) if len(words) > 1 else None
    payload_types = [int(word) for word in words[3:] if _NUMBER.fullmatch(word) and int(word) < 128]
    payload_types = list(dict.fromkeys(payload_types))
    if len(payload_types) > MAX_FORMATS:
        msg = f"the camera's description has more than {MAX_FORMATS} formats in one medium"
        raise InvalidError(msg)
    directions = ("recvonly", "sendonly", "inactive", "sendrecv")
    return MediaDescription(
        kind=kind,
        port=int(port.group()) if port else 0,
        protocol=words[2].upper() if len(words) > 2 else "",
        formats=_formats(kind, payload_types, section),
        control=section.first("control"),
        frame_rate=_frame_rate(section),
        range=section.first("range"),
        direction=next((key for key, _ in section.attributes if key in directions), ""),
        attributes=tuple(section.attributes),
    )


def _frame_rate(section: _Section) -> float | None:
    for name in ("framerate", "x-framerate"):
        for key, value in section.attributes:
            if key == name and _DECIMAL.fullmatch(value) and 0 < float(value) <= 1000:
                return float(value)
    return None


def _formats(kind: str, payload_types: list[int], section: _Section) -> tuple[PayloadFormat, ...]:
    maps: dict[int, tuple[str, int, int]] = {}
    parameters: dict[int, str] = {}
    for key, value in section.attributes:
        if key == "rtpmap" and (rtpmap := _RTPMAP.match(value)):
            number, encoding, rate, channels = rtpmap.groups()
            maps.setdefault(int(number), (encoding.upper(), int(rate or 0), int(channels or 0)))
        elif key == "fmtp" and (match := _FMTP.fullmatch(value)):
            parameters.setdefault(int(match.group(1)), (match.group(2) or "").strip())
    if not payload_types:
        payload_types = sorted(number for number in maps if number < 128)[:MAX_FORMATS]
    only = payload_types[0] if len(payload_types) == 1 else None
    default_rate = 8000 if kind == "audio" else 90000
    formats = []
    for number in payload_types:
        static = _STATIC.get(number, ("", default_rate, 1))
        encoding, rate, channels = maps.get(number) or static
        fmtp = parameters.get(number, "")
        if number == only:
            # A description with one format may name another number in its attributes; they can mean nothing else.
            if not encoding and len(maps) == 1:
                encoding, rate, channels = next(iter(maps.values()))
            if not fmtp and len(parameters) == 1:
                fmtp = next(iter(parameters.values()))
        rate = rate or (static[1] if encoding == static[0] else default_rate)
        formats.append(PayloadFormat(number, encoding, rate, channels or 1, fmtp, parse_fmtp(fmtp)))
    return tuple(formats)


def contradiction(payload_format: PayloadFormat) -> str | None:
    """Say where an rtpmap gives a static payload type another codec than RFC 3551 §6 does; None where it does not."""
    static = _STATIC.get(payload_format.payload_type)
    if static is None or static[0] == payload_format.encoding:
        return None
    number, encoding = payload_format.payload_type, readable(payload_format.encoding, 32)
    return f"payload type {number} is {static[0]} by RFC 3551, but the camera calls it {encoding}: that is followed"


def parse_fmtp(text: str) -> dict[str, str]:
    """Parse `name=value; name=value` (RFC 8866 §6.15): names in lower case, values as sent, the first of equals."""
    parameters: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name.strip():
            parameters.setdefault(name.strip().lower(), value.strip().strip('"'))
    return parameters


def choose_video(description: SessionDescription) -> Offer:
    """Return the video to record: the first H.264 or H.265 medium in the order offered, else the first JPEG one.

    Raises:
        NoRecordableVideoError: if there is none; the message names what was offered.
    """
    offers = [offer for media in description.media if (offer := _offer(media, "video", _VIDEO_CODECS))]
    best = next((offer for offer in offers if offer.codec != "mjpeg"), offers[0] if offers else None)
    if best is None:
        msg = (
            f"the camera offers no video that can be recorded (H264, H265 or JPEG over RTP/AVP); it offers "
            f"{offered(description)}: choose another stream or codec in the camera's settings"
        )
        raise NoRecordableVideoError(msg)
    return best


def choose_audio(description: SessionDescription, wanted: bool) -> Offer | None:
    """Return the first audio medium that can be recorded (AAC, PCMA, PCMU), or None; None if it is not `wanted`.

    A medium marked `sendonly` is the camera's loudspeaker (ONVIF Streaming Specification §5.3) and never chosen.
    """
    if not wanted:
        return None
    return next((o for media in description.media if (o := _offer(media, "audio", _AUDIO_CODECS))), None)


def _offer(media: MediaDescription, kind: str, codecs: dict[str, Codec]) -> Offer | None:
    if media.kind != kind or media.protocol not in _PLAIN_PROFILES or media.direction in {"sendonly", "inactive"}:
        return None
    for payload_format in media.formats:
        codec = codecs.get(payload_format.encoding)
        if codec is None or (codec == "aac" and not _is_aac_hbr(payload_format)):
            continue
        return Offer(media, _with_aac_mode(payload_format) if codec == "aac" else payload_format, codec)
    return None


def _is_aac_hbr(payload_format: PayloadFormat) -> bool:
    """AAC-hbr (RFC 3640 §3.3.6). A missing mode is taken for it: it is the only one that cameras use."""
    return payload_format.parameters.get("mode", "AAC-hbr").lower() == "aac-hbr"


def _with_aac_mode(payload_format: PayloadFormat) -> PayloadFormat:
    """Fill in the AAC-hbr field widths where the description leaves them out."""
    hbr = {"mode": "AAC-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}
    return replace(payload_format, parameters=hbr | payload_format.parameters)


def offered(description: SessionDescription) -> str:
    """Return the media of a description for a reader: `video MPEG4-ES/90000, audio PCMU/8000`."""
    parts = []
    for media in description.media[:16]:
        names = [f"{f.encoding or f'payload type {f.payload_type}'}/{f.clock_rate}" for f in media.formats[:8]]
        secured = "" if media.protocol in _PLAIN_PROFILES else f" over {media.protocol}"
        sending = f" ({media.direction})" if media.direction in {"sendonly", "inactive"} else ""
        parts.append(readable(f"{media.kind or 'unnamed'} {' or '.join(names) or 'without format'}{secured}{sending}"))
    return ", ".join(parts) or "no media at all"

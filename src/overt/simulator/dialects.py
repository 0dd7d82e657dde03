"""How the cameras of different makers speak RTSP: headers, URLs and spacing as seen in the field.

A dialect changes only the form of replies. What a camera can do is said by its persona.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Maker = Literal[
    "plain",
    "hikvision",
    "dahua",
    "axis",
    "reolink",
    "foscam",
    "gw",
    "h264dvr",
    "anjvision",
    "macrovideo",
    "evostream",
]

_LIVE = "OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The form of one maker's replies (RFC 2326 and what became of it)."""

    server: str | None = None
    server_on: frozenset[str] | None = None
    """Methods whose replies name the server; None: all."""
    date: Literal["none", "rfc1123", "live555"] = "none"
    cseq: str = "CSeq"
    public: str = _LIVE
    content_base: Literal["slash", "bare", "no-scheme", "none"] = "slash"
    """Of the DESCRIBE reply: request URL and a slash, the URL as it came, without `rtsp://`, or no such header."""
    describe_headers: tuple[str, ...] = ()
    describe_type_first: bool = False
    session_control: Literal["*", "absolute"] = "*"
    """Value of the session's `a=control`."""
    track_control: str = "trackID={number}"
    """`{number}` counts from `first_track`, `{kind}` is video or audio."""
    first_track: int = 1
    absolute_control: bool = False
    """Track control URLs are absolute and end in `query`."""
    query: str = ""
    session_spacing: str = " "
    """Between `Session:` and the identifier."""
    timeout_form: str = ";timeout={seconds}"
    play_timeout: bool = False
    """The PLAY reply repeats the session timeout."""
    transport: str = "RTP/AVP/TCP;unicast;interleaved={low}-{high};ssrc={ssrc:08X}"
    """Of a SETUP reply over TCP; also `{client}` and `{camera}` addresses."""
    play_range: str | None = "npt=0.000-"
    rtp_info: Literal["absolute", "relative", "relative-ssrc", "video-only", "zero", "none"] = "relative"
    realm: str = "Overt simulator"
    qop: bool = False
    """Digest challenges offer `qop="auth"` (RFC 7616 3.3)."""
    stale_always: bool = False
    """Digest challenges always carry `stale="FALSE"`."""
    origin: bool = True
    """The SDP has an `o=` line, as RFC 4566 5.2 demands."""
    session_name: str = "Media Presentation"
    session_lines: tuple[str, ...] = ()
    media_lines: tuple[str, ...] = ()
    """For each media description, before `a=rtpmap`."""
    h265_payload_type: int = 96
    fmtp_separator: str = ";"
    packetization_mode: int = 1
    base64_profile: bool = False
    """`profile-level-id` is in base64 instead of hexadecimal."""
    metadata_track: bool = False
    """An ONVIF metadata track that nobody asked for is offered last."""


_HIKVISION = Dialect(
    date="live555",
    public="OPTIONS, DESCRIBE, PLAY, PAUSE, SETUP, TEARDOWN, SET_PARAMETER, GET_PARAMETER",
    describe_type_first=True,
    session_control="absolute",
    absolute_control=True,
    query="?transportmode=unicast&profile=Profile_1",
    session_spacing="        ",
    transport='RTP/AVP/TCP;unicast;interleaved={low}-{high};ssrc={ssrc:08x};mode="play"',
    play_range=None,
    rtp_info="absolute",
    realm="IP Camera(C2371)",
    stale_always=True,
    session_lines=("e=NONE", "b=AS:5050"),
    media_lines=("c=IN IP4 0.0.0.0", "b=AS:5000", "a=recvonly", "a=x-dimensions:{width},{height}"),
    fmtp_separator="; ",
    metadata_track=True,
)
_DAHUA = Dialect(
    server="Rtsp Server/3.0",
    server_on=frozenset({"OPTIONS"}),
    public="OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, PAUSE, TEARDOWN, SET_PARAMETER, GET_PARAMETER",
    describe_headers=("x-Accept-Dynamic-Rate: 1", "Cache-Control: must-revalidate"),
    first_track=0,
    play_range="npt=0.000000-",
    realm="Login to 8e5b0c7d9f3a",
    session_name="Media Server",
    session_lines=("c=IN IP4 0.0.0.0", "a=packetization-supported:DH", "a=rtppayload-supported:DH"),
    media_lines=("a=framerate:{rate:.6f}", "a=recvonly"),
    h265_payload_type=98,
)
_AXIS = Dialect(
    server="GStreamer RTSP server",
    date="rfc1123",
    public="OPTIONS, DESCRIBE, GET_PARAMETER, PAUSE, PLAY, SETUP, SET_PARAMETER, TEARDOWN",
    session_control="absolute",
    track_control="stream={number}",
    first_track=0,
    absolute_control=True,
    query="?camera=1",
    transport='RTP/AVP/TCP;unicast;interleaved={low}-{high};ssrc={ssrc:08X};mode="PLAY"',
    play_timeout=True,
    play_range="npt=now-",
    rtp_info="absolute",
    realm="AXIS_ACCC8E000000",
    qop=True,
    session_name="Session streamed with GStreamer",
    session_lines=("i=rtsp-server", "a=tool:GStreamer", "a=type:broadcast", "a=range:npt=now-"),
    media_lines=("c=IN IP4 0.0.0.0", "b=AS:50000", "a=framerate:{rate:.3f}"),
)
_REOLINK = Dialect(
    server="Rtsp Server/2.0",
    server_on=frozenset({"OPTIONS", "PLAY", "TEARDOWN"}),
    date="live555",
    public="OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, GET_PARAMETER, SET_PARAMETER",
    timeout_form="",
    transport="RTP/AVP/TCP;unicast;destination={client};source={camera};interleaved={low}-{high}",
    rtp_info="relative-ssrc",
    realm="BC Streaming Media",
    session_name='Session streamed by "preview"',
    session_lines=("a=tool:LIVE555 Streaming Media v2013.04.08", "a=type:broadcast", "a=range:npt=0-"),
    media_lines=("c=IN IP4 0.0.0.0", "b=AS:500"),
)
_GW = Dialect(
    server="Rtsp Server/2.0",
    server_on=frozenset({"DESCRIBE"}),
    content_base="bare",
    track_control="{kind}",
    timeout_form="; timeout={seconds}",
    play_timeout=True,
    transport="RTP/AVP/TCP;unicast;destination={client};source={camera};interleaved={low}-{high}",
    rtp_info="video-only",
    session_name='Session streamed by "H264Server"',
    session_lines=("e=NONE", "c=IN IP4 0.0.0.0", "a=range:npt=now-"),
)

DIALECTS: Final[dict[Maker, Dialect]] = {
    "plain": Dialect(),
    "hikvision": _HIKVISION,
    "dahua": _DAHUA,
    "axis": _AXIS,
    "reolink": _REOLINK,
    "foscam": Dialect(
        date="live555",
        track_control="track{number}",
        session_name="IP Camera Video",
        session_lines=("i=videoMain", "a=tool:LIVE555 Streaming Media v2014.02.10", "a=type:broadcast"),
        media_lines=("c=IN IP4 0.0.0.0", "b=AS:96"),
    ),
    "gw": _GW,
    "h264dvr": Dialect(
        server="H264DVR 1.0",
        cseq="Cseq",
        public="OPTIONS, DESCRIBE, SETUP, TEARDOWN, GET_PARAMETER, PLAY, PAUSE",
        content_base="bare",
        describe_headers=("Cache-Control: private", "x-Accept-Dynamic-Rate: 1"),
        first_track=3,
        transport="RTP/AVP/TCP;unicast;mode=PLAY;source={camera};interleaved={low}-{high};ssrc=0",
        play_range="npt=now-",
        rtp_info="none",
        session_name="RTSP Session",
        session_lines=("c=IN IP4 192.168.168.100",),
        media_lines=("a=range:npt=0-", "a=framerate:0S"),
        fmtp_separator="; ",
    ),
    "anjvision": Dialect(
        content_base="no-scheme",
        session_name="RTSP/RTP stream from ipcamera",
        session_lines=("e=NONE", "c=IN IP4 0.0.0.0"),
        packetization_mode=0,
        rtp_info="zero",
    ),
    "macrovideo": Dialect(
        track_control="track{number}",
        origin=False,
        session_name="streamed by the macro-video rtsp server",
        session_lines=("a=x-qt-text-nam:streamed by the macro-video rtsp server",),
        media_lines=("b=AS:500",),
        base64_profile=True,
    ),
    "evostream": Dialect(
        content_base="none",
        first_track=0,
        public="DESCRIBE, OPTIONS, PAUSE, PLAY, SETUP, TEARDOWN",
        session_lines=("u=www.evostream.com", "c=IN IP4 0.0.0.0", "a=recvonly"),
        media_lines=("a=recvonly",),
        fmtp_separator="; ",
    ),
}

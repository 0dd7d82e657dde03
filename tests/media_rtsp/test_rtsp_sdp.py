"""Descriptions beyond the transcripts: tolerance, bounds, choice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError, MissingError, OvertError
from overt.media.rtsp.sdp import (
    MAX_FORMATS,
    MAX_LINES,
    MAX_MEDIA,
    NoRecordableVideoError,
    choose_audio,
    choose_video,
    parse_fmtp,
    parse_sdp,
)

VIDEO = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:v\n"


def sdp(text: str) -> bytes:
    return f"v=0\ns=t\nt=0 0\n{text}".encode()


@pytest.mark.parametrize(
    ("media", "codec", "payload_type", "clock_rate"),
    [
        ("m=video 0 RTP/AVP 26\n", "mjpeg", 26, 90000),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 h264/90000\n", "h264", 96, 90000),
        ("M=VIDEO 0 rtp/avp 96\nA=RTPMAP:96  HEVC / 90000 \n", "h265", 96, 90000),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264\n", "h264", 96, 90000),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/0\n", "h264", 96, 90000),
        ("m=video 0/2 RTP/AVPF 35 97\na=rtpmap:97 H265/90000\n", "h265", 97, 90000),
        ("m=video 0 RTP/AVP 96\na=rtpmap:97 H264/90000\na=fmtp:97 packetization-mode=1\n", "h264", 96, 90000),
        ("m=video 0 RTP/AVP\na=rtpmap:97 H264/90000\n", "h264", 97, 90000),
        ("m=video 0 RTP/AVP 26\na=rtpmap:26 H264/90000\n", "h264", 26, 90000),
        ("m=video x RTP/AVP 96 \n\n a=rtpmap:96 H264/90000\n", "h264", 96, 90000),
    ],
)
def test_video_formats(media: str, codec: str, payload_type: int, clock_rate: int) -> None:
    offer = choose_video(parse_sdp(sdp(media)))
    assert (offer.codec, offer.format.payload_type, offer.format.clock_rate) == (codec, payload_type, clock_rate)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\x00\r\n"])
def test_line_ends(end: str) -> None:
    offer = choose_video(parse_sdp(sdp(VIDEO).replace(b"\n", end.encode())))
    assert offer.media.control == "v"


def test_fmtp_of_another_number_belongs_to_the_only_format() -> None:
    offer = choose_video(parse_sdp(sdp(VIDEO + "a=fmtp:97 packetization-mode=1")))
    assert offer.format.parameters == {"packetization-mode": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (
            "Mode=AAC-hbr; SizeLength=13;;flag; a = b=c== ;A=second",
            {"mode": "AAC-hbr", "sizelength": "13", "flag": "", "a": "b=c=="},
        ),
        ('config="1188"', {"config": "1188"}),
    ],
)
def test_fmtp(text: str, expected: dict[str, str]) -> None:
    assert parse_fmtp(text) == expected


def test_h264_is_preferred_to_jpeg_and_the_first_of_equals_taken() -> None:
    jpeg, second = "m=video 0 RTP/AVP 26\n", VIDEO.replace("control:v", "control:second")
    offer = choose_video(parse_sdp(sdp(jpeg + VIDEO + second)))
    assert (offer.codec, offer.media.control) == ("h264", "v")


@pytest.mark.parametrize(
    ("media", "words"),
    [
        ("", "no media at all"),
        ("m=audio 0 RTP/AVP 0\n", "audio PCMU/8000"),
        (
            "m=video 0 RTP/AVP 96\na=rtpmap:96 MP4V-ES/90000\nm=application 0 RTP/AVP 107\n",
            "video MP4V-ES/90000, application",
        ),
        (VIDEO.replace("RTP/AVP", "RTP/SAVP"), "over RTP/SAVP"),
        (VIDEO + "a=sendonly\n", "sendonly"),
        ("m=video 0 RTP/AVP 99\n", "payload type 99"),
        ("m=\n", "unnamed without format"),
    ],
)
def test_no_video_names_what_is_offered(media: str, words: str) -> None:
    with pytest.raises(NoRecordableVideoError, match=words) as caught:
        choose_video(parse_sdp(sdp(media)))
    assert isinstance(caught.value, MissingError)


@pytest.mark.parametrize(
    ("media", "codec"),
    [
        ("m=audio 0 RTP/AVP 8\n", "pcma"),
        ("m=audio 0 RTP/AVP 0\n", "pcmu"),
        ("m=audio 0 RTP/AVP 98\na=rtpmap:98 PCMA/16000\n", "pcma"),
        ("m=audio 0 RTP/AVP 97\na=rtpmap:97 mpeg4-generic/8000\na=fmtp:97 mode=aac-HBR;config=1588\n", "aac"),
        ("m=audio 0 RTP/AVP 97\na=rtpmap:97 mpeg4-generic/8000\na=fmtp:97 mode=AAC-lbr\n", None),
        ("m=audio 0 RTP/AVP 97\na=rtpmap:97 opus/48000/2\n", None),
        ("m=audio 0 RTP/AVP 2\na=rtpmap:2 G726-32/8000\n", None),
        ("m=audio 0 RTP/AVP 0\na=sendonly\nm=audio 0 RTP/AVP 8\na=recvonly\n", "pcma"),
        ("m=audio 0 RTP/AVP 18 8\n", "pcma"),
    ],
)
def test_audio(media: str, codec: str | None) -> None:
    offer = choose_audio(parse_sdp(sdp(VIDEO + media)), wanted=True)
    assert (offer.codec if offer else None) == codec


def test_session_level_is_kept_apart_from_media() -> None:
    description = parse_sdp(
        sdp("a=control:rtsp://c/all\na=range:npt=0-\n" + VIDEO + "a=range:npt=now-\ns=not the name\n")
    )
    assert (description.name, description.control, description.range) == ("t", "rtsp://c/all", "npt=0-")
    assert (description.media[0].control, description.media[0].range) == ("v", "npt=now-")


def test_lines_that_are_no_sdp_are_named() -> None:
    description = parse_sdp(sdp(VIDEO + "hello\nx\n" + "?\n" * 50))
    assert description.ignored[:3] == ("hello", "x", "?")
    assert len(description.ignored) == 16


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>404</html>", "not SDP"),
        (b"", "not SDP"),
        (sdp("a=b\n" * MAX_LINES), "lines"),
        (sdp("m=video 0 RTP/AVP 96\n" * (MAX_MEDIA + 1)), "media"),
        (sdp("m=video 0 RTP/AVP " + " ".join(map(str, range(MAX_FORMATS + 1)))), "formats"),
    ],
)
def test_refused(body: bytes, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        parse_sdp(body)


LINES = st.sampled_from(["m=video 0 RTP/AVP 96 26", "m=audio 0 RTP/AVP 0", "a=rtpmap:96 H264/90000", "a=fmtp:96 a=b"])


@settings(max_examples=200)
@given(
    st.lists(
        st.binary(max_size=30) | LINES.map(str.encode) | st.text("ma=:/; 0123456789rtpfmx", max_size=30).map(str.encode)
    )
)
def test_arbitrary_lines_raise_nothing_else(lines: list[bytes]) -> None:
    shown = ""
    try:
        description = parse_sdp(b"\r\n".join(lines))
        choose_audio(description, wanted=True)
        choose_video(description)
    except OvertError as error:
        shown = str(error)
    assert shown.isprintable()

"""Transport, Session and RTP-Info beyond the transcripts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError, OvertError
from overt.media.rtsp.transport import (
    MAX_RTP_INFO,
    RtpInfo,
    Session,
    Transport,
    assign_rtp_info,
    parse_rtp_info,
    parse_session,
    parse_ssrc,
    parse_transport,
    tcp_request,
    udp_request,
)


def test_requests() -> None:
    assert tcp_request(2) == "RTP/AVP/TCP;unicast;interleaved=2-3"
    assert udp_request((5000, 5001)) == "RTP/AVP;unicast;client_port=5000-5001"
    assert parse_transport(tcp_request(2)) == Transport("tcp", (2, 3))
    assert parse_transport(udp_request((5000, 5001))) == Transport("udp", client_ports=(5000, 5001))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("rtp/avp/tcp; unicast; Interleaved = 6 - 7 ;SSRC=0x0001", Transport("tcp", (6, 7), ssrc=1)),
        ("RTP/AVP;unicast;interleaved=0-1", Transport("tcp", (0, 1))),
        ("unicast;RTP/AVP/TCP;interleaved=4", Transport("tcp", (4, None))),
        ("RTP/AVP/TCP;unicast", Transport("tcp")),
        ("RTP/AVP/TCP;interleaved=x;ssrc=zz", Transport("tcp")),
        ('RTP/AVP/TCP;mode="PLAY,RECORD";interleaved=0-1,RTP/AVP;unicast', Transport("tcp", (0, 1))),
        (
            "RTP/AVP/UDP;unicast;source=10.0.0.1;client_port=5000;server_port=6000-6001;ssrc=4294967295",
            Transport("udp", None, (5000, None), (6000, 6001), "10.0.0.1", 0xFFFFFFFF),
        ),
        ("RTP/AVP;multicast;destination=224.2.0.1;port=3456-3457;ttl=16", Transport("udp", multicast=True)),
    ],
)
def test_transports(value: str, expected: Transport) -> None:
    assert parse_transport(value) == expected


@pytest.mark.parametrize(
    "value",
    ["", "RAW/RAW/UDP;unicast", "RTP/SAVP;unicast", "RTP/AVP/TCP;interleaved=256-257", "RTP/AVP;server_port=70000"],
)
def test_transports_refused(value: str) -> None:
    with pytest.raises(InvalidError, match="answered SETUP"):
        parse_transport(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30A98EE7", 0x30A98EE7),
        (" 0xdeadbeef ", 0xDEADBEEF),
        ("1", 1),
        ("0", None),
        ("", None),
        (None, None),
        ("1234567890", 1234567890),
        ("9999999999", None),
        ("-1", None),
        ("xyz", None),
    ],
)
def test_ssrc(text: str | None, expected: int | None) -> None:
    assert parse_ssrc(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        (" ;timeout=60", None),
        ("abc", Session("abc", None)),
        ("abc ; Timeout = 30 ", Session("abc", 30)),
        ('abc;timeout="30"', Session("abc", 30)),
        ("abc;timeout=0", Session("abc", None)),
        ("abc;timeout=soon", Session("abc", None)),
        ("a$b-_.+;x=y;timeout=90s", Session("a$b-_.+", 90)),
    ],
)
def test_session(value: str | None, expected: Session | None) -> None:
    assert parse_session(value) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([""], []),
        (["url=rtsp://c/a;b,c=1/trackID=1;seq=5;rtptime=7"], [RtpInfo("rtsp://c/a;b,c=1/trackID=1", 5, 7, None)]),
        (
            ["url=a;seq=1, url=b;rtptime=2;", "URL = c"],
            [RtpInfo("a", 1, None, None), RtpInfo("b", None, 2, None), RtpInfo("c", None, None, None)],
        ),
        (["seq=1;rtptime=2,seq=3"], [RtpInfo("", 1, 2, None), RtpInfo("", 3, None, None)]),
        (["seq=1;rtptime=2;url=a"], [RtpInfo("a", 1, 2, None)]),
        (["url=a;seq=65536;rtptime=-1"], [RtpInfo("a", None, 0xFFFFFFFF, None)]),
        (["url=a;seq=;rtptime=99999999999"], [RtpInfo("a", None, None, None)]),
        (['url="a" ; seq=1 ; rtptime=2 ; ssrc=AB'], [RtpInfo("a", 1, 2, 0xAB)]),
    ],
)
def test_rtp_info(values: list[str], expected: list[RtpInfo]) -> None:
    assert parse_rtp_info(values) == expected


def test_rtp_info_is_bounded() -> None:
    assert len(parse_rtp_info(["url=a;seq=1," * 1000])) == MAX_RTP_INFO


def test_assignment() -> None:
    a, b = RtpInfo("rtsp://other/x/trackID=1?q=1", 1, 1, None), RtpInfo("trackID=2", 2, 2, None)
    urls = ["rtsp://c/s/trackID=1", "rtsp://c/s/TrackID=2"]
    assert assign_rtp_info([a, b], urls) == [a, b]
    assert assign_rtp_info([b, a], urls) == [a, b]
    assert assign_rtp_info([b], urls) == [None, b]
    nameless = [RtpInfo("", 1, None, None), RtpInfo("", 2, None, None)]
    assert assign_rtp_info(nameless, urls) == nameless
    assert assign_rtp_info(nameless[:1], urls) == [None, None]
    twice = [RtpInfo("trackID=1", 1, None, None), RtpInfo("x/trackID=1", 2, None, None)]
    assert assign_rtp_info([*twice, b], urls) == [None, b]


@settings(max_examples=200)
@given(st.text('urlseqtimsc=;,/ -0123456789AF"RTPVavpdr', max_size=80) | st.text(max_size=40))
def test_arbitrary_headers_raise_nothing_else(text: str) -> None:
    entries = parse_rtp_info([text, text])
    assign_rtp_info(entries, ["rtsp://c/a", text])
    parse_session(text)
    shown = ""
    try:
        parse_transport("RTP/AVP;" + text)
        parse_transport(text)
    except OvertError as error:
        shown = str(error)
    assert shown.isprintable()

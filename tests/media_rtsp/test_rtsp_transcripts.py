"""Every real reply in tests/transcripts/rtsp, read whole and in pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from overt.media.rtsp.messages import Response, ServerParser
from overt.media.rtsp.sdp import SessionDescription, choose_audio, choose_video, contradiction, parse_sdp
from overt.media.rtsp.transport import (
    RtpInfo,
    Session,
    Transport,
    assign_rtp_info,
    parse_rtp_info,
    parse_session,
    parse_transport,
)
from overt.media.rtsp.urls import base_url, resolve_control

FOLDER = Path(__file__).parent.parent / "transcripts" / "rtsp"
REQUEST_URL = "rtsp://10.1.2.3:8554/live"

DAHUA_ONVIF = "rtsp://192.168.5.111:554/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif/"
GW = "rtsp://192.168.1.110:{}/H264?channel=1&subtype={}&unicast=true&proto=Onvif"
HIK = "rtsp://192.168.5.106:554/Streaming/Channels/101/{}?transportmode=unicast&profile=Profile_1"
BUNNY = "rtsp://wowzaec2demo.streamlock.net/vod/mp4:BigBuckBunny_115k.mov/"
REOLINK = "rtsp://192.168.5.206/h264Preview_01_main/"

# file: (aggregate URL, (video codec, payload type, URL), (audio codec, payload type, clock, URL) or None, frame rate)
DESCRIPTIONS = {
    "anjvision_describe": (
        "rtsp://192.168.1.10:554/stream0/",
        ("h265", 96, "rtsp://192.168.1.10:554/stream0/trackID=1"),
        None,
        5.0,
    ),
    "anpviz_sdp": (
        REQUEST_URL,
        ("h264", 96, f"{REQUEST_URL}/trackID=1"),
        ("aac", 0, 16000, f"{REQUEST_URL}/trackID=2"),
        12.0,
    ),
    "bunny_describe": (
        BUNNY,
        ("h264", 97, BUNNY + "trackID=2"),
        ("aac", 96, 12000, BUNNY + "trackID=1"),
        24.0,
    ),
    "dahua_describe_h264_aac_onvif": (
        DAHUA_ONVIF,
        ("h264", 96, DAHUA_ONVIF + "trackID=0"),
        ("aac", 97, 48000, DAHUA_ONVIF + "trackID=1"),
        15.0,
    ),
    "dahua_describe_h265_pcma": (
        "rtsp://cam-driveway/cam/realmonitor?channel=1&subtype=2/",
        ("h265", 98, "rtsp://cam-driveway/cam/realmonitor?channel=1&subtype=2/trackID=0"),
        ("pcma", 8, 8000, "rtsp://cam-driveway/cam/realmonitor?channel=1&subtype=2/trackID=1"),
        12.0,
    ),
    "foscam_describe": (
        "rtsp://192.168.5.107:65534/videoMain/",
        ("h264", 96, "rtsp://192.168.5.107:65534/videoMain/track1"),
        ("pcmu", 0, 8000, "rtsp://192.168.5.107:65534/videoMain/track2"),
        None,
    ),
    "gw_main_describe": (
        GW.format(5050, 0),
        ("h264", 96, GW.format(5050, 0) + "/video"),
        ("pcmu", 8, 8000, GW.format(5050, 0) + "/audio"),
        None,
    ),
    "gw_sub_describe": (GW.format(5049, 1), ("h264", 96, GW.format(5049, 1) + "/video"), None, None),
    "h264dvr_describe": (
        "rtsp://127.0.0.1:554/camera",
        ("h264", 96, "rtsp://127.0.0.1:554/camera/trackID=3"),
        ("pcma", 8, 8000, "rtsp://127.0.0.1:554/camera/trackID=4"),
        25.0,
    ),
    "hikvision_describe": (HIK.format(""), ("h264", 96, HIK.format("trackID=1")), None, None),
    "ipcam_describe": (REQUEST_URL, ("h264", 96, f"{REQUEST_URL}/trackID=1"), None, 25.0),
    "macrovideo_describe": (REQUEST_URL, ("h264", 96, f"{REQUEST_URL}/track1"), None, None),
    "reolink_describe": (
        REOLINK,
        ("h264", 96, REOLINK + "trackID=1"),
        ("aac", 97, 16000, REOLINK + "trackID=2"),
        None,
    ),
    "reolink_describe_control_first": (
        REOLINK,
        ("h264", 96, REOLINK + "trackID=1"),
        ("aac", 97, 16000, REOLINK + "trackID=2"),
        None,
    ),
    "ubiquiti_sdp": (
        REQUEST_URL,
        ("h264", 97, f"{REQUEST_URL}/trackID=2"),
        ("aac", 96, 48000, f"{REQUEST_URL}/trackID=0"),
        None,
    ),
}

SETUPS = {
    "bunny_setup": (2, Session("1642021126", 60), Transport("tcp", (0, 1))),
    "dahua_setup": (4, Session("634214675641", 60), Transport("tcp", (0, 1), ssrc=0x30A98EE7)),
    "gw_main_setup_audio": (3, Session("9a90de54", 60), Transport("tcp", (2, 3), source="192.168.1.110")),
    "gw_main_setup_video": (2, Session("9a90de54", 60), Transport("tcp", (0, 1), source="192.168.1.110")),
    "gw_sub_setup": (2, Session("9b0d0e54", 60), Transport("tcp", (0, 1), source="192.168.1.110")),
    "h264dvr_setup_audio": (
        5,
        Session("231980", 60),
        Transport("udp", None, (18716, 18717), (40006, 40007), "127.0.0.1"),
    ),
    "h264dvr_setup_video": (
        4,
        Session("231970", 60),
        Transport("udp", None, (18714, 18715), (40004, 40005), "127.0.0.1"),
    ),
    "hikvision_setup": (2, Session("708345999", 60), Transport("tcp", (0, 1), ssrc=0x4CACC3D1)),
    "reolink_setup": (4, Session("F8F8E425", None), Transport("tcp", (0, 1), source="192.168.5.206")),
}

# file: (CSeq, session, entries, describe file whose tracks they belong to, index of the entry of each track)
PLAYS: dict[str, tuple[int, Session, list[RtpInfo], str | None, list[int | None]]] = {
    "bunny_play": (
        3,
        Session("551045787", 60),
        [RtpInfo("trackID=1", 1, 0, None), RtpInfo(BUNNY + "trackID=2", 1, 0, None)],
        "bunny_describe",
        [1, 0],
    ),
    "dahua_play": (
        7,
        Session("634214684047", None),
        [
            RtpInfo("trackID=0", 47121, 3475222385, None),
            RtpInfo("trackID=1", 45186, 2234446919, None),
            RtpInfo("trackID=4", 36583, 816418535, None),
        ],
        "dahua_describe_h264_aac_onvif",
        [0, 1],
    ),
    "gw_main_play": (
        4,
        Session("9a90de54", 120),
        [RtpInfo("rtsp://192.168.1.110:5050/H264/video", 271, 1621990950, None)],
        "gw_main_describe",
        [0, None],
    ),
    "gw_sub_play": (
        3,
        Session("9b0d0e54", 120),
        [RtpInfo("rtsp://192.168.1.110:5049/H264/video", 273, 1621810809, None)],
        "gw_sub_describe",
        [0],
    ),
    "h264dvr_play": (6, Session("231970", None), [], "h264dvr_describe", [None, None]),
    "hikvision_play": (
        3,
        Session("708345999", None),
        [RtpInfo(HIK.format("trackID=1"), 24104, 1270711678, None)],
        "hikvision_describe",
        [0],
    ),
    "laureii_play": (
        5,
        Session("1234567890", None),
        [RtpInfo("rtsp://192.168.1.19:554/0/main/trackID=0", 0, 0, None)],
        None,
        [],
    ),
    "reolink_play": (
        6,
        Session("F8F8E425", None),
        [
            RtpInfo("trackID=1", 16852, 1070938629, 0xDCC4A0D8),
            RtpInfo("trackID=2", 39409, 3075976528, 0x9FC9FFF8),
        ],
        "reolink_describe",
        [0, 1],
    ),
}
OTHERS = {"dahua_options", "reolink_teardown"}


def read(name: str) -> bytes:
    return (FOLDER / f"{name}.txt").read_bytes()


def parse(data: bytes) -> Response:
    messages, consumed = ServerParser().feed(data)
    assert consumed == len(data)
    (message,) = messages
    assert isinstance(message, Response)
    assert message.unparsed == ()
    return message


def described(name: str) -> tuple[SessionDescription, str]:
    if name.endswith("_sdp"):
        return parse_sdp(read(name)), REQUEST_URL
    response = parse(read(name))
    assert response.status == 200
    return parse_sdp(response.body), base_url(response.headers, REQUEST_URL)


def test_every_transcript_is_a_case() -> None:
    names = {path.stem for path in FOLDER.glob("*.txt")}
    assert names == set(DESCRIPTIONS) | set(SETUPS) | set(PLAYS) | OTHERS
    assert len(names) == 34


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_describe(name: str) -> None:
    aggregate, video, audio, frame_rate = DESCRIPTIONS[name]
    description, base = described(name)
    assert description.ignored == ()
    assert resolve_control(base, description.control) == aggregate
    offer = choose_video(description)
    assert (offer.codec, offer.format.payload_type, resolve_control(base, offer.media.control)) == video
    assert offer.format.clock_rate == 90000
    assert offer.media.frame_rate == frame_rate
    sets = ("sprop-parameter-sets",) if offer.codec == "h264" else ("sprop-vps", "sprop-sps", "sprop-pps")
    assert all(offer.format.parameters[key] for key in sets)
    heard = choose_audio(description, wanted=True)
    if audio is None:
        assert heard is None
    else:
        assert heard is not None
        url = resolve_control(base, heard.media.control)
        assert (heard.codec, heard.format.payload_type, heard.format.clock_rate, url) == audio
        if heard.codec == "aac":
            assert heard.format.parameters["sizelength"] == "13"
            assert len(heard.format.parameters["config"]) == 4
    assert choose_audio(description, wanted=False) is None


def test_order_of_attributes_does_not_matter() -> None:
    one, other = described("reolink_describe"), described("reolink_describe_control_first")
    assert one[0].media == other[0].media
    assert one[0].control == other[0].control


def test_static_payload_types_that_mean_something_else_are_named() -> None:
    gw = choose_audio(described("gw_main_describe")[0], wanted=True)
    anpviz = choose_audio(described("anpviz_sdp")[0], wanted=True)
    foscam = choose_audio(described("foscam_describe")[0], wanted=True)
    assert gw is not None
    assert anpviz is not None
    assert foscam is not None
    assert "PCMA" in (contradiction(gw.format) or "")
    assert "MPEG4-GENERIC" in (contradiction(anpviz.format) or "")
    assert contradiction(foscam.format) is None


@pytest.mark.parametrize("name", SETUPS)
def test_setup(name: str) -> None:
    cseq, session, transport = SETUPS[name]
    response = parse(read(name))
    assert (response.status, response.cseq) == (200, cseq)
    assert parse_session(response.headers.get("session")) == session
    assert parse_transport(response.headers.get("transport") or "") == transport


@pytest.mark.parametrize("name", PLAYS)
def test_play(name: str) -> None:
    cseq, session, entries, describe, expected = PLAYS[name]
    response = parse(read(name))
    assert (response.status, response.cseq) == (200, cseq)
    assert parse_session(response.headers.get("Session")) == session
    assert parse_rtp_info(response.headers.get_all("RTP-Info")) == entries
    if describe is None:
        return
    _, video, audio, _ = DESCRIPTIONS[describe]
    urls = [video[2]] + ([audio[3]] if audio else [])
    assert assign_rtp_info(entries, urls) == [None if i is None else entries[i] for i in expected]


def test_options() -> None:
    response = parse(read("dahua_options"))
    assert "GET_PARAMETER" in (response.headers.get("Public") or "")
    assert parse_session(response.headers.get("Session")) == Session("136527041864", None)


def test_teardown() -> None:
    response = parse(read("reolink_teardown"))
    assert (response.status, response.reason, response.cseq, response.body) == (200, "OK", 7, b"")


@pytest.mark.parametrize("step", [1, 7])
def test_all_replies_in_one_stream_with_frames_between(step: int) -> None:
    frame = b"$\x00\x00\x04RTSP"
    names = sorted(path.stem for path in FOLDER.glob("*.txt") if not path.stem.endswith("_sdp"))
    stream = b"".join(read(name) + frame for name in names)
    parser, seen, data, offset, end = ServerParser(), [], stream, 0, 0
    while offset < len(data):
        if not parser.mid_message and data[offset] == 0x24:
            offset += len(frame)
            parser.position = offset
            continue
        end = max(offset + 1, min(offset + step, len(data)))
        messages, consumed = parser.feed(memoryview(data)[offset:end])
        seen += messages
        offset += consumed
    assert [(m.headers, m.body) for m in seen] == [(r.headers, r.body) for r in map(parse, map(read, names))]
    assert [stream[m.position : m.position + 9] for m in seen] == [b"RTSP/1.0 "] * len(names)

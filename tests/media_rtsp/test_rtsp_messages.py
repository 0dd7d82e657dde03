"""The parser of what a server sends: tolerant, exact about its end, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError, OvertError
from overt.media.rtsp.messages import (
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    Request,
    Response,
    ServerMessage,
    ServerParser,
    ServerRequest,
)

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
SDP = b"v=0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\n"


def one(data: bytes) -> ServerMessage:
    messages, consumed = ServerParser().feed(data)
    assert consumed == len(data)
    (message,) = messages
    return message


def response(data: bytes) -> Response:
    message = one(data)
    assert isinstance(message, Response)
    return message


def feed_all(data: bytes, size: int) -> None:
    parser = ServerParser()
    for start in range(0, len(data), size):
        parser.feed(data[start : start + size])


def drive(data: bytes, cuts: list[int]) -> tuple[list[ServerMessage], str]:
    """Feed `data` cut at `cuts` as an owner does: what is not consumed stays; stop at `$` or at an error."""
    parser, seen, offset = ServerParser(), [], 0
    try:
        for end in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
            while offset < end and (parser.mid_message or data[offset] != 0x24):
                messages, consumed = parser.feed(data[offset:end])
                seen += messages
                offset += consumed
        seen += parser.finish_silent()
    except InvalidError as error:
        return seen, str(error)
    return seen, f"at {offset}"


@pytest.mark.parametrize(
    ("data", "status", "reason", "cseq"),
    [
        (OK, 200, "OK", 1),
        (b"RTSP/1.0 200 OK\nCSeq: 1\n\n", 200, "OK", 1),
        (b"\r\n\r\nRTSP/1.0  404\r\nCseq:7\r\n\r\n", 404, "", 7),
        (b"rtsp/1.0 401 Un: authorized \r\nCSEQ :  9 \r\n\r\n", 401, "Un: authorized", 9),
        (b"RTSP/1.0 200 OK\r\nCSeq: x\r\n\r\n", 200, "OK", None),
        (b"RTSP/1.0 200 OK\r\n\r\n", 200, "OK", None),
    ],
)
def test_odd_replies(data: bytes, status: int, reason: str, cseq: int | None) -> None:
    got = response(data)
    assert (got.status, got.reason, got.cseq) == (status, reason, cseq)


def test_headers_repeat_fold_and_lack_a_colon() -> None:
    got = response(
        b"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=a\r\nJunk line\r\n"
        b"Www-Authenticate: Digest realm=a,\r\n\tnonce=b\r\nSession:        708345999;timeout=60\r\n: no name\r\n\r\n"
    )
    assert got.headers.get_all("WWW-Authenticate") == ["Basic realm=a", "Digest realm=a, nonce=b"]
    assert got.headers.get("session") == "708345999;timeout=60"
    assert got.unparsed == ("Junk line", ": no name")


def test_stops_before_a_frame_and_says_so() -> None:
    parser = ServerParser()
    messages, consumed = parser.feed(OK + b"$\x00\x00\x01a" + OK)
    assert len(messages) == 1
    assert consumed == len(OK)
    assert not parser.mid_message
    assert parser.feed(b"$\x00") == ([], 0)


def test_a_dollar_inside_a_message_is_its_own() -> None:
    body = b"$\x00\x00\x04RTSP/1.0 200 OK\r\n\r\n"
    got = response(b"RTSP/1.0 200 OK\r\n$x: 1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    assert got.body == body


def test_description_without_length_ends_at_what_is_no_sdp() -> None:
    head = b"RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\n\r\n"
    for after, consumed_after in ((b"$\x00", 0), (OK, len(OK)), (b"\r\n$", 2)):
        parser = ServerParser()
        messages, consumed = parser.feed(head + SDP + after)
        assert isinstance(messages[0], Response)
        assert messages[0].body.rstrip() == SDP.rstrip()
        assert consumed == len(head + SDP) + consumed_after
    parser = ServerParser()
    assert parser.feed(head + SDP[:-2]) == ([], len(head + SDP) - 2)
    assert parser.awaiting_silence
    (message,) = parser.finish_silent()
    assert message.body == SDP[:-2]
    assert not parser.mid_message


def test_server_requests_are_read_and_answered() -> None:
    got = one(b"GET_PARAMETER rtsp://h/x RTSP/1.0\r\nCSeq: 12\r\nSession: ab\r\nContent-Length: 2\r\n\r\nhi")
    assert isinstance(got, ServerRequest)
    assert (got.method, got.url, got.body) == ("GET_PARAMETER", "rtsp://h/x", b"hi")
    assert got.reply(200, "OK") == b"RTSP/1.0 200 OK\r\nCSeq: 12\r\nSession: ab\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP server"),
        (b"<!DOCTYPE html>\r\n", "HTTP server"),
        (b"  <html><head>\n", "HTTP server"),
        (b"SSH-2.0-dropbear\r\n", "not RTSP"),
        (b"\x00\x01\x02\xff\n", "byte 0"),
        (b"\r\n\r\na=appversion:1.0\r\n", "byte 4"),
        (b"RTSP/1.0 2000 OK\r\n", "not RTSP"),
        (OK[:-2] + b"Content-Length: -1\r\n\r\n", "no number"),
        (OK[:-2] + b"Content-Length: 99999999999999999999999\r\n\r\n", "no number"),
        (OK[:-2] + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), "refused"),
        (OK[:-2] + b"Content-Length: 1\r\nContent-length: 2\r\n\r\n", "contradicting"),
        (b"RTSP/1.0 200 OK\r\n" + b"a: b\r\n" * 20000, "no end after 512 lines"),
        (b"RTSP/1.0 200 OK\r\n" + (b"a: " + b"b" * 8000 + b"\r\n") * 20, f"no end after {MAX_HEADER_BYTES}"),
        (b"RTSP/1.0 200 OK\r\na: " + b"b" * MAX_HEADER_BYTES, f"no end after {MAX_HEADER_BYTES}"),
        (b"x" * 9000, "no end after 8192"),
        (b"RTSP/1.0 200 OK\nContent-Type: application/sdp\n\n" + b"a=" + b"b" * (MAX_BODY_BYTES), "description"),
    ],
)
def test_what_is_no_rtsp_is_refused_in_any_pieces(data: bytes, words: str) -> None:
    for size in (len(data), 1, 1000) if len(data) < 70000 else (len(data), 4096):
        with pytest.raises(InvalidError, match=words):
            feed_all(data, size)


def test_wrong_content_length() -> None:
    parser = ServerParser()
    parser.position = 1000
    assert parser.feed(OK[:-2] + b"Content-Length: 50\r\n\r\n" + SDP)[0] == []
    assert f"byte 1000: {len(SDP)} of 50" in parser.pending_text()
    with pytest.raises(InvalidError, match="Content-Length"):
        parser.finish_silent()
    short = OK[:-2] + b"Content-Length: 10\r\n\r\n"
    messages, consumed = ServerParser().feed(short + SDP)
    assert len(messages) == 1
    assert consumed == len(short) + 10


def test_error_after_a_good_message_loses_neither() -> None:
    parser = ServerParser()
    messages, consumed = parser.feed(OK + b"garbage\r\n")
    assert len(messages) == 1
    assert consumed == len(OK)
    with pytest.raises(InvalidError, match=f"byte {len(OK)}"):
        parser.feed(b"garbage\r\n")
    assert len(parser.feed(OK)[0]) == 1


PIECES = st.lists(
    st.sampled_from(
        [
            OK,
            b"RTSP/1.0 200 OK\nContent-Type: application/sdp\nContent-Length: %d\n\n%b" % (len(SDP), SDP),
            b"RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\n\r\n" + SDP,
            b"OPTIONS rtsp://h/ RTSP/1.0\r\nCSeq: 4\r\n\r\n",
            b"\r\n",
            b"x",
            b"r",
            b"v=0",
            b"$\x00\x00\x00",
            b"HTTP/1.0 200 OK\r\n",
            b"Content-Length: 3\r\n\r\n",
        ]
    )
    | st.binary(max_size=12),
    max_size=6,
)


@settings(max_examples=150)
@given(PIECES, st.lists(st.integers(0, 400), max_size=12))
def test_any_cutting_yields_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    whole = drive(data, [])
    assert drive(data, cuts) == whole
    assert drive(data, list(range(len(data)))) == whole


@settings(max_examples=150)
@given(st.binary(max_size=300), st.sampled_from([b"", b"RTSP/1.0 200 OK\r\n", OK[:-2], b"PLAY x RTSP/1.0\r\n"]))
def test_arbitrary_bytes_raise_nothing_else(data: bytes, start: bytes) -> None:
    parser = ServerParser()
    messages: list[ServerMessage] = []
    consumed, shown = 0, ""
    try:
        messages, consumed = parser.feed(start + data)
        parser.finish_silent()
    except OvertError as error:
        shown = str(error)
    assert shown.isprintable()
    assert 0 <= consumed <= len(start + data)
    assert all(0 <= message.position <= consumed for message in messages)


def test_request_bytes() -> None:
    request = Request("SET_PARAMETER", "rtsp://h/x", (("CSeq", "1"), ("Authorization", "Basic c2VjcmV0")), b"a")
    assert request.to_bytes() == (
        b"SET_PARAMETER rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic c2VjcmV0\r\nContent-Length: 1\r\n\r\na"
    )
    assert "c2Vj" not in repr(request)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00", "\u20ac"])
def test_request_refuses_what_would_break_its_lines(value: str) -> None:
    with pytest.raises(InvalidError):
        Request("PLAY", "rtsp://h/x", (("Session", value),)).to_bytes()

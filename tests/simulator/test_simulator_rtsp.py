"""What the cameras answer, in the dialects of their makers."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.simulator.record import Statistics
from overt.simulator.rtsp import InterleavedData, Request, RequestReader


def test_hikvision_speaks_like_one(simulate, raw):
    path = "Streaming/Channels/101"
    client = raw((simulator := simulate(maker="hikvision", path=path)).url(path))
    described = client.ask("DESCRIBE")
    base = simulator.url(path)
    assert described["Content-Base"] == f"{base}/"
    assert f"a=control:{base}/trackID=1?transportmode=unicast&profile=Profile_1" in described.body
    assert "m=application 0 RTP/AVP 107" in described.body
    setup = client.ask("SETUP", f"{base}/trackID=1?transportmode=unicast&profile=Profile_1", "Transport: RTP/AVP/TCP")
    line = next(line for line in setup.lines if line.startswith("Session:"))
    assert re.fullmatch(r"Session:        \d{9};timeout=60", line)
    assert 'mode="play"' in setup["Transport"]


def test_dahua_speaks_like_one(simulate, raw):
    path = "cam/realmonitor?channel=1&subtype=0"
    client = raw((simulator := simulate(maker="dahua", path=path)).url(path))
    described = client.ask("DESCRIBE")
    assert described["Content-Base"] == simulator.url(path) + "/"
    assert "a=control:trackID=0\r\n" in described.body
    assert client.ask("SETUP", f"{client.url}/trackID=0", "Transport: RTP/AVP/TCP;unicast").status == 200
    assert client.ask("OPTIONS")["Server"] == "Rtsp Server/3.0"


def test_small_liberties_of_other_makers(simulate, raw):
    assert any(line.startswith("Cseq: 1") for line in raw(simulate(maker="h264dvr").url("hall")).ask("OPTIONS").lines)
    anjvision = raw(simulate(maker="anjvision").url("hall")).ask("DESCRIBE")
    assert re.fullmatch(r"127\.0\.0\.1:\d+/hall/", anjvision["Content-Base"])
    assert not raw(simulate(maker="evostream").url("hall")).ask("DESCRIBE").all("Content-Base")
    macrovideo = raw(simulate(maker="macrovideo").url("hall")).ask("DESCRIBE").body
    assert "o=" not in macrovideo
    gw = raw(simulate(maker="gw").url("hall"))
    assert "a=control:video" in gw.ask("DESCRIBE").body
    assert "; timeout=60" in gw.set_up("video")["Session"]
    assert "timeout" not in raw(simulate(maker="reolink").url("hall")).set_up()["Session"]


def test_questions_that_have_no_good_answer(simulate, raw):
    client = raw(simulate(transport=["udp"], unsupported=["GET_PARAMETER"]).url("hall"))
    assert client.ask("DESCRIBE", client.url + "way").status == 404
    assert client.set_up().status == 461
    assert client.set_up(transport="RTP/AVP;multicast").status == 461
    assert client.set_up("trackID=9").status == 404
    assert client.ask("PLAY").status == 454
    assert client.ask("GET_PARAMETER").status == 501
    assert client.ask("RECORD").status == 501
    assert "GET_PARAMETER" not in client.ask("OPTIONS")["Public"]
    assert client.ask("DESCRIBE", client.url + "?stream=1").status == 200


def test_the_second_of_several_transports_is_taken(simulate, raw):
    client = raw(simulate(transport=["tcp"]).url("hall"))
    offers = "RTP/AVP;unicast;client_port=5000-5001, RTP/AVP/TCP;unicast;interleaved=2-3"
    assert "interleaved=2-3" in client.set_up(transport=offers)["Transport"]


def test_udp_uses_a_pair_of_ports_and_gives_it_back(simulate, raw):
    simulator = simulate(speed=4)
    client = raw(simulator.url("hall"))
    with socket.socket(type=socket.SOCK_DGRAM) as rtp, socket.socket(type=socket.SOCK_DGRAM) as rtcp:
        for receiver in (rtp, rtcp):
            receiver.bind(("127.0.0.1", 0))
            receiver.settimeout(60)
        ports = f"{rtp.getsockname()[1]}-{rtcp.getsockname()[1]}"
        setup = client.set_up(transport=f"RTP/AVP;unicast;client_port={ports}")
        low, high = map(int, re.search(r"server_port=(\d+)-(\d+)", setup["Transport"]).groups())
        assert low % 2 == 0
        assert high == low + 1
        client.ask("PLAY", None, f"Session: {setup['Session'].partition(';')[0]}")
        packet, sender = rtp.recvfrom(2000)
        assert sender == ("127.0.0.1", low)
        assert f"{struct.unpack_from('>I', packet, 8)[0]:08X}" in setup["Transport"]
        assert rtcp.recvfrom(2000)[0][1] == 200
    assert client.ask("TEARDOWN", None, f"Session: {setup['Session'].partition(';')[0]}").status == 200
    with socket.socket(type=socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", low))


def test_pause_and_teardown_end_the_stream(simulate, raw):
    camera = (simulator := simulate(speed=10)).camera("hall")
    client = raw(simulator.url("hall"))
    session, _ = client.play()
    client.frames(2)
    assert client.ask("PAUSE", None, f"Session: {session}").status == 200
    assert camera.statistics().sessions_playing == 0
    assert client.ask("PLAY", None, f"Session: {session}").status == 200
    client.frames(2)
    assert client.ask("TEARDOWN", None, f"Session: {session}").status == 200
    assert client.ask("GET_PARAMETER", None, f"Session: {session}").status == 454


def filmed(until: int, counters: Statistics) -> bool:
    return counters.frames_filmed > until


def test_a_session_dies_of_silence_and_lives_by_what_the_camera_accepts(simulate, raw):
    simulator = simulate(speed=10, session_timeout_s=3, keep_alive=["GET_PARAMETER"], maker="gw")
    camera = simulator.camera("hall")
    lively, silent = raw(simulator.url("hall")), raw(simulator.url("hall"))
    sessions = []
    for client in (lively, silent):
        setup = client.set_up("video")
        assert "timeout=3" in setup["Session"]
        sessions.append(setup["Session"].partition(";")[0])
        client.ask("PLAY", None, f"Session: {sessions[-1]}")
    deadline = time.monotonic() + 60
    while not camera.statistics().sessions_timed_out:
        assert time.monotonic() < deadline
        until = camera.statistics().frames_filmed + 60
        camera.wait_until(partial(filmed, until))
        assert lively.ask("GET_PARAMETER", None, f"Session: {sessions[0]}").status == 200
        with contextlib.suppress(EOFError, ConnectionError):  # it may end just now
            silent.ask("OPTIONS", None, f"Session: {sessions[1]}")
    counters = camera.statistics()
    assert (counters.sessions_timed_out, counters.sessions_playing) == (1, 1), "the older one lives"
    assert counters.keep_alives >= 1


def test_requests_are_remembered(simulate, raw):
    camera = (simulator := simulate()).camera("hall")
    raw(simulator.url("hall")).ask("OPTIONS", None, "User-Agent: tester/1")
    seen = camera.requests()[-1]
    assert (seen.method, seen.status, seen.headers["user-agent"]) == ("OPTIONS", 200, "tester/1")
    assert camera.statistics().requests == {"OPTIONS": 1}


def test_interleaved_rtcp_counts_as_life(simulate, raw):
    camera = (simulator := simulate(speed=10)).camera("hall")
    client = raw(simulator.url("hall"))
    client.play()
    client.socket.sendall(b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x00")
    assert camera.wait_until(lambda counters: counters.rtcp_received == 1).keep_alives == 1


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"A" * 70_000])
def test_nonsense_is_answered_400_and_cut_off(simulate, raw, nonsense):
    camera = (simulator := simulate(speed=10)).camera("hall")
    other = raw(simulator.url("hall"))
    other.play()
    with socket.create_connection(("127.0.0.1", camera.port), 5) as client:
        client.sendall(nonsense)
        assert client.recv(100).startswith(b"RTSP/1.0 400 ")
    assert camera.wait_until(lambda counters: counters.malformed == 1).sessions_playing == 1
    other.frames(3)


@given(
    st.lists(st.binary(max_size=80) | st.sampled_from([b"$\x00\x00\x02ab", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"]))
)
@settings(max_examples=60)
def test_the_reader_never_breaks_on_bytes(chunks):
    reader = RequestReader()
    try:
        for chunk in chunks:
            assert all(isinstance(item, Request | InterleavedData) for item in reader.feed(chunk))
    except InvalidError:
        pass


@given(
    st.lists(
        st.builds(InterleavedData, st.integers(0, 255), st.binary(max_size=40))
        | st.builds(
            Request,
            st.sampled_from(["OPTIONS", "SET_PARAMETER"]),
            st.just("rtsp://camera/path"),
            st.just({"cseq": "7", "session": "12"}),
            st.binary(max_size=40),
        ),
        max_size=6,
    ),
    st.integers(1, 60),
)
@settings(max_examples=50)
def test_the_reader_finds_every_message_however_it_is_cut(messages, step):
    stream = b""
    for message in messages:
        if isinstance(message, InterleavedData):
            stream += struct.pack(">cBH", b"$", message.channel, len(message.data)) + message.data
        else:
            head = f"{message.method} {message.url} RTSP/1.0\r\nCSeq: 7\r\nSession: 12\r\n"
            stream += f"{head}Content-Length: {len(message.body)}\r\n\r\n".encode() + message.body
    reader = RequestReader()
    found = [item for at in range(0, len(stream), step) for item in reader.feed(stream[at : at + step])]
    assert len(found) == len(messages)
    for item, message in zip(found, messages, strict=True):
        if isinstance(item, Request):
            assert (item.method, item.url, item.body) == (message.method, message.url, message.body)
        else:
            assert item == message


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    paths = {"certificate": tmp_path / "camera.pem", "key": tmp_path / "camera.key"}
    paths["certificate"].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths["key"].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def test_rtsp_over_tls(simulate, raw, certificate):
    simulator = simulate(speed=10, tls=certificate)
    assert simulator.url("hall").startswith("rtsps://")
    trusted = ssl.create_default_context(cafile=str(certificate["certificate"]))
    trusted.check_hostname = False
    client = raw(simulator.url("hall"), wrap=trusted.wrap_socket)
    client.play()
    assert len(client.frames(5)) == 5


def test_a_key_that_does_not_belong_to_its_certificate_is_refused(simulate, certificate):
    certificate["key"].write_text("no key")
    with pytest.raises(InvalidError, match="no certificate and key"):
        simulate(tls=certificate)

"""Every fault does what it is called, when it should, and is over when it is over."""

from __future__ import annotations

import socket
import struct
import time

import av
import pytest

from overt.errors import InvalidError
from overt.simulator import CameraPersona, Persona, Simulator
from stopwatch import Stopwatch


def sequence(packets: list[tuple[int, bytes]]) -> list[int]:
    numbers = [struct.unpack_from(">H", packet, 2)[0] for channel, packet in packets if channel == 0]
    return [(number - numbers[0]) & 0xFFFF for number in numbers]


def play_for_ever(client) -> None:
    client.play()
    client.frames(1_000_000)


def drops(simulate, raw) -> tuple[list[int], int]:
    simulator = simulate(speed=50, mtu=300, join="any", faults=[{"kind": "drop", "one_in": 7, "seed": 3}])
    client = raw(simulator.url("hall"))
    information = client.play()[1]["RTP-Info"]
    first = int(information.partition("seq=")[2].partition(";")[0])
    while len(client.packets) < 300:
        client.next_packet()
    got = {
        (struct.unpack_from(">H", packet, 2)[0] - first) & 0xFFFF for channel, packet in client.packets if not channel
    }
    return sorted(set(range(200)) - got), simulator.camera("hall").statistics().packets_lost


def test_dropped_packets_are_counted_and_the_same_every_time(simulate, raw):
    missing, counted = drops(simulate, raw)
    assert 10 < len(missing) < 60
    assert counted >= len(missing)
    assert drops(simulate, raw)[0] == missing


@pytest.mark.parametrize("kind", ["duplicate", "reorder", "corrupt"])
def test_packets_come_twice_out_of_order_or_changed(simulate, raw, kind):
    simulator = simulate(speed=50, mtu=300, faults=[{"kind": kind, "one_in": 5}])
    client = raw(simulator.url("hall"))
    client.play()
    while len(client.packets) < 200:
        client.next_packet()
    order = sequence(client.packets)
    assert (len(set(order)) < len(order)) == (kind == "duplicate")
    assert (sorted(order) != order) == (kind == "reorder")


def test_a_stall_is_silent_answers_and_goes_on_counting(simulate, raw):
    camera = (simulator := simulate(speed=10)).camera("hall")
    client = raw(simulator.url("hall"))
    client.play()
    client.frames(3)
    camera.fault("stall")
    last = camera.frames()[-1].number
    client.ask("OPTIONS")
    client.packets.clear()
    camera.wait_until(lambda counters: counters.frames_filmed > last + 10)
    assert client.ask("OPTIONS").status == 200
    assert not [packet for channel, packet in client.packets if channel == 0]
    camera.clear("stall")
    client.frames(2)
    after = next(frame.number for frame in camera.frames() if frame.number > last)
    assert after > last + 10


@pytest.mark.parametrize("reset", [False, True])
def test_dying_cuts_every_connection(simulate, raw, reset):
    camera = (simulator := simulate()).camera("hall")
    client = raw(simulator.url("hall"))
    client.play()
    camera.fault("die", reset=reset)
    with pytest.raises((EOFError, ConnectionError)):
        client.frames(100)
    assert raw(simulator.url("hall")).ask("OPTIONS").status == 200


def test_a_drip_comes_in_small_pieces_and_ends(simulate, raw):
    camera = (simulator := simulate(speed=4)).camera("hall")
    client = raw(simulator.url("hall"))
    client.play()
    client.frames(1)
    camera.fault("drip", bytes=7, interval_ms=5)
    start, received = time.monotonic(), 0
    client.socket.settimeout(30)
    for _ in range(30):
        received += len(client.more())
    rate = received / (time.monotonic() - start)
    assert rate < 20_000
    camera.clear()
    assert client.ask("OPTIONS").status == 200


def test_a_drip_keeps_to_its_bound_while_a_camera_films(simulate, raw):
    camera = (simulator := simulate(mtu=65000)).camera("hall")
    client = raw(simulator.url("hall"))
    client.play()
    camera.fault("drip", bytes=1, interval_ms=1000)
    camera.fault("flood", factor=5000.0)
    assert camera.wait_until(lambda counters: counters.frames_skipped > 10).frames_sent > 0


def test_parameters_change_in_mid_stream(simulate, clips):
    simulator = simulate(speed=5)
    options = {"rtsp_transport": "tcp", "probesize": "20000", "analyzeduration": "200000"}
    with av.open(simulator.url("hall"), options=options, timeout=60) as container:
        pictures = container.decode(video=0)
        assert next(pictures).width == 96
        simulator.camera("hall").fault("parameters", source=clips.h264_other)
        assert any(picture.width == 128 for _, picture in zip(range(200), pictures, strict=False))


def test_parameters_of_another_codec_are_refused(simulate, clips):
    with pytest.raises(InvalidError, match="is h265, but the camera was described as h264"):
        simulate().camera("hall").fault("parameters", source=clips.h265)


def test_the_right_password_is_refused_for_a_while(simulate, raw, basic):
    simulator = simulate(auth="basic", user="viewer", password="secret")
    camera, client = simulator.camera("hall"), raw(simulator.url("hall"))
    camera.fault("refuse_password")
    assert client.ask("DESCRIBE", None, basic("viewer", "secret")).status == 401
    camera.clear()
    assert client.ask("DESCRIBE", None, basic("viewer", "secret")).status == 200
    assert camera.statistics().unauthorised == 1


def test_a_black_hole_accepts_and_never_answers(simulate, raw):
    camera = (simulator := simulate()).camera("hall")
    old = raw(simulator.url("hall"))
    old.play()
    camera.fault("black_hole")
    client = raw(simulator.url("hall"), timeout=0.2)
    client.send("OPTIONS")
    with pytest.raises(TimeoutError):
        client.reply()
    camera.clear()
    assert client.reply().status == 200
    old.frames(3)


def test_refused_connections_and_listening_again_on_the_same_port(simulate, raw):
    camera = (simulator := simulate()).camera("hall")
    playing = raw(simulator.url("hall"))
    playing.play()
    camera.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        raw(simulator.url("hall"))
    playing.frames(2)
    camera.listen_again()
    assert raw(simulator.url("hall")).ask("OPTIONS").status == 200
    camera.fault("refuse_connection")
    with pytest.raises(ConnectionRefusedError):
        raw(simulator.url("hall"))


def test_a_flood_comes_faster_than_life(simulate, raw):
    camera = (simulator := simulate()).camera("hall")
    client = raw(simulator.url("hall"))
    client.play()
    camera.fault("flood", factor=40)
    watch = Stopwatch()
    frames = client.frames(200)
    assert watch.within(4)
    assert len(frames) == 200
    camera.clear()
    client.frames(2)


def test_garbage_stands_between_packets(simulate, raw):
    camera = (simulator := simulate(speed=4)).camera("hall")
    client = raw(simulator.url("hall"))
    client.play()
    client.frames(1)
    camera.fault("garbage", bytes=333, seed=5)
    with pytest.raises(AssertionError):
        client.frames(1000)


def test_a_web_page_instead_of_rtsp(simulate):
    camera = (simulator := simulate()).camera("hall")
    camera.fault("html")
    with socket.create_connection(("127.0.0.1", camera.port), 5) as client:
        client.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"</html>")
    assert simulator.url("hall")


def test_headers_that_never_end(simulate):
    camera = simulate().camera("hall")
    camera.fault("endless_headers")
    with socket.create_connection(("127.0.0.1", camera.port), 5) as client:
        client.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        answer = b""
        while len(answer) < 20_000:
            answer += client.recv(65536)
    assert answer.startswith(b"RTSP/1.0 200 OK\r\n")
    assert b"\r\n\r\n" not in answer


def test_channels_are_renumbered(simulate, raw):
    simulator = simulate(speed=10, faults=[{"kind": "renumber_channels", "by": 6}])
    client = raw(simulator.url("hall"))
    session = client.set_up()
    assert "interleaved=6-7" in session["Transport"]
    client.ask("PLAY", None, f"Session: {session['Session'].partition(';')[0]}")
    client.frames(5, channel=6)
    assert {channel for channel, _ in client.packets} == {6, 7}


def test_no_marker_bits(simulate, raw):
    simulator = simulate(speed=10, faults=[{"kind": "no_marker"}])
    client = raw(simulator.url("hall"))
    client.play()
    while len(client.packets) < 30:
        client.next_packet()
    assert not [packet for channel, packet in client.packets if channel == 0 and packet[1] & 0x80]


def test_redirects_and_chosen_answers(simulate, raw):
    camera = (simulator := simulate()).camera("hall")
    client = raw(simulator.url("hall"))
    camera.fault("redirect", to="rtsp://127.0.0.1:1/elsewhere")
    moved = client.ask("DESCRIBE")
    assert (moved.status, moved["Location"]) == (302, "rtsp://127.0.0.1:1/elsewhere")
    camera.fault("answer", method="OPTIONS", status=503)
    assert client.ask("OPTIONS").status == 503
    camera.clear()
    assert client.ask("DESCRIBE").status == 200


def test_faults_of_a_persona_strike_at_their_time_and_again(simulate, raw):
    faults = [{"kind": "die", "at_s": 0.05, "every_s": 0.1}, {"kind": "stall", "at_s": 0.1, "for_s": 0.1}]
    camera = (simulator := simulate(speed=10, faults=faults)).camera("hall")
    for round_number in range(3):
        client = raw(simulator.url("hall"))
        with pytest.raises((EOFError, ConnectionError)):
            play_for_ever(client)
        assert camera.statistics().connections == round_number + 1
    camera.clear()
    client = raw(simulator.url("hall"))
    client.play()
    client.frames(30)


def test_faults_that_do_not_exist_are_refused(simulate):
    camera = simulate().camera("hall")
    with pytest.raises(InvalidError, match="fault melt"):
        camera.fault("melt")
    with pytest.raises(InvalidError, match="one_out"):
        camera.fault("drop", one_out=3)
    with pytest.raises(InvalidError, match="one_in"):
        camera.fault("drop", one_in=0)


def test_one_camera_of_a_simulator_fails_alone(clips, raw):
    cameras = [CameraPersona(path=path, source=clips.h264, speed=10) for path in ("sick", "well")]
    with Simulator(Persona(cameras=tuple(cameras))) as simulator:
        well = raw(simulator.url("well"))
        well.play()
        for kind in ("black_hole", "endless_headers", "drip", "flood", "refuse_connection", "die"):
            simulator.camera("sick").fault(kind)
            well.frames(3)

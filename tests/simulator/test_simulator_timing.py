"""Clocks and counters of simulated cameras: time stamps, sender reports, frame numbers over reconnects."""

from __future__ import annotations

import re
import struct
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.simulator import CameraClock, frame_number
from overt.simulator.reel import Reel, ReelFrame
from overt.simulator.timeline import CameraTime, Timeline

NTP_EPOCH = 2_208_988_800


def rtp(packet: bytes) -> tuple[int, int, int]:
    """Sequence number, time stamp, SSRC."""
    return struct.unpack_from(">HII", packet, 2)


def next_report(client) -> tuple[float, int]:
    """Wall clock and RTP time stamp of the next sender report."""
    while True:
        channel, packet = client.next_packet()
        if channel == 1:
            kind, seconds, fraction, stamp = packet[1], *struct.unpack_from(">III", packet, 8)
            assert kind == 200
            return seconds - NTP_EPOCH + fraction / 2**32, stamp


@pytest.mark.parametrize("maker", ["plain", "hikvision", "dahua", "reolink"])
def test_rtp_info_tells_the_first_packet(simulate, raw, maker):
    client = raw(simulate(maker=maker, audio="pcmu").url("hall"))
    token = re.findall(r"a=control:(\S+)", client.ask("DESCRIBE").body)[1]
    setup = client.ask("SETUP", token if "://" in token else f"{client.url}/{token}", "Transport: RTP/AVP/TCP;unicast")
    information = client.ask("PLAY", None, f"Session: {setup['Session'].partition(';')[0]}")["RTP-Info"]
    sequence, stamp, _ = rtp(client.frames(1)[0][0])
    assert f"seq={sequence};rtptime={stamp}" in information


def test_sequence_numbers_and_time_stamps_go_on_across_loops(simulate, raw):
    client = raw(simulate(speed=20).url("hall"))
    client.play()
    frames = client.frames(90)
    sequence = [rtp(packet)[0] for frame in frames for packet in frame]
    assert sequence == [(sequence[0] + at) & 0xFFFF for at in range(len(sequence))]
    stamps = [rtp(frame[0])[1] for frame in frames]
    assert {(later - earlier) & 0xFFFFFFFF for earlier, later in pairwise(stamps)} == {180}


def test_sender_reports_tell_the_cameras_own_time(simulate, raw):
    simulator = simulate(speed=4, clock={"offset_s": -3600.0, "interval_s": 0.05})
    client = raw(simulator.url("hall"))
    client.play()
    wall, stamp = next_report(client)
    assert wall == pytest.approx(time.time() - 3600, abs=2)
    later_wall, later_stamp = next_report(client)
    seconds = ((later_stamp - stamp) & 0xFFFFFFFF) / 90_000
    assert later_wall - wall == pytest.approx(seconds, abs=0.001)
    sent = simulator.camera("hall").frames()[-1]
    since = ((sent.rtp_time - stamp + 2**31) & 0xFFFFFFFF) - 2**31
    assert sent.wall_ns / 1e9 == pytest.approx(wall + since / 90_000, abs=0.001)


def test_a_fast_clock_gains_on_both_of_its_times():
    clock = CameraTime(CameraClock(offset_s=1.5, drift_ppm=100), monotonic=50.0, utc_ns=0)
    assert clock.media_s(10_050.0) == pytest.approx(10_001.0)
    assert clock.monotonic(10_001.0) == pytest.approx(10_050.0)
    assert clock.wall_ns(10_050.0) == pytest.approx(10_002.5e9)


def test_media_time_does_not_jump_when_it_changes_its_pace():
    clock = CameraTime(CameraClock(), monotonic=0.0, utc_ns=0)
    clock.run(50.0, 10.0, clock.media_s(10.0))
    assert clock.media_s(10.0) == pytest.approx(10.0)
    assert clock.media_s(11.0) == pytest.approx(60.0)


@given(
    shapes=st.lists(st.tuples(st.integers(1, 9000), st.integers(0, 9000)), min_size=1, max_size=12),
    steps=st.lists(st.one_of(st.just("advance"), st.just("cut"), st.floats(0, 500)), max_size=40),
)
@settings(max_examples=60)
def test_a_keyframe_is_shown_after_all_that_was_filmed_before_it(shapes, steps):
    frames = tuple(
        ReelFrame(b"", (0,), -1, b"", -1, at % 4 == 0, duration, composition)
        for at, (duration, composition) in enumerate(shapes)
    )
    line = Timeline(Reel("video", "h264", 90_000, 96, frames, ""))
    shown_until, number, due = 0, 0, 0
    for step in steps:
        if step == "advance":
            shown_until = max(shown_until, line.presentation + line.frame.duration)
            line.advance()
            assert line.number == number + 1
        elif step == "cut":
            line.cut_to_keyframe()
            assert line.frame.keyframe
            assert line.presentation >= shown_until or due == line.due
        else:
            line.skip_to(max(step, line.due_s))
            assert line.due_s > step
            shown_until = 0
        assert line.number >= number
        assert line.due >= due
        number, due = line.number, line.due


def test_no_sender_reports_if_the_persona_sends_none(simulate, raw):
    client = raw(simulate(speed=10, clock={"sender_reports": False}).url("hall"))
    client.play()
    client.frames(30)
    assert {channel for channel, _ in client.packets} == {0}


def test_a_stepped_clock_moves_reports_and_not_time_stamps(simulate, raw):
    simulator = simulate(speed=4, clock={"interval_s": 0.05})
    client = raw(simulator.url("hall"))
    client.play()
    before, stamp = next_report(client)
    simulator.camera("hall").fault("clock_step", by_s=-3600)
    for _ in range(20):
        after, later = next_report(client)
        if after < before - 1000:
            break
    assert after - before == pytest.approx(-3600, abs=10)
    assert ((later - stamp) & 0xFFFFFFFF) < 90_000 * 10


def test_time_stamps_jump_and_reports_with_them(simulate, raw):
    simulator = simulate(speed=4, clock={"interval_s": 0.05})
    client = raw(simulator.url("hall"))
    client.play()
    wall, stamp = next_report(client)
    simulator.camera("hall").fault("timestamp_jump", by_s=100)
    for _ in range(20):
        later_wall, later = next_report(client)
        if later_wall - wall < ((later - stamp) & 0xFFFFFFFF) / 90_000 - 50:
            break
    assert ((later - stamp) & 0xFFFFFFFF) / 90_000 - (later_wall - wall) == pytest.approx(100, abs=0.01)


def test_numbers_go_on_while_nobody_watches_and_from_session_to_session(simulate, raw):
    simulator = simulate(speed=10)
    camera = simulator.camera("hall")
    for _ in range(2):
        client = raw(simulator.url("hall"))
        client.play()
        client.frames(5)
        assert camera.kill_sessions() == 1
        camera.wait_until(lambda counters: counters.connections_open == 0)
        time.sleep(0.03)  # seven frames that nobody sees
    frames = camera.frames()
    first, second = ([frame for frame in frames if frame.session == name] for name in {f.session: 0 for f in frames})
    assert second[0].number >= first[-1].number + 7
    assert second[0].keyframe
    assert camera.statistics().frames_filmed == second[-1].number + 1


def test_joining_anywhere_may_begin_with_any_frame(simulate, raw):
    simulator = simulate(speed=10, join="any")
    client = raw(simulator.url("hall"))
    client.play()
    frame = client.frames(1)[0]
    assert frame_number(b"".join(packet[12:] for packet in frame), "h264") is not None

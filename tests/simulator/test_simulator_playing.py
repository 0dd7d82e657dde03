"""What an independent client receives: every frame, in order, byte for byte."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import av
import pytest

from overt.simulator import frame_number


def pixels(picture: av.VideoFrame) -> bytes:
    return b"".join(bytes(plane) for plane in picture.planes)


@pytest.mark.parametrize(
    ("clip", "transport"), [("h264", "tcp"), ("h264_b", "tcp"), ("h265", "tcp"), ("h264", "udp"), ("h265", "udp")]
)
def test_every_frame_arrives_byte_for_byte_across_the_loop(clips, clip, transport, request):
    simulate, watch, units = (request.getfixturevalue(name) for name in ("simulate", "watch", "units"))
    simulator = simulate(source=getattr(clips, clip), speed=10, mtu=300)
    received = watch(simulator.url("hall"), 90, transport)
    codec = simulator.camera("hall").codec
    numbers = [frame_number(data, codec) for data in received]
    assert numbers == list(range(numbers[0], numbers[0] + 90)), "more than two loops of 40 frames, none missing"
    truth = {frame.number: frame for frame in simulator.camera("hall").frames()}
    for number, data in zip(numbers, received, strict=True):
        stored = units(data)
        assert hashlib.sha256(stored).digest() == truth[number].sha256
        assert len(stored) == truth[number].size


@pytest.mark.parametrize("aggregate", [False, True])
@pytest.mark.parametrize(("clip", "parameter_sets"), [("h264", "sdp"), ("h265", "inband"), ("h264", "both")])
def test_parameter_sets_are_where_the_persona_says(clips, clip, parameter_sets, aggregate, request):
    simulate, watch, raw = (request.getfixturevalue(name) for name in ("simulate", "watch", "raw"))
    simulator = simulate(source=getattr(clips, clip), speed=10, parameter_sets=parameter_sets, aggregate=aggregate)
    body = raw(simulator.url("hall")).ask("DESCRIBE").body
    assert ("sprop-" in body) == (parameter_sets != "inband")
    first = watch(simulator.url("hall"), 12)[0]
    for header in {"h264": (b"\x67", b"\x68"), "h265": (b"\x40\x01", b"\x42\x01", b"\x44\x01")}[clip]:
        assert (b"\x00\x00\x00\x01" + header in first) == (parameter_sets != "sdp")


def test_frames_with_b_frames_come_in_decoding_order_with_presentation_times(simulate, clips):
    simulator = simulate(source=clips.h264_b, speed=5)
    with av.open(simulator.url("hall"), options={"rtsp_transport": "tcp"}, timeout=60) as container:
        times = [picture.pts for _, picture in zip(range(90), container.decode(video=0), strict=False)]
    steps = {later - earlier for earlier, later in pairwise(times[1:])}
    assert steps == {90_000 // 25 // 5}


def test_motion_jpeg_can_be_decoded(simulate, clips):
    simulator = simulate(source=clips.mjpeg, speed=10, mtu=500)
    with av.open(simulator.url("hall"), options={"rtsp_transport": "tcp"}, timeout=60) as container:
        pictures = [next(container.decode(video=0)) for _ in range(3)]
    assert {(picture.width, picture.height) for picture in pictures} == {(96, 64)}
    with av.open(str(clips.mjpeg)) as container:
        originals = {pixels(picture) for picture in container.decode(video=0)}
    assert all(pixels(picture) in originals for picture in pictures)


@pytest.mark.parametrize(("audio", "codec"), [("pcma", "pcm_alaw"), ("pcmu", "pcm_mulaw"), ("aac", "aac")])
def test_audio_is_offered_and_plays(simulate, clips, audio, codec):
    simulator = simulate(source=clips.h264_aac, audio=audio, speed=4)
    options = {"rtsp_transport": "tcp", "probesize": "20000", "analyzeduration": "200000"}
    with av.open(simulator.url("hall"), options=options, timeout=60) as container:
        assert container.streams.audio[0].codec_context.name == codec
        sound = [next(container.decode(audio=0)) for _ in range(3)]
    assert sum(frame.samples for frame in sound) > 900


@pytest.mark.parametrize(
    "maker",
    ["plain", "hikvision", "dahua", "axis", "reolink", "foscam", "gw", "h264dvr", "macrovideo", "evostream"],
)
def test_an_independent_client_understands_every_maker(simulate, watch, maker):
    simulator = simulate(maker=maker, path="cam/realmonitor", speed=10, audio="pcma")
    received = watch(simulator.url("cam/realmonitor"), 12)
    assert frame_number(received[0], "h264") is not None


def test_two_clients_get_the_same_frames_and_a_new_one_begins_with_a_keyframe(simulate, raw):
    simulator = simulate(join="keyframe", speed=4)
    camera = simulator.camera("hall")
    first, second = raw(simulator.url("hall")), raw(simulator.url("hall"))
    first.play()
    first.frames(13)
    second.play()
    second.frames(5)
    frames = camera.frames()
    sessions = list(dict.fromkeys(frame.session for frame in frames))
    shared = [frame for frame in frames if frame.session == sessions[1]]
    assert shared[0].keyframe
    theirs = {frame.number: frame.sha256 for frame in frames if frame.session == sessions[0]}
    assert all(theirs[frame.number] == frame.sha256 for frame in shared)


def test_a_client_that_stops_reading_misses_frames_and_nobody_else_does(simulate, raw):
    simulator = simulate(log_frames=0, mtu=65000)
    camera = simulator.camera("hall")
    lazy, keen = raw(simulator.url("hall")), raw(simulator.url("hall"))
    lazy.play()
    keen.play()
    camera.fault("flood", factor=2000.0)
    for _ in range(20_000):
        keen.next_packet()
        if camera.statistics().frames_skipped:
            break
    assert camera.statistics().frames_skipped > 0
    camera.clear()
    keen.packets.clear()
    assert keen.ask("OPTIONS").status == 200

"""Every frame that a camera sends is handed over, byte for byte, whatever its codec, dialect or transport."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import av
import pytest

from capture_rig import FOOTAGE, Kept, Rig, rig

MAKERS = ("plain", "hikvision", "dahua", "axis", "reolink")


def whole(made: Rig, kept: Kept, camera: str = "cam") -> None:
    """Stop, then hold what is kept against what was sent: nothing lost, doubled, altered or out of order."""
    made.stop()
    sent = made.camera(camera).frames()
    numbers = kept.numbers()
    assert None not in numbers
    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers))), "frames are missing or doubled"
    by_number = {frame.number: frame.sha256 for frame in sent}
    assert kept.digests() <= set(by_number.values()), "a frame is not what the camera sent"
    # What the camera had just sent when it was told TEARDOWN may not have arrived; everything before must have.
    assert sent[-1].number - (numbers[-1] or 0) <= 3
    health_frames = sum(fragment.samples for fragment in kept.fragments)
    assert health_frames == len(numbers)
    assert not any(fragment.damaged_samples or fragment.lost_packets for fragment in kept.fragments)


def ordered(kept: Kept) -> None:
    """Fragments never overlap, are half a second at most, and begin anew at each keyframe."""
    end = 0
    for fragment in kept.fragments:
        assert fragment.start_ns >= end
        assert 0 < fragment.duration_ns <= 520_000_000
        end = fragment.start_ns + fragment.duration_ns


@pytest.mark.parametrize(
    "source", ["axis_test_h264.mp4", "axis_test_h265.mp4", "intel_bframes_h264.mp4", "axis_signed_test_h264.mp4"]
)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_frame_is_kept(source: str, transport: str) -> None:
    with rig([{"source": str(FOOTAGE / source)}], {"transport": transport}) as made:
        kept = made.wait_frames(60)
        assert made.health().transport == transport
        whole(made, kept)
        ordered(kept)
        assert kept.fragments[0].keyframe
        assert kept.fragments[0].discontinuity
        assert not any(fragment.discontinuity for fragment in kept.fragments[1:])


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("auth", ["none", "basic", "digest-md5", "digest-sha256"])
def test_every_dialect_and_authentication(maker: str, auth: str) -> None:
    camera = {"maker": maker, "auth": auth, "user": "viewer", "password": "p@ss:w/rd", "speed": 2}
    with rig([camera]) as made:
        whole(made, made.wait_frames(40))


@pytest.mark.parametrize("parameter_sets", ["sdp", "inband", "both"])
@pytest.mark.parametrize("aggregate", [False, True])
@pytest.mark.parametrize("mtu", [300, 1400, 60_000])
def test_every_packing(parameter_sets: str, aggregate: bool, mtu: int) -> None:
    camera = {"parameter_sets": parameter_sets, "aggregate": aggregate, "mtu": mtu, "speed": 4}
    with rig([camera]) as made:
        whole(made, made.wait_frames(60))


@pytest.mark.parametrize("audio", ["pcma", "pcmu"])
@pytest.mark.parametrize("wanted", [True, False])
def test_audio_only_where_the_assignment_says_so(audio: str, wanted: bool) -> None:
    with rig([{"audio": audio}], {"audio": wanted}) as made:
        kept = made.wait_frames(50)
        made.stop()
        tracks = kept.fragments[-1].tracks
        assert [track.codec for track in tracks] == (["h264", audio] if wanted else ["h264"])
        seconds = sum(len(data) for data in kept.audio()) / 8000
        assert seconds == pytest.approx(len(kept.samples()) / 25, abs=0.6) if wanted else seconds == 0


def test_a_camera_that_refuses_tcp_is_recorded_over_udp() -> None:
    with rig([{"transport": ["udp"]}]) as made:
        kept = made.wait_frames(40)
        assert made.health().transport == "udp"
        whole(made, kept)


@pytest.mark.parametrize("fault", [{"kind": "renumber_channels"}, {"kind": "no_marker"}])
def test_oddities_cost_no_frame(fault: dict[str, Any]) -> None:
    with rig([{"faults": [fault]}]) as made:
        whole(made, made.wait_frames(50))


def test_many_cameras_share_a_thread() -> None:
    cameras = [{"path": f"cam-{n}"} for n in range(12)]
    with rig(cameras) as made:
        kept = {camera["path"]: made.wait_frames(60, camera=camera["path"]) for camera in cameras}
        made.stop()
        for name, each in kept.items():
            whole(made, each, name)


def test_rtsps_with_a_pinned_certificate(tls_files: tuple[Path, Path, str]) -> None:
    certificate, key, fingerprint = tls_files
    tls = {"certificate": str(certificate), "key": str(key)}
    with rig([{}], {"tls": {"fingerprint_sha256": fingerprint}}, tls=tls) as made:
        whole(made, made.wait_frames(40))
    with rig([{}], {"tls": {"ca_file": str(certificate)}}, tls=tls) as made:
        whole(made, made.wait_frames(40))
    assert ssl.HAS_TLSv1_2


def test_another_certificate_is_refused_and_named(tls_files: tuple[Path, Path, str]) -> None:
    certificate, key, _ = tls_files
    tls = {"certificate": str(certificate), "key": str(key)}
    with rig([{}], {"tls": {"fingerprint_sha256": "0" * 64}}, tls=tls) as made:
        health = made.wait_health(lambda health: health.state == "refused")
        assert "another certificate than the pinned one" in health.reason


def test_old_cameras_with_jpeg_pictures(tmp_path: Path) -> None:
    clip = tmp_path / "old.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for n in range(20):
            shade = av.VideoFrame.from_bytes(bytes([n * 12]) * (320 * 240 * 4), 320, 240, "rgba")
            container.mux(stream.encode(shade.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    with rig([{"source": str(clip)}]) as made:
        kept = made.wait_frames(25)
        made.stop()
        video = kept.fragments[0].tracks[0]
        assert (video.codec, video.width, video.height) == ("mjpeg", 320, 240)
        assert all(fragment.keyframe for fragment in kept.fragments)
        decoder = av.CodecContext.create("mjpeg", "r")
        for sample in kept.samples():
            assert sample.startswith(b"\xff\xd8")
            assert len(decoder.decode(av.Packet(sample))) == 1
        assert abs(len(kept.samples()) - len(made.camera().frames())) <= 3

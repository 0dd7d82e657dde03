"""From a camera's socket to a clip in a player's hands: what was sent comes back, and nothing lies in the clear."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import av
import pytest

from overt.media.boxes import read_fragment
from overt.media.clip import clip_fragments
from overt.simulator.marks import MARK_UUID
from recorder_rig import FOOTAGE, Recorder, addresses, cameras, make_site, overt_json

SOURCES = {
    "street": "axis_test_h264.mp4",
    "foyer": "axis_test_h265.mp4",
    "stairs": "intel_bframes_h264.mp4",
    "signed": "axis_signed_test_h264.mp4",
}


def numbers_in(sample: bytes) -> list[int]:
    """The numbers of all frames of the camera that lie in a sample: one, as a rule."""
    digits = re.findall(re.escape(MARK_UUID.bytes) + rb"([0-9a-f]{16})", sample)
    return [int(each, 16) for each in digits]


def test_what_cameras_sent_is_what_a_clip_gives_back(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    described = [{"path": name, "source": str(FOOTAGE / source)} for name, source in SOURCES.items()]
    with cameras(*described) as simulator:
        with Recorder(site, addresses(simulator)) as recorder:
            recorder.wait_recording(*SOURCES)
            for name in SOURCES:
                simulator.camera(name).wait_until(lambda counters: counters.frames_sent >= 90, 40)
            assert recorder.stop() == 0
        sent = {name: simulator.camera(name).frames() for name in SOURCES}

    everything = b"".join(file.read_bytes() for file in site.footage.rglob("*") if file.is_file())
    assert MARK_UUID.bytes not in everything, "a frame lies in the clear"
    for source in SOURCES.values():
        data = (FOOTAGE / source).read_bytes()
        for at in range(2000, len(data) - 64, 997):
            assert data[at : at + 48] not in everything, f"bytes of {source} lie in the clear"

    for name in SOURCES:
        clip = tmp_path / f"{name}.mp4"
        report = overt_json(
            *(
                "export",
                site.footage,
                "--camera",
                name,
                "--from",
                "-10m",
                "--to",
                "now",
                "--out",
                clip,
                "--key",
                site.key,
                "--purpose",
                "A test",
            )
        )
        assert report is not None
        samples: list[bytes] = []
        with clip.open("rb") as file:
            for payload in clip_fragments(file):
                video = read_fragment(payload).track(1)
                assert video is not None
                samples += [payload[row.offset : row.offset + row.size] for row in video.samples]
        truth = {frame.number: frame.sha256 for frame in sent[name]}
        numbers = [number for sample in samples for number in numbers_in(sample)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"{name}: frames are missing or doubled"
        for sample in samples:
            # A signature that a camera sends on its own, without a picture, is kept with the picture after it.
            (number, *more) = numbers_in(sample)
            assert more or hashlib.sha256(sample).digest() == truth[number], f"{name}: frame {number} is altered"
        assert sent[name][-1].number - numbers[-1] <= 3

        with av.open(str(clip)) as container:
            decoded = [frame.pts * frame.time_base for frame in container.decode(video=0) if frame.pts is not None]
        assert len(decoded) == len(samples), f"{name}: a player shows {len(decoded)} of {len(samples)} frames"
        assert decoded == sorted(decoded)
        assert float(decoded[0]) == pytest.approx(0, abs=0.2)

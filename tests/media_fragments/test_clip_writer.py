"""An exported clip plays everywhere from zero, and its fragments are the stored bytes."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import subprocess
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import ConflictError, InvalidError, MissingError
from overt.media.clip import ClipSummary, ClipWriter, clip_fragments, part_name
from overt.media.fragments import FragmentGatherer
from overt.media.initialisation import initialisation_segment
from overt.media.samples import CodecConfiguration, Fragment, Sample
from overt.media.timeline import StreamTimeline

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND
CLIPS = [
    ("axis_test_h264.mp4", 0),
    ("axis_test_h265.mp4", 0),
    ("intel_bframes_h264.mp4", 1),
    ("intel_bframes_h264.mp4", 0),
]
KEPT = {"axis_test_h264.mp4": 256, "axis_test_h265.mp4": 302, "intel_bframes_h264.mp4": 60}


@dataclass(frozen=True)
class Clip:
    data: bytes
    fragments: list[Fragment]
    samples: list[Sample]
    summary: ClipSummary


def gathered(samples: list[Sample], sounds: list[Sample] | None = None) -> list[Fragment]:
    video = StreamTimeline(90000)
    audio = StreamTimeline(8000, reference=video) if sounds else None
    gatherer = FragmentGatherer(video, audio, audio_configuration=sounds[0].configuration if sounds else None)
    fragments: list[Fragment] = []
    for sample in sorted(samples + (sounds or []), key=lambda s: s.arrival_ns):
        if sample.configuration.kind == "audio":
            gatherer.add_audio(sample, START + sample.arrival_ns)
        else:
            fragments += gatherer.add_video(sample, START + sample.arrival_ns)
    return fragments + gatherer.finish()


def written(fragments: list[Fragment]) -> tuple[bytes, ClipSummary]:
    out = io.BytesIO()
    writer = ClipWriter(out, fragments[0].tracks)
    for fragment in fragments:
        writer.add(fragment.payload)
    summary = writer.finish()
    assert summary.size == len(out.getvalue()) == out.tell()
    return out.getvalue(), summary


@pytest.fixture(scope="module", params=CLIPS, ids=lambda clip: f"{clip[0]}-{clip[1]}")
def clip(request, reel) -> Clip:
    name, depth = request.param
    samples = reel(name, reorder_depth=depth).samples
    assert len(samples) == KEPT[name]
    fragments = gathered(samples)
    data, summary = written(fragments)
    return Clip(data, fragments, samples, summary)


def shown(samples: list[Sample]) -> list[int]:
    """Presentation times from zero, in the order of presentation."""
    return sorted(sample.rtp_time - samples[0].rtp_time for sample in samples)


def test_the_fragments_are_in_it_byte_for_byte(clip: Clip) -> None:
    body = b"".join(fragment.payload for fragment in clip.fragments)
    assert body in clip.data
    assert list(clip_fragments(io.BytesIO(clip.data))) == [fragment.payload for fragment in clip.fragments]
    assert clip.summary.samples == (len(clip.samples),)
    assert clip.summary.fragments == len(clip.fragments)
    assert clip.summary.duration_ns == pytest.approx(shown(clip.samples)[-1] * SECOND // 90000, abs=SECOND // 5)


def test_pyav_decodes_every_frame_from_zero(clip: Clip) -> None:
    with av.open(io.BytesIO(clip.data)) as container:
        stream = container.streams.video[0]
        assert stream.time_base.denominator == 90000
        times = [frame.pts for frame in container.decode(stream)]
    assert times == shown(clip.samples)
    with av.open(io.BytesIO(clip.data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert container.duration == pytest.approx(clip.summary.duration_ns / 1000, abs=100_000)
    assert [bytes(packet) for packet in packets] == [bytes(sample.data) for sample in clip.samples]
    assert [packet.is_keyframe for packet in packets] == [sample.keyframe for sample in clip.samples]
    decode = [packet.dts for packet in packets]
    assert decode == sorted(set(decode))


def test_pyav_seeks_in_it(clip: Clip) -> None:
    keys = [sample.rtp_time - clip.samples[0].rtp_time for sample in clip.samples if sample.keyframe]
    with av.open(io.BytesIO(clip.data)) as container:
        stream = container.streams.video[0]
        container.seek(keys[2] + 10, stream=stream)
        assert next(container.decode(stream)).pts == keys[2]


def test_a_gap_inside_is_kept_as_a_gap(reel) -> None:
    samples = reel("axis_test_h264.mp4").samples
    kept = samples[:62] + samples[186:]
    data, summary = written(gathered(kept))
    with av.open(io.BytesIO(data)) as container:
        assert [frame.pts for frame in container.decode(video=0)] == shown(kept)
    assert summary.duration_ns > shown(kept)[-1] * SECOND // 90000


def test_a_clip_out_of_the_middle_starts_at_zero(reel) -> None:
    fragments = gathered(reel("axis_test_h264.mp4").samples)
    cut = next(n for n, fragment in enumerate(fragments) if n and fragment.keyframe)
    data, summary = written(fragments[cut:])
    assert summary.start_ns == fragments[cut].start_ns
    with av.open(io.BytesIO(data)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert times[0] == 0
    assert len(times) == sum(fragment.samples for fragment in fragments[cut:])


def test_sound_keeps_its_place(reel, microphone: CodecConfiguration) -> None:
    samples = reel("axis_test_h264.mp4").samples
    sounds = [
        Sample(microphone, 5000 + n * 320, bytes([0xD5 ^ n % 8]) * 320, True, n * 40_000_000 + 9_000_000)
        for n in range(samples[-1].arrival_ns // 40_000_000)
    ]
    fragments = gathered(samples, sounds)
    data, summary = written(fragments)
    clip = Clip(data, fragments, samples, summary)
    with av.open(io.BytesIO(clip.data)) as container:
        heard = [packet for packet in container.demux(audio=0) if packet.size]
    assert sum(packet.size for packet in heard) == 320 * clip.summary.samples[1]
    with av.open(io.BytesIO(clip.data)) as container:
        pictures = [frame.pts for frame in container.decode(video=0)]
    assert len(pictures) == clip.summary.samples[0]
    assert pictures[0] == 0
    assert all(packet.time_base.denominator == 8000 for packet in heard)
    assert [b.pts - a.pts for a, b in pairwise(heard)] == [a.size for a in heard[:-1]]


def test_it_can_be_written_to_a_pipe(reel) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            self.data += data
            return len(data)

    fragments = gathered(reel("axis_test_h265.mp4").samples)
    pipe = Pipe()
    writer = ClipWriter(pipe, fragments[0].tracks)
    for fragment in fragments:
        writer.add(fragment.payload)
    writer.finish()
    with av.open(io.BytesIO(bytes(pipe.data))) as container:
        assert [frame.pts for frame in container.decode(video=0)] == shown(reel("axis_test_h265.mp4").samples)
    assert list(clip_fragments(io.BytesIO(bytes(pipe.data)))) == [fragment.payload for fragment in fragments]


@given(st.data())
@settings(max_examples=60)
def test_a_spoiled_clip_never_crashes_the_reader(reel, data: st.DataObject) -> None:
    fragments = gathered(reel("intel_bframes_h264.mp4").samples)[:3]
    clip = bytearray(written(fragments)[0])
    for _ in range(data.draw(st.integers(1, 3))):
        clip[data.draw(st.integers(0, 200) | st.integers(0, len(clip) - 1))] = data.draw(st.integers(0, 255))
    del clip[data.draw(st.integers(0, len(clip))) :]
    with contextlib.suppress(InvalidError):
        for payload in clip_fragments(io.BytesIO(clip)):
            assert len(payload) <= len(clip)


def test_what_does_not_belong_in_it_is_refused(reel, camera: CodecConfiguration) -> None:
    fragments = gathered(reel("axis_test_h264.mp4").samples)
    writer = ClipWriter(io.BytesIO(), fragments[0].tracks)
    with pytest.raises(MissingError, match="no fragment"):
        writer.finish()
    assert writer.accepts(fragments[1].tracks)
    assert not writer.accepts([replace(fragments[0].tracks[0], width=8)])
    writer.add(fragments[3].payload)
    with pytest.raises(ConflictError, match="before the end"):
        writer.add(fragments[2].payload)
    with pytest.raises(InvalidError):
        writer.add(fragments[4].payload[:-1])
    renumbered = bytearray(fragments[4].payload)
    struct.pack_into(">I", renumbered, renumbered.index(b"tfhd") + 8, 2)
    with pytest.raises(ConflictError, match="does not announce"):
        writer.add(bytes(renumbered))
    writer.add(fragments[4].payload)
    with pytest.raises(InvalidError):
        ClipWriter(io.BytesIO(), ())


def test_parts_are_named_after_the_clip() -> None:
    assert [part_name("a/clip.mp4", part) for part in (1, 2, 3)] == ["a/clip.mp4", "a/clip-2.mp4", "a/clip-3.mp4"]


def shell(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.peer
def test_the_ffmpeg_of_debian_plays_it(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.data)
    said = shell(
        "ffprobe",
        "-v",
        "warning",
        "-count_frames",
        "-of",
        "csv=p=0",
        "-show_entries",
        "stream=start_time,nb_read_frames",
        str(path),
    )
    assert said.strip() == f"0.000000,{len(clip.samples)}"
    times = shell(
        "ffprobe", "-v", "warning", "-of", "csv=p=0", "-show_entries", "frame=pts", "-select_streams", "v", str(path)
    )
    assert [int(line.strip(",")) for line in times.split()] == shown(clip.samples)
    shell("ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-")


@pytest.mark.peer
def test_gstreamer_plays_it(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.data)
    parser = "h264parse" if clip.samples[0].configuration.codec == "h264" else "h265parse"
    said = shell(
        "gst-launch-1.0",
        "-v",
        "filesrc",
        f"location={path}",
        "!",
        "qtdemux",
        "!",
        parser,
        "!",
        "identity",
        "silent=false",
        "!",
        "fakesink",
    )
    chains = [line for line in said.splitlines() if "last-message = chain" in line]
    assert len(chains) == len(clip.samples)
    segment = re.search(r"start=\(guint64\)(\d+).*time=\(guint64\)(\d+)", said)
    first = re.search(r"pts: (\d+):(\d+):(\d+)\.(\d+)", chains[0])
    assert segment is not None
    assert first is not None
    hours, minutes, seconds, fraction = map(int, first.groups())
    # The segment's start is what is presented at its time, which is zero.
    assert (hours * 3600 + minutes * 60 + seconds) * SECOND + fraction == int(segment[1])
    assert segment[2] == "0"


def test_an_initialisation_segment_and_fragments_play_on_the_utc_axis(clip: Clip) -> None:
    """What live view and replay send."""
    stream = initialisation_segment(clip.fragments[0].tracks) + b"".join(f.payload for f in clip.fragments)
    with av.open(io.BytesIO(stream)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert [time - times[0] for time in times] == shown(clip.samples)
    assert times[0] * SECOND // 90000 == pytest.approx(clip.summary.start_ns, abs=SECOND // 2)

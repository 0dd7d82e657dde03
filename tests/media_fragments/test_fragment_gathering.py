"""Samples become fragments: none lost, none twice, in order, short, on one axis."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media.boxes import SampleRow, read_fragment
from overt.media.fragments import KEYFRAME_PATIENCE, MAX_HOLD, FragmentGatherer
from overt.media.samples import CodecConfiguration, Fragment, Sample
from overt.media.timeline import StreamTimeline

SECOND = 1_000_000_000
MS = 1_000_000
START = 1_790_000_000 * SECOND
RATE = 90_000
TARGET = 500 * MS


def ns(tick: int) -> int:
    return tick * SECOND // RATE


def frame(
    configuration: CodecConfiguration, number: int, *, keyframe: bool | None = None, arrival: int | None = None
) -> Sample:
    """Frame of a 25 fps camera with a keyframe a second, that arrives as it is taken."""
    return Sample(
        configuration,
        5_000_000_000 + number * 3600,
        number.to_bytes(4, "big") * (1 + number % 7),
        number % 25 == 0 if keyframe is None else keyframe,
        number * 40 * MS if arrival is None else arrival,
    )


def run(gatherer: FragmentGatherer, samples: list[Sample], line: int = START) -> list[Fragment]:
    """Add samples in order, polling whenever time has passed, as a reactor does."""
    fragments: list[Fragment] = []
    before = samples[0].arrival_ns
    for sample in samples:
        for tick in range(before + 20 * MS, min(sample.arrival_ns, before + 2 * SECOND), 20 * MS):
            fragments += gatherer.poll(tick)
        fragments += gatherer.add_video(sample, line + sample.arrival_ns)
        before = sample.arrival_ns
    return fragments


def rows(fragments: list[Fragment], track_id: int = 1) -> list[SampleRow]:
    tables = [read_fragment(fragment.payload).track(track_id) for fragment in fragments]
    return [row for table in tables if table is not None for row in table.samples]


def data(fragments: list[Fragment], track_id: int = 1) -> list[bytes]:
    return [
        fragment.payload[row.offset : row.offset + row.size]
        for fragment in fragments
        for table in read_fragment(fragment.payload).tracks
        for row in table.samples
        if table.track_id == track_id
    ]


def check(fragments: list[Fragment], samples: list[Sample], target: int = TARGET) -> None:
    """What must hold whatever the camera does."""
    assert data(fragments) == [bytes(sample.data) for sample in samples]
    for before, after in pairwise(fragments):
        assert after.start_ns >= before.start_ns + before.duration_ns
    index = 0
    previous: SampleRow | None = None
    for fragment in fragments:
        table = read_fragment(fragment.payload).track(1)
        assert table is not None
        assert ns(table.samples[0].dts) == fragment.start_ns
        assert ns(table.end) == fragment.start_ns + fragment.duration_ns
        assert len(table.samples) == fragment.samples
        assert fragment.duration_ns <= target or fragment.samples == 1
        assert fragment.keyframe == samples[index].keyframe == table.samples[0].sync
        for offset, row in enumerate(table.samples):
            assert offset == 0 or not samples[index + offset].keyframe
            assert previous is None or row.dts > previous.dts
            assert row.duration > 0
            previous = row
        assert fragment.received_ns == samples[index + fragment.samples - 1].arrival_ns
        index += fragment.samples


def test_a_camera_without_faults(camera: CodecConfiguration) -> None:
    samples = [frame(camera, n) for n in range(250)]
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    fragments = run(gatherer, samples)
    assert gatherer.in_hand == 1
    fragments += gatherer.finish()
    check(fragments, samples)
    assert [f.samples for f in fragments[:6]] == [12, 12, 1, 12, 12, 1]
    assert [f.discontinuity for f in fragments] == [True] + [False] * (len(fragments) - 1)
    assert all(b.start_ns - a.start_ns - a.duration_ns == 0 for a, b in pairwise(fragments))
    assert all(row.pts == row.dts and row.duration == 3600 for row in rows(fragments))
    assert fragments[0].start_ns == pytest.approx(START, abs=20_000)
    assert b"ctts" not in fragments[0].payload


def test_a_fragment_is_out_with_its_last_frame(camera: CodecConfiguration) -> None:
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    for number in range(25):
        fragments = gatherer.add_video(frame(camera, number), START + number * 40 * MS)
        assert [f.samples for f in fragments] == ([12] if number in (11, 23) else [])


def test_it_grows_shorter_while_somebody_watches(camera: CodecConfiguration) -> None:
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    samples = [frame(camera, n) for n in range(100)]
    fragments = run(gatherer, samples[:30])
    gatherer.target_ns = 200 * MS
    late = run(gatherer, samples[30:]) + gatherer.finish()
    assert all(f.duration_ns <= 200 * MS for f in late[1:])
    check(fragments + late, samples)
    with pytest.raises(InvalidError):
        gatherer.target_ns = 0


@pytest.mark.parametrize("interval", [1, 2, 10])
def test_rare_frames_are_fragments_of_their_own(camera: CodecConfiguration, interval: int) -> None:
    samples = [Sample(camera, n * interval * RATE, b"x" * 9, n % 4 == 0, n * interval * SECOND) for n in range(20)]
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    assert [f.samples for f in fragments] == [1] * 20
    assert all(f.duration_ns == interval * SECOND for f in fragments[3:])


def test_a_rate_that_changes_is_followed_at_once(camera: CodecConfiguration) -> None:
    samples = [Sample(camera, n * RATE, b"x", n == 0, n * SECOND) for n in range(10)]
    samples += [Sample(camera, 10 * RATE + n * 3600, b"y", False, 10 * SECOND + n * 40 * MS) for n in range(100)]
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    assert fragments[-1].start_ns + fragments[-1].duration_ns == pytest.approx(START + 14 * SECOND, abs=50 * MS)


def test_silence_gives_out_what_is_in_hand(camera: CodecConfiguration) -> None:
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    samples = [frame(camera, n) for n in range(17)]
    assert len(run(gatherer, samples)) == 1
    assert gatherer.poll(samples[-1].arrival_ns + 100 * MS) == []
    (fragment,) = gatherer.poll(samples[12].arrival_ns + TARGET + 60 * MS)
    assert fragment.samples == 5
    assert fragment.duration_ns == 200 * MS
    assert gatherer.poll(1 << 60) == []
    assert gatherer.finish() == []


def test_a_lone_first_frame_does_not_wait(camera: CodecConfiguration) -> None:
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    assert gatherer.add_video(frame(camera, 0), START) == []
    assert gatherer.poll(100 * MS) == []
    assert gatherer.poll(300 * MS) == []
    (fragment,) = gatherer.poll(600 * MS)
    assert fragment.samples == 1


def test_frames_before_the_first_keyframe_are_counted(camera: CodecConfiguration) -> None:
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    samples = [frame(camera, n) for n in range(5, 80)]
    fragments = run(gatherer, samples) + gatherer.finish()
    assert gatherer.skipped_before_keyframe == 20
    check(fragments, samples[20:])


def test_a_stream_that_never_sends_a_keyframe_is_recorded_at_last(camera: CodecConfiguration) -> None:
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    samples = [frame(camera, n, keyframe=False) for n in range(1000)]
    fragments = run(gatherer, samples) + gatherer.finish()
    assert gatherer.skipped_before_keyframe == KEYFRAME_PATIENCE // (40 * MS)
    assert not any(f.keyframe for f in fragments)
    check(fragments, samples[gatherer.skipped_before_keyframe :])


def test_losses_leave_a_hole_and_nothing_else_is_dropped(camera: CodecConfiguration) -> None:
    samples = [frame(camera, n) for n in range(100) if not 30 <= n < 47]
    samples[30].lost_packets, samples[30].damaged = 90, True
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    assert sum(f.lost_packets for f in fragments) == 90
    assert sum(f.damaged_samples for f in fragments) == 1
    assert [row.dts - rows(fragments)[0].dts for row in rows(fragments)] == [
        s.rtp_time - samples[0].rtp_time for s in samples
    ]


def test_a_new_configuration_begins_a_new_fragment(camera: CodecConfiguration) -> None:
    other = replace(camera, width=640)
    samples = [frame(camera if n < 30 else other, n) for n in range(60)]
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    assert [f.tracks[0].width for f in fragments] == [1920] * 4 + [640] * (len(fragments) - 4)
    assert sum(f.samples for f in fragments[:4]) == 30
    assert fragments[0].tracks is fragments[3].tracks


def test_a_wrong_timescale_is_refused(camera: CodecConfiguration) -> None:
    gatherer = FragmentGatherer(StreamTimeline(48000))
    gatherer.add_video(frame(camera, 0), START)
    with pytest.raises(InvalidError, match="timescale 90000"):
        gatherer.finish()


@pytest.mark.parametrize("spread", [0, 50 * MS, 600 * MS])
def test_a_burst_at_the_start_is_dated_back(camera: CodecConfiguration, spread: int) -> None:
    """The camera sends the 75 frames since its last keyframe at once, then goes on in real time."""
    samples = [frame(camera, n, keyframe=n % 100 == 0) for n in range(300)]
    for n, sample in enumerate(samples):
        sample.arrival_ns = max(n * 40 * MS, 75 * 40 * MS + spread * n // 75)
    gatherer = FragmentGatherer(StreamTimeline(RATE, not_before_ns=START - 3600 * SECOND))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    assert fragments[0].start_ns == pytest.approx(START, abs=25 * MS)
    for fragment in fragments:
        assert fragment.start_ns <= START + fragment.received_ns
        assert fragment.duration_ns <= TARGET


def test_a_burst_of_what_is_already_stored_is_squeezed(camera: CodecConfiguration) -> None:
    samples = [frame(camera, n, keyframe=n % 100 == 0) for n in range(300)]
    for n, sample in enumerate(samples):
        sample.arrival_ns = max(n * 40 * MS, 75 * 40 * MS)
    stored = START + 2 * SECOND
    gatherer = FragmentGatherer(StreamTimeline(RATE, not_before_ns=stored))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    assert fragments[0].start_ns >= stored
    assert fragments[-1].start_ns + fragments[-1].duration_ns == pytest.approx(START + 12 * SECOND, abs=25 * MS)


def test_what_is_held_at_the_start_is_bounded(camera: CodecConfiguration) -> None:
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    for n in range(2000):
        gatherer.add_video(frame(camera, n, arrival=n * 100_000), START + n * 100_000)
        assert gatherer.in_hand <= 512
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    gatherer.add_video(frame(camera, 0), START)
    assert len(gatherer.poll(MAX_HOLD)) + gatherer.in_hand == 1


@pytest.mark.parametrize("step", [RATE * 100, -RATE * 100, -3 * 3600 - 1])
def test_a_clock_that_jumps_is_a_discontinuity(camera: CodecConfiguration, step: int) -> None:
    samples = [frame(camera, n) for n in range(200)]
    for sample in samples[75:]:
        sample.rtp_time += step
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    assert [f.discontinuity for f in fragments].count(True) == 2
    assert gatherer.discontinuities == 1
    assert fragments[-1].start_ns + fragments[-1].duration_ns == pytest.approx(START + 8 * SECOND, abs=25 * MS)


def test_a_nonsensical_clock_keeps_every_frame(camera: CodecConfiguration) -> None:
    samples = [frame(camera, n) for n in range(500)]
    for sample in samples:
        sample.rtp_time = 42
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    assert fragments[-1].start_ns + fragments[-1].duration_ns == pytest.approx(START + 20 * SECOND, abs=50 * MS)


def test_a_step_of_the_recorders_line(camera: CodecConfiguration) -> None:
    samples = [frame(camera, n) for n in range(200)]
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    before = run(gatherer, samples[:90])
    gatherer.shift(3600 * SECOND)
    after = run(gatherer, samples[90:], START + 3600 * SECOND) + gatherer.finish()
    check(before + after, samples)
    assert [f.discontinuity for f in before + after].count(True) == 2
    assert rows(after)[-1].dts - rows(before)[0].dts == 199 * 3600 + 3600 * RATE
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    before = run(gatherer, samples[:90])
    gatherer.shift(-25 * 3600 * SECOND)
    after = run(gatherer, samples[90:], START - 25 * 3600 * SECOND) + gatherer.finish()
    assert data(before + after) == [bytes(s.data) for s in samples]
    assert rows(after)[-1].dts - rows(before)[0].dts == 199 * 3600 - 25 * 3600 * RATE


# B-frames: presentation order of each group of four in decoding order, as I/P first and its B-frames after.
PYRAMID = (4, 2, 1, 3)
PLAIN = (3, 1, 2)


def reordered(configuration: CodecConfiguration, groups: int, order: tuple[int, ...]) -> list[Sample]:
    shown = [0] + [group * len(order) + n for group in range(groups) for n in order]
    samples = []
    for number, position in enumerate(shown):
        sample = frame(configuration, number, keyframe=(number - 1) % (5 * len(order)) == 0 or number == 0)
        sample.rtp_time = 5_000_000_000 + position * 3600
        samples.append(sample)
    return samples


@pytest.mark.parametrize(("order", "depth"), [(PLAIN, 1), (PYRAMID, 2), (PLAIN, 4)])
def test_declared_b_frames(camera: CodecConfiguration, order: tuple[int, ...], depth: int) -> None:
    samples = reordered(replace(camera, reorder_depth=depth), 60, order)
    gatherer = FragmentGatherer(StreamTimeline(RATE, not_before_ns=START - SECOND))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    table = rows(fragments)
    assert [r.pts - table[0].pts for r in table] == [s.rtp_time - samples[0].rtp_time for s in samples]
    assert all(row.pts >= row.dts for row in table)
    assert {b.dts - a.dts for a, b in pairwise(table[depth:])} == {3600}
    assert gatherer.discontinuities == 0


@pytest.mark.parametrize("order", [PLAIN, PYRAMID])
def test_undeclared_b_frames_are_learned(camera: CodecConfiguration, order: tuple[int, ...]) -> None:
    samples = reordered(camera, 60, order)
    gatherer = FragmentGatherer(StreamTimeline(RATE))
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples)
    table = rows(fragments)
    assert [r.pts - table[0].pts for r in table] == [s.rtp_time - samples[0].rtp_time for s in samples]
    assert all(row.pts >= row.dts for row in table[12:])
    assert {b.dts - a.dts for a, b in pairwise(table[12:])} == {3600}
    assert gatherer.discontinuities == 0


def test_the_clips_frames_keep_their_times(reel) -> None:
    for name, depth in (("axis_test_h264.mp4", 0), ("axis_test_h265.mp4", 0), ("intel_bframes_h264.mp4", 1)):
        samples = reel(name, reorder_depth=depth).samples
        gatherer = FragmentGatherer(StreamTimeline(RATE))
        fragments = run(gatherer, samples) + gatherer.finish()
        check(fragments, samples)
        table = rows(fragments)
        assert [r.pts - table[0].pts for r in table] == [s.rtp_time - samples[0].rtp_time for s in samples]


def audio_for(configuration: CodecConfiguration, count: int) -> list[Sample]:
    """G.711 packets of 20 ms."""
    return [
        Sample(configuration, 1000 + n * 160, bytes([n % 256]) * 160, True, n * 20 * MS + 3 * MS) for n in range(count)
    ]


def test_audio_travels_with_the_video(camera: CodecConfiguration, microphone: CodecConfiguration) -> None:
    video = StreamTimeline(RATE)
    gatherer = FragmentGatherer(video, StreamTimeline(8000, reference=video), audio_configuration=microphone)
    pictures, sounds = [frame(camera, n) for n in range(250)], audio_for(microphone, 500)
    fragments: list[Fragment] = []
    for sample in sorted(pictures + sounds, key=lambda s: s.arrival_ns):
        if sample.configuration.kind == "video":
            fragments += gatherer.add_video(sample, START + sample.arrival_ns)
        else:
            gatherer.add_audio(sample, START + sample.arrival_ns)
    fragments += gatherer.finish()
    check(fragments, pictures)
    assert data(fragments, 2) == [bytes(s.data) for s in sounds]
    heard = rows(fragments, 2)
    assert all(b.dts == a.dts + a.duration and a.duration == 160 for a, b in pairwise(heard))
    assert heard[0].dts * SECOND // 8000 == pytest.approx(START + 3 * MS, abs=200_000)
    assert all(f.tracks == (camera, microphone) for f in fragments)


def test_audio_that_comes_unannounced_and_goes_on_alone(
    camera: CodecConfiguration, microphone: CodecConfiguration
) -> None:
    gatherer = FragmentGatherer(StreamTimeline(RATE), StreamTimeline(8000))
    pictures, sounds = [frame(camera, n) for n in range(60)], audio_for(microphone, 500)
    gatherer.add_audio(sounds[0], START)
    assert gatherer.skipped_audio == 1
    fragments: list[Fragment] = []
    for sample in sorted(pictures + sounds[1:], key=lambda s: s.arrival_ns):
        if sample.configuration.kind == "video":
            fragments += gatherer.add_video(sample, START + sample.arrival_ns)
        else:
            gatherer.add_audio(sample, START + sample.arrival_ns)
        fragments += gatherer.poll(sample.arrival_ns)
    fragments += gatherer.finish()
    assert data(fragments) == [bytes(s.data) for s in pictures]
    assert data(fragments, 2) == [bytes(s.data) for s in sounds[1:]]
    assert fragments[-1].samples == 0
    assert not fragments[-1].keyframe
    for before, after in pairwise(fragments):
        assert after.start_ns >= before.start_ns + before.duration_ns
    with pytest.raises(InvalidError, match="without an audio timeline"):
        FragmentGatherer(StreamTimeline(RATE)).add_audio(sounds[0], START)


steps = st.one_of(
    st.just(3600),
    st.just(3600),
    st.just(3600),
    st.integers(0, 8000),
    st.integers(-20_000, -1),
    st.sampled_from([7200, 90_000, 900_000, -90_000 * 7, 1 << 33, -(1 << 33)]),
)
waits = st.one_of(st.just(40 * MS), st.just(40 * MS), st.integers(0, 120 * MS), st.sampled_from([SECOND, 7 * SECOND]))


@given(
    st.lists(st.tuples(steps, waits, st.integers(0, 11), st.booleans()), min_size=1, max_size=150),
    st.integers(0, 3),
    st.sampled_from([200 * MS, TARGET]),
)
@settings(max_examples=120)
def test_whatever_the_camera_does(
    camera: CodecConfiguration, story: list[tuple[int, int, int, bool]], depth: int, target: int
) -> None:
    configurations = [replace(camera, reorder_depth=depth), replace(camera, width=640)]
    rtp = arrival = 1 << 34
    samples = []
    for number, (step, wait, luck, spare) in enumerate(story):
        rtp, arrival = rtp + step, arrival + wait
        configuration = configurations[luck == 11]
        keyframe = number == 0 or luck < 2
        samples.append(Sample(configuration, rtp, number.to_bytes(2, "big"), keyframe, arrival, damaged=spare))
    gatherer = FragmentGatherer(StreamTimeline(RATE, not_before_ns=START), target_ns=target)
    fragments = run(gatherer, samples) + gatherer.finish()
    check(fragments, samples, target)
    assert fragments[0].start_ns >= START
    assert fragments[0].discontinuity
    assert sum(f.damaged_samples for f in fragments) == sum(s.damaged for s in samples)
    # Between two discontinuities, frames whose RTP times grow are shown in that order.
    table = rows(fragments)
    index = 0
    for fragment in fragments:
        for offset in range(1, fragment.samples):
            if samples[index + offset].rtp_time > samples[index + offset - 1].rtp_time:
                assert table[index + offset].pts > table[index + offset - 1].pts or gatherer.discontinuities
        index += fragment.samples

"""The keyframe track: keyframes alone, shown one after another without a hole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footage_rig import AUDIO, OTHER, SECOND, T0, VIDEO, fragment, frame
from overt.errors import InvalidError
from overt.media.boxes import read_fragment
from overt.media.initialisation import initialisation_segment, read_initialisation
from overt.media.keyframe_track import LONGEST, KeyframeTrack

ONE = initialisation_segment([VIDEO])


@given(st.sampled_from([0, 3000, 18000]), st.lists(st.integers(1, 3_600_000), min_size=2, max_size=6))
def test_keyframes_join_whatever_the_reordering(reorder_ticks: int, ticks: list[int]) -> None:
    track, starts, at = KeyframeTrack(ONE), [T0], T0 * 9 // 100_000
    for each in ticks:
        at += each
        starts.append(at * SECOND // 90_000)
    shown = []
    for start, until in itertools.pairwise(starts):
        source = fragment(start, keyframe=True, reorder_ticks=reorder_ticks)
        made = track.fragment(source.payload, start, until)
        (table,) = read_fragment(made.payload).tracks
        (row,) = table.samples
        (first, *_) = read_fragment(source.payload).tracks[0].samples
        assert row.sync
        assert row.pts == row.dts == first.pts
        assert made.payload[row.offset :] == frame(start, 0, 60)
        assert made.start_ns == row.pts * SECOND // 90000
        shown.append((row.pts, row.duration, made))
    for (pts, duration, one), (following, _, two) in itertools.pairwise(shown):
        assert pts + duration == following
        assert one.start_ns + one.duration_ns == two.start_ns


def test_a_stream_with_sound_has_a_track_of_pictures_alone() -> None:
    track = KeyframeTrack(initialisation_segment([VIDEO, AUDIO]))
    assert [each.kind for each in read_initialisation(track.initialisation)] == ["video"]
    source = fragment(T0, keyframe=True, tracks=(VIDEO, AUDIO))
    (table,) = read_fragment(track.fragment(source.payload, T0, T0 + SECOND).payload).tracks
    assert (table.track_id, len(table.samples)) == (1, 1)


def test_a_stream_without_sound_keeps_its_initialisation_to_the_byte() -> None:
    ours = initialisation_segment([OTHER])
    assert KeyframeTrack(ours).initialisation == ours


def test_what_is_no_keyframe_is_refused() -> None:
    with pytest.raises(InvalidError, match="does not begin with a keyframe"):
        KeyframeTrack(ONE).fragment(fragment(T0).payload, T0, T0 + SECOND)
    with pytest.raises(InvalidError):
        KeyframeTrack(ONE).fragment(b"no fragment", T0, T0 + SECOND)
    with pytest.raises(InvalidError, match="no video"):
        KeyframeTrack(initialisation_segment([AUDIO]))


def test_a_frame_that_is_shown_for_days_has_the_longest_duration_that_can_be_said() -> None:
    made = KeyframeTrack(ONE).fragment(fragment(T0, keyframe=True).payload, T0, T0 + 30 * 86400 * SECOND)
    assert read_fragment(made.payload).tracks[0].samples[0].duration == LONGEST
    assert made.duration_ns == LONGEST * SECOND // 90000


def test_footage_that_ends_before_it_began_is_shown_for_a_moment() -> None:
    made = KeyframeTrack(ONE).fragment(fragment(T0, keyframe=True).payload, T0, T0 - SECOND)
    assert read_fragment(made.payload).tracks[0].samples[0].duration == 1

"""Boxes: what is written is read back, and lies are refused with their place."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media.boxes import (
    NON_SYNC_SAMPLE,
    SYNC_SAMPLE,
    TrackRun,
    box,
    boxes,
    fragment_header,
    read_fragment,
)
from overt.media.initialisation import initialisation_segment, read_initialisation


def payload_of(*runs: TrackRun) -> bytes:
    return fragment_header(7, runs) + b"".join(
        bytes([n % 251]) * size for run in runs for n, size in enumerate(run.sizes)
    )


VIDEO = TrackRun(1, 1 << 47, (3600, 3600, 3601), (9, 1, 4), None, NON_SYNC_SAMPLE, SYNC_SAMPLE)
AUDIO = TrackRun(2, 99, (160, 160), (160, 160), None, SYNC_SAMPLE, SYNC_SAMPLE)


@st.composite
def runs(draw: st.DrawFn) -> TrackRun:
    count = draw(st.integers(1, 20))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.one_of(st.lists(values, min_size=count, max_size=count), values.map(lambda v: [v] * count)))

    signed = st.integers(-(1 << 31), (1 << 31) - 1)
    return TrackRun(
        1,
        draw(st.integers(1 << 40, 1 << 62)),
        column(st.integers(1, 1 << 20)),
        column(st.integers(0, 300)),
        column(signed) if draw(st.booleans()) else None,
        NON_SYNC_SAMPLE,
        draw(st.sampled_from((SYNC_SAMPLE, NON_SYNC_SAMPLE))),
    )


@given(runs())
@settings(max_examples=60)
def test_a_written_fragment_is_read_back(run: TrackRun) -> None:
    table = read_fragment(payload_of(run)).track(1)
    assert table is not None
    assert [row.duration for row in table.samples] == list(run.durations)
    assert [row.size for row in table.samples] == list(run.sizes)
    assert [row.pts - row.dts for row in table.samples] == list(run.composition_offsets or [0] * len(run.sizes))
    assert [row.sync for row in table.samples] == [run.first_flags == SYNC_SAMPLE] + [False] * (len(run.sizes) - 1)
    assert table.samples[0].dts == run.start
    assert table.end == run.start + sum(run.durations)


def test_two_tracks_find_their_data() -> None:
    payload = payload_of(VIDEO, AUDIO)
    table = read_fragment(memoryview(payload))
    assert table.sequence == 7
    for track in table.tracks:
        for number, row in enumerate(track.samples):
            assert payload[row.offset : row.offset + row.size] == bytes([number]) * row.size
    assert sum(row.size for track in table.tracks for row in track.samples) == 14 + 320


def test_the_header_is_small() -> None:
    even = TrackRun(1, 1 << 47, [3600] * 12, list(range(14000, 14012)), None, NON_SYNC_SAMPLE, SYNC_SAMPLE)
    assert len(fragment_header(1, [even])) <= 180


@given(st.data())
@settings(max_examples=150)
def test_a_spoiled_fragment_never_crashes_the_reader(data: st.DataObject) -> None:
    payload = bytearray(payload_of(VIDEO, AUDIO))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    del payload[data.draw(st.integers(0, len(payload))) :]
    try:
        table = read_fragment(payload)
    except InvalidError:
        return
    assert all(0 <= row.offset <= len(payload) - row.size for t in table.tracks for row in t.samples)


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_noise_is_refused(noise: bytes) -> None:
    for read in (read_fragment, read_initialisation):
        with pytest.raises(InvalidError):
            read(noise)


def test_a_count_that_costs_no_bytes_is_refused() -> None:
    payload = bytearray(payload_of(TrackRun(1, 0, [5], [0], None, SYNC_SAMPLE, SYNC_SAMPLE)))
    at = payload.index(b"trun") + 8
    struct.pack_into(">I", payload, at, 0xFFFFFFFF)
    with pytest.raises(InvalidError, match="claims 4294967295 samples"):
        read_fragment(payload)


def test_a_lie_is_named_with_its_offset() -> None:
    payload = bytearray(payload_of(VIDEO))
    struct.pack_into(">I", payload, payload.index(b"traf") - 4, 5)
    with pytest.raises(InvalidError, match=r"'traf' at offset 24 claims 5 bytes"):
        read_fragment(payload)
    with pytest.raises(InvalidError, match="stray bytes at offset 8"):
        list(boxes(box(b"free") + b"abc"))
    with pytest.raises(InvalidError, match="more than 256 boxes"):
        list(boxes(box(b"free") * 300))
    cut = payload_of(VIDEO)
    with pytest.raises(InvalidError, match="outside mdat"):
        read_fragment(cut[: cut.index(b"mdat") - 4] + box(b"mdat", bytes(13)))


def test_an_initialisation_segment_is_read_back(camera, microphone) -> None:
    both = (camera, replace(microphone, rfc6381="alaw"))
    assert read_initialisation(initialisation_segment(both)) == both


@given(st.data())
@settings(max_examples=150)
def test_a_spoiled_initialisation_never_crashes_the_reader(camera, microphone, data: st.DataObject) -> None:
    segment = bytearray(initialisation_segment((camera, microphone)))
    for _ in range(data.draw(st.integers(1, 4))):
        segment[data.draw(st.integers(0, len(segment) - 1))] = data.draw(st.integers(0, 255))
    del segment[data.draw(st.integers(0, len(segment))) :]
    try:
        tracks = read_initialisation(segment)
    except InvalidError:
        return
    assert len(tracks) <= 2


def test_no_track_is_refused() -> None:
    with pytest.raises(InvalidError):
        initialisation_segment(())

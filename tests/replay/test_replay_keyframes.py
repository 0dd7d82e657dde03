"""Keyframe tracks, stills, and the newest footage on disk."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footage_rig import (
    AUDIO,
    CAMERA,
    OTHER,
    SECOND,
    T0,
    VIDEO,
    Answer,
    FootageSite,
    answer,
    append,
    fragment,
    frame,
    make_footage_site,
    run,
)
from overt.errors import CorruptError, ForbiddenError, MissingError
from overt.footage.reading import RUN_NS, FootageReader
from overt.media.boxes import read_fragment
from overt.media.initialisation import initialisation_segment
from overt.media.records import RecordKind
from overt.media.samples import Fragment
from overt.recorder.media_plane import replay_records
from overt.recorder.media_plane.replay import Replay

US = 1000
Replays = Callable[..., Replay]


def pictures(found: Answer) -> list[bytes]:
    """Return the frames of a keyframe track."""
    frames = []
    for payload in found.payloads:
        (table,) = read_fragment(payload).tracks
        (row,) = table.samples
        assert row.sync
        assert row.offset + row.size == len(payload), "more than the keyframe was sent"
        frames.append(payload[row.offset :])
    return frames


def keyframe(each: Fragment) -> bytes:
    return frame(each.start_ns, 0, 60)


@pytest.mark.parametrize("reorder_ticks", [0, 18000])
def test_a_keyframe_track_shows_every_keyframe_until_the_next(
    site: FootageSite, replay_of: Replays, reorder_ticks: int
) -> None:
    sent = run(T0, 300, gop=4, reorder_ticks=reorder_ticks)
    site.record(sent)
    found = asyncio.run(answer(replay_of().keyframes(CAMERA, T0 + SECOND, T0 + 99 * SECOND, site.open_period)))
    wanted = [each for each in sent if each.keyframe and T0 + SECOND <= each.start_ns < T0 + 99 * SECOND]
    assert found.kinds == "C" + "F" * len(wanted) + "E"
    assert pictures(found) == [keyframe(each) for each in wanted]
    heads = found.fragments
    assert all(each["samples"] == 1 and each["keyframe"] for each in heads)
    assert all(a["start_us"] + a["duration_us"] == b["start_us"] for a, b in itertools.pairwise(heads))
    lag_us = reorder_ticks * 1_000_000 // 90_000
    assert heads[0]["start_us"] == wanted[0].start_ns // US + lag_us
    assert heads[-1]["start_us"] + heads[-1]["duration_us"] == (T0 + 99 * SECOND) // US + lag_us


def test_the_last_keyframe_before_a_hole_is_shown_to_the_end_of_its_footage(
    site: FootageSite, replay_of: Replays
) -> None:
    first, second = run(T0, 11), run(T0 + 60 * SECOND, 11)
    site.record(first, second)
    found = asyncio.run(answer(replay_of().keyframes(CAMERA, T0, T0 + 100 * SECOND, site.open_period)))
    ends = [(each["start_us"] + each["duration_us"]) * US for each in found.fragments]
    assert ends[2] == first[-1].start_ns + SECOND // 2
    assert ends[5] == second[-1].start_ns + SECOND // 2


@pytest.mark.parametrize("every_s", [0, 1, 7, 90, 500])
def test_no_two_keyframes_are_closer_than_asked(site: FootageSite, replay_of: Replays, every_s: int) -> None:
    sent = run(T0, 1200)
    site.record(sent)
    found = asyncio.run(
        answer(replay_of().keyframes(CAMERA, T0, T0 + 600 * SECOND, site.open_period, every_ns=every_s * SECOND))
    )
    wanted, after = [], T0
    for each in sent:
        if each.keyframe and each.start_ns >= after:
            wanted.append(each)
            after = each.start_ns + every_s * SECOND
    assert pictures(found) == [keyframe(each) for each in wanted]
    heads = found.fragments
    assert all(a["start_us"] + a["duration_us"] == b["start_us"] for a, b in itertools.pairwise(heads))


def test_a_track_that_is_too_long_ends_with_where_to_go_on(
    site: FootageSite, replay_of: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_records, "MAX_KEYFRAMES", 40)
    sent = run(T0 + 999, 399, gop=3, step_ns=SECOND // 3 + 1)
    site.record(sent)
    replay = replay_of()

    async def all_of_it() -> list[bytes]:
        frames, at = [], T0
        while True:
            found = await answer(replay.keyframes(CAMERA, at, T0 + 600 * SECOND, site.open_period))
            frames += pictures(found)
            if "complete" in found.end:
                return frames
            assert len(found.fragments) == 40
            at = found.end["next_us"] * US

    assert asyncio.run(all_of_it()) == [keyframe(each) for each in sent if each.keyframe]


def test_a_keyframe_track_announces_pictures_alone_and_each_configuration(
    site: FootageSite, replay_of: Replays
) -> None:
    site.record(run(T0, 4, tracks=(VIDEO, AUDIO)), run(T0 + 2 * SECOND, 4, tracks=(OTHER,)))
    found = asyncio.run(answer(replay_of().keyframes(CAMERA, T0, T0 + 4 * SECOND, site.open_period)))
    assert found.kinds == "CFCFE"
    assert [bytes(each.payload) for each in found.records if each.kind == RecordKind.CONFIGURATION] == [
        initialisation_segment([VIDEO]),
        initialisation_segment([OTHER]),
    ]


def test_a_keyframe_that_fails_its_tag_is_damage_and_the_others_are_shown(
    site: FootageSite, replay_of: Replays
) -> None:
    site.record(run(T0, 40, gop=2, size=1000))
    (path,) = site.files()
    data = bytearray(path.read_bytes())
    with FootageReader(site.directory) as reader:
        (row,) = reader.segments(CAMERA, T0, T0 + SECOND, tables=True)
    broken = (row.fragment_table() or [])[1 + 10]
    data[broken.offset + 200] ^= 1
    path.write_bytes(data)
    found = asyncio.run(answer(replay_of().keyframes(CAMERA, T0, T0 + 20 * SECOND, site.open_period)))
    assert found.kinds == "C" + "F" * 5 + "D" + "F" * 14 + "E"
    (damage,) = found.of_kind(RecordKind.DAMAGE)
    assert (damage["start_us"], damage["end_us"]) == ((T0 + 5 * SECOND) // US, (T0 + 6 * SECOND) // US)


def test_a_segment_that_is_gone_is_one_damage_in_a_keyframe_track(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 400))
    site.files()[1].unlink()
    found = asyncio.run(answer(replay_of().keyframes(CAMERA, T0, T0 + 200 * SECOND, site.open_period)))
    assert found.kinds.count("D") == 1
    assert found.end == {"complete": True}


# --- stills ----------------------------------------------------------------------------------------------------------


def test_a_still_is_the_keyframe_at_or_before_a_moment(site: FootageSite, replay_of: Replays) -> None:
    sent = run(T0, 200, gop=6)
    site.record(sent)
    replay = replay_of()

    async def look() -> None:
        for at_ns in (T0, T0 + 1, T0 + 62 * SECOND, T0 + 63 * SECOND - 1, sent[-1].start_ns + SECOND // 2 - 1):
            found = Answer.of(await replay.still(CAMERA, at_ns, site.open_period))
            assert found.kinds == "CF"
            wanted = [each for each in sent if each.keyframe and each.start_ns <= at_ns][-1]
            assert pictures(found) == [keyframe(wanted)]
            (head,) = found.fragments
            assert head["start_us"] == wanted.start_ns // US
            assert (head["start_us"] + head["duration_us"]) * US > at_ns - US
        for at_ns in (T0 - 1, sent[-1].start_ns + SECOND // 2, T0 + 3600 * SECOND):
            with pytest.raises(MissingError, match="no footage at that moment"):
                await replay.still(CAMERA, at_ns, site.open_period)

    asyncio.run(look())


def test_there_is_no_still_without_a_keyframe_in_the_run_of_footage(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0 - 60 * SECOND, 10), [fragment(T0 + i * SECOND // 2, discontinuity=i == 0) for i in range(6)])
    with pytest.raises(MissingError, match="no keyframe"):
        asyncio.run(replay_of().still(CAMERA, T0 + SECOND, site.open_period))


def test_a_still_that_fails_its_tag_says_so(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 1, size=1000))
    (path,) = site.files()
    data = bytearray(path.read_bytes())
    data[-3000] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match="tag does not fit") as caught:
        asyncio.run(replay_of().still(CAMERA, T0, site.open_period))
    assert str(site.directory) not in str(caught.value)


PIECES = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([0, 0, 0, RUN_NS - 1, RUN_NS + 1, 5 * SECOND])),
    min_size=1,
    max_size=40,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=PIECES, data=st.data())
def test_where_decoding_begins_is_found_as_by_reading_everything(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[bool, bool, int]], data: st.DataObject
) -> None:
    site = make_footage_site(tmp_path_factory.mktemp("any") / "footage")
    sent, at = [], T0
    for keyframe_here, discontinuity, hole in pieces:
        at += hole
        sent.append(fragment(at, duration_ns=SECOND * 4, keyframe=keyframe_here, discontinuity=discontinuity))
        at += SECOND * 4
    site.record(sent)
    moment = data.draw(st.integers(T0 - SECOND, at + SECOND))
    wanted: int | str | None = "nothing"
    for before, each in zip([None, *sent], sent, strict=False):
        if each.start_ns > moment:
            break
        apart = before is not None and each.start_ns - before.start_ns - before.duration_ns > RUN_NS
        if each.keyframe:
            wanted = each.start_ns
        elif each.discontinuity or apart or before is None:
            wanted = None
    holder = [each for each in sent if each.start_ns <= moment < each.start_ns + each.duration_ns]
    with FootageReader(site.directory) as reader:
        if not holder:
            with pytest.raises(MissingError):
                reader.lead_keyframe(CAMERA, moment)
            assert reader.keyframe_before(CAMERA, moment) == moment
        else:
            assert reader.lead_keyframe(CAMERA, moment) == wanted
            assert reader.keyframe_before(CAMERA, moment) == (moment if wanted is None else wanted)


# --- the newest ------------------------------------------------------------------------------------------------------


def test_the_newest_fragments_begin_with_the_last_keyframe(site: FootageSite, replay_of: Replays) -> None:
    sent = run(T0, 145, gop=8)
    replay = replay_of()

    async def starts(after_ns: int | None) -> list[int]:
        return [each.info.start_ns for each in await replay.recent(CAMERA, site.open_period, after_ns)]

    async def look(have: int) -> None:
        last = max(i for i in range(have) if i % 8 == 0)
        assert await starts(None) == [each.start_ns for each in sent[last:have]]
        after = sent[have - 3].start_ns
        assert await starts(after) == [each.start_ns for each in sent[have - 3 : have]]
        assert await starts(after + 1) == [each.start_ns for each in sent[have - 2 : have]]
        assert await starts(sent[have - 1].start_ns + 1) == []
        # What lies too far back is not asked for: a viewer who comes then begins anew.
        assert await starts(T0 - SECOND) == [each.start_ns for each in sent[last:have]]

    with site.open() as store:
        assert asyncio.run(starts(None)) == []
        append(store, sent[:125], session=site.key.site_id)
        asyncio.run(look(125))
        append(store, sent[125:], session=site.key.site_id)
        asyncio.run(look(145))
    asyncio.run(look(145))


def test_nothing_is_recent_without_a_keyframe_of_the_last_seconds(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 60, gop=1000))
    assert asyncio.run(replay_of().recent(CAMERA, site.open_period)) == []


def test_behind_damage_the_newest_fragments_go_on_with_a_keyframe(site: FootageSite, replay_of: Replays) -> None:
    sent = run(T0, 16, gop=4, size=500)
    site.record(sent)
    (path,) = site.files()
    with FootageReader(site.directory) as reader:
        (row,) = reader.segments(CAMERA, T0, T0 + SECOND, tables=True)
    data = bytearray(path.read_bytes())
    data[(row.fragment_table() or [])[1 + 9].offset + 200] ^= 1
    path.write_bytes(data)
    found = asyncio.run(replay_of().recent(CAMERA, site.open_period, sent[8].start_ns))
    assert [each.info.start_ns for each in found] == [sent[i].start_ns for i in (8, 12, 13, 14, 15)]


def test_the_newest_fragments_are_refused_without_keys(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 4))

    def nothing(_: object) -> None:
        raise ForbiddenError("not released")

    with pytest.raises(ForbiddenError, match="not released"):
        asyncio.run(replay_of().recent(CAMERA, nothing))  # type: ignore[arg-type]

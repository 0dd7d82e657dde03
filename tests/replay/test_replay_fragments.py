"""Fragments and spans of recorded footage as the media plane gives them: all of it, in order, and why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from footage_rig import (
    CAMERA,
    FAST,
    OTHER,
    SECOND,
    T0,
    VIDEO,
    FootageSite,
    answer,
    append,
    fragment,
    run,
)
from overt.footage.gaps import GapCause
from overt.ids import StreamKey
from overt.media.initialisation import initialisation_segment
from overt.media.records import RecordKind
from overt.recorder.media_plane import replay_records
from overt.recorder.media_plane.replay import Replay

US = 1000
Replays = Callable[..., Replay]


def test_a_span_gives_what_overlaps_it_byte_for_byte(site: FootageSite, replay_of: Replays) -> None:
    sent = run(T0, 400)
    site.record(sent)
    begin, end = T0 + 20 * SECOND + 1, T0 + 110 * SECOND + 1
    found = asyncio.run(answer(replay_of().fragments(CAMERA, begin, end, site.open_period)))
    wanted = sent[40:221]
    assert found.payloads == [each.payload for each in wanted]
    assert found.kinds == "C" + "F" * len(wanted) + "E"
    assert found.end == {"complete": True}
    assert bytes(found.records[0].payload) == initialisation_segment([VIDEO])
    assert found.records[0].header["id"] == 1
    first = found.fragments[0]
    assert (first["start_us"], first["duration_us"]) == (sent[40].start_ns // US, 500_000)
    assert (first["samples"], first["keyframe"], first["discontinuity"], first["damaged"]) == (5, True, False, False)


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (1, 2), (-1, 1), (499_999_999, 500_000_000)])
def test_spans_of_a_nanosecond_give_one_fragment(site: FootageSite, replay_of: Replays, begin: int, end: int) -> None:
    sent = run(T0, 3)
    site.record(sent)
    found = asyncio.run(answer(replay_of().fragments(CAMERA, T0 + begin, T0 + end, site.open_period)))
    assert found.payloads == ([sent[0].payload] if begin < end else [])


def test_a_stream_that_never_was_gives_an_end_alone(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 3))
    found = asyncio.run(answer(replay_of().fragments(StreamKey("attic"), T0, T0 + SECOND, site.open_period)))
    assert found.kinds == "E"


def test_lead_begins_with_the_keyframe_of_the_same_run(site: FootageSite, replay_of: Replays) -> None:
    sent, later = run(T0, 300, gop=50), run(T0 + 400 * SECOND, 10, gop=50)
    site.record(sent, later)
    replay = replay_of()

    async def begins(at_ns: int) -> int:
        found = await answer(replay.fragments(CAMERA, at_ns, at_ns + SECOND, site.open_period, lead=True))
        return int(found.fragments[0]["start_us"])

    async def look() -> None:
        assert await begins(T0 + 49 * SECOND) == sent[50].start_ns // US
        assert await begins(sent[50].start_ns) == sent[50].start_ns // US
        assert await begins(sent[50].start_ns - 1) == sent[0].start_ns // US
        assert await begins(later[3].start_ns + 7) == later[0].start_ns // US
        # In a hole there is nothing to lead up to.
        assert await begins(later[0].start_ns - SECOND // 4) == later[0].start_ns // US

    asyncio.run(look())


def test_a_run_whose_keyframe_is_not_there_is_given_from_the_moment_asked(
    site: FootageSite, replay_of: Replays
) -> None:
    sent = [fragment(T0 + i * SECOND // 2, discontinuity=i == 0) for i in range(10)]
    site.record(run(T0 - 60 * SECOND, 4), sent)
    found = asyncio.run(
        answer(replay_of().fragments(CAMERA, T0 + SECOND, T0 + 2 * SECOND, site.open_period, lead=True))
    )
    assert found.payloads == [each.payload for each in sent[2:4]]


def test_an_answer_ends_after_an_hour_and_says_where_to_go_on(site: FootageSite, replay_of: Replays) -> None:
    step = 10 * SECOND + 333
    sent = run(T0, 800, step_ns=step)
    site.record(sent)
    end, replay = sent[-1].start_ns + step, replay_of()

    async def all_of_it() -> list[bytes]:
        payloads, at, answers = [], T0, 0
        while True:
            found = await answer(replay.fragments(CAMERA, at, end, site.open_period))
            payloads += found.payloads
            answers += 1
            if "complete" in found.end:
                assert answers == 3
                return payloads
            at = found.end["next_us"] * US

    assert asyncio.run(all_of_it()) == [each.payload for each in sent]


def test_an_answer_ends_before_it_is_too_large(
    site: FootageSite, replay_of: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_records, "MAX_BYTES", 100_000)
    sent = run(T0 + 7, 100, size=2000, step_ns=SECOND // 2 + 1)
    site.record(sent)
    replay = replay_of()

    async def all_of_it() -> list[bytes]:
        payloads, at = [], T0
        while True:
            found = await answer(replay.fragments(CAMERA, at, T0 + 100 * SECOND, site.open_period))
            assert sum(map(len, found.payloads)) <= 100_000
            payloads += found.payloads
            if "complete" in found.end:
                return payloads
            at = found.end["next_us"] * US

    assert asyncio.run(all_of_it()) == [each.payload for each in sent]


def test_a_gap_that_lasts_has_no_end(site: FootageSite, replay_of: Replays) -> None:
    with site.open() as store:
        append(store, run(T0, 20))
        store.interrupted(CAMERA, GapCause.CAMERA, "no picture")
        assert store.flush()
        replay = replay_of()

        async def look(end_ns: int, now_ns: int) -> dict[str, Any]:
            return await replay.spans(CAMERA, T0 - 10 * SECOND, end_ns, now_ns)

        told = asyncio.run(look(T0 + 100 * SECOND, T0 + 40 * SECOND))
        assert [(each["cause"], each["end_us"]) for each in told["gaps"]] == [("camera", None)]
        assert told["first_us"] == T0 // US
        before = asyncio.run(replay.spans(CAMERA, T0 - 20 * SECOND, T0 - 10 * SECOND, T0 + 40 * SECOND))
        assert (before["spans"], before["gaps"], before["first_us"]) == ([], [], None)
        inside = asyncio.run(replay.spans(CAMERA, T0 + SECOND, T0 + 5 * SECOND, T0 + 40 * SECOND))
        assert inside["first_us"] == (T0 + SECOND) // US, "what lies outside the span is not told"


def test_gaps_come_with_their_causes_where_they_lie(site: FootageSite, replay_of: Replays) -> None:
    first, second, third = (run(T0 + at * SECOND, 20) for at in (0, 30, 50))
    with site.open() as store:
        append(store, first)
        store.interrupted(CAMERA, GapCause.NETWORK, "no answer")
        append(store, second)
        store.interrupted(CAMERA, GapCause.CAMERA, "no picture")
        append(store, third)
        store.interrupted(CAMERA, GapCause.AUTHENTICATION, "refused")
        assert store.flush()
        replay = replay_of()
        now = T0 + 90 * SECOND

        async def look() -> None:
            found = await answer(replay.fragments(CAMERA, T0 - 10 * SECOND, now, site.open_period))
            assert found.kinds == "C" + "F" * 20 + "G" + "F" * 20 + "G" + "F" * 20 + "GE"
            gaps = found.of_kind(RecordKind.GAP)
            assert [(each["cause"], each["detail"]) for each in gaps] == [
                ("network", "no answer"),
                ("camera", "no picture"),
                ("authentication", "refused"),
            ]
            ends = [((T0 + a * SECOND) // US, (T0 + b * SECOND) // US) for a, b in ((10, 30), (40, 50), (60, 90))]
            assert [(each["start_us"], each["end_us"]) for each in gaps] == ends
            spans = await replay.spans(CAMERA, T0 - 10 * SECOND, T0 + 200 * SECOND, now)
            assert spans == {
                "spans": [
                    {"start_us": (T0 + at * SECOND) // US, "end_us": (T0 + (at + 10) * SECOND) // US}
                    for at in (0, 30, 50)
                ],
                "gaps": [*gaps[:-1], {**gaps[-1], "end_us": None}],
                "first_us": T0 // US,
                "now_us": now // US,
            }
            # Asked in the middle of a gap, it is cut to the span.
            found = await answer(replay.fragments(CAMERA, T0 + 15 * SECOND, T0 + 20 * SECOND, site.open_period))
            assert found.kinds == "GE"
            assert found.of_kind(RecordKind.GAP)[0]["end_us"] == (T0 + 20 * SECOND) // US

        asyncio.run(look())


def test_footage_that_is_still_being_written_is_given_up_to_its_end(site: FootageSite, replay_of: Replays) -> None:
    sent = run(T0, 30)
    with site.open() as store:
        session = site.key.site_id
        append(store, sent[:10], session=session)
        replay = replay_of()

        async def all_of_it() -> list[bytes]:
            found = await answer(replay.fragments(CAMERA, T0, T0 + 60 * SECOND, site.open_period))
            assert found.end == {"complete": True}
            return found.payloads

        assert asyncio.run(all_of_it()) == [each.payload for each in sent[:10]]
        append(store, sent[10:], session=session)
        assert asyncio.run(all_of_it()) == [each.payload for each in sent]


def test_a_new_configuration_comes_under_a_new_number(site: FootageSite, replay_of: Replays) -> None:
    runs = [run(T0, 4), run(T0 + 2 * SECOND, 4, tracks=(OTHER,)), run(T0 + 4 * SECOND, 4)]
    site.record(*runs)
    found = asyncio.run(answer(replay_of().fragments(CAMERA, T0, T0 + 6 * SECOND, site.open_period)))
    assert found.kinds == "CFFFF" * 3 + "E"
    assert [each["configuration"] for each in found.fragments] == [1] * 4 + [2] * 4 + [3] * 4
    assert [each["id"] for each in found.of_kind(RecordKind.CONFIGURATION)] == [1, 2, 3]
    assert [each["codecs"] for each in found.of_kind(RecordKind.CONFIGURATION)] == [
        "avc1.4d002a",
        "avc1.640028",
        "avc1.4d002a",
    ]


def test_flipped_bytes_become_damage_and_the_rest_is_given(site: FootageSite, replay_of: Replays) -> None:
    sent = run(T0, 40, size=1000)
    site.record(sent)
    (path,) = site.files()
    data = bytearray(path.read_bytes())
    for at in (len(data) // 4, len(data) // 2):
        data[at] ^= 1
    path.write_bytes(data)
    found = asyncio.run(answer(replay_of().fragments(CAMERA, T0, T0 + 20 * SECOND, site.open_period)))
    assert found.kinds.count("D") == 2
    assert found.kinds.count("F") == 38
    assert found.end == {"complete": True}
    starts = {each["start_us"] for each in found.fragments + found.of_kind(RecordKind.DAMAGE)}
    assert starts == {each.start_ns // US for each in sent}
    for each in found.of_kind(RecordKind.DAMAGE):
        assert "tag does not fit" in each["detail"]
        assert str(site.directory) not in each["detail"]
        assert path.name in each["detail"]


def test_a_segment_that_is_gone_is_damage_of_all_its_time(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 400))
    gone = site.files()[1]
    gone.unlink()
    found = asyncio.run(answer(replay_of().fragments(CAMERA, T0, T0 + 200 * SECOND, site.open_period)))
    (damage,) = found.of_kind(RecordKind.DAMAGE)
    assert "no such segment file" in damage["detail"]
    assert str(site.directory) not in damage["detail"]
    at = found.kinds.index("D")
    before, after = found.records[at - 1].header, found.records[at + 1].header
    assert before["start_us"] + before["duration_us"] == damage["start_us"]
    assert damage["end_us"] == after["start_us"]
    assert found.kinds.count("G") == 0


def test_a_location_that_is_not_there_any_more_is_damage(site: FootageSite, replay_of: Replays) -> None:
    site.record(run(T0, 10))
    (site.directory / "segments" / CAMERA.camera).rename(site.directory / "segments" / "elsewhere")
    found = asyncio.run(answer(replay_of().fragments(CAMERA, T0, T0 + 5 * SECOND, site.open_period)))
    assert found.kinds == "DE"


def test_a_fragment_that_is_damaged_from_the_camera_on_says_so(site: FootageSite, replay_of: Replays) -> None:
    site.record([fragment(T0, keyframe=True, discontinuity=True, damaged=1)])
    found = asyncio.run(answer(replay_of().fragments(CAMERA, T0, T0 + 1, site.open_period)))
    assert found.fragments[0]["damaged"]
    assert found.fragments[0]["discontinuity"]


def test_short_segments_are_put_together_without_a_seam(site: FootageSite, replay_of: Replays) -> None:
    from_many = run(T0, 1300, gop=2)
    site.record(from_many, options=FAST)
    assert len(site.files()) > 9
    found = asyncio.run(answer(replay_of().fragments(CAMERA, T0, T0 + 650 * SECOND, site.open_period)))
    assert found.kinds == "C" + "F" * 1300 + "E"
    assert found.payloads == [each.payload for each in from_many]

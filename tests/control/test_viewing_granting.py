"""What of a page's wish is allowed: decisions on plain values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.clock import SECOND
from overt.control.people.actions import Action
from overt.control.people.rights import Rights
from overt.control.viewing.catalogue import Place
from overt.control.viewing.granting import (
    LOCKED,
    MAX_CAMERAS,
    MAX_SPAN_NS,
    RING_NS,
    Wish,
    decide,
    permissions,
)
from overt.control.viewing.reasons import Stated
from overt.errors import InvalidError

TOWN, LIBRARY = 1, 2
HOUR = 3600 * SECOND
NOW = 1_800_000_000 * SECOND
KNOWN = {
    "market": Place("market", "Market Square", TOWN, "Town centre", 1, "Market Hall", "recording"),
    "foyer": Place("foyer", "Foyer", LIBRARY, "Libraries", 2, "Central Library", "recording"),
}


OPENABLE = frozenset({Action.REPLAY, Action.RECORDED, Action.EXPORT})
WHY = Stated(1, "Prevention and detection of crime", "Public task", OPENABLE, "INC-7")


def at(group: int, *actions: Action) -> Rights:
    return Rights(groups={action: frozenset({group}) for action in actions})


def test_live_without_replay_opens_nothing_of_the_past() -> None:
    wish = Wish(live=("market",))
    decision = decide(at(TOWN, Action.LIVE), KNOWN, wish)
    assert (decision.live, decision.replay, decision.refusals) == (("market",), (), ())
    [permission] = permissions(decision, wish, NOW)
    assert (permission.rights, permission.from_ns) == (("live",), NOW)


def test_replay_reaches_back_as_far_as_the_ring() -> None:
    wish = Wish(live=("market",))
    [permission] = permissions(decide(at(TOWN, Action.LIVE, Action.REPLAY), KNOWN, wish, WHY), wish, NOW)
    assert (permission.rights, permission.from_ns) == (("live",), NOW - RING_NS)


def test_a_camera_of_another_group_is_refused_as_one_that_is_not_there() -> None:
    decision = decide(at(TOWN, Action.LIVE), KNOWN, Wish(live=("market", "foyer", "nowhere")))
    assert decision.cameras == ("market",)
    assert [each.words.replace(each.camera, "…") for each in decision.refusals] == [
        "There is no camera “…”, or you may not know of it."
    ] * 2


def test_what_lacks_a_right_is_refused_by_name_of_the_right() -> None:
    decision = decide(at(TOWN, Action.LIVE), KNOWN, Wish(recorded=("market",), from_ns=NOW - HOUR, to_ns=NOW), WHY)
    [refusal] = decision.refusals
    assert "Look back at recorded footage" in refusal.words
    assert "Market Square" in refusal.words


def test_locked_footage_says_what_to_do() -> None:
    wish = Wish(live=("market",), recorded=("market",), from_ns=NOW - HOUR, to_ns=NOW)
    decision = decide(at(TOWN, Action.LIVE, Action.REPLAY, Action.RECORDED), KNOWN, wish, WHY, locked=True)
    assert (decision.replay, decision.recorded) == (("market",), ())
    assert [each.words for each in decision.refusals] == [LOCKED]


def test_export_is_granted_beside_recorded_alone() -> None:
    wish = Wish(recorded=("market", "foyer"), from_ns=NOW - HOUR, to_ns=NOW)
    rights = Rights(everywhere=frozenset({Action.RECORDED}), groups={Action.EXPORT: frozenset({LIBRARY})})
    decision = decide(rights, KNOWN, wish, WHY)
    assert decision.export == ("foyer",)
    by_camera = {each.cameras: each.rights for each in permissions(decision, wish, NOW)}
    assert by_camera == {("market",): ("recorded",), ("foyer",): ("recorded", "export")}


@pytest.mark.parametrize(
    ("from_ns", "to_ns"), [(NOW, NOW), (NOW, NOW - 1), (NOW - MAX_SPAN_NS - 1, NOW)], ids=["empty", "backwards", "long"]
)
def test_footage_is_opened_a_day_at_a_time(from_ns: int, to_ns: int) -> None:
    with pytest.raises(InvalidError, match="one day at a time"):
        Wish(recorded=("market",), from_ns=from_ns, to_ns=to_ns).checked()


def test_a_page_has_a_bounded_number_of_cameras() -> None:
    Wish(live=tuple(f"c{i}" for i in range(MAX_CAMERAS))).checked()
    with pytest.raises(InvalidError, match=f"at most {MAX_CAMERAS}"):
        Wish(live=tuple(f"c{i}" for i in range(MAX_CAMERAS + 1))).checked()


actions = st.frozensets(st.sampled_from(Action))
groups = st.dictionaries(st.sampled_from(Action), st.frozensets(st.sampled_from([TOWN, LIBRARY])))
keys = st.lists(st.sampled_from(["market", "foyer", "nowhere"]), unique=True).map(tuple)


@given(actions, groups, keys, keys, st.booleans(), st.none() | st.frozensets(st.sampled_from(sorted(OPENABLE))))
def test_nothing_is_granted_without_its_right(
    everywhere: frozenset[Action],
    at_groups: dict[Action, frozenset[int]],
    live: tuple[str, ...],
    recorded: tuple[str, ...],
    locked: bool,
    opens: frozenset[Action] | None,
) -> None:
    rights = Rights(everywhere, at_groups)
    wish = Wish(live, recorded, NOW - HOUR, NOW)
    why = None if opens is None else Stated(1, "A purpose", "Public task", opens)
    decision = decide(rights, KNOWN, wish, why, locked=locked)
    for action, shown in ((Action.REPLAY, decision.replay), (Action.RECORDED, decision.recorded)):
        assert not shown or action in (opens or ())
    assert not decision.export or Action.EXPORT in (opens or ())
    for key in (*decision.live, *decision.replay):
        assert rights.may(Action.LIVE, KNOWN[key].group)
    assert all(rights.may(Action.REPLAY, KNOWN[key].group) for key in decision.replay)
    assert all(rights.may(Action.RECORDED, KNOWN[key].group) for key in decision.recorded)
    assert all(rights.may(Action.EXPORT, KNOWN[key].group) for key in decision.export)
    assert set(decision.export) <= set(decision.recorded)
    assert not (locked and decision.recorded)
    refused = {(each.camera, each.action) for each in decision.refusals}
    granted = {(key, Action.LIVE) for key in (*decision.live, *decision.replay)}
    granted |= {(key, Action.RECORDED) for key in decision.recorded}
    asked = {(key, Action.LIVE) for key in live} | {(key, Action.RECORDED) for key in recorded}
    assert refused | granted == asked
    assert not refused & granted

"""Facts: a stable JSON form that is read back whole."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.contract.fact import (
    FACT_KINDS,
    MAX_TEXT,
    AssignmentApplied,
    Fact,
    FactData,
    FootageDeleted,
    GapClosed,
    Kept,
    SegmentStored,
    StreamStateChanged,
    new_fact,
)
from overt.contract.instant import LATEST_NS
from overt.errors import InvalidError
from overt.ids import StreamKey

MOMENTS = st.integers(0, LATEST_NS)
DATA: st.SearchStrategy[FactData] = st.one_of(
    *(
        st.builds(kind, **{name: MOMENTS for name in kind.__dataclass_fields__ if name.endswith("_ns")})
        for kind in FACT_KINDS.values()
    )
)


@given(
    st.builds(
        Fact,
        id=st.uuids(),
        time_ns=MOMENTS,
        data=DATA,
        sequence=st.integers(0, 2**63 - 1),
        stream=st.sampled_from([None, StreamKey("door"), StreamKey("door", "sub")]),
    )
)
@settings(max_examples=150)
def test_every_kind_of_fact_is_read_back_whole(fact: Fact) -> None:
    assert Fact.from_json(fact.to_json()) == fact


def test_the_json_form_is_stable() -> None:
    fact = Fact(
        id=uuid.UUID(int=1),
        time_ns=1_774_746_000_000_000_001,
        data=GapClosed(
            cause="network", reason="no route", start_ns=1_774_745_999_500_000_000, end_ns=1_774_746_000_000_000_000
        ),
        stream=StreamKey("door"),
        sequence=7,
    )
    assert json.loads(fact.to_json()) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "sequence": 7,
        "time": "2026-03-29T01:00:00.000000001+00:00",
        "kind": "gap-closed",
        "camera": "door",
        "stream": "main",
        "data": {
            "cause": "network",
            "reason": "no route",
            "start": "2026-03-29T00:59:59.500000000+00:00",
            "end": "2026-03-29T01:00:00.000000000+00:00",
            "gap": None,
        },
    }
    assert set(FACT_KINDS) == {
        "segment-stored",
        "gap-opened",
        "gap-closed",
        "stream-state-changed",
        "disk-state-changed",
        "clock-stepped",
        "worker-restarted",
        "footage-deleted",
        "assignment-applied",
        "assignment-refused",
        "recipients-applied",
        "recipients-refused",
        "facts-lost",
        "recorder-started",
        "recorder-stopped",
        "footage-compared",
    }


def test_keys_of_a_newer_recorder_are_passed_over() -> None:
    fact = new_fact(SegmentStored(uuid.UUID(int=2), 1, 2, 3, 4, 5, 0, 0), 9, StreamKey("door"))
    value = fact.to_dict()
    value["data"]["colour"] = "green"
    value["weather"] = "rain"
    assert Fact.from_json(json.dumps(value)) == fact


def test_long_sentences_are_cut() -> None:
    fact = new_fact(StreamStateChanged("recording", "failed", "x" * 100_000), 0)
    assert isinstance(fact.data, StreamStateChanged)
    assert len(fact.data.reason) == MAX_TEXT


@pytest.mark.parametrize(
    "data",
    [
        FootageDeleted("days", 2, 3, 4, 5, ("a", "b"), uuid.UUID(int=3), ("c",)),
        AssignmentApplied(3, ("a",), (), (), (Kept(("a",), 86_400, None), Kept(("b", "c"), None, 7))),
    ],
)
def test_lists_survive(data: FactData) -> None:
    fact = new_fact(data, 0)
    assert Fact.from_json(fact.to_json()).data == data


def test_a_fact_of_an_earlier_version_is_read() -> None:
    value = new_fact(SegmentStored(uuid.UUID(int=2), 1, 2, 3, 4, 5, 0, 0), 9, StreamKey("door")).to_dict()
    for name in ("file", "condition", "root", "period"):
        del value["data"][name]
    data = Fact.from_json(json.dumps(value)).data
    assert isinstance(data, SegmentStored)
    assert data.root == ""


def test_half_of_a_character_is_no_character() -> None:
    fact = new_fact(StreamStateChanged("recording", "failed", "a \ud800 b"), 0)
    assert isinstance(fact.data, StreamStateChanged)
    assert fact.data.reason == "a ? b"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "gossip"},
        {"id": 7},
        {"time": "2026-01-01T00:00:00"},
        {"sequence": -1},
        {"sequence": True},
        {"data": 3},
        {"data": {"cause": "moon", "reason": "", "start": "2026-01-01T00:00:00Z"}},
        {"camera": "Front Door"},
    ],
)
def test_a_malformed_fact_is_refused(change: dict[str, object]) -> None:
    value = new_fact(FACT_KINDS["gap-opened"]("camera", "", 0), 0, StreamKey("door")).to_dict()
    with pytest.raises(InvalidError):
        Fact.from_json(json.dumps(value | change))


@given(st.one_of(st.binary(max_size=100), st.text(max_size=100), st.just("[" * 50_000)))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidError):
        Fact.from_json(text)

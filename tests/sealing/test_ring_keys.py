"""Keys of the ring: a state of a period opens its message and all that follow, and nothing before."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.errors import ForbiddenError, InvalidError
from overt.sealing.ratchet import MAX_MESSAGES, KeyPeriod, PeriodKeys, RingKeys, RingState

ROOT = bytes(range(32))
PERIOD = uuid.UUID(int=3)


def state_at(index: int) -> RingState:
    period = KeyPeriod(PERIOD, ROOT)
    for _ in range(index):
        period.next_key()
    return period.ring_state(index * 1000)


def test_a_state_is_taken_without_changing_the_period() -> None:
    period = KeyPeriod(PERIOD, ROOT)
    period.next_key()
    state = period.ring_state(5)
    assert state == period.ring_state(5)
    assert (state.period_id, state.first_index, state.start_ns) == (PERIOD, 1, 5)
    assert state.commitment == PeriodKeys(ROOT).commitment == RingKeys(state).commitment
    assert period.next_key() == (1, RingKeys(state).key(1))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=4), st.lists(st.integers(0, 200), max_size=20))
def test_whatever_is_asked_in_whatever_order(first: list[int], asked: list[int]) -> None:
    states = [state_at(index) for index in sorted(first)]
    keys, truth = RingKeys(states[0], states[1:]), PeriodKeys(ROOT)
    for index in asked:
        if index < states[0].first_index:
            with pytest.raises(ForbiddenError):
                keys.key(index)
        else:
            assert keys.key(index) == truth.key(index)


def test_a_run_of_keys() -> None:
    keys = RingKeys(state_at(5))
    assert list(keys.keys(6, 30)) == list(PeriodKeys(ROOT).keys(6, 30))
    assert list(keys.keys(9, 9)) == []
    with pytest.raises(ForbiddenError):
        list(keys.keys(4, 7))


def test_a_state_does_not_give_the_keys_before_it() -> None:
    """What a thief of the ring has: none of it is an earlier key, or a state from which one follows."""
    state = state_at(5)
    earlier = {PeriodKeys(ROOT).key(index) for index in range(5)} | {state_at(index).state for index in range(5)}
    later = {RingKeys(state).key(index) for index in range(5, 200)} | {state.state, state.commitment}
    assert not earlier & later


@pytest.mark.parametrize("index", [MAX_MESSAGES, MAX_MESSAGES + 7])
def test_messages_that_a_period_cannot_have(index: int) -> None:
    with pytest.raises(InvalidError):
        RingKeys(state_at(0)).key(index)
    with pytest.raises(InvalidError):
        RingKeys(RingState(PERIOD, index, ROOT, ROOT, 0))


def test_states_that_are_no_states() -> None:
    with pytest.raises(InvalidError):
        RingKeys(RingState(PERIOD, -1, ROOT, ROOT, 0))
    with pytest.raises(InvalidError):
        RingKeys(RingState(PERIOD, 0, ROOT[:-1], ROOT, 0))
    with pytest.raises(InvalidError):
        RingKeys(state_at(5), [state_at(4)])


def test_no_key_is_shown() -> None:
    state = state_at(0)
    for shown in (repr(state), repr(RingKeys(state))):
        assert ROOT.hex() not in shown
        assert repr(ROOT) not in shown

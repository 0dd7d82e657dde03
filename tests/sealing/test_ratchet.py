"""The ratchet: RFC 5869, keys given once, and the same keys when reading."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import ConflictError, InvalidError
from overt.sealing import ratchet
from overt.sealing.ratchet import MAX_MESSAGES, KeyPeriod, PeriodKeys, key_commitment, period_commitment


def expand(key: bytes, info: bytes) -> bytes:
    return HKDFExpand(hashes.SHA256(), 32, info).derive(key)


def test_keys_are_those_of_hkdf_expand() -> None:
    root = state = os.urandom(32)
    period = KeyPeriod(uuid4(), root)
    assert period.commitment == period_commitment(root) == expand(root, b"overt footage v1 commitment")
    for index in range(20):
        key = expand(state, b"overt footage v1 fragment")
        assert period.next_index == index
        assert period.next_key() == (index, key)
        assert key_commitment(key) == expand(key, b"overt footage v1 key commitment")
        state = expand(state, b"overt footage v1 next")


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.lists(st.integers(0, 1200), min_size=1, max_size=8))
def test_reading_in_any_order_gives_the_sealing_keys(root: bytes, order: list[int]) -> None:
    period = KeyPeriod(uuid4(), root)
    given_out = dict(period.next_key() for _ in range(max(order) + 1))
    keys = PeriodKeys(root)
    assert [keys.key(index) for index in order] == [given_out[index] for index in order]


@settings(max_examples=15)
@given(st.integers(0, 700), st.integers(-3, 40))
def test_a_range_is_its_single_keys(first: int, count: int) -> None:
    keys, others = PeriodKeys(bytes(32)), PeriodKeys(bytes(32))
    assert list(keys.keys(first, first + count)) == [(i, others.key(i)) for i in range(first, first + count)]


def test_the_state_after_a_key_does_not_lead_back_to_it() -> None:
    period = KeyPeriod(uuid4(), bytes(32))
    keys = [period.next_key()[1] for _ in range(3)]
    assert len(set(keys)) == 3
    assert bytes(32) not in {period._state, *keys}


def test_a_period_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratchet, "MAX_MESSAGES", 3)
    period = KeyPeriod(uuid4(), bytes(32))
    for _ in range(3):
        period.next_key()
    with pytest.raises(ConflictError, match="begin another period"):
        period.next_key()


@pytest.mark.parametrize("index", [-1, MAX_MESSAGES, 1 << 40])
def test_a_forged_index_is_refused_at_once(index: int) -> None:
    with pytest.raises(InvalidError, match="not one of a key period"):
        PeriodKeys(bytes(32)).key(index)


def test_a_range_does_not_run_past_the_end() -> None:
    with pytest.raises(InvalidError):
        list(PeriodKeys(bytes(32)).keys(MAX_MESSAGES - 1, MAX_MESSAGES + 1))


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_root_has_32_bytes(size: int) -> None:
    with pytest.raises(InvalidError, match="32 bytes"):
        KeyPeriod(uuid4(), bytes(size))
    with pytest.raises(InvalidError, match="32 bytes"):
        PeriodKeys(bytes(size))


def test_no_repr_shows_a_key() -> None:
    root = os.urandom(32)
    period = KeyPeriod(uuid4(), root)
    shown = repr(period) + repr(PeriodKeys(root)) + str(period)
    assert root.hex() not in shown
    assert repr(root) not in shown

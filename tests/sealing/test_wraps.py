"""Wraps: only the right roles of the right site open a period, and nothing of a wrap can be altered."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import CorruptError, ForbiddenError, InvalidError, OvertError
from overt.ids import StreamKey
from overt.sealing.ratchet import PeriodKeys
from overt.sealing.roles import Recipient, Recipients, RoleKey, fingerprint, key_id
from overt.sealing.wraps import WrappedKey, begin_period, unwrap, wrap_root

KEY = StreamKey("yard-2", "sub")
SITE = uuid4()


def role_key(role: str = "custodian", site: UUID = SITE) -> RoleKey:
    return RoleKey(site, "Library", role, datetime(2026, 1, 1, tzinfo=UTC), X25519PrivateKey.generate())


CUSTODIAN, WITNESS = role_key(), role_key("witness")


def recipients(*keys: RoleKey) -> Recipients:
    return Recipients(keys[0].site_id, keys[0].site, tuple(key.recipient for key in keys))


def test_one_role_opens_what_the_recorder_seals() -> None:
    period, wrapped = begin_period(recipients(CUSTODIAN), KEY)
    keys = PeriodKeys(unwrap(wrapped, [CUSTODIAN]))
    assert keys.commitment == period.commitment
    assert period.next_key() == (0, keys.key(0))
    assert (wrapped.policy, len(wrapped.sealed), wrapped.period_id) == ("single", 80, period.period_id)


def test_four_eyes_need_both_roles_in_any_order() -> None:
    period, wrapped = begin_period(recipients(CUSTODIAN, WITNESS), KEY)
    assert (wrapped.policy, len(wrapped.sealed)) == ("four-eyes", 128)
    for given_keys in ([CUSTODIAN, WITNESS], [WITNESS, CUSTODIAN]):
        assert PeriodKeys(unwrap(wrapped, given_keys)).commitment == period.commitment
    for only, missing in ((CUSTODIAN, WITNESS), (WITNESS, CUSTODIAN)):
        with pytest.raises(ForbiddenError) as caught:
            unwrap(wrapped, [only])
        assert missing.key_id in str(caught.value)
        assert only.key_id in str(caught.value)


def test_two_periods_share_nothing() -> None:
    first, first_wrap = begin_period(recipients(CUSTODIAN), KEY)
    second, second_wrap = begin_period(recipients(CUSTODIAN), KEY)
    assert first.period_id != second.period_id
    assert first.commitment != second.commitment
    assert first_wrap.sealed != second_wrap.sealed


def test_a_key_of_another_site_or_role_is_named() -> None:
    _, wrapped = begin_period(recipients(CUSTODIAN), KEY)
    elsewhere, successor = role_key(site=uuid4()), role_key()
    for stranger, expected in ((elsewhere, str(SITE)), (successor, "need role custodian")):
        with pytest.raises(ForbiddenError) as caught:
            unwrap(wrapped, [stranger])
        for word in (expected, CUSTODIAN.key_id, stranger.key_id, "yard-2/sub"):
            assert word in str(caught.value)
    with pytest.raises(ForbiddenError, match="given: none"):
        unwrap(wrapped, [])


@pytest.mark.parametrize("keys", [(CUSTODIAN,), (CUSTODIAN, WITNESS)])
def test_every_flipped_byte_of_a_wrap_is_refused(keys: tuple[RoleKey, ...]) -> None:
    _, wrapped = begin_period(recipients(*keys), KEY)
    encoded = wrapped.encode()
    assert WrappedKey.decode(encoded) == wrapped
    for at in range(len(encoded)):
        for flip in (0x01, 0x80):
            altered = bytearray(encoded)
            altered[at] ^= flip
            with pytest.raises(OvertError):
                unwrap(WrappedKey.decode(bytes(altered)), keys)
    for cut in range(len(encoded)):
        with pytest.raises(OvertError):
            WrappedKey.decode(encoded[:cut])


def test_layers_cannot_change_places() -> None:
    period_id, root = uuid4(), os.urandom(32)
    wrapped = wrap_root(root, period_id, KEY, recipients(CUSTODIAN, WITNESS))
    turned = WrappedKey(wrapped.site_id, period_id, KEY, wrapped.layers[::-1], wrapped.sealed)
    with pytest.raises(CorruptError, match="altered"):
        unwrap(turned, [CUSTODIAN, WITNESS])


def test_a_wrap_cannot_stand_for_another_camera_or_period() -> None:
    wrapped = wrap_root(os.urandom(32), uuid4(), KEY, recipients(CUSTODIAN))
    for period, key in ((uuid4(), KEY), (wrapped.period_id, StreamKey("yard-3", "sub"))):
        with pytest.raises(CorruptError):
            unwrap(WrappedKey(SITE, period, key, wrapped.layers, wrapped.sealed), [CUSTODIAN])


@settings(max_examples=100)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, begun: bool) -> None:
    if begun:
        data = b"OVWK\x01" + data
    try:
        wrapped = WrappedKey.decode(data)
    except (InvalidError, CorruptError):
        return
    assert wrapped.encode() == data


def test_a_public_key_of_small_order_is_refused() -> None:
    useless = Recipients(SITE, "Library", (Recipient("custodian", bytes(32)),))
    with pytest.raises(InvalidError, match="unusable"):
        begin_period(useless, KEY)


def test_recipients_are_one_role_or_two_different_ones() -> None:
    with pytest.raises(InvalidError, match="one role"):
        Recipients(SITE, "Library", ())
    with pytest.raises(InvalidError, match="four eyes"):
        recipients(CUSTODIAN, role_key())
    with pytest.raises(InvalidError, match="four eyes"):
        Recipients(SITE, "Library", (CUSTODIAN.recipient, Recipient("witness", CUSTODIAN.public_key)))
    with pytest.raises(InvalidError, match="32 bytes"):
        Recipient("custodian", b"short")
    with pytest.raises(InvalidError, match="role"):
        Recipient("Chief Custodian", CUSTODIAN.public_key)


def test_a_private_key_shows_only_its_name() -> None:
    assert CUSTODIAN.private_key.private_bytes_raw().hex() not in repr(CUSTODIAN)
    assert fingerprint(CUSTODIAN.public_key).replace(" ", "").startswith(key_id(CUSTODIAN.public_key))

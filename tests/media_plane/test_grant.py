"""Grants as tokens: what is accepted, and every forgery that is not."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from media_rig import ControlRoom, may
from overt.contract.grant import (
    MAX_TOKEN,
    Grant,
    covers,
    from_text,
    joined,
    read_public_key,
    to_text,
)
from overt.errors import ForbiddenError, InvalidError, OvertError

SECOND = 1_000_000_000
SITE = UUID(int=1)
ROOM = ControlRoom(SITE)
KEYS = [ROOM.key.public_key()]
GRANT = ROOM.grant(may("front", to_ns=1_700_000_000_123_456_789), secret=b"s" * 32)


def claims(**changes: Any) -> dict[str, Any]:
    found = jwt.decode(GRANT.to_token(ROOM.key), options={"verify_signature": False})
    return {name: value for name, value in (found | changes).items() if value is not ...}


def signed(**changes: Any) -> str:
    return jwt.encode(claims(**changes), ROOM.key, "EdDSA")


def segment(value: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def test_what_is_signed_is_read_back_to_the_nanosecond() -> None:
    assert Grant.from_token(GRANT.to_token(ROOM.key), KEYS, SITE) == GRANT


def test_the_claims_are_those_of_the_reference() -> None:
    said = claims()
    assert set(said) == {"iss", "sub", "jti", "aud", "iat", "nbf", "exp", "cnf", "may"}
    assert said["cnf"] == {"secret": to_text(GRANT.binding.secret or b"")}
    assert said["may"][0]["to_ns"] == "1700000000123456789"


def test_one_of_several_control_rooms_may_have_signed() -> None:
    keys = [Ed25519PrivateKey.generate().public_key(), *KEYS]
    assert Grant.from_token(GRANT.to_token(ROOM.key), keys, SITE) == GRANT


def test_a_grant_of_a_stranger_is_refused() -> None:
    with pytest.raises(ForbiddenError, match="not signed by"):
        Grant.from_token(GRANT.to_token(Ed25519PrivateKey.generate()), KEYS, SITE)


def test_without_keys_nothing_is_accepted() -> None:
    with pytest.raises(ForbiddenError):
        Grant.from_token(GRANT.to_token(ROOM.key), [], SITE)


def test_an_altered_grant_is_refused() -> None:
    head, _, signature = GRANT.to_token(ROOM.key).split(".")
    altered = segment(claims(sub="somebody else")).decode()
    with pytest.raises(ForbiddenError):
        Grant.from_token(f"{head}.{altered}.{signature}", KEYS, SITE)


@given(st.data())
def test_no_flipped_character_is_accepted(data: st.DataObject) -> None:
    token = GRANT.to_token(ROOM.key)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."))
    altered = token[:at] + other + token[at + 1 :]
    try:
        found = Grant.from_token(altered, KEYS, SITE)
    except OvertError:
        return
    # The last character of a segment has spare bits: another spelling of the same bytes.
    assert found == GRANT


@given(st.text(max_size=200) | st.binary(max_size=50) | st.none() | st.integers())
def test_any_text_is_refused_in_words(text: object) -> None:
    with pytest.raises((InvalidError, ForbiddenError)):
        Grant.from_token(text, KEYS, SITE)


def test_algorithm_none_is_refused() -> None:
    token = b".".join((segment({"alg": "none", "typ": "JWT"}), segment(claims()), b"")).decode()
    with pytest.raises(ForbiddenError, match="EdDSA"):
        Grant.from_token(token, KEYS, SITE)


def test_hs256_with_the_public_key_as_secret_is_refused() -> None:
    public = KEYS[0].public_bytes(Encoding.Raw, PublicFormat.Raw)
    message = segment({"alg": "HS256", "typ": "JWT"}) + b"." + segment(claims())
    signature = base64.urlsafe_b64encode(hmac.digest(public, message, "sha256")).rstrip(b"=")
    with pytest.raises(ForbiddenError, match="EdDSA"):
        Grant.from_token((message + b"." + signature).decode(), KEYS, SITE)


def test_a_key_in_the_header_is_not_believed() -> None:
    mine = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": to_text(mine.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))}
    token = jwt.encode(claims(), mine, "EdDSA", headers={"jwk": jwk, "kid": "../../key"})
    with pytest.raises(ForbiddenError):
        Grant.from_token(token, KEYS, SITE)


OTHER = "7c1f0a52-3c52-4d6e-9a55-0d2f8f6f3b11"


@pytest.mark.parametrize("audience", [OTHER, [str(SITE)], [str(SITE), OTHER], ""])
def test_another_recorders_audience_is_refused(audience: object) -> None:
    with pytest.raises((ForbiddenError, InvalidError)):
        Grant.from_token(signed(aud=audience), KEYS, SITE)


@pytest.mark.parametrize("claim", ["iss", "sub", "jti", "aud", "iat", "nbf", "exp", "cnf", "may"])
def test_every_claim_is_needed(claim: str) -> None:
    with pytest.raises((ForbiddenError, InvalidError)):
        Grant.from_token(signed(**{claim: ...}), KEYS, SITE)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": claims()["iat"] + 3601},
        {"exp": claims()["iat"]},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"iat": -1},
        {"jti": "1"},
        {"sub": ""},
        {"cnf": {}},
        {"cnf": {"secret": to_text(b"s" * 32), "ticket": to_text(b"t" * 32)}},
        {"cnf": {"secret": to_text(b"short")}},
        {"cnf": {"jkt": to_text(b"s" * 32)}},
        {"may": []},
        {"may": [{"cameras": ["front"], "rights": ["everything"], "from_ns": "0", "to_ns": None}]},
        {"may": [{"cameras": ["../x"], "rights": ["live"], "from_ns": "0", "to_ns": None}]},
        {"may": [{"cameras": ["*"], "rights": ["live"], "from_ns": "0", "to_ns": None}]},
        {"may": [{"cameras": ["front"], "rights": ["live"], "from_ns": "-1", "to_ns": None}]},
        {"may": [{"cameras": ["front"], "rights": ["live"], "from_ns": "9" * 21, "to_ns": None}]},
        {"may": [{"cameras": ["front"], "rights": ["live"], "from_ns": "9" * 5000, "to_ns": None}]},
        {"may": [{"cameras": ["front"], "rights": ["live"], "from_ns": "5", "to_ns": "5"}]},
        {"may": [{"cameras": ["front"], "rights": ["live"], "from_ns": "٣", "to_ns": None}]},
        {"may": [{"cameras": ["front"], "rights": ["live"], "from_ns": 1.5, "to_ns": None}]},
        {"may": [{"cameras": ["front"], "rights": ["live"], "from_ns": "0"}]},
        {"extra": 1},
    ],
)
def test_claims_that_say_something_else_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidError) as refusal:
        Grant.from_token(signed(**changes), KEYS, SITE)
    assert "short" not in str(refusal.value)


def test_an_endless_token_is_not_looked_at() -> None:
    with pytest.raises(InvalidError, match="at most"):
        Grant.from_token("a" * (MAX_TOKEN + 1), KEYS, SITE)


def test_times_are_strict() -> None:
    ends, begins = GRANT.expires_s * SECOND, GRANT.not_before_s * SECOND
    GRANT.check_times(ends - 1)
    GRANT.check_times(begins)
    with pytest.raises(ForbiddenError, match="expired"):
        GRANT.check_times(ends)
    with pytest.raises(ForbiddenError, match="not begun"):
        GRANT.check_times(begins - 1)


def test_no_secret_in_what_is_printed() -> None:
    digest = to_text(GRANT.binding.secret or b"")
    assert digest not in repr(GRANT)
    assert GRANT.to_token(ROOM.key).split(".")[2] not in repr(GRANT)


def test_a_grant_lasts_an_hour_at_most() -> None:
    ROOM.grant(secret=b"s" * 32, lifetime_s=3600)
    with pytest.raises(ValidationError):
        ROOM.grant(secret=b"s" * 32, lifetime_s=3601)


@given(st.binary(min_size=32, max_size=32))
def test_base64url_has_one_spelling(value: bytes) -> None:
    text = to_text(value)
    assert from_text(text, 32, "it") == value
    for other in (text + "=", text + "A", text[:-1], " " + text, text.replace(text[-1], "+")):
        with pytest.raises(InvalidError):
            assert from_text(other, 32, "it") == b""
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(text[-1])
    spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last | 1]
    with pytest.raises(InvalidError):
        from_text(text[:-1] + spare, 32, "it")


def test_public_keys() -> None:
    assert read_public_key(ROOM.public_key) == KEYS[0]
    with pytest.raises(InvalidError):
        read_public_key("x" * 43 + "=")


WINDOWS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=6
)


@given(WINDOWS, st.integers(0, 40), st.integers(1, 10))
def test_a_span_is_covered_if_each_of_its_nanoseconds_is(
    windows: list[tuple[int, int]], start: int, length: int
) -> None:
    each = all(any(begin <= ns < end for begin, end in windows) for ns in range(start, start + length))
    assert covers(joined(windows), start, start + length) == each

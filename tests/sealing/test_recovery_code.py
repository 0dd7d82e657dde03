"""Recovery codes: what a person writes down comes back, whatever slips of hand and keyboard lie between."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.sealing.recovery_code import ALPHABET, RANDOM_LENGTH, _written, new_recovery_code, parse_recovery_code

CODES = st.text(ALPHABET, min_size=RANDOM_LENGTH, max_size=RANDOM_LENGTH).map(_written)
EXAMPLE = "0123-4567-89AB-CDEF-GHJK-MNPQ-RSTV-81Y3"


def test_a_code_is_eight_groups_of_four() -> None:
    codes = {new_recovery_code() for _ in range(50)}
    assert len(codes) == 50
    for code in codes:
        assert re.fullmatch(rf"([{ALPHABET}]{{4}}-){{7}}[{ALPHABET}]{{4}}", code)
        assert parse_recovery_code(code) == code


@given(CODES, st.data())
def test_typing_is_forgiven(code: str, data: st.DataObject) -> None:
    slips = {"0": "0Oo", "1": "1IiLl"}
    typed = ""
    for character in code:
        choices = slips.get(character, character + character.lower())
        typed += data.draw(st.sampled_from(choices)) if character != "-" else data.draw(st.sampled_from(["-", " ", ""]))
    assert parse_recovery_code(f"  {typed}\n") == code


@given(CODES, st.data())
def test_one_wrong_character_is_found(code: str, data: st.DataObject) -> None:
    code = code.replace("-", "")
    at = data.draw(st.integers(0, 31))
    wrong = data.draw(st.sampled_from([c for c in ALPHABET if c != code[at]]))
    with pytest.raises(InvalidError, match="checksum"):
        parse_recovery_code(code[:at] + wrong + code[at + 1 :])


@pytest.mark.parametrize(
    ("typed", "message"),
    [("", "got 0"), ("0123-4567", "got 8"), ("U123" + EXAMPLE[4:], "group 1"), ("é" * 32, "group 1")],
)
def test_what_is_wrong_is_said(typed: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        parse_recovery_code(typed)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(typed: str) -> None:
    try:
        code = parse_recovery_code(typed)
    except InvalidError:
        return
    assert parse_recovery_code(code) == code

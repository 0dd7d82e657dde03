"""Canonical JSON: one text for one value, so that a hash of the text is a hash of the value.

RFC 8785 (JSON Canonicalization Scheme) without floating-point numbers: members sorted by the UTF-16 code units of
their names (§3.2.3), no white space, the shortest escapes (§3.2.2.2), UTF-8. Integers are smaller than 2⁵³ in size,
which every JSON reader keeps (RFC 7493 §2.2).
"""

from __future__ import annotations

import json
from typing import Any, Final

from overt.errors import InvalidError

MAX_INTEGER: Final = (1 << 53) - 1
MAX_DEPTH: Final = 32
MAX_BYTES: Final = 1 << 20


def encode(value: Any, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the canonical text of a value made of dict, list, tuple, str, int, bool and None.

    Raises:
        InvalidError: it holds something else, such as a float; is nested deeper than `max_depth`; or longer than
            `max_bytes`.
    """
    text = json.dumps(_sorted(value, max_depth), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        msg = "half of a surrogate pair is no character, and does not go into a ledger: repair the text"
        raise InvalidError(msg) from error
    if len(data) > max_bytes:
        msg = f"{len(data)} bytes are too many for one entry of a ledger: at most {max_bytes}"
        raise InvalidError(msg)
    return data


def decode(data: bytes) -> Any:
    """Read a canonical text.

    Raises:
        InvalidError: it is not JSON, or not the canonical text of what it says.
    """
    if len(data) > MAX_BYTES:
        msg = f"{len(data)} bytes are too many for canonical JSON here: at most {MAX_BYTES}"
        raise InvalidError(msg)
    try:
        value = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON: {error}"
        raise InvalidError(msg) from error
    if encode(value) != data:
        msg = "JSON, but not in canonical form: sorted members, no spaces, no repeated member"
        raise InvalidError(msg)
    return value


def _sorted(value: Any, deeper: int) -> Any:
    """Return a value with the members of its objects in order; refuse what canonical JSON here does not hold."""
    if deeper < 0:
        msg = "an entry of a ledger is nested too deep"
        raise InvalidError(msg)
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            msg = f"{value} is beyond ±{MAX_INTEGER}, which not every reader of JSON keeps: write it as text"
            raise InvalidError(msg)
        return value
    if isinstance(value, list | tuple):
        return [_sorted(each, deeper - 1) for each in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            msg = "members of an object in a ledger have names that are text"
            raise InvalidError(msg)
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _sorted(value[name], deeper - 1) for name in names}
    msg = f"{type(value).__name__} does not go into a ledger: write text, whole numbers, true, false or null"
    raise InvalidError(msg)


def _refuse(text: str) -> Any:
    msg = f"{text} is not a whole number"
    raise ValueError(msg)


def _integer(text: str) -> int:
    if len(text) > 17:
        msg = f"{text[:17]}... is too large a number"
        raise ValueError(msg)
    return int(text)

"""What stands in the tree, and what stands beside it.

The *envelope* is the leaf: version, time, kind, and a commitment to the *body*. It is public and holds nothing about
persons. The body holds what happened; it lies apart with its salt, and can be pruned without touching the tree.

```
commitment = SHA-256(salt (32 random bytes) ‖ canonical body)
```
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from overt.errors import InvalidError
from overt.ledger import base64text, canonical
from overt.ledger.merkle import leaf_hash

VERSION: Final = 1
SALT_SIZE: Final = 32
MICROSECOND: Final = 1000
MAX_BODY: Final = 256 * 1024
MAX_DEPTH: Final = canonical.MAX_DEPTH - 1
"""A body stands inside another object in a proof."""
PRUNED: Final = b"pruned"
"""What stands in place of a body that was pruned."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_NS: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * MICROSECOND
_KIND: Final = re.compile(r"[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)*", re.ASCII)
_MAX_KIND: Final = 63
_ENVELOPE: Final = re.compile(
    rb'\{(?:"behind_us":([1-9][0-9]{0,15}),)?"commitment":"([A-Za-z0-9+/]{43}=)","kind":"([a-z0-9._-]{1,63})",'
    rb'"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)","v":1\}'
)
_LINE: Final = re.compile(rb"([A-Za-z0-9+/]{43}=) (\{.*\})", re.DOTALL)


def time_text(ns: int) -> str:
    """Write a moment as envelopes do: RFC 3339 in UTC, six decimals, `Z`; what is finer, or after 9999, is cut."""
    moment = _EPOCH + timedelta(microseconds=min(ns, LATEST_NS) // MICROSECOND)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_time(text: str) -> int:
    """Return nanoseconds since the Unix epoch of an envelope's time.

    Raises:
        InvalidError: there is no such moment.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is no moment: {error}"
        raise InvalidError(msg) from error
    if moment < _EPOCH:
        msg = f"{text!r} lies before 1970"
        raise InvalidError(msg)
    return (moment - _EPOCH) // timedelta(microseconds=1) * MICROSECOND


def checked_kind(kind: str) -> str:
    """Return a kind of leaf, if it is lawful.

    Raises:
        InvalidError: it is not words of lower-case letters, digits, '-' and '_', joined by dots, 63 characters at most.
    """
    if len(kind) > _MAX_KIND or not _KIND.fullmatch(kind):
        msg = f"{kind[:80]!r} is no kind of leaf: lower-case words joined by dots, such as look.opened"
        raise InvalidError(msg)
    return kind


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to be written down. The kind is public for good; the body is what may be pruned."""

    kind: str
    """Such as `look.opened`. Never anything about a person."""
    body: Mapping[str, Any]
    """What happened: JSON without floating-point numbers (`overt.ledger.canonical`)."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf, by its index in the tree."""

    index: int
    kind: str
    time_ns: int
    """When it was written, UTC, whole microseconds; never before the leaf in front of it."""
    behind_us: int
    """By how much the machine's clock was behind that time, because it had been set back; 0 if it was not."""
    commitment: bytes

    def envelope(self) -> bytes:
        """Return the bytes that stand in the tree."""
        value: dict[str, Any] = {
            "commitment": base64text.encode(self.commitment),
            "kind": self.kind,
            "time": time_text(self.time_ns),
            "v": VERSION,
        }
        if self.behind_us:
            value["behind_us"] = self.behind_us
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, index: int, envelope: bytes) -> Leaf:
        """Read the bytes that stand in the tree.

        Raises:
            InvalidError: they are not an envelope of version 1 in canonical form.
        """
        match = _ENVELOPE.fullmatch(envelope)
        if match is None:
            msg = f"leaf {index} is no envelope of version {VERSION}"
            raise InvalidError(msg)
        behind, commitment, kind, moment = match.groups()
        return cls(
            index,
            checked_kind(kind.decode()),
            read_time(moment.decode()),
            int(behind or 0),
            base64text.decode(commitment.decode(), f"the commitment of leaf {index}", 32),
        )

    def __str__(self) -> str:
        """Name the leaf for a reader."""
        return f"leaf {self.index} ({self.kind}, {time_text(self.time_ns)})"

    @property
    def hash(self) -> bytes:
        """The leaf's hash in the tree."""
        return leaf_hash(self.envelope())


@dataclass(frozen=True, slots=True)
class Body:
    """A body with its salt, as it lies beside the tree."""

    salt: bytes
    text: bytes
    """Canonical JSON: an object."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Body:
        """Return a body with a fresh salt.

        Raises:
            InvalidError: it is not canonical JSON's (`overt.ledger.canonical.encode`).
        """
        return cls(os.urandom(SALT_SIZE), canonical.encode(dict(body), max_depth=MAX_DEPTH, max_bytes=MAX_BODY))

    @property
    def commitment(self) -> bytes:
        """SHA-256(salt ‖ text), as the envelope has it."""
        return hashlib.sha256(self.salt + self.text).digest()

    def value(self) -> dict[str, Any]:
        """Return what it says.

        Raises:
            InvalidError: it is not canonical JSON.
        """
        value = canonical.decode(self.text)
        if not isinstance(value, dict):
            msg = "a body is a JSON object"
            raise InvalidError(msg)
        return value

    def line(self) -> bytes:
        """Return it as a line of a bundle of bodies, without the newline."""
        return base64text.encode(self.salt).encode() + b" " + self.text

    @classmethod
    def parse(cls, line: bytes) -> Body | None:
        """Read a line of a bundle; None if the body was pruned.

        Raises:
            InvalidError: it is neither. Whether the text is canonical is not looked at: the commitment decides.
        """
        if line == PRUNED:
            return None
        match = _LINE.fullmatch(line)
        if match is None:
            msg = "neither a body with its salt nor the mark of a pruned one"
            raise InvalidError(msg)
        return cls(base64text.decode(match[1].decode(), "the salt", SALT_SIZE), match[2])

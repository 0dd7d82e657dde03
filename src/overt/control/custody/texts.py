"""What security keys sign: a request as one canonical text, whose SHA-256 is the challenge.

The text is JSON (RFC 8259) with sorted members and no blanks, in UTF-8. It says who asks for what, of which cameras and
hours, for what purpose, when and where; nothing that is not in it is consented to. docs/formats/key-requests.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from overt.errors import CorruptError

if TYPE_CHECKING:  # what reads a text needs no database
    from overt.control.acts.recording import Json

FORMAT: Final = "overt key request"
VERSION: Final = 1


def text_of(kind: str, members: Mapping[str, Json]) -> str:
    """Return the canonical text of a request."""
    told = {"format": FORMAT, "version": VERSION, "kind": kind, **members}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def challenge_of(text: str) -> bytes:
    """Return the 32 bytes that a security key signs."""
    return hashlib.sha256(text.encode()).digest()


def read(text: str) -> dict[str, Any]:
    """Return the members of a text.

    Raises:
        CorruptError: it is none.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = "a key request's text is no JSON"
        raise CorruptError(msg) from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        msg = "this is not the text of a key request"
        raise CorruptError(msg)
    return told

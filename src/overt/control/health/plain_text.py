"""Texts from outside (of cameras, recorders, people) on their way into tables, pages and messages."""

from __future__ import annotations

import re
from typing import Final

MAX_SAID: Final = 300
"""Characters of what a recorder or a camera says."""
_UNSEEN: Final = re.compile(r"[\ud800-\udfff\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]+")


def plain(text: str, limit: int = MAX_SAID) -> str:
    """Return a text from outside on one line, without what cannot be seen, and not too long."""
    if text.isascii() and text.isprintable() and len(text) <= limit and "  " not in text and text == text.strip():
        return text  # nearly all are so, and thousands come every few seconds
    line = " ".join(_UNSEEN.sub(" ", text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

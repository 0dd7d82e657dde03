"""Finding the next message in a byte stream that lost its structure (RFC 2326 §10.12)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

FRAME_HEADER_BYTES: Final = 4
MAX_FRAME_BYTES: Final = FRAME_HEADER_BYTES + 0xFFFF
"""No more than this, and the next frame's header, must be kept to confirm a frame."""

_RTSP: Final = re.compile(rb"RTSP/\d\.\d[ \t]+\d{3}[ \t\r\n]")
_LONGEST_PREFIX: Final = 14
_STARTS: Final = re.compile(rb"[$R]")


@dataclass(frozen=True, slots=True)
class Resume:
    """Where reading can go on."""

    offset: int
    """What stands before it is garbage and can be dropped."""
    confirmed: bool
    """A message or a chain of two frames stands at `offset`. False: keep the bytes from there and ask again later."""


def find_resume(data: bytes | bytearray | memoryview, channels: AbstractSet[int], start: int = 0) -> Resume:
    """Find the next plausible `$` frame header or RTSP status line in `data` at or after `start`.

    `channels` are the interleaved channels in use. A frame is plausible if its channel is known, its length can be
    that of RTP or RTCP, and its first byte has RTP version 2 (RFC 3550 §5.1); it is confirmed if another plausible
    header or `RTSP/` follows it directly. The first confirmed place wins; while there is none, the first plausible
    one is returned unconfirmed, or the few last bytes that may begin something. Never raises; linear in `data`.
    """
    view = bytes(data)
    waiting: int | None = None
    for match in _STARTS.finditer(view, start):
        offset = match.start()
        verdict = _text_at(view, offset) if view[offset] == 0x52 else _chain_at(view, offset, channels)
        if verdict:
            return Resume(offset, confirmed=True)
        if verdict is None and waiting is None:
            waiting = offset
    return Resume(len(view) if waiting is None else waiting, confirmed=False)


def _text_at(view: bytes, offset: int) -> bool | None:
    """True: a status line begins here; None: the data ends before that can be told; False: none does."""
    if _RTSP.match(view, offset):
        return True
    rest = view[offset : offset + _LONGEST_PREFIX]
    if len(rest) < _LONGEST_PREFIX and (b"RTSP/".startswith(rest[:5]) or rest.startswith(b"RTSP/")):
        return None
    return False


def _frame_at(view: bytes, offset: int, channels: AbstractSet[int]) -> int | None:
    """Return the offset after the frame that may begin here: 0 if none can, None if the data ends too early."""
    known = len(view) - offset
    if known >= 2 and view[offset + 1] not in channels:
        return 0
    if known < FRAME_HEADER_BYTES:
        return None
    length = view[offset + 2] << 8 | view[offset + 3]
    # The shortest packets there are: an RTCP header with one SSRC (RFC 3550 §6), shorter than an RTP header.
    if length < 8:
        return 0
    if known > FRAME_HEADER_BYTES and view[offset + FRAME_HEADER_BYTES] >> 6 != 2:
        return 0
    return offset + FRAME_HEADER_BYTES + length


def _chain_at(view: bytes, offset: int, channels: AbstractSet[int]) -> bool | None:
    """True: a frame followed by another header or text; None: plausible as far as the data goes; False: no frame."""
    after = _frame_at(view, offset, channels)
    if after is None:
        return None
    if after == 0:
        return False
    if after >= len(view):
        return None
    if view[after] == 0x24:
        following = _frame_at(view, after, channels)
        return None if following is None else following != 0
    return _text_at(view, after)

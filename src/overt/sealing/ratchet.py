"""Key periods: from one random root, a key for every sealed record, each forgotten once it was used.

With k the period's state, beginning as its 32-byte root (docs/formats/footage.md, "Keys"; HKDF-Expand is RFC 5869
§2.3 with SHA-256 and 32 bytes of output):

    record key  = HKDF-Expand(k, "overt footage v1 fragment")
    next k      = HKDF-Expand(k, "overt footage v1 next")

A recorder keeps only the state after the last key: whoever takes its memory can read what comes, not what was.
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from overt.errors import ConflictError, ForbiddenError, InvalidError

KEY_SIZE: Final = 32
MAX_MESSAGES: Final = 1 << 18
"""Keys of one period. An hour of 200 ms fragments takes 18,000; a forged index cannot make a reader step for hours."""
CHECKPOINT: Final = 256
"""Every so many steps a reader remembers the state, so that going back costs at most this many steps."""

_FRAGMENT: Final = b"overt footage v1 fragment\x01"
_NEXT: Final = b"overt footage v1 next\x01"
_PERIOD_COMMITMENT: Final = b"overt footage v1 commitment\x01"
_KEY_COMMITMENT: Final = b"overt footage v1 key commitment\x01"


def _expand(key: bytes, info_and_counter: bytes) -> bytes:
    """Return HKDF-Expand(key, info, 32): for one block of output, T(1) = HMAC(key, info ‖ 0x01).

    Written with the standard library's HMAC because it takes half the time of building an HKDF object per step.
    """
    return hmac.digest(key, info_and_counter, hashlib.sha256)


def period_commitment(root: bytes) -> bytes:
    """Return the 32 bytes in every segment header by which a root can be told from another one before it is used."""
    return _expand(root, _PERIOD_COMMITMENT)


def key_commitment(record_key: bytes) -> bytes:
    """Return the 32 bytes in a record's header that bind it to one key (AES-GCM alone does not: decision 2)."""
    return _expand(record_key, _KEY_COMMITMENT)


def _checked_root(root: bytes) -> bytes:
    """Return a copy of a root of the right size."""
    if len(root) != KEY_SIZE:
        msg = f"a period's root has {KEY_SIZE} bytes, got {len(root)}"
        raise InvalidError(msg)
    return bytes(root)


class KeyPeriod:
    """The sealing side of a key period: gives each key once and cannot go back.

    Not thread-safe: owned by the writer thread. Its `repr` shows no key.
    """

    __slots__ = ("_state", "commitment", "next_index", "period_id")

    def __init__(self, period_id: UUID, root: bytes) -> None:
        """Begin at message 0. The caller forgets the root once it is wrapped.

        Raises:
            InvalidError: if the root is not 32 bytes long.
        """
        self.period_id: Final = period_id
        self._state = _checked_root(root)
        self.commitment: Final = period_commitment(self._state)
        self.next_index = 0
        """Message index of the key that `next_key` gives next."""

    def __repr__(self) -> str:
        """Name the period and its position, never its state."""
        return f"KeyPeriod({self.period_id}, next_index={self.next_index})"

    def next_key(self) -> tuple[int, bytes]:
        """Return a message index and its 32-byte key, and forget what made it.

        A key seals one message. When the write that follows fails, the index is spent all the same.

        Raises:
            ConflictError: after `MAX_MESSAGES` keys; begin another period.
        """
        index = self.next_index
        if index >= MAX_MESSAGES:
            msg = f"key period {self.period_id} has given all its {MAX_MESSAGES} keys: begin another period"
            raise ConflictError(msg)
        state = self._state
        key = hmac.digest(state, _FRAGMENT, hashlib.sha256)
        self._state = hmac.digest(state, _NEXT, hashlib.sha256)
        self.next_index = index + 1
        return index, key

    def ring_state(self, start_ns: int) -> RingState:
        """Return what opens the messages from the next one on: to be forgotten when they may not be opened any more.

        Args:
            start_ns: when the footage begins that the next message seals, in nanoseconds since the Unix epoch.
        """
        return RingState(self.period_id, self.next_index, self._state, self.commitment, start_ns)


@dataclass(frozen=True, slots=True)
class RingState:
    """The state of a key period before one message: opens that message and all after it, and none before."""

    period_id: UUID
    first_index: int
    """The first message that it opens."""
    state: bytes = field(repr=False)
    commitment: bytes
    """The period's commitment, as in the header of its segments."""
    start_ns: int
    """When the footage of message `first_index` begins, nanoseconds since the Unix epoch, UTC."""


class MessageKeys(Protocol):
    """Gives the keys of some messages of a period, or of all: what reading needs."""

    @property
    def commitment(self) -> bytes:
        """The period's commitment, by which its segments know it."""
        ...

    def key(self, index: int) -> bytes:
        """Return the key of message `index`; raises `InvalidError` if there is no such message."""
        ...

    def keys(self, first: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Yield (message index, key) for `first` ≤ index < `stop`."""
        ...


class PeriodKeys:
    """The reading side: any key of a period whose root was released. Remembers every 256th state and the last one.

    Not thread-safe. Reaching message n for the first time costs n steps of about 3 µs, later at most 256; reading on
    in order costs one.
    """

    __slots__ = ("_last", "_last_index", "_states", "commitment")

    def __init__(self, root: bytes) -> None:
        """Begin with the released root.

        Raises:
            InvalidError: if it is not 32 bytes long.
        """
        self._states = [_checked_root(root)]
        self._last_index, self._last = 0, self._states[0]
        self.commitment: Final = period_commitment(self._states[0])

    def __repr__(self) -> str:
        """Show no key."""
        return f"PeriodKeys(commitment={self.commitment.hex()[:16]}…)"

    def key(self, index: int) -> bytes:
        """Return the key of message `index`.

        Raises:
            InvalidError: if a period cannot have such a message.
        """
        return _expand(self._state(index), _FRAGMENT)

    def keys(self, first: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Yield (message index, key) for `first` ≤ index < `stop`.

        Raises:
            InvalidError: if a period cannot have such messages.
        """
        if stop <= first:
            return
        state = self._state(first)
        for index in range(first, stop):
            if index >= MAX_MESSAGES:
                self._state(index)
            yield index, _expand(state, _FRAGMENT)
            state = _expand(state, _NEXT)

    def _state(self, index: int) -> bytes:
        """Return the state before message `index`, leaving checkpoints on the way."""
        if not 0 <= index < MAX_MESSAGES:
            msg = f"message {index} is not one of a key period: they run from 0 to {MAX_MESSAGES - 1}"
            raise InvalidError(msg)
        states = self._states
        whole, rest = divmod(index, CHECKPOINT)
        while len(states) <= whole:
            state = states[-1]
            for _ in range(CHECKPOINT):
                state = _expand(state, _NEXT)
            states.append(state)
        state = states[whole]
        if index - rest <= self._last_index <= index:
            state, rest = self._last, index - self._last_index
        for _ in range(rest):
            state = _expand(state, _NEXT)
        self._last_index, self._last = index, state
        return state


class RingKeys:
    """The reading side of a period of which one state is known: the keys of its message and of all that follow.

    Not thread-safe. Steps on from the nearest state before.
    """

    __slots__ = ("_indices", "_last", "_last_index", "_states", "commitment")

    def __init__(self, state: RingState, later: Sequence[RingState] = ()) -> None:
        """Begin at a state of the ring; later ones of the same period only save steps.

        Raises:
            InvalidError: if one is not 32 bytes long, or not one of a key period, or they are not in order.
        """
        self._indices = [each.first_index for each in (state, *later)]
        self._states = [_checked_root(each.state) for each in (state, *later)]
        if self._indices != sorted(self._indices) or not 0 <= self._indices[0] <= self._indices[-1] < MAX_MESSAGES:
            msg = f"messages {self._indices} are not in order, or none of a key period: 0 to {MAX_MESSAGES - 1}"
            raise InvalidError(msg)
        self._last_index, self._last = self._indices[0], self._states[0]
        self.commitment: Final = state.commitment

    def __repr__(self) -> str:
        """Show no key."""
        return f"RingKeys(commitment={self.commitment.hex()[:16]}…, first_index={self._indices[0]})"

    def key(self, index: int) -> bytes:
        """Return the key of message `index`.

        Raises:
            ForbiddenError: if it lies before the state: nothing that is known here opens it.
            InvalidError: if a period cannot have such a message.
        """
        return _expand(self._state(index), _FRAGMENT)

    def keys(self, first: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Yield (message index, key) for `first` ≤ index < `stop`.

        Raises:
            ForbiddenError: if `first` lies before the state.
            InvalidError: if a period cannot have such messages.
        """
        for index in range(first, stop):
            yield index, self.key(index)

    def _state(self, index: int) -> bytes:
        """Return the state before message `index`."""
        if index >= MAX_MESSAGES:
            msg = f"message {index} is not one of a key period: they run from 0 to {MAX_MESSAGES - 1}"
            raise InvalidError(msg)
        nearest = bisect_right(self._indices, index) - 1
        if nearest < 0:
            msg = f"message {index} lies before what the ring opens, which begins at message {self._indices[0]}"
            raise ForbiddenError(msg)
        at, state = self._indices[nearest], self._states[nearest]
        if at <= self._last_index <= index:
            at, state = self._last_index, self._last
        for _ in range(index - at):
            state = _expand(state, _NEXT)
        self._last_index, self._last = index, state
        return state

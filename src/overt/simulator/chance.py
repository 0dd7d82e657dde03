"""Chance that can be repeated: the same seed makes the same faults on every machine and every Python version."""

from __future__ import annotations

from typing import Final

_MASK: Final = (1 << 64) - 1


class Chance:
    """SplitMix64: a counter whose values are mixed well. Fit for faults, never for secrets. Not thread-safe."""

    def __init__(self, seed: int) -> None:
        """Begin the sequence that belongs to `seed`."""
        self._state = seed & _MASK

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1 (`limit` well below 2**64, so the bias does not matter)."""
        return self._next() % limit

    def block(self, size: int) -> bytes:
        """Return `size` bytes."""
        words = [self._next().to_bytes(8, "big") for _ in range((size + 7) // 8)]
        return b"".join(words)[:size]

    def _next(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

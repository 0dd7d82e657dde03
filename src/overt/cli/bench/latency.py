"""Quantiles of latencies that were counted in classes (`overt.recorder.health.LatencyHealth`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overt.recorder.health import LATENCY_BOUNDS_S


def added(counts: Iterable[Sequence[int]]) -> list[int]:
    """Add up the classes of several workers."""
    return [sum(each) for each in zip(*counts, strict=True)]


def quantile_s(counts: Sequence[int], share: float, longest_s: float) -> float | None:
    """Return the latency that `share` (0 to 1) of the fragments did not exceed; None if there are none.

    Within a class the fragments are taken to be spread evenly; `longest_s` closes the last one.
    """
    wanted = share * sum(counts)
    if not wanted:
        return None
    below, reached = 0.0, 0
    for number, count in enumerate(counts):
        bound = LATENCY_BOUNDS_S[number] if number < len(LATENCY_BOUNDS_S) else longest_s
        bound = max(below, min(bound, longest_s))
        if count and reached + count >= wanted:
            return below + (bound - below) * (wanted - reached) / count
        reached += count
        below = bound
    return longest_s

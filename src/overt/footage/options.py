"""What can be chosen about a footage store, with its bounds; plain values without behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SECOND: Final = 1_000_000_000
HOUR: Final = 3600 * SECOND
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The numbers by which a store works. The defaults are meant for use; tests shorten them."""

    queue_bytes: int = 64 * MIB
    """Payload bytes waiting for the disk, all streams together; beyond it fragments are refused, never buffered."""
    tick_s: float = 0.02
    """The writer wakes at most once in this time, so that 64 cameras cost 50 wake-ups a second and not 128."""
    segment_s: float = 60.0
    """A segment ends at the first keyframe after a mark of this raster, which each stream shifts by its own share."""
    segment_limit_s: float = 90.0
    """A segment ends here even without a keyframe."""
    flush_interval_s: float = 5.0
    """Written footage reaches the device within this time: what a power cut may cost. A kill costs none of it."""
    min_free_bytes: int = 256 * MIB
    """Below this free space nothing is written at a location (or deletion begins, by `on_full`)."""
    on_full: Literal["stop", "delete-oldest"] = "stop"
    """Whether a full disk may delete footage that is inside its retention, oldest first; never what a hold names."""
    probe_interval_s: float = 0.25
    """How often a failed location is tried again."""
    space_interval_s: float = 0.5
    """How often free space is read."""
    slow_s: float = 2.0
    """A disk that takes longer for one round of writing is called slow."""
    ring_s: float = 600.0
    """How far back the keys of what was recorded are remembered, so that it can be looked at again; 0: not at all."""
    retention_interval_s: float = 60.0
    clock_doubt_s: float = 7 * 86_400.0
    """How long a wall clock that is more than a day ahead must stand before footage is deleted by it."""
    choose: Literal["most-free", "in-order"] = "most-free"
    """Which location gets the next segment: the one with the largest free share, or the first that works."""
    compare_at_start: bool = True
    """Hold files against rows in the background after opening, and repair what can be repaired."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long footage of one camera may be kept, at most; what is reached first counts. None: no such limit."""

    days: float | None = 31.0
    bytes: int | None = None

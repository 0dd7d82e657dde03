"""What the program tells the media process, and what it hears from it, over the pipe between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

MODULE: Final = "overt.recorder.media_plane.process"
"""What is run as a process by `overt.recorder.media_plane.host`."""


@dataclass(frozen=True, slots=True)
class MediaOrder:
    """All that the media process is told when it starts."""

    footage: Path
    locations: tuple[Path, ...]
    listener: int
    """Descriptor of the TCP socket, bound and listening: it outlives the process, so that no viewer is refused."""
    host: str
    """Host part of `media_listen`."""
    site_id: UUID
    site: str
    grant_keys: tuple[str, ...]
    origins: tuple[str, ...]
    ring_s: float
    time_zone: str
    certificate: tuple[Path, Path] | None = None
    """PEM files of certificate and private key; None: viewers are served in the clear."""


@dataclass(frozen=True, slots=True)
class StopMedia:
    """End."""


@dataclass(frozen=True, slots=True)
class MediaReport:
    """What the media process knows of itself, about once a second."""

    sessions: int
    viewers: int
    streams_watched: int
    fragments_dropped: int
    cpu_s: float
    memory_bytes: int
    certificate_ends_ns: int = 0
    """When the certificate in use ends; 0: there is none."""
    certificate_trouble: str = ""

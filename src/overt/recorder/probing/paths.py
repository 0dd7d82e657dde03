"""Paths at which makers' cameras show their streams as they come out of the box, where ONVIF does not tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WellKnown:
    """Where cameras of one family have their main stream and, if there is one, the smaller second."""

    family: str
    main: str
    sub: str | None = None


WELL_KNOWN: Final = (
    WellKnown("Hikvision", "/Streaming/Channels/101", "/Streaming/Channels/102"),
    WellKnown("Dahua", "/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1"),
    WellKnown("Axis", "/axis-media/media.amp"),
    WellKnown("Hanwha", "/profile1/media.smp", "/profile2/media.smp"),
    WellKnown("Reolink", "/h264Preview_01_main", "/h264Preview_01_sub"),
    WellKnown("TP-Link", "/stream1", "/stream2"),
    WellKnown("Uniview", "/media/video1", "/media/video2"),
    WellKnown("Foscam", "/videoMain", "/videoSub"),
    WellKnown("Vivotek", "/live.sdp", "/live2.sdp"),
)
"""Public, from the makers' manuals. None holds a password."""
ONVIF_PORTS: Final = (80, 8000, 8080, 2020, 8899)
ONVIF_TLS_PORTS: Final = frozenset({443, 8443})

"""The time of a simulated camera: its clocks, and which frame of its reel is due when.

A camera films whether anybody watches or not: its frames are counted from the moment it started.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from overt.simulator.persona import CameraClock
    from overt.simulator.reel import Reel, ReelFrame


class CameraTime:
    """Two clocks of a camera, both with its drift: media time, which paces frames, and its idea of UTC."""

    def __init__(self, clock: CameraClock, monotonic: float, utc_ns: int) -> None:
        """Start both at this moment; `monotonic` is in seconds."""
        self._rate = 1.0 + clock.drift_ppm / 1e6
        self._started = monotonic
        self._utc_ns = utc_ns + round(clock.offset_s * 1e9)
        self._anchor = monotonic
        self._anchor_media = 0.0
        self._factor = 1.0

    def media_s(self, monotonic: float) -> float:
        """Return the seconds of film since the camera started."""
        return self._anchor_media + (monotonic - self._anchor) * self._factor * self._rate

    def monotonic(self, media_s: float) -> float:
        """Return when media time will be `media_s`."""
        return self._anchor + (media_s - self._anchor_media) / (self._factor * self._rate)

    def wall_ns(self, monotonic: float) -> int:
        """Return what the camera believes UTC to be, in nanoseconds since 1970."""
        return self._utc_ns + round((monotonic - self._started) * self._rate * 1e9)

    def step(self, seconds: float) -> None:
        """Put the wall clock forward."""
        self._utc_ns += round(seconds * 1e9)

    def run(self, factor: float, monotonic: float, media_s: float) -> None:
        """From now (`monotonic`, when media time shall be `media_s`) let media time run `factor` times as fast."""
        self._anchor, self._anchor_media, self._factor = monotonic, media_s, factor


class Timeline:
    """Where in its reel a track is. Times are ticks of the reel's clock since the camera started."""

    def __init__(self, reel: Reel) -> None:
        """Begin at the first frame, due at 0."""
        self.reel = reel
        self.number = 0
        """Of the frame that is due next."""
        self.due = 0
        """Decoding time of that frame."""
        self._position = 0
        self._shown_until = 0
        self._length = sum(frame.duration for frame in reel.frames)

    @property
    def frame(self) -> ReelFrame:
        """The frame that is due next."""
        return self.reel.frames[self._position]

    @property
    def presentation(self) -> int:
        """Its presentation time."""
        return self.due + self.frame.composition

    @property
    def due_s(self) -> float:
        """Its decoding time in seconds of film."""
        return self.due / self.reel.clock_rate

    def advance(self) -> None:
        """Go to the next frame; after the last comes the first."""
        frame = self.frame
        self._shown_until = max(self._shown_until, self.due + frame.composition + frame.duration)
        self.due += frame.duration
        self.number += 1
        self._position += 1
        if self._position == len(self.reel.frames):
            self._cut_to(0)

    def skip_to(self, media_s: float) -> None:
        """Let all frames go by that were due until `media_s`; they count as filmed."""
        target = math.floor(media_s * self.reel.clock_rate)
        loops = max(0, (target - self.due) // self._length)
        self.due += loops * self._length
        self._shown_until += loops * self._length
        self.number += loops * len(self.reel.frames)
        while self.due <= target:
            self.advance()

    def cut_to_keyframe(self) -> None:
        """Make the next frame a keyframe, as an encoder does that is asked for one."""
        if self.frame.keyframe:
            return
        count = len(self.reel.frames)
        ahead = (at % count for at in range(self._position, self._position + count))
        self._cut_to(next(at for at in ahead if self.reel.frames[at].keyframe))

    def cut_to_reel(self, reel: Reel) -> None:
        """Go on with the first frame of another reel of the same clock rate."""
        self.reel = reel
        self._length = sum(frame.duration for frame in reel.frames)
        self._cut_to(0)

    def _cut_to(self, position: int) -> None:
        """Go on at `position`, late enough that it is shown after all that was sent before (B-frames)."""
        self._position = position
        self.due += max(0, self._shown_until - self.presentation)

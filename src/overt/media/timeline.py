"""From RTP time to UTC: one axis for each track, steered slowly, never running backwards.

The axis counts track ticks since the Unix epoch on the recorder's line of time (`overt.clock.RecorderClock`). It
follows the camera's RTP timestamps tick by tick, so that distances between frames are the camera's own, and is steered
by at most 500 ppm towards the truth: the camera's wall clock where its sender reports prove sane (RFC 3550 §6.4.1),
else the earliest arrivals. Only integers: nothing is lost over days. One thread (the capture thread) owns an instance.
"""

from __future__ import annotations

from typing import Final

from overt.errors import InvalidError

SECOND: Final = 1_000_000_000
SLEW_PPM: Final = 500
WINDOW: Final = 5 * SECOND
"""Arrivals are filtered for the least delay over the last two of these."""
STEER_FROM: Final = SECOND // 100
"""Steering begins when the axis is off by more, ..."""
STEER_TO: Final = SECOND // 1000
"""... and ends below this: in between the axis continues the RTP clock exactly."""
MAX_STEER: Final = 60 * SECOND
"""Longest time since the last steering that is paid for in one go."""
JUMP: Final = SECOND
"""RTP time that is further ahead of arrival, or further back than this, has jumped."""
LATE_WINDOWS: Final = 6
"""So many windows in a row more than `JUMP` away from the truth, and the axis is anchored anew."""
SKEWED_WINDOWS: Final = 3
"""So many windows in a row at a wrong rate, and the RTP clock is not believed any more (or is believed again)."""
STUCK_FRAMES: Final = 10
"""So many equal RTP timestamps in a row are nonsense."""
MAX_JUMPS: Final = 3
"""So many jumps within about `WINDOW` are nonsense."""
SANE_OFFSET: Final = SECOND
"""A camera clock further from the recorder's is not followed."""
SANE_PPM: Final = 1000
SANE_AGAIN: Final = 30 * SECOND
"""A camera clock that has once stepped must have run well for so long."""
SANE_JITTER: Final = SECOND // 20
"""What the arrival of a sender report may be off by: network, and the tick on which sockets are read."""
MAX_DELAY: Final = 2 * SECOND
"""A sender report that says frames arrive later than this relates to no RTP time of this track."""
SQUEEZE: Final = 16
"""Frames older than stored footage are placed after it this much closer together, until the axis is true again."""


class StreamTimeline:
    """Maps the unwrapped RTP time of one track to ticks of the UTC axis.

    It begins at the first `observe_arrival`, or at an `anchor` given before it. Mapped times never precede `end`, the
    end of the footage that is already given out; frames that truly are older (a camera that sends its buffer again
    after a reconnect) keep their order and are squeezed together behind it.
    """

    __slots__ = (
        "_arrival_target",
        "_bad_windows",
        "_bias",
        "_camera_bias",
        "_first_report",
        "_good_windows",
        "_gop_floor",
        "_jump_floor",
        "_last_raw",
        "_last_report",
        "_last_tick",
        "_late_windows",
        "_lowest",
        "_previous_lowest",
        "_recent_jumps",
        "_reference",
        "_reports",
        "_slow",
        "_squeeze_rtp",
        "_squeeze_tick",
        "_squeezed",
        "_steered",
        "_steering",
        "_stuck",
        "_window_arrival",
        "_window_end",
        "_window_rtp",
        "anchored",
        "camera_offset_ns",
        "camera_steps",
        "clock_rate",
        "degraded",
        "end",
        "highest",
        "jumps",
        "lead",
        "offset",
    )

    def __init__(self, clock_rate: int, *, not_before_ns: int = 0, reference: StreamTimeline | None = None) -> None:
        """Prepare an axis.

        Args:
            clock_rate: ticks a second of the RTP clock (SDP `rtpmap`), which is also the track's timescale.
            not_before_ns: end of the stream's stored footage, UTC; nothing is placed before it.
            reference: the video track's timeline, for an audio track: where both have sender reports the camera's
                clock relates the two, sane or not (RFC 3550 §6.4.1), so that they stay in step.

        Raises:
            InvalidError: `clock_rate` is not positive.
        """
        if clock_rate <= 0:
            msg = f"RTP clock rate {clock_rate} is not positive: the session description is wrong"
            raise InvalidError(msg)
        self.clock_rate = clock_rate
        self.anchored = False
        self.degraded = False
        """The RTP clock is nonsense: times are those of arrival, in growing order."""
        self.jumps = 0
        """How often the axis was anchored anew: each time is a discontinuity."""
        self.end = -(-not_before_ns * clock_rate // SECOND)
        """Tick before which nothing may be placed any more; moved on as footage is given out."""
        self.lead = 0
        """Ticks that must stay free between `end` and the first presentation time (decode times before it)."""
        self.offset = 0
        """Axis tick minus RTP time."""
        self.highest = 0
        """Latest RTP time seen since the last jump."""
        self.camera_offset_ns: int | None = None
        """Camera clock minus recorder clock at its last sender report, sane or not."""
        self.camera_steps = 0
        """How often the camera's clock was found stepped, or its sender reports to contradict each other."""
        self._reference = reference
        self._bias = 0
        self._steered = 0
        self._steering = False
        self._squeezed = False
        self._squeeze_rtp = self._squeeze_tick = 0
        self._gop_floor = 0
        self._slow = True
        self._lowest = self._previous_lowest = self._arrival_target = self._jump_floor = 0
        self._window_arrival = self._window_end = self._window_rtp = 0
        self._bad_windows = self._good_windows = self._late_windows = self._recent_jumps = self._stuck = 0
        self._last_tick = self._last_raw = 0
        self._reports = 0
        self._camera_bias = 0
        self._first_report = self._last_report = (0, 0, 0)

    def anchor(self, rtp_time: int, utc_ns: int) -> None:
        """Lay the axis so that `rtp_time` is `utc_ns`; counts as a jump unless it is the first time."""
        if self.anchored:
            self.jumps += 1
        self.anchored = True
        self._bias = utc_ns - rtp_time * SECOND // self.clock_rate
        self.offset = self._bias * self.clock_rate // SECOND
        self.seat(rtp_time)
        self._steered, self._steering = utc_ns, False
        self.highest = rtp_time
        self._gop_floor = rtp_time - JUMP * self.clock_rate // SECOND
        self._stuck = self._late_windows = 0
        self._reports = 0
        self._lowest = self._previous_lowest = self._arrival_target = self._last_raw = self._bias
        self._jump_floor = self._bias - JUMP
        self._window_rtp, self._window_arrival, self._window_end = rtp_time, utc_ns, utc_ns + WINDOW

    def seat(self, rtp_time: int) -> int:
        """Return the tick of `rtp_time`, not before `end` and `lead`; what follows is squeezed behind it if it must be.

        To be called when `end` was moved after a jump was noticed, and by `anchor`.
        """
        floor = self.end + self.lead
        if self.degraded:
            self._last_tick = max(self._last_tick, floor)
            return self._last_tick
        tick = rtp_time + self.offset
        self._slow = self._squeezed = tick < floor
        self._squeeze_rtp, self._squeeze_tick = rtp_time, floor
        return max(tick, floor)

    def observe_arrival(self, rtp_time: int, arrival_utc_ns: int) -> int:
        """Return the axis tick of a frame that arrived at this moment of the recorder's line; learn from it.

        To be called once a frame, in the order of arrival. If `jumps` has grown afterwards, the frame does not
        continue what came before. Ticks grow with RTP time between two jumps; equal or (B-frames) earlier RTP times
        give equal or earlier ticks.
        """
        raw = arrival_utc_ns - rtp_time * SECOND // self.clock_rate
        if rtp_time <= self.highest or raw < self._lowest or arrival_utc_ns >= self._window_end or self._slow:
            return self._observe_slowly(rtp_time, arrival_utc_ns, raw)
        self.highest = rtp_time
        if self._stuck:
            self._stuck = 0
        return rtp_time + self.offset

    def _observe_slowly(self, rtp_time: int, arrival_utc_ns: int, raw: int) -> int:
        """Do what the short way of `observe_arrival` leaves: windows, jumps, reordering, squeezing, nonsense."""
        if not self.anchored:
            self.anchor(rtp_time, arrival_utc_ns)
        if self.degraded:
            return self._by_arrival(rtp_time, arrival_utc_ns, raw)
        if arrival_utc_ns >= self._window_end:
            self._close_window(rtp_time, arrival_utc_ns, raw)
        if rtp_time <= self.highest:
            self._stuck = self._stuck + 1 if rtp_time == self.highest else 0
        if self._stuck >= STUCK_FRAMES or self._bad_windows in (-SKEWED_WINDOWS, SKEWED_WINDOWS):
            self._degrade()
        elif raw < self._jump_floor or rtp_time < self._gop_floor or self._late_windows >= LATE_WINDOWS:
            self._jump(rtp_time, arrival_utc_ns)
        if self.degraded:
            return self._by_arrival(rtp_time, arrival_utc_ns, raw)
        self.highest = max(self.highest, rtp_time)
        self._gop_floor = max(self._gop_floor, self.highest - JUMP * self.clock_rate // SECOND)
        self._lowest = min(self._lowest, raw)
        tick = rtp_time + self.offset
        if self._squeezed:
            squeezed = self._squeeze_tick + (rtp_time - self._squeeze_rtp) // SQUEEZE
            # Earlier frames of the same group may still come: the slower line is left a second after it was crossed.
            self._squeezed = self._slow = tick < squeezed + self.clock_rate
            tick = max(tick, squeezed)
        return tick

    def begin_group(self, rtp_time: int, arrival_utc_ns: int) -> None:
        """Say that the next frame is a keyframe, before it is observed.

        No frame that precedes a keyframe in decoding order follows it in output order; so a keyframe that is not
        later than all before it, or a later frame that falls back behind those, shows an RTP clock that went back.
        """
        if not self.anchored or self.degraded:
            return
        if rtp_time < self.highest:
            self._jump(rtp_time, arrival_utc_ns)
        elif rtp_time > self.highest:
            self._gop_floor = max(self._gop_floor, self.highest - 1)

    def _jump(self, rtp_time: int, arrival_utc_ns: int) -> None:
        """Anchor anew; too often within a short time, and the RTP clock is given up."""
        self._recent_jumps += 1
        if self._recent_jumps >= MAX_JUMPS:
            self._degrade()
        else:
            self.anchor(rtp_time, arrival_utc_ns)

    def _degrade(self) -> None:
        """Believe arrivals alone from now on."""
        self.degraded = self._slow = True
        self.jumps += 1
        self._bad_windows = self._good_windows = self._recent_jumps = self._stuck = 0
        self._reports = 0
        self._last_tick = self.end + self.lead - 1

    def _by_arrival(self, rtp_time: int, arrival_utc_ns: int, raw: int) -> int:
        """Return a tick from arrival, later than the one before; watch whether the RTP clock comes to its senses."""
        if abs(raw - self._last_raw) > JUMP:
            self._good_windows = 0
            self._window_rtp, self._window_arrival = rtp_time, arrival_utc_ns
            self._window_end = arrival_utc_ns + WINDOW
        self._last_raw = raw
        if arrival_utc_ns >= self._window_end:
            self._close_window(rtp_time, arrival_utc_ns, raw)
            if self._good_windows >= SKEWED_WINDOWS:
                self.degraded = False
                self._bad_windows = self._recent_jumps = 0
                self.anchor(rtp_time, arrival_utc_ns)
                return self.seat(rtp_time)
        tick = arrival_utc_ns * self.clock_rate // SECOND
        self._last_tick = max(tick, self._last_tick + max(1, self.clock_rate // 1000))
        return self._last_tick

    def _close_window(self, rtp_time: int, arrival_utc_ns: int, raw: int) -> None:
        """Take the least delay of the window, compare its rate with the recorder's clock, begin the next."""
        elapsed = arrival_utc_ns - self._window_arrival
        advance = (rtp_time - self._window_rtp) * SECOND // self.clock_rate
        direction = -1 if advance * 5 < elapsed * 4 else int(advance * 4 > elapsed * 5)
        if direction == 0:
            self._bad_windows = 0
            self._good_windows += 1
        else:
            self._bad_windows = self._bad_windows + direction if self._bad_windows * direction > 0 else direction
            self._good_windows = 0
        self._recent_jumps = max(0, self._recent_jumps - 1)
        self._arrival_target = min(self._previous_lowest, self._lowest)
        self._jump_floor = self._arrival_target - JUMP
        self._previous_lowest, self._lowest = self._lowest, raw
        self._late_windows = self._late_windows + 1 if self._target() - self._bias > JUMP else 0
        self._window_rtp, self._window_arrival, self._window_end = rtp_time, arrival_utc_ns, arrival_utc_ns + WINDOW

    def observe_sender_report(self, rtp_time: int, camera_utc_ns: int, arrival_utc_ns: int) -> None:
        """Learn from an RTCP sender report: `camera_utc_ns` is its NTP timestamp, `rtp_time` unwrapped as samples are.

        Reports that fit each other and the recorder's clock make a series; one that does not begins another.
        """
        bias = camera_utc_ns - rtp_time * SECOND // self.clock_rate
        self.camera_offset_ns = camera_utc_ns - arrival_utc_ns
        report = (camera_utc_ns, arrival_utc_ns, bias)
        if self._reports and _agree(report, self._last_report) and _agree(report, self._first_report):
            self._reports += 1
        else:
            self.camera_steps += 1 if self._reports else 0
            self._reports, self._first_report = 1, report
        self._last_report, self._camera_bias = report, bias

    @property
    def camera_sane(self) -> bool:
        """The camera's clock runs at the right rate and within a second of the recorder's: it is followed."""
        steady = self.camera_steps == 0 or self._last_report[1] - self._first_report[1] >= SANE_AGAIN
        return (
            steady
            and self._reports >= 2
            and self.camera_offset_ns is not None
            and abs(self.camera_offset_ns) <= SANE_OFFSET
            and abs(self._camera_bias - self._arrival_target) <= MAX_DELAY
        )

    @property
    def camera_ahead_ns(self) -> int | None:
        """Camera clock minus axis for the same frame; None without two sender reports that fit each other."""
        return self._camera_bias - self._bias if self._reports >= 2 else None

    def _target(self) -> int:
        """Return the bias (UTC minus RTP time, ns) that the axis should have."""
        if self._reference is not None and self._reports >= 2:
            ahead = self._reference.camera_ahead_ns
            if ahead is not None and abs(self._camera_bias - ahead - self._arrival_target) <= MAX_DELAY:
                return self._camera_bias - ahead
        return self._camera_bias if self.camera_sane else self._arrival_target

    def steer(self, utc_ns: int) -> int:
        """Correct the axis by at most 500 ppm of the time since the last call; return the change in ticks.

        To be called where a fragment begins, with the recorder's UTC: within a fragment the axis is rigid.
        """
        elapsed = min(max(0, utc_ns - self._steered), MAX_STEER)
        self._steered = utc_ns
        if self.degraded or not self.anchored:
            return 0
        error = self._target() - self._bias
        if not self._steering and -STEER_FROM < error < STEER_FROM:
            return 0
        self._steering = not -STEER_TO < error < STEER_TO
        allowed = elapsed * SLEW_PPM // 1_000_000
        self._bias += max(-allowed, min(allowed, error))
        before = self.offset
        self.offset = self._bias * self.clock_rate // SECOND
        return self.offset - before

    def shift(self, step_ns: int) -> None:
        """Follow a step of the recorder's line (`ClockStep` that was followed): everything known moves with it.

        The end of the footage moves too when the step goes back (more than 24 hours: what came before was the error).
        """
        ticks = step_ns * self.clock_rate // SECOND
        if step_ns < 0:
            self.end += ticks
        if not self.anchored:
            return
        self.jumps += 1
        self._bias += step_ns
        self.offset = self._bias * self.clock_rate // SECOND
        self._lowest += step_ns
        self._previous_lowest += step_ns
        self._arrival_target += step_ns
        self._jump_floor += step_ns
        self._last_raw += step_ns
        self._steered += step_ns
        self._window_arrival += step_ns
        self._window_end += step_ns
        self._squeeze_tick += ticks
        self._last_tick += ticks
        self._reports = 0


def _agree(report: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    """Whether two sender reports (camera UTC, arrival, bias) belong to one clock of the right rate."""
    elapsed = report[1] - other[1]
    allowed = abs(elapsed) * SANE_PPM // 1_000_000 + SANE_JITTER
    return abs(report[0] - other[0] - elapsed) <= allowed and abs(report[2] - other[2]) <= allowed

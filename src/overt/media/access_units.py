"""Gathering NAL units into access units: what the payload formats of H.264 and H.265 share.

An access unit ends at the marker bit or where the timestamp changes, whichever is first; but marker bits are believed
only once one was seen exactly at the end of a frame. Cameras that set them on each slice are found out and from then
on read by timestamps alone, and so are those that never set them. The first frame of a session therefore waits for
the timestamp of the second.

Bytes are copied once, from the socket's buffer behind the four-byte length of their NAL unit, and never reordered or
left out unless their beginning was lost. NAL units without a picture (parameter sets, SEI) go to the picture after
them, even if they bear a timestamp of their own.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from typing import Final, Protocol

from overt.errors import InvalidError
from overt.media.payload import CLOSED, MAX_ACCESS_UNIT, Continuation, PayloadCounters
from overt.media.samples import CodecConfiguration, Sample

LENGTH_SIZE: Final = 4
NO_NAL: Final = -1
MAX_SPLITS: Final = 1000
"""Start codes that are looked for in what a camera sends as one NAL unit."""

_UNKNOWN: Final = 0
_TRUSTED: Final = 1
_LYING: Final = 2
"""What is known of a camera's marker bits."""

_PROBED_NALS: Final = 32
"""NAL units of a session that are searched for start codes whatever their type."""
_START_CODE: Final = b"\0\0\0\1"
_SHORT_START_CODE: Final = b"\0\0\1"
_LENGTH: Final = struct.Struct(">I")
_UNCONFIGURED: Final = CodecConfiguration(kind="video", codec="h264", rfc6381="", timescale=1, sample_entry=b"")
"""Stands in samples that are not given out."""


class ParameterSets(Protocol):
    """The parameter sets of one stream, from its SDP and from its access units."""

    changed: bool
    """Sets came since the last `configure` that differ from those before."""

    def offer(self, nal_unit: bytes) -> None:
        """Take in a parameter set. Raises InvalidError if it is malformed; the one before is kept then."""
        ...

    def configure(self) -> CodecConfiguration | None:
        """Return the configuration by the sets in hand, None while some are missing; clears `changed`."""
        ...


class AccessUnits(Continuation, ABC):
    """State of the access unit in hand, and the rules that end it. Subclasses know NAL unit types and packets.

    A subclass calls `_turn` before each packet and `_after_packet` behind it; in between it appends NAL units by
    `_append`, or in pieces by `_open_nal`, `gathered` itself, and `_close_nal`. The middle of a fragmented NAL unit may
    go around them, as `Continuation` says. Not thread-safe: owned by the capture thread.
    """

    __slots__ = (
        "_annex_b",
        "_boundary",
        "_closed_time",
        "_configuration",
        "_counters",
        "_damaged",
        "_dropping",
        "_held",
        "_keyframe",
        "_lost",
        "_marked",
        "_markers",
        "_nal",
        "_parting",
        "_picture",
        "_probes",
        "_recovery",
        "_sets",
        "_time",
    )

    def __init__(self, skip: int, sets: ParameterSets, nal_units: list[bytes]) -> None:
        """Begin with the parameter sets that the session description held; malformed ones are counted.

        `skip` is the length of what stands before the middle of a fragmented NAL unit.
        """
        super().__init__(skip)
        self._counters: Final = PayloadCounters()
        self._sets: Final = sets
        self._configuration: CodecConfiguration | None = None
        self._time = -1
        """Time of the access unit in hand; -1 between a trusted marker and the next packet."""
        self._closed_time = -1
        self._nal = NO_NAL
        """Where the open fragmented NAL unit begins in `gathered`: its length, still a placeholder."""
        self._picture = False
        """A coded slice is in hand."""
        self._keyframe = False
        self._recovery = False
        """A recovery point was announced for this access unit itself."""
        self._damaged = False
        self._lost = 0
        self._dropping = False
        """The access unit outgrew its bound: the rest of it is passed over."""
        self._markers = _UNKNOWN
        self._marked = False
        """The last packet bore the marker bit, ended a NAL unit, and followed a picture."""
        self._held: Sample | None = None
        """What stands before `_boundary` in `gathered`, if a doubtful marker bit is to be judged by the next slice."""
        self._boundary = 0
        self._parting = False
        """The slice came, and begins another picture."""
        self._annex_b = False
        self._probes = _PROBED_NALS
        for nal_unit in nal_units:
            self._offer(nal_unit)
        self._configure()

    @property
    def counters(self) -> PayloadCounters:
        """The counts so far."""
        return self._counters

    @property
    def continuation(self) -> Continuation:
        """Itself."""
        return self

    @property
    def configuration(self) -> CodecConfiguration | None:
        """From the SDP or the newest parameter sets; None until there are usable ones."""
        return self._configuration

    def flush(self, arrival_ns: int, out: list[Sample]) -> None:
        """Append the picture in hand, marked as damaged if it is certain or likely that its end is missing."""
        if self._nal != NO_NAL:
            self._break_nal()
        if self._held is not None:
            self._release(out)
        if self._picture:
            self._damaged |= self._markers == _TRUSTED
            self.arrival_ns = arrival_ns
            self._emit(out)
        self._time = self._closed_time = -1
        self._dropping = self._marked = False

    # What subclasses know

    @abstractmethod
    def _nal_complete(self, begin: int, end: int, *, whole: bool) -> None:
        """Look at the NAL unit `gathered[begin:end]`, the last in hand: picture, keyframe, parameter sets if whole."""

    @abstractmethod
    def _is_plausible(self, nal_unit: bytes) -> bool:
        """Return whether this may be a NAL unit, by its header."""

    @abstractmethod
    def _is_suspect(self, begin: int) -> bool:
        """Return whether the NAL unit at `gathered[begin]` is of a kind in which broken cameras hide several."""

    # What subclasses use

    def _turn(self, rtp_time: int, lost_before: int, out: list[Sample]) -> bool:
        """Settle what a packet's time and a loss before it mean for what is in hand; False to drop the packet.

        Where the end of the frame before is missing, a single lost packet was surely that end. In all other cases the
        frame that comes is marked, since it may have lost its beginning or a frame that it refers to.
        """
        if rtp_time == self._time:
            if self._marked:
                self._damaged |= lost_before > 0
                self._hold()
            if lost_before:
                self._break_nal()
                self._damaged = True
                self._lost += lost_before
            return not self._dropping
        ended = self._nal == NO_NAL and self._markers != _TRUSTED
        if self._nal != NO_NAL:
            self._counters.malformed += not lost_before
            self._break_nal()
        if self._held is not None:
            self._held.damaged |= lost_before > 0 and not self._picture
            self._release(out)
        if self._picture:
            if lost_before:
                self._damaged = True
                if not ended:
                    self._lost += lost_before
            elif self._marked and self._markers == _UNKNOWN:
                self._markers = _TRUSTED
            self._emit(out)
            if lost_before and (ended or lost_before > 1):
                self._damaged = True
                self._lost = lost_before if ended else 0
        elif lost_before:
            self._damaged = True
            self._lost += lost_before
        self._dropping = self._marked = False
        self._time = rtp_time
        return True

    def _after_packet(self, marker: bool, arrival_ns: int, out: list[Sample]) -> None:
        """End the access unit if the marker bit says so and is to be believed."""
        self.arrival_ns = arrival_ns
        if self._parting:
            self._release(out)
        if len(self.gathered) > MAX_ACCESS_UNIT:
            self._drop_oversized()
        elif marker and self._picture:
            if self._nal != NO_NAL:
                self._markers = _LYING
            elif self._markers == _TRUSTED:
                self._emit(out)
                self._time = -1
            else:
                self._marked = True

    def _append(self, buffer: memoryview, start: int, stop: int) -> None:
        """Append the NAL unit `buffer[start:stop]`."""
        if self._nal != NO_NAL:
            self._counters.malformed += 1
            self._break_nal()
        self.gathered += _LENGTH.pack(stop - start)
        begin = len(self.gathered)
        self.gathered += buffer[start:stop]
        self._search(begin)

    def _open_nal(self, header: bytes) -> None:
        """Begin a fragmented NAL unit by its header; the length before it is filled in when it ends."""
        if self._nal != NO_NAL:
            self._counters.malformed += 1
            self._break_nal()
        self._nal = len(self.gathered)
        self.gathered += bytes(LENGTH_SIZE)
        self.gathered += header

    def _close_nal(self) -> None:
        """End the open NAL unit: all of it has come."""
        begin = self._nal + LENGTH_SIZE
        _LENGTH.pack_into(self.gathered, self._nal, len(self.gathered) - begin)
        self._nal, self.prefix = NO_NAL, CLOSED
        self._search(begin)

    def _break_nal(self) -> None:
        """End the open NAL unit, if there is one, in its middle: what came is kept and the picture is damaged."""
        if self._nal == NO_NAL:
            return
        begin = self._nal + LENGTH_SIZE
        _LENGTH.pack_into(self.gathered, self._nal, len(self.gathered) - begin)
        self._nal, self.prefix = NO_NAL, CLOSED
        self._damaged = True
        self._nal_complete(begin, len(self.gathered), whole=False)

    def _out_of_place(self, lost_before: int) -> None:
        """Pass over a fragment whose NAL unit is not open: its beginning was lost, or the packet is malformed."""
        if not (self._damaged or lost_before):
            self._counters.malformed += 1
        self._damaged = True

    def _malformed(self) -> None:
        """Count a packet that cannot be used: the picture that it belongs to lacks something."""
        self._counters.malformed += 1
        self._damaged = True

    def _offer(self, nal_unit: bytes) -> None:
        """Take in a parameter set; count a malformed one."""
        try:
            self._sets.offer(nal_unit)
        except InvalidError:
            self._counters.malformed += 1

    def _first_slice(self, *, starts: bool) -> None:
        """Take note of the first slice in hand, and whether it is the first of its picture (if not lost)."""
        self._picture = True
        held = self._held
        if held is not None:
            self._parting = starts
            if not starts:
                self._markers = _LYING
                self._held = None
                self._keyframe |= held.keyframe
                self._damaged |= held.damaged
                self._lost += held.lost_packets
        elif not starts and self._time == self._closed_time:
            self._markers = _LYING
            self._counters.split_frames += 1
            self._damaged = True

    # Within

    def _configure(self) -> None:
        try:
            configuration = self._sets.configure()
        except InvalidError:
            self._counters.malformed += 1
            return
        if configuration is not None and configuration != self._configuration:
            self._configuration = configuration

    def _hold(self) -> None:
        """Put aside what a marker bit, not yet to be believed, called an access unit, although its time goes on.

        The next slice tells: either it continues the picture and the marker lied, or it begins another picture.
        """
        self._held = self._sample()
        self._boundary = len(self.gathered)
        self._begin()

    def _release(self, out: list[Sample]) -> None:
        """Let go of what was put aside: it was a whole access unit."""
        held, boundary = self._held, self._boundary
        self._held, self._parting = None, False
        if held is None:
            return
        self._markers = self._markers or _TRUSTED
        held.data = self.gathered[:boundary]
        self.gathered = self.gathered[boundary:]
        if self._nal != NO_NAL:
            self._nal -= boundary
        self._give(held, out)

    def _emit(self, out: list[Sample]) -> None:
        sample = self._sample()
        sample.data = self.gathered
        self.gathered = bytearray()
        self._begin()
        self._give(sample, out)

    def _sample(self) -> Sample:
        """Return the access unit in hand, still without its data."""
        if self._sets.changed:
            self._configure()
        configuration = self._configuration or _UNCONFIGURED
        return Sample(configuration, self._time, b"", self._keyframe, self.arrival_ns, self._damaged, self._lost)

    def _begin(self) -> None:
        self._picture = self._keyframe = self._recovery = self._damaged = self._marked = False
        self._lost = 0

    def _give(self, sample: Sample, out: list[Sample]) -> None:
        self._closed_time = sample.rtp_time
        if sample.configuration is _UNCONFIGURED:
            self._counters.unconfigured += 1
        else:
            out.append(sample)

    def _drop_oversized(self) -> None:
        self._counters.oversized += 1
        self.gathered = bytearray()
        self._nal, self.prefix = NO_NAL, CLOSED
        self._begin()
        self._held, self._parting = None, False
        self._damaged = self._dropping = True

    def _search(self, begin: int) -> None:
        """Take note of a whole NAL unit at the end of `gathered`, or of several if start codes are found in it."""
        data = self.gathered
        if self._probes or self._annex_b or self._is_suspect(begin):
            self._probes = max(0, self._probes - 1)
            if data.startswith(_SHORT_START_CODE, begin):
                self._annex_b = True
            code = _SHORT_START_CODE if self._annex_b else _START_CODE
            if data.find(code, begin) >= 0:
                self._split(begin)
                return
        self._nal_complete(begin, len(data), whole=True)

    def _split(self, begin: int) -> None:
        """Part what follows `begin` at its start codes (H.264 annex B), and put lengths in their place."""
        run = bytes(self.gathered[begin:])
        first, *others = run.split(_START_CODE, MAX_SPLITS)
        self._annex_b = self._annex_b or any(map(self._is_plausible, others))
        code = _START_CODE
        if self._annex_b:
            code = _SHORT_START_CODE
            first, *others = run.split(code, MAX_SPLITS)
        groups = [[first]]
        for piece in others:
            if self._is_plausible(piece):
                groups.append([piece])
            else:
                groups[-1].append(piece)
        del self.gathered[begin - LENGTH_SIZE :]
        for number, group in enumerate(groups, 1):
            nal_unit = code.join(group)
            if number < len(groups):
                # Zero bytes before a start code belong to the byte stream, not to the NAL unit.
                nal_unit = nal_unit.rstrip(b"\0")
            if nal_unit:
                self.gathered += _LENGTH.pack(len(nal_unit))
                start = len(self.gathered)
                self.gathered += nal_unit
                self._nal_complete(start, len(self.gathered), whole=True)

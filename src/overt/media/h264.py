"""H.264 over RTP (RFC 6184): single NAL units, aggregation packets, fragments.

A picture is a keyframe if it is an IDR picture, or an I picture behind a recovery point SEI message with
recovery_frame_cnt 0, which is all that cameras with periodic intra refresh ever send. Parameter sets alone make none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from overt.errors import InvalidError
from overt.media.access_units import LENGTH_SIZE, NO_NAL, AccessUnits
from overt.media.bits import BitReader, rbsp
from overt.media.h264_parameter_sets import PPS, SPS, H264ParameterSets
from overt.media.parameter_sets import nal_units_of_config, nal_units_of_sprop
from overt.media.samples import Sample

_SLICE: Final = 1
_IDR: Final = 5
_SEI: Final = 6
_WITH_HEADER: Final = (1, 2, 5)
"""NAL unit types that begin with a slice header (partitions B and C do not)."""
_STAP_A: Final = 24
_STAP_B: Final = 25
_FU_A: Final = 28
_FU_B: Final = 29
_RECOVERY_POINT: Final = 6
_INTRA_SLICES: Final = (2, 4, 7, 9)
"""slice_type of I and SI slices (table 7-6)."""
_MAX_SEI_MESSAGES: Final = 64


class H264Depacketiser(AccessUnits):
    """Access units of H.264. Interleaved packets (packetization-mode 2) are taken in order of arrival.

    MTAP packets, whose NAL units have times of their own and which no camera is known to send, are counted as
    malformed.
    """

    __slots__ = ("_h264_sets",)

    def __init__(self, clock_rate: int, fmtp: Mapping[str, str]) -> None:
        """Begin with the `sprop-parameter-sets` of the session description, or its `config`; both may be wrong."""
        self._h264_sets: Final = H264ParameterSets(clock_rate)
        known = nal_units_of_sprop((fmtp.get("sprop-parameter-sets", ""),))
        if not known:
            known = nal_units_of_config(fmtp.get("config", ""))
        super().__init__(2, self._h264_sets, [each for each in known if each[0] & 0x1F in {SPS, PPS}])

    def push(
        self,
        buffer: memoryview,
        start: int,
        stop: int,
        rtp_time: int,
        marker: bool,
        lost_before: int,
        arrival_ns: int,
        out: list[Sample],
    ) -> None:
        """Take the payload `buffer[start:stop]`; see `Depacketiser.push`."""
        if not self._turn(rtp_time, lost_before, out):
            return
        kind = buffer[start] & 0x1F
        if kind == _FU_A:
            self._fragment(buffer, start, start + 2, stop, lost_before)
        elif 0 < kind < _STAP_A:
            self._append(buffer, start, stop)
        elif kind == 0 and stop - start > LENGTH_SIZE and buffer[start + 1] == 0:
            # A start code where none belongs; it is taken out when the NAL unit is looked at.
            self._append(buffer, start, stop)
        elif kind == _STAP_A:
            self._aggregate(buffer, start + 1, stop)
        elif kind == _STAP_B:
            self._aggregate(buffer, start + 3, stop)
        elif kind == _FU_B:
            self._fragment(buffer, start, start + 4, stop, lost_before)
        else:
            self._malformed()
        self._after_packet(marker, arrival_ns, out)

    def _aggregate(self, buffer: memoryview, first: int, stop: int) -> None:
        """§5.7.1: NAL units behind 16-bit sizes."""
        position = first
        while stop - position > 2:
            end = position + 2 + (buffer[position] << 8 | buffer[position + 1])
            if end == position + 2 or end > stop:
                break
            self._append(buffer, position + 2, end)
            position = end
        if position != stop or position == first:
            self._malformed()

    def _fragment(self, buffer: memoryview, start: int, begin: int, stop: int, lost_before: int) -> None:
        """§5.8: a fragment whose part of the NAL unit is `buffer[begin:stop]`."""
        if stop <= start + 2 or stop < begin:
            self._malformed()
            return
        indicator, header = buffer[start] & 0xE0 | _FU_A, buffer[start + 1]
        if header & 0x80:
            self._open_nal(bytes((indicator & 0xE0 | header & 0x1F,)))
            # A FU-B, which carries a decoding order number, is followed by FU-As.
            self.prefix = indicator << 8 | header & 0x1F
        elif self._nal == NO_NAL or (header ^ self.prefix) & 0x1F:
            self._out_of_place(lost_before)
            return
        self.gathered += buffer[begin:stop]
        if header & 0x40:
            self._close_nal()

    def _nal_complete(self, begin: int, end: int, *, whole: bool) -> None:
        data = self.gathered
        kind = data[begin] & 0x1F
        if _SLICE <= kind <= _IDR:
            first = not self._picture
            if first:
                # first_mb_in_slice is 0 exactly if its first bit is 1.
                self._first_slice(starts=end - begin > 1 and data[begin + 1] >= 0x80)
            if kind == _IDR:
                self._keyframe = True
            if kind in _WITH_HEADER and (self._recovery or (first and self._h264_sets.has_choice)):
                self._read_slice_header(bytes(data[begin : min(end, begin + 24)]), kind)
        elif kind == _SEI:
            self._recovery = self._recovery or (whole and announces_recovery(bytes(data[begin:end])))
        elif kind in {SPS, PPS} and whole:
            self._offer(bytes(data[begin:end]))

    def _read_slice_header(self, beginning: bytes, kind: int) -> None:
        """§7.3.3: which parameter sets are in force, and whether a recovery point is an I picture."""
        bits = BitReader(rbsp(beginning), 8)
        try:
            bits.ue()
            slice_type, pps_id = bits.ue(9), bits.ue(255)
        except InvalidError:
            self._malformed()
            return
        self._h264_sets.activate(pps_id)
        if self._recovery and kind != _IDR:
            self._keyframe = slice_type in _INTRA_SLICES
            self._recovery = self._keyframe

    def _is_plausible(self, nal_unit: bytes) -> bool:
        return len(nal_unit) > 1 and 0 < nal_unit[0] & 0x9F < _STAP_A

    def _is_suspect(self, begin: int) -> bool:
        return not _SLICE <= self.gathered[begin] & 0x1F <= _IDR


def announces_recovery(nal_unit: bytes) -> bool:
    """Return whether an SEI NAL unit says that decoding may begin at its own picture (§7.3.2.3, §D.1.8)."""
    data = rbsp(nal_unit)
    position = 1
    for _ in range(_MAX_SEI_MESSAGES):
        values = []
        for _ in range(2):
            value = 0
            while position < len(data) and data[position] == 0xFF:
                value += 0xFF
                position += 1
            if position >= len(data):
                return False
            values.append(value + data[position])
            position += 1
        if values[0] == _RECOVERY_POINT and values[1]:
            # recovery_frame_cnt is 0 exactly if its first bit is 1.
            return position < len(data) and data[position] >= 0x80
        position += values[1]
    return False

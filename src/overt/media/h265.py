"""H.265 over RTP (RFC 7798): single NAL units, aggregation packets, fragmentation units.

A picture is a keyframe if it is an intra random access point (NAL unit types 16 to 21).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from overt.errors import InvalidError
from overt.media.access_units import LENGTH_SIZE, NO_NAL, AccessUnits
from overt.media.bits import BitReader, rbsp
from overt.media.h265_parameter_sets import PPS, SPS, VPS, H265ParameterSets
from overt.media.parameter_sets import nal_units_of_config, nal_units_of_sprop
from overt.media.samples import Sample

_FIRST_IRAP: Final = 16
_LAST_IRAP: Final = 21
_RESERVED_IRAP: Final = 23
_FIRST_NON_SLICE: Final = 32
_AGGREGATION: Final = 48
_FRAGMENTATION: Final = 49
_PARAMETER_SETS: Final = frozenset((VPS, SPS, PPS))


class H265Depacketiser(AccessUnits):
    """Access units of H.265 without decoding order numbers. PACI packets are counted as malformed."""

    __slots__ = ("_h265_sets",)

    def __init__(self, clock_rate: int, fmtp: Mapping[str, str]) -> None:
        """Begin with the `sprop-vps`, `-sps`, `-pps` of the session description, or its `config`.

        Raises:
            InvalidError: the stream has decoding order numbers (`sprop-max-don-diff` above 0).
        """
        don = fmtp.get("sprop-max-don-diff", "0").strip()
        if don not in {"", "0"}:
            msg = (
                f"the camera announces H.265 in interleaved order (sprop-max-don-diff={don[:20]}), which cannot be "
                "recorded: switch off interleaving in the camera, or choose H.264"
            )
            raise InvalidError(msg)
        self._h265_sets: Final = H265ParameterSets(clock_rate)
        known = nal_units_of_sprop(fmtp.get(name, "") for name in ("sprop-vps", "sprop-sps", "sprop-pps"))
        if not known:
            known = nal_units_of_config(fmtp.get("config", ""))
        super().__init__(3, self._h265_sets, [each for each in known if each[0] >> 1 & 0x3F in _PARAMETER_SETS])

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
        kind = buffer[start] >> 1 & 0x3F
        if stop - start < 3:
            self._malformed()
        elif kind == _FRAGMENTATION:
            self._fragment(buffer, start, stop, lost_before)
        elif kind == _AGGREGATION:
            self._aggregate(buffer, start + 2, stop)
        elif kind < _AGGREGATION and (buffer[start + 1] & 0x07 or stop - start > LENGTH_SIZE):
            self._append(buffer, start, stop)
        else:
            self._malformed()
        self._after_packet(marker, arrival_ns, out)

    def _aggregate(self, buffer: memoryview, first: int, stop: int) -> None:
        """§4.4.2: NAL units behind 16-bit sizes."""
        position = first
        while stop - position > 4:
            end = position + 2 + (buffer[position] << 8 | buffer[position + 1])
            if end < position + 4 or end > stop:
                break
            self._append(buffer, position + 2, end)
            position = end
        if position != stop or position == first:
            self._malformed()

    def _fragment(self, buffer: memoryview, start: int, stop: int, lost_before: int) -> None:
        """§4.4.3: a fragment behind two bytes of payload header and one of FU header."""
        first, second, header = buffer[start], buffer[start + 1], buffer[start + 2]
        if header & 0x80:
            self._open_nal(bytes((first & 0x81 | (header & 0x3F) << 1, second)))
            self.prefix = first << 16 | second << 8 | header & 0x3F
        elif self._nal == NO_NAL or (header ^ self.prefix) & 0x3F:
            self._out_of_place(lost_before)
            return
        self.gathered += buffer[start + 3 : stop]
        if header & 0x40:
            self._close_nal()

    def _nal_complete(self, begin: int, end: int, *, whole: bool) -> None:
        data = self.gathered
        kind = data[begin] >> 1 & 0x3F
        if kind < _FIRST_NON_SLICE:
            first = not self._picture
            if first:
                # The first bit of a slice segment is first_slice_segment_in_pic_flag.
                self._first_slice(starts=end - begin > 2 and data[begin + 2] >= 0x80)
            if _FIRST_IRAP <= kind <= _LAST_IRAP:
                self._keyframe = True
            if first and self._h265_sets.has_choice:
                self._read_slice_header(bytes(data[begin : min(end, begin + 16)]), kind)
        elif kind in _PARAMETER_SETS and whole and not (data[begin] & 1 or data[begin + 1] >> 3):
            # Those of other layers than the base are for decoders of several.
            self._offer(bytes(data[begin:end]))

    def _read_slice_header(self, beginning: bytes, kind: int) -> None:
        """§7.3.6.1: which parameter sets are in force."""
        bits = BitReader(rbsp(beginning), 16)
        try:
            bits.skip(2 if _FIRST_IRAP <= kind <= _RESERVED_IRAP else 1)
            pps_id = bits.ue(63)
        except InvalidError:
            self._malformed()
            return
        self._h265_sets.activate(pps_id)

    def _is_plausible(self, nal_unit: bytes) -> bool:
        return len(nal_unit) > 2 and nal_unit[0] < 0x80 and nal_unit[0] >> 1 < _AGGREGATION and nal_unit[1] & 7 > 0

    def _is_suspect(self, begin: int) -> bool:
        return self.gathered[begin] >> 1 & 0x3F >= _FIRST_NON_SLICE

"""H.264 parameter sets: what a decoder must know before the first picture (ITU-T H.264 §7.3.2, annex E).

They become an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3) inside a sample entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from overt.errors import InvalidError
from overt.media.bits import BitReader, rbsp
from overt.media.parameter_sets import MAX_SIDE, bare_parameter_set, check_size, parse_aspect, skip_picture_description
from overt.media.sample_entries import avc1
from overt.media.samples import CodecConfiguration

SPS: Final = 7
PPS: Final = 8

_HIGH_PROFILES: Final = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244))
"""Values of profile_idc with chroma format, bit depths and scaling lists in the SPS (§7.3.2.1.1)."""
_RECORD_WITHOUT_CHROMA: Final = (66, 77, 88)
"""Profiles whose configuration record ends before the chroma format (14496-15 §5.3.3.1.2)."""
_BASELINE: Final = 66


@dataclass(frozen=True, slots=True)
class VideoUsability:
    """What is used of the VUI parameters (annex E)."""

    aspect: tuple[int, int] = (1, 1)
    ticks_per_second: tuple[int, int] | None = None
    """time_scale and num_units_in_tick: twice the frame rate, as a fraction."""
    reorder_frames: int | None = None
    """max_num_reorder_frames; None where bitstream restrictions are not given."""


@dataclass(frozen=True, slots=True)
class SequenceParameterSet:
    """What is used of an SPS."""

    sps_id: int
    profile: int
    constraints: int
    level: int
    chroma_format: int
    luma_depth: int
    chroma_depth: int
    width: int
    height: int
    in_output_order: bool
    """Output order is decoding order by definition (pic_order_cnt_type 2, or the Baseline profile)."""
    usability: VideoUsability

    @property
    def reorder_depth(self) -> int:
        """Frames that may be reordered: as declared, else 0, which whoever sees timestamps step back must raise."""
        return 0 if self.in_output_order else self.usability.reorder_frames or 0


def parse_sps(nal_unit: bytes) -> SequenceParameterSet:
    """Parse a sequence parameter set NAL unit, header included (§7.3.2.1.1).

    A broken VUI, which some cameras send, is left out of account: the picture can be decoded without.

    Raises:
        InvalidError: truncated, or with a value outside its range.
    """
    bits = BitReader(rbsp(nal_unit), 8)
    profile, constraints, level = bits.bits(8), bits.bits(8), bits.bits(8)
    sps_id = bits.ue(31)
    chroma_format, luma_depth, chroma_depth, separate_planes = 1, 8, 8, False
    if profile in _HIGH_PROFILES:
        chroma_format = bits.ue(3)
        separate_planes = chroma_format == 3 and bits.flag()
        luma_depth, chroma_depth = 8 + bits.ue(6), 8 + bits.ue(6)
        bits.skip(1)
        if bits.flag():
            for number in range(8 if chroma_format != 3 else 12):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.ue(12)
    order_type = bits.ue(2)
    if order_type == 0:
        bits.ue(12)
    elif order_type == 1:
        bits.skip(1)
        bits.se()
        bits.se()
        for _ in range(bits.ue(255)):
            bits.se()
    bits.ue(16)
    bits.skip(1)
    width, height = 16 * (bits.ue(MAX_SIDE // 16) + 1), 16 * (bits.ue(MAX_SIDE // 16) + 1)
    frames_only = bits.flag()
    if not frames_only:
        height *= 2
        bits.skip(1)
    bits.skip(1)
    if bits.flag():
        # Cropping counts in chroma samples, and in field lines where there may be fields (7-19 to 7-22).
        subsampled = not separate_planes
        unit_x = 2 if subsampled and chroma_format in {1, 2} else 1
        unit_y = (2 if subsampled and chroma_format == 1 else 1) * (1 if frames_only else 2)
        width -= unit_x * (bits.ue() + bits.ue())
        height -= unit_y * (bits.ue() + bits.ue())
    check_size(width, height)
    return SequenceParameterSet(
        sps_id=sps_id,
        profile=profile,
        constraints=constraints,
        level=level,
        chroma_format=chroma_format,
        luma_depth=luma_depth,
        chroma_depth=chroma_depth,
        width=width,
        height=height,
        in_output_order=order_type == 2 or profile == _BASELINE,
        usability=_parse_usability(bits),
    )


def parse_pps_ids(nal_unit: bytes) -> tuple[int, int]:
    """Return the id of a picture parameter set and of the SPS it refers to (§7.3.2.2). Raises InvalidError."""
    bits = BitReader(rbsp(nal_unit[:16]), 8)
    return bits.ue(255), bits.ue(31)


class H264ParameterSets:
    """All parameter sets of a stream by their ids; those of the SDP are replaced by those in the stream."""

    __slots__ = ("_active", "_clock_rate", "_pps", "_sps", "changed")

    def __init__(self, clock_rate: int) -> None:
        """Begin with none."""
        self.changed = False
        self._clock_rate = clock_rate
        self._sps: dict[int, tuple[bytes, SequenceParameterSet]] = {}
        self._pps: dict[int, tuple[bytes, int]] = {}
        self._active: int | None = None

    @property
    def has_choice(self) -> bool:
        """There are several SPS: only a picture tells which one is in force."""
        return len(self._sps) > 1

    def activate(self, pps_id: int) -> None:
        """Take note that a picture refers to this PPS, and by it to an SPS."""
        _, sps_id = self._pps.get(pps_id, (b"", -1))
        if sps_id in self._sps and sps_id != self._active:
            self._active = sps_id
            self.changed = True

    def offer(self, nal_unit: bytes) -> None:
        """Take in an SPS or PPS. Raises InvalidError if it is malformed; the one before is kept then."""
        bare = bare_parameter_set(nal_unit)
        if bare[0] & 0x1F == SPS:
            if any(known == bare for known, _ in self._sps.values()):
                return
            sps = parse_sps(bare)
            self._sps[sps.sps_id] = bare, sps
        else:
            pps_id, sps_id = parse_pps_ids(bare)
            if self._pps.get(pps_id) == (bare, sps_id):
                return
            self._pps[pps_id] = bare, sps_id
        self.changed = True

    def configure(self) -> CodecConfiguration | None:
        """Return the configuration by all sets in hand; None while there is no PPS with its SPS."""
        self.changed = False
        usable = [sps_id for _, sps_id in self._pps.values() if sps_id in self._sps]
        if not usable:
            return None
        active = self._active if self._active in usable else usable[0]
        sps = self._sps[active][1]
        return CodecConfiguration(
            kind="video",
            codec="h264",
            rfc6381=f"avc1.{sps.profile:02x}{sps.constraints:02x}{sps.level:02x}",
            timescale=self._clock_rate,
            sample_entry=avc1(sps.width, sps.height, self._record(sps), sps.usability.aspect),
            width=sps.width,
            height=sps.height,
            reorder_depth=sps.reorder_depth,
        )

    def _record(self, sps: SequenceParameterSet) -> bytes:
        """AVCDecoderConfigurationRecord with lengths of four bytes (14496-15 §5.3.3.1)."""
        # The counts are five and eight bits wide: the last of 32 SPS or 256 PPS would stay in the samples alone.
        all_sps = [self._sps[key][0] for key in sorted(self._sps)][:31]
        all_pps = [self._pps[key][0] for key in sorted(self._pps)][:255]
        parts = [bytes((1, sps.profile, sps.constraints, sps.level, 0xFF, 0xE0 | len(all_sps)))]
        parts += [len(each).to_bytes(2, "big") + each for each in all_sps]
        parts.append(bytes((len(all_pps),)))
        parts += [len(each).to_bytes(2, "big") + each for each in all_pps]
        if sps.profile not in _RECORD_WITHOUT_CHROMA:
            parts.append(bytes((0xFC | sps.chroma_format, 0xF8 | sps.luma_depth - 8, 0xF8 | sps.chroma_depth - 8, 0)))
        return b"".join(parts)


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    """§7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _parse_usability(bits: BitReader) -> VideoUsability:
    """§7.3.2.1.1 (end) and §E.1.1; what cannot be read is unknown."""
    try:
        if not bits.flag():
            return VideoUsability()
        aspect = parse_aspect(bits)
    except InvalidError:
        return VideoUsability()
    ticks: tuple[int, int] | None = None
    try:
        skip_picture_description(bits)
        ticks = _parse_ticks(bits)
        with_hrd = False
        for _ in range(2):
            if bits.flag():
                with_hrd = True
                _skip_hrd(bits)
        bits.skip(2 if with_hrd else 1)
        if not bits.flag():
            return VideoUsability(aspect, ticks)
        bits.skip(1)
        for _ in range(4):
            bits.ue()
        return VideoUsability(aspect, ticks, bits.ue(16))
    except InvalidError:
        return VideoUsability(aspect, ticks)


def _parse_ticks(bits: BitReader) -> tuple[int, int] | None:
    """Read timing_info: time_scale and num_units_in_tick; None if absent or zero. Raises InvalidError."""
    if not bits.flag():
        return None
    units, scale = bits.bits(32), bits.bits(32)
    bits.skip(1)
    return (scale, units) if scale and units else None


def _skip_hrd(bits: BitReader) -> None:
    """§E.1.2."""
    count = bits.ue(31) + 1
    bits.skip(8)
    for _ in range(count):
        bits.ue()
        bits.ue()
        bits.skip(1)
    bits.skip(20)

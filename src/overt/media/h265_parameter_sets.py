"""H.265 parameter sets: what a decoder must know before the first picture (ITU-T H.265 §7.3.2, §7.3.3, annex E).

They become an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3) inside a sample entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from overt.errors import InvalidError
from overt.media.bits import BitReader, rbsp
from overt.media.parameter_sets import MAX_SIDE, bare_parameter_set, check_size, parse_aspect, skip_picture_description
from overt.media.sample_entries import hvc1
from overt.media.samples import CodecConfiguration

VPS: Final = 32
SPS: Final = 33
PPS: Final = 34

_PROFILE_BITS: Final = 88
"""general_profile_space to the constraint flags: the eleven bytes before general_level_idc."""
_PARALLEL_UNKNOWN: Final = 0
_PARALLEL_SLICES: Final = 1
_PARALLEL_TILES: Final = 2
_PARALLEL_WAVEFRONT: Final = 3


@dataclass(frozen=True, slots=True)
class VideoUsability:
    """What is used of the VUI parameters (annex E)."""

    aspect: tuple[int, int] = (1, 1)
    min_spatial_segmentation: int = 0


@dataclass(frozen=True, slots=True)
class SequenceParameterSet:
    """What is used of an SPS."""

    sps_id: int
    profile: bytes
    """Profile space, tier, profile (one byte), compatibility flags (four), constraint flags (six)."""
    level: int
    sub_layers: int
    temporal_id_nesting: bool
    chroma_format: int
    luma_depth: int
    chroma_depth: int
    width: int
    height: int
    reorder_depth: int
    """sps_max_num_reorder_pics of the highest sub-layer."""
    usability: VideoUsability

    @property
    def rfc6381(self) -> str:
        """The `codecs` parameter (14496-15 annex E): profile, compatibility with bits reversed, tier, level, flags."""
        head = self.profile[0]
        compatibility = int.from_bytes(self.profile[1:5], "big")
        reverse = int(f"{compatibility:032b}"[::-1], 2)
        space = ("", "A", "B", "C")[head >> 6]
        tier = "H" if head & 0x20 else "L"
        flags = "".join(f".{each:X}" for each in self.profile[5:].rstrip(b"\0"))
        return f"hvc1.{space}{head & 0x1F}.{reverse:X}.{tier}{self.level}{flags}"


def parse_sps(nal_unit: bytes) -> SequenceParameterSet:
    """Parse a sequence parameter set NAL unit, header included (§7.3.2.2.1).

    What follows the reordering is needed for the shape of samples alone, and if it is broken, left out of account.

    Raises:
        InvalidError: truncated, or with a value outside its range.
    """
    bits = BitReader(rbsp(nal_unit), 16)
    bits.skip(4)
    sub_layers = bits.bits(3) + 1
    if sub_layers > 7:
        msg = "a sequence parameter set announces 8 sub-layers, one more than there can be"
        raise InvalidError(msg)
    nesting = bits.flag()
    profile, level = _parse_profile(bits, sub_layers)
    sps_id = bits.ue(15)
    chroma_format = bits.ue(3)
    separate_planes = chroma_format == 3 and bits.flag()
    width, height = bits.ue(MAX_SIDE), bits.ue(MAX_SIDE)
    if bits.flag():
        # The conformance window counts in chroma samples (table 6-1).
        subsampled = not separate_planes
        width -= (2 if subsampled and chroma_format in {1, 2} else 1) * (bits.ue() + bits.ue())
        height -= (2 if subsampled and chroma_format == 1 else 1) * (bits.ue() + bits.ue())
    check_size(width, height)
    luma_depth, chroma_depth = 8 + bits.ue(8), 8 + bits.ue(8)
    order_bits = bits.ue(12) + 4
    reorder = 0
    for _ in range(sub_layers if bits.flag() else 1):
        bits.ue(16)
        reorder = bits.ue(16)
        bits.ue()
    return SequenceParameterSet(
        sps_id=sps_id,
        profile=profile,
        level=level,
        sub_layers=sub_layers,
        temporal_id_nesting=nesting,
        chroma_format=chroma_format,
        luma_depth=luma_depth,
        chroma_depth=chroma_depth,
        width=width,
        height=height,
        reorder_depth=reorder,
        usability=_parse_usability(bits, order_bits),
    )


def parse_vps_id(nal_unit: bytes) -> int:
    """Return the id of a video parameter set (§7.3.2.1). Raises InvalidError."""
    return BitReader(nal_unit, 16).bits(4)


@dataclass(frozen=True, slots=True)
class PictureParameterSet:
    """What is used of a PPS."""

    pps_id: int
    sps_id: int
    parallelism: int


def parse_pps(nal_unit: bytes) -> PictureParameterSet:
    """Parse a picture parameter set NAL unit, header included (§7.3.2.3.1). Raises InvalidError."""
    bits = BitReader(rbsp(nal_unit), 16)
    pps_id, sps_id = bits.ue(63), bits.ue(15)
    parallelism = _PARALLEL_UNKNOWN
    bits.skip(7)
    bits.ue(15)
    bits.ue(15)
    bits.se()
    bits.skip(2)
    if bits.flag():
        bits.ue()
    bits.se()
    bits.se()
    bits.skip(4)
    tiles, wavefront = bits.flag(), bits.flag()
    if not (tiles and wavefront):
        parallelism = _PARALLEL_TILES if tiles else _PARALLEL_WAVEFRONT if wavefront else _PARALLEL_SLICES
    return PictureParameterSet(pps_id, sps_id, parallelism)


class H265ParameterSets:
    """All parameter sets of a stream by their ids; those of the SDP are replaced by those in the stream."""

    __slots__ = ("_active", "_clock_rate", "_pps", "_sps", "_vps", "changed")

    def __init__(self, clock_rate: int) -> None:
        """Begin with none."""
        self.changed = False
        self._clock_rate = clock_rate
        self._vps: dict[int, bytes] = {}
        self._sps: dict[int, tuple[bytes, SequenceParameterSet]] = {}
        self._pps: dict[int, tuple[bytes, PictureParameterSet]] = {}
        self._active: int | None = None

    @property
    def has_choice(self) -> bool:
        """There are several SPS: only a picture tells which one is in force."""
        return len(self._sps) > 1

    def activate(self, pps_id: int) -> None:
        """Take note that a picture refers to this PPS, and by it to an SPS."""
        known = self._pps.get(pps_id)
        if known is not None and known[1].sps_id in self._sps and known[1].sps_id != self._active:
            self._active = known[1].sps_id
            self.changed = True

    def offer(self, nal_unit: bytes) -> None:
        """Take in a VPS, SPS or PPS. Raises InvalidError if it is malformed; the one before is kept then."""
        bare = bare_parameter_set(nal_unit)
        kind = bare[0] >> 1 & 0x3F
        if kind == VPS:
            vps_id = parse_vps_id(bare)
            if self._vps.get(vps_id) == bare:
                return
            self._vps[vps_id] = bare
        elif kind == SPS:
            if any(known == bare for known, _ in self._sps.values()):
                return
            sps = parse_sps(bare)
            self._sps[sps.sps_id] = bare, sps
        else:
            if any(known == bare for known, _ in self._pps.values()):
                return
            pps = parse_pps(bare)
            self._pps[pps.pps_id] = bare, pps
        self.changed = True

    def configure(self) -> CodecConfiguration | None:
        """Return the configuration by all sets in hand; None while there is no VPS or no PPS with its SPS."""
        self.changed = False
        usable = [pps for _, pps in self._pps.values() if pps.sps_id in self._sps]
        if not usable or not self._vps:
            return None
        ids = [pps.sps_id for pps in usable]
        active = self._active if self._active in ids else ids[0]
        sps = self._sps[active][1]
        parallelisms = {pps.parallelism for pps in usable}
        record = self._record(sps, parallelisms.pop() if len(parallelisms) == 1 else _PARALLEL_UNKNOWN)
        return CodecConfiguration(
            kind="video",
            codec="h265",
            rfc6381=sps.rfc6381,
            timescale=self._clock_rate,
            sample_entry=hvc1(sps.width, sps.height, record, sps.usability.aspect),
            width=sps.width,
            height=sps.height,
            reorder_depth=sps.reorder_depth,
        )

    def _record(self, sps: SequenceParameterSet, parallelism: int) -> bytes:
        """HEVCDecoderConfigurationRecord with lengths of four bytes (14496-15 §8.3.3.1).

        The arrays are not called complete, since more parameter sets may come in the samples.
        """
        segmentation = sps.usability.min_spatial_segmentation
        parts = [
            b"\x01",
            sps.profile,
            bytes((sps.level,)),
            (0xF000 | segmentation).to_bytes(2, "big"),
            bytes((0xFC | (parallelism if segmentation else _PARALLEL_UNKNOWN), 0xFC | sps.chroma_format)),
            bytes((0xF8 | sps.luma_depth - 8, 0xF8 | sps.chroma_depth - 8, 0, 0)),
            bytes((sps.sub_layers << 3 | sps.temporal_id_nesting << 2 | 3, 3)),
        ]
        for kind, sets in (
            (VPS, [self._vps[key] for key in sorted(self._vps)]),
            (SPS, [self._sps[key][0] for key in sorted(self._sps)]),
            (PPS, [self._pps[key][0] for key in sorted(self._pps)]),
        ):
            parts.append(bytes((kind,)) + len(sets).to_bytes(2, "big"))
            parts += [len(each).to_bytes(2, "big") + each for each in sets]
        return b"".join(parts)


def _parse_profile(bits: BitReader, sub_layers: int) -> tuple[bytes, int]:
    """profile_tier_level (§7.3.3): the general profile and level."""
    profile = bits.bits(_PROFILE_BITS).to_bytes(_PROFILE_BITS // 8, "big")
    level = bits.bits(8)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers - 1)]
    if present:
        bits.skip(2 * (8 - len(present)))
    for with_profile, with_level in present:
        bits.skip((_PROFILE_BITS if with_profile else 0) + (8 if with_level else 0))
    return profile, level


def _parse_usability(bits: BitReader, order_bits: int) -> VideoUsability:
    """Read from after the reordering to the VUI (§7.3.2.2.1, §E.2.1); what cannot be read is unknown."""
    aspect = (1, 1)
    try:
        _skip_coding_tools(bits, order_bits)
        if not bits.flag():
            return VideoUsability()
        aspect = parse_aspect(bits)
        skip_picture_description(bits)
        bits.skip(3)
        if bits.flag():
            for _ in range(4):
                bits.ue()
        if bits.flag():
            bits.skip(64)
            if bits.flag():
                bits.ue()
            if bits.flag():
                # Hypothetical reference decoders are long and rare here: what stands behind them is done without.
                return VideoUsability(aspect)
        if not bits.flag():
            return VideoUsability(aspect)
        bits.skip(3)
        return VideoUsability(aspect, bits.ue(4095))
    except InvalidError:
        return VideoUsability(aspect)


def _skip_coding_tools(bits: BitReader, order_bits: int) -> None:
    for _ in range(6):
        bits.ue()
    if bits.flag() and bits.flag():
        _skip_scaling_lists(bits)
    bits.skip(2)
    if bits.flag():
        bits.skip(8)
        bits.ue()
        bits.ue()
        bits.skip(1)
    deltas: list[int] = []
    for index in range(bits.ue(64)):
        deltas.append(_skip_reference_set(bits, index, deltas))
    if bits.flag():
        bits.skip(bits.ue(32) * (order_bits + 1))
    bits.skip(2)


def _skip_scaling_lists(bits: BitReader) -> None:
    """scaling_list_data (§7.3.4)."""
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.flag():
                bits.ue()
                continue
            if size > 1:
                bits.se()
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                bits.se()


def _skip_reference_set(bits: BitReader, index: int, deltas: list[int]) -> int:
    """st_ref_pic_set (§7.3.7): return how many pictures it holds, which the next may be predicted from."""
    if index and bits.flag():
        bits.skip(1)
        bits.ue()
        count = 0
        for _ in range(deltas[index - 1] + 1):
            used = bits.flag()
            if used or bits.flag():
                count += 1
        return count
    count = bits.ue(16) + bits.ue(16)
    for _ in range(count):
        bits.ue()
        bits.skip(1)
    return count

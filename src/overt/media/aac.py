"""AAC over RTP (RFC 3640): several access units a packet, or one in several; and its AudioSpecificConfig."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from overt.errors import InvalidError
from overt.media.bits import BitReader
from overt.media.payload import Continuation, PayloadCounters
from overt.media.sample_entries import mp4a
from overt.media.samples import CodecConfiguration, Sample

MAX_AUDIO_UNIT: Final = 64 * 1024
"""Bytes of one access unit; 768 a channel are lawful, and 13 bits of size in mode AAC-hbr."""
MAX_CONFIG: Final = 256
MAX_UNITS: Final = 128
"""Access units of one packet: more than two seconds."""

_FREQUENCIES: Final = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
"""samplingFrequencyIndex (ISO/IEC 14496-3 table 1.16)."""
_CHANNELS: Final = (0, 1, 2, 3, 4, 5, 6, 8)
"""channelConfiguration (table 1.17); 0 is told elsewhere."""
_AAC_LC: Final = 2
_SBR: Final = 5
_PARAMETRIC_STEREO: Final = 29
_SHORT_FRAMES: Final = frozenset((2, 3, 4, 1, 6, 7, 17, 19, 20, 22, 23, 39))
"""Object types whose GASpecificConfig begins with frameLengthFlag."""
_MODES: Final = {"aac-hbr": (13, 3, 3), "aac-lbr": (6, 2, 2)}
"""sizeLength, indexLength, indexDeltaLength (RFC 3640 §3.3.5, §3.3.6)."""


@dataclass(frozen=True, slots=True)
class AudioSpecificConfig:
    """What is used of an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1)."""

    object_type: int
    """As first given: 5 or 29 where SBR or parametric stereo is signalled explicitly."""
    sampling_rate: int
    """Of the core codec, without SBR."""
    channels: int
    """0 where the stream itself says."""
    frame_length: int
    """Moments of sound in an access unit at `sampling_rate`."""


def parse_audio_specific_config(data: bytes) -> AudioSpecificConfig:
    """Parse an AudioSpecificConfig. Raises InvalidError if it is truncated or reserves what it uses."""
    bits = BitReader(data[:MAX_CONFIG])
    object_type = core = _object_type(bits)
    rate = _frequency(bits)
    index = bits.bits(4)
    if index >= len(_CHANNELS):
        msg = f"AudioSpecificConfig names the reserved channel configuration {index}"
        raise InvalidError(msg)
    if object_type in {_SBR, _PARAMETRIC_STEREO}:
        _frequency(bits)
        core = _object_type(bits)
    short = core in _SHORT_FRAMES and bits.remaining > 0 and bits.flag()
    length = 960 if short else 1024
    if core in {23, 39}:
        # The low-delay codecs halve it.
        length //= 2
    return AudioSpecificConfig(object_type, rate, _CHANNELS[index], length)


def _object_type(bits: BitReader) -> int:
    value = bits.bits(5)
    return 32 + bits.bits(6) if value == 31 else value


def _frequency(bits: BitReader) -> int:
    index = bits.bits(4)
    rate = bits.bits(24) if index == 15 else _FREQUENCIES[index] if index < len(_FREQUENCIES) else 0
    if rate <= 0:
        msg = f"AudioSpecificConfig names the reserved sampling frequency index {index}"
        raise InvalidError(msg)
    return rate


class AacDepacketiser:
    """Access units of AAC. Interleaving is read in order of arrival; no camera is known to interleave.

    An access unit that lost a part cannot be decoded: it is dropped, and what was lost is told with the next.
    """

    __slots__ = (
        "_configuration", "_counters", "_header_fields", "_lost", "_partial", "_sizes", "_step", "_time", "_wanted",
        "continuation",
    )  # fmt: skip

    def __init__(self, clock_rate: int, channels: int, fmtp: Mapping[str, str]) -> None:
        """Take the values of the session description; without `config`, AAC-LC of that rate is assumed.

        Raises:
            InvalidError: the parameters cannot be understood.
        """
        config = _config(fmtp.get("config", ""), clock_rate, channels)
        asc = parse_audio_specific_config(config)
        self._counters: Final = PayloadCounters()
        self.continuation: Final = Continuation()
        timescale = clock_rate or asc.sampling_rate
        count = asc.channels or channels or 1
        self._configuration: Final = CodecConfiguration(
            kind="audio",
            codec="aac",
            rfc6381=f"mp4a.40.{asc.object_type}",
            timescale=timescale,
            sample_entry=mp4a(asc.sampling_rate, count, config),
            channels=count,
        )
        self._step: Final = asc.frame_length * timescale // asc.sampling_rate
        mode = fmtp.get("mode", "").lower()
        # Without a mode the parameters speak for themselves (RFC 3640 §4.1), and without those it is the usual one.
        usual = _MODES["aac-hbr"] if not mode and "sizelength" not in fmtp else (0, 0, 0)
        size, index, delta = _MODES.get(mode, usual)
        size, index, delta = (
            _number(fmtp, "sizelength", size),
            _number(fmtp, "indexlength", index),
            _number(fmtp, "indexdeltalength", delta),
        )
        if size == 0:
            msg = "the camera announces AAC without a size of its access units (sizelength), which cannot be recorded"
            raise InvalidError(msg)
        self._sizes: Final = (size, index, delta)
        self._header_fields: Final = (
            _number(fmtp, "ctsdeltalength", 0),
            _number(fmtp, "dtsdeltalength", 0),
            _number(fmtp, "randomaccessindication", 0),
            _number(fmtp, "streamstateindication", 0),
            _number(fmtp, "auxiliarydatasizelength", 0),
        )
        self._partial = bytearray()
        self._wanted = 0
        """Size of the access unit that is being put together; 0 if none is."""
        self._time = 0
        self._lost = 0

    @property
    def counters(self) -> PayloadCounters:
        """The counts so far."""
        return self._counters

    @property
    def configuration(self) -> CodecConfiguration:
        """Known from the beginning."""
        return self._configuration

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
        """Take the payload `buffer[start:stop]`; see `Depacketiser.push`. Lengths tell what the marker bit would."""
        del marker
        self._lost += lost_before
        payload = bytes(buffer[start:stop])
        try:
            sizes, position = self._read_headers(payload)
        except InvalidError:
            self._counters.malformed += 1
            self._abandon()
            return
        available = len(payload) - position
        if self._wanted and (lost_before or rtp_time != self._time or sizes != [self._wanted]):
            self._counters.malformed += not lost_before
            self._abandon()
        if len(sizes) == 1 and (self._wanted or sizes[0] > available):
            self._gather(payload[position:], sizes[0], rtp_time, arrival_ns, out)
            return
        for number, size in enumerate(sizes):
            if size > len(payload) - position:
                self._counters.malformed += 1
                return
            if size:
                self._emit(payload[position : position + size], rtp_time + number * self._step, arrival_ns, out)
            position += size

    def flush(self, arrival_ns: int, out: list[Sample]) -> None:
        """Forget an access unit that was not completed."""
        del arrival_ns, out
        self._abandon()

    def _gather(self, piece: bytes, size: int, rtp_time: int, arrival_ns: int, out: list[Sample]) -> None:
        """RFC 3640 §3.2.3.2: each fragment bears the size of the whole."""
        if size > MAX_AUDIO_UNIT:
            self._counters.oversized += 1
            return
        self._wanted, self._time = size, rtp_time
        self._partial += piece
        if len(self._partial) > size:
            self._counters.malformed += 1
            self._abandon()
        elif len(self._partial) == size:
            data, self._partial, self._wanted = self._partial, bytearray(), 0
            self._emit(data, rtp_time, arrival_ns, out)

    def _emit(self, data: bytes | bytearray, rtp_time: int, arrival_ns: int, out: list[Sample]) -> None:
        out.append(Sample(self._configuration, rtp_time, data, True, arrival_ns, False, self._lost))
        self._lost = 0

    def _abandon(self) -> None:
        self._partial = bytearray()
        self._wanted = 0

    def _read_headers(self, payload: bytes) -> tuple[list[int], int]:
        """Return the sizes of the access units and where the first begins (§3.2.1). Raises InvalidError."""
        bits = BitReader(payload)
        length = bits.bits(16)
        end = 16 + length
        size_length, index_length, delta_length = self._sizes
        cts, dts, random_access, stream_state, auxiliary = self._header_fields
        sizes: list[int] = []
        while bits.position + size_length + (delta_length if sizes else index_length) <= end:
            if len(sizes) == MAX_UNITS:
                msg = f"an audio packet announces more than {MAX_UNITS} access units"
                raise InvalidError(msg)
            size = bits.bits(size_length)
            bits.skip(delta_length if sizes else index_length)
            for field in (cts, dts):
                if field and bits.flag():
                    bits.skip(field)
            bits.skip((1 if random_access else 0) + stream_state)
            sizes.append(size)
        if not sizes or end > 8 * len(payload):
            msg = f"an audio packet of {len(payload)} bytes announces {length} bits of headers"
            raise InvalidError(msg)
        position = (end + 7) // 8
        if auxiliary:
            section = BitReader(payload, 8 * position)
            section.skip(section.bits(auxiliary))
            position = (section.position + 7) // 8
        return sizes, position


def _number(fmtp: Mapping[str, str], name: str, default: int) -> int:
    text = fmtp.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or int(text[:4]) > 32:
        msg = f"the camera announces AAC with {name}={text[:20]}, where a number of bits up to 32 belongs"
        raise InvalidError(msg)
    return int(text[:4])


def _config(text: str, clock_rate: int, channels: int) -> bytes:
    """Return the AudioSpecificConfig of the session description, or one that its other values amount to."""
    digits = text.strip().strip('"')
    if digits:
        try:
            return bytes.fromhex(digits[: 2 * MAX_CONFIG] + "0" * (len(digits) % 2))
        except ValueError as error:
            msg = f"the camera announces AAC with config={digits[:40]}, which is not hexadecimal"
            raise InvalidError(msg) from error
    rate, count = clock_rate or 8000, channels or 1
    if count not in _CHANNELS:
        msg = f"the camera announces AAC of {count} channels and no config that would say which"
        raise InvalidError(msg)
    index = _FREQUENCIES.index(rate) if rate in _FREQUENCIES else 15
    head = _AAC_LC << 4 | index
    if index == 15:
        head = head << 24 | rate & 0xFFFFFF
    width = 33 if index == 15 else 9
    number = (head << 4 | _CHANNELS.index(count)) << 3
    size = (width + 7 + 7) // 8
    return (number << (8 * size - width - 7)).to_bytes(size, "big")

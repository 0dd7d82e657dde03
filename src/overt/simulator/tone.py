"""A tone in G.711, so that a camera with a microphone has something to say.

One second at 8 kHz holds a whole number of periods, so that it repeats without a click.
"""

from __future__ import annotations

import math
from typing import Final, Literal

SAMPLING_RATE: Final = 8000
PACKET_SAMPLES: Final = 320
"""40 ms a packet, 25 packets a second."""
_FREQUENCY: Final = 440
_AMPLITUDE: Final = 8000


def a_law(sample: int) -> int:
    """Encode a 16-bit linear sample (ITU-T G.711 table 1a)."""
    sign = 0x80 if sample >= 0 else 0
    magnitude = (sample if sample >= 0 else -sample - 1) >> 3
    exponent = max(0, magnitude.bit_length() - 5)
    mantissa = (magnitude >> max(1, exponent)) & 0x0F
    return (sign | (exponent << 4) | mantissa) ^ 0x55


def mu_law(sample: int) -> int:
    """Encode a 16-bit linear sample (ITU-T G.711 table 2a)."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | (exponent << 4) | mantissa) & 0xFF


def tone_packets(codec: Literal["pcma", "pcmu"]) -> tuple[bytes, ...]:
    """Return one second of the tone in packets of `PACKET_SAMPLES` bytes."""
    encode = a_law if codec == "pcma" else mu_law
    wave = bytes(
        encode(round(_AMPLITUDE * math.sin(2 * math.pi * _FREQUENCY * at / SAMPLING_RATE)))
        for at in range(SAMPLING_RATE)
    )
    return tuple(wave[at : at + PACKET_SAMPLES] for at in range(0, SAMPLING_RATE, PACKET_SAMPLES))

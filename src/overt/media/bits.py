"""Reading of bit strings: RBSP of NAL units (ITU-T H.264 §7.2, §9.1) and MPEG-4 descriptors."""

from __future__ import annotations

from overt.errors import InvalidError


def rbsp(nal_unit: bytes) -> bytes:
    """Return a NAL unit without its emulation prevention bytes (H.264 §7.4.1, H.265 §7.4.2); header included."""
    return nal_unit.replace(b"\x00\x00\x03", b"\x00\x00")


class BitReader:
    """Reads unsigned and exp-Golomb numbers, most significant bit first. Every read is bounded by the data."""

    __slots__ = ("_data", "_length", "_position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        """Read `data` from bit `position` on."""
        self._data = data
        self._position = position
        self._length = 8 * len(data)

    @property
    def position(self) -> int:
        """The bit that is read next, counted from the beginning of the data."""
        return self._position

    @property
    def remaining(self) -> int:
        """How many bits are left."""
        return self._length - self._position

    def bits(self, count: int) -> int:
        """Return the next `count` bits as an unsigned number. Raises InvalidError past the end."""
        position = self._position
        end = position + count
        if end > self._length:
            msg = f"bit string of {len(self._data)} bytes ends before the {count} bits wanted at bit {position}"
            raise InvalidError(msg)
        self._position = end
        window = int.from_bytes(self._data[position >> 3 : (end + 7) >> 3], "big")
        return (window >> (-end & 7)) & ((1 << count) - 1)

    def flag(self) -> bool:
        """Return the next bit. Raises InvalidError past the end."""
        return self.bits(1) == 1

    def skip(self, count: int) -> None:
        """Pass over `count` bits. Raises InvalidError past the end."""
        if count > self.remaining:
            msg = f"bit string of {len(self._data)} bytes ends before the {count} bits to skip at bit {self._position}"
            raise InvalidError(msg)
        self._position += count

    def ue(self, most: int = (1 << 32) - 2) -> int:
        """Return an unsigned exp-Golomb number, ue(v) of H.264 §9.1.

        Raises:
            InvalidError: past the end, with more than 32 leading zeros, or above `most`.
        """
        at = self._position
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 32:
                msg = f"exp-Golomb number at bit {at} is longer than 32 bits"
                raise InvalidError(msg)
        value = (1 << zeros) - 1 + self.bits(zeros)
        if value > most:
            msg = f"exp-Golomb number at bit {at} is {value}, above its bound of {most}"
            raise InvalidError(msg)
        return value

    def se(self) -> int:
        """Return a signed exp-Golomb number, se(v) of H.264 §9.1.1. Raises InvalidError as `ue` does."""
        value = self.ue()
        return (value + 1) >> 1 if value & 1 else -(value >> 1)

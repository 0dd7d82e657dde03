"""What the PRF of a security key gives, as an age identity (docs/formats/keyring.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DERIVATION: Final = b"overt security key v1 age identity"
ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def identity_of_prf(output: bytes, credential_id: bytes) -> str:
    """Return the age identity (`AGE-SECRET-KEY-1…`) of a security key, from its PRF output and raw credential id."""
    secret = HKDF(SHA256(), 32, credential_id, DERIVATION).derive(output)
    return bech32("age-secret-key-", secret).upper()


def bech32(prefix: str, content: bytes) -> str:
    """Return bytes in Bech32 (BIP 173), as age writes its keys."""
    number = int.from_bytes(content, "big") << (-len(content) * 8 % 5)
    length = (len(content) * 8 + 4) // 5
    digits = [number >> 5 * place & 31 for place in reversed(range(length))]
    spread = [*(ord(each) >> 5 for each in prefix), 0, *(ord(each) & 31 for each in prefix)]
    check = _remainder([*spread, *digits, *[0] * 6]) ^ 1
    digits += [check >> 5 * place & 31 for place in reversed(range(6))]
    return f"{prefix}1{''.join(ALPHABET[each] for each in digits)}"


def _remainder(digits: Sequence[int]) -> int:
    """Return the checksum of BIP 173 over some digits."""
    value = 1
    for digit in digits:
        top = value >> 25
        value = (value & 0x1FFFFFF) << 5 ^ digit
        for factor in _factors(top):
            value ^= factor
    return value


def _factors(top: int) -> Iterator[int]:
    return (factor for place, factor in enumerate(GENERATOR) if top >> place & 1)

"""Security keys as tests have them: virtual ones in Chromium's pages, and what their PRF gives as an age identity."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from playwright.sync_api import Page

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


class SecurityKey:
    """A hardware key in the USB port of the machine that shows one page: CTAP 2.1, PRF, a PIN that is known.

    It stays there while the page goes from address to address. Its credentials do not move to another page: the browser
    gives out their private keys but not the secret of their PRF. So a person has one browser context with one page.
    """

    def __init__(self, page: Page, *, prf: bool = True, verified: bool = True, synced: bool = False) -> None:
        """Put a key in.

        Args:
            page: the page whose requests it answers.
            prf: whether it has the extension hmac-secret.
            verified: whether its owner knows the PIN. One failed try blocks the key for good.
            synced: whether it says of its credentials that they are copied elsewhere, as passkeys of a phone are.
        """
        self._session = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": "usb",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "hasPrf": prf,
            "isUserVerified": verified,
            "automaticPresenceSimulation": True,
            "defaultBackupEligibility": synced,
            "defaultBackupState": synced,
        }
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id: Final = made["authenticatorId"]

    def nobody_touches(self) -> None:
        """Let requests for a touch wait until they time out."""
        self._presence(False)

    def somebody_touches(self) -> None:
        """Let it be touched at each request, as it is from the start."""
        self._presence(True)

    def forget_pin(self) -> None:
        """Let its owner not know the PIN from now on: the next try fails, and blocks the key for good."""
        self._session.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": False})

    def pull_out(self) -> None:
        """Take it away, with all that is in it."""
        self._session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self._id})

    def credentials(self) -> list[bytes]:
        """The raw ids of the credentials that it made."""
        found: dict[str, Any] = self._session.send("WebAuthn.getCredentials", {"authenticatorId": self._id})
        return [base64.b64decode(each["credentialId"]) for each in found["credentials"]]

    def _presence(self, enabled: bool) -> None:
        told = {"authenticatorId": self._id, "enabled": enabled}
        self._session.send("WebAuthn.setAutomaticPresenceSimulation", told)

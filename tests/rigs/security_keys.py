"""Virtual security keys in Chromium's pages."""

from __future__ import annotations

import base64
from typing import Any, Final

from playwright.sync_api import Page


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

"""What a leaf keeps of a security key's answer (WebAuthn Level 3), verified again at any time, with no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AttestedCredentialData, AuthenticationResponse, AuthenticatorData, CollectedClientData

from overt.errors import CorruptError


@dataclass(frozen=True, slots=True)
class Signed:
    """What a security key has said with its signature."""

    origin: str
    """Of the page that asked, as the browser told it."""
    rp_id_hash: bytes
    """SHA-256 of the name that the key answers to."""
    counter: int
    """How many signatures it has counted; 0 where it does not count."""


def kept(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return of a verified answer what a leaf keeps: all that is needed to verify it again, base64url."""
    response = AuthenticationResponse.from_dict(answer)
    return {
        "credential_id": websafe_encode(response.raw_id),
        "authenticator_data": websafe_encode(bytes(response.response.authenticator_data)),
        "client_data": websafe_encode(bytes(response.response.client_data)),
        "signature": websafe_encode(response.response.signature),
    }


def check_kept(challenge: bytes, credential: str, assertion: Mapping[str, str]) -> Signed:
    """Verify once more what a leaf keeps (docs/formats/key-requests.md).

    Raises:
        CorruptError: the signature is not that key's under that challenge, or no key in hand gave it.
    """
    try:
        known = AttestedCredentialData(websafe_decode(credential))
        client = CollectedClientData(websafe_decode(assertion["client_data"]))
        data = AuthenticatorData(websafe_decode(assertion["authenticator_data"]))
        known.public_key.verify(bytes(data) + client.hash, websafe_decode(assertion["signature"]))
    except Exception as error:  # the library lets what its parts raise pass: whatever it is, this is no signature
        msg = f"the signature of the security key is not good: {str(error).rstrip('.') or type(error).__name__}"
        raise CorruptError(msg) from error
    if client.type != CollectedClientData.TYPE.GET or client.challenge != challenge:
        msg = "the security key has signed something else than this request"
        raise CorruptError(msg)
    if not data.is_user_verified() or not data.is_user_present():
        msg = "the security key was not touched by somebody whom it had verified"
        raise CorruptError(msg)
    if data.is_backup_eligible() or data.flags & AuthenticatorData.FLAG.BS:
        msg = "the signature is that of a passkey that is copied from device to device"
        raise CorruptError(msg)
    return Signed(client.origin, bytes(data.rp_id_hash), int(data.counter))

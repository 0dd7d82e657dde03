"""Registrations and assertions of security keys (WebAuthn Level 3), verified with python-fido2.

A key that counts is a thing: user verification (a PIN, a fingerprint) is demanded, and what a provider could copy from
device to device (the flag *backup eligible*, §6.1.3) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorAttachment,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from overt.errors import ForbiddenError, InvalidError

SYNCED: Final = (
    "This is a passkey that its maker copies from device to device. Footage is opened with a security key alone: "
    "a thing that exists once. Use a security key."
)
NOT_GOOD: Final = "This is not an answer of the security key to this request: {}. Nothing was opened. Try again."
_REQUIRED: Final = UserVerificationRequirement.REQUIRED


@dataclass(frozen=True, slots=True)
class Place:
    """Where keys are asked: the name that they know this system by, and the address of its pages."""

    rp_id: str
    origin: str
    """Such as `https://cctv.example`."""

    def server(self, name: str = "Overt") -> Fido2Server:
        """Return what verifies answers that were given here, and nowhere else."""

        def is_here(origin: str) -> bool:
            return origin == self.origin

        return Fido2Server(PublicKeyCredentialRpEntity(id=self.rp_id, name=name), verify_origin=is_here)


@dataclass(frozen=True, slots=True)
class Registered:
    """A security key as it presents itself."""

    credential_id: str
    credential: str
    """Attested credential data, base64url."""
    model: str
    """AAGUID, which names a maker's model; zeros where the key does not say."""
    sign_count: int


def registration_options(
    place: Place, person: bytes, name: str, title: str, challenge: bytes, known: list[str]
) -> dict[str, Any]:
    """Return what a page gives to `navigator.credentials.create`, as JSON. `known`: not to be registered again."""
    options, _ = place.server(title).register_begin(
        PublicKeyCredentialUserEntity(id=person, name=name, display_name=name),
        credentials=[AttestedCredentialData(websafe_decode(each)) for each in known],
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=_REQUIRED,
        authenticator_attachment=AuthenticatorAttachment.CROSS_PLATFORM,
        challenge=challenge,
    )
    told: dict[str, Any] = dict(options.public_key)
    return told


def registered(place: Place, challenge: bytes, answer: Mapping[str, Any]) -> Registered:
    """Verify a registration.

    Raises:
        InvalidError: it is none, or not for this challenge, or not from here.
        ForbiddenError: its owner was not verified, or it is no thing that exists once.
    """
    state = {"challenge": websafe_encode(challenge), "user_verification": _REQUIRED}
    try:
        data = place.server().register_complete(state, answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidError(NOT_GOOD.format(_words(error))) from error
    _refuse_synced(data)
    found = data.credential_data
    if found is None:
        raise InvalidError(NOT_GOOD.format("it names no credential"))
    return Registered(
        websafe_encode(found.credential_id), websafe_encode(bytes(found)), str(found.aaguid), data.counter
    )


def verified(place: Place, challenge: bytes, credential: str, answer: Mapping[str, Any]) -> int:
    """Verify that a security key has signed a challenge here; return its signature counter.

    Raises:
        ForbiddenError: it has not: another key, another request, another page, nobody verified, or altered.
    """
    state = {"challenge": websafe_encode(challenge), "user_verification": _REQUIRED}
    known = AttestedCredentialData(websafe_decode(credential))
    try:
        place.server().authenticate_complete(state, [known], answer)
        data = AuthenticationResponse.from_dict(answer).response.authenticator_data
    except Exception as error:  # the library lets what its parts raise pass: whatever it is, this is no consent
        raise ForbiddenError(NOT_GOOD.format(_words(error))) from error
    _refuse_synced(data)
    return int(data.counter)


def _refuse_synced(data: AuthenticatorData) -> None:
    if data.is_backup_eligible() or data.flags & AuthenticatorData.FLAG.BS:
        raise ForbiddenError(SYNCED)


def _words(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__

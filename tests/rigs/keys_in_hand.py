"""Security keys in software, and what a page does with them: registers, touches, opens and seals keyrings."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestedCredentialData

from control_rig import signed_in
from overt.control.people.models import Person
from overt.sealing.keyring import HeldKey, Keyring, open_keyring, recipient_of, seal_keyring
from overt.sealing.roles import RoleKey
from overt.sealing.wraps import WrappedKey, open_layer
from prf_identity import identity_of_prf

ORIGIN: Final = "https://testserver"
RP_ID: Final = "testserver"
UP, UV, BE, BS, AT = 1, 4, 8, 16, 64
MODEL: Final = Aaguid(bytes(range(16)))


@dataclass
class SoftKey:
    """A security key with one credential; its PRF is HMAC under a secret, as CTAP's hmac-secret has it."""

    flags: int = UP | UV
    count: int = 0
    counts: bool = True
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    secret: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def identity(self) -> str:
        """What its PRF gives, as an age identity: in a browser no other page sees it."""
        prf = hmac.new(self.secret, b"overt security key v1", "sha256").digest()
        return identity_of_prf(prf, self.credential_id)

    @property
    def credential(self) -> bytes:
        """Attested credential data (WebAuthn §6.5.1)."""
        cose = ES256.from_cryptography_key(self.private.public_key())
        return bytes(AttestedCredentialData.create(MODEL, self.credential_id, cose))

    def registration(self, challenge: bytes, origin: str = ORIGIN, rp_id: str = RP_ID) -> dict[str, Any]:
        """Answer `navigator.credentials.create`."""
        data = self._data(rp_id, AT) + self.credential
        attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(_client("webauthn.create", challenge, origin), attestationObject=websafe_encode(attested))

    def assertion(self, challenge: bytes, origin: str = ORIGIN, rp_id: str = RP_ID) -> dict[str, Any]:
        """Answer `navigator.credentials.get`."""
        client, data = _client("webauthn.get", challenge, origin), self._data(rp_id)
        signature = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(client, authenticatorData=websafe_encode(data), signature=websafe_encode(signature))

    def _data(self, rp_id: str, flags: int = 0) -> bytes:
        self.count += self.counts
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", self.flags | flags, self.count)

    def _answer(self, client: bytes, **response: str) -> dict[str, Any]:
        name = websafe_encode(self.credential_id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": {"clientDataJSON": websafe_encode(client), **response},
            "clientExtensionResults": {},
        }


def _client(kind: str, challenge: bytes, origin: str) -> bytes:
    told = {"type": kind, "challenge": websafe_encode(challenge), "origin": origin, "crossOrigin": False}
    return json.dumps(told).encode()


@dataclass
class Page:
    """Somebody's browser, and the key in their hand."""

    person: Person
    key: SoftKey = field(default_factory=SoftKey)
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        """Sign in."""
        self.client = signed_in(self.person)

    def post(self, path: str, body: object = None, status: int = 200) -> Any:
        """Call; the answer's JSON."""
        answer = self.client.post(path, json.dumps(body or {}), content_type="application/json", secure=True)
        assert answer.status_code == status, answer.content.decode()
        return answer.json()

    def get(self, path: str) -> Any:
        """Ask; the answer's JSON."""
        return self.client.get(path, secure=True).json()

    def register(self, role: str, label: str = "Blue key", status: int = 200) -> str:
        """Register the key; its id."""
        options = self.post("/keys/options")
        body = {
            "role": role,
            "label": label,
            "registration": self.key.registration(websafe_decode(options["challenge"])),
            "recipient": recipient_of(self.key.identity),
        }
        return str(self.post("/keys/new", body, status).get("id"))

    def touch(self, request: dict[str, Any], status: int = 200) -> Any:
        """Touch the key for a request: its text is what is signed."""
        challenge = hashlib.sha256(request["text"].encode()).digest()
        body = {"assertion": self.key.assertion(challenge)}
        return self.post(f"/key-requests/{request['id']}/consent", body, status)

    def found(self, role: str, site: UUID) -> tuple[RoleKey, str]:
        """Found a role's keyring; its key, and the recovery on paper."""
        key, recovery = X25519PrivateKey.generate(), identity_of_prf(os.urandom(32), b"paper")
        made = HeldKey(datetime.now(UTC), key)
        public = key.public_key().public_bytes_raw().hex()
        asked = self.post(f"/keyrings/{role}/ask", {"public_key": public, "recovery": recipient_of(recovery)})
        assert self.touch(asked)["keyring"] == ""
        self.bring_keyring(asked, Keyring(site, role, (made,)))
        return RoleKey(site, "Northshire", role, made.created, key), recovery

    def seal_anew(self, role: str) -> None:
        """Seal a keyring to the keys of now."""
        asked = self.post(f"/keyrings/{role}/ask")
        self.bring_keyring(asked, open_keyring(self.touch(asked)["keyring"], self.key.identity))

    def bring_keyring(self, asked: dict[str, Any], keyring: Keyring) -> None:
        """Seal a keyring to what was asked, and bring it."""
        told = json.loads(asked["text"])
        sealed = seal_keyring(keyring, [*(each["recipient"] for each in told["keys"]), told["recovery"]])
        self.post("/keyrings/seal", {"request": asked["id"], "sealed": sealed})

    def opened(self, material: dict[str, Any], identity: str = "") -> dict[str, str]:
        """Open what a touch gave: what is brought back."""
        if not material["sealed"]:
            return {}
        keyring = open_keyring(material["keyring"], identity or self.key.identity)
        found = {}
        for period, each in material["sealed"].items():
            wrap = WrappedKey.decode(websafe_decode(each["wrap"]))
            left = websafe_decode(each["left"])
            number = (len(left) - 32) // 48 - 1
            role_key = keyring.role_key("Northshire", wrap.layers[number].key_id)
            found[period] = websafe_encode(open_layer(wrap, number, left, [role_key]))
        return found

    def answer(self, request: dict[str, Any]) -> Any:
        """Touch, open and bring back."""
        return self.post(f"/key-requests/{request['id']}/bring", {"opened": self.opened(self.touch(request))})

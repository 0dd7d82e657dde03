"""Makes docs/formats/vectors/keyring.json: run as a program to write it anew.

`python tests/sealing/make_keyring_vectors.py`

Age files are different each time that they are made, so the keyrings in it are made once and kept while they open.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

FOLDER: Final = Path(__file__).resolve().parents[2]
sys.path.append(str(FOLDER / "tests" / "rigs"))

from overt.errors import OvertError  # noqa: E402
from overt.sealing.keyring import HeldKey, Keyring, open_keyring, recipient_of, seal_keyring  # noqa: E402
from prf_identity import bech32, identity_of_prf  # noqa: E402

VECTORS: Final = FOLDER / "docs" / "formats" / "vectors" / "keyring.json"
SITE: Final = UUID("00000000-0000-4000-8000-000000000001")
CREATED: Final = datetime(2026, 1, 1, tzinfo=UTC)
RENEWED: Final = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
OLDER: Final = bytes([0x10] * 32)
ROLES: Final = {"custodian": bytes([0x11] * 32), "witness": bytes([0x22] * 32)}
"""Those that open the wraps in footage.json."""
SECURITY_KEYS: Final = (
    (bytes([0xA1] * 32), bytes(range(16))),
    (bytes([0xA2] * 32), bytes(range(64))),
    (bytes(range(32)), b"\x00"),
)
"""PRF output and credential id."""
PAPER: Final = bytes([0x55] * 32)


def keyrings() -> dict[str, Keyring]:
    """The keyring of each role; that of the custodian holds an older key too."""
    older = HeldKey(CREATED, X25519PrivateKey.from_private_bytes(OLDER))
    newest = {role: HeldKey(RENEWED, X25519PrivateKey.from_private_bytes(key)) for role, key in ROLES.items()}
    return {
        "custodian": Keyring(SITE, "custodian", (older, newest["custodian"])),
        "witness": Keyring(SITE, "witness", (newest["witness"],)),
    }


def refused() -> list[dict[str, str]]:
    """Plaintexts that no reader takes."""
    good = json.loads(keyrings()["custodian"].encode())
    first, second = good["keys"]

    def changed(why: str, **members: Any) -> dict[str, str]:
        return {"why": why, "plaintext": json.dumps(good | members)}

    lacking = {name: value for name, value in good.items() if name != "role"}
    return [
        {"why": "no JSON", "plaintext": "{"},
        {"why": "no object", "plaintext": "[]"},
        {"why": "a member is missing", "plaintext": json.dumps(lacking)},
        changed("a member is unknown", note="x"),
        changed("another format", format="overt site key"),
        changed("another version", version=2),
        changed("the version is text", version="1"),
        changed("the site is no UUID in its usual form", site_id=SITE.hex),
        changed("the site is in capitals", site_id="0000000A-0000-4000-8000-000000000001"),
        changed("the role is no name", role="Custodian"),
        changed("the role ends with a line end", role="custodian\n"),
        changed("no key", keys=[]),
        changed("one key twice", keys=[first, first]),
        changed("257 keys", keys=[first] * 257),
        changed("a member of a key is unknown", keys=[first | {"note": "x"}]),
        changed("the key id is that of another key", keys=[first | {"key_id": second["key_id"]}]),
        changed("the private key is in capitals", keys=[second | {"private_key": "AB" * 32}]),
        changed("the private key is short", keys=[second | {"private_key": "11" * 31}]),
        changed("the private key is no text", keys=[second | {"private_key": 11}]),
        changed("the time has no zone", keys=[second | {"created": "2026-01-01T00:00:00"}]),
        changed("the time is a number", keys=[second | {"created": 1767225600}]),
        changed("the time is none", keys=[second | {"created": "2026-13-01T00:00:00Z"}]),
    ]


def vectors() -> dict[str, Any]:
    """Return the content of the file, but for the sealed keyrings."""
    keys = []
    for output, credential in SECURITY_KEYS:
        identity = identity_of_prf(output, credential)
        facts = {"prf_output": output.hex(), "credential_id": credential.hex()}
        keys.append(facts | {"identity": identity, "recipient": recipient_of(identity)})
    secret = bech32("age-secret-key-", PAPER).upper()
    typed = [secret.lower(), f"  {secret[:30]}\r\n{secret[30:]} \n", " ".join(secret).swapcase()]
    mistyped = [secret[:-1], secret + "Q", secret[:-1] + "QP"[secret.endswith("Q")], secret[16:], ""]
    return {
        "format": "overt role keyring v1",
        "security_keys": keys,
        "recovery": {"secret": secret, "recipient": recipient_of(secret), "typed": typed, "mistyped": mistyped},
        "keyrings": [
            {"role": role, "plaintext": keyring.encode().decode()} for role, keyring in sorted(keyrings().items())
        ],
        "refused": refused(),
    }


def sealed(before: dict[str, str], made: dict[str, Any]) -> dict[str, str]:
    """Return the sealed keyring of each role: the one that was there, if all that should open it do."""
    recipients = [each["recipient"] for each in (*made["security_keys"], made["recovery"])]
    secrets = [*(each["identity"] for each in made["security_keys"]), made["recovery"]["secret"]]

    def kept(role: str, keyring: Keyring) -> str:
        try:
            if all(open_keyring(before[role], each).encode() == keyring.encode() for each in secrets):
                return before[role]
        except (KeyError, OvertError):
            pass
        return seal_keyring(keyring, recipients)

    return {role: kept(role, keyring) for role, keyring in keyrings().items()}


def text() -> str:
    """Return the file."""
    there = json.loads(VECTORS.read_text(encoding="utf-8")) if VECTORS.exists() else {"keyrings": []}
    made = vectors()
    boxes = sealed({each["role"]: each["keyring"] for each in there["keyrings"]}, made)
    for each in made["keyrings"]:
        each["keyring"] = boxes[each["role"]]
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(text(), encoding="utf-8")

"""Makes docs/formats/vectors/ledger and ledger.json beside it: run as a program to write them anew.

`python tests/ledger_format/make_vectors.py`
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from overt.ledger.cosignature import cosign
from overt.ledger.cosigned import add
from overt.ledger.leaves import Entry
from overt.ledger.ledger import Ledger
from overt.ledger.note import COSIGNATURE, ED25519, NoteSigner
from overt.ledger.proving import prove

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "formats" / "vectors"
DOCUMENT = VECTORS.parent / "ledger.md"
START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
LOG = NoteSigner("council.example/control-room", ED25519, Ed25519PrivateKey.from_private_bytes(bytes([0x11] * 32)))
WITNESS = NoteSigner("dpo.example/ana", COSIGNATURE, Ed25519PrivateKey.from_private_bytes(bytes([0x22] * 32)))
COSIGNED_S = 1_767_229_200
BODIES: list[tuple[str, dict[str, Any], int]] = [
    ("ledger.begun", {"site": "Town Hall"}, 0),
    ("look.opened", {"cameras": ["front-door"], "purpose": "crime", "reference": "CR/2026/17", "who": "ana"}, 61),
    ("look.closed", {"look": 1, "seconds": 45, "who": "ana"}, 60),
    ("person.removed", {"who": "bo", "why": "left: \u20ac, \U0001f600, \uff5e"}, 120),
]
"""Kind, body, and the seconds that the machine's clock shows after the start; it is set back once."""
PRUNED = 1
LEFT_OUT = ("journal", "lock", ".lock", "1", "2", "3")
"""Empty files, and tiles of smaller trees."""


class _Clock:
    def __init__(self) -> None:
        self.ns = START_NS

    def utc_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


def make() -> dict[str, bytes]:
    """Return every file of the vectors, by its path."""
    salts = iter(bytes([0xA0 + number] * 32) for number in range(len(BODIES)))
    real = os.urandom
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "ledger"
        salted = mock.patch("overt.ledger.leaves.os.urandom", lambda count: next(salts) if count == 32 else real(count))
        with salted, Ledger.create(directory, LOG, clock=clock) as ledger:
            for kind, body, seconds in BODIES:
                clock.ns = START_NS + seconds * 1_000_000_000 + 123_456_789
                ledger.append(Entry(kind, body))
            signed = ledger.checkpoint
            line = cosign(WITNESS, signed.note.text, COSIGNED_S)
            ledger.prune([PRUNED])
            roots = [ledger.reader().root(size).hex() for size in range(ledger.size + 1)]
        add(directory, signed, [line])
        with Ledger(directory, LOG, clock=clock) as ledger:
            proof = prove(ledger.reader(), directory, 3, witnesses=[WITNESS.verifier])
            leaves = list(ledger.reader().leaves())
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name not in LEFT_OUT
        }
    vector = {
        "key": str(LOG.verifier),
        "private_key": LOG.encode(),
        "witness": str(WITNESS.verifier),
        "witness_private_key": WITNESS.encode(),
        "cosigned_s": COSIGNED_S,
        "leaves": [
            {
                "envelope": leaf.envelope().decode(),
                "hash": leaf.hash.hex(),
                "salt": bytes([0xA0 + leaf.index] * 32).hex(),
                "body": body,
                "pruned": leaf.index == PRUNED,
            }
            for leaf, (_, body, _) in zip(leaves, BODIES, strict=True)
        ],
        "roots": roots,
    }
    files["ledger/leaf-3.tlog-proof"] = proof.encode()
    files["ledger.json"] = (json.dumps(vector, indent=2, ensure_ascii=True) + "\n").encode()
    return files


if __name__ == "__main__":
    shutil.rmtree(VECTORS / "ledger", ignore_errors=True)
    for name, data in make().items():
        (VECTORS / name).parent.mkdir(parents=True, exist_ok=True)
        (VECTORS / name).write_bytes(data)

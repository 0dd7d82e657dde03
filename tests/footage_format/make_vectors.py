"""Makes docs/formats/vectors and the hexadecimal in docs/formats/footage.md: run as a program to write them anew.

`python tests/footage_format/make_vectors.py`
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from overt.footage.format import NO_ID, SegmentHeader, decode_segment_header
from overt.footage.segment_walk import walk
from overt.footage.segment_writer import SealBuffer, SegmentWriter
from overt.ids import StreamKey
from overt.ledger.merkle import leaf_hash
from overt.media.samples import Fragment
from overt.sealing.ratchet import KeyPeriod, PeriodKeys, key_commitment
from overt.sealing.wraps import Layer, WrappedKey, wrap_info

ROOT_FOLDER = Path(__file__).resolve().parents[2]
VECTORS = ROOT_FOLDER / "docs" / "formats" / "vectors"
DOCUMENT = ROOT_FOLDER / "docs" / "formats" / "footage.md"

START = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
PERIOD_ROOT = bytes(range(32))
KEY = StreamKey("front-door", "main")
SITE, SEGMENT, PERIOD, SESSION = (UUID(f"00000000-0000-4000-8000-{n:012x}") for n in range(1, 5))
FIRST_MESSAGE = 3
CONFIGURATION = b"initialisation segment"
FRAGMENTS = (b"first fragment", b"second fragment, one byte of which may flip")
ROLES = {"custodian": bytes([0x11] * 32), "witness": bytes([0x22] * 32)}
EPHEMERAL = (bytes([0x33] * 32), bytes([0x44] * 32))


def stranger() -> ModuleType:
    """Load the other reader, whose HPKE lets the ephemeral key be chosen."""
    if "stranger" in sys.modules:
        return sys.modules["stranger"]
    spec = importlib.util.spec_from_file_location("stranger", Path(__file__).with_name("stranger.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stranger"] = module
    spec.loader.exec_module(module)
    return module


def make_segment(path: Path) -> bytes:
    period = KeyPeriod(PERIOD, PERIOD_ROOT)
    for _ in range(FIRST_MESSAGE):
        period.next_key()
    header = SegmentHeader(
        SITE, SEGMENT, PERIOD, SESSION, NO_ID, START - 7, -1_500_000, FIRST_MESSAGE, period.commitment, KEY
    )
    writer = SegmentWriter(path, header, period, SealBuffer(64))
    writer.configure(CONFIGURATION, START)
    half = 500_000_000
    writer.append(Fragment((), FRAGMENTS[0], START, half, 12, True, True, 0, 0, None, 0))
    writer.append(Fragment((), FRAGMENTS[1], START + half, half - 1, 13, False, False, 1, 2, -250_000_000, 0))
    writer.close(sync=False)
    return path.read_bytes()


def make_wrap(roles: tuple[str, ...]) -> dict[str, Any]:
    other = stranger()
    sealed, layers = PERIOD_ROOT, []
    for n, role in enumerate(roles):
        public = other.public_of(ROLES[role])
        info = wrap_info(SITE, PERIOD, KEY, roles, n)
        sealed = other.hpke_seal(public, info, sealed, EPHEMERAL[n])
        layers.append(Layer(role, hashlib.sha256(public).hexdigest()[:16]))
    return {
        "policy": "single" if len(roles) == 1 else "four-eyes",
        "roles": [
            {
                "role": role,
                "private_key": ROLES[role].hex(),
                "public_key": other.public_of(ROLES[role]).hex(),
                "key_id": layer.key_id,
                "ephemeral_private_key": EPHEMERAL[n].hex(),
                "info": wrap_info(SITE, PERIOD, KEY, roles, n).hex(),
            }
            for n, (role, layer) in enumerate(zip(roles, layers, strict=True))
        ],
        "wrapped_key": WrappedKey(SITE, PERIOD, KEY, tuple(layers), sealed).encode().hex(),
    }


def make() -> dict[str, bytes]:
    """Return the files of the vectors by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment.ovs"
        data = make_segment(path)
        found = walk(path)
    assert found.intact
    assert found.end is not None
    header, length = decode_segment_header(data, "vector")
    keys = PeriodKeys(PERIOD_ROOT)
    plaintexts = (CONFIGURATION, *FRAGMENTS)
    records: list[dict[str, Any]] = []
    for record, plaintext in zip(found.records, plaintexts, strict=True):
        assert record.digest is not None
        h = record.header
        records.append(
            {
                "offset": record.offset,
                "type": h.type,
                "flags": h.flags,
                "samples": h.samples,
                "position": h.position,
                "message": h.message,
                "start_ns": h.start_ns,
                "duration_ns": h.duration_ns,
                "camera_offset_ns": h.camera_offset_ns,
                "lost_packets": h.lost_packets,
                "damaged_samples": h.damaged_samples,
                "payload_length": h.payload_length,
                "record_key": keys.key(h.message).hex(),
                "key_commitment": key_commitment(keys.key(h.message)).hex(),
                "plaintext": plaintext.hex(),
                "record_digest": record.digest.hex(),
                "leaf": leaf_hash(record.digest).hex(),
            }
        )
    vector = {
        "format": "overt footage v1",
        "root": PERIOD_ROOT.hex(),
        "header": {
            "site": SITE.hex,
            "segment": SEGMENT.hex,
            "period": PERIOD.hex,
            "session": SESSION.hex,
            "previous": NO_ID.hex,
            "created_ns": header.created_ns,
            "clock_offset_ns": header.clock_offset_ns,
            "first_message": header.first_message,
            "period_commitment": header.commitment.hex(),
            "camera": header.key.camera,
            "stream": header.key.stream,
            "length": length,
            "header_digest": found.header_digest.hex(),
        },
        "records": records,
        "end": {"records": found.end.records, "merkle_root": found.end.merkle_root.hex(), "end_ns": found.end.end_ns},
        "wraps": [make_wrap(("custodian",)), make_wrap(("custodian", "witness"))],
        "segment_sha256": hashlib.sha256(data).hexdigest(),
    }
    torn = data[: found.records[2].offset + 100]
    text = json.dumps(vector, indent=2) + "\n"
    return {"segment.ovs": data, "torn.ovs": torn, "footage.json": text.encode()}


def hex_lines(data: bytes) -> str:
    return "\n".join(data[i : i + 32].hex() for i in range(0, len(data), 32))


def document_with(data: bytes) -> str:
    """Return the document with the segment's bytes at its end."""
    head, mark, _ = DOCUMENT.read_text().partition("in hexadecimal:\n\n```\n")
    return f"{head}{mark}{hex_lines(data)}\n```\n"


if __name__ == "__main__":
    VECTORS.mkdir(exist_ok=True)
    for name, data in make().items():
        (VECTORS / name).write_bytes(data)
    DOCUMENT.write_text(document_with((VECTORS / "segment.ovs").read_bytes()))

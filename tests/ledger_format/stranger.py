"""A verifier of ledgers written from docs/formats/ledger.md alone. It imports nothing of Overt.

`python stranger.py ledger DIR VKEY` or `python stranger.py proof FILE VKEY [WITNESS...]`
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class RefusedError(Exception):
    """It is not what the document says."""


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def root(hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1."""
    if not hashes:
        return sha()
    if len(hashes) == 1:
        return hashes[0]
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return sha(b"\x01", root(hashes[:half]), root(hashes[half:]))


def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 6962 §2.1.1, from its definition: the last hash of the path is the other child of the root."""
    if size == 1:
        if path:
            raise RefusedError("path too long")
        return leaf
    if not path:
        raise RefusedError("path too short")
    half = 1
    while half * 2 < size:
        half *= 2
    if index < half:
        return sha(b"\x01", climb(leaf, index, half, path[:-1]), path[-1])
    return sha(b"\x01", path[-1], climb(leaf, index - half, size - half, path[:-1]))


def signed(note: str, vkey: str) -> list[int]:
    """Tell when a note was cosigned by a witness, or [0] if a log's key signed it; [] if neither."""
    name, key_id, key = vkey.split("+", 2)
    kind, public = base64.b64decode(key)[0], base64.b64decode(key)[1:]
    if sha(name.encode(), b"\n", bytes([kind]), public)[:4].hex() != key_id:
        raise RefusedError("vkey")
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    times = []
    for line in lines.splitlines():
        dash, who, blob = line.split(" ")
        data = base64.b64decode(blob)
        if dash != "—" or who != name or data[:4].hex() != key_id:
            continue
        message, signature, time = text, data[4:], 0
        if kind == 4:
            (time,) = struct.unpack(">Q", data[4:12])
            message, signature = f"cosignature/v1\ntime {time}\n{text}", data[12:]
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message.encode())
        except InvalidSignature as error:
            raise RefusedError("signature") from error
        times.append(time)
    return times


def checkpoint(note: str, vkey: str) -> tuple[int, bytes]:
    if not signed(note, vkey):
        raise RefusedError("not signed by the ledger's key")
    origin, size, root_hash = note.split("\n")[:3]
    if origin != vkey.split("+", maxsplit=1)[0]:
        raise RefusedError("origin")
    return int(size), base64.b64decode(root_hash)


def path_of(folder: Path, number: int, width: int) -> Path:
    text = str(number)
    text = "0" * (-len(text) % 3) + text
    parts = [text[at : at + 3] for at in range(0, len(text), 3)]
    whole = folder.joinpath(*[f"x{part}" for part in parts[:-1]], parts[-1])
    return whole if width == 256 else Path(f"{whole}.p") / str(width)


def entries(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at)
        found.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return found


def committed(leaf: bytes, salt: bytes, body: bytes) -> bool:
    return bool(json.loads(leaf)["commitment"] == base64.b64encode(sha(salt, body)).decode())


def read_ledger(folder: Path, vkey: str) -> tuple[list[dict[str, Any]], list[dict[str, Any] | None]]:
    """Verify a directory; return its leaves and bodies."""
    size, due = checkpoint((folder / "checkpoint").read_text(), vkey)
    leaves: list[bytes] = []
    lines: list[bytes] = []
    for number in range((size + 255) // 256):
        width = min(256, size - number * 256)
        found = entries(path_of(folder / "tile/entries", number, width).read_bytes())
        if path_of(folder / "tile/0", number, width).read_bytes() != b"".join(sha(b"\x00", each) for each in found):
            raise RefusedError(f"tile {number}")
        leaves += found
        lines += path_of(folder / "bodies", number, 256).read_bytes().split(b"\n")[:width]
    if len(leaves) != size or root([sha(b"\x00", leaf) for leaf in leaves]) != due:
        raise RefusedError("root")
    bodies: list[dict[str, Any] | None] = []
    for leaf, line in zip(leaves, lines, strict=True):
        if line == b"pruned":
            bodies.append(None)
            continue
        salt, body = line.split(b" ", 1)
        if not committed(leaf, base64.b64decode(salt), body):
            raise RefusedError("body")
        bodies.append(json.loads(body))
    values = [json.loads(leaf) for leaf in leaves]
    times = [value["time"] for value in values]
    if times != sorted(times):
        raise RefusedError("times")
    return values, bodies


def read_proof(text: str, vkey: str, witnesses: list[str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Verify a proof; return leaf and body."""
    head, _, note = text.partition("\n\n")
    first, extra, index, *path = head.split("\n")
    if first != "c2sp.org/tlog-proof@v1":
        raise RefusedError("first line")
    size, due = checkpoint(note, vkey)
    if not all(signed(note, witness) for witness in witnesses):
        raise RefusedError("witness")
    value = json.loads(base64.b64decode(extra.removeprefix("extra ")))
    leaf = value["leaf"].encode()
    hashes = [base64.b64decode(each) for each in path]
    if climb(sha(b"\x00", leaf), int(index.removeprefix("index ")), size, hashes) != due:
        raise RefusedError("path")
    body = value.get("body")
    if body is not None:
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        if not committed(leaf, base64.b64decode(value["salt"]), canonical):
            raise RefusedError("body")
    return json.loads(leaf), body


if __name__ == "__main__":
    if sys.argv[1] == "proof":
        sys.stdout.write(f"{read_proof(Path(sys.argv[2]).read_text(), sys.argv[3], sys.argv[4:])}\n")
    else:
        for pair in zip(*read_ledger(Path(sys.argv[2]), sys.argv[3]), strict=True):
            sys.stdout.write(f"{pair}\n")

"""Ledgers for tests: a clock that obeys, entries by the number, and the tree read again without any of our code."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overt.ledger.checkpoint import Checkpoint, sign
from overt.ledger.edge import Edge
from overt.ledger.leaves import Body, Entry, Leaf
from overt.ledger.ledger import Ledger
from overt.ledger.note import COSIGNATURE, NoteSigner

ORIGIN = "council.example/control-room"
SECOND = 1_000_000_000
START_NS = 1_793_000_000 * SECOND


class SetClock:
    """A wall clock that shows what it is told, and goes on by a millisecond whenever it is read."""

    def __init__(self, ns: int = START_NS) -> None:
        self.ns = ns

    def utc_ns(self) -> int:
        self.ns += 1_000_000
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


def entry(number: int, kind: str = "look.opened", **more: Any) -> Entry:
    return Entry(kind, {"number": number, "who": f"person-{number % 7}", **more})


def entries(start: int, count: int) -> list[Entry]:
    kinds = ("look.opened", "look.closed", "camera.added")
    return [entry(number, kinds[number % 3]) for number in range(start, start + count)]


@dataclass
class LedgerSite:
    """A ledger's directory, its key, and a witness's key."""

    directory: Path
    signer: NoteSigner
    witness: NoteSigner
    clock: SetClock

    @contextmanager
    def open(self, **options: Any) -> Iterator[Ledger]:
        make = Ledger if (self.directory / "ledger.json").exists() else Ledger.create
        with make(self.directory, self.signer, clock=self.clock, **options) as ledger:
            yield ledger

    def fill(self, count: int) -> None:
        with self.open() as ledger:
            while ledger.size < count:
                ledger.append_all(entries(ledger.size, min(count - ledger.size, 1000)))


def ledger_site(directory: Path) -> LedgerSite:
    return LedgerSite(
        directory, NoteSigner.generate(ORIGIN), NoteSigner.generate("witness.example/dpo", COSIGNATURE), SetClock()
    )


# A reading of the directory that shares no code with the ledger.


def plain_path(number: int) -> str:
    digits = f"{number:03d}"
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def plain_checkpoint(directory: Path) -> tuple[str, int, bytes]:
    lines = (directory / "checkpoint").read_text().split("\n")
    return lines[0], int(lines[1]), base64.b64decode(lines[2])


def plain_root(hashes: list[bytes]) -> bytes:
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + plain_root(hashes[:middle]) + plain_root(hashes[middle:])).digest()


def plain_leaves(directory: Path) -> list[bytes]:
    """All entries that the checkpoint covers; the root over them must be its root."""
    _, size, root = plain_checkpoint(directory)
    found: list[bytes] = []
    for number in range((size + 255) // 256):
        width = min(256, size - 256 * number)
        path = directory / "tile/entries" / plain_path(number)
        data = (path if width == 256 else path.with_name(f"{path.name}.p") / str(width)).read_bytes()
        at = 0
        while at < len(data):
            (length,) = struct.unpack_from(">H", data, at)
            found.append(data[at + 2 : at + 2 + length])
            at += 2 + length
    assert len(found) == size
    assert plain_root([hashlib.sha256(b"\0" + each).digest() for each in found]) == root
    return found


def plain_bodies(directory: Path, size: int) -> list[Mapping[str, Any] | None]:

    found: list[Mapping[str, Any] | None] = []
    for number in range((size + 255) // 256):
        lines = (directory / "bodies" / plain_path(number)).read_bytes().split(b"\n")[:-1]
        found += [None if line == b"pruned" else json.loads(line.split(b" ", 1)[1]) for line in lines]
    return found[:size]


# An administrator who has the key, the disk and our code.


def bodies_of(directory: Path) -> list[bytes]:
    """The lines of all bodies."""
    lines: list[bytes] = []
    for number in range(len(list((directory / "bodies").rglob("[0-9][0-9][0-9]")))):
        lines += (directory / "bodies" / plain_path(number)).read_bytes().split(b"\n")[:-1]
    return lines


def forge(directory: Path, signer: NoteSigner, leaves: list[bytes], lines: list[bytes]) -> None:
    """Write the ledger anew, all of it in order and signed, out of whatever leaves and bodies."""
    for name in ("tile", "bodies", "journal", "checkpoint"):
        path = directory / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    edge, files = Edge().grown(leaves)
    files["checkpoint"] = sign(Checkpoint(signer.name, edge.size, edge.root()), signer).encode()
    for number in range((len(lines) + 255) // 256):
        part = lines[number * 256 : (number + 1) * 256]
        files[f"bodies/{plain_path(number)}"] = b"".join(line + b"\n" for line in part)
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)


def fabricated(kind: str, time_ns: int, body: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """A leaf and its body that nobody wrote at that time."""
    made = Body.of(body)
    return Leaf(0, kind, time_ns, 0, made.commitment).envelope(), made.line()

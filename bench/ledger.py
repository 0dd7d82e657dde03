"""What the ledger costs: append, open, prove, verify, a page of 50, against what the disk itself takes for a flush.

`python bench/ledger.py [--leaves 100000] [--directory DIR]`
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from overt.ledger.leaves import Entry
from overt.ledger.ledger import Ledger
from overt.ledger.note import COSIGNATURE, NoteSigner
from overt.ledger.proof_file import Proof
from overt.ledger.proving import prove
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource
from overt.ledger.verifying import Copy, Kept, Trust, verify
from overt.ledger.witnessing import Witness

BATCH = 1000
SINGLE = 300
THREADS = 16
PROOFS = 200
KINDS = ("look.opened", "look.closed", "footage.segment", "footage.segment", "footage.segment", "right.changed")


def entry(number: int) -> Entry:
    """Something of the length of a look."""
    body = {
        "who": f"person-{number % 40}",
        "purpose": "prevention of crime",
        "reference": f"CR/2026/{number}",
        "cameras": ["front-door", "car-park"],
        "from": "2026-03-29T14:05:00Z",
        "to": "2026-03-29T14:35:00Z",
    }
    return Entry("rare.thing" if number % 50_000 == 7 else KINDS[number % len(KINDS)], body)


def row(name: str, figure: str) -> None:
    """Print a figure."""
    print(f"{name:<34}{figure}", flush=True)


def timed(what: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def flush_cost(directory: Path) -> float:
    """Return the seconds of one write of 1 kB and one fdatasync, the median of 200."""
    costs = []
    fd = os.open(directory / "probe", os.O_RDWR | os.O_CREAT)
    for number in range(200):
        start = time.perf_counter()
        os.pwrite(fd, bytes(1024), number * 1024)
        os.fdatasync(fd)
        costs.append(time.perf_counter() - start)
    os.close(fd)
    return sorted(costs)[100]


def measure(directory: Path, leaves: int) -> None:
    """Make a ledger of so many leaves, and print what everything takes."""
    signer = NoteSigner.generate("bench.example/ledger")
    flush = flush_cost(directory)
    row("one write of 1 kB and fdatasync", f"{flush * 1e3:10.2f} ms")
    place = directory / "ledger"
    with Ledger.create(place, signer) as ledger:
        costs = sorted(timed(lambda n=n: ledger.append(entry(n))) for n in range(SINGLE))
        usual, slow = costs[SINGLE // 2], costs[SINGLE * 95 // 100]
        row("append, one at a time", f"{usual * 1e3:10.2f} ms, p95 {slow * 1e3:.2f}")
        row("  against one flush", f"{usual / flush:10.1f} x")
        each = 40

        def some(first: int) -> None:
            for number in range(each):
                ledger.append(entry(first + number))

        threads = [threading.Thread(target=some, args=(ledger.size + at * each,)) for at in range(THREADS)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - start
        row(f"append, {THREADS} threads at once", f"{taken / THREADS / each * 1e3:10.2f} ms each")
        start, first = time.perf_counter(), ledger.size
        while ledger.size < leaves:
            ledger.append_all([entry(ledger.size + at) for at in range(min(BATCH, leaves - ledger.size))])
        taken = time.perf_counter() - start
        row(f"append, {BATCH} at once", f"{taken / (leaves - first) * 1e6:10.1f} us each, {taken:.1f} s in all")
    opening = timed(lambda: Ledger(place, signer).close())
    row("open and close", f"{opening * 1e3:10.1f} ms")
    size = sum(each.stat().st_size for each in place.rglob("*") if each.is_file())
    bodies = sum(each.stat().st_size for each in (place / "bodies").rglob("*") if each.is_file())
    row("on disk", f"{(size - bodies) / leaves:10.0f} B a leaf, and {bodies / leaves:.0f} B of body")
    reader = LedgerReader(place)
    chosen = random.Random(7).sample(range(leaves), PROOFS)
    taken = timed(lambda: [prove(reader, place, index) for index in chosen])
    proofs = [prove(reader, place, index) for index in chosen]
    row("prove one leaf", f"{taken / PROOFS * 1e3:10.2f} ms, {len(proofs[0].encode())} B")
    data = [proof.encode() for proof in proofs]
    taken = timed(lambda: [Proof.parse(each).verify([signer.verifier]) for each in data])
    row("verify one proof", f"{taken / PROOFS * 1e3:10.2f} ms")
    taken = timed(lambda: [LedgerReader(place).consistency(leaves // 3) for _ in range(20)])
    row("consistency from a third", f"{taken / 20 * 1e3:10.2f} ms")
    for name, options in {
        "page of 50, newest looks": {"kinds": ["look."], "newest_first": True},
        "page of 50, rare kind": {"kinds": ["rare."], "newest_first": True},
        "page of 50, from the middle": {"since_ns": reader.leaf(leaves // 2).time_ns},
    }.items():
        taken = timed(lambda options=options: _page(place, options))
        row(name, f"{taken * 1e3:10.1f} ms")
    witness = Witness.create(directory / "witness", "bench.example/witness")
    witness.add_log(signer.verifier)
    row("witness, the first time", f"{timed(lambda: witness.cosign(DirectorySource(place))):10.2f} s")
    print(
        f"witness, nothing new                 {timed(lambda: witness.cosign(DirectorySource(place))) * 1e3:10.1f} ms"
    )
    known = witness.log(signer.name)
    last = known.last()
    assert last is not None
    copy = Copy(DirectorySource(known.directory), known.mirrored())
    trust = Trust([signer.verifier], kept=[Kept(last, "kept")], copies=[copy], witnesses=[witness.key])
    assert witness.key.kind == COSIGNATURE
    start = time.perf_counter()
    report = verify(DirectorySource(place), trust)
    taken = time.perf_counter() - start
    assert report.sound, report.findings
    row("verify all, with bodies and a copy", f"{taken:10.1f} s, {taken / leaves * 1e6:.1f} us a leaf")


def _page(place: Path, options: dict[str, object]) -> int:
    reader = LedgerReader(place)
    leaves = islice(reader.leaves(**options), 50)  # type: ignore[arg-type]  # options of that call
    return len(list(reader.read_bodies(leaves)))


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, help="where to write; a temporary directory if not given")
    arguments = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="overt-ledger-", dir=arguments.directory))
    try:
        print(f"{arguments.leaves} leaves in {place}")
        measure(place, arguments.leaves)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()

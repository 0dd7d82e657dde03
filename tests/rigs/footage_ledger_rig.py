"""A store of footage, its outbox and its ledger, as the recorder's main process has them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from footage_rig import CAMERA, T0, FootageSite, append, run
from overt.contract.fact import Fact, FootageDeleted, new_fact
from overt.footage.against_ledger import AgainstLedger, against_ledger
from overt.footage.marker import read_marker
from overt.footage.store import FootageStore
from overt.ids import new_id
from overt.ledger.findings import Report
from overt.ledger.leaves import Leaf
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource
from overt.ledger.verifying import Trust, verify
from overt.recorder.ledger.keeping import FootageLedger
from overt.recorder.outbox import FactOutbox

SECOND = 1_000_000_000
PATIENCE_S = 60.0


def wait_for(condition: Callable[[], bool], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


@dataclass
class Kept:
    """A footage directory with its outbox, and its ledger where that runs."""

    site: FootageSite
    outbox: FactOutbox = field(init=False)
    ledgers: list[FootageLedger] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox = FactOutbox(self.site.directory, self.site.clock)

    @property
    def directory(self) -> Path:
        return self.site.directory

    def store(self, **more: Any) -> FootageStore:
        store = self.site.open(**more)
        store.subscribe(self.tell)
        return store

    def tell(self, fact: Fact) -> None:
        self.outbox.append(fact)
        for each in self.ledgers:
            each.heard(fact)

    def record(self, *counts: int, begin_ns: int = T0) -> None:
        """Store a session of so many half seconds each, one behind the other: a segment each."""
        with self.store() as store:
            for count in counts:
                append(store, run(begin_ns, count), key=CAMERA)
                begin_ns += count * SECOND // 2
            self.site.clock.utc = max(self.site.clock.utc, begin_ns)

    def start(self, **more: Any) -> FootageLedger:
        options = {"gather_s": 0.01, "retry_s": 0.05, "young_s": 0.0} | more
        ledger = FootageLedger(self.directory, self.outbox, self.site.clock, **options)
        self.ledgers.append(ledger)
        ledger.start()
        return ledger

    def stop(self) -> None:
        assert self.outbox.flush(PATIENCE_S)
        while self.ledgers:
            assert self.ledgers.pop().stop(PATIENCE_S)

    def keep(self) -> None:
        """Run the ledger until it has all that there is."""
        assert self.outbox.flush(PATIENCE_S)
        self.start()
        self.stop()

    def delete(self, *segments: str) -> None:
        """Have a leaf that says that segments were deleted."""
        data = FootageDeleted("days", len(segments), 1, T0, T0 + SECOND, (), new_id(), segments)
        self.tell(new_fact(data, self.site.clock.utc_ns(), CAMERA))
        self.keep()

    def leaves(self, *kinds: str) -> list[tuple[Leaf, dict[str, Any]]]:
        reader = LedgerReader(self.directory / "ledger")
        found = reader.read_bodies(reader.leaves(kinds=kinds))
        return [(leaf, body.value()) for leaf, body in found if body is not None]

    def leaf_of(self, path: Path) -> int:
        """The number of the leaf about a segment's file."""
        return next(leaf.index for leaf, told in self.leaves("segment.stored") if told["file"] == path.name)

    def kinds(self) -> Counter[str]:
        return Counter(leaf.kind for leaf, _ in self.leaves())

    def verified(self) -> Report:
        source = DirectorySource(self.directory / "ledger")
        return verify(source, Trust(LedgerReader(self.directory / "ledger").keys))

    def against(self) -> AgainstLedger:
        places = {read_marker(self.directory).location: self.directory}
        return against_ledger(self.directory, LedgerReader(self.directory / "ledger"), places, self.site.clock.utc)

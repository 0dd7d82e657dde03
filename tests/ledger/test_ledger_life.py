"""The life of a ledger, in any order: appends, prunings, refusals, kills, power cuts, restarts, witnesses."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from failing_disk import Died, FailingDisk
from ledger_rig import LedgerSite, entry, ledger_site, plain_bodies, plain_leaves
from overt.errors import UnavailableError
from overt.ledger.ledger import Ledger
from overt.ledger.note import VerifierKey
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource
from overt.ledger.verifying import Trust, verify
from overt.ledger.witnessing import Witness


class Life(RuleBasedStateMachine):
    """What happens to one ledger."""

    folder: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(dir=self.folder))
        self.site: LedgerSite = ledger_site(self.place / "ledger")
        self.ledger = Ledger.create(self.site.directory, self.site.signer, clock=self.site.clock)
        self.witness = Witness.create(self.place / "witness", "w", clock=self.site.clock)
        self.witness.add_log(self.site.signer.verifier)
        self.numbers: list[int | None] = []

    def open(self) -> None:
        self.ledger = Ledger(self.site.directory, self.site.signer, clock=self.site.clock)

    def leave(self) -> None:
        os.close(self.ledger._journal._fd)
        self.ledger._lock.release()

    @rule(count=st.integers(1, 200), back=st.booleans())
    def append(self, count: int, back: bool) -> None:
        self.site.clock.ns -= 5_000_000_000 if back else 0
        self.ledger.append_all([entry(len(self.numbers) + at) for at in range(count)])
        self.numbers += range(len(self.numbers), len(self.numbers) + count)

    @rule(places=st.lists(st.integers(0, 600), max_size=4))
    def prune(self, places: list[int]) -> None:
        chosen = {place for place in places if place < len(self.numbers)}
        forgotten = self.ledger.prune(chosen)
        assert forgotten == sum(self.numbers[place] is not None for place in chosen)
        for place in chosen:
            self.numbers[place] = None

    @rule()
    def restart(self) -> None:
        self.ledger.close()
        self.open()

    @rule()
    def kill(self) -> None:
        self.leave()
        self.open()

    @rule(at=st.integers(1, 60), count=st.integers(1, 70), lasting=st.booleans())
    def refuse(self, at: int, count: int, lasting: bool) -> None:
        with FailingDisk(self.site.directory, at, lasting=lasting).in_place():
            try:
                self.ledger.append_all([entry(len(self.numbers) + n) for n in range(count)])
            except UnavailableError:
                return
        self.numbers += range(len(self.numbers), len(self.numbers) + count)

    @rule(at=st.integers(1, 60), count=st.integers(1, 70), power=st.booleans())
    def die(self, at: int, count: int, power: bool) -> None:
        disk = FailingDisk(self.site.directory, at, dies=True)
        acknowledged = False
        try:
            with disk.in_place():
                self.ledger.append_all([entry(len(self.numbers) + n) for n in range(count)])
            acknowledged = True
        except Died:
            pass
        self.leave()
        if power:
            disk.cut_power()
        self.open()
        assert self.ledger.size in {len(self.numbers), len(self.numbers) + count}
        if acknowledged or self.ledger.size > len(self.numbers):
            assert self.ledger.size == len(self.numbers) + count
            self.numbers += range(len(self.numbers), len(self.numbers) + count)

    @rule()
    def cosign(self) -> None:
        if self.ledger._unrecovered or self.ledger._unpublished:
            return  # What readers see is behind until there is space again.
        signed, _ = self.witness.cosign(DirectorySource(self.site.directory))
        assert signed.size == len(self.numbers)

    @invariant()
    def all_is_there(self) -> None:
        assert self.ledger.size == len(self.numbers)
        if self.ledger._unrecovered or self.ledger._unpublished:
            return
        assert LedgerReader(self.site.directory).size == len(self.numbers)
        bodies = plain_bodies(self.site.directory, len(self.numbers))
        assert [body and body["number"] for body in bodies] == self.numbers

    def teardown(self) -> None:
        self.restart()
        self.ledger.close()
        assert len(plain_leaves(self.site.directory)) == len(self.numbers)
        keys: list[VerifierKey] = [self.site.signer.verifier]
        assert verify(DirectorySource(self.site.directory), Trust(keys)).sound
        shutil.rmtree(self.place)


@pytest.mark.timeout(300)
def test_any_life_of_a_ledger(folder: Path) -> None:
    Life.folder = folder
    run_state_machine_as_test(Life, settings=settings(max_examples=8, stateful_step_count=12, deadline=None))

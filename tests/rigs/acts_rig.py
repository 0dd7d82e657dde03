"""What was written into the control room's ledger while a test ran."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overt.control.acts import book as books
from overt.control.acts.book import book, reader
from overt.control.viewing.models import Purpose
from overt.control.viewing.reasons import Reason
from overt.ledger.ledger import Ledger


@contextmanager
def fresh_ledger(directory: Path) -> Iterator[Ledger]:
    """A ledger of its own, for tests that look at all of it."""
    before = books.ledger_directory
    books.ledger_directory = lambda: directory
    try:
        yield book()
    finally:
        books.ledger_directory = before
        opened = books._open.pop(directory, None)
        if opened is not None:
            opened.close()


@dataclass
class Written:
    """Leaves since it was made; tests of one process share a ledger."""

    start: int

    @classmethod
    def from_now(cls) -> Written:
        return cls(book().size)

    def leaves(self, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
        """Kind and body of each leaf, oldest first; of these kinds (or beginnings of kinds) where any is named."""
        ledger = reader()
        found = []
        for leaf in ledger.leaves(self.start, kinds=kinds):
            body = ledger.body(leaf.index)
            assert body is not None
            found.append((leaf.kind, body.value()))
        return found

    def bodies(self, *kinds: str) -> list[dict[str, Any]]:
        return [body for _, body in self.leaves(*kinds)]


def purpose(**values: Any) -> Purpose:
    """Put a purpose into the register that opens everything and needs a reference."""
    told = {
        "name": "Prevention and detection of crime",
        "legal_basis": "Public task",
        "needs_reference": True,
        "opens": ["replay", "recorded", "export"],
    }
    return Purpose.objects.create(**{**told, **values})


def reason(reference: str = "INC-7", **values: Any) -> Reason:
    """A reason to look, with a purpose made for it."""
    return Reason(purpose(**values).pk, reference)

"""A ledger to be written, in memory where the system has such a place: what is tested there is the order of things."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger_rig import LedgerSite, ledger_site

MEMORY = Path("/dev/shm")


@pytest.fixture(name="swift", scope="session")
def _swift() -> Iterator[Path]:
    """A folder in which flushing costs nothing."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="overt-ledger-", dir=where) as folder:
        yield Path(folder)


@pytest.fixture(name="folder")
def _folder(swift: Path) -> Iterator[Path]:
    """One's own folder there."""
    with tempfile.TemporaryDirectory(dir=swift) as folder:
        yield Path(folder)


@pytest.fixture(name="site")
def _site(folder: Path) -> LedgerSite:
    return ledger_site(folder / "ledger")

"""A ledger to be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_rig import LedgerSite, ledger_site


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> LedgerSite:
    return ledger_site(tmp_path / "ledger")
